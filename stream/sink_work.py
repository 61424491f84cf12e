"""One transaction's worth of work: what the records of one poll come to, and what became of its readings; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream import sink, sink_messages
from stream.sink import Batch, Broken, Identities
from stream.sink_messages import Aside, Change, PolicyVersion, Registered, Rejected
from stream.sink_windows import Mark
from vitals.steps import Records
from vitals.topics import BINDINGS, FEED, READINGS, REJECTED, WINDOWS

Partition = tuple[str, int]
SOURCES = (READINGS, WINDOWS, FEED, REJECTED, BINDINGS)
"""The topics that are stored."""


class Move(NamedTuple):
    """A partition's position before and after a transaction."""

    topic: str
    partition: int
    expected: int
    next: int


class Work(NamedTuple):
    """Everything that one transaction stores."""

    moves: list[Move]
    batch: Batch
    windows: NDArray[np.void]
    marks: list[Mark]
    changes: list[Change]
    set_aside: list[Aside]
    policies: list[PolicyVersion]
    rejected: list[Rejected]
    registered: Registered
    broken: list[Broken]


class Stored(NamedTuple):
    """The identities of a batch that had been stored before it, with what is stored; all of one shape (k,)."""

    identity: NDArray[np.intp]
    value: NDArray[np.float64]
    unit: NDArray[np.int64]


class Settled(NamedTuple):
    """What became of each row of a batch, masks of the shape (n,) that exclude each other and cover all rows."""

    new: NDArray[np.bool_]
    duplicate: NDArray[np.bool_]
    conflict: NDArray[np.bool_]
    value: NDArray[np.float64]
    """What is stored under each row's identity, shape (n,)."""
    unit: NDArray[np.int64]


class Tally(NamedTuple):
    """What one transaction adds to a partition's counters: rows of readings, and broken records of any topic."""

    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    broken: int = 0


def split(polls: Iterable[Records], bytes_max: int) -> Iterator[list[Records]]:
    """The records of a poll in parts of at most ``bytes_max`` bytes of values, or of one record; all in order."""
    part: list[Records] = []
    room = bytes_max
    for records in polls:
        begin = 0
        for end, value in enumerate(records.values):
            size = len(value or b"")
            if size > room and (part or begin < end):
                yield part + ([_slice(records, begin, end)] if begin < end else [])
                part, room, begin = [], bytes_max, end
            room -= size
        part.append(_slice(records, begin, len(records.values)))
    if part:
        yield part


def _slice(records: Records, begin: int, end: int) -> Records:
    return Records(
        records.topic,
        records.partition,
        records.offsets[begin:end],
        records.keys[begin:end],
        records.values[begin:end],
        records.headers[begin:end],
    )


def gather(polls: Iterable[Records], positions: Mapping[Partition, int], clocks: dict[int, int] | None = None) -> Work:
    """The work in the records of a poll; ``positions`` says where each partition stands in the database.

    ``clocks`` carries the newest tick of each partition of readings (µs UTC) from one poll to the next.
    """
    by_topic: dict[str, list[Records]] = {topic: [] for topic in SOURCES}
    moves: list[Move] = []
    for records in polls:
        by_topic[records.topic].append(records)
        position = positions[records.topic, records.partition]
        moves.append(Move(records.topic, records.partition, position, records.offsets[-1] + 1))
    batch, broken = sink.read_readings(by_topic[READINGS])
    windows, marks, more = sink.read_windows(by_topic[WINDOWS])
    broken += more
    changes, set_aside, more = sink_messages.read_feed(by_topic[FEED])
    broken += more
    policies = sink_messages.read_policies(by_topic[READINGS], {} if clocks is None else clocks)
    registered, more = sink_messages.read_bindings(by_topic[BINDINGS])
    broken += more
    rejected = sink_messages.read_rejected(by_topic[REJECTED])
    return Work(moves, batch, windows, marks, changes, set_aside, policies, rejected, registered, broken)


class Works(Iterator[Work]):
    """The work of a poll in parts of at most ``bytes_max`` bytes; ``positions`` says where the database stands.

    ``clocks`` is `gather`'s. `look_ahead` makes the next one early, while somebody else is at work.
    """

    def __init__(
        self,
        polls: Iterable[Records],
        positions: Mapping[Partition, int],
        bytes_max: int,
        clocks: dict[int, int] | None = None,
    ) -> None:
        self._clocks = {} if clocks is None else clocks
        self._parts = split(polls, bytes_max)
        self._positions = dict(positions)
        self._ahead: Work | None = None

    def look_ahead(self) -> None:
        """Make the next one now, if there is one and it is not made yet."""
        part = next(self._parts, None) if self._ahead is None else None
        if part is not None:
            self._ahead = gather(part, self._positions, self._clocks)
            self._positions.update({(move.topic, move.partition): move.next for move in self._ahead.moves})

    def __next__(self) -> Work:
        self.look_ahead()
        work, self._ahead = self._ahead, None
        if work is None:
            raise StopIteration
        return work


def settle(batch: Batch, found: Identities, stored: Stored) -> Settled:
    """Judge every row of ``batch`` by what stands under its identity: the database's row, else the batch's first."""
    value = batch.rows["value"][found.first]
    unit = batch.rows["unit"][found.first].astype(np.int64)
    value[stored.identity], unit[stored.identity] = stored.value, stored.unit
    fresh = np.ones(len(found.first), np.bool_)
    fresh[stored.identity] = False
    new = np.zeros(len(batch.rows), np.bool_)
    new[found.first[fresh]] = True
    differs = sink.differs(batch, found, value, unit) & ~new
    return Settled(new, ~new & ~differs, differs, value[found.of_row], unit[found.of_row])


def tallies(work: Work, settled: Settled, refused: Batch, kept: Batch) -> dict[Partition, Tally]:
    """What each moved partition's counters grow by; rows ``refused`` for their times count as broken."""
    partitions = 1 + max((move.partition for move in work.moves), default=0)

    def per_partition(batch: Batch, mask: NDArray[np.bool_] | None = None) -> NDArray[np.intp]:
        chosen = batch.partition if mask is None else batch.partition[mask]
        return np.bincount(chosen, minlength=partitions)

    new, duplicate = per_partition(kept, settled.new), per_partition(kept, settled.duplicate)
    conflict, refusals = per_partition(kept, settled.conflict), per_partition(refused)
    broken = _counted((each.topic, each.partition) for each in work.broken)
    found: dict[Partition, Tally] = {}
    for topic, partition, _, _ in work.moves:
        bad = broken.get((topic, partition), 0)
        found[topic, partition] = Tally(broken=bad)
        if topic == READINGS:
            found[topic, partition] = Tally(
                int(new[partition]), int(duplicate[partition]), int(conflict[partition]), bad + int(refusals[partition])
            )
    return found


def _counted(keys: Iterable[Partition]) -> dict[Partition, int]:
    counts: dict[Partition, int] = {}
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    return counts


def refusals(kept: Batch, settled: Settled, refused: Batch, name_of: Callable[[Batch, int], str]) -> list[sink.Refusal]:
    """The records for ``vitals.rejected`` that a batch gives, in log order of each kind."""
    conflicts = [
        sink.conflict(kept, row, name_of(kept, row), float(settled.value[row]), int(settled.unit[row]))
        for row in np.flatnonzero(settled.conflict).tolist()
    ]
    return conflicts + [sink.beyond_calendar(refused, row, name_of(refused, row)) for row in range(len(refused.rows))]
