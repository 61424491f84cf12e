"""A long worklist by pointer, by keys and on any screen: everybody is reached, and no key acts on what is not seen."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from runtime.testing.waiting import until
from tests.browser import look
from tests.browser.fake import Fake
from tests.browser.fixtures import ACKNOWLEDGED, alert
from tests.browser.pages import opened
from tests.browser.test_wall import CUT, crowd
from vitals.metrics import SECOND_US
from vitals.protocol import Acknowledge

pytestmark = pytest.mark.timeout(90)
SCROLLED = "(side, to) => new Promise((done) => (side.onscroll = () => done(), side.scrollTo(0, to)))"
"""Scroll, and wait until the page was told."""
FIRST_SEEN = """() => [...document.querySelectorAll("#worklist > li")].findIndex(
    (card) => card.getBoundingClientRect().bottom > 0)"""
FOCUSED = "() => [...document.querySelectorAll('#worklist > li')].indexOf(document.activeElement?.closest('li'))"
"""Which card has the focus, -1 for none."""
FRAMES = """async () => { for (let left = 5; left > 0; left -= 1) await new Promise(requestAnimationFrame); }"""
"""So many frames are drawn that whoever watches for what comes into view has been told."""


def everybody_calls(fake: Fake, count: int) -> None:
    """So many patients have an alert that was there before the page."""
    now = fake.now()
    for number in range(1, count + 1):
        one = alert(number, now, version=number, announced_at=now + number)
        fake.alerts[one.id] = one


async def test_the_list_goes_on_where_it_is_scrolled_to_its_end(browser: Browser, large: Fake):
    """Whoever scrolls through a long list must reach everybody, and the list must cost little once it is left."""
    everybody_calls(large, 50)
    async with opened(browser, large.url()) as screen:
        cards, end = screen.page.locator("#worklist > li"), screen.page.locator("p.more").first
        await expect(cards).to_have_count(20)
        await end.scroll_into_view_if_needed()
        await expect(cards).to_have_count(40)
        await end.scroll_into_view_if_needed()
        await expect(cards).to_have_count(50)
        side, note = screen.page.locator(".side"), screen.page.get_by_role("textbox", name="note")
        await cards.nth(45).focus()
        await screen.page.keyboard.press("n")
        await note.fill("half a sentence")
        await side.evaluate(SCROLLED, 0)
        await expect(note).to_have_value("half a sentence")
        await expect(cards).to_have_count(50)
        await note.press("Escape")
        await side.evaluate(SCROLLED, 10_000)
        await side.evaluate(SCROLLED, 0)
        await expect(cards).to_have_count(21)  # the chosen one stays
        await screen.shows("p.more", "29 more patients")


async def test_a_card_that_is_written_on_stays_wherever_it_falls(browser: Browser, large: Fake):
    """A colleague acknowledges meanwhile, and the card falls behind all that call: the sentence must not go with it."""
    everybody_calls(large, 30)
    async with opened(browser, large.url()) as screen:
        cards, note = screen.page.locator("#worklist > li"), screen.page.get_by_role("textbox", name="note")
        await expect(cards).to_have_count(20)
        chosen = await cards.nth(3).get_attribute("data-patient")
        assert chosen
        await cards.nth(3).focus()
        await screen.page.keyboard.press("n")
        await note.fill("half a sen")
        mine = next(each for each in large.alerts.values() if str(each.patient) == chosen)
        until_us = large.now() + 15 * 60 * SECOND_US
        answered = ACKNOWLEDGED | {"version": (large.next_version(), 0), "acknowledged_until": until_us}
        await large.put(mine.model_copy(update=answered))
        # the browser goes with who writes: the end may come into view, and the rest of the list with it
        await expect(cards.last).to_have_attribute("data-patient", chosen)
        await screen.page.keyboard.type("tence")
        await expect(note).to_have_value("half a sentence")


async def test_on_a_narrow_screen_where_the_page_scrolls_the_list_goes_on_too(browser: Browser, large: Fake):
    """A phone has one column: what scrolls there is the page, and the list must not end after twenty of fifty."""
    everybody_calls(large, 50)
    async with opened(browser, large.url(), viewport={"width": 600, "height": 900}) as screen:
        cards, end = screen.page.locator("#worklist > li"), screen.page.locator("p.more").first
        await expect(cards).to_have_count(20)
        for count in (40, 50):
            await end.scroll_into_view_if_needed()
            await expect(cards).to_have_count(count)
        await screen.page.evaluate("() => scrollTo(0, 0.5)")
        await expect(cards).to_have_count(20)
        assert await screen.page.evaluate(FIRST_SEEN) == 0


async def test_on_a_tall_screen_the_list_fills_it_by_itself_and_stays_so(browser: Browser, large: Fake):
    """On a screen on its side nothing scrolls, so nothing would ever ask for the rest of the cards."""
    everybody_calls(large, 100)
    async with opened(browser, large.url(), viewport={"width": 1440, "height": 3200}) as screen:
        cards, end = screen.page.locator("#worklist > li"), screen.page.locator("p.more").first
        await expect(cards).to_have_count(40)
        await expect(end).not_to_be_in_viewport()
        await end.scroll_into_view_if_needed()
        await expect(cards).to_have_count(60)
        await screen.page.locator(".side").evaluate(SCROLLED, 0)
        await expect(cards).to_have_count(40)


async def test_tab_passes_over_no_card(browser: Browser, large: Fake):
    """Cards that come before what has the focus would be passed over by whoever goes on by Tab."""
    everybody_calls(large, 70)
    async with opened(browser, large.url()) as screen:
        cards = screen.page.locator("#worklist > li")
        await expect(cards).to_have_count(20)
        await cards.nth(19).get_by_role("button", name="More").focus()
        await expect(cards).to_have_count(40)
        await screen.page.keyboard.press("Tab")
        await screen.page.wait_for_function(f"({FOCUSED})() === 20")
        more = screen.page.get_by_role("button", name="Show 20 more")
        await more.focus()
        await expect(more).to_be_in_viewport()
        await screen.page.evaluate(FRAMES)
        await expect(cards).to_have_count(40)
        await screen.page.keyboard.press("Enter")
        await expect(cards).to_have_count(60)
        await screen.page.wait_for_function(f"({FOCUSED})() === 40")


async def test_a_key_shows_a_card_that_is_out_of_view_and_only_then_acts_on_it(browser: Browser, large: Fake):
    """She chose, scrolled on to look for somebody, and presses a: what she acknowledges must be before her eyes."""
    everybody_calls(large, 30)
    async with opened(browser, large.url()) as screen:
        cards, side = screen.page.locator("#worklist > li"), screen.page.locator(".side")
        await expect(cards).to_have_count(20)
        await screen.page.keyboard.press("j")
        await expect(cards.first).to_be_focused()
        await side.evaluate(SCROLLED, 1_200)
        await expect(cards.first).not_to_be_in_viewport()
        await screen.page.keyboard.press("a")
        await expect(cards.first).to_be_in_viewport()
        assert large.commands == []
        await screen.page.keyboard.press("a")
        await until(lambda: any(isinstance(each, Acknowledge) for each in large.commands), 10)


async def test_who_is_shelved_is_in_reach_below_a_list_that_grows(browser: Browser, large: Fake):
    """At the end of a list that goes on wherever one scrolls nobody ever arrives."""
    everybody_calls(large, 50)
    one = alert(60, large.now(), **look.shelved(60, large.now()))
    large.alerts[one.id] = one
    large.shelves[look.shelf_of(one).id] = look.shelf_of(one)
    for width, height in ((1440, 900), (820, 1180), (600, 900)):
        async with opened(browser, large.url(), viewport={"width": width, "height": height}) as screen:
            await expect(screen.page.locator("#worklist > li")).to_have_count(20)
            for word in ("#shelved summary", "#shelved li", "#out-of-service summary"):
                await expect(screen.page.locator(word)).to_be_in_viewport(ratio=1)
            await screen.keep(f"shelved-{width}")
            assert await screen.axe() == []


async def test_what_is_put_aside_never_takes_the_worklists_place(browser: Browser, large: Fake):
    """Shelved patients call nobody; a list of them that fills half the side hides who does."""
    everybody_calls(large, 20)
    for number in (60, 61, 62):
        one = alert(number, large.now(), **look.shelved(number, large.now()))
        large.alerts[one.id] = one
        large.shelves[look.shelf_of(one).id] = look.shelf_of(one)
    async with opened(browser, large.url()) as screen:
        await screen.shows("#shelved summary", "Shelved (3)")
        part = """() => document.querySelector(".lists").getBoundingClientRect().height
            / document.querySelector(".aside").getBoundingClientRect().height"""
        assert await screen.page.evaluate(part) < 0.15
        await screen.page.locator("#shelved summary").click()
        await expect(screen.page.locator("#shelved li").first).to_be_in_viewport()


async def test_on_a_tablet_twenty_patients_are_seen_without_scrolling(browser: Browser, fake: Fake):
    """Whoever carries the ward in a hand looks for one of twenty; one column shows six."""
    await look.fill(fake, "ward", 20)
    crowd(fake)
    async with opened(browser, fake.url(), viewport={"width": 820, "height": 1180}) as screen:
        await expect(screen.page.locator(".tiles > li")).to_have_count(20)
        await screen.settled(fake)
        whole = """(all) => all.filter((tile) => tile.getBoundingClientRect().bottom
            <= tile.closest('.places').getBoundingClientRect().bottom + 1).length"""
        assert await screen.page.locator(".tiles > li").evaluate_all(whole) == 20
        small = "(all) => all.map((value) => [value.textContent, parseFloat(getComputedStyle(value).fontSize)])"
        sizes = await screen.page.locator(".tile .value").evaluate_all(small)
        assert min(size for text, size in sizes if text not in {"LOW", "HIGH"}) >= 28
        assert await screen.page.evaluate(CUT.replace(".wall .tile", ".tile")) == []
        await screen.keep("tablet")
        assert await screen.axe() == []
