"""What a person does to an alert: the server's answer is shown, never a hope."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from runtime.testing.waiting import until
from tests.browser.fake import Fake
from tests.browser.fixtures import MEDIUM, alert, patient_id
from tests.browser.pages import Screen, opened
from vitals.protocol import Acknowledge, OutOfService, Undo

CARD = f"#card-{patient_id(2)}"


async def acknowledge(screen: Screen) -> None:
    await screen.card(2).get_by_role("button", name="Acknowledge", exact=False).first.click()


def sent(fake: Fake, kind: type[Any]) -> list[Any]:
    return [each for each in fake.commands if isinstance(each, kind)]


async def test_an_accepted_acknowledgement_says_who_and_until_when_and_can_be_undone(browser: Browser, fake: Fake):
    """The wrong card is pressed at 3 a.m.; five seconds are enough to see it."""
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, fake.now()))
        await screen.shows(CARD, "Acknowledge")
        await acknowledge(screen)
        await screen.shows(CARD, "acknowledged by nurse until", "Undo")
        await screen.says("P-002: Acknowledge: done", "said")
        await screen.card(2).get_by_role("button", name="Undo").click()
        await expect(screen.card(2)).not_to_contain_text("acknowledged by nurse")
        first, back = sent(fake, Acknowledge)[0], sent(fake, Undo)[0]
        assert (back.alert, back.command) == (first.alert, first.id)


async def test_an_undo_is_offered_for_five_seconds_and_no_longer(browser: Browser, fake: Fake):
    """Later the server would refuse it, and a button that does nothing is worse than none."""
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, fake.now()))
        await screen.shows(CARD, "Acknowledge")
        await acknowledge(screen)
        await screen.shows(CARD, "Undo")
        await expect(screen.page.get_by_role("button", name="Undo")).to_have_count(0, timeout=8_000)
        await screen.page.keyboard.press("u")
        await screen.passing(1)
        assert sent(fake, Undo) == []


async def test_who_acknowledges_what_has_worsened_meanwhile_is_told_to_look_again(browser: Browser, fake: Fake):
    """A milder alarm was seen; the answer must not silence the worse one that came on its heels."""
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, fake.now(), version=1, **MEDIUM))
        await screen.shows(CARD, "Acknowledge")
        fake.faults.drop = 1
        await fake.put(alert(2, fake.now(), version=9, change="rise", announcements=2))
        await acknowledge(screen)
        await screen.shows(CARD, "refused", "worsened", "look again")
        await expect(screen.card(2)).not_to_contain_text("acknowledged by nurse")
        assert sent(fake, Acknowledge)[0].version == (1, 0)


async def test_who_acknowledges_what_is_over_is_told_so_and_gets_the_list_anew(browser: Browser, fake: Fake):
    """The page had missed the end: its list is not to be trusted, so it asks for everything."""
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, fake.now(), version=1))
        await screen.shows(CARD, "Acknowledge")
        fake.faults.drop = 1
        await fake.put(alert(2, fake.now(), version=2, condition="over", closed=True, change="clear", announced=False))
        await acknowledge(screen)
        await screen.shows("#told", "P-002", "refused", "over already")
        await expect(screen.card(2)).to_have_count(0)
        assert [each.cursor for each in fake.hellos] == [None, None]


async def test_a_command_without_an_answer_is_not_confirmed_and_is_sent_again_under_the_same_id(
    browser: Browser, fake: Fake
):
    """Nobody knows whether it was done; under its id it is done at most once, whatever is pressed."""
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, fake.now()))
        await screen.shows(CARD, "Acknowledge")
        fake.faults.deaf = True
        await acknowledge(screen)
        await screen.shows(f"{CARD} [data-outcome=unconfirmed]", "not confirmed", seconds=8)
        await expect(screen.card(2)).not_to_contain_text("acknowledged by nurse")
        fake.faults.deaf = False
        await screen.card(2).get_by_role("button", name="Try again").click()
        await screen.shows(CARD, "acknowledged by nurse")
        assert len({each.id for each in sent(fake, Acknowledge)}) == 1
        assert len(sent(fake, Acknowledge)) == 2


async def test_a_command_on_its_way_when_the_connection_breaks_is_sent_again_by_itself(browser: Browser, fake: Fake):
    """Its five seconds are not over: the person pressed once and need not press again."""
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, fake.now()))
        await screen.shows(CARD, "Acknowledge")
        fake.faults.deaf = True
        await acknowledge(screen)
        await until(lambda: len(sent(fake, Acknowledge)) == 1, 5)
        fake.faults.deaf = False
        await fake.close(1006)
        await screen.shows(CARD, "acknowledged by nurse")
        assert len({each.id for each in sent(fake, Acknowledge)}) == 1


@pytest.mark.parametrize("reason", ["not_allowed", "too_many"])
async def test_every_refusal_says_why_and_what_to_do(browser: Browser, fake: Fake, reason: str):
    """A bare no makes people press harder."""
    words = {"not_allowed": "your role does not answer alerts", "too_many": "wait a moment"}[reason]
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, fake.now()))
        await screen.shows(CARD, "Acknowledge")
        fake.faults.refuse = reason
        await acknowledge(screen)
        await screen.shows(f"{CARD} [data-outcome=refused]", words)
        await screen.says(words, "said")


async def test_out_of_service_is_bounded_listed_and_ended_by_one_button(browser: Browser, fake: Fake):
    """A patient in the operating theatre is not silent: he is away until a time, and the list says so."""
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, fake.now(), **MEDIUM))
        await screen.shows(CARD)
        await screen.card(2).focus()
        await screen.page.keyboard.press("o")
        await screen.shows(".panel", "only a high alert calls", "30 min")
        await screen.page.keyboard.press("Enter")
        await until(lambda: len(sent(fake, OutOfService)) == 1, 5)
        assert sent(fake, OutOfService)[0].minutes == 30
        await screen.shows("#out-of-service", "Out of service (1)", "P-002", "left")
        await screen.shows(f"#tile-{patient_id(2)}", "OUT until")
        await screen.page.locator("#out-of-service").get_by_role("button", name="Back").click()
        await screen.shows("#out-of-service", "Out of service (0)")


async def test_a_wall_and_an_operator_have_no_buttons(browser: Browser, fake: Fake):
    """Whoever passes a screen in a corridor must not be able to silence an alarm."""
    await fake.put(alert(2, fake.now()))
    for token in ("wall-token", "ops-token"):
        async with opened(browser, fake.url(token)) as screen:
            await screen.shows(CARD)
            await expect(screen.card(2).get_by_role("button")).to_have_count(0)
            await screen.card(2).focus()
            for key in "agsu":
                await screen.page.keyboard.press(key)
            await screen.passing(1)
            await until(lambda: len(fake.delivered) == 1, 10)
    assert fake.commands == []
    assert fake.delivered == {alert(2, 0).id: 1}, "the wall says what it shows, the operator's screen does not"


async def test_a_wall_leads_to_no_patient(browser: Browser, fake: Fake):
    """A wall's token has nobody's history: a name that opens five empty parts takes the ward from the screen."""
    await fake.put(alert(2, fake.now()))
    async with opened(browser, fake.url("wall-token"), ".shell.wall") as screen:
        await screen.shows(CARD)
        await expect(screen.page.locator("main a")).to_have_count(0)
        await screen.card(2).focus()
        await screen.page.keyboard.press("Enter")
        await screen.passing(1)
        assert "patient" not in screen.page.url
        await screen.go(f"#/patient/{patient_id(2)}")
        await screen.shows("#ward-only", "only shows the ward")
        await expect(screen.page.locator(".patient")).to_have_count(0)
    async with opened(browser, fake.url()) as screen:
        await screen.shows(f"{CARD} a.label")
        await screen.shows(f"#tile-{patient_id(2)} a.name")
