"""The feed in memory: open alerts, a ring of recent changes, cursors, and one bounded queue per client; pure.

A change is JSON once, in the log; here it is only spliced into a frame, once per scope and not per client.
A cursor says which version of each partition a client has seen. `Feed.missed` answers it honestly: with every
later change, or with None when it cannot know that it still has all of them.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from pydantic import ValidationError

from vitals.alerts import Alert, Answer, FeedMark, decode
from vitals.causes import NONE, Cause
from vitals.people import Principal
from vitals.protocol import SNAPSHOT_ALERTS_MAX, Cursor

CLOSED_MAX = 50_000
"""Closed alerts whose place is remembered, so that a command on one is answered ``cleared``."""
QUEUE_BYTES_MAX = 1024 * 1024
"""Frames waiting for one client; beyond it the connection is aborted, and comes back with its cursor."""


class Entry(NamedTuple):
    """One change in the ring; ``alert`` is the alert's JSON as it stands in the log."""

    partition: int
    version: Cause
    site: int
    alert: str


class Place(NamedTuple):
    """Where commands on an alert go."""

    partition: int
    site: int
    key: bytes


class Feed:
    """Everything a gateway knows of ``alerts.feed``. ``identity`` names the log, so that foreign cursors show."""

    def __init__(self, identity: str, partitions: int, history_max: int) -> None:
        self.unreadable = 0
        self._identity = identity
        self._history: deque[Entry] = deque()
        self._history_max = history_max
        self._read = dict.fromkeys(range(partitions), NONE)
        self._changed = dict.fromkeys(range(partitions), NONE)
        self._floor: dict[int, Cause | None] = dict.fromkeys(range(partitions), None)
        self._open: dict[UUID, Entry] = {}
        self._places: OrderedDict[UUID, Place] = OrderedDict()
        self._closed: OrderedDict[UUID, None] = OrderedDict()

    def begin(self, partition: int) -> None:
        """Say that a partition is read from the beginning of its log, so that nothing of it can be missing."""
        self._floor[partition] = NONE

    def take(self, partition: int, cause: Cause, value: bytes) -> Entry | Answer | FeedMark | None:
        """Accept the next record of a partition; None for one that was seen before or cannot be read."""
        if cause <= self._read[partition]:
            return None
        try:
            message = decode(value)
        except ValidationError:
            self.unreadable += 1
            return None
        self._read[partition] = cause
        if self._floor[partition] is None:
            self._floor[partition] = cause
        return self._keep(partition, cause, message, value) if isinstance(message, Alert) else message

    def cursor(self, scope: str) -> str:
        """The head: the cursor of a client with this scope (see `scope_of`) that has seen everything."""
        return self._cursor(scope, self._read)

    def missed(self, cursor: str, scope: str) -> list[Entry] | None:
        """Every change after a cursor, in the order in which this gateway read them.

        None where that cannot be promised: a foreign cursor or scope, one that is too old for the ring, or one
        that is ahead of this gateway.
        """
        parsed = Cursor.parse(cursor)
        if parsed is None or parsed.feed != self._identity or parsed.scope != scope:
            return None
        if not parsed.read.keys() <= self._read.keys():
            return None
        seen = {partition: Cause(*parsed.read.get(partition, NONE)) for partition in self._read}
        for partition, version in seen.items():
            floor = self._floor[partition]
            if version > self._read[partition] or (floor is not None and version < floor):
                return None
        return self._after(seen)

    def replay(self, cursor: str, scope: str, entries: list[Entry]) -> Iterator[tuple[Entry, str]]:
        """Missed changes, each with the cursor of a client that stood at ``cursor`` before them."""
        parsed = Cursor.parse(cursor)
        assert parsed is not None, "missed() has read this cursor"
        read = {partition: Cause(*version) for partition, version in parsed.read.items()}
        for entry in entries:
            read[entry.partition] = entry.version
            yield entry, self._cursor(scope, read)

    def open_alerts(self, principal: Principal) -> list[str]:
        """The JSON of each open alert that a principal may see, in the order in which they last changed."""
        return [entry.alert for entry in self._open.values() if principal.sees(entry.site)]

    def place_of(self, alert: UUID) -> Place | None:
        """Where commands on an alert go, None for one that was never seen."""
        return self._places.get(alert)

    def _keep(self, partition: int, cause: Cause, alert: Alert, value: bytes) -> Entry:
        entry = Entry(partition, cause, alert.site, value.decode())
        key = alert.patient.bytes if alert.patient else f"site:{alert.site}".encode()
        self._places[alert.id] = Place(partition, alert.site, key)
        self._open.pop(alert.id, None)
        if alert.closed:
            self._closed[alert.id] = None
            if len(self._closed) > CLOSED_MAX:
                del self._places[self._closed.popitem(last=False)[0]]
        else:
            self._open[alert.id] = entry
        self._changed[partition] = cause
        self._history.append(entry)
        if len(self._history) > self._history_max:
            dropped = self._history.popleft()
            self._floor[dropped.partition] = dropped.version
        return entry

    def _after(self, seen: dict[int, Cause]) -> list[Entry]:
        behind = {partition for partition, version in self._changed.items() if version > seen[partition]}
        found: list[Entry] = []
        for entry in reversed(self._history):
            if not behind:
                break
            if entry.version > seen[entry.partition]:
                found.append(entry)
            else:
                behind.discard(entry.partition)
        found.reverse()
        return found

    def _cursor(self, scope: str, read: dict[int, Cause]) -> str:
        known = {partition: tuple(version) for partition, version in read.items() if version != NONE}
        return Cursor(feed=self._identity, scope=scope, read=known).text()


class ClientQueue:
    """Frames that wait for one client, bounded in bytes."""

    def __init__(self, bytes_max: int = QUEUE_BYTES_MAX) -> None:
        self._frames: deque[str] = deque()
        self._bytes_max = bytes_max
        self.waiting_bytes = 0

    def push(self, frame: str) -> bool:
        """Add a frame; False when it does not fit, and then this client cannot be served any further."""
        if self.waiting_bytes + len(frame) > self._bytes_max:
            return False
        self._frames.append(frame)
        self.waiting_bytes += len(frame)
        return True

    def pop(self) -> str | None:
        """The oldest frame, or None."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self.waiting_bytes -= len(frame)
        return frame


def scope_of(principal: Principal) -> str:
    """A short name of what a principal may see: a cursor is only good for the scope in which it was given."""
    if principal.sites is None:
        return "*"
    return hashlib.sha256(",".join(map(str, sorted(principal.sites))).encode()).hexdigest()[:12]


def change_frame(alert: str, cursor: str) -> str:
    """The frame of a ``change`` around an alert's JSON."""
    return f'{{"type":"change","cursor":"{cursor}","alert":{alert}}}'


def snapshot_frames(alerts: list[str], cursor: str) -> Iterator[str]:
    """The ``snapshot`` frames of a client that stands at ``cursor`` after them; one at least."""
    for start in range(0, max(1, len(alerts)), SNAPSHOT_ALERTS_MAX):
        more = start + SNAPSHOT_ALERTS_MAX < len(alerts)
        part = ",".join(alerts[start : start + SNAPSHOT_ALERTS_MAX])
        where = "null" if more else f'"{cursor}"'
        yield f'{{"type":"snapshot","cursor":{where},"more":{"true" if more else "false"},"alerts":[{part}]}}'
