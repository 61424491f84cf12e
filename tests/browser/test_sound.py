"""What a page sounds: by priority, only after a gesture, and never in silence about being mute."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from runtime.testing.waiting import until
from tests.browser.fake import Fake
from tests.browser.fixtures import ACKNOWLEDGED, MEDIUM, alert
from tests.browser.pages import opened
from tests.browser.tones import HIGH_HZ, LOW_HZ, MEDIUM_HZ, enable, have_sounded, pulses
from vitals.metrics import MINUTE_US, SECOND_US

LOW: dict[str, Any] = {
    "rule": "high",
    "level": 1,
    "priority": "low",
    "value": 262.0,
    "limit": 250.0,
    "lead_at": None,
    "all_at": None,
}


async def test_each_priority_has_its_pulses_and_only_the_worst_goes_on(browser: Browser, fake: Fake):
    """Who hears ten pulses runs; who hears ten pulses for everything stops hearing them."""
    async with opened(browser, fake.url()) as screen:
        now = fake.now()
        await expect(screen.page.locator("#sound")).to_contain_text("Sound off: enable")
        await enable(screen)
        assert await pulses(screen, LOW_HZ) == 1, "the test tone of the gesture"
        await fake.put(alert(2, now, **LOW))
        await until(have_sounded(screen, LOW_HZ, 2), 5)
        await fake.put(alert(3, now, **MEDIUM))
        await until(have_sounded(screen, MEDIUM_HZ, 3), 5)
        high = await fake.put(alert(4, now))
        # The second harmonic of the low tone is the high tone's pitch: one for each low pulse.
        await until(have_sounded(screen, HIGH_HZ, 12), 5)
        await fake.put(alert(5, now, **MEDIUM))
        await screen.says("P-005", "said")
        assert await pulses(screen, MEDIUM_HZ) == 3, "a milder one does not cut into a worse one"
        await until(have_sounded(screen, HIGH_HZ, 22), 15)
        held = {"version": (fake.next_version(), 0), "acknowledged_until": now + 15 * MINUTE_US}
        await fake.put(high.model_copy(update=ACKNOWLEDGED | held))
        await expect(screen.card(4)).to_contain_text("acknowledged by Mia")
        assert await pulses(screen, HIGH_HZ) == 22


async def test_a_pause_is_shown_in_red_and_a_new_high_breaks_it(browser: Browser, fake: Fake):
    """Quiet for a talk at a bed, at most two minutes; not for whoever falls into a low meanwhile."""
    async with opened(browser, fake.url()) as screen:
        await enable(screen)
        await screen.page.get_by_role("button", name="pause 2 min").click()
        await expect(screen.page.locator("#sound")).to_contain_text("Sound paused 2:00")
        await expect(screen.page.locator("#sound.loud")).to_be_visible()
        await fake.put(alert(3, fake.now(), **MEDIUM))
        await screen.says("P-003", "said")
        assert await pulses(screen, MEDIUM_HZ) == 0
        await fake.put(alert(4, fake.now()))
        await expect(screen.page.locator("#sound")).to_contain_text("sound on")
        await until(have_sounded(screen, HIGH_HZ, 11), 5)


@pytest.mark.parametrize("rate", [4, 60])
async def test_a_fast_replay_is_silent_and_says_so(browser: Browser, fake: Fake, rate: int):
    """At 60 x speed a night's alarms fall within minutes: a siren teaches nobody anything."""
    fake.clock, fake.clock_at = "simulated", fake.now() - 24 * 60 * MINUTE_US
    fake.clock_rate = rate
    async with opened(browser, fake.url()) as screen:
        await screen.page.locator("#sound").click()
        await screen.shows("#simulated", "SIMULATED", "\u00d7 speed")
        await expect(screen.page.locator("#sound")).to_contain_text("none above 10 \u00d7" if rate > 10 else "sound on")
        before = await pulses(screen, HIGH_HZ)
        await fake.put(alert(2, fake.now() - 24 * 60 * MINUTE_US + 10 * SECOND_US))
        await screen.says("P-002")
        if rate <= 10:
            await until(have_sounded(screen, HIGH_HZ, before + 1), 10)
        else:
            await screen.passing(1)
            assert await pulses(screen, HIGH_HZ) == before
