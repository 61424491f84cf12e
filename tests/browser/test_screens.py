"""Every screen in both themes: readable for everybody (axe), within the content policy, a picture to look at."""

from __future__ import annotations

from typing import Any, Literal
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser import history, look
from tests.browser.fake import Fake
from tests.browser.fixtures import ACKNOWLEDGED, HEART, MEDIUM, SIGNAL, alert, patient_id
from tests.browser.pages import opened
from vitals.metrics import MINUTE_US

Scheme = Literal["dark", "light"]
SCHEMES: tuple[Scheme, ...] = ("dark", "light")
BUSY = f"#/patient/{patient_id(2)}"
SCREENS = {
    "ward": ("nurse-token", "#/", "#worklist [data-alert]"),
    "wall": ("wall-token", "#/wall", ".shell.wall #worklist [data-alert]"),
    "patient": ("nurse-token", BUSY, ".patient-chart canvas"),
    "feed": ("nurse-token", "#/feed", ".feed-row"),
    "operations": ("ops-token", "#/operations", "main table"),
    "help": ("nurse-token", "#/help", "main kbd"),
}


@pytest_asyncio.fixture(loop_scope="session")
async def busy(fake: Fake) -> Fake:
    """A ward with an alert in every state, and history."""
    await look.fill(fake, "ward", 20)
    history.remember(fake)
    return fake


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", SCREENS)
async def test_every_screen_is_readable_for_everybody(browser: Browser, busy: Fake, name: str, scheme: Scheme):
    """Contrast, names, roles and order are for who sees badly, who listens, and who is tired."""
    token, route, ready = SCREENS[name]
    size = {"width": 1920, "height": 1080} if name == "wall" else {"width": 1440, "height": 900}
    async with opened(browser, busy.url(token), color_scheme=scheme, viewport=size) as screen:
        await screen.go(route)
        await screen.shows(ready)
        await screen.settled(busy)
        assert await screen.page.evaluate("document.documentElement.dataset.theme") == scheme
        await screen.keep(f"{name}-{scheme}")
        assert await screen.axe() == []


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_signing_in_is_readable_too_and_says_that_nothing_is_watched(
    browser: Browser, fake: Fake, scheme: Scheme
):
    """Who sees only this form must not believe that the ward is on it."""
    async with opened(browser, fake.origin, "main.signin", color_scheme=scheme) as screen:
        await screen.shows("main", "Nothing is watched")
        await screen.keep(f"sign-in-{scheme}")
        assert await screen.axe() == []
        await screen.page.fill("[name=token]", "guess")
        await screen.page.keyboard.press("Enter")
        await screen.shows("main", "not known")
        await screen.page.fill("[name=token]", "nurse-token")
        await screen.page.keyboard.press("Enter")
        await screen.shows('[data-feed="open"]')
        assert "token" not in screen.page.url


@pytest.mark.parametrize("state", ["refused", "stalled", "simulated", "empty"])
async def test_every_state_of_the_system_is_readable(browser: Browser, fake: Fake, state: str):
    """The loudest banner of the page is of no use where it cannot be read."""
    await look.fill(fake, "quiet" if state == "refused" else state, 12)
    async with opened(browser, fake.url()) as screen:
        match state:
            case "refused":
                fake.faults.close = 4401
                await fake.close()
                await screen.shows("#feed-lost", "FEED LOST")
            case "stalled":
                await screen.shows(
                    "#data-stalled", "DATA STALLED", "Nothing from ward-b has been judged for", "Look at the patients"
                )
                await screen.shows('[data-data="stalled"]')
                await screen.shows("#site-faults", "ward-b", "4 patients there are without watch", "Who")
                await screen.page.click("#site-faults summary")
                await screen.shows("#site-faults .lying", "P-009", "P-012")
            case "simulated":
                await screen.shows("#simulated", "SIMULATED")
            case _:
                await screen.shows(".places", "No patients assigned")
        await screen.keep(f"state-{state}")
        assert await screen.axe() == []


PRIORITIES: dict[str, dict[str, Any]] = {
    "high": {},
    "medium": MEDIUM,
    "low": {
        "rule": "high",
        "level": 1,
        "priority": "low",
        "value": 262.0,
        "limit": 250.0,
        "lead_at": None,
        "all_at": None,
    },
    "technical": SIGNAL,
    "heart-rate": HEART,
    "acknowledged": ACKNOWLEDGED,
    "cleared-unseen": {"condition": "over", "unseen": True, "change": "clear", "announced": False},
    "unknown": {"condition": "unknown"},
}


async def test_a_priority_has_a_sign_and_a_word_besides_its_colour(browser: Browser, fake: Fake):
    """One man in twelve does not see red and green apart."""
    async with opened(browser, fake.url()) as screen:
        for name, changed in PRIORITIES.items():
            now = fake.now()
            until = {"acknowledged_until": now + 15 * MINUTE_US} if name == "acknowledged" else {}
            one = alert(2, now, version=fake.next_version(), **(changed | until))
            one = await fake.put(one.model_copy(update={"id": uuid4()}))
            await expect(screen.page.locator(f"#tile-{patient_id(2)}")).to_have_attribute("data-alert", str(one.id))
            sign = {"high": "***", "medium": "**", "low": "*"}[one.priority]
            await expect(screen.card(2).locator(".marker > span").first).to_have_text(sign)
            await expect(screen.card(2).locator(".marker")).to_contain_text(f"{one.priority} priority")
            if one.category == "technical":
                await expect(screen.card(2).locator(".marker")).to_contain_text("TECH")
            await screen.keep(f"priority-{name}")
            over = {"version": (fake.next_version(), 0), "condition": "over", "closed": True, "announced": False}
            await fake.put(one.model_copy(update=over))
            await expect(screen.card(2)).to_have_count(0)


async def test_under_reduced_motion_nothing_flashes_and_the_border_is_thick(browser: Browser, busy: Fake):
    """Flashing makes some people ill; what flashes for others must still be seen."""
    async with opened(browser, busy.url(), reduced_motion="reduce") as screen:
        await screen.settled(busy)
        await screen.shows(".marker.flash")
        await screen.passing(2)
        flashes = "[document.documentElement.dataset.flashHigh, document.documentElement.dataset.flashMedium]"
        assert "off" not in await screen.page.evaluate(flashes)
        style = "getComputedStyle(document.querySelector('.marker.flash'))"
        moving = f"({style}.animationName !== 'none') || parseFloat({style}.transitionDuration) > 0.01"
        assert not await screen.page.evaluate(moving)
        await screen.keep("reduced-motion")


async def test_who_asks_for_less_motion_while_the_page_is_open_has_it_at_once(browser: Browser, busy: Fake):
    """A wall is never reloaded: whoever turns motion off there does it because somebody feels ill now."""
    dim = ':root[data-flash-high="off"], :root[data-flash-medium="off"]'
    outline = "getComputedStyle(document.querySelector('.marker.flash')).outlineStyle"
    async with opened(browser, busy.url()) as screen:
        await screen.settled(busy)
        await screen.shows(dim)
        await screen.page.emulate_media(reduced_motion="reduce")
        await expect(screen.page.locator(dim)).to_have_count(0)
        assert await screen.page.evaluate(outline) == "solid"
        await screen.page.evaluate(
            "(globalThis.dimmed = 0, new MutationObserver(() => { dimmed += 1; }).observe("
            "document.documentElement, {attributes: true, attributeFilter: ['data-flash-high', 'data-flash-medium']}))"
        )
        await screen.passing(2)
        assert await screen.page.evaluate("dimmed") == 0
        await screen.page.emulate_media(reduced_motion="no-preference")
        await screen.shows(dim)


async def test_flashing_is_at_most_three_a_second_and_never_the_digits(browser: Browser, busy: Fake):
    """More can start a seizure; and a value that is gone half of the time is read wrong."""
    async with opened(browser, busy.url()) as screen:
        await screen.settled(busy)
        begun = await screen.page.evaluate(
            "(globalThis.flips = [], new MutationObserver(() => flips.push([performance.now(),"
            " document.documentElement.dataset.flashHigh])).observe(document.documentElement,"
            " {attributes: true, attributeFilter: ['data-flash-high']}), performance.now())"
        )
        await screen.passing(2)
        flips = await screen.page.evaluate("flips")
        on = [at for at, what in flips if what == "on"]
        assert on, "nothing flashes"
        assert len(on) <= 3 * (flips[-1][0] - begun) / 1000 + 1
        values = await screen.page.evaluate(
            "[...document.querySelectorAll('.value, .reading b')].map((each) => getComputedStyle(each).visibility)"
        )
        assert set(values) == {"visible"}


async def test_forced_colours_leave_markers_hatching_and_focus(browser: Browser, busy: Fake):
    """In a contrast theme backgrounds are gone: borders and words must carry what they carried."""
    async with opened(browser, busy.url(), forced_colors="active") as screen:
        await screen.settled(busy)
        await expect(screen.page.locator("#worklist .card.calling.high")).to_have_count(2)
        border = "getComputedStyle(document.querySelector('#worklist .marker.high')).borderTopWidth"
        assert await screen.page.evaluate(border) != "0px"
        await screen.page.keyboard.press("j")
        await expect(screen.card(2)).to_be_focused()
        focused = await screen.page.evaluate(
            "(() => { const s = getComputedStyle(document.activeElement);"
            " return [document.activeElement.id, s.outlineStyle, parseFloat(s.outlineWidth)]; })()"
        )
        assert focused[0].startswith("card-")
        assert focused[1] != "none"
        assert focused[2] >= 2
        other = "getComputedStyle(document.querySelectorAll('#worklist .card.calling.high')[1]).outlineColor"
        own = "getComputedStyle(document.activeElement).outlineColor"
        assert await screen.page.evaluate(f"{other} !== {own}"), "two high cards, and only one has the focus"
        await screen.keep("forced-colours")
        assert [line for line in await screen.axe() if not line.startswith("color-contrast")] == []
