"""The ring of panes: which reading takes a pane, what the ring reaches, and the runs in it."""

from __future__ import annotations

import numpy as np
import pytest

from stream.panes import COLD, Beyond, Ring, thousandths
from stream.series import LONG_AGO
from tests.columns import LONG, WORD, Column, columns
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US

T0 = 28_333_335 * MINUTE_US
"""A whole minute, so a whole pane's end."""
G = 11 * MINUTE_US


def ring(*readings: tuple[int, float], slot: int = 0) -> Ring:
    """A glucose ring with readings (µs after T0, mg/dL) written in order in one call."""
    made = Ring(GLUCOSE, timed=True)
    events = np.array([T0 + at for at, _ in readings])
    values = np.array([float(value) for _, value in readings])
    made.write(np.full(len(readings), slot), events, values, np.floor(values + 0.5), np.zeros(len(readings), bool))
    return made


def contents(made: Ring, end: int = T0, width: int = 180 * MINUTE_US, slot: int = 0) -> dict[int, int]:
    """Filled panes of a window: minutes from its end -> thousandths."""
    millis, filled = made.window(np.array([slot]), end, width)
    panes = width // made.pane_us
    return {int(at) - panes + 1: int(millis[0, at]) for at in np.flatnonzero(filled[0])}


def starts(made: Ring, at: int, value: float, limit: float) -> int:
    """Where the run that ends at a reading begins, µs after T0, against one low limit."""
    limits = np.array([[limit, limit]])
    against = Beyond(np.array([0]), np.array([T0 + at]), np.array([G]), limits, np.array([[value, value]]) < limits, 1)
    return int(made.run_starts(against, made.size)[0, 0]) - T0


def test_a_pane_ends_at_its_own_whole_minute():
    """Windows are (T - W, T]: a reading at T belongs to the window that ends at T, one a moment later does not."""
    made = ring((-MINUTE_US + 1, 100), (0, 101), (1, 102))
    assert contents(made, T0, 15 * MINUTE_US) == {0: 100_000}
    assert contents(made, T0 + MINUTE_US, 15 * MINUTE_US)[0] == 102_000


def test_the_first_row_in_the_log_takes_the_pane():
    """Otherwise a repeated or conflicting reading would change what is already charted."""
    made = ring((-30 * SECOND_US, 100), (-20 * SECOND_US, 200))
    made.write(np.array([0]), np.array([T0 - 1]), np.array([300.0]), np.array([300.0]), np.array([False]))
    assert contents(made) == {0: 100_000}


@pytest.mark.parametrize("timed", [True, False])
def test_cutting_a_sequence_of_rows_changes_nothing(timed: bool):
    """Replay polls other batches than the first run did."""
    random = np.random.default_rng(7)
    slots = random.integers(0, 3, 400)
    events = T0 + random.integers(-400, 40, 400) * MINUTE_US // 2 + np.arange(400) * MINUTE_US
    values = random.integers(40, 400, 400).astype(np.float64)
    stale = random.random(400) < 0.3
    whole, cut = Ring(GLUCOSE, timed=timed), Ring(GLUCOSE, timed=timed)
    for each in (whole, cut):
        for slot in range(3):
            each.heat(slot, 70_001, 250_001)
    whole.write(slots, events, values, values, stale)
    for first in range(0, 400, 7):
        part = slice(first, first + 7)
        cut.write(slots[part], events[part], values[part], values[part], stale[part])
    rows, others = (each.rows(np.arange(3)) for each in (whole, cut))
    assert {"head", "millis", "whole", "before_end", "hot"} < rows.keys()
    for name, column in rows.items():
        assert np.array_equal(column, others[name]), name
    assert (whole.millis < 0).any() != timed


def test_a_jump_of_days_empties_the_ring():
    """What the ring no longer reaches must not come back as data of today."""
    made = ring((0, 100), (3 * 24 * 60 * MINUTE_US, 110))
    assert contents(made, T0 + 3 * 24 * 60 * MINUTE_US) == {0: 110_000}


def test_a_reading_older_than_the_ring_is_left_out():
    """Its pane's cell belongs to a newer pane by now."""
    made = ring((0, 100), (-180 * MINUTE_US, 50))
    assert contents(made) == {0: 100_000}


def test_a_window_that_the_ring_no_longer_reaches_has_nothing():
    """Half a window would pass for a whole one; the sink recomputes it from stored readings."""
    made = ring((0, 100), (179 * MINUTE_US, 110))
    assert contents(made, T0, 15 * MINUTE_US) == {}


def test_a_value_beyond_any_device_is_the_greatest_there_is():
    """A cell has 32 bits: what a broken bridge sends must not come back as a small number, or as none."""
    made = ring((0, 1e12), (MINUTE_US, -5), (2 * MINUTE_US, 1999.9994))
    assert contents(made, T0 + 2 * MINUTE_US) == {-2: 2_000_000, -1: 0, 0: 1_999_999}
    assert made.whole[0, [(T0 // MINUTE_US + at) % made.size for at in range(3)]].tolist() == [2001, 1, 2001]


def test_tiny_values_are_not_mistaken_for_an_empty_pane():
    """0.0001 mg/dL rounds to 0 thousandths, and is still a reading."""
    assert contents(ring((0, 0.0001))) == {0: 0}


class Plain:
    """One series' ring in plain Python: the first reading of each pane, what is out of reach left out."""

    def __init__(self, size: int) -> None:
        self.size, self.head = size, -(10**18)
        self.cells: dict[int, tuple[int, float]] = {}

    def write(self, at: int, value: float, pane_us: int) -> None:
        """A reading (µs)."""
        pane = -(-at // pane_us)
        self.head = max(self.head, pane)
        if pane > self.head - self.size:
            self.cells.setdefault(pane, (at, value))
        self.cells = {each: cell for each, cell in self.cells.items() if each > self.head - self.size}

    def window(self, last: int, count: int) -> list[float | None]:
        """The values of so many panes, oldest first; none at all where the first of them is out of reach."""
        reached = last - count + 1 > self.head - self.size
        panes = range(last - count + 1, last + 1)
        return [self.cells[pane][1] if reached and pane in self.cells else None for pane in panes]

    def run(self, at: int, value: float, limit: float, sign: int) -> int:
        """Where the run that ends at a reading begins."""
        start = at
        for when, other in sorted(self.cells.values(), reverse=True):
            if when >= at:
                continue
            if (other * sign < limit) != (value * sign < limit) or start - when > G:
                break
            start = when
        return start


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("timed", [True, False])
def test_windows_are_what_a_dictionary_of_panes_holds(seed: int, timed: bool):
    """Rings wrap, series lag behind each other, windows lie behind, across and ahead of what there is."""
    random = np.random.default_rng(seed)
    made, plain = Ring(GLUCOSE, timed=timed), [Plain(GLUCOSE.panes) for _ in range(3)]
    at = T0
    for _ in range(12):
        count = int(random.integers(1, 60))
        slots, times = random.integers(0, 3, count), at + random.integers(-200, 60, count) * MINUTE_US // 2
        values = random.integers(40, 400, count).astype(np.float64)
        made.write(slots, times, values, values, random.random(count) < 0.2)
        for slot, each, value in zip(slots.tolist(), times.tolist(), values.tolist(), strict=True):
            plain[slot].write(each, value, MINUTE_US)
        for width in (1, 15, 60, 180):
            order = random.permutation(3)[: random.integers(0, 4)]
            last = at // MINUTE_US + int(random.integers(-180, 60))
            millis, filled = made.window(order, last * MINUTE_US, width * MINUTE_US)
            expected = [plain[slot].window(last, width) for slot in order.tolist()]
            assert filled.tolist() == [[each is not None for each in row] for row in expected]
            assert millis.tolist() == [[0 if each is None else int(each * 1000) for each in row] for row in expected]
        at += int(random.choice([1, 10, 50, 170, 181, 900])) * MINUTE_US


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("sign", [1, -1])
def test_runs_are_what_a_walk_back_through_the_readings_finds(seed: int, sign: int):
    """Both limits of many series at once, with late readings, gaps of exactly G and panes that were taken."""
    random = np.random.default_rng(seed)
    made, plain = Ring(GLUCOSE, timed=True), [Plain(GLUCOSE.panes) for _ in range(3)]
    last = [T0, T0, T0]
    for _ in range(60):
        slots = random.permutation(3)[: random.integers(1, 4)]
        values = random.choice([50.0, 60.0, 70.0, 80.0], len(slots))
        for slot in slots.tolist():
            last[slot] += int(random.choice([20 * SECOND_US, MINUTE_US, 5 * MINUTE_US, 5 * MINUTE_US, G, G + 1]))
            if random.random() < 0.2:
                missed = np.array([last[slot] - int(random.integers(1, 15)) * MINUTE_US])
                made.write(np.array([slot]), missed, np.array([55.0]), np.array([55.0]), np.array([True]))
                plain[slot].write(int(missed[0]), 55.0, MINUTE_US)
        events = np.array([last[slot] for slot in slots.tolist()])
        made.write(slots, events, values, values, np.zeros(len(slots), bool))
        limits = np.tile([70.0, 60.0] if sign > 0 else [-60.0, -70.0], (len(slots), 1))
        gaps = np.full(len(slots), G)
        against = Beyond(slots, events, gaps, limits, values[:, None] * sign < limits, sign)
        found = made.run_starts(against, made.size)
        for row, (slot, value) in enumerate(zip(slots.tolist(), values.tolist(), strict=True)):
            plain[slot].write(last[slot], value, MINUTE_US)
            assert found[row].tolist() == [plain[slot].run(last[slot], value, limit, sign) for limit in limits[row]]


def test_a_run_is_looked_for_only_as_far_back_as_it_can_matter():
    """Rules ask for the longest span that they count: a ward's readings are not each held against three hours."""
    made = ring(*((at * MINUTE_US, 60) for at in range(20)))
    limits = np.array([[70.0, 70.0]])
    against = Beyond(np.array([0]), np.array([T0 + 19 * MINUTE_US]), np.array([G]), limits, limits > 60, 1)
    assert made.run_starts(against, 5).tolist() == [[T0 + 15 * MINUTE_US] * 2]
    assert made.run_starts(against, made.size).tolist() == [[T0, T0]]


def test_a_run_ends_at_the_limit_and_at_a_gap():
    """RULES, *Run*: all beyond a limit, no step above the gap."""
    low = [(minutes * MINUTE_US, value) for minutes, value in ((0, 60), (5, 60), (10, 80), (15, 60), (20, 60))]
    assert starts(ring(*low), 20 * MINUTE_US, 60, 70) == 15 * MINUTE_US
    apart = [(0, 60), (G, 60), (2 * G + 1, 60)]
    assert starts(ring(*apart), 2 * G + 1, 60, 70) == 2 * G + 1
    assert starts(ring(*apart[:2]), G, 60, 70) == 0


def test_a_late_reading_joins_the_run():
    """Runs are "as known now": what arrived late bridges the hole it was missing from."""
    made = ring((0, 60), (15 * MINUTE_US, 60))
    assert starts(made, 15 * MINUTE_US, 60, 70) == 15 * MINUTE_US
    made = ring((0, 60), (8 * MINUTE_US, 60), (15 * MINUTE_US, 60))
    assert starts(made, 15 * MINUTE_US, 60, 70) == 0


def test_the_deciding_reading_counts_where_its_pane_is_taken():
    """Two readings in one minute: the second has no cell, but it is the one that decides."""
    made = ring((-50 * SECOND_US, 80), (-10 * SECOND_US, 60))
    assert starts(made, -10 * SECOND_US, 60, 70) == -10 * SECOND_US


def test_rings_of_many_patients_stay_apart():
    """One patient's jump in time must not empty another's ring."""
    made = Ring(HEART_RATE, timed=False)
    slots, events = np.array([0, 1, 0]), np.array([T0, T0, T0 + 3600 * SECOND_US])
    made.write(slots, events, np.array([60.0, 61.0, 62.0]), np.zeros(3), np.zeros(3, bool))
    assert contents(made, T0, MINUTE_US, slot=1) == {0: 61_000}
    assert contents(made, T0, MINUTE_US, slot=0) == {}


def test_growing_keeps_what_is_there():
    """Patients are bound while others are monitored."""
    made = ring((0, 100))
    made.grow(50)
    assert contents(made) == {0: 100_000}
    made.write(np.array([40]), np.array([T0]), np.array([90.0]), np.array([90.0]), np.array([False]))
    assert contents(made, slot=40) == {0: 90_000}


def test_hot_cells_are_counted_as_they_come_and_go():
    """Medians are only looked for where the count is not zero: one that drifts hides an alarm for good."""
    made = Ring(HEART_RATE, timed=False)
    made.heat(0, 43_001, 127_001)
    random = np.random.default_rng(3)
    at = T0
    for _ in range(60):
        count = int(random.integers(1, 80))
        events = at + np.sort(random.integers(-120, 60, count)) * SECOND_US
        values = random.choice([40.0, 43.0, 60.0, 127.0, 127.001, 160.0], count)
        made.write(np.zeros(count, np.intp), events, values, values, random.random(count) < 0.2)
        at += int(random.choice([10, 60, 2000])) * SECOND_US
        cells = np.abs(made.millis[0])
        assert made.hot[0] == ((cells > 0) & ((cells < 43_001) | (cells > 127_001))).sum()
    made.heat(0, 0, 150_001)
    assert made.hot[0] == (np.abs(made.millis[0]) > 150_001).sum()


@pytest.mark.parametrize(
    ("values", "hot"),
    [
        ((60, 160), 0),
        ((60, 160, 40, 60), 0),
        ((160, 60), 1),
        ((160, 60, 40, 160), 1),
        ((160, 160, 40), 1),
        ((40, 160), 1),
    ],
)
@pytest.mark.parametrize("stale", [(), (0,), (0, 1)])
def test_a_pane_is_hot_once_and_only_by_the_row_that_took_it(values: tuple[int, ...], hot: int, stale: tuple[int, ...]):
    """Rows that waited come in one write: a hot row behind a calm one is in no window, and counted it would stay."""
    together, single = Ring(HEART_RATE, timed=False), Ring(HEART_RATE, timed=False)
    count = len(values)
    slots = np.tile([0, 1], count)
    events = np.repeat(T0 - SECOND_US // 2 + np.arange(count), 2)
    beats = np.array([each for value in values for each in (float(value), 60.0)])
    late = np.isin(np.arange(2 * count) // 2, stale)
    for each in (together, single):
        each.heat(0, 43_001, 127_001)
        each.heat(1, 43_001, 127_001)
        each.write(np.array([1]), np.array([T0 - SECOND_US]), np.array([160.0]), np.array([160.0]), np.array([False]))
    together.write(slots, events, beats, beats, late)
    for row in range(2 * count):
        one = slice(row, row + 1)
        single.write(slots[one], events[one], beats[one], beats[one], late[one])
    assert together.hot[:2].tolist() == [hot, 1]
    for name in ("head", "millis", "hot"):
        assert np.array_equal(getattr(together, name), getattr(single, name))
    after, calm = np.array([T0 + 24 * 60 * MINUTE_US] * 2), np.array([60.0, 60.0])
    together.write(np.array([0, 1]), after, calm, calm, np.zeros(2, bool))
    assert together.hot[:2].tolist() == [0, 0]


@pytest.mark.parametrize("timed", [True, False])
def test_a_ring_taken_from_a_snapshot_goes_on_as_the_one_that_gave_it(timed: bool):
    """Hot cells too: counted from nothing, a cell that goes would leave the count of the others wrong for good."""
    first, second = Ring(HEART_RATE, timed=timed), Ring(HEART_RATE, timed=timed)
    slots, events = np.array([3, 5, 3, 3]), T0 + np.array([0, 0, 1, 70]) * SECOND_US
    beats, late = np.array([160.0, 30.0, 161.0, 60.0]), np.zeros(4, bool)
    for slot in (3, 5):
        first.heat(slot, 43_001, 127_001)
    first.write(slots, events, beats, beats, late)
    order = np.array([5, 3])
    second.put(first.rows(order))
    jump, one = np.array([T0 + 900 * SECOND_US]), np.array([170.0])
    first.write(np.array([3]), jump, one, one, late[:1])
    second.write(np.array([1]), jump, one, one, late[:1])
    for name, column in first.rows(order).items():
        assert np.array_equal(column, second.rows(np.array([0, 1]))[name]), name
    assert second.hot[:2].tolist() == ([0, 0] if timed else [1, 2])


def test_nothing_is_left_in_a_snapshot_of_a_reading_that_is_gone():
    """Two logs that end alike give the same bytes, whatever was in the cells before."""
    made = ring((-20 * SECOND_US, 100), (300 * MINUTE_US, 90))
    rows = made.rows(np.array([0]))
    assert [np.count_nonzero(rows[name]) for name in ("millis", "whole", "before_end")] == [1, 1, 0]
    assert np.count_nonzero(ring((-20 * SECOND_US, 100)).rows(np.array([0]))["before_end"]) == 1


def test_a_value_in_thousandths_is_what_a_cell_holds():
    """Evidence names readings by it; a value that is rounded otherwise is found in no cell."""
    values = (5.5, 0.0004, 0.0005, -3.0, 1999.9996, 1e9)
    assert [thousandths(value) for value in values] == [5500, 0, 1, 0, 2_000_000, 2_000_000]
    made = ring(*((at * MINUTE_US, value) for at, value in enumerate(values)))
    assert list(contents(made, T0 + 5 * MINUTE_US).values()) == [thousandths(value) for value in values]


def cells_of(made: Ring, slots: list[int], panes: int) -> list[list[tuple[int, int]]]:
    """The filled ones of the newest panes of each slot: µs after T0, thousandths."""
    cells, events = made.newest(np.array(slots), panes)
    assert cells.shape == events.shape == (len(slots), panes)
    return [
        [(int(at) - T0, int(cell) - 1) for cell, at in zip(*each, strict=True) if cell]
        for each in zip(cells, events, strict=True)
    ]


def test_the_newest_cells_are_each_series_own_oldest_first():
    """Rules look back from the last reading of each, not from the clock."""
    made = ring((-2 * MINUTE_US, 100), (0, 101), (3 * MINUTE_US - 7, 102))
    made.write(np.array([5]), np.array([T0 - 9]), np.array([90.0]), np.array([90.0]), np.array([False]))
    first = [(-2 * MINUTE_US, 100_000), (0, 101_000), (3 * MINUTE_US - 7, 102_000)]
    assert cells_of(made, [5, 0], 6) == [[(-9, 90_000)], first]
    assert cells_of(made, [0], 4) == [first[1:]]
    assert cells_of(made, [0], 1) == [first[2:]]


def test_a_run_may_be_longer_where_the_ring_holds_nothing_from_before_it():
    """Then its beginning is only the first that is still known."""
    made = ring((0, 100), (5 * MINUTE_US, 101))
    made.write(np.array([5]), np.array([T0 - 9]), np.array([90.0]), np.array([90.0]), np.array([False]))
    starts = np.array([T0, T0 + 1, T0 - 9, T0 - 8])
    assert made.reaches(np.array([0, 0, 5, 5]), starts).tolist() == [True, False, True, False]
    edge = ring((0, 100), (179 * MINUTE_US, 101))
    assert edge.reaches(np.array([0]), np.array([T0 + 1])).tolist() == [False]


def test_the_readings_before_an_instant_are_told_newest_first():
    """Evidence walks back through them: event time, what rules see, thousandths; late ones in their place."""
    made = ring((0, 100.4), (5 * MINUTE_US - 3, 101.6), (9 * MINUTE_US, 55), (7 * MINUTE_US, 60.25))
    found = made.before(0, T0 + 9 * MINUTE_US)
    assert [(at - T0, whole, millis) for at, whole, millis in found] == [
        (7 * MINUTE_US, 60, 60_250),
        (5 * MINUTE_US - 3, 102, 101_600),
        (0, 100, 100_400),
    ]
    assert len(made.before(0, T0 + 9 * MINUTE_US + 1)) == 4
    assert made.before(0, T0) == []
    assert [at - T0 for at, _, _ in ring((0, 1), (179 * MINUTE_US, 2)).before(0, T0 + 1)] == [0]


@pytest.mark.parametrize("timed", [True, False])
def test_the_columns_of_a_ring_have_the_types_that_snapshots_hold(timed: bool):
    """A snapshot is read column by column: with another type, all that are kept could not be read any more."""
    assert columns(Ring(GLUCOSE, timed=timed)) == {
        "head": LONG._replace(new=LONG_AGO),
        "millis": Column("i4", (180,)),
        "whole": Column("u2", (180 if timed else 0,)),
        "before_end": Column("i4", (180 if timed else 0,)),
        "hot_below": WORD,
        "hot_above": WORD._replace(new=COLD),
        "hot": WORD,
    }
