"""The gateway: holds ``alerts.feed`` in memory and serves it over websockets; ``docs/feed.md`` is its protocol.

Every gateway reads all partitions without a group, so any number of them can run. It listens once it has read
what the feed held when it started. Commands go to ``alerts.journal``; their answers come back on the feed.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import get_args

from alerts import follow
from alerts.audience import Audience
from alerts.fanout import Feed
from alerts.settings import GatewaySettings, load_principals
from runtime.clock import Clock, SystemClock
from runtime.kafka import Producer, Reader, cluster_id
from runtime.observe import HealthServer, Metrics, Readiness, get_logger
from runtime.web import Cut, CutHeard, WebLimits, serve
from vitals.errors import ServerStalled
from vitals.protocol import CLIENT_MESSAGE_BYTES_MAX, HEARTBEAT_SECONDS
from vitals.topics import BINDINGS, FEED

log = get_logger("vigil.gateway")

BACK_MS = 25 * 3600 * 1000
"""How far before a partition's last record a gateway begins on the real clock: open alerts are written daily."""
LAG_SECONDS = 5.0
"""Between two looks at how far behind the feed a gateway is."""
READ_POLLS_MAX = 120
"""Polls, the last, whose age makes the quantiles; each partition has one a second at least, of the manager's mark."""
CATCH_UP_SECONDS_MAX = 300.0
LIMITS = WebLimits(message_bytes_max=CLIENT_MESSAGE_BYTES_MAX)


async def main(
    settings: GatewaySettings, clock: Clock | None = None, listening: Callable[[int], None] = lambda _: None
) -> None:
    """Run the gateway until it is cancelled; ``listening`` is told the port.

    Raises:
        SettingsError: the tokens file cannot be used.
        ServerError: Kafka is away, or the port is taken.
    """
    clock = clock or SystemClock()
    principals = load_principals(settings.tokens_file)
    metrics, readiness = Metrics(), Readiness("feed", "listening")
    partitions = [(FEED, partition) for partition in range(settings.partitions)]
    identity = f"{await cluster_id(settings)}/{settings.namespace}"
    feed = Feed(identity, settings.partitions, settings.history_changes_max)
    audience = Audience(settings, principals, feed, clock)
    _show(metrics, audience, feed)
    async with (
        HealthServer(settings.health_port or None, readiness, metrics, settings.health_host),
        Producer(settings, f"gateway-{settings.instance}") as producer,
        Reader(settings, partitions) as reader,
        Reader(settings, [(BINDINGS, 0)]) as bindings,
    ):
        await follow.catch_up(bindings, audience.patients)
        await _catch_up(settings, reader, feed, audience)
        audience.go_live()
        readiness.set("feed", ok=True)
        serving = serve(
            audience.handle,
            settings.feed_host,
            settings.feed_port,
            origins=settings.origins,
            limits=LIMITS,
            on_cut=_counting(metrics),
        )
        async with serving as port:
            log.info("listening", host=settings.feed_host, port=port)
            readiness.set("listening", ok=True)
            listening(port)
            try:
                took: deque[float] = deque(maxlen=READ_POLLS_MAX)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_read(reader, audience, took, clock), name="feed reader")
                    tasks.create_task(_lag(reader, took, metrics, clock), name="feed lag")
                    tasks.create_task(follow.follow(bindings, audience.patients), name="registry reader")
                    tasks.create_task(_beat(audience, clock), name="heartbeat")
                    tasks.create_task(_write(producer, audience), name="command writer")
            finally:
                await audience.close()


def _show(metrics: Metrics, audience: Audience, feed: Feed) -> None:
    metrics.gauge("feed_clients", "Clients of the feed").set_function(lambda: audience.clients)
    waiting = metrics.gauge("feed_buffered_bytes", "The most bytes that wait for one client of the feed")
    waiting.set_function(lambda: audience.buffered_bytes)
    metrics.gauge("feed_unreadable_records", "Feed records skipped").set_function(lambda: feed.unreadable)
    metrics.gauge("feed_alerts_open", "Alerts that are not closed").set_function(lambda: len(feed.alerts.open))
    age = metrics.gauge("feed_age_seconds", "Age of the oldest data behind the feed; NaN before the first tick")
    age.set_function(lambda: audience.age_s)
    unreadable = metrics.gauge("feed_unreadable_bindings", "Records of the registry skipped by the gateway")
    unreadable.set_function(lambda: audience.patients.unreadable)


def _counting(metrics: Metrics) -> CutHeard:
    """Counts the connections that are cut."""
    cuts = metrics.counter("feed_cut", "Connections cut because the client did not keep up", ["reason"])
    for reason in get_args(Cut):
        cuts.labels(reason)  # a counter that is there from the start shows its first step
    return lambda reason: cuts.labels(reason).inc()


async def _catch_up(settings: GatewaySettings, reader: Reader, feed: Feed, audience: Audience) -> None:
    """Read every partition from where its open alerts can begin, to its end as it is now."""
    firsts = await reader.beginning_offsets()
    for (topic, partition), first in firsts.items():
        start = first
        if settings.clock == "real" and (last := await reader.last_timestamp((topic, partition))) is not None:
            start = await reader.offset_for_time((topic, partition), last - BACK_MS) or first
        if start == 0:
            feed.begin(partition)
        reader.seek(topic, partition, start)
    ends = await reader.end_offsets()
    try:
        async with asyncio.timeout(CATCH_UP_SECONDS_MAX):
            while any([await reader.position(*key) < end for key, end in ends.items()]):
                for records in await reader.poll(0.5):
                    audience.take(records)
    except TimeoutError:
        raise ServerStalled("the feed cannot be read to its end", FEED, "look at Kafka's log") from None


async def _read(reader: Reader, audience: Audience, took: deque[float], clock: Clock) -> None:
    while True:
        for records in await reader.poll(1.0):
            audience.take(records)
            took.append(max(0.0, clock.now_us() / 1e6 - records.timestamps[-1] / 1000))


async def _lag(reader: Reader, took: deque[float], metrics: Metrics, clock: Clock) -> None:
    """Show every few seconds how far behind the feed this gateway is, and how long its records took to it."""
    lag = metrics.gauge("feed_lag_records", "Records of the feed that this gateway has not read yet")
    reading = metrics.gauge("feed_read_seconds", "From a feed record until it is with the clients", ["quantile"])
    while True:
        ends = await reader.end_offsets()
        lag.set(sum([max(0, end - await reader.position(*key)) for key, end in ends.items()]))
        last = sorted(took)
        for quantile in (0.5, 0.99):
            value = last[min(len(last) - 1, int(quantile * len(last)))] if last else math.nan
            reading.labels(str(quantile)).set(value)
        await clock.sleep(LAG_SECONDS)


async def _beat(audience: Audience, clock: Clock) -> None:
    while True:
        audience.beat()
        await clock.sleep(HEARTBEAT_SECONDS)


async def _write(producer: Producer, audience: Audience) -> None:
    while True:
        await producer.send(await audience.next_commands())
