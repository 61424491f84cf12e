"""What a tile, a title and a text may be: stale, unknown, waiting, away; and markup that stays text."""

from __future__ import annotations

from urllib.parse import unquote

from playwright.async_api import Browser, expect

from dashboards.tiles import Vitals, WardSite
from runtime.testing.waiting import until
from tests.browser import history
from tests.browser.fake import Fake
from tests.browser.fixtures import ACKNOWLEDGED, MEDIUM, SIGNAL, alert, patient_id, tile, vital
from tests.browser.pages import Screen, opened, station, tab
from vitals.alerts import Note, Service, Shelf, shelf_id
from vitals.metrics import MINUTE_US, SECOND_US

EVIL = "<img src=x onerror=alert(1)><b>Mia</b><script>alert(2)</script>"


def sign(number: int, metric: str = "glucose") -> str:
    return f'#tile-{patient_id(number)} [data-metric="{metric}"]'


async def background(screen: Screen, selector: str) -> str:
    return str(
        await screen.page.evaluate(
            "(selector) => [document.querySelector(selector), ...document.querySelectorAll(selector + ' *')]"
            ".map((each) => getComputedStyle(each).backgroundImage).filter((each) => each !== 'none').join()",
            selector,
        )
    )


async def test_a_value_says_how_old_it_is_before_it_is_called_unknown(browser: Browser, fake: Fake):
    """A number that stands still looks like a patient who is steady: grey is for normal, so stale is hatched."""
    async with opened(browser, fake.url()) as screen:
        now = fake.now()
        given = {
            1: (vital("heart_rate", 70, now), vital("glucose", 104, now - 5 * MINUTE_US)),
            2: (vital("heart_rate", 70, now - 5 * MINUTE_US), vital("glucose", 48, now - 17 * MINUTE_US)),
            3: (vital("heart_rate", None, None, state="waiting"), vital("glucose", None, None, state="waiting")),
            4: (vital("heart_rate", None, now, state="contact_lost", last_good=(71, now - 60 * SECOND_US)), None),
            5: (None, vital("glucose", None, now, state="warm_up", last_good=(98, now - 60 * MINUTE_US))),
            6: (vital("heart_rate", 70, now), vital("glucose", 39, now, state="low", slope=-3.4)),
            7: (vital("heart_rate", 70, now), vital("glucose", 401, now, state="high")),
            8: (vital("heart_rate", 70, now), vital("glucose", None, now, state="invalid", last_good=(98, now))),
        }
        changed = [
            tile(number, now, 12).model_copy(
                update={"vitals": Vitals(heart_rate=rate, glucose=glucose), "battery": 12.0}
            )
            for number, (rate, glucose) in given.items()
        ]
        await fake.set_tiles(*changed)
        await screen.shows(f"{sign(1)}.stale", "104", "5 min old")
        assert "gradient" in await background(screen, sign(1))
        assert "gradient" not in await background(screen, sign(1, "heart_rate"))
        await screen.shows(f"{sign(2)}.unknown", "--", "last 48 at")
        await screen.shows(f"{sign(2, 'heart_rate')}.unknown", "--", "last 70 at")
        await screen.shows(f"{sign(3)}.waiting", "--", "waiting for the first reading")
        await screen.shows(f"{sign(4, 'heart_rate')}.unknown", "--", "no contact", "last 71 at")
        await screen.shows(f"{sign(4)}.none", "--", "no device")
        await screen.shows(f"{sign(5)}.unknown", "warming up", "last 98 at")
        await screen.shows(f"{sign(6)}.fresh", "LOW", "falling very fast")
        await screen.shows(f"{sign(7)}.fresh", "HIGH")
        await screen.shows(f"{sign(8)}.unknown", "sensor error")
        await screen.shows(f"#tile-{patient_id(8)} .battery.weak", "12 %")
        await screen.keep("tile-states")
        assert await screen.axe() == []


async def test_ages_run_on_while_nothing_comes(browser: Browser, fake: Fake):
    """The worst moment for a page is when it hears nothing: its clock is then all there is."""
    async with opened(browser, fake.url()) as screen:
        now = fake.now()
        old = Vitals(heart_rate=vital("heart_rate", 70, now - 8 * SECOND_US), glucose=None)
        await fake.set_tiles(tile(1, now, 12).model_copy(update={"vitals": old}))
        await screen.shows(f"{sign(1, 'heart_rate')}.fresh", "70")
        await screen.shows(f"{sign(1, 'heart_rate')}.stale", "70", "old", seconds=15)


async def test_title_and_icon_carry_the_highest_priority_that_calls(browser: Browser, fake: Fake):
    """Of a tab in the background that is all one sees."""
    now = fake.now()
    async with opened(browser, fake.url()) as screen:
        await expect(screen.page).to_have_title("Vigil")
        await fake.put(alert(1, now, version=1, **SIGNAL))
        await expect(screen.page).to_have_title("* 1 low · Vigil")
        await fake.put(alert(2, now, version=2, **MEDIUM))
        await expect(screen.page).to_have_title("** 1 medium · Vigil")
        high = await fake.put(alert(3, now, version=3))
        await fake.put(alert(4, now, version=4))
        await expect(screen.page).to_have_title("*** 2 high · Vigil")
        icon = unquote(await screen.page.get_attribute("#icon", "href") or "")
        assert "***" in icon
        await fake.put(alert(4, now, version=5, condition="over", closed=True, change="clear", announced=False))
        held = {"version": (6, 0), "acknowledged_until": now + 15 * MINUTE_US}
        await fake.put(high.model_copy(update=ACKNOWLEDGED | held))
        await expect(screen.page).to_have_title("** 1 medium · Vigil")


async def test_markup_in_a_name_a_reason_or_a_note_is_text(browser: Browser, fake: Fake):
    """A pseudonym comes from a device's configuration and a note from anybody's keyboard."""
    now = fake.now()
    history.remember(fake)
    spoken: list[str] = []
    first = tile(1, now, 12).model_copy(update={"label": EVIL, "bed": EVIL, "device": EVIL})
    held = ACKNOWLEDGED | {"acknowledged_by": EVIL, "acknowledged_reason": EVIL, "acknowledged_until": now + MINUTE_US}
    note = Note(by=EVIL, at=now, text=EVIL)
    shelf = shelf_id("x", "glucose", "high")
    async with opened(browser, fake.url()) as screen:
        screen.page.on("dialog", lambda dialog: spoken.append(dialog.message))
        await fake.set_ward([first, *list(fake.tiles.values())[1:]])
        await fake.put(alert(1, now, label=EVIL, owner=EVIL, owner_at=now, notes=(note,), **held))
        await fake.put(alert(2, now, label=EVIL, **(SIGNAL | {"reason": EVIL})))
        await fake.shelve(
            Shelf(
                id=shelf, version=(9, 0), patient=patient_id(3), label=EVIL, site=1, metric="glucose", rule="high",
                level=1, since=now, until=now + MINUTE_US, by=EVIL, reason=EVIL,
            )
        )  # fmt: skip
        await fake.serve_out(
            Service(
                version=(9, 0), patient=patient_id(4), label=EVIL, site=1, since=now, until=now + MINUTE_US, by=EVIL,
                reason=EVIL,
            )
        )  # fmt: skip
        await screen.shows(f"#card-{patient_id(1)}", EVIL)
        await screen.shows("#shelved", EVIL)
        await screen.shows("#out-of-service", EVIL)
        for route, ready in (("#/feed", ".feed-row"), (f"#/patient/{patient_id(1)}", "#patient-title")):
            await screen.go(route)
            await screen.shows(ready, EVIL)
            assert await screen.page.locator("main img, main script, main b b").count() == 0
        assert spoken == []


async def test_without_the_database_a_patient_is_still_watched(browser: Browser, fake: Fake):
    """The chart's past is away; the value, its age and the alarm are not, and the screen says which is which."""
    history.forget(fake)
    now = fake.now()
    route = f"#/patient/{patient_id(2)}"
    async with opened(browser, fake.url()) as screen:
        await screen.go(route)
        await screen.shows(".chart-problem", "The database is away", "Live values and alerts go on")
        await fake.put(alert(2, now))
        await screen.shows(".patient-alerts", "VERY LOW", "below 54 since")
        second = Vitals(heart_rate=vital("heart_rate", 91, now), glucose=vital("glucose", 47, now, slope=-1.0))
        await fake.set_tiles(tile(2, now, 12).model_copy(update={"vitals": second}))
        await expect(screen.page.locator(".patient-head")).to_contain_text("47")
        await expect(screen.page.locator(".patient-head")).to_contain_text("91")
        await screen.page.locator(".open-alert").get_by_role("button", name="Acknowledge").first.click()
        await screen.shows(".open-alert", "acknowledged by nurse")
        await screen.keep("patient-without-database")
        history.remember(fake)
        await expect(screen.page.locator(".chart-problem")).to_have_text("", timeout=12_000)


async def test_what_is_not_known_of_the_past_is_never_called_good_news(browser: Browser, fake: Fake):
    """Whoever takes over is calmed by "no changes" and "no gaps"; without the database nobody knows either."""
    history.forget(fake)
    async with opened(browser, fake.url()) as screen:
        await screen.go(f"#/patient/{patient_id(2)}")
        await screen.shows(".history", "The history of this span is not known now")
        page = screen.page.locator("main")
        await screen.shows(".chart", "this page remembers values between", "whether there are gaps, is not known")
        await expect(page).not_to_contain_text("No changes of alerts")
        await expect(page).not_to_contain_text("no gaps")
        await screen.page.get_by_text("Chart as text").click()
        await screen.shows(".chart-text", "is not known")
        history.remember(fake)
        await screen.shows(".history", "No changes of alerts in this span", seconds=15)
        await screen.shows(".chart", "1 gap without data")


async def test_kept_choices_of_another_shape_are_a_new_station(browser: Browser, fake: Fake):
    """An entry of last year's version, or of somebody's plug-in, must not leave the ward without its page for ever."""
    broken = {"filters": "{}", "theme": "[]", "glucoseUnit": "7", "soundWanted": "{"}
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, fake.now()))
        await screen.page.evaluate(
            "(broken) => Object.entries(broken).forEach(([name, text]) => localStorage.setItem(`vigil.${name}`, text))",
            broken,
        )
        await screen.page.reload()
        await screen.shows(f"#card-{patient_id(2)}", "VERY LOW")
        await screen.shows(f"{sign(1)} .unit", "mg/dL")


async def test_a_screen_that_cannot_be_drawn_says_that_it_watches_nothing(browser: Browser, fake: Fake):
    """A blank half of a page looks like a quiet ward; and what is on no screen is not called delivered."""
    fails = "() => { globalThis.ResizeObserver = class { constructor() { throw new Error('no such thing'); } }; }"
    async with opened(browser, fake.url()) as screen:
        await screen.page.evaluate(fails)
        await screen.go("#/feed")
        await screen.shows("#broken", "This screen watches nothing", "Look at the patients")
        await expect(screen.page.get_by_role("button", name="Reload")).to_be_visible()
        await screen.shows(".topbar", "high")
        one = await fake.put(alert(2, fake.now(), **MEDIUM))
        await screen.settled(fake)
        await screen.passing(1)
        assert one.id not in fake.delivered
        await screen.keep("broken")
        await screen.go("#/")
        await screen.shows(f"#card-{patient_id(2)}", "LOW")
        await expect(screen.page.locator("#broken")).to_have_count(0)
        await until(lambda: one.id in fake.delivered, 10)


async def test_a_page_that_cannot_be_drawn_at_all_says_so_too(browser: Browser, fake: Fake):
    """Nobody may take an empty window for an empty list."""
    async with station(browser) as context:
        await context.add_init_script(
            "Date.prototype.toLocaleDateString = () => { throw new Error('no such thing'); };"
        )
        screen = await tab(context, fake.url(), "#broken")
        await screen.shows("#broken", "This screen watches nothing", "Look at the patients")


async def test_an_unknown_alert_is_hatched_wherever_it_stands(browser: Browser, fake: Fake):
    """A low of which nothing is known for 12 min is another thing than one that is measured: a glance tells them."""
    history.remember(fake)
    now = fake.now()
    unknown = MEDIUM | {"condition": "unknown", "value_at": now - 12 * MINUTE_US}
    places = (f"#card-{patient_id(2)} .head", f"#tile-{patient_id(2)}")
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, now, version=1, **unknown))
        await fake.put(alert(3, now, version=2, **MEDIUM))
        for place in places:
            await screen.shows(f"{place} .marker", "not known now", "LOW")
            assert "gradient" in await background(screen, f"{place} .marker")
        await screen.shows(f"#card-{patient_id(3)} .head .marker", "LOW")
        assert "gradient" not in await background(screen, f"#card-{patient_id(3)} .head .marker")
        await screen.shows(':root[data-flash-medium="off"]')
        assert "gradient" in await background(screen, f"{places[0]} .marker"), "also while it is dim"
        await screen.keep("unknown")
        await screen.page.emulate_media(forced_colors="active")
        edge = "getComputedStyle(document.querySelector('#worklist .marker.unknown')).borderTopStyle"
        assert await screen.page.evaluate(edge) == "dashed"
        await screen.page.emulate_media(forced_colors="none")
        await screen.go(f"#/patient/{patient_id(2)}")
        await screen.shows(".open-alert .marker", "not known now")
        assert "gradient" in await background(screen, ".open-alert .marker")
    async with opened(browser, fake.url("wall-token"), ".shell.wall") as screen:
        await screen.shows(f"#card-{patient_id(2)}")
        assert "gradient" in await background(screen, f"#card-{patient_id(2)} .marker")


async def test_a_demo_says_quietly_that_nobody_is_ill(browser: Browser, fake: Fake):
    """After the crossing its clock is real, and its patients still are not."""
    fake.simulated_patients = True
    for token in ("nurse-token", "wall-token"):
        async with opened(browser, fake.url(token)) as screen:
            await screen.shows(".foot", "Simulated patients, nobody is ill")
    fake.simulated_patients = False
    async with opened(browser, fake.url()) as screen:
        await screen.shows(".foot", "nurse")
        await expect(screen.page.locator("#simulated-patients")).to_have_count(0)


async def test_a_patient_who_comes_or_goes_moves_nobody_else(browser: Browser, fake: Fake):
    """People look where a patient was yesterday."""
    async with opened(browser, fake.url()) as screen:
        await expect(screen.page.locator(".tiles > li")).to_have_count(12)
        before = await screen.page.locator(".tiles > li").evaluate_all("(all) => all.map((each) => each.id)")
        rest = [each for each in fake.tiles.values() if each.patient != patient_id(12)]
        await fake.set_ward(rest)
        await expect(screen.page.locator(".tiles > li")).to_have_count(11)
        after = await screen.page.locator(".tiles > li").evaluate_all("(all) => all.map((each) => each.id)")
        assert after == before[:-1]
        await fake.set_ward([])
        await screen.shows(".places", "No patients assigned")


async def test_a_note_without_a_space_is_read_to_its_end(browser: Browser, fake: Fake):
    """What is cut off at the card's edge may be the dose."""
    now = fake.now()
    note = Note(by="Mia", at=now, text="glucose" * 60)
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, now, notes=(note,)))
        await screen.shows(f"#card-{patient_id(2)}", note.text)
        wide = "(card) => card.scrollWidth > card.clientWidth"
        assert not await screen.card(2).evaluate(wide)


async def test_what_calls_never_looks_answered_while_it_flashes(browser: Browser, fake: Fake):
    """Half of the time a marker is dark; who glances just then must not read that somebody has it."""
    now = fake.now()
    fill = "(mark) => getComputedStyle(mark).backgroundColor"
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, now, version=1))
        await fake.put(alert(3, now, version=2, **ACKNOWLEDGED, acknowledged_until=now + 15 * MINUTE_US))
        await screen.shows(f"#card-{patient_id(3)} .marker.steady")
        steady = await screen.card(3).locator(".marker").evaluate(fill)
        await screen.shows(':root[data-flash-high="off"]')
        seen = set()
        for _ in range(20):
            seen.add(await screen.card(2).locator(".marker").evaluate(fill))
        assert steady not in seen


async def test_a_place_without_room_shows_its_beginning_and_has_its_name_whole(browser: Browser, fake: Fake):
    """Of two wards' lists on one screen a card without its place sends somebody to the wrong ward."""
    now = fake.now()
    name = "intensive care and recovery, third floor, west wing"
    fake.sites = (WardSite(number=1, name=name), WardSite(number=2, name="ward-b"))
    async with opened(browser, fake.url(), viewport={"width": 1024, "height": 768}) as screen:
        await fake.put(alert(2, now, label="P-with-a-long-pseudonym-0002"))
        place = screen.card(2).locator(".site")
        await expect(place).to_have_attribute("title", name)
        await expect(place).to_have_text(name)
        inner = "(at) => [at.getBoundingClientRect().width, at.getBoundingClientRect().right, parseFloat("
        inner += "getComputedStyle(at).minWidth), at.closest('.card').getBoundingClientRect().right]"
        width, right, least, edge = await place.evaluate(inner)
        assert width + 0.1 >= least > 20, "four digits wide"
        assert right <= edge
        age = await screen.card(2).locator(".age").bounding_box()
        assert age is not None
        assert right <= age["x"] + 1
        assert age["x"] + age["width"] <= edge


async def test_a_name_stands_whole_beside_the_longest_sign_and_an_old_alert(browser: Browser, fake: Fake):
    """Half a pseudonym is nobody: a silence of five hours must not cut whose it is."""
    now = fake.now()
    async with opened(browser, fake.url()) as screen:
        await fake.put(alert(2, now, **SIGNAL | {"opened_at": now - 297 * MINUTE_US}))
        await screen.shows(f"#card-{patient_id(2)} .age", "4 h")
        for part in ("label", "bed", "age"):
            cut = "(at) => at.scrollWidth - at.clientWidth"
            assert await screen.card(2).locator(f".head .{part}").first.evaluate(cut) <= 0, part
