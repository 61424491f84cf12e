"""Forecasts: AR2 by a plain oracle, when a forecast says nothing, and that panes and ring see the same past."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from stream import forecast
from stream.forecast import (
    FORECASTS,
    HORIZON,
    Past,
    earlier,
    falls_below,
    known,
    look_back_us,
    lowest,
    now,
    panes_of,
    pasts,
    rate,
)
from stream.panes import Ring
from vitals.metrics import GLUCOSE, MINUTE_US

PANES = panes_of(15 * MINUTE_US)
Points = Mapping[int, float]
"""Minutes before now -> mg/dL."""


def past(points: Points, interval: int = 5) -> Past:
    """One past with these points, for a device of an interval in minutes."""
    millis = np.zeros((1, PANES), np.int64)
    filled = np.zeros((1, PANES), np.bool_)
    for ago, value in points.items():
        millis[0, PANES - 1 - ago], filled[0, PANES - 1 - ago] = round(value * 1000), True
    return Past(filled, millis, np.array([interval * MINUTE_US]))


def said(name: str, points: Points, minutes: tuple[int, ...] = HORIZON, interval: int = 5) -> list[float]:
    return [float(value) for value in FORECASTS[name].build().ahead(past(points, interval), minutes)[0]]


def nightscout(here: float, ago: float, steps: int) -> list[float]:
    """AR2 with pencil and paper: logarithms over 140, each the sum of the two before it."""
    course = [math.log(ago / 140), math.log(here / 140)]
    for _ in range(steps):
        course.append(1.716 * course[-1] - 0.723 * course[-2])
    return [min(400.0, max(36.0, 140 * math.exp(each))) for each in course[2:]]


@pytest.mark.parametrize(
    ("here", "ago"), [(100, 110), (80, 88), (72, 80), (140, 140), (39, 60), (401, 380), (250, 230)]
)
def test_ar2_is_what_nightscout_computes(here: int, ago: int):
    """It is the yardstick that people know: its name must mean its numbers."""
    assert said("ar2", {0: here, 5: ago, 10: ago + 5}) == pytest.approx(nightscout(here, ago, 4), rel=1e-12)


def test_ar2_rests_at_its_centre():
    """A calm 140 forecast as anything else would be a drift of our own making."""
    assert said("ar2", {0: 140, 5: 140, 10: 140}) == [140.0] * 4


def test_ar2_says_nothing_below_36():
    """Nightscout holds such values for error codes."""
    assert np.isnan(said("ar2", {0: 35, 5: 40, 10: 45})).all()
    assert np.isnan(said("ar2", {0: 40, 5: 35, 10: 45})).all()
    assert np.isfinite(said("ar2", {0: 36, 5: 36, 10: 45})).all()


def test_ar2_goes_in_its_own_steps():
    """Between them it says nothing: a horizon of 7 min would be taken for one of 5, and now for the future."""
    assert said("ar2", {0: 90, 5: 95, 10: 100}, (20, 5)) == pytest.approx(nightscout(90, 95, 4)[::-3])
    assert said("ar2", {0: 90, 5: 95, 10: 100}, ()) == []
    for minutes in ((7,), (0,), (-5,), (5, 12)):
        with pytest.raises(AssertionError, match=r"^AR2 goes in whole steps$"):
            said("ar2", {0: 90, 5: 95, 10: 100}, minutes)


def test_five_minutes_ago_lies_on_the_line_between_two_readings():
    """A sensor of 15 min has none there; its last step taken for five minutes would be a fall three times too fast."""
    slow = {0: 90, 15: 105, 30: 120}
    assert said("ar2", slow, interval=15) == pytest.approx(nightscout(90, 95, 4))


def test_a_one_minute_sensor_is_asked_for_the_reading_five_minutes_ago():
    """The step of the last minute taken for five would be a fifth of the fall."""
    fast = {ago: 90 + 2 * ago for ago in range(15)}
    assert said("ar2", fast, interval=1) == pytest.approx(nightscout(90, 100, 4))


@pytest.mark.parametrize(
    ("points", "interval", "knows"),
    [
        ({0: 90, 5: 95, 10: 100}, 5, True),
        ({0: 90, 5: 95}, 5, False),
        ({0: 90, 1: 91, 2: 92, 9: 99}, 5, False),
        ({0: 90, 11: 95, 14: 100}, 5, True),
        ({0: 90, 12: 95, 14: 100}, 5, False),
        ({5: 90, 10: 95, 14: 100}, 5, False),
        ({0: 90, 8: 95, 14: 100}, 5, True),
        ({0: 90, 8: 95, 15: 100}, 5, False),
        ({0: 90, 5: 95, 9: 100}, 5, False),
        ({0: 90, 15: 95, 30: 100}, 15, True),
        ({0: 90, 15: 95}, 15, False),
        ({0: 90, 30: 95, 44: 100}, 15, True),
        ({0: 90, 34: 95, 44: 100}, 15, False),
        ({0: 90, 30: 95, 45: 100}, 15, False),
        (dict.fromkeys(range(11), 90.0), 1, True),
        ({0: 90, 3: 91, 5: 92, 7: 93, 9: 94, 11: 95}, 1, False),
    ],
)
def test_a_slope_is_known_under_domains_conditions(points: Points, interval: int, knows: bool):
    """Three points, ten minutes, no step above 2.2 intervals; a slow device is given three of its intervals."""
    assert bool(known(past(points, interval))[0]) is knows
    for name in ("ar2", "ar2-line"):
        assert np.isfinite(said(name, points, interval=interval)).all() == knows


def test_each_patient_has_points_of_their_own():
    """Two readings of one and three of another are five of a ward, and know nothing of the first."""
    pasts_of_two = [past(points, interval=10) for points in ({0: 90, 10: 95}, {0: 90, 5: 95, 10: 100})]
    filled, millis, intervals = (np.concatenate(each) for each in list(zip(*pasts_of_two, strict=True))[:3])
    assert known(Past(filled, millis, intervals)).tolist() == [False, True]


@pytest.mark.parametrize(
    ("points", "interval", "slope"),
    [
        ({0: 90, 5: 95, 10: 100}, 5, -1.0),
        ({0: 90, 5: 95, 14: 104, 15: 300}, 5, -1.0),
        ({0: 90, 5: 95, 15: 105}, 5, None),
        ({0: 90, 15: 120, 30: 150, 45: 500}, 15, -2.0),
        ({1: 90, 5: 95, 11: 100}, 5, None),
        ({0: 90.25, 5: 95.25, 10: 100.25}, 5, -1.0),
    ],
)
def test_the_rate_is_the_slope_of_what_is_looked_at(points: Points, interval: int, slope: float | None):
    """The last 15 min or three intervals, by thousandths; what lies before takes no part in it."""
    found = float(rate(past(points, interval))[0])
    assert math.isnan(found) if slope is None else found == pytest.approx(slope)


def test_the_lowest_of_a_forecast_is_whole_or_nothing():
    """A rule's limit is a whole number; where one horizon says nothing the least of the others is no answer."""
    found = lowest(np.array([[70.0, 54.5, 60.0], [54.4, 90.0, 90.0], [50.0, np.nan, 60.0]]))
    assert found[:2].tolist() == [55.0, 54.0]
    assert math.isnan(found[2])


def test_nothing_is_interpolated_across_a_gap():
    """What lay five minutes ago in a hole of 20 min nobody knows."""
    assert math.isnan(earlier(past({0: 90, 20: 130}), np.array([5 * MINUTE_US]))[0])


def value_ago(points: Points, ago: int, interval: int = 5) -> float:
    """The value so many minutes before now."""
    return float(earlier(past(points, interval), np.array([ago * MINUTE_US]))[0])


def test_the_line_between_two_readings_spans_at_most_2_2_intervals():
    """As everywhere: 11 min are one missed reading of a device of five minutes, 12 are more."""
    assert value_ago({0: 90, 11: 112}, 5) == 100
    assert math.isnan(value_ago({0: 90, 12: 114}, 5))
    assert value_ago({0: 90, 22: 112}, 5, interval=10) == 95
    assert math.isnan(value_ago({0: 90, 23: 113}, 5, interval=10))
    assert value_ago({0: 90, 2: 94, 5: 97}, 1, interval=0) == 92
    assert value_ago({0: 90, 2: 94, 5: 97}, 2, interval=0) == 94
    assert math.isnan(value_ago({0: 90, 2: 94, 5: 97}, 3, interval=0))


def test_the_value_of_a_reading_is_its_own_wherever_it_lies():
    """Also in the first and the last of the panes, where there is nothing around it; whole, as rules see it."""
    edges = {0: 90.4, 1: 91.5, PANES - 2: 98.0, PANES - 1: 99.5}
    for ago, value in ((0, 90), (1, 92), (PANES - 2, 98), (PANES - 1, 100)):
        assert value_ago(edges, ago) == value
    assert math.isnan(value_ago(edges, PANES))
    assert math.isnan(value_ago({5: 90, 9: 95}, 3))


def test_there_is_no_value_before_the_first_reading():
    """The first panes of a series are empty, not low."""
    assert math.isnan(earlier(past({0: 90, 3: 91}), np.array([5 * MINUTE_US]))[0])
    assert math.isnan(value_ago({PANES - 5: 90}, PANES - 4))


def test_an_age_beyond_the_panes_is_unknown():
    """A meter's interval of four hours must not wrap round to some other pane."""
    assert math.isnan(earlier(past({0: 90, 5: 95, 10: 100}), np.array([240 * MINUTE_US]))[0])


def test_persistence_stays_as_it_is():
    """It is what every other forecast is measured against."""
    assert said("persistence", {0: 87.4}, (5, 30)) == [87.0, 87.0]
    assert [said("persistence", {0: value}, (5,)) for value in (87.499, 87.5)] == [[87.0], [88.0]]
    assert said("persistence", {0: 87.5}, ()) == []


def test_the_line_goes_to_the_next_reading_and_no_further():
    """Beyond it there will be something better to go by."""
    found = said("ar2-line", {0: 85, 15: 105, 30: 125}, (5, 10, 15, 20, 30), interval=15)
    line = [85 - 20 / 3, 85 - 40 / 3, 65.0, 65.0, 65.0]
    assert found == pytest.approx(line)
    assert all(each > least for each, least in zip(nightscout(85, 85 + 20 / 3, 4), line, strict=False))


def test_the_line_ends_where_ar2_does():
    """A steep fall leads below nothing: 36 is as low as anybody forecasts."""
    assert said("ar2-line", {0: 40, 5: 70, 10: 100}, (5, 10)) == [36.0, 36.0]
    assert said("ar2-line", {0: 40, 15: 130, 30: 140}, (5, 10, 15), interval=15) == [36.0, 36.0, 36.0]


def test_the_line_adds_nothing_for_a_device_of_five_minutes():
    """There AR2 looks further than the next reading: whatever falls by 2 mg/dL or more, both call the same lows."""
    for here in range(70, 100):
        for fall in range(2, 30):
            points = {0: here, 5: here + fall, 10: here + 2 * fall}
            calls = [min(math.floor(each + 0.5) for each in said(name, points)) < 70 for name in ("ar2", "ar2-line")]
            assert calls[0] == calls[1], points


def test_a_low_is_predicted_only_from_where_it_is_not():
    """Who is low already has an alert; a forecast that says so again is noise."""
    here, ahead = np.array([70.0, 69.0, 90.0, 90.0, 90.0]), np.array([[69.0], [60.0], [69.4], [69.5], [np.nan]])
    assert falls_below(here, ahead, 70).tolist() == [True, False, True, False, False]
    assert falls_below(np.array([69.5, 69.4]), np.array([[90.0, 60.0], [90.0, 60.0]]), 70).tolist() == [True, False]
    assert falls_below(np.array([90.0, 90.0]), np.array([[60.0, 90.0], [np.nan, 60.0]]), 70).tolist() == [True, False]


@pytest.mark.parametrize(("interval", "apart"), [(5, [1, 4, 5, 5, 5, 6, 11, 15, 40, 200]), (1, [1, 1, 1, 1, 2, 3, 40])])
def test_the_pasts_of_a_series_are_what_the_ring_holds_at_each_reading(interval: int, apart: list[int]):
    """Live, the ring is asked; a backtest that saw another past would promise what no alarm keeps."""
    random = np.random.default_rng(7)
    steps = random.choice(apart, 300) * MINUTE_US + random.integers(-20, 20, 300) * 10**6
    events = 1_700_000_000_000_000 + np.cumsum(steps)
    values = random.integers(40, 400, 300).astype(np.float64) + 0.25
    ring, seen, width = Ring(GLUCOSE, timed=True), np.array([0]), panes_of(interval * MINUTE_US) * MINUTE_US
    for part, found in pasts(events, values, interval * MINUTE_US):
        for row, at in enumerate(range(*part.indices(len(events)))):
            ring.write(seen, events[[at]], values[[at]], np.floor(values[[at]] + 0.5), np.zeros(1, np.bool_))
            millis, filled = ring.window(seen, -(-int(events[at]) // MINUTE_US) * MINUTE_US, width)
            assert (found.filled[row] == filled[0]).all()
            assert (found.millis[row] == millis[0]).all()


def test_the_panes_of_a_past_are_those_that_a_forecast_looks_at():
    """A backtest of years asks for them at each reading: more of them cost memory, fewer change what is said."""
    assert [panes_of(interval * MINUTE_US) for interval in (1, 4, 5, 15)] == [16, 16, 17, 49]
    assert [look_back_us(interval * MINUTE_US) // MINUTE_US for interval in (1, 5, 6, 15)] == [15, 15, 18, 45]
    random = np.random.default_rng(3)
    for interval in (1, 5, 15):
        panes = panes_of(interval * MINUTE_US)
        for _ in range(60):
            steps = random.choice([interval, 2 * interval, interval + 1, 1], 90)
            points = {int(ago): float(random.integers(40, 300)) for ago in np.cumsum(steps) - steps[0]}
            whole = past({ago: value for ago, value in points.items() if ago < PANES}, interval)
            cut = whole._replace(filled=whole.filled[:, -panes:], millis=whole.millis[:, -panes:])
            for spec in FORECASTS.values():
                found, other = (spec.build().ahead(each, HORIZON) for each in (whole, cut))
                assert np.array_equal(found, other, equal_nan=True)


def test_pasts_come_in_slices_that_are_one_sequence(monkeypatch: pytest.MonkeyPatch):
    """A year of readings times its panes would not fit into memory."""
    events = 1_700_000_000_000_000 + np.arange(20) * 5 * MINUTE_US
    values = np.full(20, 0.0001)
    ((all_of_it, whole),) = pasts(events, values, 5 * MINUTE_US)
    monkeypatch.setattr(forecast, "CHUNK", 8)
    parts = list(pasts(events, values, 5 * MINUTE_US))
    assert (all_of_it, [part for part, _ in parts]) == (slice(0, 20), [slice(0, 8), slice(8, 16), slice(16, 20)])
    for name in ("filled", "millis", "intervals"):
        joined = np.concatenate([getattr(found, name) for _, found in parts])
        assert np.array_equal(joined, getattr(whole, name)), name
    assert (whole.filled.shape, whole.intervals.tolist()) == ((20, 17), [5 * MINUTE_US] * 20)
    assert whole.filled.sum(axis=1).tolist() == [1, 2, 3, *[4] * 17], "what rounds to nothing is a reading still"
    assert not whole.millis.any()
    assert whole.millis.dtype == np.int64, "as the ring's: sums of them are exact"


def test_the_event_times_of_a_series_grow():
    """Who decides is later than all before: a past made in another order is none that an alarm ever saw."""
    for events in ([5, 5], [6, 5]):
        with pytest.raises(AssertionError, match=r"^event times grow$"):
            list(pasts(np.array(events), np.array([90.0, 90.0]), 5 * MINUTE_US))
    ((_, found),) = pasts(np.array([5, 6]), np.array([90.0, 91.0]), 5 * MINUTE_US)
    assert now(found).tolist() == [90.0, 90.0], "of one pane the first, however near the second"


def test_a_series_without_readings_has_no_past():
    """A wrist alone has no glucose to forecast."""
    assert list(pasts(np.zeros(0, np.int64), np.zeros(0), 5 * MINUTE_US)) == []


def test_now_is_unknown_where_the_newest_pane_is_empty():
    """An old value would be taken for the present one."""
    assert math.isnan(now(past({1: 90}))[0])
