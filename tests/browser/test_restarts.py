"""Servers that are started anew under an open page: nothing it shows may freeze, vanish or lie meanwhile."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from dashboards.tiles import Vitals, WardTile
from runtime.testing.waiting import until
from tests.browser.fake import Fake
from tests.browser.fixtures import alert, patient_id, tile, vital
from tests.browser.pages import opened

READING = f"#card-{patient_id(2)} .reading b"


def low(fake: Fake, value: float) -> WardTile:
    """Patient 2 with this glucose, now."""
    now = fake.now()
    signs = Vitals(heart_rate=vital("heart_rate", 80, now), glucose=vital("glucose", value, now, slope=-1.4))
    return tile(2, now, 12).model_copy(update={"vitals": signs})


async def test_a_card_follows_its_patients_values_after_the_ward_came_anew_without_him(browser: Browser, fake: Fake):
    """A number that froze at a restart looks like a patient who is steady, for the rest of the shift."""
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, fake.now()))
        await fake.set_tiles(low(fake, 47))
        await expect(screen.page.locator(READING)).to_have_text("47")
        everybody = list(fake.tiles.values())
        await fake.set_ward([each for each in everybody if each.patient != patient_id(2)])
        await expect(screen.page.locator(f"#tile-{patient_id(2)}")).to_have_count(0)
        await fake.set_ward(everybody)
        await fake.set_tiles(low(fake, 41))
        await expect(screen.page.locator(f'#tile-{patient_id(2)} [data-metric="glucose"] .value')).to_have_text("41")
        await expect(screen.page.locator(READING)).to_have_text("41")
        await fake.set_tiles(low(fake, 40))
        await expect(screen.page.locator(READING)).to_have_text("40")


async def test_an_empty_ward_after_a_break_is_not_believed_before_it_has_stood(browser: Browser, fake: Fake):
    """A dashboard that has not caught up names nobody: twelve patients did not leave in the second it was away."""
    async with opened(browser, fake.url()) as screen:
        await expect(screen.page.locator(".tiles > li")).to_have_count(12)
        everybody, fake.tiles = dict(fake.tiles), {}
        await fake.cut_tiles()
        await screen.shows("#tiles-lost", "Values stand still", "names no patients yet")
        await expect(screen.page.locator(".tiles > li")).to_have_count(12)
        await fake.set_ward(list(everybody.values()))
        await expect(screen.page.locator("#tiles-lost")).to_have_count(0)
        await expect(screen.page.locator(".tiles > li")).to_have_count(12)
        await fake.set_ward([])
        await screen.shows(".places", "No patients assigned")


async def test_a_gateway_that_starts_and_knows_no_proof_does_not_undo_the_last_one(browser: Browser, fake: Fake):
    """It was proved five seconds ago: that it never was is a lie, and at each update it teaches people to look away."""
    async with opened(browser, fake.url()) as screen:
        await screen.shows(".proof", "proved 4 s ago")
        fake.proof_age_ms = None
        await fake.close(1012)
        await until(lambda: len(fake.hellos) == 2, 15)
        await screen.shows('[data-feed="open"]')
        await screen.passing(4)
        await screen.shows(".proof", "proved", "ago")
        await expect(screen.page.locator(".topbar")).not_to_contain_text("never")
