"""How many messages the MQTT broker says that it dropped: for a session whose queue is full, or a client too slow.

Nobody else is told of them, the device has its PUBACK. mosquitto counts them under ``$SYS``; a broker that does not
(rumqttd) leaves the metric out. The connection is one of its own, whose session ends with it: a subscription that is
refused ends no proof, and no counts wait in a queue that is full already.
"""

from __future__ import annotations

from runtime.clock import Clock
from runtime.mqtt import Connection
from runtime.observe import Metrics, get_logger
from runtime.settings import Settings
from vitals.errors import ServerError

TOPIC = "$SYS/broker/publish/messages/dropped"
RETRY_S = 60.0
"""Pause before a broker that refused is asked again; one that is only away is found by the connection itself."""

log = get_logger("vigil.drops")


def count_of(payload: bytes) -> int | None:
    """The count that the broker tells; None where it is none."""
    return int(payload) if payload.isascii() and payload.isdigit() else None


async def watch(settings: Settings, metrics: Metrics, clock: Clock) -> None:
    """Keep the metric as the broker tells it, for ever. There is none before the first count."""
    dropped = metrics.gauge("broker_dropped_messages", "Dropped by the MQTT broker since its start", ["broker"])
    name = f"prover-{settings.instance}-drops"
    while True:
        try:
            async with Connection(settings, name, [TOPIC], forget=True) as connection:
                while True:
                    messages = await connection.take()
                    for message in messages:
                        if message.topic == TOPIC and (count := count_of(message.payload)) is not None:
                            dropped.labels(settings.mqtt).set(count)
                    connection.ack(messages)
        except ServerError as error:
            log.info("the broker does not tell what it drops", error=str(error), todo="tried again in a minute")
        await clock.sleep(RETRY_S)
