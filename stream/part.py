"""All of one metric in one partition (`Lane`), and how it takes a part of a poll: many rows, arrays only.

A part holds no control record and no tick that passes a deadline. Rows are classified at once. Only rows that can
change an alarm (*matter*) are looked at one by one, and then in turns: turn k is the k-th such row of every series
together, after the ring has taken every row up to it. So a run sees what the log had said by then, and no more.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.episodes import Writer
from stream.medians import LOST_AFTER_US, NO_DATA, Medians
from stream.outbox import Outbox, Where
from stream.panes import Ring
from stream.rules import UNKNOWN, Deciding, Machines
from stream.series import NEVER, Bools, Floats, Ints, Patients, Series, Slots
from stream.signal import NO_WORD, SILENT, Signals, words
from vitals.readings import Flag, Rows, event_time, late, usable
from vitals.units import Unit, canonical

if TYPE_CHECKING:
    from stream.medians import Moved
    from stream.rules import Change
    from vitals.journal import Episode
    from vitals.metrics import Metric

_LOW, _HIGH = int(Flag.CENSORED_LOW), int(Flag.CENSORED_HIGH)


class Batch(NamedTuple):
    """Rows of one metric in log order, all shape (n,): event and arrival µs, canonical value, what rules see,
    censoring (0, 1 low, 2 high), usable, late, deciding, what a row says about the signal, its record and row in it.
    """

    slots: Slots
    events: Ints
    arrivals: Ints
    values: Floats
    wholes: Floats
    censored: NDArray[np.int8]
    usable: Bools
    late: Bools
    deciding: Bools
    words: NDArray[np.int8]
    record: Slots
    row: Slots


def deciding(slots: Slots, events: Ints, good: Bools, stale: Bools, newest: Ints) -> Bools:
    """Whether each row decides: usable (``good``), not late (``stale``), and later than every earlier usable event
    time of its series, of which ``newest`` (by slot) holds the greatest before these rows. All µs, shape (n,).
    """
    fresh = good & ~stale & (events > newest[slots])
    if not fresh.any() or np.bincount(slots).max() == 1:
        return fresh
    order = np.argsort(slots, kind="stable")
    series, times, count = slots[order], events[order], len(events) + 2
    same = series[1:] == series[:-1]
    if good.all() and (times[1:] > times[:-1])[same].all():
        return fresh
    # a running maximum per series: event times as ranks, each series above the one before
    base = np.concatenate([[0], np.cumsum(~same)]) * count
    rank = np.unique(times, return_inverse=True)[1] + 1
    top = np.maximum.accumulate(base + np.where(good[order], rank, 0))
    later = np.empty(len(events), np.bool_)
    later[order] = base + rank > np.concatenate([[-1], top[:-1]])
    return fresh & later


def turns(slots: Slots, matter: Bools) -> Ints:
    """For each row the number of earlier rows of its series that matter, shape (n,)."""
    order = np.argsort(slots, kind="stable")
    marks = matter[order].astype(np.int64)
    before = np.cumsum(marks) - marks
    series = slots[order]
    first = np.concatenate([[True], series[1:] != series[:-1]])
    start = np.maximum.accumulate(np.where(first, before, 0))
    result = np.empty(len(slots), np.int64)
    result[order] = before - start
    return result


class Lane:
    """One metric: its series, ring, machines and signals; what changes goes to the outbox."""

    def __init__(self, metric: Metric, patients: Patients, outbox: Outbox) -> None:
        self.metric = metric
        self.patients = patients
        self.outbox = outbox
        self.series = Series(metric)
        self.ring = Ring(metric, timed=metric.whole)
        self.machines = Machines()
        self.medians = Medians(self.series, self.ring)
        self.signals = Signals(self.series, self.medians)
        self.writer = Writer(patients, self.machines, self.signals)
        self.unbound = 0
        """Rows that no series of ours takes: no control record has bound a device of this metric."""

    def grow(self, capacity: int) -> None:
        """Make room for ``capacity`` patients."""
        for table in (self.series, self.ring, self.machines, self.medians, self.signals):
            table.grow(capacity)

    def take(self, rows: Rows, slots: Slots, record: Slots, row: Slots) -> Slots:
        """Take rows of this metric in log order; the slots of the series that decided, possibly repeated."""
        known = self.series.exists[slots] & (rows["unit"] <= Unit.MMOL_L)
        if not known.all():
            self.unbound += int(len(known) - known.sum())
            rows, slots, record, row = rows[known], slots[known], record[known], row[known]
        if not len(rows):
            return slots
        batch = self._classify(rows, slots, record, row)
        self._turn_by_turn(batch)
        return self._remember(batch)

    def _classify(self, rows: Rows, slots: Slots, record: Slots, row: Slots) -> Batch:
        flags = rows["flags"]
        low, high = (flags & _LOW) != 0, (flags & _HIGH) != 0
        values = canonical(rows["value"], rows["unit"])
        values = np.where(low, self.series.below[slots], np.where(high, self.series.above[slots], values))
        good = usable(rows) & np.isfinite(values)
        events = event_time(rows)
        stale = late(rows)
        decides = deciding(slots, events, good, stale, self.series.last_e)
        return Batch(
            slots=slots,
            events=events,
            arrivals=rows["received_at"],
            values=values,
            wholes=np.floor(values + 0.5) if self.metric.whole else values,
            censored=np.where(low, 1, np.where(high, 2, 0)).astype(np.int8),
            usable=good,
            late=stale,
            deciding=decides,
            words=np.where(decides, SILENT, words(flags)).astype(np.int8),
            record=record,
            row=row,
        )

    def _turn_by_turn(self, batch: Batch) -> None:
        matter = self._matter(batch)
        if not matter.any():
            self._write(batch, np.flatnonzero(batch.usable))
            return
        turn = turns(batch.slots, matter)
        by_turn = np.argsort(turn, kind="stable")
        bounds = np.searchsorted(turn[by_turn], np.arange(int(turn.max()) + 2)).tolist()
        for first, last in pairwise(bounds):
            rows = by_turn[first:last]
            self._write(batch, rows[batch.usable[rows]])
            looked_at = rows[matter[rows]]
            decide = looked_at[batch.deciding[looked_at]]
            self._decide(batch, decide)
            self._explain(batch, looked_at[~batch.deciding[looked_at]])

    def _matter(self, batch: Batch) -> Bools:
        """Rows that can change an alarm: of a series with an open episode, or at or after one beyond a limit."""
        slots = batch.slots
        silent = self.signals.level[slots] > 0
        hot = silent | self.machines.open(slots)
        beyond = np.flatnonzero(batch.deciding & self.machines.beyond_any(slots, batch.wholes))
        if beyond.size:
            first = np.full(len(self.patients.keys), len(slots))
            first[slots[beyond[::-1]]] = beyond[::-1]
            hot |= np.arange(len(slots)) >= first[slots]
        speaks = silent & (batch.words > NO_WORD) & (batch.arrivals >= self.series.waits_from[slots])
        return (hot & batch.deciding) | speaks

    def _write(self, batch: Batch, rows: Slots) -> None:
        if rows.size:
            values, wholes = batch.values[rows], batch.wholes[rows]
            self.ring.write(batch.slots[rows], batch.events[rows], values, wholes, batch.late[rows])

    def _decide(self, batch: Batch, rows: Slots) -> None:
        """Deciding readings that matter, one per series, already in the ring."""
        if not rows.size:
            return
        slots, events = batch.slots[rows], batch.events[rows]
        self._last(batch, rows)
        readings = Deciding(slots, events, batch.wholes[rows], self.series.gap[slots])
        at = dict(zip(slots.tolist(), rows.tolist(), strict=True))
        for change in self.machines.step(self.ring, readings):
            seen = self.writer.last_seen(change.slot)
            episode = self.writer.threshold(change, seen.at, seen)
            self._emit(_where(batch, at[change.slot], seen.at), change.slot, episode)
        silent = np.flatnonzero(self.signals.level[slots] > 0)
        if silent.size:
            over, begins = self.signals.heard(slots[silent], events[silent])
            for at_row in np.flatnonzero(over | begins).tolist():
                self._heard(batch, int(rows[silent[at_row]]), ends=bool(over[at_row]))

    def _heard(self, batch: Batch, row: int, *, ends: bool) -> None:
        slot, at = int(batch.slots[row]), int(batch.events[row])
        was = int(self.signals.level[slot])
        if ends:
            self.signals.close(slot, int(batch.arrivals[row]))
        elif not self.signals.tell(slot, SILENT):
            return
        episode = self.writer.signal(slot, "clear" if ends else "reason", at, was=was)
        self._emit(_where(batch, row, at), slot, episode)

    def _explain(self, batch: Batch, rows: Slots) -> None:
        """Rows of silent series that decide nothing but say why."""
        for row in rows.tolist():
            slot, at = int(batch.slots[row]), int(batch.arrivals[row])
            if self.signals.level[slot] and self.signals.tell(slot, int(batch.words[row])):
                episode = self.writer.signal(slot, "reason", at)
                self._emit(_where(batch, row, at), slot, episode)

    def _last(self, batch: Batch, rows: Slots) -> None:
        slots = batch.slots[rows]
        self.series.dec_e[slots] = batch.events[rows]
        self.series.dec_rx[slots] = batch.arrivals[rows]
        self.series.dec_value[slots] = batch.wholes[rows]
        self.series.dec_censored[slots] = batch.censored[rows]

    def _remember(self, batch: Batch) -> Slots:
        good = batch.usable
        np.maximum.at(self.series.last_e, batch.slots[good], batch.events[good])
        decides = np.flatnonzero(batch.deciding)
        self._last(batch, decides)
        counts = (batch.words > NO_WORD) & (batch.deciding | (batch.arrivals >= self.series.waits_from[batch.slots]))
        self.signals.why[batch.slots[counts]] = batch.words[counts]
        return batch.slots[decides]

    def _emit(self, where: Where, slot: int, episode: Episode) -> None:
        self.outbox.episode(where, self.patients.keys[slot], episode)

    def unknown_at(self, slots: Slots) -> Ints:
        """When known open episodes of each slot turn unknown, NEVER where none is; shape of ``slots``."""
        known = (self.machines.level[slots] > 0) & (self.machines.condition[slots] != UNKNOWN)
        return np.where(known.any(axis=1), self.series.dec_rx[slots] + self.series.gap[slots], NEVER)

    def forgotten_at(self, slots: Slots) -> Ints:
        """When the first known open episode of a window rule turns unknown, NEVER where none is."""
        return np.asarray(self.medians.lost_at(slots).min(axis=1, initial=NEVER))

    def deadline(self, slots: Slots) -> Ints:
        """The first deadline of each slot (µs), NEVER where there is none; shape of ``slots``."""
        due = np.minimum(self.signals.due_at(slots), self.signals.medium_at(slots))
        due = np.minimum(due, self.forgotten_at(slots))
        return np.minimum(due, self.unknown_at(slots))

    def lose(self, slot: int, reason: str, where: Where, *, known_only: bool = False) -> None:
        """A slot's open episodes turn unknown for a reason."""
        for side in (0, 1):
            if known_only and self.machines.condition[slot, side] == UNKNOWN:
                continue
            self._change(self.machines.lose(slot, side, reason), reason, where)
        for column in range(len(self.medians.names)):
            if known_only and self.medians.condition[slot, column] == UNKNOWN:
                continue
            self._moved(self.medians.lose(slot, column, reason, where.instant), where)

    def forget(self, slot: int, clock: int, where: Where) -> None:
        """A slot's open episodes of window rules turn unknown: those that had their minute without an evaluation."""
        (due,) = self.medians.lost_at(np.array([slot]))
        for column in np.flatnonzero(due <= clock).tolist():
            self._moved(self.medians.lose(slot, column, NO_DATA, int(due[column])), where)

    def regain(self, slot: int, reason: str, new: str, clock: int, where: Where) -> None:
        """A slot's episodes that were unknown for ``reason`` only are known again, or have had no data for too long
        at ``clock`` (µs): those are unknown for the ``new`` reason from now on.
        """
        overdue = self.series.dec_rx[slot] + self.series.gap[slot] <= clock
        for side in (0, 1):
            if self.machines.reasons.get((slot, side)) == reason:
                value = float(self.series.dec_value[slot])
                machines = self.machines
                change = machines.lose(slot, side, new) if overdue else machines.regain(slot, side, value)
                self._change(change, new if overdue else "", where)
        for column in range(len(self.medians.names)):
            if self.medians.reasons.get((slot, column)) == reason:
                if int(self.medians.eval_at[slot, column]) + LOST_AFTER_US <= clock:
                    self._moved(self.medians.lose(slot, column, new, where.instant), where)
                else:
                    self._moved(self.medians.regain(slot, column, where.instant), where)

    def evaluate(self, at: int, slots: Slots, where: Where) -> Slots:
        """Evaluate the window rules at T = ``at`` (µs); the slots that had an evaluation."""
        evaluated, moved = self.medians.evaluate(at, slots)
        for each in moved:
            self._moved(each, where._replace(instant=each.known_at))
        silent = evaluated[self.signals.level[evaluated] > 0]
        for slot in silent[self.signals.recovered(silent)].tolist():
            self.end_silence(slot, where)
        return evaluated

    def _moved(self, moved: Moved | None, where: Where) -> None:
        if moved is not None:
            self._emit(where._replace(instant=moved.known_at), moved.slot, self.writer.median(moved))

    def _change(self, change: Change | None, reason: str, where: Where) -> None:
        if change is not None:
            seen = self.writer.last_seen(change.slot)
            episode = self.writer.threshold(change, where.instant, seen, reason=reason)
            self._emit(where, change.slot, episode)

    def fall_silent(self, slot: int, where: Where) -> None:
        """The signal alarm turns on: low, but never below an open episode of the same series."""
        self.signals.open(slot, where.instant, max(1, self._rank(slot)))
        self._emit(where, slot, self.writer.signal(slot, "open", where.instant))

    def stay_silent(self, slot: int, where: Where) -> None:
        """A low signal alarm rises to medium."""
        self.signals.level[slot] = max(2, self._rank(slot))
        self._emit(where, slot, self.writer.signal(slot, "rise", where.instant))

    def _rank(self, slot: int) -> int:
        return max(self.machines.rank(slot), self.medians.rank(slot))

    def end_silence(self, slot: int, where: Where) -> None:
        """The signal alarm ends without a reading: by an evaluation, or because its binding has ended."""
        was = int(self.signals.level[slot])
        self.signals.close(slot, where.instant)
        if was:
            self._emit(where, slot, self.writer.signal(slot, "clear", where.instant, was=was))


def _where(batch: Batch, row: int, instant: int) -> Where:
    return Where(int(batch.record[row]), int(batch.row[row]), instant)
