"""What is put aside or over: said with its word and its sign, until when and by whom, and never as if it were now."""

from __future__ import annotations

import re

from playwright.async_api import Browser, expect

from dashboards.tiles import Vitals
from tests.browser import look
from tests.browser.fake import Fake
from tests.browser.fixtures import MEDIUM, SIGNAL, alert, patient_id, tile, vital
from tests.browser.pages import opened
from vitals.alerts import Shelf, shelf_id
from vitals.metrics import MINUTE_US, SECOND_US

TILE = f"#tile-{patient_id(2)}"


async def test_a_shelved_alert_stands_on_its_tile_and_its_list_in_the_words_of_alerts(browser: Browser, fake: Fake):
    """Who takes over the shift reads tiles: "low up to level 2" is a priority's name, and no value at all."""
    async with opened(browser, fake.url()) as screen:
        one = await fake.put(alert(2, fake.now(), **look.shelved(2, fake.now())))
        await fake.shelve(look.shelf_of(one))
        await screen.shows(f"{TILE} .state", "***", "VERY LOW", "shelved until")
        await expect(screen.page.locator(f"{TILE} .marker.steady")).to_have_count(1)
        await expect(screen.card(2)).to_have_count(0)
        await screen.shows("#shelved li", "***", "VERY LOW", "P-002", "A-02")
        line = await screen.page.locator("#shelved li").inner_text()
        words = r"shelved until \d\d:\d\d, 15 min left,\s+by Mia: treatment takes time"
        assert re.search(words, line), line
        assert "level" not in line
        await screen.keep("shelved")
        assert await screen.axe() == []


async def test_a_shelved_signal_says_of_which_metric_and_a_site_its_name(browser: Browser, fake: Fake):
    """A patient has two signals; and nobody knows a site by its number."""
    now = fake.now()
    silent = look.shelved(2, now) | {"shelf": shelf_id(str(patient_id(2)), "heart_rate", "signal")}
    async with opened(browser, fake.url()) as screen:
        one = await fake.put(alert(2, now, **(SIGNAL | silent | {"metric": "heart_rate"})))
        await fake.shelve(look.shelf_of(one))
        site = shelf_id("site:2", None, "site_silent")
        await fake.shelve(
            Shelf(
                id=site, version=(fake.next_version(), 0), patient=None, label="", site=2, metric=None,
                rule="site_silent", level=1, since=now, until=now + 30 * MINUTE_US, by="Mia", reason="",
            )
        )  # fmt: skip
        await screen.shows(f'[data-shelf="{one.shelf}"]', "TECH", "NO SIGNAL", "heart rate", "P-002")
        await screen.shows(f'[data-shelf="{site}"]', "SITE SILENT", "ward-b", "by Mia", "not open now")


async def test_a_shelf_on_which_nothing_lies_has_its_sign(browser: Browser, fake: Fake):
    """A high that comes and goes is put aside also while it is gone: its tile says how bad it would be."""
    now = fake.now()
    one = look.shelf_of(alert(2, now, **(MEDIUM | look.shelved(2, now))))
    async with opened(browser, fake.url()) as screen:
        await fake.shelve(one)
        for place in (TILE, "#shelved li"):
            await screen.shows(f"{place} .marker.medium.steady", "**", "medium priority", "LOW")
        await screen.shows(f"{TILE} .shelved", "shelved until")
        await screen.shows("#shelved li", "not open now")
        await fake.shelve(one.model_copy(update={"priority": None, "version": (fake.next_version(), 0)}))
        await expect(screen.page.locator(f"{TILE} .marker")).to_have_count(0)
        await screen.shows(f"{TILE} .state", "LOW", "shelved until")
    async with opened(browser, fake.url("wall-token"), ".shell.wall") as screen:
        await fake.shelve(one.model_copy(update={"version": (fake.next_version(), 0)}))
        await screen.shows(f"{TILE} .marker.medium.steady", "**")
        name, marker = screen.page.locator(f"{TILE} .label"), screen.page.locator(f"{TILE} .marker")
        left, right = await name.bounding_box(), await marker.bounding_box()
        assert left is not None
        assert right is not None
        assert left["x"] + left["width"] <= right["x"], "the name and the sign beside it are both whole"


async def test_the_wall_names_who_is_shelved(browser: Browser, fake: Fake):
    """A wall has no list to open: a bare count tells nobody whom to look after."""
    one = alert(2, fake.now(), **look.shelved(2, fake.now()))
    fake.alerts[one.id] = one
    fake.shelves[look.shelf_of(one).id] = look.shelf_of(one)
    async with opened(browser, fake.url("wall-token"), ".shell.wall") as screen:
        await screen.shows("#shelved summary", "Shelved (1): P-002 VERY LOW until", "by Mia")
        await screen.shows(f"{TILE} .state", "VERY LOW", "shelved until")


async def test_what_is_over_and_unseen_has_no_number_of_now_and_no_trend(browser: Browser, fake: Fake):
    """The last value of an hour ago, big, with the slope of this minute, is read as the patient's state."""
    now = fake.now()
    over = {"condition": "over", "unseen": True, "change": "clear", "announced": False, "value": 126.0}
    signs = Vitals(heart_rate=vital("heart_rate", 80, now), glucose=vital("glucose", 210, now, slope=2.4))
    async with opened(browser, fake.url()) as screen:
        await fake.set_tiles(tile(2, now, 12).model_copy(update={"vitals": signs}))
        await fake.put(alert(2, now, **(MEDIUM | over | {"value_at": now - 40 * MINUTE_US})))
        await screen.shows(f"#card-{patient_id(2)} .what", "was 126 at", "over: was below 70", "nobody has seen it")
        await expect(screen.card(2).locator(".reading, .trend")).to_have_count(0)
        await screen.keep("over-unseen")


async def test_a_heart_rate_has_no_slope_on_tile_or_card(browser: Browser, fake: Fake):
    """Beats per minute each minute mean nothing to anybody; under a unit they look like a second value."""
    now = fake.now()
    signs = Vitals(
        heart_rate=vital("heart_rate", 80, now - SECOND_US, slope=74.6), glucose=vital("glucose", 100, now, slope=1.2)
    )
    async with opened(browser, fake.url()) as screen:
        await fake.set_tiles(tile(2, now, 12).model_copy(update={"vitals": signs}))
        await screen.shows(f'{TILE} [data-metric="glucose"] .slope', "+1.2")
        await expect(screen.page.locator(f'{TILE} [data-metric="heart_rate"] .slope')).to_have_text("")
