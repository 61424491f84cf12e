"""The feed in memory: what is open, a ring of recent changes, cursors, and one bounded queue per client; pure.

A change is JSON once, in the log; here it is only spliced into a frame (``alerts/frames.py``), once per scope and
not per client. Alerts, shelves and times out of service share one ring, so one cursor is good for all of them.
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

from alerts.frames import Kind
from vitals.alerts import SITE_SILENT, Alert, Answer, FeedMark, Service, Shelf, decode
from vitals.causes import NONE, Cause
from vitals.messages import Message
from vitals.numbers import Reckoned, SiteNumber
from vitals.people import Principal
from vitals.proof import RULE, is_proof, patient_name
from vitals.protocol import Cursor

CLOSED_MAX = 50_000
"""Closed alerts (and ended shelves) whose place is remembered, so that a command on one is answered ``cleared``."""
QUEUE_BYTES_MAX = 832 * 1024
"""Frames waiting in this process for one client; beyond it the connection is aborted, and comes back with its cursor.
The rest of 1 MiB is for what the kernel has unsent.
"""


class Entry(NamedTuple):
    """One change in the ring; ``body`` is the JSON of the alert, shelf or service as it stands in the log."""

    partition: int
    version: Cause
    site: int
    kind: Kind
    body: str


class Place(NamedTuple):
    """Where commands on an alert or a shelf go."""

    partition: int
    site: int
    key: bytes


class Proved(NamedTuple):
    """A synthetic alarm came through: the site, and the event time of the reading behind it (µs UTC)."""

    site: int
    at: int


class Calls(NamedTuple):
    """How often an open alert has called, and the greatest of these calls that some screen has had."""

    announcements: int
    delivered: int


class _Synthetic(Message):
    """As much of a synthetic alert as anybody needs: a gateway that starts reads 25 h of them."""

    rule: str = ""
    change: str = ""
    site: SiteNumber
    at: Reckoned = 0

    @property
    def proved(self) -> Proved | None:
        return Proved(self.site, self.at) if self.rule == RULE and self.change == "open" else None


_SYNTHETIC = f'"label":"{patient_name("")}'.encode()
"""Stands in the JSON of synthetic alerts and nowhere else: within a text the quotes would be escaped."""

Taken = Entry | Answer | FeedMark | Proved


class Kept:
    """What is open of one kind, by id, and where commands on it go; the places of ended ones too, within bounds."""

    def __init__(self, ended_max: int = CLOSED_MAX) -> None:
        self.open: dict[UUID, Entry] = {}
        self._places: dict[UUID, Place] = {}
        self._ended: OrderedDict[UUID, None] = OrderedDict()
        self._ended_max = ended_max

    def put(self, identity: UUID, entry: Entry, key: bytes, *, ended: bool) -> None:
        """Take the latest change of one of them."""
        self._places[identity] = Place(entry.partition, entry.site, key)
        self.open.pop(identity, None)
        self._ended.pop(identity, None)
        if not ended:
            self.open[identity] = entry
            return
        self._ended[identity] = None
        if len(self._ended) > self._ended_max:
            del self._places[self._ended.popitem(last=False)[0]]

    def place_of(self, identity: UUID) -> Place | None:
        """Where commands on it go, None for one that was never seen."""
        return self._places.get(identity)

    def bodies(self, principal: Principal) -> list[str]:
        """The JSON of each open one that a principal may see, in the order in which they last changed."""
        return [entry.body for entry in self.open.values() if principal.sees(entry.site)]


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
        self.alerts = Kept()
        self.shelves = Kept()
        self.services = Kept()
        self._calls: dict[UUID, Calls] = {}
        self.silent: dict[int, Alert] = {}
        """The open alert of each silent site, by its number."""

    def begin(self, partition: int) -> None:
        """Say that a partition is read from the beginning of its log, so that nothing of it can be missing."""
        self._floor[partition] = NONE

    def take(self, partition: int, cause: Cause, value: bytes) -> Taken | None:
        """Accept the next record of a partition; None for one that was seen before, cannot be read, or is synthetic.

        Synthetic alerts are nobody's: of them only `Proved` is told, and they are neither kept nor replayed.
        """
        if cause <= self._read[partition]:
            return None
        try:
            message = _Synthetic.model_validate_json(value) if _SYNTHETIC in value else decode(value)
        except ValidationError:
            self.unreadable += 1
            return None
        self._read[partition] = cause
        if self._floor[partition] is None:
            self._floor[partition] = cause
        if isinstance(message, Answer | FeedMark):
            return message
        if isinstance(message, _Synthetic):
            return message.proved
        if is_proof(message.label):  # written otherwise than we know: nobody sees it, and the proof fails loudly
            return None
        return self._keep(partition, cause, message, value)

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

    def receipt(self, alert: UUID, announcements: int, principal: Principal) -> Place | None:
        """Where to say that a screen has had so many announcements of an alert.

        None where there is nothing to say: it is known already, or the alert is not open, out of scope, or has not
        called so often.
        """
        entry, calls = self.alerts.open.get(alert), self._calls.get(alert)
        if entry is None or calls is None or not principal.sees(entry.site):
            return None
        if not calls.delivered < announcements <= calls.announcements:
            return None
        self._calls[alert] = calls._replace(delivered=announcements)
        return self.alerts.place_of(alert)

    def _keep(self, partition: int, cause: Cause, message: Alert | Shelf | Service, value: bytes) -> Entry:
        entry = Entry(partition, cause, message.site, message.kind, value.decode())
        key = message.patient.bytes if message.patient else f"site:{message.site}".encode()
        match message:
            case Alert():
                self.alerts.put(message.id, entry, key, ended=message.closed)
                self._called(message)
                if message.rule == SITE_SILENT:
                    self._silence(message)
            case Shelf():
                self.shelves.put(message.id, entry, key, ended=message.ended)
            case Service():
                self.services.put(message.patient, entry, key, ended=message.ended)
        self._changed[partition] = cause
        self._history.append(entry)
        if len(self._history) > self._history_max:
            dropped = self._history.popleft()
            self._floor[dropped.partition] = dropped.version
        return entry

    def _silence(self, alert: Alert) -> None:
        """A site fell silent, or is heard again; an older alert of it that closes late ends nothing."""
        known = self.silent.get(alert.site)
        if not alert.closed:
            self.silent[alert.site] = alert
        elif known is not None and known.id == alert.id:
            del self.silent[alert.site]

    def _called(self, alert: Alert) -> None:
        if alert.closed:
            self._calls.pop(alert.id, None)
            return
        known = self._calls.get(alert.id)
        told = 0 if known is None else known.delivered
        self._calls[alert.id] = Calls(alert.announcements, max(told, alert.delivered))

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


def frame_bytes(frame: str) -> int:
    """Bytes of a frame in UTF-8; ASCII, as most of it is, is not encoded for that."""
    return len(frame) if frame.isascii() else len(frame.encode())


class ClientQueue:
    """Frames that wait for one client, bounded in bytes."""

    __slots__ = ("_bytes_max", "_frames", "waiting_bytes")

    def __init__(self, bytes_max: int = QUEUE_BYTES_MAX) -> None:
        self._frames: deque[str] = deque()
        self._bytes_max = bytes_max
        self.waiting_bytes = 0

    def push(self, frame: str) -> bool:
        """Add a frame; False when it does not fit, and then this client cannot be served any further."""
        size = frame_bytes(frame)
        if self.waiting_bytes + size > self._bytes_max:
            return False
        self._frames.append(frame)
        self.waiting_bytes += size
        return True

    def pop(self) -> str | None:
        """The oldest frame, or None."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self.waiting_bytes -= frame_bytes(frame)
        return frame


def scope_of(principal: Principal) -> str:
    """A short name of what a principal may see: a cursor is only good for the scope in which it was given."""
    if principal.sites is None:
        return "*"
    return hashlib.sha256(",".join(map(str, sorted(principal.sites))).encode()).hexdigest()[:12]
