"""A device's window of QoS 1 messages, and its packets, without a socket."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.load.packets import (
    RECEIVE_MAXIMUM,
    Connack,
    Decoder,
    Disconnected,
    Packet,
    Pong,
    Puback,
    Version,
    connect,
    disconnect,
    publish,
)
from simulators.load.session import Send, Session
from vitals.errors import ProtocolError


def given_out(session: Session) -> list[tuple[int, bool]]:
    return [(each.message, each.dup) for each in session.sends()]


def test_nothing_leaves_without_a_connection_and_all_of_it_afterwards_in_order():
    """What falls due during an outage is kept, not lost and not re-ordered."""
    session = Session(window=10)
    for message in range(3):
        session.give(message)
    assert given_out(session) == []
    session.connect(RECEIVE_MAXIMUM)
    assert given_out(session) == [(0, False), (1, False), (2, False)]
    assert given_out(session) == []


def test_the_window_bounds_what_has_no_puback():
    """A device that sends without bound has its session closed by the broker."""
    session = Session(window=2)
    session.connect(RECEIVE_MAXIMUM)
    for message in range(4):
        session.give(message)
    first, _ = session.sends()
    assert session.sends() == []
    assert session.acknowledge(first.mid) == 0
    assert given_out(session) == [(2, False)]


def test_the_brokers_receive_maximum_counts_where_it_is_smaller():
    """MQTT 5 (3.3.4): more than it allows is a protocol error that ends the connection."""
    session = Session(window=20)
    session.connect(1)
    session.give(0)
    session.give(1)
    assert given_out(session) == [(0, False)]


def test_what_had_left_leaves_again_first_with_dup_and_the_same_number():
    """3.1.1 (4.4): else an acknowledged reading and a repeated one could not be told apart."""
    session = Session(window=2)
    session.connect(RECEIVE_MAXIMUM)
    for message in range(3):
        session.give(message)
    before = session.sends()
    session.lose()
    session.connect(RECEIVE_MAXIMUM)
    assert session.sends() == [Send(each.mid, each.message, dup=True) for each in before]
    for each in before:
        session.acknowledge(each.mid)
    assert given_out(session) == [(2, False)]


def test_a_puback_for_nothing_open_changes_nothing():
    """A late PUBACK of a connection that is gone may still be in the socket."""
    session = Session(window=2)
    session.connect(RECEIVE_MAXIMUM)
    assert session.acknowledge(7) is None
    assert session.idle


@given(st.lists(st.sampled_from(["give", "ack", "lose", "connect"]), max_size=120), st.integers(1, 5))
def test_whatever_happens_every_message_is_open_or_acknowledged_once_and_first_sends_keep_order(
    actions: list[str], window: int
):
    """The load's own accounting must not be the fault that a drill finds."""
    session = Session(window)
    given_, acknowledged, firsts = 0, [], []
    flying: dict[int, int] = {}
    for action in [*actions, "connect"]:
        match action:
            case "give":
                session.give(given_)
                given_ += 1
            case "ack" if flying:
                mid = next(iter(flying))
                flying.pop(mid)
                found = session.acknowledge(mid)
                assert found is not None
                acknowledged.append(found)
            case "lose":
                session.lose()
                flying.clear()
            case "connect" if not session.connected:
                session.connect(RECEIVE_MAXIMUM)
            case _:
                pass
        for each in session.sends():
            flying[each.mid] = each.message
            if not each.dup:
                firsts.append(each.message)
        assert len(flying) <= window
    assert sorted([*acknowledged, *session.open]) == list(range(given_))
    assert firsts == sorted(set(firsts))


VERSIONS: tuple[Version, ...] = (4, 5)
GOOD: dict[Version, bytes] = {
    4: b"\x20\x02\x01\x00" + b"\x40\x02\x12\x34" + b"\xd0\x00",
    5: b"\x20\x06\x01\x00\x03\x21\x00\x0a\x40\x02\x12\x34\x40\x03\x00\x05\x97\xd0\x00\xe0\x01\x8e",
}
SAID: dict[Version, list[Packet]] = {
    4: [Connack(session_present=True, code=0), Puback(0x1234), Pong()],
    5: [
        Connack(session_present=True, code=0, receive_maximum=10),
        Puback(0x1234),
        Puback(5, 0x97),
        Pong(),
        Disconnected(0x8E),
    ],
}


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_packets_are_whole_however_the_bytes_arrive(version: Version, data: st.DataObject):
    """TCP cuts where it likes."""
    stream = GOOD[version]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    decoder = Decoder(version)
    found = [
        packet for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) for packet in decoder.feed(stream[a:b])
    ]
    assert found == SAID[version]


@given(st.binary(max_size=200), st.sampled_from(VERSIONS))
def test_no_bytes_of_a_broker_break_the_decoder(data: bytes, version: Version):
    """A broker's fault ends one connection, never a process with thousands of them."""
    with suppress(ProtocolError):
        Decoder(version).feed(data)


def test_properties_of_every_width_are_passed_over():
    """A broker may say more than the one thing that counts here."""
    properties = b"\x11\x00\x00\x00\x05" + b"\x24\x01" + b"\x12\x00\x02ab" + b"\x26\x00\x01k\x00\x01v" + b"\x21\x00\x07"
    packet = b"\x20" + bytes((3 + len(properties), 0, 0, len(properties))) + properties
    assert Decoder(5).feed(packet) == [Connack(session_present=False, code=0, receive_maximum=7)]


def test_a_packet_for_subscribers_is_an_error():
    """A PUBLISH to a device that never subscribed says that something is very wrong."""
    with pytest.raises(ProtocolError, match="no publisher expects"):
        Decoder(5).feed(b"\x30\x02\x00\x00")


def test_bytes_as_the_standards_write_them():
    """Spelled out by hand after the standards, so that the encoder is not its own judge."""
    assert connect("ab", 4, keepalive_s=60, clean=True) == b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02ab"
    assert connect("a", 5, keepalive_s=1, clean=False, expiry_s=300, username="u", password="p") == (
        b"\x10\x19\x00\x04MQTT\x05\xc0\x00\x01\x05\x11\x00\x00\x01\x2c\x00\x01a\x00\x01u\x00\x01p"
    )
    assert publish(b"t", b"xy", 258, 4) == b"\x32\x07\x00\x01t\x01\x02xy"
    assert publish(b"t", b"xy", 258, 5, dup=True) == b"\x3a\x08\x00\x01t\x01\x02\x00xy"
    assert publish(b"t", b"x" * 200, 1, 4)[:3] == b"\x32\xcd\x01"
    assert disconnect(4, forget=True) == b"\xe0\x00"
    assert disconnect(5, forget=True) == b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00"
