"""Hot cells of a ring, counted whenever limits change, readings come and panes go; and small things about cells."""

from __future__ import annotations

import numpy as np
import pytest

from stream.panes import Beyond, Ring
from vitals.metrics import HEART_RATE, SECOND_US

T0 = 1_700_000_100 * SECOND_US
ANN, BOB = 3, 5


def ring(*readings: tuple[int, int, float]) -> Ring:
    """A ring of heart rates with readings of slots: seconds after T0 and /min, a call each."""
    made = Ring(HEART_RATE, timed=False)
    for each in readings:
        write(made, *each)
    return made


def write(made: Ring, slot: int, second: int, value: float) -> None:
    one = np.array([value])
    made.write(np.array([slot]), np.array([T0 + second * SECOND_US]), one, one, np.zeros(1, bool))


def hot(made: Ring) -> list[int]:
    return list(made.hot[[ANN, BOB]])


@pytest.mark.parametrize(
    ("below", "above", "count"),
    [(60_001, 120_001, 1), (60_002, 120_001, 2), (60_001, 120_000, 2), (1, 200_000, 0), (2, 200_000, 1), (0, 0, 3)],
)
def test_new_limits_count_the_cells_that_are_there(below: int, above: int, count: int) -> None:
    """At a limit itself a cell is calm; a reading of 0 is the least there is, and an empty pane is none."""
    made = ring((ANN, 1, 60), (ANN, 2, 120), (ANN, 3, 0))
    made.heat(ANN, below, above)
    assert hot(made) == [count, 0]


def test_what_came_late_is_hot_as_any() -> None:
    """It is in the window, too; its cell is negative."""
    made = ring()
    one = np.array([120.0])
    made.write(np.array([ANN]), np.array([T0]), one, one, np.ones(1, bool))
    made.heat(ANN, 0, 119_000)
    assert hot(made) == [1, 0]


def test_a_reading_of_nought_is_hot_below_as_any() -> None:
    """A heart that has stopped must not be left out because its cell is the least."""
    made = ring()
    made.heat(ANN, 43_001, 127_001)
    write(made, ANN, 1, 0)
    assert hot(made) == [1, 0]
    write(made, ANN, 2000, 60)
    assert hot(made) == [0, 0]


def test_limits_of_one_leave_what_is_counted_of_another() -> None:
    """Somebody's calm rule, or nobody's hot cells, must not hide the others'."""
    made = ring((ANN, 1, 160), (BOB, 1, 60))
    made.heat(ANN, 43_001, 127_001)
    made.heat(BOB, 43_001, 127_001)
    assert hot(made) == [1, 0]
    write(made, ANN, 2000, 60)
    assert hot(made) == [0, 0], "the cell has gone"


def test_cells_counted_by_new_limits_and_by_writing_are_one_sum() -> None:
    """Whichever way they were found, all that go are looked at."""
    made = ring((ANN, 1, 160))
    made.heat(ANN, 43_001, 127_001)
    made.heat(BOB, 43_001, 127_001)
    write(made, BOB, 1, 160)
    assert hot(made) == [1, 1]
    write(made, ANN, 2000, 60)
    write(made, BOB, 2000, 60)
    assert hot(made) == [0, 0]
    again = ring((ANN, 1, 160), (ANN, 2, 161))
    again.heat(ANN, 43_001, 127_001)
    again.heat(ANN, 43_001, 160_001)
    assert hot(again) == [1, 0]
    write(again, ANN, 2000, 60)
    assert hot(again) == [0, 0]


def test_cells_are_whole_numbers_of_four_bytes() -> None:
    """A ward's windows are millions of them."""
    made = ring((ANN, 1, 60))
    for cells in (made.cells(np.array([ANN]), T0 + SECOND_US, SECOND_US), made.strip(np.array([ANN]), 0, 5)):
        assert cells.dtype == np.int32
    millis, filled = made.window(np.array([ANN, BOB]), T0 + SECOND_US, 2 * SECOND_US)
    assert (millis.tolist(), filled.tolist()) == ([[0, 60_000], [0, 0]], [[False, True], [False, False]])
    assert millis.dtype == np.int64


def test_some_readings_against_limits_are_those_at_their_places() -> None:
    """Each column of them, and the one side that they are all of."""
    rows = np.arange(3)
    limits, beyond = np.arange(6.0).reshape(3, 2), np.array([[True, False], [False, False], [False, True]])
    some = Beyond(rows + 10, rows + 20, rows + 30, limits, beyond, -1).some(np.array([2, 0]))
    assert (some.slots.tolist(), some.events.tolist(), some.gaps.tolist()) == ([12, 10], [22, 20], [32, 30])
    assert (some.limits.tolist(), some.beyond.tolist(), some.sign) == (
        [[4, 5], [0, 1]], [[False, True], [True, False]], -1,
    )  # fmt: skip
