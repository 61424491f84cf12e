"""Snapshots and the runner on a real Kafka: restarts, a log without its beginning, hand-over, two owners, a stall."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from runtime.clock import SystemClock
from runtime.kafka import Event, GroupConsumer, KafkaStalled, Out, Producer, Reader, Records
from runtime.runner import WATCH_SECONDS, Runner
from runtime.settings import Settings
from runtime.snapshots import intact
from runtime.testing.waiting import until
from tests.integration.test_runner import SPEC, Sum, expected, put, running, written
from vitals.causes import NONE, Cause
from vitals.errors import StateError
from vitals.topics import JOURNAL, MANAGER_SNAPSHOTS, kafka_topic

OFTEN, NEVER = 0.05, 86_400.0


def every(settings: Settings, seconds: float) -> Settings:
    """The same with another time between two snapshots."""
    return settings.model_copy(update={"snapshot_seconds": seconds})


async def saved(settings: Settings, at: int, partition: int = 1) -> bool:
    """Whether the newest whole snapshot of a partition is of this position."""
    async with Reader(settings, []) as reader:
        found = intact(reader, (MANAGER_SNAPSHOTS, partition), Sum.FORMAT, range(1, 1 << 40))
        snapshot = await anext(found, None)
        await found.aclose()
    return snapshot is not None and snapshot.offset == at


async def forget(settings: Settings, before: int) -> None:
    """Let retention take the records of the log before an offset."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        place = TopicPartition(kafka_topic(settings.namespace, JOURNAL), 1)
        await admin.delete_records({place: RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()


async def live(settings: Settings, numbers: range, instance: str = "0") -> int:
    """Put numbers into the log, run until there is a snapshot behind them; how many records were stepped over.

    A member of another name than the one before would wait for the end of that one's session.
    """
    await put(settings, numbers)
    async with running(every(settings, OFTEN), instance) as runner:
        await until(lambda: runner.positions.get(1) == numbers.stop)
        await until(lambda: saved(settings, numbers.stop))
        return runner.steps[1].stepped


def once(found: Sequence[tuple[Cause | None, bytes]]) -> list[bytes]:
    """What a reader takes who accepts only a greater cause."""
    newest, taken = NONE, []
    for cause, value in found:
        assert cause is not None
        if cause > newest:
            newest = cause
            taken.append(value)
    return taken


async def test_a_restarted_runner_steps_over_what_follows_its_last_snapshot(topics: Settings) -> None:
    """Otherwise a restart takes longer the longer the log is."""
    assert await live(topics, range(30)) == 30
    assert await live(topics, range(30, 50)) == 20
    assert [value for _, value in await written(topics)] == expected(50)


async def test_a_log_without_its_beginning_is_entered_by_a_snapshot(topics: Settings) -> None:
    """Only so can a log be bounded: what is left of it and the snapshot say everything."""
    await live(topics, range(30))
    await forget(topics, 20)
    assert await live(topics, range(30, 40)) == 10
    assert [value for _, value in await written(topics)] == expected(40)


async def test_a_gap_between_the_snapshots_and_the_log_is_refused(topics: Settings) -> None:
    """The records between them decided something, and nobody knows what."""
    await live(topics, range(30))
    await put(topics, range(30, 40))
    await forget(topics, 35)
    with pytest.raises(ExceptionGroup) as caught:
        async with running(topics) as runner:
            await until(lambda: runner.recovered)
    assert caught.group_contains(StateError, match=r"journal/1 starts at offset 35, and no snapshot in alerts\.snap")


async def test_a_rebalance_costs_who_keeps_a_partition_nothing(topics: Settings) -> None:
    """All partitions are taken away and given anew when anybody joins; most of them to whom they were with before."""
    for partition in range(topics.partitions):
        await put(topics, range(10), partition)
    async with running(every(topics, NEVER), "a") as one:
        await until(lambda: len(one.positions) == topics.partitions and set(one.positions.values()) == {10})
        steps = dict(one.steps)
        async with running(every(topics, NEVER), "b") as two:
            await until(lambda: two.recovered and one.recovered and len(one.positions) + len(two.positions) == 4)
            for partition, step in one.steps.items():
                assert (step, step.stepped) == (steps[partition], 10)
            for partition in two.positions:
                await until(lambda: saved(topics, 10, partition))  # noqa: B023 - waited for before it changes
    assert [value for _, value in await written(topics)] == expected(10)


class Held(Producer):
    """Lets nothing out until it is told to."""

    def __init__(self, settings: Settings, client_id: str) -> None:
        super().__init__(settings, client_id)
        self.waiting = 0
        self.free = asyncio.Event()

    async def send(self, records: Sequence[Out]) -> list[int]:
        """As `Producer.send`, later."""
        if records:
            self.waiting += len(records)
            await self.free.wait()
        return await super().send(records)


@asynccontextmanager
async def held(settings: Settings, instance: str, group_name: str = "sum") -> AsyncIterator[tuple[Runner[Sum], Held]]:
    """A runner whose outputs are held back."""
    runner = Runner(settings, SPEC, monotonic=SystemClock().monotonic)
    async with (
        Held(settings, f"sum-{instance}") as producer,
        GroupConsumer(settings, [JOURNAL], group_name, instance) as consumer,
        asyncio.TaskGroup() as group,
    ):
        task = group.create_task(runner.run(consumer, producer))
        yield runner, producer
        task.cancel()


async def test_what_a_zombie_writes_late_is_dropped_by_readers(topics: Settings) -> None:
    """It held its outputs, lost the partition, somebody else went on; then it writes what it had, and goes on too."""
    await put(topics, range(20))
    async with held(every(topics, NEVER), "a") as (zombie, producer):
        await until(lambda: producer.waiting == len(expected(20)))
        async with running(every(topics, OFTEN), "b", group="sum-b") as owner:
            await until(lambda: owner.positions.get(1) == 20)
            await put(topics, range(20, 40))
            await until(lambda: owner.positions.get(1) == 40)
            await until(lambda: saved(topics, 40))
            producer.free.set()
            await until(lambda: zombie.positions.get(1) == 40)
        found = await written(topics)
        assert len(found) == 2 * len(expected(40))
        assert once(found) == expected(40)
    assert await live(topics, range(40, 50), "a") == 10
    assert once(await written(topics)) == expected(50)


async def test_two_owners_at_once_leave_each_output_once_and_snapshots_that_are_whole(topics: Settings) -> None:
    """Both believe that the partition is theirs, and write outputs and snapshots of it side by side."""
    settings = every(topics, OFTEN)
    async with running(settings, "a") as one, running(settings, "b", group="sum-b") as two:
        for first in range(0, 100, 10):
            await put(topics, range(first, first + 10))
            await until(lambda: {one.positions.get(1), two.positions.get(1)} == {first + 10})  # noqa: B023 - as above
        await until(lambda: saved(topics, 100))
    assert once(await written(topics)) == expected(100)
    assert await live(topics, range(100, 120), "a") == 20
    assert once(await written(topics)) == expected(120)


class Stuck(GroupConsumer):
    """Stops fetching after its assignment, without an error."""

    seconds = 0.0

    async def poll(self, timeout: float) -> list[Event]:  # noqa: ASYNC109
        """As `GroupConsumer.poll`, without records; a watch's time passes."""
        self.seconds += WATCH_SECONDS
        await asyncio.sleep(0)
        if self.seconds > WATCH_SECONDS:
            return []
        return [event for event in await super().poll(timeout) if not isinstance(event, Records)]


async def test_a_runner_that_does_not_move_while_its_log_has_more_ends(topics: Settings) -> None:
    """It would be a processor that is well and judges nothing; its supervisor can only help if it says so."""
    await put(topics, range(5))
    consumer = Stuck(topics, [JOURNAL], "sum", "0")
    runner = Runner(topics, SPEC, monotonic=lambda: consumer.seconds)
    async with Producer(topics, "sum") as producer, consumer:
        with pytest.raises(ExceptionGroup) as caught:
            await runner.run(consumer, producer)
    assert caught.group_contains(KafkaStalled, match=r"no progress although the log has more: alerts\.journal/1 ")
    assert await written(topics) == []
