"""The page by keyboard alone: one key to choose, one to answer, and always to be seen where one is."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from runtime.testing.waiting import until
from tests.browser import history, look
from tests.browser.fake import Fake
from tests.browser.fixtures import HEART, MEDIUM, alert, patient_id
from tests.browser.pages import Screen, opened, station, tab
from vitals.alerts import shelf_id
from vitals.protocol import Acknowledge, Assign, Shelve, Undo, Unshelve


async def three(fake: Fake) -> None:
    """A high, a medium and another medium: in this order."""
    now = fake.now()
    await fake.put(alert(2, now, version=1))
    await fake.put(alert(3, now, version=2, **MEDIUM))
    await fake.put(alert(4, now, version=3, **HEART, announced_at=now))


async def commanded(fake: Fake, kind: type[Any], count: int = 1) -> Any:
    """The newest command of a kind, once there are so many."""
    await until(lambda: sum(isinstance(each, kind) for each in fake.commands) >= count, 10)
    return [each for each in fake.commands if isinstance(each, kind)][-1]


async def focus(screen: Screen) -> str:
    return str(await screen.page.evaluate("document.activeElement.id"))


async def focused(screen: Screen, wanted: str) -> None:
    async def there() -> bool:
        return await focus(screen) == wanted

    await until(there, 5)


async def test_a_ward_is_answered_by_keys_alone(browser: Browser, fake: Fake):
    """A hand in a glove finds j and a; it does not find a pointer."""
    async with opened(browser, fake.url()) as screen:
        await three(fake)
        await expect(screen.page.locator("#worklist > li")).to_have_count(3)
        await screen.page.keyboard.press("a")
        await focused(screen, f"card-{patient_id(2)}")
        assert fake.commands == [], "the first key only chooses"
        await screen.page.keyboard.press("j")
        await focused(screen, f"card-{patient_id(3)}")
        await screen.page.keyboard.press("j")
        await screen.page.keyboard.press("k")
        await focused(screen, f"card-{patient_id(3)}")
        await screen.page.keyboard.press("a")
        found = await commanded(fake, Acknowledge)
        assert (found.alert, found.level) == (alert(3, 0).id, 1)
        await expect(screen.card(3)).to_contain_text("acknowledged by nurse")
        await screen.page.keyboard.press("u")
        assert (await commanded(fake, Undo)).command == found.id
        await expect(screen.card(3)).not_to_contain_text("acknowledged by nurse")
        await screen.page.keyboard.press("g")
        assert (await commanded(fake, Assign)).what == "going"
        await expect(screen.card(3)).to_contain_text("nurse is going")


async def test_one_key_shelves_and_the_reason_can_follow(browser: Browser, fake: Fake):
    """A question before the act costs the hand that is needed at the bed; why can be said once it is quiet."""
    async with opened(browser, fake.url()) as screen:
        await three(fake)
        await expect(screen.page.locator("#worklist > li")).to_have_count(3)
        await screen.page.keyboard.press("j")
        await focused(screen, f"card-{patient_id(2)}")
        await screen.page.keyboard.press("s")
        found = await commanded(fake, Shelve)
        assert (found.alert, found.minutes, found.reason) == (alert(2, 0).id, 15, "")
        await expect(screen.page.locator(".panel")).to_have_count(0)
        await expect(screen.card(2)).to_have_count(0)
        await screen.shows("#told", "P-002", "Shelve for 15 min: done", "Undo")
        await screen.page.locator("#told-why").select_option("treatment takes time")
        again = await commanded(fake, Shelve, 2)
        assert (again.alert, again.minutes, again.reason) == (alert(2, 0).id, 15, "treatment takes time")
        await screen.shows("#shelved", "Shelved (1)", "P-002", "treatment takes time")
        await expect(screen.page.locator("#told-why")).to_have_count(0)


async def test_a_shelf_by_mistake_is_taken_back_by_one_key(browser: Browser, fake: Fake):
    """What one key does, one key must undo: the wrong card is chosen at 3 a.m."""
    async with opened(browser, fake.url()) as screen:
        await three(fake)
        await expect(screen.page.locator("#worklist > li")).to_have_count(3)
        await screen.page.keyboard.press("j")
        await focused(screen, f"card-{patient_id(2)}")
        await screen.page.keyboard.press("s")
        found = await commanded(fake, Shelve)
        await screen.shows("#told", "Undo")
        await screen.page.keyboard.press("u")
        assert (await commanded(fake, Undo)).command == found.id
        await expect(screen.card(2)).to_be_visible()


async def test_other_minutes_and_a_reason_stand_beside_the_button_and_escape_leaves_nothing(
    browser: Browser, fake: Fake
):
    """Who knows that it takes 5 min says so at once; Escape changes nothing and the focus is where it was."""
    async with opened(browser, fake.url()) as screen:
        await three(fake)
        more = screen.card(2).get_by_role("button", name="Shelve for how long, and why")
        await more.click()
        await screen.shows(".panel", "Shelve")
        await expect(screen.page.locator(".panel [data-first]")).to_be_focused()
        await screen.page.keyboard.press("Escape")
        await expect(screen.page.locator(".panel")).to_have_count(0)
        await focused(screen, f"card-{patient_id(2)}")
        assert fake.commands == []
        await more.click()
        await screen.page.get_by_role("button", name="5 min", exact=True).click()
        await screen.page.locator(".panel [data-first]").focus()
        reason = await screen.page.locator(".panel [data-first]").inner_text()
        await screen.page.keyboard.press("Enter")
        found = await commanded(fake, Shelve)
        assert (found.alert, found.minutes, found.reason) == (alert(2, 0).id, 5, reason)
        await expect(screen.card(2)).to_have_count(0)
        await screen.shows("#shelved", "Shelved (1)", "P-002", reason)


async def on_patient(screen: Screen, fake: Fake) -> tuple[str, str]:
    """The screen of a patient with two alerts; the ids of their cards."""
    history.remember(fake)
    first = await fake.put(alert(2, fake.now(), version=1, escalation=1))
    second = await fake.put(alert(2, fake.now(), version=2, **HEART))
    await screen.go(f"#/patient/{patient_id(2)}")
    await expect(screen.page.locator(".open-alert")).to_have_count(2)
    return f"card-{first.id}", f"card-{second.id}"


async def test_on_the_patient_the_focus_stays_with_the_alert_whatever_is_pressed(browser: Browser, fake: Fake):
    """Focus that falls to the page's beginning sends the next key nowhere, or to another alert."""
    async with opened(browser, fake.url()) as screen:
        first, second = await on_patient(screen, fake)
        await screen.page.keyboard.press("j")
        await focused(screen, first)
        await screen.page.keyboard.press("j")
        await focused(screen, second)
        await screen.page.keyboard.press("j")
        await focused(screen, second)
        await screen.page.keyboard.press("k")
        await focused(screen, first)
        await screen.page.keyboard.press("t")
        await expect(screen.page.locator(".panel [data-first]")).to_be_focused()
        await screen.page.keyboard.press("g")
        await screen.page.keyboard.press("Escape")
        await focused(screen, first)
        assert fake.commands == [], "a letter in an open question is no answer"
        await screen.page.keyboard.press("t")
        await expect(screen.page.locator(".panel [data-first]")).to_be_focused()
        await screen.page.keyboard.press("Enter")
        assert (await commanded(fake, Assign)).what == "treated"
        await focused(screen, first)


async def test_on_the_patient_a_key_that_is_held_down_answers_once(browser: Browser, fake: Fake):
    """A book on the keyboard must not fill an alert's history, nor use up the commands of a minute."""
    async with opened(browser, fake.url()) as screen:
        first, _ = await on_patient(screen, fake)
        await screen.page.keyboard.press("j")
        await focused(screen, first)
        for _ in range(5):
            await screen.page.keyboard.down("g")
        await screen.page.keyboard.up("g")
        await expect(screen.page.locator(f"[id='{first}']")).to_contain_text("nurse is going")
        await expect(screen.page.locator(".open-alert").last).to_have_id(first)
        await focused(screen, first)
        await screen.page.keyboard.press("n")
        await expect(screen.page.locator(".panel input")).to_be_focused()
        assert [each.what for each in fake.commands] == ["going"]


async def test_on_the_patient_a_shelf_is_seen_explained_and_ended(browser: Browser, fake: Fake):
    """Who comes to the bed meanwhile must be able to let it call again, there where she reads it."""
    async with opened(browser, fake.url()) as screen:
        first, _ = await on_patient(screen, fake)
        card = screen.page.locator(f"[id='{first}']")
        await expect(card).to_contain_text("lead called")
        await screen.page.keyboard.press("j")
        await focused(screen, first)
        await screen.page.keyboard.press("s")
        assert (await commanded(fake, Shelve)).minutes == 15
        await expect(card).to_contain_text("shelved until")
        await card.get_by_role("button", name="End shelf").click()
        ended = await commanded(fake, Unshelve)
        assert ended.shelf == shelf_id(str(patient_id(2)), "glucose", "low")


async def test_enter_opens_the_patient_and_a_question_mark_the_help(browser: Browser, fake: Fake):
    """From the list to the why in one key; and who does not know the keys learns them by one."""
    history.remember(fake)
    async with opened(browser, fake.url()) as screen:
        await three(fake)
        await expect(screen.page.locator("#worklist > li")).to_have_count(3)
        await screen.page.keyboard.press("j")
        await focused(screen, f"card-{patient_id(2)}")
        await screen.page.keyboard.press("Enter")
        await screen.shows("#patient-title", "P-002")
        await screen.page.keyboard.press("?")
        await screen.shows("main", "Keys")


@pytest.mark.parametrize(
    ("route", "place", "card"),
    [
        ("#/", ".ward", f"card-{patient_id(2)}"),
        (f"#/patient/{patient_id(2)}", "article.patient", f"card-{alert(2, 0).id}"),
    ],
    ids=["ward", "patient"],
)
async def test_a_key_is_taken_from_the_moment_that_a_screen_stands(
    browser: Browser, fake: Fake, route: str, place: str, card: str
):
    """Keys that are taken a frame later are taken late on a busy machine: she saw the screen, pressed, and in vain."""
    history.remember(fake)
    await three(fake)
    async with opened(browser, fake.url()) as screen:
        await screen.settled(fake)
        await screen.go("#/help")
        await screen.shows("#help-title")
        await screen.page.evaluate(PRESS, [place, "j"])
        await screen.go(route)
        await screen.shows(place)
        assert await screen.page.evaluate("taken") is True
        await focused(screen, card)


async def test_the_help_key_is_taken_from_the_moment_that_the_page_stands(browser: Browser, fake: Fake):
    """It is the first key of whoever knows none, and the page may just have opened."""
    async with station(browser) as context:
        await context.add_init_script(f"({PRESS})(['.shell', '?'])")
        screen = await tab(context, fake.url())
        assert await screen.page.evaluate("taken") is True
        await screen.shows("#help-title", "Help")
        await screen.check()


@pytest.mark.parametrize(
    ("route", "place"), [("#/", "#worklist"), ("#/feed", "#feed-title"), ("#/operations", "#operations-title")]
)
async def test_a_question_mark_is_the_help_on_every_screen(browser: Browser, fake: Fake, route: str, place: str):
    """Who needs the help does not know on which screens it can be had."""
    history.remember(fake)
    await three(fake)
    async with opened(browser, fake.url()) as screen:
        await screen.go(route)
        await screen.shows(place)
        await screen.passing(1)
        await screen.page.keyboard.press("?")
        await screen.shows("#help-title", "Help")


async def test_under_an_open_question_only_escape_is_a_key(browser: Browser, fake: Fake):
    """Who is asked "treated how?" and types an a has not acknowledged anything."""
    async with opened(browser, fake.url()) as screen:
        await three(fake)
        await expect(screen.page.locator("#worklist > li")).to_have_count(3)
        await screen.page.keyboard.press("j")
        await focused(screen, f"card-{patient_id(2)}")
        await screen.page.keyboard.press("t")
        await expect(screen.page.locator(".panel [data-first]")).to_be_focused()
        for key in "agsojku?":
            await screen.page.keyboard.press(key)
        await expect(screen.page.locator(".panel [data-first]")).to_be_focused()
        await screen.page.keyboard.press("Escape")
        await focused(screen, f"card-{patient_id(2)}")
        await screen.page.keyboard.press("g")
        assert (await commanded(fake, Assign)).what == "going"
        assert len(fake.commands) == 1


async def test_what_is_typed_into_a_note_is_no_command(browser: Browser, fake: Fake):
    """An a in a note must not acknowledge an alarm."""
    async with opened(browser, fake.url()) as screen:
        await three(fake)
        await expect(screen.page.locator("#worklist > li")).to_have_count(3)
        await screen.page.keyboard.press("j")
        await focused(screen, f"card-{patient_id(2)}")
        await screen.page.keyboard.press("n")
        await expect(screen.page.locator(".panel input")).to_be_focused()
        await screen.page.keyboard.type("gave juice again")
        await screen.page.keyboard.press("Enter")
        await until(lambda: len(fake.commands) == 1, 5)
        assert fake.commands[0].text == "gave juice again"
        await expect(screen.card(2)).to_contain_text("gave juice again")


@pytest.mark.parametrize("route", ["#/", f"#/patient/{patient_id(2)}", "#/feed", "#/operations", "#/help"])
async def test_tab_goes_everywhere_and_is_seen(browser: Browser, fake: Fake, route: str):
    """Focus that is not seen is no focus; and no corner may hold it for ever."""
    await look.fill(fake, "ward", 12)
    history.remember(fake)
    async with opened(browser, fake.url()) as screen:
        await screen.go(route)
        await screen.shows("main h1, main h2, main section, main article")
        await screen.settled(fake)
        await screen.page.evaluate("document.activeElement.blur()")
        seen: list[str] = []
        for _ in range(60):
            await screen.page.keyboard.press("Tab")
            found = await screen.page.evaluate(FOCUS)
            if found["place"] in {"BODY", ""} or (seen and found["place"] == seen[0]):
                break
            seen.append(found["place"])
            assert found["visible"], f"no visible focus on {found['place']}"
        assert len(set(seen)) == len(seen), "the focus goes in a circle before it has been everywhere"
        assert len(seen) >= 6
        assert [place for place in seen if "banner" in place or "topbar" in place], "the top bar is left out"


# Presses a key in the microtask after the render that put a place there: no frame and no timer comes between the two,
# on a machine of any speed, and so no effect that waits for one. `taken` stays null until then.
PRESS = """
([place, key]) => {
  globalThis.taken = null;
  new MutationObserver((_records, observer) => {
    if (!document.querySelector(place)) return;
    observer.disconnect();
    const press = new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true});
    globalThis.taken = !document.body.dispatchEvent(press);
  }).observe(document, {subtree: true, childList: true});
}
"""


FOCUS = """
(() => {
  const at = document.activeElement;
  if (!at || at === document.body) return {place: 'BODY', visible: true};
  const style = getComputedStyle(at), box = at.getBoundingClientRect();
  globalThis.been ??= {ids: new WeakMap(), count: 0};
  if (!been.ids.has(at)) been.ids.set(at, been.count += 1);
  const names = [];
  for (let each = at; each && each !== document.body; each = each.parentElement) {
    const place = [...(each.parentElement?.children ?? [])].indexOf(each);
    names.unshift(`${each.tagName}${each.id ? '#' + each.id : ''}.${each.className}[${place}]`);
  }
  const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return {place: `${been.ids.get(at)} ${names.join('>')}`, visible: ring && inside && box.width > 0};
})()
"""
