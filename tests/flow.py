"""The whole flow beside a test: registry, bridge, processor, manager and sink on real servers, and worn devices.

On simulated time the test makes time, a minute at a tick; on real time whoever wears a device steps the clocks of all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, get_args
from uuid import uuid4

import pytest

from alerts import manager_service
from alerts.settings import ManageSettings
from ingest import commands, registry_service
from ingest import service as bridge_service
from ingest.directory import Directory
from ingest.follow import Follower
from ingest.settings import BridgeSettings, RegistrySettings
from ingest.ticks import REPLAY, Tick
from runtime.clock import SystemClock
from runtime.kafka import Producer, Reader
from runtime.mqtt import Connection
from runtime.observe import Metrics, Readiness
from runtime.settings import Settings
from stream import service as processor_service
from stream.settings import ProcessSettings
from tests.integration.storage_data import rows, running_sink, sink_settings, stored_to_the_end
from tests.logs import T0
from vitals.alerts import Alert, FeedMark
from vitals.alerts import decode as decode_feed
from vitals.devices import DEVICE_TYPES
from vitals.journal import EpisodeChange
from vitals.metrics import MINUTE_US
from vitals.registry import ClockSet, Command, DeviceAdd, DeviceBind, DeviceUnbind, SiteAdd
from vitals.topics import BINDINGS, FEED, READINGS, readings_topic, ticks_topic

SITE = "ward-a"
MOSQUITTO, IOTCORE = ("mosquitto", "timescale"), ("iotcore", "postgres")
CONDITIONS = get_args(EpisodeChange)
STORED = (
    "SELECT label, name, (extract(epoch FROM observed_at) * 1000000)::bigint, value, flags FROM vigil.readings"
    " JOIN vigil.patients ON patients.id = patient JOIN vigil.devices ON devices.id = device ORDER BY 1, 3, 2"
)


def on(*pairs: tuple[str, str]) -> pytest.MarkDecorator:
    """Run a test on these brokers with these databases."""
    return pytest.mark.parametrize(("mqtt", "database_url"), pairs, indirect=True)


class SteppedClock(SystemClock):
    """A clock whose time passes in `step` alone, so that a machine that stands still makes nobody late; whoever sleeps
    by it sleeps a ``speed``-th of the time.
    """

    def __init__(self, speed: float, behind: SteppedClock | None = None, ahead_us: int = 0) -> None:
        self._speed, self._behind = speed, behind
        self._now = ahead_us if behind else super().now_us()

    def now_us(self) -> int:
        """Wall time of a device or a bridge."""
        return self._now + (self._behind.now_us() if self._behind else 0)

    async def sleep(self, seconds: float) -> None:
        """Wait for less."""
        await super().sleep(seconds / self._speed)

    def step(self, us: int) -> None:
        """Let so much time have passed."""
        self._now += us

    def ahead(self, us: int) -> SteppedClock:
        """A clock that is always so much ahead of this one."""
        return SteppedClock(self._speed, self, us)


class Flow:
    """Devices, time, and what came of it; minutes are after T0."""

    def __init__(self, settings: Settings, wearer: Connection) -> None:
        self.settings = settings
        self._wearer = wearer
        self._minute = -1

    async def do(self, *asked: Command) -> None:
        """Have commands carried out, all of them."""
        answers = await commands.execute_all(self.settings, asked)
        assert [answer.reason for answer in answers] == [""] * len(asked)

    async def add(self, name: str, kind: str) -> None:
        """Register a device."""
        await self.do(DeviceAdd(id=uuid4(), name=name, site=SITE, type=DEVICE_TYPES[kind]))

    async def bind(self, name: str, patient: str, since: int) -> None:
        """Put a device on a patient from a time on (µs)."""
        await self.do(DeviceBind(id=uuid4(), device=name, patient=patient, since=since))

    async def unbind(self, name: str, until: int) -> None:
        """Take a device off at a time (µs)."""
        await self.do(DeviceUnbind(id=uuid4(), device=name, until=until))

    async def publish(self, device: str, *readings: tuple[int, float], metric: str = "glucose") -> None:
        """Send readings (µs, value) as one message; returns once the broker has it."""
        items = [f'{{"metric":"{metric}","value":{value:g},"observed_at":{at}}}' for at, value in readings]
        topic = readings_topic(self.settings.namespace, SITE, device)
        await self._wearer.publish(topic, f"[{','.join(items)}]".encode())

    async def reads(self, device: str, minute: float, value: float) -> None:
        """Send one glucose reading that was taken at a minute."""
        await self.publish(device, (minute_us(minute), value))

    async def until(self, minute: int) -> None:
        """Simulated time goes on, a tick a minute; readings that are sent next are received at this minute."""
        topic = ticks_topic(self.settings.namespace, REPLAY)
        for each in range(self._minute + 1 if self._minute >= 0 else minute, minute + 1):
            await self._wearer.publish(topic, Tick(tick=minute_us(each), sites=(SITE,)).encode())
        self._minute = minute

    async def passed(self, at: int) -> list[Alert]:
        """Every change of alerts so far, once the manager has taken all that lies before a site clock of ``at`` (µs)
        in every partition.
        """
        keys = [(FEED, partition) for partition in range(self.settings.partitions)]
        waiting, found = {partition for _, partition in keys}, []
        async with Reader(self.settings, keys) as reader, asyncio.timeout(30):
            while waiting:
                for records in await reader.poll(1.0):
                    for value in records.values:
                        message = decode_feed(value)
                        if isinstance(message, Alert):
                            found.append(message)
                        elif isinstance(message, FeedMark) and max(message.sites.values(), default=0) >= at:
                            waiting.discard(records.partition)
        return found

    async def ends(self, minute: int) -> list[Alert]:
        """Let simulated time go on to a minute; every change of alerts by then."""
        await self.until(minute)
        return await self.passed(minute_us(minute))

    async def stored(self) -> list[tuple[str, str, float, float, int]]:
        """(patient, device, minute, value, flags) of every reading in the database, once it has them all."""
        await stored_to_the_end(self.settings)
        found = await rows(self.settings, STORED)
        return [(label, device, (at - T0) / MINUTE_US, value, flags) for label, device, at, value, flags in found]


def told(alerts: Sequence[Alert], label: str) -> list[tuple[str, float, str, str, str]]:
    """What became of a patient's conditions: (rule, minute after T0, change, priority, reason)."""
    return [
        (alert.rule, (alert.at - T0) / MINUTE_US, alert.change, alert.priority, alert.reason)
        for alert in alerts
        if alert.label == label and alert.change in CONDITIONS
    ]


def minute_us(minute: float) -> int:
    """A minute after T0 as µs."""
    return T0 + round(minute * MINUTE_US)


def bridge_settings(settings: Settings, instance: str = "0") -> BridgeSettings:
    """The settings of a bridge."""
    return BridgeSettings.model_validate(settings.model_dump() | {"instance": instance})


@asynccontextmanager
async def bridge(settings: Settings, clock: SystemClock | None = None, instance: str = "0") -> AsyncIterator[None]:
    """A bridge beside the body, by a clock of its own on real time; leaving stops it in good order."""
    own = bridge_settings(settings, instance)
    async with (
        Producer(own, f"bridge-{instance}") as producer,
        Reader(own, [(BINDINGS, 0)]) as bindings,
        Reader(own, []) as asker,
        Reader(own, [(READINGS, partition) for partition in range(own.partitions)]) as readings,
    ):
        clocks = await bridge_service.partition_clocks(own, readings)
        follower = Follower(bindings, asker, Directory(own.partitions))
        connection = bridge_service.connect(own)
        told: dict[str, Any] = {"metrics": Metrics(), "readiness": Readiness("directory", "mqtt", "ticks")}
        serving = bridge_service.serve(own, producer, follower, connection, clocks, clock=clock, **told)
        async with beside(serving):
            yield


@asynccontextmanager
async def beside(service: Any) -> AsyncIterator[None]:
    """A service while the body runs; its failure ends the test."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(service, name="service under test")
        try:
            yield
        finally:
            task.cancel()


@asynccontextmanager
async def flow(settings: Settings, bridges: Sequence[str] = ("0",)) -> AsyncIterator[Flow]:
    """Everything but the bridges, and a site. The broker keeps the sessions of the bridges from here on, to the end."""
    values = settings.model_dump(exclude={"instance"})
    async with AsyncExitStack() as stack:
        for instance in bridges:
            async with bridge_service.connect(bridge_settings(settings, instance)):
                pass
            forgetting = Connection(settings, f"bridge-{instance}", forget=True)
            stack.push_async_callback(_forget, forgetting)
        for service in (
            registry_service.main(RegistrySettings.model_validate(values)),
            processor_service.main(ProcessSettings.model_validate(values)),
            manager_service.main(ManageSettings.model_validate(values)),
        ):
            await stack.enter_async_context(beside(service))
        await stack.enter_async_context(running_sink(sink_settings(settings)))
        wearer = await stack.enter_async_context(Connection(settings, "wearer", forget=True))
        made = Flow(settings, wearer)
        if settings.clock == "simulated":
            await made.do(ClockSet(id=uuid4(), clock="simulated"))
        await made.do(SiteAdd(id=uuid4(), name=SITE))
        yield made


async def _forget(connection: Connection) -> None:
    async with connection:
        pass
