"""Closed windows that rows have changed, and windows that no ring reaches: the tables of them, by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest

from stream.panes import Ring
from stream.revisions import Pending, beyond_ring, marks, of_metrics, passed_by, runs
from stream.series import LONG_AGO, Ints, Series, Slots
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.windows import DIRTY, WINDOW, WINDOWS, WindowSpec, is_dirty

T0 = 28_333_335 * MINUTE_US
PULSE, SUGAR, TEN_SECONDS, FIVE_MINUTES, TEN_MINUTES, SUGAR_5, HOUR = WINDOWS
FIVE = 5 * MINUTE_US
assert T0 % HOUR.step_us == 0


def noted(*rows: tuple[int, int]) -> Ring:
    """A ring of glucose that has noted these: slot, and the pane's end in minutes after T0."""
    ring = Ring(GLUCOSE, timed=True)
    note(ring, *rows)
    return ring


def note(ring: Ring, *rows: tuple[int, int]) -> None:
    slots, panes = np.array([slot for slot, _ in rows]), np.array([T0 // MINUTE_US + at for _, at in rows])
    ring.noted.append((slots, panes))


def until(minutes: int, *, of: dict[int, int] | None = None) -> Callable[[WindowSpec, Slots], Ints]:
    """Everybody's newest closed end, in minutes after T0; some have their own."""

    def closed_of(spec: WindowSpec, slots: Slots) -> Ints:
        assert spec.metric is GLUCOSE
        own = of or {}
        return np.array([T0 + own.get(slot, minutes) * MINUTE_US for slot in slots.tolist()])

    return closed_of


def taken(pending: Pending, spec: WindowSpec, mine: Iterable[int], closed: int) -> list[tuple[int, int]]:
    """What is taken: slot, and the end in minutes after T0."""
    slots, ends = pending.take(spec, np.array(list(mine), np.intp), T0 + closed * MINUTE_US)
    assert (slots.dtype.kind, ends.dtype.str) == ("i", "<i8")
    return [(slot, (end - T0) // MINUTE_US) for slot, end in zip(slots.tolist(), ends.tolist(), strict=True)]


def test_a_row_changes_every_window_that_looks_at_it() -> None:
    """Half an hour of glucose's quarter, with the line into it; an hour and a quarter of the widest."""
    pending = Pending(noted((3, 7)), (SUGAR, SUGAR_5, HOUR))
    pending.gather(until(200))
    assert taken(pending, SUGAR, [3], 200) == [(3, at) for at in range(10, 40, 5)]
    assert taken(pending, SUGAR_5, [3], 200) == [(3, at) for at in range(10, 30, 5)]
    assert taken(pending, HOUR, [3], 200) == [(3, at) for at in range(10, 85, 5)]


@pytest.mark.parametrize(("pane", "first"), [(5, 5), (6, 10), (9, 10), (10, 10)])
def test_the_first_of_them_is_the_one_whose_end_comes_at_the_pane_or_after(pane: int, first: int) -> None:
    """(end - width, end]: a reading at an end is in the window that ends there."""
    pending = Pending(noted((3, pane)), (SUGAR,))
    pending.gather(until(200))
    assert taken(pending, SUGAR, [3], 200)[0] == (3, first)


def test_only_what_is_closed_is_written_again() -> None:
    """What is still open is told in its own time; the site's clock is the patient's own."""
    pending = Pending(noted((3, 7), (4, 7), (5, 7)), (SUGAR,))
    pending.gather(until(15, of={4: 5, 5: 10}))
    assert taken(pending, SUGAR, [3, 4, 5], 15) == [(3, 10), (3, 15), (5, 10), (5, 15)]
    assert taken(pending, SUGAR, [3, 4, 5], 15) == []


def test_each_window_is_written_again_once_however_many_rows_came() -> None:
    """By slot and end, rows of one gathering or of several."""
    ring = noted((4, 12), (3, 7), (3, 6))
    pending = Pending(ring, (SUGAR,))
    pending.gather(until(20))
    note(ring, (3, 8), (3, 12))
    pending.gather(until(20))
    assert taken(pending, SUGAR, [3, 4], 20) == [(3, 10), (3, 15), (3, 20), (4, 15), (4, 20)]


def test_a_second_gathering_adds_to_the_first() -> None:
    """Rows of another patient, and earlier ones of the same, come while the first wait for the clock."""
    ring = noted((4, 12))
    pending = Pending(ring, (SUGAR,))
    pending.gather(until(20))
    note(ring, (5, 17), (4, 7), (3, 12))
    pending.gather(until(20))
    assert taken(pending, SUGAR, [3, 4, 5], 20) == [(3, 15), (3, 20), (4, 10), (4, 15), (4, 20), (5, 20)]


def test_a_window_of_two_steps_is_written_at_both() -> None:
    """However few ends look at a row, each of them does."""
    spec = replace(SUGAR, width_us=2 * SUGAR.step_us, before_us=0)
    assert spec.reach_us == 2 * spec.step_us
    pending = Pending(noted((3, 7)), (spec,))
    pending.gather(until(30))
    assert taken(pending, spec, [3], 30) == [(3, 10), (3, 15)]


def test_kinds_with_steps_of_their_own_are_found_from_the_same_rows() -> None:
    """Of a heart rate windows end every ten seconds or every minute: no row of a minute hides another patient's, nor
    one of the next minute.
    """
    ring, closed = Ring(HEART_RATE, timed=False), T0 + 1020 * SECOND_US
    rows = ((3, 451), (3, 455), (3, 462), (3, 1000), (4, 400), (4, 455), (5, 455))
    ring.noted.append(
        (np.array([slot for slot, _ in rows]), np.array([T0 // SECOND_US + second for _, second in rows]))
    )
    pending = Pending(ring, (TEN_SECONDS, FIVE_MINUTES))
    pending.gather(lambda _, slots: np.full(len(slots), closed))
    found = []
    for spec in (TEN_SECONDS, FIVE_MINUTES):
        slots, ends = pending.take(spec, np.arange(9), closed)
        found.append(list(zip(slots.tolist(), ((ends - T0) // SECOND_US).tolist(), strict=True)))
    assert found == [
        [(3, 460), (3, 470), (3, 1000), (4, 400), (4, 460), (5, 460)],
        [
            *((3, end) for end in (480, 540, 600, 660, 720, 1020)),
            *((4, end) for end in (420, 480, 540, 600, 660, 720)),
            *((5, end) for end in (480, 540, 600, 660, 720)),
        ],
    ]


def test_what_is_gathered_is_noted_no_more_and_nothing_noted_is_nothing() -> None:
    """A second look must not find again what the first has written."""
    ring = noted((3, 7))
    pending = Pending(ring, (SUGAR,))
    pending.gather(until(20))
    assert ring.noted == []
    assert len(taken(pending, SUGAR, [3], 20)) == 3
    pending.gather(until(20))
    assert taken(pending, SUGAR, [3], 20) == []
    assert pending.take(SUGAR, np.array([3]), T0)[1].dtype == np.int64


def test_each_kind_is_held_against_its_own_clock() -> None:
    """A row can lie in a closed window of one kind, and in none of the other that is closed."""

    def closed_of(spec: WindowSpec, slots: Slots) -> Ints:
        return np.full(len(slots), T0 + (10 if spec is SUGAR else 5) * MINUTE_US)

    pending = Pending(noted((3, 7)), (SUGAR, HOUR))
    pending.gather(closed_of)
    assert taken(pending, HOUR, [3], 30) == []
    assert taken(pending, SUGAR, [3], 10) == [(3, 10)]


def test_only_those_of_the_site_are_taken_and_the_others_wait() -> None:
    """Another site's clock closes theirs."""
    pending = Pending(noted((3, 7), (4, 7), (5, 12)), (SUGAR,))
    pending.gather(until(15))
    assert taken(pending, SUGAR, [4, 9], 15) == [(4, 10), (4, 15)]
    assert taken(pending, SUGAR, [5, 3], 15) == [(3, 10), (3, 15), (5, 15)]


def test_a_snapshot_names_what_is_pending_by_new_numbers_in_their_order() -> None:
    """Two snapshots of one log are the same bytes; and what was pending goes on."""
    pending = Pending(noted((9, 7), (3, 12), (3, 7)), (SUGAR, HOUR))
    pending.gather(until(15))
    state = pending.state(np.array([9, 5, 3]))
    assert list(state) == ["2", "7"]
    assert state["2"]["patient"].tolist() == [0, 2, 2]
    assert state["2"]["patient"].dtype.str == state["2"]["end"].dtype.str == "<i8", "snapshots hold the columns"
    assert ((state["2"]["end"] - T0) // MINUTE_US).tolist() == [10, 10, 15]
    again = Pending(Ring(GLUCOSE, timed=True), (SUGAR, HOUR))
    again.restore(state)
    assert taken(again, SUGAR, [0, 1, 2], 15) == [(0, 10), (0, 15), (2, 10), (2, 15)]
    assert taken(again, HOUR, [0], 15) == [(0, 10), (0, 15)]
    assert again.take(HOUR, np.array([2]), T0 + FIVE)[0].dtype == np.intp
    empty = Pending(Ring(GLUCOSE, timed=True), (SUGAR,)).state(np.zeros(0, np.intp))
    assert [len(column) for column in empty["2"].values()] == [0, 0]
    assert list(empty["2"]) == ["patient", "end"]


def test_every_metric_has_its_own_windows() -> None:
    """By the metric's code; a kind stands where its ring is."""
    rings = {HEART_RATE.code: Ring(HEART_RATE, timed=False), GLUCOSE.code: noted((3, 7))}
    found = of_metrics(rings)
    assert list(found) == [HEART_RATE.code, GLUCOSE.code]
    assert [sorted(each.state(np.zeros(0, np.intp))) for each in found.values()] == [
        ["1", "3", "4", "5"],
        ["2", "6", "7"],
    ]
    found[GLUCOSE.code].gather(until(15))
    assert taken(found[GLUCOSE.code], SUGAR, [3], 15) == [(3, 10), (3, 15)]


def heads(*minutes: int | None) -> Ring:
    """A ring of glucose whose series have these heads, in minutes after T0; None was never heard."""
    ring = Ring(GLUCOSE, timed=True)
    ring.head[: len(minutes)] = [LONG_AGO if each is None else T0 // MINUTE_US + each for each in minutes]
    return ring


def minutes(ends: Ints) -> list[int | None]:
    return [None if each == LONG_AGO else (each - T0) // MINUTE_US for each in ends.tolist()]


def test_a_window_is_beyond_the_ring_if_its_first_pane_is() -> None:
    """The ring of a series with its head at 180 holds 1 to 180: the window from 0 is the first that it reaches."""
    slots = np.arange(3)
    assert minutes(beyond_ring(SUGAR, heads(180, 181, None), slots)) == [25, 30, None]
    assert minutes(beyond_ring(HOUR, heads(180, 181, None), slots)) == [70, 75, None]
    assert minutes(beyond_ring(SUGAR, heads(184, 185, 186), slots)) == [30, 30, 35]
    assert minutes(beyond_ring(SUGAR, heads(180, 181, None), np.array([2, 1]))) == [None, 30]


def passed(ring: Ring, closed: int, last: int, spec: WindowSpec = SUGAR, slots: int = 3) -> list[tuple[int, int, int]]:
    """Slot, first and last end that a clock passes and that nobody can compute, in minutes after T0."""
    found, spans = passed_by(spec, ring, np.arange(slots), T0 + closed * MINUTE_US, T0 + last * MINUTE_US)
    assert spans.shape == (len(found), 2)
    ends = ((spans - T0) // MINUTE_US).tolist()
    return [(slot, first, until) for slot, (first, until) in zip(found.tolist(), ends, strict=True)]


def test_what_the_ring_has_left_behind_before_its_clock_came_is_marked() -> None:
    """From the first end after the last closed one to the last that no ring reaches, not beyond the clock."""
    assert passed(heads(180, 206, None), 0, 20) == [(0, 5, 20), (1, 5, 20)]
    assert passed(heads(180, 206, None), 0, 60) == [(0, 5, 25), (1, 5, 55)]
    assert passed(heads(180, 206, None), 25, 60) == [(1, 30, 55)]
    assert passed(heads(180, 206, None), 50, 60) == [(1, 55, 55)]
    assert passed(heads(180, 206, None), 55, 60) == []


def test_a_jump_of_more_than_a_ring_leaves_a_mark_of_the_last_windows_with_readings() -> None:
    """With a reading at 65 the last window that holds it ends at 75; the ring itself is closed one by one."""
    assert passed(heads(65, 66, None), 60, 600) == [(0, 65, 75), (1, 65, 80)]
    assert passed(heads(65, None), 60, 180 + 70) == [(0, 65, 70)]
    assert passed(heads(65, None), 60, 180 + 60) == []
    assert passed(heads(65, None), 75, 600) == []
    assert passed(heads(65, None), 60, 600, HOUR, slots=1) == [(0, 65, 120)]


def test_a_clock_that_jumps_where_nobody_has_the_metric_marks_nothing() -> None:
    """A ward without a single sensor for glucose has clocks all the same; and who was never heard has no windows, not
    even since the beginning of time.
    """
    assert passed(heads(65), 60, 600, slots=0) == []
    assert passed(heads(None, None), 60, 600, slots=2) == []
    found, _ = passed_by(SUGAR, heads(None, None), np.arange(2), LONG_AGO, T0)
    assert len(found) == 0


def test_pairs_become_runs_without_a_hole() -> None:
    """One mark for a night, not one for each window of it; another patient begins another."""
    slots, spans = runs(SUGAR, np.array([3, 3, 3, 4, 4, 5]), T0 + np.array([5, 10, 20, 25, 30, 35]) * MINUTE_US)
    assert slots.tolist() == [3, 3, 4, 5]
    assert ((spans - T0) // MINUTE_US).tolist() == [[5, 10], [20, 20], [25, 30], [35, 35]]
    nobody, none = runs(SUGAR, np.zeros(0, np.intp), np.zeros(0, np.int64))
    assert (len(nobody), none.shape, none.dtype.str) == (0, (0, 2), "<i8")


def test_a_mark_says_what_the_sink_needs_to_compute_the_windows_again() -> None:
    """Interval, what censored readings count as, and the arrow's scheme are the series' own; the rest is nothing."""
    series = Series(GLUCOSE)
    for slot, interval in ((3, 1), (4, 5)):
        series.interval[slot] = interval * MINUTE_US
        series.below[slot], series.above[slot], series.scheme[slot] = 38 + interval, 400 + interval, interval % 3
    spans = T0 + np.array([[5, 10], [20, 45]]) * MINUTE_US
    rows = marks(HOUR, np.array([4, 3]), spans, series)
    assert rows.dtype == WINDOW
    assert is_dirty(rows).all()
    found = rows.view(DIRTY)
    names = ("start", "end", "interval", "below", "above", "arrow", "metric", "window", "flags", "coverage", "count")
    assert [tuple(each[name].item() for name in names) for each in found] == [
        (T0 + 5 * MINUTE_US, T0 + 10 * MINUTE_US, 5 * MINUTE_US, 43, 405, 2, 2, 7, 1, 0, 0),
        (T0 + 20 * MINUTE_US, T0 + 45 * MINUTE_US, MINUTE_US, 39, 401, 1, 2, 7, 1, 0, 0),
    ]
    assert len(marks(HOUR, np.zeros(0, np.intp), np.zeros((0, 2), np.int64), series)) == 0
