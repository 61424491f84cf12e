"""What one client of the gateway may cost: a bounded number of bytes, wherever they wait."""

from __future__ import annotations

from typing import cast

import pytest

from alerts.fanout import QUEUE_BYTES_MAX
from alerts.session import Session
from runtime.clock import SystemClock
from runtime.web import Peer
from vitals.people import Principal


class StuckPeer:
    """A peer whose socket takes nothing; ``buffered_bytes`` are unsent already."""

    remote = "127.0.0.1:1"

    def __init__(self, buffered_bytes: int) -> None:
        self.buffered_bytes = buffered_bytes
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize("unsent", [0, 300_000])
def test_what_waits_for_one_client_never_passes_the_limit(unsent: int):
    """Frames in the queue and bytes before the socket are the same memory: one limit holds for both together."""
    peer = StuckPeer(unsent)
    session = Session(cast("Peer", peer), Principal(name="n", role="clinician", token_sha256="0" * 64), SystemClock())
    pushed = 0
    while not peer.aborted:
        session.push("x" * 1000)
        pushed += 1
        assert session.buffered_bytes <= QUEUE_BYTES_MAX
        assert pushed < 2000
    assert session.buffered_bytes > QUEUE_BYTES_MAX - 1000
