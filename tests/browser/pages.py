"""A page in a real browser, as tests see it: opened by a token's link, watched for what must never happen.

A script that runs before the page's own keeps what was said aloud, which tones began, every mutation of the document
and every violation of the content policy. `Screen.check` is called at the end of every test.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from runtime.testing.waiting import until
from tests.browser.fake import Fake
from tests.browser.fixtures import patient_id

SCREENS = Path(os.environ.get("VIGIL_SCREENS") or tempfile.gettempdir()) / "vigil-screens"
AXE = Path(__file__).parents[2] / "dashboards" / "page" / "node_modules" / "axe-core" / "axe.min.js"
ROOT_OPEN = '[data-feed="open"]'
WATCH = """
(() => {
  const held = {said: [], tones: [], violations: [], changed: [], counting: false};
  addEventListener('securitypolicyviolation', (event) => held.violations.push(
    `${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile ?? ''}:${event.lineNumber}`));
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...when) {
    held.tones.push([this.frequency.value, performance.now()]);
    return start.apply(this, when);
  };
  const place = (node) => {
    const element = node.nodeType === 1 ? node : node.parentElement;
    return element?.closest('[data-patient]')?.getAttribute('data-patient') ?? element?.id ?? '';
  };
  new MutationObserver((records) => {
    for (const record of records) {
      const region = record.target.nodeType === 1 ? record.target : record.target.parentElement;
      const live = region?.closest('#urgent, #said');
      if (live?.textContent) held.said.push([live.id, live.textContent]);
      if (held.counting) held.changed.push([place(record.target), record.type]);
    }
  }).observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
  globalThis.watched = held;
})();
"""


@dataclass
class Screen:
    """One page, and what went wrong on it."""

    page: Page
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.broken.append(str(error)))

    @property
    def context(self) -> BrowserContext:
        """The browser's profile that the page lives in; its pages are one station's tabs."""
        return self.page.context

    async def go(self, route: str) -> None:
        """Another screen of the page, by its address."""
        await self.page.evaluate("(route) => { location.hash = route; }", route)

    async def alerts(self) -> set[UUID]:
        """The open alerts that the page knows."""
        return {UUID(each) for each in await self.page.evaluate("vigil.alerts()")}

    async def changes(self) -> int:
        """How many different changes it took over."""
        return int(await self.page.evaluate("vigil.changes()"))

    async def settled(self, fake: Fake) -> None:
        """Wait until the page knows the alerts that the fake holds, no more and no less."""

        async def equal() -> bool:
            return await self.alerts() == set(fake.alerts)

        await until(equal, 10)

    async def said(self, region: str = "urgent") -> list[str]:
        """What a live region has said so far: ``urgent`` or ``said``."""
        found: list[tuple[str, str]] = await self.page.evaluate("watched.said")
        return list(dict.fromkeys(text for name, text in found if name == region))

    async def says(self, words: str, region: str = "urgent") -> None:
        """Wait until a live region has said these words."""

        async def heard() -> bool:
            return any(words in text for text in await self.said(region))

        await until(heard, 10)

    async def tones(self) -> list[tuple[float, float]]:
        """(hertz, ms of the page's clock) of every tone, harmonics left in."""
        return [(hertz, at) for hertz, at in await self.page.evaluate("watched.tones")]

    async def count(self, *, on: bool) -> list[tuple[str, str]]:
        """Begin or end counting mutations; those so far as (patient or id, kind)."""
        found = await self.page.evaluate("(on) => { watched.counting = on; return watched.changed.splice(0); }", on)
        return [(place, kind) for place, kind in found]

    def card(self, number: int) -> Locator:
        """The card of a patient of the fake ward."""
        return self.page.locator(f"#card-{patient_id(number)}")

    async def shows(self, selector: str, *words: str, seconds: float = 10) -> None:
        """Wait until an element stands there with these words in it."""
        found = self.page.locator(selector).first
        await expect(found).to_be_attached(timeout=seconds * 1000)
        for word in words:
            await expect(found).to_contain_text(word, timeout=seconds * 1000)

    async def passing(self, seconds: int) -> None:
        """Until the page's own clock has shown so many further seconds."""
        clock = self.page.locator("time.clock")
        for _ in range(seconds):
            await expect(clock).not_to_have_text(await clock.inner_text(), timeout=5_000)

    async def keep(self, name: str) -> None:
        """A picture for people to look at."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SCREENS / f"{name}.png")

    async def axe(self) -> list[str]:
        """What axe finds: rule and place, one line each."""
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert found["passes"], "axe looked at nothing"
        return [
            f"{rule['id']}: {rule['help']}: {' '.join(map(str, node['target']))} {node.get('failureSummary', '')}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    async def check(self) -> None:
        """Nothing was thrown, and the content policy was never hurt."""
        assert self.broken == []
        assert await self.page.evaluate("watched.violations") == []


@asynccontextmanager
async def station(browser: Browser, **given: Any) -> AsyncIterator[BrowserContext]:
    """One station: tabs in it share locks and storage; ``given`` as Playwright's new_context takes it."""
    context = await browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"} | given)
    await context.add_init_script(WATCH)
    try:
        yield context
    finally:
        await context.close()


async def tab(context: BrowserContext, link: str, wait: str = ROOT_OPEN) -> Screen:
    """A tab that has opened a link and stands."""
    screen = Screen(await context.new_page())
    await screen.page.goto(link)
    await screen.shows(wait, seconds=20)
    return screen


@asynccontextmanager
async def opened(browser: Browser, link: str, wait: str = ROOT_OPEN, **given: Any) -> AsyncIterator[Screen]:
    """A page of its own station, checked at the end."""
    async with station(browser, **given) as context:
        screen = await tab(context, link, wait)
        yield screen
        await screen.check()
