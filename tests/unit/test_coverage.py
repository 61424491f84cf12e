"""Whether a window holds enough readings, and a fresh one (RULES, *Heart rate*): at the edges, and counted plainly."""

from __future__ import annotations

import numpy as np
import pytest

from stream.coverage import filled, fresh

PANE = 10
AT = 1000


def cells_of(*panes: str) -> np.ndarray:
    """Cells by a letter each, oldest first: x a reading (of 0, the least there is), o a late one, . none."""
    return np.array([[{"x": 1, "o": -1, ".": 0}[each] for each in row] for row in panes], np.int32)


def enough(*panes: str, intervals: list[int]) -> list[bool]:
    found = filled(cells_of(*panes), PANE, np.array(intervals))
    assert found.dtype == np.bool_
    return list(found)


def near(*panes: str, spans: list[int], waits_from: list[int] | None = None) -> list[bool]:
    since = np.array(waits_from or [0] * len(spans))
    return list(fresh(cells_of(*panes), PANE, AT, np.array(spans), since))


def test_seven_tenths_of_the_slots_are_enough() -> None:
    """Late readings fill as any other: the window is what is known of it now."""
    assert enough("xxxxxxx...", "xxxxxx....", "...ooooooo", intervals=[PANE] * 3) == [True, False, True]
    assert enough("xxx.", "xx..", intervals=[PANE] * 2) == [True, False]


def test_an_interval_below_a_pane_counts_as_a_pane() -> None:
    """A ring cannot tell more; a device of 4 Hz is covered by one reading a second."""
    assert enough("xxxxxxx...", "xxxxxx....", intervals=[3, 1]) == [True, False]


def test_slots_are_counted_back_from_the_end_and_a_rest_at_the_beginning_is_none() -> None:
    """Eleven panes of three are three whole slots; two panes at the beginning are in no slot."""
    assert enough("..x..x..x..", "..x..x.....", "xx...x.....", intervals=[30] * 3) == [True, False, False]
    assert enough("xx.........", "...........", intervals=[110, 110]) == [True, False]


def test_a_slot_that_ends_inside_a_pane_has_the_panes_that_end_in_it() -> None:
    """An interval of 25, panes of 10: slots hold panes that end at 0, 10, 20 | 30, 40 | 50, 60, 70 | 80, 90 back."""
    assert enough("x.x..x..x.", intervals=[25]) == [True]
    assert enough("xx...xx.xx", intervals=[25]) == [True], "three of four"
    assert enough("xx...xx...", intervals=[25]) == [False], "80 and 90 are one slot, 30 and 40 another"
    assert enough("..xxx..xxx", intervals=[25]) == [False], "50, 60, 70 and 0, 10, 20"


def test_series_of_several_intervals_are_each_held_against_their_own() -> None:
    """A ward has sensors of one and of five seconds; no one's slots are another's."""
    panes = "....x....x"
    assert enough(panes, panes, panes, intervals=[50, PANE, 50]) == [True, False, True]
    assert enough(panes, panes, panes, intervals=[PANE, 50, PANE]) == [False, True, False]


@pytest.mark.parametrize("seed", range(4))
def test_enough_is_what_a_count_of_each_slot_says(seed: int) -> None:
    """Slot k is (T - (k + 1) i, T - k i]; a pane is where its end is."""
    random = np.random.default_rng(seed)
    intervals = random.choice([1, 10, 15, 20, 25, 33, 50, 61], 40)
    cells = np.where(random.random((40, 12)) < random.random((40, 1)), 5, 0).astype(np.int32)
    expected = []
    for row, interval in zip(cells.tolist(), np.maximum(intervals, PANE).tolist(), strict=True):
        slots = 12 * PANE // interval
        held = {back * PANE // interval for back, cell in enumerate(reversed(row)) if cell} & set(range(slots))
        expected.append(10 * len(held) >= 7 * slots)
    assert filled(cells, PANE, intervals).tolist() == expected


def test_a_fresh_reading_lies_within_the_span_which_is_open_at_its_beginning() -> None:
    """(at - span, at]: the pane at 970 is within 31 and not within 30."""
    assert near("xxxxxx....", spans=[41]) == [True]
    assert near("xxxxxx....", spans=[40]) == [False]
    assert near(".........x", ".........x", spans=[1, 10]) == [True, True]
    assert near("xxxxxx....", "xxxxxxx...", "xxxxxx....", spans=[41, 40, 40]) == [True, True, False]


def test_what_came_late_is_not_fresh() -> None:
    """It moves no condition."""
    assert near("xxxxxxoooo", "xxxxxxooox", spans=[40, 40]) == [False, True]


def test_a_reading_from_before_the_device_counts_is_not_fresh() -> None:
    """Warm-up, or the device before: at the instant itself it counts."""
    assert near("xxxxxxxxx.", "xxxxxxxxx.", "xxxxxxxxx.", spans=[100] * 3, waits_from=[990, 991, 0]) == [
        True, False, True,
    ]  # fmt: skip
    assert near(".........x", spans=[100], waits_from=[1000]) == [True]
    assert near(".........x", spans=[100], waits_from=[1001]) == [False]


def test_a_span_longer_than_the_window_sees_all_of_it() -> None:
    """A sensor of a quarter of an hour is asked in a window of ten minutes."""
    assert near("x.........", spans=[100]) == [True]
    assert near("x.........", "..........", spans=[5000, 5000]) == [True, False]
    assert near("x.........", spans=[90]) == [False]
