"""A real browser for the drills: headless Chromium on the page, and what it says of itself.

The page marks whatever shows an alert with ``data-alert`` (its id). A script that runs before the page's own notes when
each id first stood in the document, on the machine's clock, how long frames took, and what was said aloud.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from playwright.async_api import Browser, Page, ViewportSize, async_playwright
from playwright.async_api import Error as PlaywrightError

from vitals.errors import InputError

SAID_MAX = 300
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
WATCH = """
(() => {
  const seen = new Map(), frames = [], long = [];
  const note = (node) => {
    const id = node.getAttribute('data-alert');
    if (id && !seen.has(id)) seen.set(id, performance.timeOrigin + performance.now());
  };
  const look = (node) => {
    if (node.nodeType !== 1) return;
    if (node.hasAttribute('data-alert')) note(node);
    for (const each of node.querySelectorAll('[data-alert]')) note(each);
  };
  new MutationObserver((records) => {
    for (const record of records) {
      if (record.type === 'attributes') note(record.target);
      else for (const node of record.addedNodes) look(node);
    }
  }).observe(document, {subtree: true, childList: true, attributes: true, attributeFilter: ['data-alert']});
  let last = 0, counting = false;
  const frame = (at) => {
    if (!counting) return;
    if (last) frames.push(at - last);
    last = at;
    requestAnimationFrame(frame);
  };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) long.push(entry.duration);
  }).observe({type: 'longtask', buffered: true});
  globalThis.drill = {
    take: () => { const found = [...seen]; seen.clear(); return found; },
    begin: () => { frames.length = 0; long.length = 0; last = 0; counting = true; requestAnimationFrame(frame); },
    end: () => { counting = false; return {frames: [...frames], long: [...long]}; },
  };
})();
"""
Scheme = Literal["dark", "light"]


@dataclass(frozen=True, slots=True)
class Frames:
    """How long frames and tasks of the page took, ms."""

    frames: list[float]
    long_tasks: list[float]

    @property
    def worst_ms(self) -> float:
        """The longest time between two frames, or of one task."""
        return max([*self.frames, *self.long_tasks], default=0.0)


def chromium() -> Path:
    """The machine's Chromium.

    Raises:
        InputError: there is none.
    """
    if named := os.environ.get("VIGIL_TEST_CHROMIUM"):
        if found := shutil.which(named):
            return Path(found)
        raise InputError("VIGIL_TEST_CHROMIUM names no program", named, "give the path of a Chromium, or unset it")
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    remedy = "on Debian: apt-get install chromium; or set VIGIL_TEST_CHROMIUM to its path"
    raise InputError("no Chromium is installed", ", ".join(NAMES), remedy)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium that ends with the body."""
    async with async_playwright() as playwright:
        program = chromium()
        try:
            found = await playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        except PlaywrightError as error:
            said = " ".join(error.message.split())[:SAID_MAX]
            raise InputError("Chromium does not start", f"{program}: {said}", "try it by hand") from None
        try:
            yield found
        finally:
            await found.close()


async def open_page(
    found: Browser, link: str, *, width: int = 1440, height: int = 900, scheme: Scheme = "dark", watch: bool = False
) -> Page:
    """Sign in by a link on a fresh page of a context of its own, and wait for the feed to be open."""
    size: ViewportSize = {"width": width, "height": height}
    context = await found.new_context(viewport=size, color_scheme=scheme)
    page = await context.new_page()
    if watch:
        await page.add_init_script(WATCH)
    await page.goto(link)
    await page.wait_for_selector('[data-feed="open"]', timeout=30_000)
    return page


async def taken(page: Page) -> dict[str, float]:
    """Alert id -> µs UTC at which it first stood in the document, for those since the last call."""
    pairs: list[tuple[str, float]] = await page.evaluate("drill.take()")
    return {alert: at * 1000 for alert, at in pairs}


async def begin_frames(page: Page) -> None:
    """Count frames from here on."""
    await page.evaluate("drill.begin()")


async def end_frames(page: Page) -> Frames:
    """The frames since `begin_frames`."""
    found: Mapping[str, list[float]] = await page.evaluate("drill.end()")
    return Frames(found["frames"], found["long"])


def cpu_seconds(parent: psutil.Process) -> float:
    """CPU seconds of all browser processes below a process, those that have ended left out."""
    total = 0.0
    for process in parent.children(recursive=True):
        try:
            if "chrom" in process.name():
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total
