"""The part of MQTT 3.1.1 and 5 that a device needs to publish: bytes from values, values from bytes. Pure.

Written after the OASIS standards *MQTT Version 3.1.1* and *MQTT Version 5.0*; sections are named where it matters.
"""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

from vitals.errors import ProtocolError

Version = Literal[4, 5]
"""The protocol level in CONNECT: 4 is MQTT 3.1.1."""
PINGREQ = b"\xc0\x00"
RECEIVE_MAXIMUM = 65_535
"""What a broker that says nothing of it takes (5.0, 3.2.2.3.3)."""
REMAINING_MAX = 268_435_455
_CONNACK, _PUBACK, _PINGRESP, _DISCONNECT = 0x20, 0x40, 0xD0, 0xE0
_EXPIRY, _RECEIVE = 0x11, 0x21
_WIDTHS = {
    0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1, 0x27: 4,
    0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip
"""Properties of fixed width (5.0, 2.2.2.2)."""
_STRINGS = frozenset({0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F})
_PAIR = 0x26


class Connack(NamedTuple):
    """The broker's answer to CONNECT; ``code`` 0 is success."""

    session_present: bool
    code: int
    receive_maximum: int = RECEIVE_MAXIMUM


class Puback(NamedTuple):
    """A PUBLISH is acknowledged; a ``code`` of 128 or more is a refusal (5.0)."""

    mid: int
    code: int = 0


class Pong(NamedTuple):
    """The answer to a PINGREQ."""


class Disconnected(NamedTuple):
    """The broker ends the connection, and why (5.0)."""

    code: int


Packet = Connack | Puback | Pong | Disconnected


def connect(
    client_id: str,
    version: Version,
    *,
    keepalive_s: int,
    clean: bool,
    expiry_s: int = 0,
    username: str | None = None,
    password: str | None = None,
) -> bytes:
    """A CONNECT; ``expiry_s`` is how long a 5.0 broker keeps the session of a lost connection."""
    flags = clean * 0x02 | (username is not None) * 0x80 | (password is not None) * 0x40
    body = b"\x00\x04MQTT" + struct.pack(">BBH", version, flags, keepalive_s)
    if version == 5:
        properties = struct.pack(">BI", _EXPIRY, expiry_s) if expiry_s else b""
        body += _length(len(properties)) + properties
    body += _string(client_id.encode())
    for each in (username, password):
        if each is not None:
            body += _string(each.encode())
    return b"\x10" + _length(len(body)) + body


def publish(topic: bytes, payload: bytes, mid: int, version: Version, *, dup: bool = False) -> bytes:
    """A PUBLISH with QoS 1; ``dup`` marks one that may have been there before."""
    body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", mid) + (b"\x00" if version == 5 else b"")
    return bytes((0x3A if dup else 0x32,)) + _length(len(body) + len(payload)) + body + payload


def disconnect(version: Version, *, forget: bool = False) -> bytes:
    """A DISCONNECT; ``forget`` asks a 5.0 broker not to keep the session."""
    if version == 5 and forget:
        return struct.pack(">BBBBBI", _DISCONNECT, 7, 0, 5, _EXPIRY, 0)
    return b"\xe0\x00"


class Decoder:
    """Takes bytes in pieces of any size, gives the packets that are whole."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._rest = b""

    def feed(self, data: bytes) -> list[Packet]:
        """Packets that end in ``data``. Raises `ProtocolError` for what no broker may send to a publisher."""
        buffer = self._rest + data if self._rest else data
        found: list[Packet] = []
        at, end = 0, len(buffer)
        while at < end:
            if buffer[at] == _PUBACK and end - at >= 4 and buffer[at + 1] == 2:
                found.append(Puback(buffer[at + 2] << 8 | buffer[at + 3]))
                at += 4
                continue
            head = _remaining(buffer, at + 1)
            if head is None or head[1] + head[0] > end:
                break
            length, body = head
            found.append(self._packet(buffer[at], buffer[body : body + length]))
            at = body + length
        self._rest = buffer[at:]
        return found

    def _packet(self, kind: int, body: bytes) -> Packet:
        try:
            match kind:
                case 0x20 if self._version == 5:
                    return Connack(bool(body[0] & 1), body[1], _receive_maximum(body))
                case 0x20:
                    return Connack(bool(body[0] & 1), body[1])
                case 0x40:
                    return Puback(body[0] << 8 | body[1], body[2] if len(body) > 2 else 0)
                case 0xD0:
                    return Pong()
                case 0xE0 if self._version == 5:
                    return Disconnected(body[0] if body else 0)
                case _:
                    raise ProtocolError("a packet that no publisher expects", f"first byte {kind:#04x}")
        except (IndexError, struct.error) as error:
            raise ProtocolError("a packet of MQTT is cut off", f"first byte {kind:#04x}") from error


def _length(value: int) -> bytes:
    """A variable byte integer (3.1.1, 2.2.3)."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _remaining(buffer: bytes, at: int) -> tuple[int, int] | None:
    """A variable byte integer and where it ends; None while it is not whole."""
    value = 0
    for place in range(4):
        if at + place >= len(buffer):
            return None
        byte = buffer[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ProtocolError("a length of MQTT has more than four bytes")


def _string(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def _receive_maximum(body: bytes) -> int:
    """The Receive Maximum among the properties of a CONNACK."""
    head = _remaining(body, 2)
    if head is None:
        raise IndexError
    length, at = head
    end = at + length
    while at < end:
        code, at = body[at], at + 1
        if code == _RECEIVE:
            (value,) = struct.unpack_from(">H", body, at)
            return int(value)
        if code in _WIDTHS:
            at += _WIDTHS[code]
        elif code in _STRINGS or code == _PAIR:
            for _ in range(2 if code == _PAIR else 1):
                (size,) = struct.unpack_from(">H", body, at)
                at += 2 + int(size)
        else:
            raise ProtocolError("an unknown property in CONNACK", f"{code:#04x}")
    return RECEIVE_MAXIMUM
