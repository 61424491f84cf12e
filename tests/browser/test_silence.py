"""What falls silent is told: a feed after 5, 10 and 15 s, also behind another tab; data that nobody judges."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Browser, expect

from runtime.testing.waiting import until
from tests.browser.fake import CLOCK, Fake
from tests.browser.fixtures import alert
from tests.browser.pages import Screen, opened, station, tab
from vitals.protocol import Place

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
  for (let id = setTimeout(() => 0); id > 0; id -= 1) clearTimeout(id);
  globalThis.setTimeout = globalThis.setInterval = globalThis.requestAnimationFrame = () => 0;
  document.dispatchEvent(new Event('visibilitychange'));
})()
"""
"""A hidden tab at its worst: none of its own timers ever fires, and no frame is drawn."""
SLOW = "const real = Date.now.bind(Date); Date.now = () => real() - 300_000;"
"""A station whose clock is five minutes behind."""


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
        await seen.says("Feed lost: connected, but no heartbeat comes. No new alert can reach this screen.", "said")
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
        await seen.says("The feed is back", "said")
        assert (await seen.said("said"))[-1].count("Feed lost") == 1


async def test_tiles_that_fall_silent_are_said_apart_and_alerts_go_on(browser: Browser, fake: Fake):
    """They come by another connection: numbers that stand still must not pass for numbers that are steady."""
    async with opened(browser, fake.url()) as screen:
        fake.faults.tiles_silent = True
        await screen.shows("#tiles-lost", "Values stand still", seconds=15)
        await fake.put(alert(2, fake.now()))
        await screen.settled(fake)
        await screen.shows('[data-feed="open"]')


def stall(fake: Fake, seconds: int) -> None:
    """From now on heartbeats say that nothing of ward-a has been judged for so long."""
    fake.state, fake.age_ms = "stalled", seconds * 1000
    fake.where = (Place(partition=0, site=1, age_ms=seconds * 1000),)


async def test_data_that_nobody_judges_is_shown_said_titled_and_sounded(browser: Browser, fake: Fake):
    """The feed lives and the numbers move: of all silences this one looks most like a quiet night."""
    async with opened(browser, fake.url()) as screen:
        await screen.page.click("#sound")
        await screen.shows("#sound", "sound on")
        stall(fake, 11)
        words = "Nothing from ward-a has been judged for 11 s (partition 0): no alert can come from there."
        await screen.shows("#data-stalled", "DATA STALLED", words, "Look at the patients.", "Numbers that still move")
        await screen.says(f"Data stalled. {words} Look at the patients.", "said")
        await expect(screen.page).to_have_title("DATA STALLED · Vigil")
        await fake.put(alert(2, fake.now()))
        await expect(screen.page).to_have_title("DATA STALLED · *** 1 high · Vigil")
        assert await screen.axe() == []
        assert all(hertz != TECHNICAL_HZ for hertz, _ in await screen.tones()), "after 15 s only"
        began = CLOCK.now_us() / 1e6
        stall(fake, 15)
        assert await technical_at(screen, began) <= BEAT_S + SLACK_S
        fake.state, fake.age_ms, fake.where = "ok", 600, ()
        await screen.says("Data is judged again", "said")
        await expect(screen.page).to_have_title("*** 1 high · Vigil")
        assert (await screen.said("said"))[-1].count("Data stalled") == 1


async def test_a_watchdog_that_does_not_load_is_stood_in_for_and_said(browser: Browser, fake: Fake):
    """One file that a proxy swallows must not make the page say "feed live" for ever."""
    async with station(browser) as context:
        await context.route("**/watchdog-*.js", lambda route: route.abort())
        screen = await tab(context, fake.url())
        await screen.page.click("#sound")
        fake.faults.silent, began = True, CLOCK.now_us() / 1e6
        await screen.shows('[data-feed="lost"]', seconds=15)
        await screen.shows("#feed-lost", "FEED LOST")
        assert await technical_at(screen, began) <= 15.0 + SLACK_S + 1.0
        await screen.shows("#watchdog-asleep", "Keep this tab in front", seconds=15)
        await context.unroute("**/watchdog-*.js")
        fake.faults.silent = False
        await screen.shows('[data-feed="open"]', seconds=15)
        await expect(screen.page.locator("#watchdog-asleep")).to_have_count(0, timeout=15_000)
        await screen.check()


async def test_a_station_whose_clock_is_wrong_counts_its_own_times_by_it(browser: Browser, fake: Fake):
    """A feed that seems lost for 5 min after ten seconds is believed, and so is a pause that seems to be over."""
    async with station(browser) as context:
        await context.add_init_script(SLOW)
        screen = await tab(context, fake.url())
        await screen.page.click("#sound")
        await screen.page.get_by_role("button", name="pause 2 min").click()
        await expect(screen.page.locator("#sound")).to_contain_text(re.compile(r"Sound paused (2:00|1:5\d)"))
        fake.faults.silent = fake.faults.tiles_silent = True
        await expect(screen.page.locator("#feed-lost")).to_contain_text(re.compile(r"for 1\d s"), timeout=15_000)
        await expect(screen.page.locator("#tiles-lost")).to_contain_text(re.compile(r"for 1?\d s"), timeout=15_000)
        await screen.check()


async def test_a_proof_that_came_late_is_none(browser: Browser, fake: Fake):
    """An alarm that took five minutes proves that alarms take five minutes, not that the chain is well now."""
    fake.proof_age_ms, fake.proof_took_ms = 3_000, 300_000
    async with opened(browser, fake.url()) as screen:
        await screen.shows(".proof .loud", "not proved for 5 min")
        fake.proof_took_ms = 180
        await screen.shows(".proof", "proved 3 s ago")
