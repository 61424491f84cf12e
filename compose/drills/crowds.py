"""What clients of the feed wrote down, and whether that is what the database has; pure.

The feed counts by partition: a snapshot says up to which version of each it stands, and every change after it must come
once, in order, none left out. So a client's record is walked through with a finger on each partition's next change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from compose.drills.accounts import Finding
from vitals.alerts import Version

NONE: Version = (-1, -1)


class Kept(NamedTuple):
    """A change in the database; ``partition`` is its patient's."""

    partition: int
    version: Version
    alert: UUID
    change: str
    closed: bool


class Joined(NamedTuple):
    """A whole snapshot: where it stands in each partition, and the version of each open alert in it."""

    read: Mapping[int, Version]
    open: Mapping[UUID, Version]


class Got(NamedTuple):
    """A change that a client received at ``at`` (µs UTC)."""

    partition: int
    version: Version
    alert: UUID
    change: str
    at: int


@dataclass(slots=True)
class Record:
    """Everything that one client wrote down, and the alerts that it holds for open at the end."""

    name: str
    steady: bool
    events: Sequence[Joined | Got] = ()
    final: Mapping[UUID, Version] = field(default_factory=dict)
    connections: int = 1
    stalls: int = 0
    kills: int = 0
    gaps: int = 0
    """Times that it came with its cursor and was not promised everything."""


class History:
    """The database's changes as a walk along each partition."""

    def __init__(self, kept: Iterable[Kept]) -> None:
        self._by_partition: dict[int, list[Kept]] = {}
        for each in sorted(set(kept), key=lambda one: one.version):
            self._by_partition.setdefault(each.partition, []).append(each)
        self._versions = {number: [each.version for each in kept] for number, kept in self._by_partition.items()}

    @property
    def partitions(self) -> Iterable[int]:
        """Partitions with any change."""
        return self._by_partition.keys()

    @property
    def end(self) -> dict[int, Version]:
        """The last version of each partition."""
        return {number: versions[-1] for number, versions in self._versions.items()}

    def after(self, partition: int, version: Version) -> list[Kept]:
        """Changes of a partition behind a version."""
        known = self._versions.get(partition, [])
        return self._by_partition.get(partition, [])[bisect_right(known, version) :]

    def next(self, partition: int, version: Version) -> Kept | None:
        """The first change of a partition behind a version."""
        known = self._versions.get(partition, [])
        place = bisect_right(known, version)
        return self._by_partition[partition][place] if place < len(known) else None

    def open_at(self, read: Mapping[int, Version]) -> dict[UUID, Version]:
        """The alerts that are open for who has read each partition up to there."""
        found: dict[UUID, Version] = {}
        for number, kept in self._by_partition.items():
            for each in kept[: bisect_right(self._versions[number], read.get(number, NONE))]:
                found[each.alert] = each.version
                if each.closed:
                    del found[each.alert]
        return found


def faults(record: Record, history: History, end: Mapping[int, Version]) -> list[str]:
    """What is wrong with one client's record, in its order; everything up to ``end`` has to have come."""
    found: list[str] = []
    finger: dict[int, Version] = dict.fromkeys(history.partitions, NONE)
    for event in record.events:
        if isinstance(event, Joined):
            finger |= event.read
            if dict(event.open) != history.open_at(event.read):
                found.append(f"{record.name}: a snapshot is not the open list of its cursor")
            continue
        place = finger.get(event.partition, NONE)
        if wrong := _wrong(event, place, history):
            found.append(f"{record.name}: {wrong}")
        finger[event.partition] = max(place, event.version)
    missing = [
        each
        for number, version in finger.items()
        for each in history.after(number, version)
        if each.version <= end.get(number, NONE)
    ]
    if missing:
        found.append(f"{record.name}: {len(missing)} changes never came, the first {_line(missing[0])}")
    if dict(record.final) != history.open_at(finger):
        found.append(f"{record.name}: its open list at the end is not the database's")
    if record.gaps:
        found.append(f"{record.name}: came with its cursor and was not promised everything, {record.gaps} times")
    return found


def _wrong(event: Got, place: Version, history: History) -> str:
    """What is wrong with a change that comes to who has read its partition up to ``place``."""
    if event.version <= place:
        return f"{_line(event)} came again, or too late"
    wanted = history.next(event.partition, place)
    if wanted is None or wanted.version > event.version:
        return f"{_line(event)} is not in the database"
    if wanted.version < event.version:
        return f"{_line(wanted)} was left out before {_line(event)}"
    if (wanted.alert, wanted.change) != (event.alert, event.change):
        return f"{_line(event)} is {_line(wanted)} in the database"
    return ""


def judge(records: Sequence[Record], kept: Sequence[Kept], *, end: Mapping[int, Version], clients: int) -> Finding:
    """Compare what so many clients wrote down with the database; all had to read to ``end``, some read on."""
    finding = Finding()
    history = History(kept)
    finding.figures |= {
        "clients": len(records),
        "client_connections": sum(each.connections for each in records),
        "client_stalls": sum(each.stalls for each in records),
        "client_kills": sum(each.kills for each in records),
        "client_snapshots": sum(isinstance(event, Joined) for each in records for event in each.events),
        "client_changes": sum(isinstance(event, Got) for each in records for event in each.events),
        "open_at_end": len(history.open_at(history.end)),
    }
    wrong = [faults(record, history, end) for record in records]
    finding.figures["clients_equal_to_database"] = sum(not each for each in wrong)
    finding.none_of("clients whose record is not the database's", (each[0] for each in wrong if each))
    if len(records) != clients:
        finding.differences.append(f"clients with a record: {len(records)}, expected {clients}")
    if not finding.figures["client_changes"] or not finding.figures["open_at_end"]:
        finding.differences.append("nothing was open or nothing changed: that proves nothing")
    return finding


@dataclass(frozen=True, slots=True)
class Deafness:
    """What became of one client that never reads: seconds until it was cut (None: never)."""

    name: str
    cut_s: float | None


def judge_deaf(
    deaf: Sequence[Deafness], *, buffered_most: float, bytes_max: int, within_s: float, sample_min: int
) -> Finding:
    """Each was cut in time, and at no look did more bytes wait for one client than may; they did wait at some."""
    finding = Finding()
    finding.figures["deaf_cut_s"] = {each.name: each.cut_s for each in deaf}
    finding.figures["buffered_bytes_most"] = round(buffered_most)
    finding.none_of("clients that never read and were never cut", (each.name for each in deaf if each.cut_s is None))
    late = [f"{each.name} {each.cut_s} s" for each in deaf if each.cut_s is not None and each.cut_s > within_s]
    finding.none_of(f"clients that never read, cut later than {within_s:g} s", late)
    if buffered_most > bytes_max:
        finding.differences.append(f"bytes that waited for one client: {buffered_most:.0f}, at most {bytes_max}")
    if buffered_most < sample_min:
        finding.differences.append(f"bytes that waited for one client: {buffered_most:.0f}; the limit was not tried")
    return finding


def _line(each: Kept | Got) -> str:
    return f"{each.change} {each.version[0]}.{each.version[1]} of partition {each.partition}"
