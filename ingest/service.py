"""The bridge as a process: its drivers, its tasks and its health. The loop itself is ``ingest/forward.py``."""

from __future__ import annotations

import asyncio

from ingest.bridge import Bridge
from ingest.directory import Directory
from ingest.follow import Follower
from ingest.forward import Forwarder
from ingest.settings import BridgeSettings
from ingest.ticks import REPLAY, TICK_S, PartitionClocks, Tick, Underway, time_of
from runtime.clock import Clock, SystemClock
from runtime.kafka import Producer, Reader
from runtime.mqtt import Connection
from runtime.observe import HealthServer, Metrics, Readiness, get_logger
from runtime.settings import Settings
from vitals.topics import BINDINGS, READINGS, TICK_KEY, mqtt_root, ticks_topic

WATCH_S = 0.2
TICK_AGE_S_MAX = 10.0
"""Without a tick for so long the patients turn unknown, and the bridge says that it is not ready."""

log = get_logger("vigil.bridge")


async def main(settings: BridgeSettings) -> None:
    """Run until cancelled; raises `VigilError` when a server fails us."""
    metrics, readiness = Metrics(), Readiness("directory", "mqtt", "ticks")
    async with (
        HealthServer(settings.health_port or None, readiness, metrics, settings.health_host),
        Producer(settings, f"bridge-{settings.instance}") as producer,
        Reader(settings, [(BINDINGS, 0)]) as bindings,
        Reader(settings, []) as asker,
    ):
        async with Reader(settings, [(READINGS, partition) for partition in range(settings.partitions)]) as readings:
            clocks = await partition_clocks(settings, readings)
        follower = Follower(bindings, asker, Directory(settings.partitions))
        await serve(settings, producer, follower, connect(settings), clocks, metrics=metrics, readiness=readiness)


async def serve(
    settings: BridgeSettings,
    producer: Producer,
    follower: Follower,
    connection: Connection,
    clocks: PartitionClocks,
    *,
    metrics: Metrics,
    readiness: Readiness,
    clock: Clock | None = None,
) -> None:
    """Run the bridge's tasks over its drivers: ``connection`` is entered here, once the directory that
    ``follower`` keeps is complete.
    """
    clock = clock or SystemClock()
    directory = follower.directory
    bridge = Bridge(
        namespace=settings.namespace,
        partitions=settings.partitions,
        publisher=REPLAY if clocks.simulated else connection.client_id,
        directory=directory,
        clocks=clocks,
    )
    unreadable = metrics.gauge("bridge_unreadable_bindings", "Devices and sites whose record cannot be read")
    unreadable.set_function(lambda: len(directory.unreadable))
    linger_s, underway = settings.bridge_linger_seconds, Underway()
    forwarder = Forwarder(
        connection, producer, bridge, follower, underway, clock=clock, metrics=metrics, linger_s=linger_s
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(follower.run(), name="directory")
        await follower.catch_up()
        readiness.set("directory", ok=True)
        async with connection, asyncio.TaskGroup() as inner:
            inner.create_task(forwarder.run(), name="bridge")
            inner.create_task(watch(forwarder, connection, metrics, readiness, clock), name="readiness")
            if not clocks.simulated:
                ticking = make_ticks(connection, bridge, directory, underway, namespace=settings.namespace, clock=clock)
                inner.create_task(ticking, name="ticks")


def connect(settings: BridgeSettings) -> Connection:
    """The bridge's persistent session: one subscription for readings and ticks, since order holds within one."""
    topics = f"{mqtt_root(settings.namespace)}/+/+/+"
    return Connection(settings, f"bridge-{settings.instance}", [topics], settings.receive_maximum)


async def make_ticks(
    connection: Connection, bridge: Bridge, directory: Directory, underway: Underway, *, namespace: str, clock: Clock
) -> None:
    """Publish the time to ourselves, twice a second, while connected and once there is a site; for ever.

    Sites whose gateway is away are left out: their clocks stop until it is back. A tick that was sent again over a new
    connection says nothing about the messages before it: they may have come since it was made.
    """
    topic = ticks_topic(namespace, connection.client_id)
    away: frozenset[str] = frozenset()
    while True:
        if connection.connected and directory.sites:
            if bridge.away != away:
                away = bridge.away
                log.info("gateways of sites are away" if away else "gateways of all sites are there", away=sorted(away))
            tick = Tick(tick=clock.now_us(), sites=tuple(sorted(directory.sites.keys() - away)))
            generation = connection.generation
            await connection.publish(topic, tick.encode())
            if connection.generation == generation:
                underway.sent(tick.tick, generation)
        await clock.sleep(TICK_S)


async def partition_clocks(settings: Settings, readings: Reader) -> PartitionClocks:
    """The clocks of ``received_at``; on the simulated clock as the last tick in each partition left them.

    ``readings`` reads all partitions of ``vitals.readings``.
    """
    if settings.clock == "real":
        return PartitionClocks(settings.partitions, simulated=False)
    last = [await last_tick(readings, partition) for partition in range(settings.partitions)]
    return PartitionClocks(settings.partitions, simulated=True, last=last)


async def last_tick(readings: Reader, partition: int) -> int | None:
    """The time (µs UTC) of the last tick in a partition of ``vitals.readings``; None where there is none."""
    async for records in readings.backwards((READINGS, partition)):
        for key, value in zip(reversed(records.keys), reversed(records.values), strict=True):
            if key == TICK_KEY:
                return time_of(value)
    return None


async def watch(
    forwarder: Forwarder, connection: Connection, metrics: Metrics, readiness: Readiness, clock: Clock
) -> None:
    """Keep readiness and the age of the last tick as they are, for ever."""
    started = clock.monotonic()
    age = metrics.gauge("bridge_tick_age_seconds", "Real seconds since a tick became durable, or since the start")
    connected = metrics.gauge("bridge_mqtt_connected", "1 while the MQTT broker has our connection")
    while True:
        seconds = clock.monotonic() - (started if forwarder.ticked_at is None else forwarder.ticked_at)
        age.set(seconds)
        connected.set(connection.connected)
        readiness.set("mqtt", connection.connected, "no connection to the MQTT broker")
        ticking = forwarder.ticked_at is not None and seconds <= TICK_AGE_S_MAX
        readiness.set("ticks", ticking, "waiting for the first tick" if forwarder.ticked_at is None else "no ticks")
        await clock.sleep(WATCH_S)
