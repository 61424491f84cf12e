"""A feed that falls silent: said after 5 s, shouted after 10 s, sounded after 15 s, also behind another tab."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser

from runtime.testing.waiting import until
from tests.browser.fake import CLOCK, Fake
from tests.browser.fixtures import alert
from tests.browser.pages import Screen, opened, tab

pytestmark = pytest.mark.timeout(90)
BEAT_S = 2.0
"""The last heartbeat came at most so long before the silence began."""
SLACK_S = 1.5
TECHNICAL_HZ = 330
PHASES = """
globalThis.phases = [];
const now = () => performance.timeOrigin + performance.now();
new MutationObserver(() => phases.push([document.documentElement.dataset.feed, now()]))
  .observe(document.documentElement, {attributes: true, attributeFilter: ['data-feed']});
"""
ASLEEP = """
(() => {
  Object.defineProperty(document, 'visibilityState', {get: () => 'hidden', configurable: true});
  Object.defineProperty(document, 'hidden', {get: () => true, configurable: true});
  globalThis.setTimeout = globalThis.setInterval = globalThis.requestAnimationFrame = () => 0;
  document.dispatchEvent(new Event('visibilitychange'));
})()
"""
"""A hidden tab at its worst: none of its own timers ever fires, and no frame is drawn."""


async def phases(screen: Screen, began_s: float) -> dict[str, float]:
    """Phase -> seconds from the silence to its first show."""
    found: dict[str, float] = {}
    for phase, at in await screen.page.evaluate("phases"):
        found.setdefault(phase, at / 1000 - began_s)
    return found


async def technical_at(screen: Screen, began_s: float) -> float:
    """Seconds from the silence to the technical tone."""
    origin = await screen.page.evaluate("performance.timeOrigin")
    found: list[float] = []

    async def sounded() -> bool:
        found[:] = [(origin + at) / 1000 - began_s for hertz, at in await screen.tones() if hertz == TECHNICAL_HZ]
        return bool(found)

    await until(sounded, 30)
    return found[0]


async def test_silence_is_said_shouted_and_sounded_in_time_also_in_a_tab_that_nobody_sees(browser: Browser, fake: Fake):
    """A quiet list is either a quiet night or a dead feed; and the tab that should say so is mostly behind another.

    One more is opened only then: it is answered, and never hears a heartbeat; a gateway that hangs is lost too.
    """
    async with opened(browser, fake.url()) as seen, opened(browser, fake.url()) as hidden:
        for screen in (seen, hidden):
            await screen.page.click("#sound")
            await screen.shows("#sound", "sound on")
            await screen.page.evaluate(PHASES)
        await hidden.page.evaluate(ASLEEP)
        await fake.put(alert(2, fake.now()))
        await seen.settled(fake)
        await hidden.settled(fake)
        fake.faults.silent, began = True, CLOCK.now_us() / 1e6
        late = await tab(seen.context, fake.url(), '[data-feed="connecting"]')
        await asyncio.gather(*(screen.shows('[data-feed="lost"]', seconds=20) for screen in (seen, hidden, late)))
        await seen.shows("#feed-lost", "FEED LOST", "no heartbeat comes", "Look at the patients", "as it was")
        await late.shows("#feed-lost", "FEED LOST", "connected, but no heartbeat comes")
        await seen.keep("state-lost")
        assert await seen.axe() == []
        tones = await asyncio.gather(technical_at(seen, began), technical_at(hidden, began))
        for screen, tone in zip((seen, hidden), tones, strict=True):
            found = await phases(screen, began)
            for name, seconds in (("reconnecting", 5.0), ("lost", 10.0)):
                assert seconds - BEAT_S - 0.2 <= found[name] <= seconds + SLACK_S, (name, found)
            assert 15.0 - BEAT_S - 0.2 <= tone <= 15.0 + SLACK_S
            assert await screen.alerts() == set(fake.alerts), "the list stays as it was"
        assert await seen.page.title() == "FEED LOST · Vigil"
        fake.faults.silent = False
        await asyncio.gather(*(screen.shows('[data-feed="open"]', seconds=20) for screen in (seen, hidden, late)))


async def test_tiles_that_fall_silent_are_said_apart_and_alerts_go_on(browser: Browser, fake: Fake):
    """They come by another connection: numbers that stand still must not pass for numbers that are steady."""
    async with opened(browser, fake.url()) as screen:
        fake.faults.tiles_silent = True
        await screen.shows("#tiles-lost", "Values stand still", seconds=15)
        await fake.put(alert(2, fake.now()))
        await screen.settled(fake)
        await screen.shows('[data-feed="open"]')
