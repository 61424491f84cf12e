"""A key acts on what is seen, and the focus goes on to what comes next: cards half in view, far down, too tall."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from runtime.testing.waiting import until
from tests.browser import look
from tests.browser.fake import Fake
from tests.browser.fixtures import HEART, SIGNAL, alert, patient_id
from tests.browser.pages import opened
from tests.browser.test_reach import FRAMES, SCROLLED, everybody_calls

pytestmark = pytest.mark.timeout(90)
PAST_ITS_NAME = """(side) => { const card = document.querySelector('#worklist > li').getBoundingClientRect();
    return card.top - side.getBoundingClientRect().top + card.height * 0.45; }"""
"""Scrolled so far the first card has lost its name, and shows more than half of itself."""


async def test_a_card_that_shows_only_its_buttons_is_brought_back_before_a_key_acts(browser: Browser, large: Fake):
    """Four buttons look alike on every card: whose they are stands in the part that is scrolled away."""
    everybody_calls(large, 30)
    async with opened(browser, large.url()) as screen:
        cards, side = screen.page.locator("#worklist > li"), screen.page.locator(".side")
        await expect(cards).to_have_count(20)
        await screen.page.keyboard.press("j")
        await expect(cards.first).to_be_focused()
        await side.evaluate(SCROLLED, await side.evaluate(PAST_ITS_NAME))
        await screen.page.keyboard.press("a")
        await expect(cards.first).to_be_in_viewport(ratio=1)
        await screen.page.evaluate(FRAMES)
        assert large.commands == []
        await screen.page.keyboard.press("a")
        await until(lambda: len(large.commands) == 1, 10)


async def test_a_card_that_is_taller_than_the_view_is_answered_all_the_same(browser: Browser, large: Fake):
    """At four times the size of letters no card is ever seen whole, and keys that wait for that are dead."""
    silent = SIGNAL | {"metric": "heart_rate", "id": patient_id(999)}
    for changed in ({}, HEART, SIGNAL, silent):
        one = alert(1, large.now(), version=large.next_version(), **changed)
        large.alerts[one.id] = one
    async with opened(browser, large.url(), viewport={"width": 800, "height": 300}) as screen:
        card = screen.page.locator("#worklist > li")
        await expect(card).to_have_count(1)
        await screen.page.keyboard.press("j")
        await expect(card).to_be_focused()
        for _ in range(2):
            await screen.page.keyboard.press("g")
            await screen.page.evaluate(FRAMES)
        await until(lambda: len(large.commands) > 0, 10)


async def test_on_a_narrow_screen_the_chosen_card_comes_to_stand_above_the_lists(browser: Browser, large: Fake):
    """They stay at the bottom of the screen, over whatever comes there: also over the card that has the focus."""
    everybody_calls(large, 30)
    for number in (60, 61, 62):
        one = alert(number, large.now(), **look.shelved(number, large.now()))
        large.alerts[one.id] = one
        large.shelves[look.shelf_of(one).id] = look.shelf_of(one)
    async with opened(browser, large.url(), viewport={"width": 600, "height": 800}) as screen:
        cards, lists = screen.page.locator("#worklist > li"), screen.page.locator(".lists")
        await expect(cards).to_have_count(20)
        for place in range(6):
            await screen.page.keyboard.press("j")
            await expect(cards.nth(place)).to_be_focused()
            card, below = await cards.nth(place).bounding_box(), await lists.bounding_box()
            assert card is not None
            assert below is not None
            assert card["y"] + card["height"] <= below["y"] + 1


async def test_tab_goes_on_in_order_also_where_a_far_card_is_kept(browser: Browser, large: Fake):
    """The chosen card stays drawn when the list is short again: right after the twentieth, without those between."""
    everybody_calls(large, 60)
    async with opened(browser, large.url(), viewport={"width": 1440, "height": 480}) as screen:
        cards, end = screen.page.locator("#worklist > li"), screen.page.locator("p.more").first
        await expect(cards).to_have_count(20)
        await end.scroll_into_view_if_needed()
        await expect(cards).to_have_count(40)
        next_one = await cards.nth(20).get_attribute("data-patient")
        await cards.nth(35).focus()
        await screen.page.locator(".side").evaluate(SCROLLED, 0)
        await expect(cards).to_have_count(21)
        await cards.nth(19).locator("button:visible").last.focus()
        await screen.page.keyboard.press("Tab")
        await expect(screen.page.locator(f"#card-{next_one}")).to_be_focused()


async def test_the_list_goes_on_once_the_focus_has_left_its_button(browser: Browser, large: Fake):
    """It waits for whoever stands there; a list that waits for ever ends at twenty."""
    everybody_calls(large, 70)
    async with opened(browser, large.url()) as screen:
        cards, more = screen.page.locator("#worklist > li"), screen.page.get_by_role("button", name="Show 20 more")
        await expect(cards).to_have_count(20)
        await more.focus()
        await screen.page.evaluate(FRAMES)
        await expect(cards).to_have_count(20)
        await more.blur()
        await expect(cards).to_have_count(40)
