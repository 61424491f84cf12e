"""Which rows decide, and in which turn each is looked at: the arrays against a loop over rows."""

from __future__ import annotations

import numpy as np
import pytest

from stream.series import LONG_AGO, Bools, Ints, Slots
from stream.turns import deciding, once, rounds, those, turns


def plainly_deciding(slots: Slots, events: Ints, good: Bools, stale: Bools, newest: Ints) -> list[bool]:
    """Row by row, as RULES says it."""
    top = dict(enumerate(newest.tolist()))
    found = []
    for slot, event, usable, late in zip(*(each.tolist() for each in (slots, events, good, stale)), strict=True):
        found.append(usable and not late and event > top[slot])
        if usable:
            top[slot] = max(top[slot], event)
    return found


@pytest.mark.parametrize("usable", [0.6, 1.0])
@pytest.mark.parametrize("seed", range(25))
def test_deciding_is_what_a_loop_over_the_rows_says(seed: int, usable: float):
    """Backlogs interleave series and times: a reading that decides out of turn moves a rule backwards."""
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 40))
    slots = random.integers(0, random.integers(1, 5), count)
    events = random.integers(0, 12, count) * 10**15 - 5
    good, stale = random.random(count) < usable, random.random(count) < 0.2
    newest = np.where(random.random(5) < 0.5, LONG_AGO, random.integers(0, 12, 5) * 10**15 - 5)
    found = deciding(slots, events, good, stale, newest)
    assert found.tolist() == plainly_deciding(slots, events, good, stale, newest)


def test_a_series_in_order_decides_row_by_row():
    """A gateway that was offline sends an hour at once, in order: all of it decides, in whatever company."""
    slots = np.array([0, 1, 0, 1, 0])
    events = np.array([1, 1, 2, 2, 3])
    all_good, none_late = np.ones(5, np.bool_), np.zeros(5, np.bool_)
    assert deciding(slots, events, all_good, none_late, np.zeros(2, np.int64)).all()
    again = np.array([1, 1, 2, 1, 3])
    found = deciding(slots, again, all_good, none_late, np.zeros(2, np.int64))
    assert found.tolist() == [True, True, True, False, True]


def test_an_unusable_row_with_a_later_time_does_not_hold_up_what_follows():
    """A sensor error of a clock that runs fast would else silence the readings behind it."""
    slots, events = np.array([0, 0, 0, 0]), np.array([5, 9, 6, 7])
    good, stale = np.array([True, False, True, True]), np.zeros(4, np.bool_)
    assert deciding(slots, events, good, stale, np.zeros(1, np.int64)).tolist() == [True, False, True, True]
    first, known = np.array([False, True]), np.zeros(1, np.int64)
    assert deciding(np.array([0, 0]), np.array([9, 5]), first, stale[:2], known).tolist() == [False, True]


def test_no_series_is_held_up_by_the_times_of_another():
    """Ranks of all series lie on one line: the newest of one must stay below the oldest of the next."""
    good, stale, newest = np.ones(3, np.bool_), np.zeros(3, np.bool_), np.zeros(2, np.int64)
    assert deciding(np.array([0, 0, 1]), np.array([30, 20, 10]), good, stale, newest).tolist() == [True, False, True]


def test_what_is_later_than_the_first_but_not_than_the_last_does_not_decide():
    """A gateway that sends its backlog backwards begins with the oldest, once."""
    good, stale, newest = np.ones(3, np.bool_), np.zeros(3, np.bool_), np.zeros(1, np.int64)
    assert deciding(np.array([0, 0, 0]), np.array([1, 3, 2]), good, stale, newest).tolist() == [True, True, False]


def test_a_late_row_is_a_bar_for_those_behind_it():
    """Its event time is known: what lies before it is no news, whether it decided or not."""
    slots, events = np.array([0, 0, 0]), np.array([8, 7, 9])
    good, stale = np.ones(3, np.bool_), np.array([True, False, False])
    assert deciding(slots, events, good, stale, np.zeros(1, np.int64)).tolist() == [False, False, True]


@pytest.mark.parametrize("seed", range(15))
def test_turns_are_what_a_loop_over_the_rows_counts(seed: int):
    """A turn too few looks at two readings of one series at once, and the first of them is never judged."""
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 40))
    slots, matter = random.integers(0, random.integers(1, 5), count), random.random(count) < 0.6
    seen: dict[int, int] = {}
    expected = []
    for slot, each in zip(slots.tolist(), matter.tolist(), strict=True):
        expected.append(seen.setdefault(slot, 0))
        seen[slot] += each
    assert turns(slots, matter).tolist() == expected


def test_no_slot_repeats_or_one_does():
    """Rows that are one per series need no turns: that is nearly every poll of a live ward."""
    assert once(np.array([7]))
    assert once(np.array([7, 0, 3]))
    assert not once(np.array([7, 0, 7]))
    assert not once(np.array([1, 1]))


def test_the_rows_of_a_mask_are_all_without_a_copy_or_those_by_number():
    """A poll that is wholly of one metric is taken as it is."""
    rows = np.arange(3)
    assert rows[those(np.array([True, False, True]))].tolist() == [0, 2]
    assert rows[those(np.array([False, False, False]))].tolist() == []
    assert np.shares_memory(rows[those(np.array([True, True, True]))], rows)


@pytest.mark.parametrize("seed", range(15))
def test_rounds_take_one_row_of_each_series_at_a_time_in_log_order(seed: int):
    """A rule that sees two readings of one series at once judges the second by a state that the first has changed."""
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 300))
    slots, matter = random.integers(0, random.integers(1, 5), count), random.random(count) < 0.6
    matter[0] = True
    expected: list[list[int]] = []
    seen: dict[int, int] = {}
    for row in matter.nonzero()[0].tolist():
        turn = seen.get(int(slots[row]), 0)
        seen[int(slots[row])] = turn + 1
        expected += [[]] if turn == len(expected) else []
        expected[turn].append(row)
    assert [found.tolist() for found in rounds(slots, matter)] == expected


def test_rows_that_are_one_per_series_are_one_round():
    """What does not matter is in none, also where it is of the same series."""
    found = list(rounds(np.array([3, 1, 3, 2]), np.array([False, True, True, True])))
    assert [each.tolist() for each in found] == [[1, 2, 3]]
