"""Charts as the page draws them: a patient's screen, another range, and what then stands on the canvas.

The page measures ``vigil-chart`` itself, from its question to the API until the second of the two charts is drawn.
From the click on the range until that is painted it takes a frame more, and the 90 ms for which the page waits for a
further click before it asks.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from playwright.async_api import Page, Request
from playwright.async_api import TimeoutError as PageTimeout

from compose.drills.past import Spike
from vitals.errors import ServerStalled

RANGE = "14 days"
CHART_S = 10.0
QUIET_MS = 500
OPENED = """
([label, quiet]) => {
  const last = performance.getEntriesByName('vigil-chart').at(-1);
  return document.getElementById('patient-title')?.textContent === label && last !== undefined
    && performance.now() - last.startTime - last.duration > quiet;
}
"""
CHOOSE = """
(words) => new Promise((done) => {
  performance.clearMeasures('vigil-chart');
  const clicked = performance.now();
  const painted = (drawn) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done({chart: drawn.duration, painted: performance.now() - clicked});
    channel.port2.postMessage(null);
  });
  new PerformanceObserver((list, observer) => {
    const drawn = performance.getEntriesByName('vigil-chart').find((each) => each.startTime >= clicked);
    if (drawn === undefined) return;
    observer.disconnect();
    painted(drawn);
  }).observe({type: 'measure'});
  document.querySelector(`.chart-tools button[title="${words}"]`).click();
})
"""
LOOK = """
() => {
  const share = (host) => {
    const canvas = host.querySelector('canvas'), plot = host.querySelector('.u-over');
    const pencil = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
    pencil.fillStyle = getComputedStyle(host).getPropertyValue('--chart-line').trim();
    pencil.fillRect(0, 0, 1, 1);
    const line = pencil.getImageData(0, 0, 1, 1).data;
    const sharp = canvas.width / canvas.clientWidth;
    const [left, top, width, height] = [plot.offsetLeft, plot.offsetTop, plot.clientWidth, plot.clientHeight]
      .map((each) => Math.round(each * sharp));
    const pixels = canvas.getContext('2d').getImageData(left, top, width, height).data;
    const near = (at) => pixels[at + 3] > 128 && [0, 1, 2].every((i) => Math.abs(pixels[at + i] - line[i]) < 48);
    let columns = 0;
    for (let x = 0; x < width; x += 1) {
      for (let y = 0; y < height; y += 1) if (near(4 * (y * width + x))) { columns += 1; break; }
    }
    return columns / width;
  };
  return {
    pressed: document.querySelector('.chart-tools [aria-label="Range of the chart"] [aria-pressed=true]')?.title,
    words: document.querySelector('.chart figcaption').textContent,
    shares: [...document.querySelectorAll('.chart-canvas')].map(share),
  };
}
"""
WORDS = re.compile(r": between (\S+) and (\S+) ")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One chart of `RANGE`: the page's own measure and click to paint (ms), and what stands there.

    ``extremes`` are the least and greatest of each of the two metrics, in the page's words. ``shares`` are the parts
    of each plot's width in which there is a line.
    """

    chart_ms: float
    painted_ms: float
    pressed: str
    extremes: tuple[tuple[float, float], ...]
    shares: tuple[float, ...]


async def points(page: Page, patient: UUID, label: str) -> int:
    """How many points the page asks for where somebody chooses `RANGE`; the ward is on show again at the end.

    Raises:
        ServerStalled: no chart comes.
    """
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    drawn = await draw(page, patient, label)
    page.remove_listener("request", note)
    if drawn is None:
        raise ServerStalled("no chart is drawn", label, "see the dashboard's log")
    await page.evaluate("() => { location.hash = '#/'; }")
    await page.wait_for_selector("[data-patient]")
    found = [int(each[1]) for url in asked if (each := re.search(r"/series\?.*points=(\d+)", url))]
    return found[-1]


async def draw(page: Page, patient: UUID, label: str) -> Drawn | None:
    """Open a patient's screen, let it come to rest, choose `RANGE`; None where a chart does not come within 10 s."""
    await page.evaluate("() => performance.clearMeasures('vigil-chart')")
    await page.evaluate("(route) => { location.hash = route; }", f"#/patient/{patient}")
    try:
        await page.wait_for_function(OPENED, arg=[label, QUIET_MS], timeout=CHART_S * 1000)
        async with asyncio.timeout(CHART_S):
            took: dict[str, float] = await page.evaluate(CHOOSE, RANGE)
    except (PageTimeout, TimeoutError):
        return None
    seen: dict[str, Any] = await page.evaluate(LOOK)
    extremes = tuple((float(low), float(high)) for low, high in WORDS.findall(seen["words"]))
    return Drawn(took["chart"], took["painted"], seen["pressed"], extremes, tuple(seen["shares"]))


def wanted(planted: Sequence[Spike]) -> tuple[tuple[float, float], ...]:
    """The extremes that a patient's chart must tell, metrics in the order of their numbers."""
    values: dict[int, list[float]] = {}
    for spike in planted:
        values.setdefault(spike.metric.code, []).append(spike.value)
    return tuple((min(each), max(each)) for _, each in sorted(values.items()))
