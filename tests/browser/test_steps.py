"""Steps below a patient's heart rate: drawn and said for who is counted; for others there is nothing, not even room."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.browser import history
from tests.browser.fake import Fake
from tests.browser.fixtures import patient_id
from tests.browser.pages import Screen, opened

WALKER, OTHER = 4, 5
PLOTS = ".chart-heart_rate .chart-plots"
STRIP = ".chart-heart_rate .steps"
SHIFTS = """
window.moved = 0;
new PerformanceObserver((list) => { for (const each of list.getEntries()) window.moved += each.value; })
    .observe({type: "layout-shift", buffered: true});
"""
PLACES = """() => {
    const box = (selector) => document.querySelector(selector)?.getBoundingClientRect();
    const [bars, plot] = [box(".steps-bars"), box(".chart-heart_rate .u-over")];
    return {
        height: box(".chart-heart_rate .chart-plots").height, glucose: box(".chart-glucose").top,
        bars: bars && [bars.left, bars.right], plot: [plot.left, plot.right], below: bars && bars.top - plot.bottom,
        part: bars && bars.height / plot.height,
    };
}"""


async def shown(screen: Screen, number: int) -> dict[str, object]:
    """Where things lie on a patient's screen, once the chart is there."""
    await screen.go(f"#/patient/{patient_id(number)}")
    await screen.shows(f"{PLOTS} canvas")
    await screen.shows(".chart figcaption", "Heart rate: between")
    found: dict[str, object] = await screen.page.evaluate(PLACES)
    return found


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_steps_are_drawn_and_said_below_the_heart_rate(browser: Browser, fake: Fake, scheme: str):
    """Whether somebody walked explains a fast heart; it must lie at the same time as that, and be told to all."""
    history.remember(fake)
    async with opened(browser, fake.url(), color_scheme=scheme, viewport={"width": 1440, "height": 900}) as screen:
        await screen.go(f"#/patient/{patient_id(WALKER)}")
        await screen.shows(STRIP)
        found = await shown(screen, WALKER)
        bars, plot = found["bars"], found["plot"]
        assert isinstance(bars, list)
        assert isinstance(plot, list)
        assert [abs(one - other) < 1.5 for one, other in zip(bars, plot, strict=True)] == [True, True]
        assert isinstance(found["below"], float | int)
        assert found["below"] > 0
        assert isinstance(found["part"], float)
        assert found["part"] < 1 / 3, "the heart rate is what is looked at"
        said = await screen.page.get_attribute(STRIP, "aria-label")
        assert said is not None
        assert said.startswith("Steps: at most 90 a minute, at ")
        assert "no step in" in said
        await screen.shows(".chart figcaption", said)
        assert await screen.page.evaluate("document.querySelectorAll('.steps-bars path').length") == 1
        hole = screen.page.locator(".steps-hole")
        assert await hole.all_inner_texts() == ["no data"], "the last hour is not known, and looks like lying still"
        ink = "getComputedStyle(document.querySelector('.steps-bars path')).fill"
        assert await screen.page.evaluate(f"{ink} !== 'none' && {ink} !== 'rgb(0, 0, 0)'"), "the theme's own colour"
        await screen.keep(f"steps-{scheme}")
        assert await screen.axe() == []


async def test_who_has_no_steps_sees_no_strip_and_nothing_moves(browser: Browser, fake: Fake):
    """Most devices count none: an empty strip would say that the patient lies still, and a jump hides a value."""
    history.remember(fake)
    async with opened(browser, fake.url(), viewport={"width": 1440, "height": 900}) as screen:
        with_steps = await shown(screen, WALKER)
        await screen.shows(STRIP)
        without = await shown(screen, OTHER)
        assert await screen.page.locator(STRIP).count() == 0
        caption = await screen.page.inner_text(".chart figcaption")
        assert "Steps" not in caption
        assert without["height"] == with_steps["height"]
        assert without["glucose"] == with_steps["glucose"]
        await screen.page.evaluate(SHIFTS)
        await screen.page.evaluate("window.moved = 0")
        await shown(screen, WALKER)
        await screen.shows(STRIP)
        assert await screen.page.evaluate("window.moved") < 0.02


async def test_without_its_steps_the_rest_of_the_chart_is_drawn(browser: Browser, fake: Fake):
    """Steps only explain a heart rate: who looks at a fast one must see it, and be told that they are missing."""
    history.remember(fake)
    answer, away = fake.api["/api/patients/"], True

    def without(path: str, query: str) -> tuple[int, object]:
        return history.AWAY if away and "metric=steps" in query else answer(path, query)

    fake.api["/api/patients/"] = without
    async with opened(browser, fake.url(), viewport={"width": 1440, "height": 900}) as screen:
        await shown(screen, WALKER)
        await screen.shows(".chart figcaption", "Glucose: between", "Steps: not known now.")
        await screen.shows(
            ".chart-problem", "The database is away: steps cannot be shown. Live values and alerts go on"
        )
        await screen.shows(STRIP, "Steps: not known now.")
        assert await screen.axe() == []
        away = False
        await screen.shows(".steps-bars path")
        await screen.shows(".chart figcaption", "Steps: at most")
        assert await screen.page.locator(".chart-problem p").count() == 0
