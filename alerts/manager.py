"""The manager: a step over one partition of ``alerts.journal`` that writes the same partition of ``alerts.feed``.

Pure. Time is what it reads: the processor's marks move the clocks of their sites, the manager's own ticks move
one of them or all; timers fire, in the order (deadline, id), at the record that moves time and before any later
one. So the feed is a function of the journal, however it was batched. What a change is, stands in the modules
beside: lifecycle (episodes), escalation (time), answers and receipts (people), shelves and services.
"""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import ValidationError

from alerts import answers, escalation, lifecycle, receipts, services, shelves
from alerts.memory import Bounded, Memory
from alerts.tracking import Now, Shelved, Tracked, called
from vitals.alerts import Answer, FeedMark, Refusal, Service
from vitals.causes import NONE, Cause, of_headers
from vitals.codecs.state import State, reading
from vitals.errors import CodecError
from vitals.journal import Command, Episode, Mark, Tick, decode
from vitals.messages import Message
from vitals.snapshots import Format
from vitals.steps import Output, Records
from vitals.topics import FEED, MARK_KEY

COMMANDS_MAX = 10_000
"""Answers remembered per partition; a command repeated after so many others would be done again."""
CLOSED_MAX = 10_000
"""Closed alerts remembered per partition; a command on an older one is refused as unknown, not as cleared."""


class AlertManager:
    """The fold of one journal partition. ``unreadable`` counts the records that it skipped."""

    FORMAT: ClassVar[Format] = Format("manager", 2)

    def __init__(self, partition: int, *, commands_max: int = COMMANDS_MAX, closed_max: int = CLOSED_MAX) -> None:
        self.unreadable = 0
        self._partition = partition
        self._memory = Memory(closed_max)
        self._answers: Bounded[UUID, Answer] = Bounded(commands_max)
        self._clocks: dict[int, int] = {}
        self._ticked = 0
        self._simulated = False
        self._last = NONE
        self._offset = -1
        self._outputs: list[Output] = []
        self._ordinal = 0

    def step(self, records: Records) -> list[Output]:
        """Take journal records in offset order; the feed records that they cause."""
        self._outputs = []
        for offset, value, headers in zip(records.offsets, records.values, records.headers, strict=True):
            assert offset > self._offset, "records come in offset order"
            self._offset, self._ordinal = offset, 0
            if (cause := of_headers(headers)) is not None:
                if cause <= self._last:
                    continue
                self._last = cause
            self._take(value)
        outputs, self._outputs = self._outputs, []
        return outputs

    def state(self) -> State:
        """See `vitals.steps.Step`."""
        return {
            "partition": self._partition,
            "unreadable": self.unreadable,
            "memory": self._memory.state(),
            "answers": list(self._answers.values()),
            "clocks": sorted(self._clocks.items()),
            "ticked": self._ticked,
            "simulated": self._simulated,
            "last": self._last,
            "offset": self._offset,
        }

    def restore(self, state: State) -> None:
        """See `vitals.steps.Step`."""
        with reading():
            if state["partition"] != self._partition:
                raise CodecError("a snapshot is of another partition", f"{state['partition']}, not {self._partition}")
            self.unreadable, self._ticked = state["unreadable"], state["ticked"]
            self._memory.restore(state["memory"])
            for answer in map(Answer.model_validate, state["answers"]):
                self._answers[answer.id] = answer
            self._clocks = dict(state["clocks"])
            self._simulated = state["simulated"]
            self._last, self._offset = Cause(*state["last"]), state["offset"]

    def next_deadline(self) -> int | None:
        """When the next timer is due (µs UTC), None without one."""
        return self._memory.timers.earliest()

    def deadlines(self) -> dict[int, int]:
        """When the next timer of each site is due; whoever makes ticks asks."""
        return self._memory.timers.by_site()

    def now(self, site: int) -> int:
        """The clock of a site as this partition knows it, 0 before its first mark."""
        return max(self._clocks.get(site, 0), self._ticked)

    def _take(self, value: bytes) -> None:
        try:
            message = decode(value)
        except ValidationError:
            self.unreadable += 1
            return
        match message:
            case Episode():
                self._episode(message)
            case Command(action="delivered"):
                self._receipt(message)
            case Command():
                self._command(message)
            case Mark():
                self._mark(message)
            case Tick():
                self._tick(message)

    def _episode(self, episode: Episode) -> None:
        before = self._memory.open.get(episode.id)
        if episode.id in self._memory.closed or (before is not None and before.alert.condition == "over"):
            return
        now = self._now(episode.site)
        if before is None:
            self._opened(episode, now)
            return
        after = lifecycle.followed(before, episode, self._version(), now)
        self._keep(after)
        if after.alert.change == "rise":
            self._outdo_shelf(shelves.key(episode), now)
        self._settle_debt(after.alert.id, now._replace(at=max(now.at, episode.at)))

    def _opened(self, episode: Episode, now: Now) -> None:
        key = shelves.key(episode)
        shelved = self._memory.shelves.get(key)
        shelf = shelved.shelf if shelved is not None and shelves.covers(shelved, episode) else None
        out = self._memory.is_out(episode)
        self._keep(lifecycle.opened(episode, self._version(), now, shelf, out=out))
        if shelf is None and episode.condition != "over":
            self._outdo_shelf(key, now)

    def _settle_debt(self, alert: UUID, now: Now) -> None:
        """Announce what an alert owes, behind the change that made it active."""
        tracked = self._memory.open.get(alert)
        owed = None if tracked is None else lifecycle.owed(tracked, now.at)
        if tracked is not None and owed is not None:
            self._keep(called(tracked, owed, self._version(), now.at, now))

    def _receipt(self, command: Command) -> None:
        tracked = None if command.alert is None else self._memory.open.get(command.alert)
        if tracked is not None and receipts.is_news(tracked, command.announcements):
            now = self._present(tracked.alert.site, command)
            self._keep(receipts.delivered(tracked, command.announcements, self._version(), now))

    def _command(self, command: Command) -> None:
        if (answer := self._answers.get(command.id)) is None:
            answer = self._answers[command.id] = self._obey(command)
        self._write(command.id.bytes, answer)

    def _obey(self, command: Command) -> Answer:
        """Do what a person asks, or say why not."""
        match command.action:
            case "out_of_service" | "in_service":
                now = self._present(command.site, command)
                reason = self._service_asked(command, now)
            case "unshelve":
                shelved = None if command.shelf is None else self._memory.shelves.get(command.shelf)
                now = self._present(0 if shelved is None else shelved.shelf.site, command)
                reason = "not_shelved" if shelved is None else self._unshelve(shelved, now)
            case _:
                tracked = None if command.alert is None else self._memory.open.get(command.alert)
                now = Now(command.at) if tracked is None else self._present(tracked.alert.site, command)
                reason = self._answered(tracked, command, now)
        outcome: Literal["accepted", "refused"] = "refused" if reason else "accepted"
        return Answer(id=command.id, alert=command.alert, outcome=outcome, reason=reason, by=command.by, at=now.at)

    def _answered(self, tracked: Tracked | None, command: Command, now: Now) -> Refusal:
        reason = answers.refusal(tracked, command, was_closed=command.alert in self._memory.closed)
        if reason or tracked is None:
            return reason
        match command.action:
            case "shelve":
                return self._shelve(tracked, command, now)
            case "undo":
                self._undo(tracked, now)
            case _:
                after = answers.answered(tracked, command, self._version(), now)
                if after is not tracked:
                    self._keep(after)
        return ""

    def _shelve(self, tracked: Tracked, command: Command, now: Now) -> Refusal:
        reason = shelves.refusal(tracked.alert, command)
        if not reason:
            shelved = shelves.begun(tracked.alert, command, self._version(), now)
            before = self._memory.shelves.get(shelved.shelf.id)
            self._keep_shelf(shelved)
            self._keep(answers.shelved(tracked, command, shelved.shelf, self._version(), now, before=before))
        return reason

    def _undo(self, tracked: Tracked, now: Now) -> None:
        undo = tracked.undo
        assert undo is not None, "an undo was accepted"
        if undo.shelve and undo.shelved is not None:
            self._keep_shelf(shelves.again(undo.shelved, self._version()))
        elif undo.shelve:
            shelved = self._memory.shelves[shelves.key(tracked.alert)]
            self._keep_shelf(shelves.over(shelved, self._version(), now.at))
        self._keep(answers.undone(tracked, self._version(), now))

    def _unshelve(self, shelved: Shelved, now: Now) -> Refusal:
        """A shelf ends before its time; what still lies on it calls."""
        self._keep_shelf(shelves.over(shelved, self._version(), now.at))
        for tracked in self._memory.on_shelf(shelved):
            self._keep(shelves.taken_away(tracked, self._version(), now))
            self._settle_debt(tracked.alert.id, now)
        return ""

    def _outdo_shelf(self, key: UUID, now: Now) -> None:
        """Something worse than what was shelved has come; that has called by itself."""
        shelved = self._memory.shelves.get(key)
        if shelved is not None:
            self._unshelve(shelved, now)

    def _service_asked(self, command: Command, now: Now) -> Refusal:
        known = None if command.patient is None else self._memory.services.get(command.patient)
        reason = services.refusal(command, is_out=known is not None)
        if reason:
            return reason
        if command.action == "in_service":
            assert known is not None, "who is not out of service was refused"
            self._back(known, now.at, now)
            return ""
        service = services.begun(command, self._version(), now)
        self._keep_service(service)
        for tracked in self._memory.of(service.patient):
            self._keep(services.left(tracked, self._version(), now))
        return ""

    def _back(self, service: Service, at: int, now: Now) -> None:
        """A patient is back in service, since ``at``."""
        self._keep_service(service.model_copy(update={"version": self._version(), "until": at, "ended": True}))
        for tracked in self._memory.of(service.patient):
            self._keep(services.back(tracked, self._version(), at, now))

    def _mark(self, mark: Mark) -> None:
        self._simulated = mark.simulated
        for site, at in mark.sites.items():
            self._clocks[site] = max(self._clocks.get(site, 0), at)
        self._fire()
        self._write(MARK_KEY, FeedMark(sites=mark.sites, simulated=mark.simulated))

    def _tick(self, tick: Tick) -> None:
        self._simulated = False
        if tick.site is None:
            self._ticked = max(self._ticked, tick.at)
        else:
            self._clocks[tick.site] = max(self._clocks.get(tick.site, 0), tick.at)
        self._fire()

    def _fire(self) -> None:
        while (owner := self._memory.timers.take_due(self.now)) is not None:
            if owner in self._memory.shelves:
                self._shelf_due(self._memory.shelves[owner])
            elif owner in self._memory.services:
                service = self._memory.services[owner]
                self._back(service, service.until, self._now(service.site))
            else:
                self._alert_due(self._memory.open[owner])

    def _shelf_due(self, shelved: Shelved) -> None:
        now = self._now(shelved.shelf.site)
        self._keep_shelf(shelves.over(shelved, self._version(), shelved.shelf.until))
        for tracked in self._memory.on_shelf(shelved):
            self._keep(shelves.ended(tracked, self._version(), now))

    def _alert_due(self, tracked: Tracked) -> None:
        now = self._now(tracked.alert.site)
        timer = escalation.due(tracked, now.at)
        assert timer is not None, "a timer stands at its alert's deadline"
        self._keep(escalation.timed(tracked, timer, self._version(), now))

    def _now(self, site: int) -> Now:
        return Now(self.now(site), not self._simulated)

    def _present(self, site: int, command: Command) -> Now:
        """When a person acts. On real time all sites share one time, and a site that is cut off has stood still."""
        clocks = [self.now(site)] if self._simulated else [self.now(site), *self._clocks.values()]
        return Now(max(clocks) or command.at, not self._simulated)

    def _keep(self, tracked: Tracked) -> None:
        """Take an alert as it is now, and write it if it changed."""
        self._memory.keep(tracked)
        if tracked.alert.version == self._version():
            self._write(tracked.alert.id.bytes, tracked.alert)

    def _keep_shelf(self, shelved: Shelved) -> None:
        self._memory.keep_shelf(shelved)
        self._write(shelved.shelf.id.bytes, shelved.shelf)

    def _keep_service(self, service: Service) -> None:
        self._memory.keep_service(service)
        self._write(service.patient.bytes, service)

    def _version(self) -> Cause:
        return Cause(self._offset, self._ordinal)

    def _write(self, key: bytes, message: Message) -> None:
        self._outputs.append(Output(FEED, self._partition, key, message.encode(), self._version()))
        self._ordinal += 1
