"""Frames that are lost, doubled or out of order, connections that break or are refused: the list is the fold's."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from runtime.testing.waiting import until
from tests.browser.fake import Fake
from tests.browser.fixtures import ACKNOWLEDGED, HEART, MEDIUM, alert, patient_id
from tests.browser.pages import Screen, opened
from vitals.alerts import Alert
from vitals.metrics import MINUTE_US


async def a_night(fake: Fake) -> list[Alert]:
    """Eight alerts that open, some of which rise, are acknowledged or end: every kind of step."""
    now = fake.now()
    told: list[Alert] = []

    async def put(number: int, **changed: object) -> None:
        told.append(await fake.put(alert(number, now, version=fake.next_version(), **changed)))

    for number in range(1, 9):
        await put(number, **(MEDIUM if number % 2 else {}))
    await put(1, change="rise", announcements=2)
    await put(2, **ACKNOWLEDGED, acknowledged_until=now + 15 * MINUTE_US)
    await put(3, **(MEDIUM | {"condition": "over", "closed": True, "change": "clear", "announced": False}))
    await put(5, **(MEDIUM | {"condition": "over", "unseen": True, "change": "clear", "announced": False}))
    await put(4, **HEART)
    return told


async def shows_the_fold(screen: Screen, fake: Fake) -> None:
    """The page's alerts, cards and tiles are those of the fake's state, version by version."""
    await screen.settled(fake)
    for number in range(1, 9):
        mine = [each for each in fake.alerts.values() if each.patient == patient_id(number)]
        await expect(screen.card(number)).to_have_count(1 if mine else 0)
        if not mine:
            continue
        texts = " ".join(await screen.card(number).all_inner_texts())
        has = any(each.acknowledged_by for each in mine)
        assert ("acknowledged by Mia" in texts) == has
        over = any(each.unseen for each in mine)
        assert ("nobody has seen it" in texts) == over


@pytest.mark.parametrize("trouble", ["none", "doubled", "reversed"])
async def test_the_page_ends_equal_to_the_fold(browser: Browser, fake: Fake, trouble: str):
    """A gateway that resumes sends some frames twice, and two partitions come in any order."""
    async with opened(browser, fake.url()) as screen:
        if trouble == "doubled":
            fake.faults.double = True
        if trouble == "reversed":
            fake.faults.hold = 13
        told = await a_night(fake)
        await shows_the_fold(screen, fake)
        if trouble == "reversed":
            await screen.shows('[data-feed="open"]')
        else:
            assert await screen.changes() == len(told)


async def test_frames_that_were_lost_come_with_the_next_look_at_the_tab(browser: Browser, fake: Fake):
    """A frame that never came leaves no trace: so who looks again gets everything anew."""
    async with opened(browser, fake.url()) as screen:
        await a_night(fake)
        fake.faults.drop = 2
        for number in (9, 10, 11):
            await fake.put(alert(number, fake.now(), version=fake.next_version()))
        await screen.shows(f"#card-{patient_id(11)}")
        assert await screen.alerts() != set(fake.alerts)
        await screen.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await shows_the_fold(screen, fake)
        assert fake.hellos[-1].cursor is None


async def test_a_broken_connection_resumes_from_its_cursor(browser: Browser, fake: Fake):
    """What happened in between comes, once, and nothing else: a snapshot of 500 alerts is not due at each hiccup."""
    async with opened(browser, fake.url()) as screen:
        await a_night(fake)
        await screen.settled(fake)
        await screen.says("high alerts")
        before = await screen.changes()
        fake.faults.drop = 2
        await fake.put(alert(9, fake.now(), version=fake.next_version()))
        await fake.put(alert(10, fake.now(), version=fake.next_version()))
        await fake.close(1006)
        await until(lambda: len(fake.hellos) == 2, 15)
        await shows_the_fold(screen, fake)
        assert fake.hellos[1].cursor is not None
        assert await screen.changes() == before + 2
        await screen.shows('[data-feed="open"]')
        await screen.says("2 new high alerts: P-009, P-010")


async def test_a_cursor_that_is_not_known_any_more_is_answered_by_everything(browser: Browser, fake: Fake):
    """After a gateway's own restart its memory is another: what ended meanwhile must leave the screen."""
    async with opened(browser, fake.url()) as screen:
        await a_night(fake)
        await screen.settled(fake)
        await screen.says("high alerts")
        fake.forget_log()
        gone = alert(8, 0).id
        del fake.alerts[gone]
        new = alert(11, fake.now(), version=fake.next_version())
        fake.alerts[new.id] = new
        await fake.close(1012)
        await until(lambda: len(fake.hellos) == 2, 15)
        await shows_the_fold(screen, fake)
        await expect(screen.card(8)).to_have_count(0)
        await expect(screen.card(11)).to_have_count(1)
        await screen.says("P-011: high priority")


async def test_half_a_snapshot_changes_nothing(browser: Browser, fake: Fake):
    """A list that is half there looks like a ward that is half well."""
    now = fake.now()
    for number in range(1, 301):
        one = alert(number, now, version=number)
        fake.alerts[one.id] = one
    fake.faults.cut_snapshot = True
    async with opened(browser, fake.url(), "#worklist") as screen:
        await until(lambda: len(fake.hellos) >= 2, 15)
        assert await screen.alerts() == set()
        await screen.shows(".side", "Waiting for the list of open alerts")
        fake.faults.cut_snapshot = False
        await screen.settled(fake)
        assert fake.hellos[-1].cursor is None
        await screen.shows("p.more", "more patients")


@pytest.mark.parametrize(("code", "words"), [(4400, "reload"), (4401, "sign in again"), (4426, "reload")])
async def test_a_final_refusal_is_said_and_not_tried_for_ever(browser: Browser, fake: Fake, code: int, words: str):
    """A page of yesterday that tries for ever looks like one that is about to work."""
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, fake.now()))
        await screen.settled(fake)
        fake.faults.close = code
        await fake.close(code)
        await screen.shows('[data-feed="refused"]')
        await screen.shows("#feed-lost", "FEED LOST", words, "Look at the patients")
        assert await screen.page.title() == "FEED LOST · Vigil"
        hellos = len(fake.hellos)
        await expect(screen.card(2)).to_be_visible()
        await screen.passing(2)
        assert len(fake.hellos) == hellos


async def test_a_gateway_that_restarts_is_tried_again_by_itself(browser: Browser, fake: Fake):
    """1012 is said at every update of the software: nobody should have to do anything."""
    async with opened(browser, fake.url()) as screen:
        fake.faults.close = 1012  # until it was seen: the first attempt comes after a quarter of a second
        await fake.close(1012)
        await screen.shows('[data-feed="reconnecting"]')
        await screen.shows("#feed-state", "reconnecting")
        fake.faults.close = None
        await screen.shows('[data-feed="open"]', seconds=15)


async def test_on_the_feed_too_a_change_has_one_voice(browser: Browser, fake: Fake):
    """Who listens hears each call twice where list and region both speak, and takes it for two."""
    speaking = """(words) => [...document.querySelectorAll('[aria-live], [role=log], [role=alert], [role=status]')]
        .filter((region) => region.getAttribute('aria-live') !== 'off' && region.textContent.includes(words))
        .map((region) => region.id)"""
    async with opened(browser, fake.url()) as screen:
        await screen.go("#/feed")
        await screen.shows(".feed-log")
        await fake.put(alert(2, fake.now(), **MEDIUM))
        await screen.shows(".feed-row", "P-002")
        await screen.says("P-002: medium priority", "said")
        assert await screen.page.evaluate(speaking, "P-002") == ["said"]
