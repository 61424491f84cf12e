"""The wall at six metres: digits of 30 mm, and every word on a tile whole, whatever fonts the station has."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Browser, Page

from dashboards.tiles import Vitals
from runtime.testing.waiting import until
from tests.browser import look
from tests.browser.fake import Fake
from tests.browser.fixtures import ACKNOWLEDGED, HEART, HEART_RATE_LIMITS, alert, patient_id, vital
from tests.browser.pages import Screen, opened, station, tab
from vitals.metrics import MINUTE_US, SECOND_US

Scheme = Literal["dark", "light"]
WALL = {"width": 3840, "height": 2160}
WIDE = '"DejaVu Sans"'
"""The widest letters that a bare system has."""
CUT = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d');
  const hidden = (at) => at && (getComputedStyle(at).display === 'none' || at.classList.contains('unseen-by-eyes')
    || hidden(at.parentElement));
  const clips = (at) => {
    const style = getComputedStyle(at);
    return !['contents', 'inline'].includes(style.display) && (style.overflowX !== 'visible' || at.matches('.tile'));
  };
  const around = (at, tile) => getComputedStyle(at).position === 'absolute' ? tile : at.parentElement;
  // The ink of a text, line by line: its line's box may be lower than its letters, and may be higher.
  const ink = (text) => {
    const style = getComputedStyle(text.parentElement), range = document.createRange();
    canvas.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const size = canvas.measureText(text.data);
    range.selectNodeContents(text);
    return [...range.getClientRects()].map(({left, right, top}) => {
      const base = top + size.fontBoundingBoxAscent;
      return {text: text.data, at: text.parentElement, left, right,
        top: base - size.actualBoundingBoxAscent, bottom: base + size.actualBoundingBoxDescent};
    });
  };
  const told = [];
  for (const tile of document.querySelectorAll('.wall .tile')) {
    const words = [], texts = document.createTreeWalker(tile, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode;
      if (!text.data.trim() || text.data.startsWith('no limit') || hidden(text.parentElement)) continue;
      words.push(...ink(text));
    }
    const name = tile.querySelector('.label').textContent;
    for (const word of words) {
      for (let at = word.at; at !== tile.parentElement; at = around(at, tile)) {
        if (!clips(at)) continue;
        const box = at.getBoundingClientRect();
        // What its title says whole may end in dots.
        if (at.title) word.right = Math.min(word.right, box.right);
        const over = Math.max(
          box.left - word.left, word.right - box.right, box.top - word.top, word.bottom - box.bottom);
        if (over > 1) told.push(`${name}: ${word.text} is ${over.toFixed()} px beyond ${at.className}`);
      }
    }
    for (const [place, word] of words.entries()) {
      for (const other of words.slice(place + 1)) {
        const wide = Math.min(word.right, other.right) - Math.max(word.left, other.left);
        const high = Math.min(word.bottom, other.bottom) - Math.max(word.top, other.top);
        if (wide > 1 && high > 1 && word.at !== other.at) told.push(`${name}: ${word.text} is on ${other.text}`);
      }
    }
  }
  return told;
})()
"""
SIZES = """
(() => [...document.querySelectorAll('.wall .tile .value')].map((value) => [
  value.textContent, parseFloat(getComputedStyle(value).fontSize) * 100 / innerWidth]))()
"""


def crowd(fake: Fake) -> None:
    """The longest of everything that a tile can say, on tiles that have much else to say too."""
    now = fake.now()
    ago = now - 17 * MINUTE_US
    beat = vital("heart_rate", 129, now)
    free = beat.model_copy(update={"limits": HEART_RATE_LIMITS.model_copy(update={"applies": False})})
    given = {
        1: (vital("heart_rate", 184, now), vital("glucose", 400, now, slope=3.4)),
        3: (vital("heart_rate", 188, now - 20 * SECOND_US), vital("glucose", 284, now - 5 * MINUTE_US, slope=-2.8)),
        10: (
            vital("heart_rate", None, ago, state="contact_lost", last_good=(171, ago)),
            vital("glucose", 48, ago),
        ),
        11: (
            vital("heart_rate", 104, now - 20 * SECOND_US),
            vital("glucose", None, ago, state="invalid", last_good=(400, ago)),
        ),
        12: (vital("heart_rate", 171, ago), vital("glucose", 401, ago, state="high")),
        13: (vital("heart_rate", 130, now), vital("glucose", 401, now, state="high", slope=2.8)),
        14: (
            vital("heart_rate", 129, now - 20 * SECOND_US),
            vital("glucose", 328, now - 605 * SECOND_US, slope=-2.8),
        ),
        15: (free, vital("glucose", 328, now - 125 * SECOND_US, slope=-2.8)),
        16: (
            vital("heart_rate", None, ago, state="removed", last_good=(171, ago)),
            vital("glucose", None, ago, state="removed", last_good=(400, ago)),
        ),
    }
    held_twice = alert(1, now, **HEART, **ACKNOWLEDGED, acknowledged_until=now + 24 * MINUTE_US)
    for one in (held_twice, alert(1, now, **look.shelved(1, now))):
        fake.alerts[one.id] = one
    for number, (rate, glucose) in given.items():
        if patient_id(number) in fake.tiles:
            held = fake.tiles[patient_id(number)]
            shown = {"vitals": Vitals(heart_rate=rate, glucose=glucose), "battery": 12.0}
            fake.tiles[held.patient] = held.model_copy(update=shown)


async def in_unit(page: Page, unit: str) -> None:
    """The station's unit of glucose, and the page anew with it."""
    await page.evaluate("(unit) => localStorage.setItem('vigil.glucoseUnit', JSON.stringify(unit))", unit)
    await page.reload()


async def in_font(screen: Screen, font: str) -> None:
    """The page in another font, drawn."""
    await screen.page.evaluate(
        "(font) => { if (font) document.documentElement.style.setProperty('--font', font);"
        " return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); }",
        font,
    )


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("unit", ["mg/dL", "mmol/L"])
@pytest.mark.parametrize("font", ["", WIDE], ids=["usual", "wide"])
async def test_on_a_wall_of_twenty_digits_are_30_mm_and_nothing_is_cut(
    browser: Browser, fake: Fake, scheme: Scheme, unit: str, font: str
):
    """Whoever stands at the corridor's far end reads the digits; half a word beside them misleads who is near."""
    await look.fill(fake, "ward", 20)
    crowd(fake)
    async with opened(browser, fake.url("wall-token"), ".shell.wall", color_scheme=scheme, viewport=WALL) as screen:
        await in_unit(screen.page, unit)
        await screen.settled(fake)
        await screen.shows(f"#tile-{patient_id(1)} .unit", "/min")
        await screen.shows(f"#tile-{patient_id(10)}", "last 48 at" if unit == "mg/dL" else "last 2.7 at")
        await screen.shows(f"#tile-{patient_id(3)} [data-metric=glucose].stale", "284" if unit == "mg/dL" else "15.8")
        await in_font(screen, font)
        await screen.keep(f"wall-{scheme}-{unit[:2]}{'-wide' if font else ''}")
        sizes = await screen.page.evaluate(SIZES)
        digits = {text: size for text, size in sizes if text not in {"LOW", "HIGH"}}
        assert {"184", "--", "400" if unit == "mg/dL" else "22.2"} <= digits.keys()
        assert min(digits.values()) >= 3.29, "% of the width: 29 mm on a wall screen of 55 inches"
        assert min(size for _, size in sizes) >= 2.9, "words are wider than digits"
        assert await screen.page.evaluate(CUT) == []


@pytest.mark.parametrize("font", ["", WIDE], ids=["usual", "wide"])
@pytest.mark.parametrize("patients", [8, 12, 24, 40])
async def test_with_any_number_of_patients_nothing_on_the_wall_is_cut(
    browser: Browser, fake: Fake, patients: int, font: str
):
    """A full ward has smaller tiles, and the same words on them."""
    await look.fill(fake, "ward", patients)
    crowd(fake)
    async with opened(browser, fake.url("wall-token"), ".shell.wall", viewport=WALL) as screen:
        await in_unit(screen.page, "mmol/L")
        await screen.settled(fake)
        await screen.shows(f"#tile-{patient_id(1)} .unit", "/min")
        await in_font(screen, font)
        assert await screen.page.evaluate(CUT) == []


@pytest.mark.parametrize("size", [WALL, {"width": 1920, "height": 1080}, {"width": 1920, "height": 1200}])
async def test_a_banner_makes_tiles_smaller_and_cuts_nothing(browser: Browser, fake: Fake, size: dict[str, int]):
    """When data stall is when every word on the tiles counts."""
    await look.fill(fake, "stalled", 20)
    crowd(fake)
    async with opened(browser, fake.url("wall-token"), ".shell.wall", viewport=size) as screen:
        await screen.settled(fake)
        await screen.shows("#data-stalled")
        await screen.shows(f"#tile-{patient_id(1)} .unit", "/min")
        await in_font(screen, "")
        assert await screen.page.evaluate(CUT) == []
        below = "document.querySelector('.wall .foot').getBoundingClientRect().bottom - innerHeight"
        assert await screen.page.evaluate(below) <= 1


LOCKS = """
globalThis.wakeLocks = [];
Object.defineProperty(navigator, 'wakeLock', {value: {request: async () => {
  const lock = new EventTarget();
  lock.held = true;
  lock.release = async () => {
    lock.held = false;
    lock.dispatchEvent(new Event('release'));
  };
  wakeLocks.push(lock);
  return lock;
}}});
"""


async def holds_one(screen: Screen) -> bool:
    return bool(await screen.page.evaluate("wakeLocks.filter((lock) => lock.held).length === 1"))


async def test_a_wall_stays_awake_also_after_the_system_has_taken_the_lock_back(browser: Browser, fake: Fake):
    """A battery saver takes it once, and nobody touches a wall: it would be dark until the next visit."""
    async with station(browser) as context:
        await context.add_init_script(LOCKS)
        screen = await tab(context, fake.url("wall-token"), ".shell.wall")
        await until(lambda: holds_one(screen), 5)
        # In one go: a second later the page has asked for the next one.
        released = "(wakeLocks.find((lock) => lock.held).release(), wakeLocks.filter((lock) => lock.held).length)"
        assert await screen.page.evaluate(released) == 0
        await until(lambda: holds_one(screen), 5)
        await screen.check()
