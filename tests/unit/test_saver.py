"""When snapshots are written: not too often, one at a time, never in the way of anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from prometheus_client import generate_latest
from structlog.testing import capture_logs

from runtime.kafka import KafkaFailed, Out
from runtime.observe import Metrics
from runtime.saver import HAND_OVER_BYTES_MAX, Saver
from runtime.testing import ManualClock, MemoryKafka
from runtime.testing.kafka import MemoryProducer
from runtime.testing.waiting import until
from vitals.codecs.state import State
from vitals.snapshots import MANIFEST_KEY, Format, Manifest
from vitals.steps import Output, Records

TOPIC = "tested.snapshots"
SECONDS = 30.0


class Counting:
    """A step that says how often its state was asked for."""

    FORMAT: ClassVar[Format] = Format("counting", 1)

    def __init__(self) -> None:
        self.asked = 0

    def step(self, records: Records) -> list[Output]:
        assert records
        return []

    def state(self) -> State:
        self.asked += 1
        return {"asked": self.asked}

    def restore(self, state: State) -> None:
        self.asked = state["asked"]


class Slow(MemoryProducer):
    """Writes only once it may."""

    def __init__(self, kafka: MemoryKafka) -> None:
        super().__init__(kafka, "slow")
        self.free = asyncio.Event()

    async def send(self, records: Sequence[Out]) -> list[int]:
        await self.free.wait()
        return await super().send(records)


class Bench:
    """A saver of two partitions with a clock that is moved by hand."""

    def __init__(self) -> None:
        self.kafka = MemoryKafka({TOPIC: 2})
        self.producer = Slow(self.kafka)
        self.producer.free.set()
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.saver = Saver(self.producer, TOPIC, SECONDS, self.clock.monotonic, self.metrics)
        self.steps = Counting(), Counting()

    async def start(self, *positions: int) -> None:
        """What a turn of the loop does, at these positions, and whatever it began."""
        async with asyncio.TaskGroup() as tasks:
            self.saver.start(tasks, dict(enumerate(zip(self.steps, positions, strict=False))))

    def written(self, partition: int) -> list[int]:
        """The offsets of the snapshots of a partition."""
        records = self.kafka.records(TOPIC, partition)
        return [Manifest.model_validate_json(each.value).offset for each in records if each.key == MANIFEST_KEY]

    def metric(self, name: str) -> float:
        """A gauge as operators see it."""
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"vigil_{name} "))


async def test_a_partition_is_written_every_so_often_where_its_log_went_on() -> None:
    """A snapshot of what is there already says nothing new, and a ward at night must not fill the topic."""
    bench = Bench()
    bench.saver.took(0, 5, 0)
    await bench.start(9)
    assert bench.written(0) == []
    await bench.clock.advance(SECONDS)
    await bench.start(5)
    assert bench.written(0) == []
    await bench.start(9)
    assert bench.written(0) == [9]
    await bench.clock.advance(SECONDS)
    await bench.start(9)
    await bench.start(10)
    await bench.start(11)
    assert bench.written(0) == [9, 10]


async def test_one_is_written_at_a_time_and_who_waits_longest_is_first() -> None:
    """Two states at once would be twice the memory; none may be left out for ever."""
    bench = Bench()
    bench.saver.took(0, 0, 0)
    await bench.clock.advance(1)
    bench.saver.took(1, 0, 0)
    await bench.clock.advance(SECONDS)
    bench.producer.free.clear()
    steps = {0: (bench.steps[0], 4), 1: (bench.steps[1], 6)}
    async with asyncio.TaskGroup() as tasks:
        bench.saver.start(tasks, steps)
        bench.saver.start(tasks, steps)
        assert [step.asked for step in bench.steps] == [1, 0], "the state is taken at once, before the step goes on"
        bench.producer.free.set()
        await until(lambda: bench.written(0) == [4])
    await bench.start(4, 6)
    assert bench.written(1) == [6]


async def test_a_snapshot_that_cannot_be_written_is_one_line_and_is_tried_again() -> None:
    """Alarms must not depend on the topic that only makes restarts shorter."""
    bench = Bench()
    bench.saver.took(0, 0, 0)
    await bench.clock.advance(SECONDS)
    bench.kafka.fail_next_send(KafkaFailed("Kafka refused", "no such topic", "run vigil migrate"))
    with capture_logs() as logs:
        await bench.start(3)
        await bench.start(3)
    assert [each["error"] for each in logs] == ["Kafka refused: no such topic (run vigil migrate)"]
    assert bench.metric("snapshot_age_seconds") == SECONDS
    await bench.clock.advance(SECONDS)
    await bench.start(4)
    assert bench.written(0) == [4]
    assert bench.metric("snapshot_age_seconds") == 0
    assert bench.metric("snapshot_bytes") > 0


async def test_partitions_that_go_get_a_last_snapshot_if_it_is_small_and_there_is_time() -> None:
    """Who takes over then replays nothing; but the partitions that come must not wait for those that go."""
    bench = Bench()
    bench.saver.took(0, 2, 100)
    bench.saver.took(1, 2, HAND_OVER_BYTES_MAX + 1)
    await bench.saver.hand_over({0: (bench.steps[0], 3), 1: (bench.steps[1], 3)})
    assert (bench.written(0), bench.written(1)) == ([3], [])
    bench.saver.took(0, 3, 100)
    await bench.saver.hand_over({0: (bench.steps[0], 3)})
    assert bench.written(0) == [3]
    bench.saver.took(0, 3, 100)
    bench.producer.free.clear()
    with capture_logs() as logs:
        await bench.saver.hand_over({0: (bench.steps[0], 4)})
    assert [each["event"] for each in logs] == ["no time for the last snapshots"]
    assert bench.metric("snapshot_bytes") == 0
