"""All of one metric in one partition (`Lane`), and how it takes a part of a poll: many rows, arrays only.

A part holds no control record and no tick that passes a deadline. Rows are classified at once. Only rows that can
change an alarm (*matter*) are looked at one by one, and then in turns: turn k is the k-th such row of every series
together, after the ring has taken every row up to it. So a run sees what the log had said by then, and no more.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from stream.batch import Batch, classify, where_of
from stream.glucose import Arrived
from stream.rows import NONE, WAITING_MAX, Part, Waiting
from stream.rules import Deciding
from stream.series import Bools, Patients, Slots
from stream.signal import NO_WORD, SILENT
from stream.standing import Standing
from stream.suspects import Suspects
from stream.turns import once, those, turns
from vitals.readings import dated
from vitals.units import Unit

if TYPE_CHECKING:
    from stream.activity import Activity
    from stream.outbox import Outbox, Where
    from stream.verdicts import Moved
    from vitals.codecs.state import State
    from vitals.control import WornDevice
    from vitals.metrics import Metric
    from vitals.policies import Policy

DEVICE_REMOVED = "device removed"
_LAST_UNIT = int(Unit.MMOL_L)


class Lane(Standing):
    """What a metric has, as it takes rows, control records and snapshots."""

    def __init__(self, metric: Metric, patients: Patients, outbox: Outbox, activity: Activity) -> None:
        super().__init__(metric, patients, outbox, activity)
        self.suspects = Suspects()
        self.waiting = Waiting()
        self.unbound = 0
        """Rows that no series of ours takes: no control record has bound a device of this metric, their unit is
        another's, or no calendar has their time.
        """

    def grow(self, capacity: int) -> None:
        """Make room for ``capacity`` patients."""
        super().grow(capacity)
        self.suspects.grow(capacity)

    def wear(self, slot: int, worn: tuple[WornDevice, ...], clock: int, where: Where) -> None:
        """Take a control record's devices and the patient's policy, at ``clock`` (µs) of the patient's site."""
        changed = self.series.wear(slot, worn)
        if not self.series.exists[slot]:
            return
        for kept in (self.artefacts, self.medians.gates.usual):
            kept.ask(slot, self.patients.whole(slot), self.metric.name)
        self.rule(slot)
        if changed:
            self.medians.holds.drop(slot)
            mine, bound = self.series.worn[slot], bool(self.series.bound[slot])
            at = mine.since if mine.until is None else mine.until
            told = any((each.binding.since, each.binding.until) == (mine.since, mine.until) for each in worn)
            where = where._replace(instant=at if bound or told else max(clock, mine.since))
            self.end_silence(slot, where)
            if not bound:
                self.lose(slot, DEVICE_REMOVED, where)
        elif not self.signals.rule[slot] and self.signals.level[slot]:
            self.end_silence(slot, where._replace(instant=max(clock, int(self.signals.opened_at[slot]))))

    def rule(self, slot: int, before: Policy | None = None) -> None:
        """Take the rules that are in force for a patient now; ``before`` were those of the other part of the policy."""
        if not self.series.exists[slot]:
            return
        policy = self.patients.policy(slot)
        self.machines.set_policy(slot, policy, self.metric.name)
        if before is None or policy.windows is not before.windows:  # to look at a whole ring for nothing costs most
            self.medians.set_policy(slot, policy)
        self.glucose.set_policy(slot, policy)
        self.signals.set_policy(slot, policy)

    def state(self, order: Slots) -> State:
        """Everything about these slots; nothing may wait, and who counts ``unbound`` keeps it."""
        assert not self.waiting, "what waits was taken"
        return {
            "series": self.series.state(order),
            "ring": self.ring.rows(order),
            "artefacts": self.artefacts.state(order),
            "usual": self.medians.gates.usual.state(order),
            "machines": self.machines.state(order),
            "medians": self.medians.state(order),
            "glucose": self.glucose.state(order),
            "signals": self.signals.rows(order),
            "suspects": self.suspects.state(order),
        }

    def restore(self, state: State) -> None:
        """Take a snapshot; there is room for it."""
        self.series.restore(state["series"])
        self.ring.put(state["ring"])
        self.artefacts.restore(state["artefacts"])
        self.medians.gates.usual.restore(state["usual"])
        self.machines.restore(state["machines"])
        self.medians.restore(state["medians"])
        self.glucose.restore(state["glucose"])
        self.signals.put(state["signals"])
        self.suspects.restore(state["suspects"])

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
        if self.machines.kinds or self.glucose.kinds or len(rows) + len(self.waiting) > WAITING_MAX:
            return False
        quiet = self.series.exists[slots] & (self.signals.level[slots] == 0) & (rows["unit"] <= _LAST_UNIT)
        if np.count_nonzero(quiet) < len(rows):
            return False
        self.waiting.add(part)
        return True

    def take(self, part: Part) -> Slots:
        """Take what waits, then a part's rows; the slots of the series that decided, possibly repeated."""
        rows, slots, at, starts = self.waiting.before(part)
        known = self.series.exists[slots] & (rows["unit"] <= _LAST_UNIT) & dated(rows)
        unknown = len(rows) - int(np.count_nonzero(known))
        if unknown:
            self.unbound += unknown
            rows, slots, at = rows[known], slots[known], at[known]
        if not len(rows):
            return slots
        batch = classify(Part(rows, slots, at, starts), self.series, self.suspects.new(slots, rows))
        self._turn_by_turn(batch)
        return self._remember(batch)

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
        if self.glucose.kinds:
            hot |= self.glucose.uses(slots)
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
        if not slots.size:
            return
        events = batch.events[rows]
        taken = self.ring.write(slots, events, batch.values[rows], batch.wholes[rows], batch.late[rows])
        if self.artefacts.count:
            self.artefacts.write(slots[taken], events[taken], batch.doubted[rows][taken])

    def _decide(self, batch: Batch, rows: Slots) -> None:
        """Deciding readings that matter, one per series, already in the ring."""
        if not rows.size:
            return
        slots, events = batch.slots[rows], batch.events[rows]
        self._last(batch, rows)
        readings = Deciding(slots, events, batch.wholes[rows], self.series.gap[slots])
        changes = self.machines.step(self.ring, readings)
        moved: list[Moved] = []
        if self.glucose.kinds:
            moved = self.glucose.step(Arrived(readings, batch.values[rows], batch.arrivals[rows], batch.censored[rows]))
        at = dict(zip(slots.tolist(), rows.tolist(), strict=True)) if changes or moved else {}
        for change in changes:
            seen = self.writer.last_seen(change.slot)
            row = at[change.slot]
            episode = self.writer.threshold(change, seen.at, seen, value=float(batch.values[row]))
            self._emit(where_of(batch, row, seen.at), change.slot, episode)
        for each in moved:
            self._moved(each, where_of(batch, at[each.slot], each.at))
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
        self._emit(where_of(batch, row, at), slot, episode)

    def _explain(self, batch: Batch, rows: Slots) -> None:
        """Rows of silent series that decide nothing but say why."""
        for row in rows.tolist():
            slot, at = int(batch.slots[row]), int(batch.arrivals[row])
            if self.signals.level[slot] and self.signals.tell(slot, int(batch.words[row])):
                episode = self.writer.signal(slot, "reason", at)
                self._emit(where_of(batch, row, at), slot, episode)

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
