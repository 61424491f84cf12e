"""Who is signed in, and addresses that are wrong: the page says so, and is never blank."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from runtime.testing.waiting import until
from tests.browser import history
from tests.browser.fake import Fake
from tests.browser.fixtures import alert
from tests.browser.pages import opened

NOBODY = ("nope", "%E0%A4%A", "00000000-0000-4000-8000-000000000000")
SIGN_IN = "main.signin form"


@pytest.mark.parametrize("name", NOBODY)
async def test_an_address_of_no_patient_says_so_also_after_a_reload(browser: Browser, fake: Fake, name: str):
    """No open alerts of a patient who does not exist are read as good news of one who does."""
    history.remember(fake)
    async with opened(browser, fake.url()) as screen:
        await screen.go(f"#/patient/{name}")
        await screen.shows("#no-patient", "No such patient", "address is wrong", "not in your scope", "Ward")
        await expect(screen.page.locator("main")).not_to_contain_text("Open alerts")
        await screen.page.reload()
        await screen.shows("#no-patient", "No such patient", seconds=20)
        assert await screen.axe() == []


async def test_a_malformed_token_in_the_address_is_no_token(browser: Browser, fake: Fake):
    """A link that a mail program cut must end at the sign-in, not at a page that asks for ever."""
    async with opened(browser, f"{fake.origin}/#token=%ZZ", SIGN_IN) as screen:
        await screen.shows("main", "Nothing is watched")
        assert "token" not in screen.page.url


async def test_a_pasted_text_that_no_token_can_be_is_not_asked_and_not_kept(browser: Browser, fake: Fake):
    """A dash that a word processor made long is no server that does not answer."""
    async with opened(browser, fake.origin, SIGN_IN) as screen:
        await screen.page.fill("[name=token]", "nurse–token")  # noqa: RUF001
        await screen.page.keyboard.press("Enter")
        await screen.shows("main", "this is not a token: it has characters that no token has")
        assert await screen.page.evaluate("sessionStorage.length") == 0
        await screen.page.fill("[name=token]", "nurse-token")
        await screen.page.keyboard.press("Enter")
        await screen.shows('[data-feed="open"]')


async def test_who_is_signed_in_is_shown_and_signs_out_by_keyboard(browser: Browser, fake: Fake):
    """At a shared station the next one must not answer in the name of the last; and nothing of hers may stay."""
    async with opened(browser, fake.url(), viewport={"width": 820, "height": 1180}) as screen:
        await fake.put(alert(2, fake.now()))
        await screen.settled(fake)
        await screen.shows("#whoami", "nurse", "clinician")
        leave = screen.page.locator("#whoami button")
        await expect(leave).to_be_visible()
        await leave.focus()
        await screen.page.keyboard.press("Enter")
        await screen.shows(SIGN_IN)
        await until(lambda: not fake.connected(), 5)
        assert await screen.alerts() == set()
        assert await screen.page.evaluate("sessionStorage.length") == 0
        await expect(screen.page).to_have_title("Vigil")
        await screen.page.fill("[name=token]", "ops-token")
        await screen.page.keyboard.press("Enter")
        await screen.shows("#whoami", "ops", "operations")
        await screen.settled(fake)
        assert fake.hellos[-1].cursor is None


@pytest.mark.parametrize("route", ["#/feed", "#/operations"])
async def test_a_wall_at_another_screen_says_what_it_is_for(browser: Browser, fake: Fake, route: str):
    """A number of an error helps nobody who stands before it."""
    async with opened(browser, fake.url("wall-token")) as screen:
        await screen.go(route)
        await screen.shows("#ward-only", "This screen only shows the ward")
        await expect(screen.page.locator("main")).not_to_contain_text("403")
        await screen.page.locator("#ward-only a").click()
        await screen.shows(".shell.wall .places")
