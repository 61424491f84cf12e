"""The short way between paho and the socket: packets cut from a buffer, and what happens to broken ones."""

from __future__ import annotations

import asyncio
import socket

import pytest
from paho.mqtt.client import Client

from runtime.mqtt import Connection, Message
from runtime.mqtt_socket import BufferedClient
from runtime.settings import Settings

WAIT_S = 30.0


async def drink(connection: Connection, count: int) -> list[Message]:
    """Take until there are ``count`` messages, acknowledging each; rumqttd has at most 200 in flight."""
    found: list[Message] = []
    async with asyncio.timeout(WAIT_S):
        while len(found) < count:
            taken = await connection.take()
            connection.ack(taken)
            found += taken
    return found


async def test_packets_are_cut_out_of_the_stream_wherever_the_network_splits_it(namespace: str) -> None:
    """The short way past paho's decoder must not lose its place: the next byte would be another patient's reading."""
    got: list[tuple[bytes, bytes, int, int, bool]] = []
    client = BufferedClient(f"{namespace}-split")
    client.attach(asyncio.get_running_loop(), lambda: True)
    client.on_arrival = lambda *arrived: got.append(arrived)
    body = b"\x00\x03a/b" + b"\x00\x07" + b"\x05\x01\x01\x02\x00\x00" + b"v" * 200
    length = len(body)
    stream = bytes((0x33, length & 0x7F | 0x80, length >> 7)) + body + b"\x30\x05\x00\x01t\x00x"
    near, far = socket.socketpair()
    near.setblocking(False)
    try:
        client._watched, client._reading = near, True
        for byte in stream * 3:
            far.send(bytes((byte,)))
            client._on_readable()
        far.send(stream * 3)
        client._on_readable()
    finally:
        client._watched = None
        near.close()
        far.close()
    assert got == [(b"a/b", b"v" * 200, 7, 1, True), (b"t", b"x", 0, 0, False)] * 6


@pytest.mark.parametrize(
    "body", [b"", b"\x00", b"\x00\x09a", b"\x00\x01a\x00", b"\x00\x01a\x00\x07\x09x", b"\x00\x01a\x00\x07\xff"]
)
async def test_a_malformed_packet_ends_the_connection_and_nothing_else(namespace: str, body: bytes) -> None:
    """A broken peer must not be read on from the middle of its packet, nor raise into the loop."""
    ends: list[object] = []
    client = BufferedClient(f"{namespace}-broken")
    client.attach(asyncio.get_running_loop(), lambda: True)
    client.on_disconnect = lambda *args: ends.append(args)
    near, far = socket.socketpair()
    near.setblocking(False)
    client._sock = client._watched = near
    client.resume_reading()
    far.send(bytes((0x32, len(body))) + body + b"\x30\x05\x00\x01t\x00x")
    client._on_readable()
    far.close()
    assert len(ends) == 1
    assert client.socket() is None


async def test_many_packets_cost_few_system_calls(mqtt: str, namespace: str) -> None:
    """The buffers lean on private methods of paho; when a version changes them, it shows here."""
    sends = 0

    def counted(self: BufferedClient) -> None:
        nonlocal sends
        sends += 1
        original(self)

    original = BufferedClient._push
    settings = Settings(namespace=namespace, mqtt=mqtt)
    async with Connection(settings, "sub", [f"{namespace}/#"]) as subscriber, Connection(settings, "pub") as publisher:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BufferedClient, "_push", counted)
            await asyncio.gather(*(publisher.publish(f"{namespace}/a", b"x" * 20) for _ in range(400)))
            await drink(subscriber, 400)
    assert issubclass(BufferedClient, Client)
    assert 0 < sends < 400, "stock paho would make 800"
