"""Snapshots in a topic: the newest whole one is found, whoever wrote what else; on a real broker and on the fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from runtime.kafka import Out, delete_topics, ensure_topics
from runtime.settings import Settings
from runtime.snapshots import Snapshot, intact, write
from runtime.testing import MemoryKafka
from tests.contract.test_kafka import RealKafka
from vitals.codecs.state import State
from vitals.snapshots import CHUNK_KEY, MANIFEST_KEY, Format, Manifest, Piece, digest
from vitals.topics import TopicSpec

TOPIC = "contract.snapshots"
PLACE = (TOPIC, 0)
KNOWN = Format("tested", 2)
EVERYTHING = range(1, 1_000_001)
Port = RealKafka | MemoryKafka


@pytest.fixture(params=["memory", "real"])
async def port(request: pytest.FixtureRequest, namespace: str) -> AsyncIterator[Port]:
    """A topic of one partition."""
    if request.param == "memory":
        yield MemoryKafka({TOPIC: 1})
        return
    settings = Settings(kafka=request.getfixturevalue("kafka"), namespace=namespace)
    await ensure_topics(settings, [TopicSpec(TOPIC, partitioned=False)])
    yield RealKafka(settings)
    await delete_topics(settings, [TOPIC])


def state(number: int, size: int = 3) -> State:
    """A state with a column of so many numbers, 8 bytes each."""
    return {"number": number, "column": np.arange(size, dtype=np.int64) * number}


async def put(port: Port, *offsets: int, size: int = 3, known: Format = KNOWN) -> None:
    """Write a snapshot for each of these positions."""
    async with port.producer() as producer:
        for offset in offsets:
            await write(producer, PLACE, known, offset, state(offset, size))


async def raw(port: Port, *records: tuple[bytes, bytes]) -> list[int]:
    async with port.producer() as producer:
        return await producer.send([Out(*PLACE, key, value) for key, value in records])


async def found(port: Port, usable: range = EVERYTHING) -> list[Snapshot]:
    async with port.reader([]) as reader:
        return [snapshot async for snapshot in intact(reader, PLACE, KNOWN, usable)]


def offsets(snapshots: Sequence[Snapshot]) -> list[int]:
    return [snapshot.offset for snapshot in snapshots]


def passed_over(logs: list[Any]) -> list[str]:
    return [each["error"] for each in logs if each["event"] == "snapshot passed over"]


async def test_a_state_comes_back_as_it_was(port: Port) -> None:
    """In as many chunks as it takes, each small enough for any broker."""
    await put(port, 7, size=200_000)
    (one,) = await found(port)
    assert (one.offset, one.state["number"]) == (7, 7)
    assert one.size > 1_600_000
    assert np.array_equal(one.state["column"], state(7, 200_000)["column"])
    async with port.reader([]) as reader:
        assert await reader.end_offsets([PLACE]) == {PLACE: 5}, "four chunks and a manifest"


async def test_a_topic_without_snapshots_has_none(port: Port) -> None:
    """The first start of all; and chunks alone are none either."""
    assert await found(port) == []
    await raw(port, *[(CHUNK_KEY, b"%d" % number) for number in range(200)])
    assert await found(port) == []


async def test_the_one_that_stands_for_the_most_comes_first(port: Port) -> None:
    """Who lost the partition and does not know it yet may write later than who has it; that is the older state."""
    await put(port, 5, 90)
    await put(port, 80)
    async with port.reader([]) as reader:
        async for snapshot in intact(reader, PLACE, KNOWN, EVERYTHING):
            assert snapshot.offset == 90
            break
    assert offsets(await found(port)) == [90, 80, 5]


async def test_two_who_write_at_once_both_leave_whole_snapshots(port: Port) -> None:
    """Their chunks lie among each other, and each manifest names its own."""
    await asyncio.gather(*(put(port, number, size=300_000) for number in (10, 11)))
    snapshots = await found(port)
    assert offsets(snapshots) == [11, 10]
    for each in snapshots:
        assert np.array_equal(each.state["column"], state(each.offset, 300_000)["column"])


async def test_what_was_not_finished_is_not_seen(port: Port) -> None:
    """A writer killed in the middle leaves chunks; the snapshot before them is found behind however many."""
    await put(port, 3)
    await raw(port, *[(CHUNK_KEY, b"%d" % number) for number in range(600)])
    assert offsets(await found(port)) == [3]


async def test_what_is_broken_foreign_or_newer_is_passed_over_in_one_line_each(port: Port) -> None:
    """An older whole one costs a longer replay; a wrong state would cost a patient."""
    await put(port, 3)
    (at,) = await raw(port, (CHUNK_KEY, b"not what it was"))
    torn = Manifest(step="tested", format=2, offset=4, size=3, chunks=(Piece(offset=at, digest=digest(b"was")),))
    short = Manifest(
        step="tested", format=2, offset=5, size=99, chunks=(Piece(offset=at, digest=digest(b"not what it was")),)
    )
    nonsense = short.model_copy(update={"offset": 6, "size": 15})
    gone = short.model_copy(update={"offset": 7, "chunks": (Piece(offset=999, digest=""),)})
    await raw(port, *[(MANIFEST_KEY, each.encode()) for each in (torn, short, nonsense, gone)], (MANIFEST_KEY, b"{"))
    await put(port, 8, known=Format("tested", 3))
    await put(port, 9, known=Format("tested", 1))
    await put(port, 10, known=Format("another", 2))
    with capture_logs() as logs:
        assert offsets(await found(port)) == [3]
    lines = passed_over(logs)
    assert sorted(lines) == sorted(set(lines))
    for part in (
        "another step: another, not tested",
        "an older format: 1, this version knows 2",
        "a newer format: 3, this version knows 2",
        "no manifest at offset",
        "chunks are not there any more",
        "does not hold what it should",
        "not as long as its manifest says",
        "not what its manifest says",
    ):
        assert sum(part in line for line in lines) == 1, (part, lines)
    assert len(lines) == 8


async def test_one_that_is_ahead_of_its_log_is_passed_over(port: Port) -> None:
    """The log was restored from a copy that is older: who went on from there would leave out what comes now."""
    await put(port, 5, 900)
    with capture_logs() as logs:
        assert offsets(await found(port, range(1, 801))) == [5]
    assert passed_over(logs) == [
        "a snapshot is ahead of its log: it stands for the records before 900, the log ends at 800"
    ]


async def test_older_ones_than_are_of_use_are_not_looked_for(port: Port) -> None:
    """Between them and the log's beginning records are missing, and whatever lies further back is older still."""
    await put(port, 5, 6, 7)
    with capture_logs() as logs:
        assert offsets(await found(port, range(6, 100))) == [7, 6]
        assert offsets(await found(port, range(8, 100))) == []
    assert passed_over(logs) == []


async def test_chunks_that_retention_took_make_no_snapshot(namespace: str) -> None:
    """Retention goes by size and knows nothing of what belongs together."""
    port = MemoryKafka({TOPIC: 1})
    assert namespace
    await put(port, 5, size=200_000)
    port.truncate(TOPIC, 0, 2)
    with capture_logs() as logs:
        assert await found(port) == []
    assert passed_over(logs) == ["a snapshot's chunks are not there any more: manifest at 4"]
