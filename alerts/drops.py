"""How many messages the MQTT broker says that it dropped: for a session whose queue is full, or a client too slow.

Nobody else is told of them, the device has its PUBACK. mosquitto counts them under ``$SYS`` and tells at once; a broker
that does not leaves the metric out (rumqttd closes the connection of who asks). The connection is one of its own, whose
session ends with it: who is refused here proves on, and no counts wait in a queue that is full already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from runtime.clock import Clock
from runtime.mqtt import Connection
from runtime.observe import Metrics, get_logger
from runtime.settings import Settings
from vitals.errors import ServerError

TOPIC = "$SYS/broker/publish/messages/dropped"
RETRY_S = 60.0
"""Pause before a broker that cannot be reached is asked again."""
RETRY_S_MAX = 86_400.0
"""The longest pause; it doubles each time that a broker was reached and did not tell."""
CONNECT_S = 3.0
"""A broker that closes the connection at the question is left after so long; each one is a warning in the log."""
LOOK_S = 1.0

log = get_logger("vigil.drops")


def count_of(payload: bytes) -> int | None:
    """The count that the broker tells; None where it is none."""
    return int(payload) if payload.isascii() and payload.isdigit() else None


async def watch(settings: Settings, metrics: Metrics, clock: Clock) -> None:
    """Keep the metric as the broker tells it, for ever. There is none before the first count."""
    dropped = metrics.gauge("broker_dropped_messages", "Dropped by the MQTT broker since its start", ["broker"])
    pause, why = RETRY_S, ""
    while True:
        name = f"prover-{settings.instance}-drops"
        connection = Connection(settings, name, [TOPIC], forget=True, connect_timeout_s=CONNECT_S)
        try:
            async with connection:
                await _hear(connection, lambda count: dropped.labels(settings.mqtt).set(count))
            why = "it closes the connection"
        except ServerError as error:
            why = str(error)
        if connection.counters.received:
            pause = RETRY_S
        elif connection.counters.connects:
            pause = min(2 * pause, RETRY_S_MAX)
            log.info("the broker does not tell what it drops", error=why, todo=f"asked again in {pause:.0f} s")
        await clock.sleep(pause)


async def _hear(connection: Connection, tell: Callable[[int], None]) -> None:
    """Tell each count; ends when the broker has closed a connection without a word."""
    while connection.counters.received or not connection.counters.disconnects:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                messages = await connection.take()
                for message in messages:
                    if message.topic == TOPIC and (count := count_of(message.payload)) is not None:
                        tell(count)
                connection.ack(messages)
