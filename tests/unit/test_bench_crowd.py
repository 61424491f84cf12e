"""The benchmarks' websocket clients: cheap, and yet they must not lose count."""

from __future__ import annotations

from websockets.frames import Frame, Opcode

from benchmarks.crowd import frames_in


def _text(body: str) -> bytes:
    return Frame(Opcode.TEXT, body.encode()).serialize(mask=False)


CHANGE, LONG = _text('{"type":"change","n":1}'), _text('{"type":"change","x":"' + "y" * 70_000 + '"}')


def test_changes_are_counted_and_other_frames_are_not():
    """Welcome, snapshot and heartbeats come on the same socket."""
    data = _text('{"type":"heartbeat"}') + CHANGE + LONG + _text('{"x":"type","change":1}') + CHANGE
    assert frames_in(data) == (3, [], b"")


def test_a_frame_that_comes_in_two_pieces_counts_once():
    """Bytes come as TCP cuts them; a frame that is lost would stop the benchmark, a repeat would flatter it."""
    for frame in (CHANGE, LONG):
        for cut in (1, 2, 3, 9, len(frame) - 1):
            counted, _, rest = frames_in(frame[:cut])
            assert (counted, rest) == (0, frame[:cut])
            assert frames_in(rest + frame[cut:]) == (1, [], b"")


def test_pings_are_found_so_that_they_can_be_answered():
    """A server cuts off who does not answer for 20 s, which is less than a benchmark takes."""
    ping = Frame(Opcode.PING, b"abcd").serialize(mask=False)
    assert frames_in(CHANGE + ping + CHANGE[:4]) == (1, [b"abcd"], CHANGE[:4])
