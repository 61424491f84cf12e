"""Slope and arrow: known only when the points allow it, exact when they do."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from stream.series import ARROW_SCHEMES
from stream.trends import arrows, known, slopes, spread, steady, theil_sen
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.windows import ARROW_UNKNOWN

FIVE = 5 * MINUTE_US


def slope(cells: dict[int, int], interval: int = FIVE) -> float:
    """The slope of a 15-minute window with thousandths in some panes."""
    millis, filled = np.zeros((1, 15), np.int64), np.zeros((1, 15), np.bool_)
    for at, value in cells.items():
        millis[0, at], filled[0, at] = value, True
    return float(slopes(filled, millis, MINUTE_US, np.array([interval]), 10 * MINUTE_US)[0])


def test_a_straight_line_has_its_own_slope():
    """2 mg/dL a minute must be called 2, at the boundary of an arrow."""
    assert slope({4: 100_000, 9: 110_000, 14: 120_000}) == 2.0
    assert slope({4: 0, 9: 5000, 14: 10_000}) == slope({4: 1, 9: 5001, 14: 10_001}) == 1.0


def test_a_slope_is_per_minute_whatever_the_panes():
    """Heart rate has panes of a second: one beat more in each of them is sixty in a minute."""
    filled, millis = np.ones((1, 30), np.bool_), 1000 * np.arange(30)[None]
    assert slopes(filled, millis, SECOND_US, np.array([SECOND_US]), 20 * SECOND_US).tolist() == [60.0]


def test_a_slope_needs_three_points():
    """Two points of a noisy sensor give any slope."""
    assert math.isnan(slope({4: 100_000, 14: 120_000}))


def test_a_slope_needs_ten_minutes():
    """DOMAIN: span at least 10 min, or a one-minute sensor's noise becomes an arrow."""
    assert math.isnan(slope({5: 100_000, 9: 104_000, 14: 109_000}))


def test_a_gap_above_2_2_intervals_makes_the_slope_unknown():
    """Never interpolate across a gap."""
    assert math.isnan(slope({0: 100_000, 1: 100_000, 2: 100_000, 14: 100_000}, interval=MINUTE_US))
    assert slope({0: 100_000, 11: 111_000, 14: 114_000}) == 1.0
    assert math.isnan(slope({0: 100_000, 12: 112_000, 14: 114_000}))


def test_a_gap_in_one_series_hides_no_other_slope():
    """Slopes of a whole ward come in one pass: each patient's gap is their own."""
    millis, filled = np.zeros((2, 15), np.int64), np.zeros((2, 15), np.bool_)
    for patient, panes in enumerate(((4, 9, 14), (0, 1, 14))):
        for pane in panes:
            millis[patient, pane], filled[patient, pane] = 100_000 + 1000 * pane, True
    found = slopes(filled, millis, MINUTE_US, np.array([FIVE, FIVE]), 10 * MINUTE_US)
    assert found[0] == 1.0
    assert math.isnan(found[1])


def test_another_patients_points_make_no_slope_known():
    """Two of one and two of another are three of nobody."""
    filled = np.zeros((2, 15), np.bool_)
    filled[0, [4, 14]] = filled[1, [0, 5, 10]] = True
    intervals = np.full(2, 10 * MINUTE_US)
    assert known(filled.sum(axis=1), spread(filled), MINUTE_US, intervals, 10 * MINUTE_US).tolist() == [False, True]


def test_the_slope_equals_numpys_least_squares():
    """The integer formula is another way to write the same line."""
    random = np.random.default_rng(3)
    cells = {at: int(random.integers(40_000, 400_000)) for at in range(15)}
    fitted = np.polyfit(np.arange(15), np.array([cells[at] for at in range(15)]) / 1000, 1)[0]
    assert slope(cells, interval=MINUTE_US) == pytest.approx(fitted, rel=1e-9)


def test_arrows_follow_the_vendors_scheme():
    """The same rate is another arrow on another device; the schemes differ above 3."""
    rates = np.array([0.99, 1.0, -2.0, 3.0, 3.1, -3.6])
    for scheme, expected in (
        ("dexcom", [0, 1, -2, 2, 3, -3]),
        ("xdrip", [0, 1, -2, 2, 2, -3]),
        ("libre", [0, 1, -2, 2, 2, -2]),
    ):
        codes = np.full(len(rates), ARROW_SCHEMES.index(scheme), np.int8)
        assert arrows(rates, codes).tolist() == expected


def test_no_slope_is_no_arrow():
    """A flat arrow where nothing is known would calm somebody."""
    assert arrows(np.array([np.nan]), np.zeros(1, np.int8)).tolist() == [ARROW_UNKNOWN]


def wild(cells: dict[int, int], pane_us: int = MINUTE_US) -> float:
    """The slope by Theil and Sen of a window of 15 panes, of a minute unless told."""
    millis, filled = np.zeros((1, 15), np.int64), np.zeros((1, 15), np.bool_)
    for at, value in cells.items():
        millis[0, at], filled[0, at] = value, True
    return float(theil_sen(filled, millis, pane_us)[0])


def test_one_wild_reading_moves_least_squares_and_not_theil_sen():
    """A compression low of one minute must not turn a slow rise into a fall."""
    line = {at: 100_000 + 1000 * at for at in range(15)}
    assert wild(line) == 1.0
    assert wild(line | {13: 50_000}) == 1.0
    assert slope(line | {13: 50_000}, interval=MINUTE_US) < 0


def test_theil_sen_is_the_median_of_the_slopes_of_all_pairs():
    """By hand: slopes 1, 2 and 1.5 of three points; 0, 1, 2, 3 and two between of four."""
    assert wild({0: 100_000, 5: 105_000, 10: 115_000}) == 1.5
    assert wild({0: 0, 1: 0, 2: 1000, 3: 3000}) == (1 + 1) / 2
    assert wild({0: 0, 1: 1000, 2: 5000, 3: 6000}) == (2 + 2.5) / 2
    assert wild({0: 0, 7: 1000}) == 1 / 7
    assert wild({0: 0, 7: 1000}, SECOND_US) == 60 / 7
    narrow = np.array([[0, 1000, 3000]])
    assert theil_sen(narrow >= 0, narrow, MINUTE_US).tolist() == [1.5], "1, 2 and 1.5 of three panes in a row"
    assert math.isnan(wild({3: 100_000}))


def test_each_window_has_a_spread_of_its_own():
    """A hole in one window must widen no other's, and one without readings has no step."""
    filled = np.zeros((4, 15), np.bool_)
    filled[0, [0, 3, 14]] = filled[1, 4:9] = filled[3, 7] = True
    first, last, widest = spread(filled)
    assert (first[[0, 1, 3]].tolist(), last[[0, 1, 3]].tolist()) == ([0, 4, 7], [14, 8, 7])
    assert widest[[0, 1, 3]].tolist() == [11, 1, 0]
    filled = np.zeros((4, 15), np.bool_)
    filled[0, [0, 2]] = filled[2, [13, 14]] = filled[3, [1, 2, 4, 6, 7]] = True
    found = spread(filled)
    assert found.widest[[0, 2, 3]].tolist() == [2, 1, 2]
    assert {each.dtype for each in found} == {np.dtype(np.int64)}


def plainly_steady(panes: list[int], pane_us: int, interval: int, span: int) -> bool:
    """Whether points in these panes span enough and leave no gap above 2.2 intervals."""
    steps = [(after - before) * pane_us for before, after in pairwise(panes)]
    return sum(steps) >= span and 10 * max(steps, default=0) <= 22 * max(interval, pane_us)


@pytest.mark.parametrize("width", [2, 5, 15])
@pytest.mark.parametrize("gaps", [True, False])
def test_points_are_steady_as_a_walk_from_one_to_the_next_says(width: int, gaps: bool):
    """A ward in one pass: windows that are full or of one point, begin late, end early, and have gaps or none. What has
    no point has too few for anything.
    """
    random = np.random.default_rng(width)
    for _ in range(150):
        count = int(random.integers(1, 5))
        filled = random.random((count, width)) < 0.6
        if not gaps:
            first, last = np.sort(random.integers(0, width + 1, (2, count)), axis=0)[:, :, None]
            filled = (np.arange(width) >= first) & (np.arange(width) < last)
        intervals = random.choice([1, 20, 30, 60, 90, 300], count) * SECOND_US
        pane_us, span = int(random.choice([1, 60])) * SECOND_US, int(random.integers(0, width + 1))
        found = steady(filled, pane_us, intervals, span * pane_us)
        for row, interval, said in zip(filled, intervals.tolist(), found.tolist(), strict=True):
            panes = row.nonzero()[0].tolist()
            assert not panes or said == plainly_steady(panes, pane_us, interval, span * pane_us)
        assert found.dtype == np.bool_


def test_a_gap_is_above_2_2_intervals_and_not_at_them():
    """A device of ten minutes may be two late: 22 minutes between two readings are two that were a little slow."""
    filled = np.zeros((2, 25), np.bool_)
    filled[0, [0, 1, 23]] = filled[1, [0, 1, 24]] = True
    intervals = np.full(2, 10 * MINUTE_US)
    assert steady(filled, MINUTE_US, intervals, 10 * MINUTE_US).tolist() == [True, False]


def test_adjacent_points_are_no_gap_whatever_the_interval():
    """A device of 10 s fills panes of a minute: between two of them lies no reading that is missing."""
    filled = np.ones((1, 15), np.bool_)
    for interval in (SECOND_US, 10 * SECOND_US):
        assert steady(filled, MINUTE_US, np.array([interval]), 14 * MINUTE_US).tolist() == [True]
        assert steady(filled, MINUTE_US, np.array([interval]), 14 * MINUTE_US + 1).tolist() == [False]
