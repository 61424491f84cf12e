"""Contrast as it is drawn: every text of every screen, on stripes and in both halves of a flash; values 7:1."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.browser import history, look
from tests.browser.fake import Fake
from tests.browser.pages import opened
from tests.browser.test_screens import SCHEMES, SCREENS, Scheme

VALUES = "b.value, .reading b, .pt-vital-number, .row-crossing .number, .readings .number"
MEASURE = r"""
(values) => {
  const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const known = new Map();
  // Any colour that a style can hold, as red, green, blue of 255 and its alpha.
  const read = (text) => {
    if (!known.has(text)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = text;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      known.set(text, [r, g, b, a / 255]);
    }
    return known.get(text);
  };
  const over = (top, below) => below.map((value, i) => top[i] * top[3] + value * (1 - top[3]));
  const light = (rgb) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb.map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [a, b] = [light(one), light(other)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  // All that a text may lie on: its own ground, and each colour of the stripes on it.
  const grounds = (element) => {
    if (!element) return [[255, 255, 255]];
    const style = getComputedStyle(element), fill = read(style.backgroundColor);
    const plain = fill[3] === 1 ? [fill.slice(0, 3)] : grounds(element.parentElement).map((below) => over(fill, below));
    const stripes = (style.backgroundImage.match(/(?:rgba?|color)\([^()]*\)/g) ?? []).map(read);
    return [...plain, ...plain.flatMap((below) => stripes.map((stripe) => over(stripe, below)))];
  };
  const shown = (element) => element.checkVisibility({checkVisibilityCSS: true, checkOpacity: true})
    && !element.closest('.unseen-by-eyes, :disabled, canvas, option, svg');
  const told = [];
  let seen = 0, figures = 0;
  for (const half of ['on', 'off']) {
    document.documentElement.dataset.flashHigh = document.documentElement.dataset.flashMedium = half;
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const element = texts.currentNode.parentElement;
      if (!texts.currentNode.data.trim() || !shown(element)) continue;
      const figure = element.closest(values) !== null, least = figure ? 7 : 4.5;
      const ink = read(getComputedStyle(element).color);
      const worst = Math.min(...grounds(element).map((ground) => ratio(over(ink, ground), ground)));
      seen += 1;
      figures += Number(figure);
      const place = `${half} ${element.className || element.tagName}: ${texts.currentNode.data.trim()}`;
      if (worst < least) told.push(`${place}: ${worst.toFixed(2)}`);
    }
  }
  return {told: [...new Set(told)], seen, figures};
}
"""


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", SCREENS)
async def test_every_text_is_read_and_a_value_from_afar(browser: Browser, fake: Fake, name: str, scheme: Scheme):
    """A checker passes over whatever lies on stripes or a gradient, and asks no more of a value than of a footnote."""
    await look.fill(fake, "ward", 20)
    history.remember(fake)
    token, route, ready = SCREENS[name]
    size = {"width": 1920, "height": 1080} if name == "wall" else {"width": 1440, "height": 900}
    async with opened(browser, fake.url(token), color_scheme=scheme, viewport=size) as screen:
        await screen.go(route)
        await screen.shows(ready)
        await screen.settled(fake)
        found = await screen.page.evaluate(MEASURE, VALUES)
        assert found["told"] == []
        assert found["seen"] > 50
        assert (found["figures"] > 0) == (name in {"ward", "wall", "patient"})
