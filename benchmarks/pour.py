"""Pours messages into an MQTT broker as fast as it takes them: packets are made beforehand, PUBACKs counted only."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from itertools import cycle, islice

from benchmarks.place import SITE
from simulators.load import packets
from vitals.topics import readings_topic

AT_ONCE = 500
"""Messages on their way without PUBACK; what the broker's other clients have too."""
READ_BYTES = 256 * 1024
TIMEOUT_S = 60.0


def message(device: int, at: int, sequence: int) -> bytes:
    """One heart rate as a live device sends it; ``at`` in µs UTC."""
    text = f'{{"metric":"heart_rate","value":{60 + device % 40},"unit":"/min","observed_at":{at},"seq":{sequence}}}'
    return text.encode()


def encoded(root: str, devices: Sequence[str], count: int, at: int) -> list[bytes]:
    """PUBLISH packets (QoS 1) of so many messages in parts of `AT_ONCE`, one device after the other."""
    topics = [readings_topic(root, SITE, name).encode() for name in devices]
    numbered = enumerate(islice(cycle(enumerate(topics)), count))
    made = [
        packets.publish(topic, message(device, at + number, number & 0xFFFF), number % 0xFFFF + 1, 4)
        for number, (device, topic) in numbered
    ]
    return [b"".join(made[first : first + AT_ONCE]) for first in range(0, count, AT_ONCE)]


def pour(address: str, parts: Sequence[bytes], count: int) -> None:
    """Publish all of it and wait for the last PUBACK; blocks. Raises OSError when the broker does not take it."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as sock:
        sock.sendall(packets.connect("bench-pour", 4, keepalive_s=60, clean=True))
        _read(sock, 4)
        waiting = 0
        for part in parts:
            sock.sendall(part)
            size = 4 * AT_ONCE
            waiting += size
            if waiting > 2 * size:
                waiting -= _read(sock, waiting - 2 * size)
        _read(sock, 4 * count - (4 * len(parts) * AT_ONCE - waiting))
        sock.sendall(packets.disconnect(4))


def _read(sock: socket.socket, least: int) -> int:
    """Read that many bytes at least; how many came."""
    came = 0
    while came < least:
        data = sock.recv(READ_BYTES)
        if not data:
            raise ConnectionError("the broker closed the connection")
        came += len(data)
    return came
