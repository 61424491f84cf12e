"""Stock paho as its documentation has it: MQTT 5, QoS 1, its own loop, PUBACK at once; it counts and does no more.

``main`` takes ``HOST:PORT TOPIC_FILTER COUNT FILE``: FILE grows by one byte each time that COUNT messages came.
With ``KAFKA TOPIC`` behind them every message goes to Kafka by aiokafka's ``send``, as a small bridge would do it;
the PUBACK does not wait for that.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

RECEIVE_MAXIMUM = 500


def client(address: str, topic: str) -> Client:
    """A connected client that subscribes."""
    made = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)

    def connected(*_: object) -> None:
        made.subscribe(topic, 1)

    made.on_connect = connected
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    host, _, port = address.rpartition(":")
    made.connect(host, int(port), properties=properties)
    return made


def receive(address: str, topic: str, count: int, file: Path) -> None:
    """Receive for ever."""
    came = 0

    def arrived(*_: object) -> None:
        nonlocal came
        came += 1
        if came % count == 0:
            with file.open("ab") as out:
                out.write(b".")

    made = client(address, topic)
    made.on_message = arrived
    made.loop_forever()


async def forward(address: str, topic: str, kafka: str, to: str) -> None:
    """Receive in paho's thread and send from the loop, for ever."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[bytes] = asyncio.Queue()
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=kafka, enable_idempotence=True, acks="all", compression_type="lz4", linger_ms=5
    )
    await producer.start()
    made = client(address, topic)

    def arrived(_client: Client, _data: object, message: MQTTMessage) -> None:
        loop.call_soon_threadsafe(waiting.put_nowait, bytes(message.payload))

    made.on_message = arrived
    made.loop_start()
    while True:
        await producer.send(to, await waiting.get())


def main() -> None:
    """Take everything from the command line."""
    address, topic, count, file, *kafka = sys.argv[1:]
    if kafka:
        uvloop.run(forward(address, topic, *kafka))
    else:
        receive(address, topic, int(count), Path(file))
