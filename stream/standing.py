"""What is open in one metric of one partition, and what time, sites and bindings do to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream.artefacts import Artefacts
from stream.episodes import Writer
from stream.glucose import GlucoseMachines
from stream.medians import Medians
from stream.panes import Ring
from stream.rules import UNKNOWN, Machines
from stream.series import NEVER, Ints, Patients, Series, Slots
from stream.signal import Signals

if TYPE_CHECKING:
    from stream.activity import Activity
    from stream.outbox import Outbox, Where
    from stream.rules import Change
    from stream.verdicts import Moved
    from vitals.journal import Episode
    from vitals.metrics import Metric


class Standing:
    """One metric: its series, ring, machines and signals; what changes goes to the outbox."""

    def __init__(self, metric: Metric, patients: Patients, outbox: Outbox, activity: Activity) -> None:
        self.metric = metric
        self.patients = patients
        self.outbox = outbox
        self.series = Series(metric)
        self.ring = Ring(metric, timed=metric.whole)
        self.machines = Machines()
        self.artefacts = Artefacts(self.ring)
        self.medians = Medians(self.series, self.ring, activity, self.artefacts)
        self.glucose = GlucoseMachines(self.series, self.ring, self.machines)
        self.families = (self.medians, self.glucose)
        """Machines of one level, whose episodes time loses one by one."""
        self.signals = Signals(self.series, self.medians)
        self.writer = Writer(patients, self.machines, self.signals, self.ring)

    def grow(self, capacity: int) -> None:
        """Make room for ``capacity`` patients."""
        for table in (self.series, self.ring, self.machines, self.artefacts, *self.families, self.signals):
            table.grow(capacity)
        for beside in (self.medians.holds, self.medians.gates.usual):
            beside.grow(capacity)

    # ---- deadlines

    def unknown_at(self, slots: Slots) -> Ints:
        """When known open episodes of each slot turn unknown, NEVER where none is; shape of ``slots``."""
        known = (self.machines.level[slots] > 0) & (self.machines.condition[slots] != UNKNOWN)
        low, high = known.T
        return np.where(low | high, self.series.dec_rx[slots] + self.series.gap[slots], NEVER)

    def forgotten_at(self, slots: Slots) -> Ints:
        """When the first known open episode of one level turns unknown, NEVER where none is; shape of ``slots``."""
        due = np.full(len(slots), NEVER)
        for family in self.families:
            if np.count_nonzero(family.level):
                due = np.minimum(due, family.lost_at(slots).min(axis=1))
        return due

    def held_at(self, slots: Slots) -> Ints:
        """When what artefact holds back opens by the clock, NEVER where nothing is held; shape of ``slots``."""
        return self.medians.holds.due_at(slots)

    def deadline(self, slots: Slots) -> Ints:
        """The first deadline of each slot (µs), NEVER where there is none; shape of ``slots``."""
        due = np.minimum(self.signals.due_at(slots), self.signals.medium_at(slots))
        if any(family.columns for family in self.families):
            due = np.minimum(due, self.forgotten_at(slots))
        if self.medians.holds.held:
            due = np.minimum(due, self.held_at(slots))
        if self.machines.kinds:
            due = np.minimum(due, self.unknown_at(slots))
        return due

    # ---- what is known

    def lose(self, slot: int, reason: str, where: Where, *, known_only: bool = False) -> None:
        """A slot's open episodes turn unknown for a reason."""
        for side in (0, 1):
            if known_only and self.machines.condition[slot, side] == UNKNOWN:
                continue
            self._change(self.machines.lose(slot, side, reason), reason, where)
        for family in self.families:
            for column in family.columns:
                if not known_only or family.condition[slot, column] != UNKNOWN:
                    self._moved(family.lose(slot, column, reason, where.instant), where)

    def forget(self, slot: int, clock: int, where: Where) -> None:
        """A slot's open episodes of one level turn unknown: those that have not been judged for too long."""
        for family in self.families:
            (due,) = family.lost_at(np.array([slot]))
            for column in np.flatnonzero(due <= clock).tolist():
                self._moved(family.forget(slot, column, int(due[column])), where)

    def release(self, slot: int, clock: int, where: Where) -> None:
        """A slot's openings that were held for as long as may be: they open."""
        for moved in self.medians.release(slot, clock):
            self._moved(moved, where)

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
        for family, column in self._unknown(slot, reason):
            if family.overdue(slot, column, clock):
                self._moved(family.lose(slot, column, new, where.instant), where)
            else:
                self._moved(family.regain(slot, column, where.instant), where)

    def close(self, slot: int, reason: str, new: str, where: Where) -> None:
        """A slot's episodes that are unknown for ``reason`` end, for the ``new`` reason."""
        for side in (0, 1):
            if self.machines.reasons.get((slot, side)) == reason:
                self._change(self.machines.close(slot, side), new, where)
        for family, column in self._unknown(slot, reason):
            self._moved(family.close(slot, column, new, where.instant), where)

    def _unknown(self, slot: int, reason: str) -> list[tuple[Medians | GlucoseMachines, int]]:
        """The machines of one level whose episodes are unknown for a reason."""
        every = [(family, column) for family in self.families for column in family.columns]
        return [(family, column) for family, column in every if family.reasons.get((slot, column)) == reason]

    # ---- evaluations

    def evaluate(self, at: int, slots: Slots, where: Where) -> Slots:
        """Evaluate the window rules at T = ``at`` (µs); the slots that had an evaluation."""
        evaluated, moved = self.medians.evaluate(at, slots)
        for each in moved:
            self._moved(each, where)
        silent = evaluated[self.signals.level[evaluated] > 0]
        for slot in silent[self.signals.recovered(silent)].tolist():
            self.end_silence(slot, where)
        return evaluated

    # ---- silence

    def fall_silent(self, slot: int, where: Where) -> None:
        """The signal alarm turns on: low, but never below an open episode of the same series."""
        self.signals.open(slot, where.instant, max(1, self._rank(slot)))
        self._emit(where, slot, self.writer.signal(slot, "open", where.instant))

    def stay_silent(self, slot: int, where: Where) -> None:
        """A low signal alarm rises to medium."""
        self.signals.level[slot] = max(2, self._rank(slot))
        self._emit(where, slot, self.writer.signal(slot, "rise", where.instant))

    def _rank(self, slot: int) -> int:
        return max(self.machines.rank(slot), *(family.rank(slot) for family in self.families))

    def end_silence(self, slot: int, where: Where) -> None:
        """The signal alarm ends without a reading: by an evaluation, or because its binding has ended."""
        was = int(self.signals.level[slot])
        self.signals.close(slot, where.instant)
        if was:
            self._emit(where, slot, self.writer.signal(slot, "clear", where.instant, was=was))

    # ---- what is told

    def _moved(self, moved: Moved | None, where: Where) -> None:
        if moved is not None:
            self._emit(where._replace(instant=moved.known_at), moved.slot, self.writer.median(moved))

    def _change(self, change: Change | None, reason: str, where: Where) -> None:
        if change is not None:
            seen = self.writer.last_seen(change.slot)
            episode = self.writer.threshold(change, where.instant, seen, reason=reason)
            self._emit(where, change.slot, episode)

    def _emit(self, where: Where, slot: int, episode: Episode) -> None:
        self.outbox.episode(where, self.patients.keys[slot], episode)
