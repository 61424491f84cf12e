"""The runner on a real Kafka: what a crash, a repeat and a second owner leave in the output."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest

from runtime.clock import SystemClock
from runtime.kafka import GroupConsumer, Out, Partition, Producer, Reader
from runtime.runner import Runner, RunnerSpec
from runtime.settings import Settings
from runtime.testing.waiting import until
from vitals.causes import Cause, of_headers
from vitals.codecs.state import State, reading
from vitals.errors import StateError
from vitals.snapshots import Format
from vitals.steps import Output, Records
from vitals.topics import FEED, JOURNAL, MANAGER_SNAPSHOTS


class Sum:
    """Writes the running sum after each record, and a second output after each tenth."""

    FORMAT: ClassVar[Format] = Format("sum", 1)

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.total = 0
        self.stepped = 0

    def step(self, records: Records) -> list[Output]:
        """One or two outputs a record."""
        outputs = []
        for offset, value in zip(records.offsets, records.values, strict=True):
            (number,) = struct.unpack(">q", value)
            self.total += number
            self.stepped += 1
            for ordinal in range(2 if offset % 10 == 9 else 1):
                text = f"{self.total}/{ordinal}".encode()
                outputs.append(Output(FEED, self.partition, b"sum", text, Cause(offset, ordinal)))
        return outputs

    def state(self) -> State:
        """The sum."""
        return {"total": self.total}

    def restore(self, state: State) -> None:
        """The sum again."""
        with reading():
            self.total = state["total"]


def expected(count: int) -> list[bytes]:
    """What `Sum` writes over the numbers 0 to ``count`` - 1."""
    total, texts = 0, []
    for number in range(count):
        total += number
        texts += [f"{total}/{ordinal}".encode() for ordinal in range(2 if number % 10 == 9 else 1)]
    return texts


SPEC = RunnerSpec(JOURNAL, "sum", Sum, (FEED,), MANAGER_SNAPSHOTS)


async def put(settings: Settings, numbers: range, partition: int = 1) -> None:
    async with Producer(settings, "numbers") as producer:
        await producer.send([Out(JOURNAL, partition, None, struct.pack(">q", number)) for number in numbers])


async def written(settings: Settings) -> list[tuple[Cause | None, bytes]]:
    found: list[tuple[Cause | None, bytes]] = []
    async with Reader(settings, [(FEED, 1)]) as reader:
        end = (await reader.end_offsets())[FEED, 1]
        while len(found) < end:
            for records in await reader.poll(1.0):
                found += zip(map(of_headers, records.headers), records.values, strict=True)
    return found


@asynccontextmanager
async def running(settings: Settings, instance: str = "0", group: str = "sum") -> AsyncIterator[Runner[Sum]]:
    runner = Runner(settings, SPEC, monotonic=SystemClock().monotonic)
    async with (
        Producer(settings, f"sum-{instance}") as producer,
        GroupConsumer(settings, [JOURNAL], group, instance) as consumer,
        asyncio.TaskGroup() as tasks,
    ):
        task = tasks.create_task(runner.run(consumer, producer))
        yield runner
        task.cancel()


async def test_outputs_carry_their_cause_and_come_once(topics: Settings) -> None:
    """The version of an output is its cause: that is what makes every repeat harmless."""
    await put(topics, range(25))
    async with running(topics) as runner:
        await until(lambda: runner.positions.get(1) == 25)
        await until(lambda: runner.recovered)
    found = await written(topics)
    assert [value for _, value in found] == expected(25)
    assert [cause for cause, _ in found] == sorted(cause for cause, _ in found if cause)


async def test_a_restarted_runner_goes_on_after_its_last_cause(topics: Settings) -> None:
    """It replays the whole log and must not write one output twice, nor leave one out."""
    await put(topics, range(30))
    async with running(topics) as runner:
        await until(lambda: runner.positions.get(1) == 30)
    await put(topics, range(30, 50))
    async with running(topics) as runner:
        await until(lambda: runner.positions.get(1) == 50)
    assert [value for _, value in await written(topics)] == expected(50)


async def test_a_crash_between_two_outputs_of_one_record_loses_none(topics: Settings) -> None:
    """The last cause has an ordinal: the second output of a record is later than the first."""
    await put(topics, range(10))
    first = Sum(1).step(Records(JOURNAL, 1, [0], [None], [struct.pack(">q", 0)], [()]))
    partial = [Output(FEED, 1, b"sum", value, Cause(offset, 0)) for offset, value in enumerate(expected(10)[:10])]
    assert first[0].value == partial[0].value
    async with Producer(topics, "crashed") as producer:
        await producer.send([Out(FEED, 1, b"sum", each.value, (("cause", each.cause.pack()),)) for each in partial])
    async with running(topics) as runner:
        await until(lambda: runner.positions.get(1) == 10)
    assert [value for _, value in await written(topics)] == expected(10)


async def test_a_log_without_its_beginning_is_refused(topics: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a log gives a wrong state that looks right; without a snapshot there is nothing to start from."""
    asked = Reader.beginning_offsets

    async def cut(self: Reader, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        found = await asked(self, partitions)
        return {place: 7 if place[0] == JOURNAL else first for place, first in found.items()}

    monkeypatch.setattr(Reader, "beginning_offsets", cut)
    with pytest.raises(ExceptionGroup) as caught:
        async with running(topics) as runner:
            await until(lambda: runner.recovered)
    found = caught.group_contains(StateError, match=r"lost its beginning: alerts\.journal/\d starts at offset 7")
    assert found
