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
MISHAP_OF = 4
"""For so many wild clients there is at least one stall, one kill and one resume; a drill of its length has far more."""


class Kept(NamedTuple):
    """A change in the database; ``partition`` is its patient's, ``digest`` stands for all of the alert."""

    partition: int
    version: Version
    alert: UUID
    change: str
    closed: bool
    digest: str = ""


class Joined(NamedTuple):
    """A whole snapshot: where it stands in each partition, and the version of each open alert in it."""

    read: Mapping[int, Version]
    open: Mapping[UUID, Version]


class Got(NamedTuple):
    """A change that a client received at ``at`` (µs UTC); ``digest`` stands for all of the alert."""

    partition: int
    version: Version
    alert: UUID
    change: str
    at: int
    digest: str = ""


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
    if wanted.digest != event.digest:
        return f"{_line(event)} is another alert in the database, in what it says"
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
        "bodies_compared": sum(
            bool(event.digest) for each in records for event in each.events if isinstance(event, Got)
        ),
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


def judge_mishaps(records: Sequence[Record]) -> Finding:
    """Enough of those that are not steady stalled, died and came back; else their records prove little.

    Who comes back to a snapshot has not resumed: every connection with a cursor that is honoured goes on without one.
    """
    finding = Finding()
    wild = [each for each in records if not each.steady]
    snapshots = [sum(isinstance(event, Joined) for event in each.events) for each in wild]
    counted = {
        "stalls": sum(each.stalls for each in wild),
        "kills": sum(each.kills for each in wild),
        "resumes": sum(max(0, each.connections - seen) for each, seen in zip(wild, snapshots, strict=True)),
    }
    finding.figures["client_resumes"] = counted["resumes"]
    least = len(wild) / MISHAP_OF
    few = [f"{count} {what}" for what, count in counted.items() if count < least]
    finding.none_of(f"less than one mishap of a kind for {MISHAP_OF} of the {len(wild)} wild clients", few)
    return finding


@dataclass(frozen=True, slots=True)
class Deafness:
    """What became of one client that never reads: seconds until it was cut (None: never), and how many it may be."""

    name: str
    cut_s: float | None
    within_s: float


class Look(NamedTuple):
    """Bytes that wait for one client, the most of all: those that the gateway tells of, and those in the kernel."""

    gateway: float
    kernel: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes that may wait for one client, and that have to have waited at some look."""

    gateway_max: int
    together_max: int
    gateway_min: int
    kernel_min: int


def judge_waiting(looks: Sequence[Look], bounds: Bounds) -> Finding:
    """At no look did more bytes wait for one client than may, and the limit was tried.

    The kernel is asked itself: of what it holds the gateway knows nothing but that it took it.
    """
    finding = Finding()
    gateway = max((each.gateway for each in looks), default=0.0)
    kernel = max((each.kernel for each in looks), default=0)
    together = max((each.gateway + each.kernel for each in looks), default=0.0)
    finding.figures["buffered_bytes_most"] = round(gateway)
    finding.figures["kernel_bytes_most"] = kernel
    finding.figures["waiting_bytes_most"] = round(together)
    for what, found, most in (("", gateway, bounds.gateway_max), (" with the kernel's", together, bounds.together_max)):
        if found > most:
            finding.differences.append(f"bytes that waited for one client{what}: {found:.0f}, at most {most}")
    for what, found, least in (
        ("gateway", gateway, bounds.gateway_min),
        ("kernel", kernel, bounds.kernel_min),
    ):
        if found < least:
            finding.differences.append(f"bytes that waited in the {what}: {found:.0f}; the limit was not tried")
    return finding


def judge_deaf(deaf: Sequence[Deafness]) -> Finding:
    """Each was cut, in its time."""
    finding = Finding()
    finding.figures["deaf_cut_s"] = {each.name: each.cut_s for each in deaf}
    finding.none_of("clients that never read and were never cut", (each.name for each in deaf if each.cut_s is None))
    late = [
        f"{each.name} after {each.cut_s} s instead of {each.within_s:g} s"
        for each in deaf
        if each.cut_s is not None and each.cut_s > each.within_s
    ]
    finding.none_of("clients that never read and were cut late", late)
    return finding


def judge_cuts(burst: Mapping[str, int], cuts: Mapping[str, int], *, bytes_min: int, deaf: int) -> Finding:
    """The gateway's own count of whom it cut, by reason: up to the end of the burst, and at the end.

    That a client was cut does not say why: the patience would end each of them in the end, whatever waits.
    """
    finding = Finding()
    finding.figures["clients_cut_in_burst"], finding.figures["clients_cut"] = dict(burst), dict(cuts)
    if (found := burst.get("bytes", 0)) < bytes_min:
        finding.differences.append(f"clients cut at the limit in bytes: {found}, expected at least {bytes_min}")
    if (found := sum(cuts.values())) < deaf:
        finding.differences.append(f"clients that the gateway says it cut: {found}, expected at least {deaf}")
    return finding


def _line(each: Kept | Got) -> str:
    return f"{each.change} {each.version[0]}.{each.version[1]} of partition {each.partition}"
