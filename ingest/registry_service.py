"""The registry as a process: the runner with the registry step."""

from __future__ import annotations

import asyncio

from ingest.registry import RegistryStep
from ingest.settings import RegistrySettings
from runtime.clock import SystemClock
from runtime.kafka import GroupConsumer, Producer
from runtime.observe import HealthServer, Metrics, Readiness
from runtime.runner import Runner, RunnerSpec
from vitals.steps import Records
from vitals.topics import COMMANDS, REGISTRY_SNAPSHOTS

GROUP = "registry"
READY_POLL_S = 0.2


async def main(settings: RegistrySettings) -> None:
    """Run until cancelled; raises `VigilError` when a server fails us."""
    clock = SystemClock()
    metrics, readiness = Metrics(), Readiness("registry")
    taken = metrics.counter("registry_records_total", "Records of registry.commands taken, answers included")
    unreadable = metrics.gauge("registry_unreadable_commands", "Records that are no command and have no id to answer")

    def count(_partition: int, step: RegistryStep, records: Records) -> None:
        taken.inc(len(records.offsets))
        unreadable.set(step.unreadable)

    spec = RunnerSpec(COMMANDS, GROUP, lambda _: RegistryStep(settings.partitions), (COMMANDS,), REGISTRY_SNAPSHOTS)
    runner = Runner(settings, spec, monotonic=clock.monotonic, on_batch=count, metrics=metrics)

    async def watch() -> None:
        while True:
            readiness.set("registry", runner.recovered, "reading its log")
            await clock.sleep(READY_POLL_S)

    async with (
        HealthServer(settings.health_port or None, readiness, metrics, settings.health_host),
        Producer(settings, GROUP) as producer,
        GroupConsumer(settings, [COMMANDS], GROUP, settings.instance) as consumer,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(watch(), name="readiness")
        group.create_task(runner.run(consumer, producer), name="registry")
