"""The processor as a process: the runner over ``vitals.readings``, and what operators see of it.

That ingest has stopped is noticed here by the process's own monotonic clock: no site's clock would ever say so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import fields
from typing import NamedTuple

from runtime.clock import Clock, SystemClock
from runtime.kafka import GroupConsumer, Producer
from runtime.observe import HealthServer, Metrics, Readiness
from runtime.runner import Runner, RunnerSpec
from stream.counters import Counters
from stream.processor import Processor, factory
from stream.settings import ProcessSettings
from vitals.steps import Records
from vitals.topics import JOURNAL, PROCESSOR_SNAPSHOTS, READINGS, WINDOWS

log = logging.getLogger("vigil.process")

GROUP = "processor"
LOOK_SECONDS = 1.0


class Moved(NamedTuple):
    """The site clocks of a partition (number -> µs), and when they last moved (monotonic seconds)."""

    clocks: dict[int, int]
    at: float


BEHIND_RECORDS_MAX = 5_000
"""As the alarm `VigilProcessorBehind` has it: what a processor takes in a second or two."""
BEHIND_SECONDS = 10.0
"""A device's backlog, or a start, is no falling behind: it is over sooner."""


class Pace:
    """Notices when a processor falls behind its log; it judges on, and restarting it would only cost time."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._told = False

    def verdict(self, lag: int, now: float) -> tuple[bool, str]:
        """Whether the log is followed, and why not; ``lag`` in records at ``now`` (monotonic seconds)."""
        if lag <= BEHIND_RECORDS_MAX:
            self._since = None
            if self._told:
                log.info("has caught up")
            self._told = False
            return True, ""
        self._since = now if self._since is None else self._since
        if now - self._since < BEHIND_SECONDS:
            return True, ""
        if not self._told:
            log.warning("falls behind: %d records of the log are not judged yet", lag)
        self._told = True
        return False, f"behind: {lag} records of the log are not judged yet"


class Watch:
    """Notices when the clocks of a partition stand still."""

    def __init__(self, stalled_seconds: float) -> None:
        self._stalled_seconds = stalled_seconds
        self._moved: dict[int, Moved] = {}

    def saw(self, partition: int, clocks: dict[int, int], now: float) -> None:
        """The clocks of a partition after a batch, at ``now`` (monotonic seconds)."""
        before = self._moved.get(partition)
        if before is None or before.clocks != clocks:
            self._moved[partition] = Moved(dict(clocks), now)

    def age(self, partitions: set[int], now: float) -> float:
        """Seconds since a clock moved in the partition that has waited longest; 0 without partitions."""
        return max((now - self._moved[each].at for each in partitions if each in self._moved), default=0.0)

    def verdict(self, partitions: set[int], now: float) -> tuple[bool, str]:
        """Whether time runs in all partitions, and why not."""
        waiting = sorted(each for each in partitions if each not in self._moved or not self._moved[each].clocks)
        if waiting or not partitions:
            return False, f"waiting for the first tick in partitions {waiting}" if waiting else "no partitions yet"
        age = self.age(partitions, now)
        if age > self._stalled_seconds:
            return False, f"ingest stalled: no tick for {age:.0f} s"
        return True, ""


async def main(settings: ProcessSettings, clock: Clock | None = None) -> None:
    """Run the processor until it is cancelled.

    Raises:
        ServerError: Kafka is away, or stalls.
        StateError: the log of readings has lost its beginning, and no snapshot reaches beyond that.
    """
    clock = clock or SystemClock()
    metrics, readiness = Metrics(), Readiness("log", "pace", "ticks")
    watch = Watch(settings.processor_stalled_seconds)

    def on_batch(partition: int, step: Processor, _records: Records) -> None:
        watch.saw(partition, step.clocks, clock.monotonic())

    made, kept = factory(settings.partitions), settings.keep_readings_days
    spec = RunnerSpec(READINGS, GROUP, made, (JOURNAL, WINDOWS), PROCESSOR_SNAPSHOTS, keep_days=kept)
    runner = Runner(settings, spec, monotonic=clock.monotonic, on_batch=on_batch, metrics=metrics)
    _count(runner, metrics)
    age = metrics.gauge("processor_tick_age_seconds", "Seconds since a site clock moved, in the slowest partition")
    age.set_function(lambda: watch.age(set(runner.positions), clock.monotonic()))
    async with (
        HealthServer(settings.health_port or None, readiness, metrics, settings.health_host),
        Producer(settings, f"{GROUP}-{settings.instance}") as producer,
        GroupConsumer(settings, [READINGS], GROUP, settings.instance) as consumer,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(runner.run(consumer, producer), name="processor")
        watched = _watch(runner, consumer, metrics=metrics, readiness=readiness, watch=watch, clock=clock)
        tasks.create_task(watched, name="processor's watch")


def _count(runner: Runner[Processor], metrics: Metrics) -> None:
    """Show every counter of the processors, summed over the partitions that have caught up; replays included."""
    for field in fields(Counters):
        gauge = metrics.gauge(f"processor_{field.name}", f"{field.name} of the owned partitions, from their beginning")
        gauge.set_function(_sum(runner, field.name))


def _sum(runner: Runner[Processor], name: str) -> Callable[[], float]:
    return lambda: float(sum(getattr(step.counters, name) for step in runner.steps.values()))


async def _watch(
    runner: Runner[Processor],
    consumer: GroupConsumer,
    *,
    metrics: Metrics,
    readiness: Readiness,
    watch: Watch,
    clock: Clock,
) -> None:
    lag = metrics.gauge("processor_lag_records", "Records of the log that are not stepped over yet")
    pace = Pace()
    while True:
        positions = dict(runner.positions)
        readiness.set("log", runner.recovered, "" if runner.recovered else "reading the log")
        readiness.set("ticks", *watch.verdict(set(positions), clock.monotonic()))
        ends = await consumer.end_offsets([(READINGS, partition) for partition in positions]) if positions else {}
        behind = sum(max(0, end - positions[partition]) for (_, partition), end in ends.items())
        lag.set(behind)
        readiness.set("pace", *pace.verdict(behind if runner.recovered else 0, clock.monotonic()))
        await clock.sleep(LOOK_SECONDS)
