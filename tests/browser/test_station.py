"""The tabs of one station: one sounds for all of them, whichever is closed, signed out or hung."""

from __future__ import annotations

import asyncio

from playwright.async_api import Browser, BrowserContext, expect

from runtime.testing.waiting import until
from tests.browser.fake import Fake
from tests.browser.fixtures import alert
from tests.browser.pages import Screen, station, tab
from tests.browser.tones import HIGH_HZ, enable, have_sounded, pulses

OWN = 1
"""A tab's own test tone has one harmonic of the high alert's pitch."""
HANG = "{ const end = performance.now() + 10_000; while (performance.now() < end); }"


async def two(context: BrowserContext, fake: Fake) -> tuple[Screen, Screen]:
    """A tab that sounds, and one that leaves it to the first."""
    first = await tab(context, fake.url())
    await enable(first)
    second = await tab(context, fake.url())
    await second.page.locator("#sound").click()
    await expect(second.page.locator("#sound")).to_contain_text("in another tab")
    return first, second


async def test_one_tab_of_a_station_sounds_and_the_next_takes_over(browser: Browser, fake: Fake):
    """Two tabs half a second apart make one alarm unrecognisable; none at all is worse."""
    async with station(browser) as context:
        first, second = await two(context, fake)
        await fake.put(alert(2, fake.now()))
        await until(have_sounded(first, HIGH_HZ, OWN + 10), 5)
        await second.says("P-002")
        assert await pulses(second, HIGH_HZ) == OWN
        await first.check()
        await first.page.close()
        await expect(second.page.locator("#sound")).to_contain_text("sound on")
        await fake.put(alert(3, fake.now()))
        await until(have_sounded(second, HIGH_HZ, OWN + 10), 15)
        await second.check()


async def test_who_signs_out_leaves_the_sound_to_the_next_tab_and_takes_it_up_again(browser: Browser, fake: Fake):
    """A tab in which nobody is signed in hears of no alert: with the sound in its hands the station is mute."""
    async with station(browser) as context:
        first, second = await two(context, fake)
        await first.page.get_by_role("button", name="sign out").click()
        await expect(second.page.locator("#sound")).to_contain_text("sound on")
        await fake.put(alert(2, fake.now()))
        await until(have_sounded(second, HIGH_HZ, OWN + 10), 15)
        assert await pulses(first, HIGH_HZ) == OWN
        await first.page.get_by_label("Token").fill("nurse-token")
        await first.page.get_by_role("button", name="Sign in").click()
        await expect(first.page.locator("#sound")).to_contain_text("in another tab")
        await second.page.close()
        await expect(first.page.locator("#sound")).to_contain_text("sound on")
        await first.check()


async def test_the_tab_that_sounds_sounds_also_what_only_another_one_shows(browser: Browser, fake: Fake):
    """Two wards on two tabs: the second ward's alarms are nobody's where each tab sounds only its own."""
    async with station(browser) as context:
        first, second = await two(context, fake)
        await first.go("#/?site=2")
        await first.shows("h1", "ward-b")
        await fake.put(alert(2, fake.now()))
        await until(have_sounded(first, HIGH_HZ, OWN + 10), 5)
        await second.says("P-002")
        await expect(first.card(2)).to_have_count(0)
        await until(have_sounded(first, HIGH_HZ, OWN + 20), 15)
        assert await pulses(second, HIGH_HZ) == OWN
        await second.page.close()
        await first.check()


async def test_a_pause_is_red_in_every_tab_and_ended_from_any(browser: Browser, fake: Fake):
    """Who sits before the other tab must see that this station is mute, and be able to end it there."""
    async with station(browser) as context:
        first, second = await two(context, fake)
        await first.go("#/?site=2")
        await first.page.get_by_role("button", name="pause 2 min").click()
        await expect(second.page.locator("#sound.loud")).to_contain_text("Sound paused in another tab")
        await second.page.locator("#sound").click()
        await expect(first.page.locator("#sound")).to_contain_text("sound on")
        await expect(second.page.locator("#sound")).to_contain_text("in another tab")
        await first.page.get_by_role("button", name="pause 2 min").click()
        await expect(second.page.locator("#sound.loud")).to_contain_text("paused")
        await fake.put(alert(2, fake.now()))
        await expect(first.page.locator("#sound")).to_contain_text("sound on")
        await until(have_sounded(first, HIGH_HZ, OWN + 10), 5)
        await first.check()
        await second.check()


async def test_a_tab_that_hangs_is_replaced(browser: Browser, fake: Fake):
    """The browser keeps the lock of a tab that does nothing any more, and with it the silence of all others."""
    async with station(browser) as context:
        first, second = await two(context, fake)
        hanging = asyncio.create_task(first.page.evaluate(HANG), name="a tab that hangs")
        await expect(second.page.locator("#sound")).to_contain_text("sound on", timeout=9_000)
        assert not hanging.done()
        await hanging
        await expect(first.page.locator("#sound")).to_contain_text("in another tab")
        await first.check()
        await second.check()
