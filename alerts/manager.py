"""The manager: a step over one partition of ``alerts.journal`` that writes the same partition of ``alerts.feed``.

Pure. Time is what it reads: the processor's marks move the clocks of their sites, the manager's own ticks move
all of them; timers fire, in the order (deadline, alert id), at the record that moves time and before any later
one. So the feed is a function of the journal, however it was batched.
"""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from pydantic import ValidationError

from alerts import lifecycle
from alerts.lifecycle import Tracked
from alerts.timers import Timers
from vitals.alerts import Answer, FeedMark
from vitals.causes import NONE, Cause, of_headers
from vitals.journal import Command, Episode, Mark, Tick, decode
from vitals.messages import Message
from vitals.steps import Output, Records
from vitals.topics import FEED, MARK_KEY

COMMANDS_MAX = 10_000
"""Answers remembered per partition; a command repeated after so many others would be done again."""
CLOSED_MAX = 10_000
"""Closed alerts remembered per partition; a command on an older one is refused as unknown, not as cleared."""


class AlertManager:
    """The fold of one journal partition. ``moves`` counts how often time moved, ``unreadable`` what it skipped."""

    def __init__(self, partition: int, *, commands_max: int = COMMANDS_MAX, closed_max: int = CLOSED_MAX) -> None:
        self.moves = 0
        self.unreadable = 0
        self._partition = partition
        self._commands_max = commands_max
        self._closed_max = closed_max
        self._open: dict[UUID, Tracked] = {}
        self._closed: OrderedDict[UUID, None] = OrderedDict()
        self._answers: OrderedDict[UUID, Answer] = OrderedDict()
        self._timers = Timers()
        self._clocks: dict[int, int] = {}
        self._ticked = 0
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

    def next_deadline(self) -> int | None:
        """When the next timer is due (µs UTC), None without one; whoever makes ticks asks."""
        return self._timers.earliest()

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
            case Command():
                self._command(message)
            case Mark():
                self._mark(message)
            case Tick():
                self._tick(message)

    def _episode(self, episode: Episode) -> None:
        if episode.id in self._closed:
            return
        now = self.now(episode.site)
        before = self._open.get(episode.id)
        if before is None:
            self._keep(lifecycle.opened(episode, self._version(), now))
            return
        after = lifecycle.followed(before, episode, self._version(), now)
        self._keep(after)
        if lifecycle.waits_to_announce(after, max(now, episode.at)):
            self._keep(lifecycle.timed(after, "run_out", self._version(), max(now, episode.at)))

    def _command(self, command: Command) -> None:
        if (answer := self._answers.get(command.id)) is None:
            tracked = self._open.get(command.alert)
            reason = lifecycle.refusal(tracked, command.alert in self._closed, command)
            at = command.at if tracked is None else max(self.now(tracked.alert.site), tracked.alert.announced_at)
            answer = Answer(
                id=command.id,
                alert=command.alert,
                outcome="refused" if reason else "accepted",
                reason=reason,
                by=command.by,
                at=at,
            )
            self._answers[command.id] = answer
            if len(self._answers) > self._commands_max:
                self._answers.popitem(last=False)
            if tracked is not None and not reason:
                self._keep(lifecycle.acknowledged(tracked, command, self._version(), at))
        self._write(command.id.bytes, answer)

    def _mark(self, mark: Mark) -> None:
        moved = False
        for site, at in mark.sites.items():
            if at > self._clocks.get(site, 0):
                self._clocks[site] = at
                moved = True
        self._fire(moved)
        self._write(MARK_KEY, FeedMark(sites=mark.sites))

    def _tick(self, tick: Tick) -> None:
        moved = tick.at > self._ticked
        self._ticked = max(self._ticked, tick.at)
        self._fire(moved)

    def _fire(self, moved: bool) -> None:
        self.moves += moved
        while moved and (alert := self._timers.take_due(self.now)) is not None:
            tracked = self._open[alert]
            now = self.now(tracked.alert.site)
            change = lifecycle.due(tracked, now)
            assert change is not None, "a timer stands at its alert's deadline"
            self._keep(lifecycle.timed(tracked, change, self._version(), now))

    def _keep(self, tracked: Tracked) -> None:
        alert = tracked.alert
        if alert.closed:
            self._open.pop(alert.id, None)
            self._closed[alert.id] = None
            if len(self._closed) > self._closed_max:
                self._closed.popitem(last=False)
        else:
            self._open[alert.id] = tracked
        self._timers.set(alert.id, alert.site, tracked.deadline)
        self._write(alert.id.bytes, alert)

    def _version(self) -> Cause:
        return Cause(self._offset, self._ordinal)

    def _write(self, key: bytes, message: Message) -> None:
        self._outputs.append(Output(FEED, self._partition, key, message.encode(), self._version()))
        self._ordinal += 1
