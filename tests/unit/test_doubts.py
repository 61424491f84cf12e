"""Which panes the device itself doubts, and whether a window is mostly suspect (RULES, *Artefact hold*): its table."""

from __future__ import annotations

import numpy as np
import pytest

from stream.artefacts import Artefacts
from stream.panes import Ring
from stream.series import CAPACITY
from tests.columns import columns
from vitals.metrics import HEART_RATE, SECOND_US
from vitals.policies import DEFAULT, HEART_RATES

T0 = 1_700_000_100 * SECOND_US
ASKS = DEFAULT.model_copy(
    update={"windows": (HEART_RATES[0].model_copy(update={"artefact_hold_us": 10 * SECOND_US}), *HEART_RATES[1:])}
)


def doubts_of(*slots: int) -> Artefacts:
    """The doubts of these slots beside a ring of heart rates; there is room for 32 slots."""
    ring = Ring(HEART_RATE, timed=False)
    ring.grow(32)
    found = Artefacts(ring)
    found.grow(32)
    for slot in slots:
        found.make(slot)
    return found


def put(made: Artefacts, values: dict[int, float], doubted: tuple[int, ...] = (), slot: int = 3) -> None:
    """Readings of one slot: seconds after T0 -> rate; those that the device doubts by their seconds."""
    seconds = np.array(list(values))
    events, rates = T0 + seconds * SECOND_US, np.array([float(each) for each in values.values()])
    slots = np.full(len(seconds), slot)
    made.ring.write(slots, events, rates, rates, np.zeros(len(seconds), bool))
    made.write(slots, events, np.isin(seconds, doubted))


def mostly(made: Artefacts, at: int, width: int, *slots: int) -> list[bool]:
    return list(made.mostly(np.array(slots or (3,)), T0 + at * SECOND_US, width * SECOND_US))


def test_only_who_has_a_rule_that_holds_has_doubts() -> None:
    """900 bytes a patient; a rule of another metric asks for nothing here."""
    made = doubts_of()
    made.ask(3, DEFAULT, "heart_rate")
    made.ask(4, ASKS, "glucose")
    made.ask(5, ASKS, "heart_rate")
    assert made.place[[3, 4, 5]].tolist() == [0, 0, 1]


def test_doubts_are_a_bit_for_each_pane_of_the_ring() -> None:
    """Snapshots hold the column."""
    state = doubts_of(3).state(np.array([3]))
    assert state["doubts"]["doubted"].shape == (1, HEART_RATE.panes)
    assert state["doubts"]["doubted"].dtype == np.bool_
    assert set(columns(doubts_of())) == {"place"}


def test_more_than_half_of_the_filled_panes_must_be_doubted() -> None:
    """Empty panes count on neither side."""
    made = doubts_of(3)
    put(made, dict.fromkeys((1, 3, 5, 7), 80), doubted=(3, 5))
    assert mostly(made, 7, 10) == [False]
    put(made, {9: 80}, doubted=(9,))
    assert mostly(made, 9, 10) == [True], "three of five"
    assert mostly(made, 9, 2) == [True], "one of one"
    assert mostly(made, 20, 5) == [False], "nothing is not mostly something"


def test_a_window_is_open_at_its_beginning() -> None:
    """(T - W, T]: the doubted pane at its first instant is not in it."""
    made = doubts_of(3)
    put(made, {1: 80, 2: 80}, doubted=(1,))
    assert [mostly(made, at, 2) for at in (1, 2, 3)] == [[True], [False], [False]]
    put(made, {3: 80}, doubted=(3,))
    assert mostly(made, 3, 2) == [False]
    assert mostly(made, 3, 3) == [True]


@pytest.mark.parametrize(("before", "after", "suspect"), [(80, 120, False), (80, 120.001, True), (120, 80, False),
                                                           (120.001, 80, True)])  # fmt: skip
def test_a_step_of_more_than_forty_is_suspect_up_and_down(before: float, after: float, suspect: bool) -> None:
    """The second of the two is; one of one that lies in the window has no pane before it."""
    made = doubts_of(3)
    put(made, {1: before, 2: after, 3: before})
    assert mostly(made, 3, 3) == [suspect], "two of three"
    assert mostly(made, 3, 1) == [False]
    assert mostly(made, 3, 2) == [False], "one of two"


def test_a_step_to_or_from_nothing_is_none() -> None:
    """A reading behind a gap has nothing to be held against."""
    made = doubts_of(3)
    put(made, {1: 200, 3: 30, 5: 200})
    assert mostly(made, 6, 6) == [False]


def test_a_step_counts_wherever_in_the_window_its_two_panes_are() -> None:
    """Whether the first pane of the window is filled has nothing to do with it; a reading of 0 is one."""
    made = doubts_of(3)
    put(made, {2: 0, 3: 80, 4: 0})
    assert mostly(made, 4, 4) == [True], "two of three"
    put(made, {5: 0, 6: 0}, doubted=(5, 6))
    assert mostly(made, 6, 1) == [True]


def test_a_pane_that_is_doubted_and_jumps_counts_once() -> None:
    """Four panes, two of them suspect for both reasons: half."""
    made = doubts_of(3)
    put(made, {1: 80, 2: 160, 3: 80, 4: 80}, doubted=(2, 3))
    assert mostly(made, 4, 4) == [False]


def test_the_doubt_of_a_pane_goes_with_the_reading_in_it() -> None:
    """Fifteen minutes later the same cell is another pane's."""
    made = doubts_of(3)
    put(made, {1: 80}, doubted=(1,))
    put(made, {901: 80})
    assert mostly(made, 901, 5) == [False]
    put(made, {1802: 80}, doubted=(1802,))
    assert mostly(made, 1801, 5) == [False]
    assert mostly(made, 1802, 5) == [True]


def test_a_reading_inside_a_second_is_in_the_pane_that_ends_with_it() -> None:
    """As in the ring: a millisecond after the whole second is the next pane."""
    made = doubts_of(3)
    slots, events, rates = np.array([3, 3]), T0 + np.array([1, SECOND_US + 1]), np.array([80.0, 80.0])
    made.ring.write(slots, events, rates, rates, np.zeros(2, bool))
    made.write(slots, events, np.array([True, False]))
    assert [mostly(made, at, 1) for at in (1, 2)] == [[True], [False]]


def test_people_are_apart_and_who_has_no_place_leaves_nothing() -> None:
    """The row of a slot is its place, not its number."""
    made = doubts_of(9, 3)
    for slot, doubted in ((0, (1, 2)), (3, (1,)), (9, (1, 2))):
        put(made, {1: 80, 2: 80}, doubted=doubted, slot=slot)
    assert mostly(made, 2, 2, 9, 3) == [True, False]
    assert mostly(made, 2, 2, 3, 9) == [False, True]
    events, rates = T0 + np.array([3, 3, 3]) * SECOND_US, np.full(3, 80.0)
    made.ring.write(np.array([0, 3, 9]), events, rates, rates, np.zeros(3, bool))
    made.write(np.array([0, 3, 9]), events, np.array([True, True, False]))
    assert mostly(made, 3, 1, 3, 9) == [True, False]


def test_readings_of_nobody_leave_the_last_row_alone() -> None:
    """A table that is full has somebody there."""
    made = doubts_of(*range(CAPACITY))
    last = CAPACITY - 1
    put(made, {1: 80}, slot=last)
    put(made, {1: 80}, doubted=(1,), slot=last + 1)
    assert mostly(made, 1, 1, last) == [False]


def test_a_snapshot_gives_each_doubt_to_its_slot() -> None:
    """Slots are numbered anew."""
    made = doubts_of(9, 3)
    put(made, {1: 80, 2: 80}, doubted=(1, 2), slot=9)
    put(made, {1: 80, 2: 80}, doubted=(1,), slot=3)
    state = made.state(np.array([2, 3, 9]))
    assert state["numbers"].tolist() == [1, 2]
    again = doubts_of()
    again.restore(state)
    for slot in (1, 2):
        rates = np.array([80.0, 80.0])
        events = T0 + np.array([1, 2]) * SECOND_US
        again.ring.write(np.full(2, slot), events, rates, rates, np.zeros(2, bool))
    assert mostly(again, 2, 2, 1, 2) == [False, True]
