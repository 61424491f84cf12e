"""Snapshots in their topic: chunks and then a manifest behind what they stand for, and the newest whole one again.

Nothing depends on them but the time that a start takes, unless the log has lost its beginning: a snapshot that cannot
be written is one line in the log and is tried again, and one that cannot be read is passed over for an older one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from runtime.kafka import Out, Partition, Producer, Reader
from vitals.codecs.state import State, decode, encode
from vitals.errors import CodecError
from vitals.snapshots import CHUNK_KEY, MANIFEST_KEY, Format, Manifest, Piece, check, chunks, digest, joined
from vitals.steps import Records

log = structlog.get_logger()
SCAN_RECORDS_MAX = 64
"""Records of one look back for a manifest: 32 MiB, where they are all chunks of a snapshot that was not finished."""


class Snapshot(NamedTuple):
    """A whole snapshot: the state after every record before ``offset``; ``size`` in bytes."""

    offset: int
    size: int
    state: State


async def write(producer: Producer, place: Partition, known: Format, offset: int, state: State) -> int:
    """Write the state before ``offset``, whose outputs are durable; its size in bytes.

    What takes long is done in a thread. A write that is given up leaves chunks that nobody reads.

    Raises:
        ServerError: Kafka's troubles.
    """
    parts = await asyncio.to_thread(encode, state)
    pieces, size = [], 0
    for chunk in chunks(parts):
        told = await asyncio.to_thread(digest, chunk)
        (at,) = await producer.send([Out(*place, CHUNK_KEY, chunk)])
        pieces.append(Piece(offset=at, digest=told))
        size += len(chunk)
    manifest = Manifest(step=known.step, format=known.version, offset=offset, size=size, chunks=tuple(pieces))
    await producer.send([Out(*place, MANIFEST_KEY, manifest.encode())])
    return size


async def intact(reader: Reader, place: Partition, known: Format, usable: range) -> AsyncGenerator[Snapshot, None]:
    """The whole snapshots at the topic's end whose offset is ``usable``, the greatest first.

    Ends where the newest that is left is older than that. One that is passed over is one line in the log. The
    ``reader`` reads nothing else meanwhile.
    """
    tail = await _Tail.of(reader, place)
    while (best := await tail.best()) is not None and best.manifest.offset >= usable.start:
        try:
            _check(best.manifest, known, usable)
            found = await tail.chunks(best)
            if await tail.best() != best:
                continue  # before it lies one that stands for more: another owner was behind, and wrote later
            state = await asyncio.to_thread(_state, best.manifest, found)
        except CodecError as error:
            _passed_over(place, str(error))
        else:
            yield Snapshot(best.manifest.offset, best.manifest.size, state)
        tail.tried(best)


def _check(manifest: Manifest, known: Format, usable: range) -> None:
    check(manifest, known)
    if manifest.offset not in usable:
        what = f"it stands for the records before {manifest.offset}, the log ends at {usable.stop - 1}"
        raise CodecError("a snapshot is ahead of its log", what)


def _state(manifest: Manifest, found: list[bytes]) -> State:
    return decode(joined(manifest, found))


def _passed_over(place: Partition, error: str) -> None:
    log.warning("snapshot passed over", topic=place[0], partition=place[1], error=error)


class _Found(NamedTuple):
    """A manifest and its own offset."""

    at: int
    manifest: Manifest


class _Tail:
    """The end of a topic, read backwards: the manifests seen so far that were not tried, by their own offset."""

    def __init__(self, reader: Reader, place: Partition, first: int, end: int) -> None:
        self._reader, self._place = reader, place
        self._first, self._low, self._step = first, end, 1
        self._waiting: dict[int, Manifest] = {}
        self._tried: set[int] = set()

    @classmethod
    async def of(cls, reader: Reader, place: Partition) -> _Tail:
        """The tail of a partition as it ends now."""
        first, end = await reader.beginning_offsets([place]), await reader.end_offsets([place])
        reader.assign([place])
        return cls(reader, place, first[place], end[place])

    async def best(self) -> _Found | None:
        """What stands for the most records among what was seen; looks further back only where nothing is left."""
        while not self._waiting and self._low > self._first:
            start = max(self._first, self._low - self._step)
            await self._look(start, self._low)
            self._step = min(self._step * 8, SCAN_RECORDS_MAX)
        found = (_Found(at, manifest) for at, manifest in self._waiting.items())
        return max(found, key=lambda each: (each.manifest.offset, each.at), default=None)

    async def chunks(self, found: _Found) -> list[bytes]:
        """The chunks of a snapshot. The record before them is looked at too: it may be another manifest.

        Raises:
            CodecError: they are not there any more.
        """
        wanted = [piece.offset for piece in found.manifest.chunks]
        if not wanted or min(wanted) < self._first or max(wanted) >= found.at:
            raise CodecError("a snapshot's chunks are not there any more", f"manifest at {found.at}")
        # to where it was seen already: between chunks and manifest another owner's manifest may lie
        records = await self._look(max(self._first, min(wanted) - 1), max(max(wanted) + 1, self._low))
        values = dict(zip(records.offsets, records.values, strict=True))
        return [values[at] for at in wanted if at in values]

    async def _look(self, start: int, end: int) -> Records:
        records = await self._reader.between(self._place, start, end)
        self._low = min(self._low, start)
        for at, key, value in zip(records.offsets, records.keys, records.values, strict=True):
            if key == MANIFEST_KEY and at not in self._tried:
                self._take(at, value)
        return records

    def _take(self, at: int, value: bytes) -> None:
        try:
            self._waiting[at] = Manifest.model_validate_json(value)
        except ValidationError:
            self._tried.add(at)
            _passed_over(self._place, f"no manifest at offset {at}")

    def tried(self, found: _Found) -> None:
        """Never come back to this one."""
        self._waiting.pop(found.at, None)
        self._tried.add(found.at)
