"""What a ring notes of panes that closed windows have passed: filled, or out of reach; and from when on it looks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from stream.panes import Beyond, Ring
from stream.series import LONG_AGO
from vitals.metrics import GLUCOSE, MINUTE_US, SECOND_US

T0 = 28_333_335 * MINUTE_US
NOW = T0 // MINUTE_US
SIZE = GLUCOSE.panes


def ring(passed: int | None = 0, *, timed: bool = True) -> Ring:
    """A ring whose windows have passed so many minutes after T0; None: none of them yet."""
    made = Ring(GLUCOSE, timed=timed)
    made.passed = LONG_AGO if passed is None else NOW + passed
    return made


def write(made: Ring, *rows: tuple[int, float]) -> None:
    """Rows of slots at minutes after T0, in one call."""
    slots, events = np.array([slot for slot, _ in rows]), np.array([T0 + round(at * MINUTE_US) for _, at in rows])
    values = np.full(len(rows), 100.0)
    made.write(slots, events, values, values, np.zeros(len(rows), bool))


def noted(made: Ring) -> list[tuple[int, int]]:
    """Slots and panes (minutes after T0) that it has noted since somebody asked last."""
    found = [(slot, pane - NOW) for slots, panes in made.noted
             for slot, pane in zip(slots.tolist(), panes.tolist(), strict=True)]  # fmt: skip
    made.noted.clear()
    return found


def test_what_fills_a_pane_that_windows_have_passed_is_noted() -> None:
    """At the last pane itself too; a pane behind it is nobody's yet."""
    made = ring(0)
    write(made, (3, -5), (3, 0), (4, -2), (3, 1), (3, -1 / 60))
    assert noted(made) == [(3, -5), (3, 0), (4, -2), (3, 0)]
    write(made, (3, 2), (4, 3))
    assert made.noted == []
    write(made, (5, 0))
    assert noted(made) == [(5, 0)]
    unseen = ring(None)
    write(unseen, (3, -5))
    assert unseen.noted == []


def test_a_row_whose_pane_is_taken_changes_nothing() -> None:
    """It is in no window. In a ring that is not timed a late reading takes a pane as any other."""
    for timed in (True, False):
        made = ring(0, timed=timed)
        slots, events, values = np.array([3]), np.array([T0 - 5 * MINUTE_US]), np.array([100.0])
        made.write(slots, events, values, values, np.ones(1, bool))
        assert noted(made) == [(3, -5)]
        write(made, (3, -5), (3, -5.5), (3, -4))
        assert noted(made) == [(3, -4)]
        write(made, (4, -5))
        assert noted(made) == [(4, -5)], "the pane of another patient is another"


def test_what_the_ring_no_longer_reaches_is_noted_each_time() -> None:
    """Nobody knows whether its pane was taken; the last pane that is reached is known."""
    made = ring(10)
    write(made, (3, -SIZE + 11), (3, -SIZE + 10), (3, 10))
    assert noted(made) == [(3, -SIZE + 11), (3, -SIZE + 10), (3, 10)]
    write(made, (3, -SIZE + 10), (3, -SIZE + 11), (3, 10))
    assert noted(made) == [(3, -SIZE + 10)]


def test_a_jump_inside_of_one_call_counts_for_the_rows_behind_it_only() -> None:
    """However the log was polled: what was a duplicate before the jump is one, and out of reach after it."""
    made = ring(400)
    write(made, (3, 0))
    assert noted(made) == [(3, 0)]
    write(made, (3, 0), (3, 300), (3, 0), (4, 0), (3, 100))
    assert noted(made) == [(3, 300), (3, 0), (4, 0), (3, 100)]
    again = ring(400)
    write(again, (3, 0))
    write(again, (3, SIZE), (3, 0))
    assert noted(again) == [(3, 0), (3, SIZE), (3, 0)]
    both = ring(400)
    write(both, (3, 0), (4, 0))
    noted(both)
    write(both, (3, 0), (4, 300), (3, 300), (4, 0), (3, 0), (4, 310), (4, 131), (4, 130))
    assert noted(both) == [(4, 300), (3, 300), (4, 0), (3, 0), (4, 310), (4, 131), (4, 130)]
    edge = ring(400)
    write(edge, (3, 0))
    write(edge, (3, SIZE - 1), (3, 0))
    assert noted(edge) == [(3, 0), (3, SIZE - 1)]


def test_a_long_backlog_of_duplicates_before_a_jump_notes_nothing() -> None:
    """Many rows of several series in one call: each is looked at as the log had it, not as it stands at its end."""
    made = ring(400)
    before = [(slot, minute) for minute in range(-100, 0) for slot in (5, 3, 4)]
    write(made, *before)
    noted(made)
    jump: list[tuple[int, float]] = [(slot, 150) for slot in (4, 3, 5)]
    write(made, *before, *jump, *before[:3])
    assert noted(made) == [*jump, *before[:3]]


@pytest.mark.parametrize("seed", range(6))
def test_rows_in_one_call_note_what_rows_one_by_one_do(seed: int) -> None:
    """A set of panes: to write a window again twice is no more than once."""
    random, count = np.random.default_rng(seed), 300
    slots, minutes = random.integers(0, 3, count), random.integers(-40, 60, count) - 200 * (random.random(count) < 0.2)
    rows = [
        (slot, minute + 0.5 * number // 1 + 150 * (number // 120))
        for number, (slot, minute) in enumerate(zip(slots.tolist(), minutes.tolist(), strict=True))
    ]
    together, single = ring(900), ring(900)
    cuts = [0, *sorted(random.choice(np.arange(1, count), 3, replace=False).tolist()), count]
    for first, last in itertools.pairwise(cuts):
        write(together, *rows[first:last])
    for each in rows:
        write(single, each)
    assert set(noted(together)) == set(noted(single))
    assert np.array_equal(together.millis, single.millis)


def test_readings_stand_in_the_last_panes_of_a_span() -> None:
    """The head's is the last of them: of five minutes the first begins a moment after the fifth before."""
    made = ring(None)
    write(made, (3, 10 - 7 * SECOND_US / MINUTE_US), (4, 20))
    assert [made.begin(slot, 5 * MINUTE_US) - T0 for slot in (3, 4)] == [5 * MINUTE_US + 1, 15 * MINUTE_US + 1]
    assert made.begin(3, 5 * MINUTE_US + 59 * SECOND_US) - T0 == 5 * MINUTE_US + 1


def test_a_reading_of_nought_is_a_reading() -> None:
    """Its cell is the least that there is, and not empty."""
    made = ring(None)
    for minute, value in ((0, 0.0), (5, 100.0)):
        made.write(
            np.array([3]), np.array([T0 + minute * MINUTE_US]), np.array([value]), np.array([value]), np.zeros(1, bool)
        )
    assert str(made.before(3, T0 + 5 * MINUTE_US)) == f"[({T0}, 0, 0)]", "whole numbers, which evidence writes down"
    one = np.array([3])
    for minute in (8, 16):
        events, nought = np.array([T0 + minute * MINUTE_US]), np.array([0.0])
        made.write(one, events, nought, nought, np.zeros(1, bool))
    limits = np.array([[70.0, 1.0]])
    run = Beyond(one, events, np.array([8 * MINUTE_US]), limits, limits > 0, 1)
    starts = made.run_starts(run, made.size)
    assert (starts.tolist(), starts.dtype.str) == ([[T0 + 8 * MINUTE_US] * 2], "<i8")
    assert made.reaches(np.array([3, 3]), np.array([T0, T0 + 1])).tolist() == [True, False]
