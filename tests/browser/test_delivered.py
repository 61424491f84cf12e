"""What a screen says that it shows, it shows: of anything else nobody may believe that somebody has seen it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser

from runtime.testing.waiting import until
from tests.browser import history
from tests.browser.fake import Fake
from tests.browser.fixtures import MEDIUM, alert, patient_id
from tests.browser.pages import Screen, opened

ELSEWHERE = ("#/help", "#/operations", f"#/patient/{patient_id(3)}", "#/?site=2")


async def told(fake: Fake, *alerts: Any) -> None:
    """Wait until a screen has said that it has these alerts, and no others."""
    await until(lambda: set(fake.delivered) == {each.id for each in alerts}, 8)


async def at(screen: Screen, route: str) -> None:
    """Another screen, once it stands."""
    await screen.go(route)
    await screen.shows("main h2, main .places")


@pytest.mark.parametrize("route", ELSEWHERE)
async def test_an_alert_on_no_screen_is_not_delivered_until_a_screen_shows_it(browser: Browser, fake: Fake, route: str):
    """The only page stands at its help: the alert must go to the next person after 10 s, as if there were no page."""
    history.remember(fake)
    async with opened(browser, fake.url()) as screen:
        await at(screen, route)
        one = await fake.put(alert(2, fake.now(), **MEDIUM))
        await screen.settled(fake)
        await screen.passing(2)
        await told(fake)
        await screen.go("#/")
        await told(fake, one)


async def test_the_strip_delivers_the_alert_that_it_shows_and_not_the_number_behind_it(browser: Browser, fake: Fake):
    """A count of further high alerts names nobody."""
    async with opened(browser, fake.url()) as screen:
        await at(screen, "#/help")
        first = await fake.put(alert(2, fake.now(), version=1))
        second = await fake.put(alert(5, fake.now(), version=2, announced_at=fake.now()))
        await screen.shows("#strip", "P-002", "1 more high alert")
        await told(fake, first)
        await screen.go(f"#/patient/{patient_id(5)}")
        await told(fake, first, second)


async def test_the_feed_delivers_the_rows_that_it_lists(browser: Browser, fake: Fake):
    """What its filter leaves out, or what came before the page, nobody has read there."""
    history.remember(fake)
    async with opened(browser, fake.url()) as screen:
        await at(screen, "#/feed")
        await screen.page.locator(".feed-filters input[type=search]").fill("P-004")
        now = fake.now()
        await fake.put(alert(2, now, version=1, **MEDIUM, announced_at=now))
        listed = await fake.put(alert(4, now, version=2, **MEDIUM, announced_at=now))
        await screen.shows(".feed-row", "P-004")
        await screen.passing(1)
        await told(fake, listed)


async def test_a_tile_delivers_what_the_priority_filter_keeps_off_the_list(browser: Browser, fake: Fake):
    """The tile bears the alert's word and its border, whatever is on the list beside it."""
    async with opened(browser, fake.url()) as screen:
        await screen.page.get_by_role("button", name="medium").click()
        one = await fake.put(alert(2, fake.now(), **MEDIUM))
        await screen.shows(".side", "No open alerts pass the filters", "1 patient hidden by filters")
        await screen.shows(f"#tile-{patient_id(2)}", "LOW")
        await told(fake, one)


async def test_a_tone_delivers_what_it_stands_for_also_where_the_alert_is_not_seen(browser: Browser, fake: Fake):
    """Who hears the alarm goes and looks; that is what the sound is for."""
    async with opened(browser, fake.url()) as screen:
        await screen.page.click("#sound")
        await screen.shows("#sound", "sound on")
        await at(screen, "#/help")
        one = await fake.put(alert(2, fake.now(), **MEDIUM))
        await told(fake, one)


async def test_an_empty_list_of_one_team_says_whose_it_is_and_what_is_open_elsewhere(browser: Browser, fake: Fake):
    """A quiet list that is only the other team's filter, left over from yesterday, is a night without a watch."""
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, fake.now()))
        await screen.shows("#count-high", "1 high")
        await screen.says("P-002")
        await screen.go("#/?site=2")
        await screen.shows(".side", "No open alerts in ward-b", "1 patient with open alerts at other sites")
        await screen.shows(".topbar h1", "ward-b")
        await screen.shows("#count-high", "0 high")
        await fake.put(alert(3, fake.now(), version=fake.next_version()))
        await fake.put(alert(11, fake.now(), version=fake.next_version(), site=2))
        await screen.says("P-011")
        assert [each for each in await screen.said() if "P-003" in each] == []
        await screen.page.get_by_role("button", name="All sites").click()
        await screen.shows("#count-high", "3 high")


async def test_a_site_that_does_not_exist_is_named_and_hides_nothing(browser: Browser, fake: Fake):
    """A wall whose address has a wrong digit would be quiet for ever."""
    await fake.put(alert(2, fake.now()))
    async with opened(browser, fake.url()) as screen:
        await screen.go("#/?site=99")
        await screen.shows("#no-site", "There is no site 99", "ward-a", "ward-b")
        await screen.shows(f"#card-{patient_id(2)}", "VERY LOW")
        assert await screen.axe() == []
