"""Rows on their way to the rules: those that wait for more, and what flags say of a row."""

from __future__ import annotations

import numpy as np
import pytest

from stream.rows import CENSORED_HIGH, CENSORED_LOW, NONE, Part, Waiting, marked
from stream.series import NEVER
from stream.signal import CONTACT_LOST, NO_WORD, OLD, SENSOR_ERROR
from vitals.readings import INVALID_SHIFT, READING, Flag, Invalid, Rows


def rows_of(flags: list[int], observed: int = 1000, received: int = 5000) -> Rows:
    """Rows with these flags; their times grow by one from row to row."""
    rows = np.zeros(len(flags), READING)
    rows["flags"] = flags
    rows["observed_at"], rows["received_at"] = observed + np.arange(len(flags)), received + np.arange(len(flags))
    return rows


def part(arrivals: list[int], slot: int, at: int, starts: list[int]) -> Part:
    """A part of rows that arrived at these instants; they are the poll's rows from ``at`` on."""
    rows = np.zeros(len(arrivals), READING)
    rows["received_at"] = arrivals
    return Part(rows, np.full(len(arrivals), slot), np.arange(at, at + len(arrivals)), starts)


def test_what_waited_comes_before_the_part_that_ends_its_waiting():
    """In log order, and known to be of an earlier poll: its place in this one is none."""
    waiting = Waiting()
    waiting.add(part([7, 9], slot=1, at=4, starts=[0, 6]))
    waiting.add(part([3], slot=2, at=0, starts=[0, 1]))
    assert (len(waiting), waiting.since) == (3, 3)
    rows, slots, at, starts = waiting.before(part([5, 6], slot=3, at=8, starts=[0, 8, 10]))
    assert rows["received_at"].tolist() == [7, 9, 3, 5, 6]
    assert (slots.tolist(), at.tolist(), starts) == ([1, 1, 2, 3, 3], [-1, -1, -1, 8, 9], [0, 8, 10])


def test_nothing_waits_any_more_once_it_was_taken():
    """A reading that is judged twice moves a rule twice; and waiting begins again from nothing."""
    waiting = Waiting()
    assert (len(waiting), waiting.since) == (0, NEVER)
    for arrival in (7, 20):
        waiting.add(part([arrival], slot=1, at=0, starts=[0, 1]))
        assert (len(waiting), waiting.since) == (1, arrival)
        assert len(waiting.before(NONE).rows) == 1
        assert (len(waiting), waiting.since) == (0, NEVER)
    alone = part([5], slot=3, at=8, starts=[0, 9])
    assert waiting.before(alone) is alone


def test_what_waits_since_when_is_the_earliest_arrival():
    """Its delay ends with the first of it: counted from the last one, a busy ward would wait for ever."""
    waiting = Waiting()
    for arrivals, since in (([9, 8], 8), ([10], 8), ([4, 5], 4)):
        waiting.add(part(arrivals, slot=0, at=0, starts=[0]))
        assert waiting.since == since


def test_what_waits_does_not_change_with_the_poll_it_came_in():
    """Its rows are part of a buffer that somebody else may still write."""
    waiting, given = Waiting(), part([7], slot=1, at=0, starts=[0])
    waiting.add(given)
    given.rows["received_at"], given.slots[:] = 99, 99
    taken = waiting.before(NONE)
    assert (taken.rows["received_at"].tolist(), taken.slots.tolist()) == ([7], [1])


BITS = [0, *(int(flag) for flag in Flag), *(each << INVALID_SHIFT for each in Invalid)]


@pytest.mark.parametrize("also", BITS)
def test_a_row_alone_says_what_it_says_among_others(also: int):
    """Rows without anything to say take a shorter way; both ways must know of every flag."""
    together = marked(rows_of([bits | also for bits in BITS]))
    for at, bits in enumerate(BITS):
        alone = marked(rows_of([bits | also], observed=1000 + at, received=5000 + at))
        for name, whole, one in zip(alone._fields, together, alone, strict=True):
            many, single = np.asarray(whole), np.asarray(one)
            assert (many[at], many.dtype) == (single[0], single.dtype), (name, bits | also)


def test_each_flag_says_its_own():
    """By hand, a row for each: what is censored, usable, late, and what it says about the signal."""
    late, high, low = int(Flag.LATE), int(Flag.CENSORED_HIGH), int(Flag.CENSORED_LOW)
    flags = [0, late, low, high, late | high, int(Flag.WARM_UP), int(Flag.CONTACT_LOST), Invalid.SENSOR_ERROR << 12]
    found = marked(rows_of(flags))
    assert found.censored.tolist() == [0, 0, CENSORED_LOW, CENSORED_HIGH, CENSORED_HIGH, 0, 0, 0]
    assert found.usable.tolist() == [True, True, True, True, True, False, True, False]
    assert found.late.tolist() == [False, True, False, False, True, False, False, False]
    assert found.words.tolist() == [OLD, OLD, OLD, OLD, OLD, NO_WORD, CONTACT_LOST, SENSOR_ERROR]
    assert (found.censored.dtype, found.words.dtype) == (np.dtype(np.int8), np.dtype(np.int8))


def test_a_row_is_doubted_where_its_device_says_artefact():
    """Alone, and among others that say something else."""
    artefact, high = int(Flag.ARTEFACT), int(Flag.CENSORED_HIGH)
    assert marked(rows_of([0, artefact, high, artefact | high])).doubted.tolist() == [False, True, False, True]
    assert marked(rows_of([0, int(Flag.LATE)])).doubted.tolist() == [False, False]


def test_nearly_every_row_says_nothing():
    """The shorter way: all of it usable, none censored, late or not, and heard of if it does not decide."""
    found = marked(rows_of([0, int(Flag.LATE), 0]))
    assert found.events.tolist() == [1000, 1001, 1002]
    assert (found.usable.tolist(), found.late.tolist()) == ([True] * 3, [False, True, False])
    assert (found.censored.tolist(), found.words.tolist()) == ([0] * 3, [OLD] * 3)


def test_a_suspect_clock_counts_at_arrival_in_any_company():
    """A device in 2099 must not silence its series until then."""
    suspect = int(Flag.CLOCK_SUSPECT)
    assert marked(rows_of([suspect])).events.tolist() == [5000]
    assert marked(rows_of([0, suspect | int(Flag.LATE)])).events.tolist() == [1000, 5001]


def test_event_times_are_a_copy():
    """They are changed on the way; the rows are a buffer that others read."""
    rows = rows_of([0])
    marked(rows).events[:] = 7
    assert rows["observed_at"].tolist() == [1000]
