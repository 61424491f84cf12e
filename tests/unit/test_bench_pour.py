"""What the bridge's benchmark pours: packets that a broker takes and a bridge accepts."""

from __future__ import annotations

from benchmarks.pour import AT_ONCE, encoded, message
from vitals.codecs import Parsed
from vitals.codecs.json import decode

AT = 1_700_000_000_000_000


def test_the_messages_are_readings_as_a_live_device_sends_them():
    """A benchmark of rejections would be another one."""
    (found,) = decode(message(3, AT, 7))
    assert isinstance(found, Parsed)
    assert (found.observed_at, found.value, found.seq) == (AT, 63.0, 7)


def test_every_message_is_one_packet_and_no_packet_id_is_zero():
    """MQTT forbids the id 0, and a broker would close the connection."""
    parts = encoded("ns", ["a", "b"], 2 * AT_ONCE + 1, AT)
    assert len(parts) == 3
    count, at, data = 0, 0, b"".join(parts)
    while at < len(data):
        assert data[at] == 0x32
        length, head = data[at + 1], at + 2
        if length >= 0x80:
            length, head = (length & 0x7F) | data[at + 2] << 7, at + 3
        topic = int.from_bytes(data[head : head + 2], "big")
        assert data[head + 2 + topic : head + 4 + topic] != b"\0\0"
        at, count = head + length, count + 1
    assert count == 2 * AT_ONCE + 1
