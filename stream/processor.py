"""The processor: the fold of one partition of ``vitals.readings`` into episodes, marks and windows; pure.

A poll is cut at control records and at ticks that can pass a deadline; `stream.part` takes what lies between in
arrays, other ticks only move a clock. Every decision depends on the log alone, so the outputs are the same however
the records were batched, and replaying the log is recovery.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import ValidationError

from stream import episodes, evaluations, poll
from stream.activity import Activity
from stream.closer import Closer
from stream.counters import Counters
from stream.outbox import Outbox, Where
from stream.part import DEVICE_REMOVED, Lane
from stream.rows import Part
from stream.schedules import Schedules
from stream.series import LONG_AGO, NEVER, Patients
from stream.sites import MARK_EVERY_US, Site, Sites
from stream.sugar import Sugar
from stream.verdicts import NO_DATA
from vitals.codecs.state import State, reading
from vitals.control import ClockControl, PatientControl, SiteControl, decode
from vitals.errors import CodecError
from vitals.journal import Mark
from vitals.metrics import GLUCOSE, HEART_RATE, METRICS, STEPS
from vitals.snapshots import Format
from vitals.steps import Output, Records
from vitals.windows import EVALUATE_AFTER_US, WINDOWS

if TYPE_CHECKING:
    from stream.poll import Poll
    from stream.series import Ints, Slots
    from vitals.journal import EpisodeChange
    from vitals.windows import WindowSpec

SITE_SILENT = "site silent"
CLOSED = "closed"
WATCHED = tuple(metric for metric in METRICS if any(spec.metric is metric for spec in WINDOWS))
"""Metrics with windows; the others are stored for people to see, and cost the processor nothing."""
DELAY_MIN_US = min(*(metric.silent_us for metric in WATCHED), *(m.gap_us for m in WATCHED if m.whole))
"""No reading can set a deadline sooner than this after its arrival."""


class Processor:
    """The step of one partition among ``partitions``; see `vitals.steps.Step`. It writes the windows ``specs``: who
    wants none of them gives none, and episodes are the same.
    """

    FORMAT: ClassVar[Format] = Format("processor", 2)

    def __init__(self, partition: int, partitions: int, specs: tuple[WindowSpec, ...] = WINDOWS) -> None:
        self._partition = partition
        self._partitions = partitions
        self._patients = Patients()
        self._sites = Sites()
        self._outbox = Outbox(partition)
        self._activity = Activity()
        self._lanes = {metric.code: Lane(metric, self._patients, self._outbox, self._activity) for metric in WATCHED}
        glucose = self._lanes[GLUCOSE.code]
        self._lanes[HEART_RATE.code].medians.gates.sugar = Sugar(glucose.series, glucose.ring)
        self._takers: dict[int, Lane | Activity] = {**self._lanes, STEPS.code: self._activity}
        self._closer = Closer(self._patients, self._sites, self._lanes, self._outbox, specs)
        self._schedules = Schedules(self._patients)
        self._strangers, self._simulated = 0, False
        self.counters = Counters()

    @property
    def clocks(self) -> dict[int, int]:
        """Site clocks (number -> µs) of the sites that have ticked in this partition."""
        return self._sites.clocks()

    def step(self, records: Records) -> list[Output]:
        """Take records in offset order; return episodes, marks and windows in the order of their causes."""
        batch = poll.read(records, self._patients)
        self.counters.broken += batch.broken
        self._make_room()
        begin, arrived = 0, batch.rows["received_at"]
        soonest = min(int(arrived.min(initial=NEVER)), self._waits_since())
        controls = set(batch.controls)
        for position in sorted(controls.union(batch.ticks)):
            first = batch.starts[position]
            if position in controls:
                self._readings(batch, begin, first)
                self._closer.write()
                self._control(position, records.values[position])
                begin = batch.starts[position + 1]
                continue
            moves = batch.ticks[position]
            if self._quiet(moves, arrived[begin:first], soonest):
                self._advance(moves)
            else:
                self._readings(batch, begin, first)
                self._tick(moves, position)
                begin = batch.starts[position + 1]
            self._mark(moves, position)
        self._readings(batch, begin, len(batch.rows), wait=True)
        self._closer.write()
        outputs = self._outbox.drain(records.offsets)
        self._strangers += self.counters.take(batch)
        self._count()
        return outputs

    # ---- readings

    def _readings(self, batch: Poll, begin: int, end: int, *, wait: bool = False) -> None:
        """Take the rows from ``begin`` to ``end`` and those that wait, or let all of a metric ``wait`` if they can."""
        codes = batch.codes[begin:end]
        for code, lane in self._takers.items():
            count = codes.count(code)
            if not count and (wait or not lane.waiting):
                continue
            if count == len(codes) and not batch.strange:
                part = Part(batch.rows[begin:end], batch.slots[begin:end], np.arange(begin, end), batch.starts)
            else:
                chosen = np.frombuffer(codes, np.uint8) == code
                if batch.strange:
                    chosen &= batch.slots[begin:end] >= 0
                at = chosen.nonzero()[0] + begin
                part = Part(batch.rows[at], batch.slots[at], at, batch.starts)
            if wait and lane.wait(part):
                continue
            if isinstance(lane, Activity):
                lane.take(part)
            else:
                self._expect(lane, lane.take(part))

    def _expect(self, lane: Lane, slots: Slots) -> None:
        """Deadlines of these series may have come nearer: their sites look earlier."""
        if not slots.size:
            return
        if len(slots) > len(self._patients.keys):  # several rows of each
            slots = np.bincount(slots).nonzero()[0]
        due, where = lane.deadline(slots), self._patients.site[slots]
        for number in set(where.tolist()):
            site = self._sites.by_number[number]
            site.alarm_at = min(site.alarm_at, int(due[where == number].min()))

    # ---- time

    def _waits_since(self) -> int:
        """The earliest arrival (µs) of a row that waits, NEVER for none."""
        return min(lane.waiting.since for lane in self._lanes.values())

    def _quiet(self, moves: list[tuple[int, int]], untaken: Ints, soonest: int) -> bool:
        """Whether a tick record passes no deadline, nor one that rows not taken may set: those that arrived at
        ``untaken`` and those that wait, none of all before ``soonest`` (µs).
        """
        latest = LONG_AGO
        for number, at in moves:
            site = self._sites.by_number.get(number)
            if site is None or site.clock == LONG_AGO or at >= site.alarm_at or at >= site.window_at:
                return False
            latest = max(latest, at)
        if self._sites.stirs(moves):
            return False
        if latest < soonest + DELAY_MIN_US:  # hardly any poll is longer than that
            return True
        return latest < min(int(untaken.min(initial=NEVER)), self._waits_since()) + DELAY_MIN_US

    def _advance(self, moves: list[tuple[int, int]]) -> list[Site]:
        """Move clocks; the sites that were heard."""
        heard = []
        for number, at in moves:
            site = self._sites.by_number[number]
            if at > site.clock:
                site.clock = at
                heard.append(site)
        self._sites.hear(heard)
        return heard

    def _tick(self, moves: list[tuple[int, int]], position: int) -> None:
        """Move clocks row by row and fire what is due; silence of other sites is judged after the whole record."""
        heard = []
        for row, (number, at) in enumerate(moves):
            site = self._sites.add(number)
            if at <= site.clock:
                continue
            begins = site.clock == LONG_AGO
            site.clock = at
            if begins:
                self._closer.catch_up(site)
                self._closer.look_ahead(site, self._patients.of_site(number))
            heard.append(site)
            self._turn(site)
            if site.silent_at is not None:
                self._site_heard(site, Where(position, row, at))
            self._fire(site, position, row)
        self._sites.hear(heard)
        for site in sorted(self._sites.by_number.values(), key=lambda site: site.number):
            since = None if site.silent_at is not None or site in heard else self._sites.silence(site)
            if since is not None:
                self._site_silent(site, Where(position, max(0, len(moves) - 1), since))

    def _mark(self, moves: list[tuple[int, int]], position: int) -> None:
        """Write the site clocks down once a second of clock."""
        sites = self._sites.by_number
        for number, _ in moves:
            if sites[number].clock - sites[number].marked >= MARK_EVERY_US:
                for site in sites.values():
                    site.marked = site.clock
                self._outbox.mark(position, Mark(sites=self._sites.clocks(), simulated=self._simulated))
                return

    def _turn(self, site: Site) -> None:
        """Day turns to night, or night to day, for those patients of a site for whom it is time."""
        for slot in self._schedules.due(site.number, site.clock):
            before = self._patients.policy(slot)
            self._schedules.take(slot, site.clock)
            for lane in self._lanes.values():
                lane.rule(slot, before)
            site.alarm_at = site.window_at = LONG_AGO

    def _fire(self, site: Site, position: int, row: int) -> None:
        slots = self._patients.of_site(site.number)
        ends = site.clock >= site.window_at
        if ends:
            self._evaluate(site, slots, Where(position, row, 0))
        if site.clock >= site.alarm_at:
            for lane in self._lanes.values():
                self._alarms(lane, slots[lane.series.exists[slots]], site.clock, Where(position, row, 0))
            self._look_ahead(site, slots)
        if ends:
            self._closer.close(site, slots, position, row)
            self._closer.look_ahead(site, slots)

    def _evaluate(self, site: Site, slots: Slots, where: Where) -> None:
        """Evaluate window rules at every T that the clock has passed, before the deadlines that this puts off."""
        told = self._outbox.episodes
        for lane in self._lanes.values():
            if not lane.medians.kinds:
                continue
            mine = slots[lane.medians.narrowest[slots] > 0]
            first, last = lane.medians.reach(mine)
            for at in evaluations.due(site.evaluated, site.clock, first, last):
                reached = mine[(first <= at) & (at <= last)]
                if reached.size:
                    lane.evaluate(at, reached, where._replace(instant=at + EVALUATE_AFTER_US))
            if lane.medians.holds.held or self._outbox.episodes > told:  # else no deadline comes nearer
                site.alarm_at = min(site.alarm_at, int(lane.deadline(mine).min(initial=NEVER)))
        site.evaluated = evaluations.last_due(site.clock)

    @staticmethod
    def _alarms(lane: Lane, slots: Slots, clock: int, where: Where) -> None:
        """Fire the deadlines of one metric that lie at or before the clock."""
        for due_of, act in (
            (lane.held_at, lambda slot, at: lane.release(slot, clock, at)),
            (lane.forgotten_at, lambda slot, at: lane.forget(slot, clock, at)),  # at the instant of each, before all
            (lane.unknown_at, lambda slot, at: lane.lose(slot, NO_DATA, at, known_only=True)),
            (lane.signals.due_at, lane.fall_silent),
            (lane.signals.medium_at, lane.stay_silent),  # after the opening, which one jump of the clock may pass too
        ):
            due = due_of(slots)
            for at in (due <= clock).nonzero()[0].tolist():
                act(int(slots[at]), where._replace(instant=int(due[at])))

    def _look_ahead(self, site: Site, slots: Slots) -> None:
        """Find the site's first deadline exactly."""
        lanes = self._lanes.values()
        mine = [lane.deadline(slots[lane.series.exists[slots]]) for lane in lanes]
        site.alarm_at = min(self._schedules.next(site.number), *(int(due.min(initial=NEVER)) for due in mine))

    # ---- sites

    def _site_silent(self, site: Site, where: Where) -> None:
        """A site stopped ticking: nothing about its patients is known, and one alarm says so for all of them."""
        site.silent_at = where.instant
        for lane in self._lanes.values():
            for slot in self._patients.of_site(site.number).tolist():
                lane.lose(slot, SITE_SILENT, where, known_only=True)
        self._site_episode(site, where, "open")

    def _site_heard(self, site: Site, where: Where) -> None:
        """A silent site ticks again: its patients are known, or have had no data for too long."""
        for lane in self._lanes.values():
            for slot in self._patients.of_site(site.number).tolist():
                lane.regain(slot, SITE_SILENT, NO_DATA, site.clock, where)
        site.alarm_at = LONG_AGO
        self._site_episode(site, where, "clear")
        site.silent_at = None

    def _site_episode(self, site: Site, where: Where, change: EpisodeChange) -> None:
        if site.number % self._partitions == self._partition and site.silent_at is not None:
            episode = episodes.site_silent(site, site.silent_at, change, where.instant)
            self._outbox.episode(where, episodes.site_key(site.number), episode)

    # ---- control records

    def _control(self, position: int, value: bytes) -> None:
        try:
            control = decode(value)
        except ValidationError:
            self.counters.broken += 1
            return
        match control:
            case SiteControl():
                self._sites.add(control.number, control.name)
            case ClockControl():
                self._simulated = control.clock == "simulated"
            case PatientControl():
                self._patient(control, Where(position, 0, 0))

    def _patient(self, control: PatientControl, where: Where) -> None:
        """Take a patient's whole policy and bindings; a version already known changes nothing."""
        slot = self._patients.add(control.patient.bytes)
        self._make_room()
        if control.version <= self._patients.versions[slot]:
            return
        self._patients.versions[slot] = control.version
        self._patients.labels[slot] = control.label
        self._patients.take(slot, control.policy)
        self._closer.gather()
        self._patients.site[slot] = control.site
        site = self._sites.add(control.site)
        self._closer.catch_up(site)
        self._schedules.take(slot, site.clock)
        closes = control.closings > self._patients.closings[slot]
        self._patients.closings[slot] = control.closings
        self._activity.wear(slot, control.worn, control.policy)
        for lane in self._lanes.values():
            lane.wear(slot, control.worn, site.clock, where)
            if closes and lane.series.exists[slot]:
                last = lane.series.worn[slot]  # of a site that has never ticked there is no clock to go by
                at = max(site.clock, last.until or last.since)
                lane.close(slot, DEVICE_REMOVED, CLOSED, where._replace(instant=at))
        # its next tick looks at all its series, once for however many control records; a site that is left may look
        # too early, which finds nothing
        site.alarm_at = site.window_at = LONG_AGO

    # ---- housekeeping

    def _make_room(self) -> None:
        needed = len(self._patients.keys)
        if needed > self._patients.capacity:
            capacity = needed + needed // 8 + 16
            self._patients.grow(capacity)
            for lane in self._takers.values():
                lane.grow(capacity)

    def _count(self) -> None:
        counters, outbox = self.counters, self._outbox
        counters.unbound = self._strangers + sum(lane.unbound for lane in self._lanes.values())
        counters.windows, counters.episodes, counters.marks = outbox.windows, outbox.episodes, outbox.marks
        counters.revised, counters.dirty_marks = self._closer.revised, self._closer.dirty_marks

    # ---- snapshots

    def state(self) -> State:
        """See `vitals.steps.Step`. Rows that wait are taken first."""
        for lane in self._lanes.values():
            self._expect(lane, lane.settle())
        self._activity.settle()
        self._count()
        order = self._patients.order()
        return {
            "partition": self._partition,
            "partitions": self._partitions,
            "simulated": self._simulated,
            "counters": asdict(self.counters),
            "sites": self._sites.state(),
            "patients": self._patients.state(order),
            "activity": self._activity.state(order),
            "lanes": {lane.metric.name: lane.state(order) for lane in self._lanes.values()},
            "pending": self._closer.state(order),
        }

    def restore(self, state: State) -> None:
        """See `vitals.steps.Step`."""
        with reading():
            if (state["partition"], state["partitions"]) != (self._partition, self._partitions):
                raise CodecError("a snapshot is of another partition", f"{state['partition']} of {state['partitions']}")
            self._simulated = state["simulated"]
            self.counters = Counters(**state["counters"])
            self._strangers = self.counters.unbound
            outbox, counters = self._outbox, self.counters
            outbox.windows, outbox.episodes, outbox.marks = counters.windows, counters.episodes, counters.marks
            self._closer.revised, self._closer.dirty_marks = counters.revised, counters.dirty_marks
            self._sites.restore(state["sites"])
            self._patients.restore(state["patients"])
            self._activity.grow(self._patients.capacity)
            self._activity.restore(state["activity"])
            for slot, number in enumerate(self._patients.site[: len(self._patients.keys)].tolist()):
                self._schedules.take(slot, self._sites.by_number[number].clock)
            for lane in self._lanes.values():
                lane.grow(self._patients.capacity)
                lane.restore(state["lanes"][lane.metric.name])
            self._closer.restore(state["pending"])


def factory(partitions: int) -> Callable[[int], Processor]:
    """Makes the step of each partition of a topic with so many."""
    return lambda partition: Processor(partition, partitions)
