"""What one client of the gateway may cost: a bounded number of bytes, wherever they wait."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import cast

import pytest

from alerts.fanout import QUEUE_BYTES_MAX
from alerts.session import TURN_BYTES_MAX, Host, Session
from runtime.clock import SystemClock
from runtime.testing.waiting import until
from runtime.web import Cut, Peer
from vitals.people import Principal


class StuckPeer:
    """A peer whose socket takes nothing; ``buffered_bytes`` are unsent already."""

    remote = "127.0.0.1:1"

    def __init__(self, buffered_bytes: int) -> None:
        self.buffered_bytes = buffered_bytes
        self.aborts = 0

    @property
    def aborted(self) -> bool:
        return bool(self.aborts)

    def cut(self, why: Cut) -> None:
        assert why == "bytes"
        self.aborts += 1


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


def test_the_limit_counts_bytes_and_not_characters():
    """A ward that writes in Chinese would otherwise have three times the limit waiting."""
    peer = StuckPeer(0)
    session = Session(cast("Peer", peer), Principal(name="n", role="clinician", token_sha256="0" * 64), SystemClock())
    pushed = 0
    while not peer.aborted:
        session.push("病" * 1000)
        pushed += 1
    assert (pushed - 1) * 3000 == session.buffered_bytes
    assert QUEUE_BYTES_MAX - 3000 < session.buffered_bytes <= QUEUE_BYTES_MAX


def test_a_client_that_is_cut_is_named_once(caplog: pytest.LogCaptureFixture):
    """One poll of the feed may push hundreds of changes to it before its conversation ends; one line says it all."""
    peer = StuckPeer(0)
    session = Session(cast("Peer", peer), Principal(name="n", role="clinician", token_sha256="0" * 64), SystemClock())
    while not peer.aborted:
        session.push("x" * 100_000)
    waiting = session.buffered_bytes
    for _ in range(100):
        session.push("x")
    assert (peer.aborts, session.buffered_bytes) == (1, waiting)
    assert [record.getMessage() for record in caplog.records] == ["client does not keep up: n 127.0.0.1:1"]


class TakingPeer:
    """A peer that takes offers while ``free``, and notes what reached it, in order."""

    remote = "127.0.0.1:1"
    buffered_bytes = 0

    def __init__(self) -> None:
        self.free = True
        self.got: list[str] = []
        self.drained = asyncio.Event()

    def offer(self, text: str) -> bool:
        if self.free:
            self.got.append(text)
        return self.free

    async def send(self, text: str) -> None:
        await self.drained.wait()
        self.got.append(text)

    async def receive(self) -> str:
        await asyncio.Event().wait()
        raise AssertionError


async def test_frames_keep_their_order_whether_they_wait_or_not():
    """A frame may go straight to the socket only while none before it waits in the queue or in the sender."""
    peer = TakingPeer()
    session = Session(cast("Peer", peer), Principal(name="n", role="clinician", token_sha256="0" * 64), SystemClock())
    session.push("1")
    peer.drained.set()
    talking = asyncio.create_task(session.talk(cast("Host", None), ["0"]))
    await until(lambda: peer.got == ["0", "1"])
    session.push("2")
    assert peer.got == ["0", "1", "2"]
    peer.free = False
    peer.drained.clear()
    session.push("3")
    peer.free = True
    session.push("4")
    await asyncio.sleep(0)
    session.push("5")
    assert peer.got == ["0", "1", "2"]
    peer.drained.set()
    await until(lambda: len(peer.got) == 6)
    session.push("6")
    assert peer.got == ["0", "1", "2", "3", "4", "5", "6"]
    talking.cancel()
    await asyncio.wait({talking})


@pytest.mark.parametrize("queued", [False, True], ids=["replayed", "queued"])
async def test_others_have_their_turns_during_a_long_replay(queued: bool):
    """A kernel may take thousands of frames without a wait; five resumes from far back held up all alarms for 0.5 s."""
    peer = TakingPeer()
    session = Session(cast("Peer", peer), Principal(name="n", role="clinician", token_sha256="0" * 64), SystemClock())
    frames = [f"{number:1000}" for number in range(QUEUE_BYTES_MAX // 1000)]
    if queued:
        for frame in frames:
            session.push(frame)
    peer.drained.set()
    talking = asyncio.create_task(session.talk(cast("Host", None), [] if queued else frames))
    seen = [0]
    while seen[-1] < len(frames):
        await asyncio.sleep(0)
        seen.append(len(peer.got))
    assert max(after - before for before, after in pairwise(seen)) * 1000 <= TURN_BYTES_MAX + 1000
    assert peer.got == frames
    talking.cancel()
    await asyncio.wait({talking})
