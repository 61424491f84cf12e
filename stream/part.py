"""All of one metric in one partition (`Lane`), and how it takes a part of a poll: many rows, arrays only.

A part holds no control record and no tick that passes a deadline. Rows are classified at once. Only rows that can
change an alarm (*matter*) are looked at one by one, and then in turns: turn k is the k-th such row of every series
together, after the ring has taken every row up to it. So a run sees what the log had said by then, and no more.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.episodes import Writer
from stream.medians import LOST_AFTER_US, Medians
from stream.outbox import Outbox, Where
from stream.panes import Ring
from stream.rows import CENSORED_HIGH, CENSORED_LOW, NONE, WAITING_MAX, Part, Waiting, marked
from stream.rules import UNKNOWN, Deciding, Machines
from stream.series import NEVER, Bools, Floats, Ints, Patients, Series, Slots
from stream.signal import NO_WORD, SILENT, Signals
from stream.turns import deciding, once, those, turns
from vitals.units import Unit, canonical

if TYPE_CHECKING:
    from stream.activity import Activity
    from stream.rules import Change
    from stream.verdicts import Moved
    from vitals.codecs.state import State
    from vitals.control import WornDevice
    from vitals.journal import Episode
    from vitals.metrics import Metric

DEVICE_REMOVED = "device removed"
_LAST_UNIT = int(Unit.MMOL_L)
_SAYS_SILENT = np.int8(SILENT)


class Batch(NamedTuple):
    """Rows of one metric in log order, all shape (n,): event and arrival µs, canonical value, what rules see,
    censoring (0, 1 low, 2 high), usable, late, deciding, what a row says about the signal, which row of the poll it is
    (-1: of an earlier poll); record ``p`` of the poll begins at its row ``starts[p]``.
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
    at: Slots
    starts: list[int]


class Lane:
    """One metric: its series, ring, machines and signals; what changes goes to the outbox."""

    def __init__(self, metric: Metric, patients: Patients, outbox: Outbox, activity: Activity) -> None:
        self.metric = metric
        self.patients = patients
        self.outbox = outbox
        self.series = Series(metric)
        self.ring = Ring(metric, timed=metric.whole)
        self.machines = Machines()
        self.medians = Medians(self.series, self.ring, activity)
        self.signals = Signals(self.series, self.medians)
        self.writer = Writer(patients, self.machines, self.signals)
        self.waiting = Waiting()
        self.unbound = 0
        """Rows that no series of ours takes: no control record has bound a device of this metric."""

    def grow(self, capacity: int) -> None:
        """Make room for ``capacity`` patients."""
        for table in (self.series, self.ring, self.machines, self.medians, self.signals):
            table.grow(capacity)

    def wear(self, slot: int, worn: tuple[WornDevice, ...], clock: int, where: Where) -> None:
        """Take a control record's devices and the patient's policy, at ``clock`` (µs) of the patient's site."""
        changed = self.series.wear(slot, worn)
        if not self.series.exists[slot]:
            return
        policy = self.patients.policy(slot)
        self.machines.set_policy(slot, policy, self.metric.name)
        self.medians.set_policy(slot, policy)
        self.signals.set_policy(slot, policy)
        if changed:
            mine, bound = self.series.worn[slot], bool(self.series.bound[slot])
            at = mine.since if mine.until is None else mine.until
            told = any((each.binding.since, each.binding.until) == (mine.since, mine.until) for each in worn)
            where = where._replace(instant=at if bound or told else max(clock, mine.since))
            self.end_silence(slot, where)
            if not bound:
                self.lose(slot, DEVICE_REMOVED, where)
        elif not self.signals.rule[slot] and self.signals.level[slot]:
            self.end_silence(slot, where._replace(instant=max(clock, int(self.signals.opened_at[slot]))))

    def state(self, order: Slots) -> State:
        """Everything about these slots; nothing may wait, and who counts ``unbound`` keeps it."""
        assert not self.waiting, "what waits was taken"
        return {
            "series": self.series.state(order),
            "ring": self.ring.rows(order),
            "machines": self.machines.state(order),
            "medians": self.medians.state(order),
            "signals": self.signals.rows(order),
        }

    def restore(self, state: State) -> None:
        """Take a snapshot; there is room for it."""
        self.series.restore(state["series"])
        self.ring.put(state["ring"])
        self.machines.restore(state["machines"])
        self.medians.restore(state["medians"])
        self.signals.put(state["signals"])

    def settle(self) -> Slots:
        """Take what waits now: that changes no output, and then the state is the same however the log was polled."""
        return self.take(NONE)

    def wait(self, part: Part) -> bool:
        """Let rows that can change no alarm by themselves wait for more, or for a deadline; whether they do.

        Of a metric without threshold rules those of series that are not silent: they could say nothing now, and the
        step must be the same for any cut of the log into polls. Live polls hold a row or two, and hundreds of rows
        cost little more than one.
        """
        rows, slots = part.rows, part.slots
        if not len(rows):  # strangers all of them
            return True
        if self.machines.kinds or len(rows) + len(self.waiting) > WAITING_MAX:
            return False
        quiet = self.series.exists[slots] & (self.signals.level[slots] == 0) & (rows["unit"] <= _LAST_UNIT)
        if np.count_nonzero(quiet) < len(rows):
            return False
        self.waiting.add(part)
        return True

    def take(self, part: Part) -> Slots:
        """Take what waits, then a part's rows; the slots of the series that decided, possibly repeated."""
        rows, slots, at, starts = self.waiting.before(part)
        known = self.series.exists[slots] & (rows["unit"] <= _LAST_UNIT)
        unknown = len(rows) - int(np.count_nonzero(known))
        if unknown:
            self.unbound += unknown
            rows, slots, at = rows[known], slots[known], at[known]
        if not len(rows):
            return slots
        batch = self._classify(Part(rows, slots, at, starts))
        self._turn_by_turn(batch)
        return self._remember(batch)

    def _classify(self, part: Part) -> Batch:
        rows, slots, at, starts = part
        marks = marked(rows)
        values = canonical(rows["value"], rows["unit"])
        if np.count_nonzero(marks.censored):
            low, high = marks.censored == CENSORED_LOW, marks.censored == CENSORED_HIGH
            values = np.where(low, self.series.below[slots], np.where(high, self.series.above[slots], values))
        good = marks.usable & np.isfinite(values)
        decides = deciding(slots, marks.events, good, marks.late, self.series.last_e)
        return Batch(
            slots=slots,
            events=marks.events,
            arrivals=rows["received_at"],
            values=values,
            wholes=np.floor(values + 0.5) if self.metric.whole else values,
            censored=marks.censored,
            usable=good,
            late=marks.late,
            deciding=decides,
            words=np.where(decides, _SAYS_SILENT, marks.words),
            at=at,
            starts=starts,
        )

    def _turn_by_turn(self, batch: Batch) -> None:
        matter = self._matter(batch)
        if not np.count_nonzero(matter):
            self._write(batch, those(batch.usable))
            return
        if once(batch.slots):
            self._write(batch, those(batch.usable))
            self._look(batch, matter.nonzero()[0])
            return
        turn = turns(batch.slots, matter)
        by_turn = np.argsort(turn, kind="stable")
        bounds = np.searchsorted(turn[by_turn], np.arange(int(turn.max()) + 2)).tolist()
        for first, last in pairwise(bounds):
            rows = by_turn[first:last]
            self._write(batch, rows[batch.usable[rows]])
            self._look(batch, rows[matter[rows]])

    def _look(self, batch: Batch, rows: Slots) -> None:
        """Rows that matter, one per series, already in the ring."""
        self._decide(batch, rows[batch.deciding[rows]])
        self._explain(batch, rows[~batch.deciding[rows]])

    def _matter(self, batch: Batch) -> Bools:
        """Rows that can change an alarm: of a series with an open episode, or at or after one beyond a limit."""
        slots = batch.slots
        silent = self.signals.level[slots] > 0
        hot = silent | self.machines.open(slots)
        beyond = (batch.deciding & self.machines.beyond_any(slots, batch.wholes)).nonzero()[0]
        if beyond.size and once(slots):
            hot[beyond] = True
        elif beyond.size:
            first = np.full(len(self.patients.keys), len(slots))
            first[slots[beyond[::-1]]] = beyond[::-1]
            hot |= np.arange(len(slots)) >= first[slots]
        matter = hot & batch.deciding
        if np.count_nonzero(silent):
            matter |= silent & (batch.words > NO_WORD) & (batch.arrivals >= self.series.waits_from[slots])
        return matter

    def _write(self, batch: Batch, rows: Slots | slice) -> None:
        slots = batch.slots[rows]
        if slots.size:
            self.ring.write(slots, batch.events[rows], batch.values[rows], batch.wholes[rows], batch.late[rows])

    def _decide(self, batch: Batch, rows: Slots) -> None:
        """Deciding readings that matter, one per series, already in the ring."""
        if not rows.size:
            return
        slots, events = batch.slots[rows], batch.events[rows]
        self._last(batch, rows)
        readings = Deciding(slots, events, batch.wholes[rows], self.series.gap[slots])
        changes = self.machines.step(self.ring, readings)
        at = dict(zip(slots.tolist(), rows.tolist(), strict=True)) if changes else {}
        for change in changes:
            seen = self.writer.last_seen(change.slot)
            episode = self.writer.threshold(change, seen.at, seen)
            self._emit(_where(batch, at[change.slot], seen.at), change.slot, episode)
        silent = self.signals.level[slots].nonzero()[0]
        if silent.size:
            over, begins = self.signals.heard(slots[silent], events[silent])
            for at_row in (over | begins).nonzero()[0].tolist():
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

    def _last(self, batch: Batch, rows: Slots | slice) -> None:
        slots = batch.slots[rows]
        self.series.dec_e[slots] = batch.events[rows]
        self.series.dec_rx[slots] = batch.arrivals[rows]
        self.series.dec_value[slots] = batch.wholes[rows]
        self.series.dec_censored[slots] = batch.censored[rows]

    def _remember(self, batch: Batch) -> Slots:
        good, decides = those(batch.usable), those(batch.deciding)
        np.maximum.at(self.series.last_e, batch.slots[good], batch.events[good])
        self._last(batch, decides)
        counts = decides
        if not isinstance(decides, slice):
            since = batch.arrivals >= self.series.waits_from[batch.slots]
            counts = those((batch.words > NO_WORD) & (batch.deciding | since))
        self.signals.why[batch.slots[counts]] = batch.words[counts]
        return batch.slots[decides]

    def _emit(self, where: Where, slot: int, episode: Episode) -> None:
        self.outbox.episode(where, self.patients.keys[slot], episode)

    def unknown_at(self, slots: Slots) -> Ints:
        """When known open episodes of each slot turn unknown, NEVER where none is; shape of ``slots``."""
        known = (self.machines.level[slots] > 0) & (self.machines.condition[slots] != UNKNOWN)
        low, high = known.T
        return np.where(low | high, self.series.dec_rx[slots] + self.series.gap[slots], NEVER)

    def forgotten_at(self, slots: Slots) -> Ints:
        """When the first known open episode of a window rule turns unknown, NEVER where none is."""
        if not np.count_nonzero(self.medians.level):
            return np.full(len(slots), NEVER)
        return np.asarray(self.medians.lost_at(slots).min(axis=1, initial=NEVER))

    def deadline(self, slots: Slots) -> Ints:
        """The first deadline of each slot (µs), NEVER where there is none; shape of ``slots``."""
        due = np.minimum(self.signals.due_at(slots), self.signals.medium_at(slots))
        if self.medians.names:
            due = np.minimum(due, self.forgotten_at(slots))
        if self.machines.kinds:
            due = np.minimum(due, self.unknown_at(slots))
        return due

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
            self._moved(self.medians.forget(slot, column, int(due[column])), where)

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

    def close(self, slot: int, reason: str, new: str, where: Where) -> None:
        """A slot's episodes that are unknown for ``reason`` end, for the ``new`` reason."""
        for side in (0, 1):
            if self.machines.reasons.get((slot, side)) == reason:
                self._change(self.machines.close(slot, side), new, where)
        for column in range(len(self.medians.names)):
            if self.medians.reasons.get((slot, column)) == reason:
                self._moved(self.medians.close(slot, column, new, where.instant), where)

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
    """The cause of what a row says: its record and its number in it."""
    at = int(batch.at[row])
    assert at >= 0, "a row that says something does not wait"
    record = bisect_right(batch.starts, at) - 1
    return Where(record, at - batch.starts[record], instant)
