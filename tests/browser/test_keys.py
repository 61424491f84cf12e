"""The page by keyboard alone: one key to choose, one to answer, and always to be seen where one is."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from runtime.testing.waiting import until
from tests.browser import history, look
from tests.browser.fake import Fake
from tests.browser.fixtures import HEART, MEDIUM, alert, patient_id
from tests.browser.pages import Screen, opened
from vitals.protocol import Acknowledge, Assign, Shelve, Undo


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


async def test_a_shelf_by_keys_asks_for_a_reason_and_escape_closes_it(browser: Browser, fake: Fake):
    """One key opens, Enter does it with a reason, Escape leaves nothing behind and the focus where it was."""
    async with opened(browser, fake.url()) as screen:
        await three(fake)
        await expect(screen.page.locator("#worklist > li")).to_have_count(3)
        await screen.page.keyboard.press("j")
        await focused(screen, f"card-{patient_id(2)}")
        await screen.page.keyboard.press("s")
        await screen.shows(".panel", "Shelve")
        await screen.page.keyboard.press("Escape")
        await expect(screen.page.locator(".panel")).to_have_count(0)
        await focused(screen, f"card-{patient_id(2)}")
        await screen.page.keyboard.press("s")
        await expect(screen.page.locator(".panel [data-first]")).to_be_focused()
        reason = await screen.page.locator(".panel [data-first]").inner_text()
        await screen.page.keyboard.press("Enter")
        found = await commanded(fake, Shelve)
        assert (found.alert, found.minutes, found.reason) == (alert(2, 0).id, 15, reason)
        await expect(screen.card(2)).to_have_count(0)
        await screen.shows("#shelved", "Shelved (1)", "P-002", reason)


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
