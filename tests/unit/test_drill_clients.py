"""The clients drill: what proves that clients were cut at the limit in bytes, and that the others had their mishaps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from compose.drills import clients
from compose.drills.clients import BURST_CUT_S, BURST_TURN_S, BURST_TURNS, DEAF_IN_BURST, DEAF_LATER, LATER_CUT_S, Watch
from compose.drills.crowds import (
    Bounds,
    Deafness,
    Got,
    Joined,
    Look,
    Record,
    judge_cuts,
    judge_deaf,
    judge_mishaps,
    judge_waiting,
)
from compose.drills.deaf import Deaf, kernel_bytes
from compose.drills.frame import Frame
from runtime.clock import SystemClock
from runtime.testing.clock import ManualClock
from runtime.testing.waiting import until
from runtime.web import LIMITS, WAITING_BYTES_MAX, Peer, PeerGone, serve
from vitals.errors import ServerStalled

BODY = b"""# TYPE vigil_feed_buffered_bytes gauge
vigil_feed_buffered_bytes 4096.0
vigil_feed_cut_total{reason="bytes"} 3.0
vigil_feed_cut_total{reason="patience"} 5.0
vigil_feed_cut_created{reason="bytes"} 1.7e+09
"""


# ---- whom the gateway cut, and why


def test_the_burst_is_cut_before_the_patience_is_over_and_the_rest_after_it():
    """A client that is cut within so long cannot have been cut by patience: else the limit in bytes is not shown."""
    assert BURST_TURNS * BURST_TURN_S < BURST_CUT_S < LIMITS.stall_s < LATER_CUT_S


def test_clients_cut_by_patience_do_not_show_the_limit_in_bytes():
    """Whatever waits, who never reads is cut in the end; the drill would pass without any limit in bytes."""
    right = judge_cuts({"bytes": 3, "patience": 0}, {"bytes": 3, "patience": 5}, bytes_min=3, deaf=8)
    assert right.differences == []
    assert right.figures == {
        "clients_cut_in_burst": {"bytes": 3, "patience": 0},
        "clients_cut": {"bytes": 3, "patience": 5},
    }
    wrong = judge_cuts({"bytes": 0, "patience": 3}, {"bytes": 0, "patience": 8}, bytes_min=3, deaf=8)
    assert wrong.differences == ["clients cut at the limit in bytes: 0, expected at least 3"]
    late = judge_cuts({"bytes": 2, "patience": 1}, {"bytes": 7, "patience": 1}, bytes_min=3, deaf=8)
    assert late.differences == ["clients cut at the limit in bytes: 2, expected at least 3"]


def test_the_gateway_counts_all_that_were_cut_and_a_count_that_is_missing_is_found():
    """A counter that nobody counts with is found by operators, at night."""
    short = judge_cuts({"bytes": 3}, {"bytes": 3, "patience": 4}, bytes_min=3, deaf=8)
    assert short.differences == ["clients that the gateway says it cut: 7, expected at least 8"]
    assert len(judge_cuts({}, {}, bytes_min=3, deaf=8).differences) == 2


def test_each_client_that_never_reads_has_its_own_time():
    """One limit for all of them is the longest, and that is the patience."""
    found = judge_deaf([Deafness("deaf-1", 14.0, 12.0), Deafness("deaf-4", 16.0, 25.0)])
    assert found.differences == ["clients that never read and were cut late: 1 (deaf-1 after 14.0 s instead of 12 s)"]


@pytest.mark.parametrize(
    ("gateway", "kernel", "said"),
    [
        (801.0, 100, ["bytes that waited for one client: 801, at most 800"]),
        (790.0, 211, ["bytes that waited for one client with the kernel's: 1001, at most 1000"]),
        (399.0, 100, ["bytes that waited in the gateway: 399; the limit was not tried"]),
        (790.0, 49, ["bytes that waited in the kernel: 49; the limit was not tried"]),
        (800.0, 200, []),
    ],
)
def test_what_waits_is_bounded_in_the_gateway_and_with_what_the_kernel_has(
    gateway: float, kernel: int, said: list[str]
):
    """Too many bytes in either place, or a limit that nothing came near."""
    bounds = Bounds(gateway_max=800, together_max=1000, gateway_min=400, kernel_min=50)
    found = judge_waiting([Look(0.0, 0), Look(gateway, kernel), Look(0.0, 0)], bounds)
    assert found.differences == said
    assert found.figures["waiting_bytes_most"] == gateway + kernel


def test_no_look_at_all_is_found():
    """Nothing seen is not nothing there."""
    assert len(judge_waiting([], clients.BOUNDS).differences) == 2


# ---- mishaps


def mishap(connections: int = 3, *, stalls: int = 1, kills: int = 1, steady: bool = False) -> Record:
    """A client that got one snapshot; every connection after the first went on with its cursor."""
    return Record("c", steady, [Joined({}, {})], connections=connections, stalls=stalls, kills=kills)


@pytest.mark.parametrize(
    ("wild", "said"),
    [
        (lambda: mishap(stalls=0), "0 stalls"),
        (lambda: mishap(kills=0), "0 kills"),
        (lambda: mishap(1), "0 resumes"),
        (lambda: replace(mishap(3), events=[Joined({}, {})] * 3), "0 resumes"),
    ],
)
def test_a_drill_without_mishaps_proves_nothing(wild: Callable[[], Record], said: str):
    """Records of clients that only read are equal to the database in any gateway."""
    found = judge_mishaps([wild() for _ in range(8)])
    assert len(found.differences) == 1
    assert f"({said})" in found.differences[0]


def test_the_floors_are_a_quarter_of_the_wild_clients():
    """Those that read steadily have no mishaps, and are not counted."""
    calm = [mishap(1, stalls=0, kills=0)] * 6
    steady = [mishap(1, stalls=0, kills=0, steady=True)] * 20
    right = judge_mishaps([*steady, *calm, mishap(2), mishap(2)])
    assert (right.differences, right.figures["client_resumes"]) == ([], 2)
    assert "1 kills, 1 resumes, 1 stalls" in judge_mishaps([*steady, *calm, mishap(2), calm[0]]).differences[0]
    assert "1 kills, 1 resumes, 1 stalls" in judge_mishaps([*calm, calm[0], mishap(2), calm[0]]).differences[0]


def test_a_change_is_no_snapshot():
    """Only a snapshot tells that a cursor was not honoured."""
    got = Got(0, (1, 0), UUID(int=1), "open", 0)
    assert judge_mishaps([replace(mishap(2), events=[Joined({}, {}), got, got])]).figures["client_resumes"] == 1


# ---- the watch


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bytes | OSError]:
    """What the gateway answers, in turn; the last one for ever."""
    found: list[bytes | OSError] = [BODY]

    async def ask(_: int, path: str) -> tuple[int, bytes]:
        assert path == "/metrics"
        answer = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(answer, OSError):
            raise answer
        return 200, answer

    monkeypatch.setattr(clients, "ask", ask)
    return found


async def test_the_watch_reads_what_waits_and_whom_the_gateway_cut(answers: list[bytes | OSError]):
    """A name that does not match any more is an empty list, which looks like a gateway that holds nothing."""
    watch = Watch()
    await watch.look()
    assert (watch.looks, watch.cuts, len(answers)) == ([Look(4096.0, 0)], {"bytes": 3, "patience": 5}, 1)


async def test_a_watch_that_ended_is_said_at_once_and_at_the_end(answers: list[bytes | OSError]):
    """Without a look nobody knows how much waited: the largest of the few that were made is no maximum."""
    clock = ManualClock()
    answers[:] = [BODY, BODY, ConnectionResetError("gone")]
    watch = Watch()
    said: list[ServerStalled] = []

    async def drill() -> None:
        async with watch.looking(clock):
            await clock.advance(clients.LOOK_S)
            watch.go_on()
            await clock.advance(clients.LOOK_S)
            try:
                watch.go_on()
            except ServerStalled as error:
                said.append(error)

    with pytest.raises(ServerStalled, match="gone"):
        await drill()
    assert len(said) == 1
    assert len(watch.looks) == 2


async def test_a_watch_that_goes_on_ends_quietly(answers: list[bytes | OSError]):
    """Its own cancellation is no fault."""
    clock = ManualClock()
    watch = Watch()
    async with watch.looking(clock):
        await clock.advance(1.0)
        watch.go_on()
    assert len(watch.looks) == 11
    assert len(answers) == 1


# ---- who never reads


async def test_a_client_that_was_never_cut_is_not_cut_by_its_own_end():
    """A descriptor that is closed polls as if the other end had gone; the judge asks after the sockets are closed."""
    release = asyncio.Event()

    async def hold(_: Peer) -> None:
        await release.wait()

    async with serve(hold, "127.0.0.1", 0) as port:
        async with Deaf("deaf-1", f"ws://127.0.0.1:{port}/", "token", None, SystemClock()) as never:
            assert never.cut_s() is None
        assert never.cut_s() is None
        release.set()


async def test_a_client_that_was_cut_without_a_look_is_told_at_its_end():
    """The drill closes its sockets right after it has asked for the last time."""

    async def abort(peer: Peer) -> None:
        await peer.receive()
        peer.abort()

    async with serve(abort, "127.0.0.1", 0) as port:
        async with Deaf("deaf-1", f"ws://127.0.0.1:{port}/", "token", None, SystemClock()) as cut:
            poll = cut._poll
            await until(lambda: bool(poll.poll(0)))
        assert cut.cut_s() is not None


async def test_the_kernel_says_what_it_has_for_a_client_that_never_reads():
    """What the gateway wrote is in none of its sums; without the limit on it the kernel would take megabytes."""

    async def flood(peer: Peer) -> None:
        with suppress(PeerGone):
            while True:
                await peer.send("x" * 1000)

    async with (
        serve(flood, "127.0.0.1", 0) as port,
        Deaf("deaf-1", f"ws://127.0.0.1:{port}/", "token", None, SystemClock()) as stuck,
    ):
        await until(lambda: kernel_bytes(port, {stuck.port}) >= clients.BOUNDS.kernel_min)
        assert kernel_bytes(port, {stuck.port}) <= WAITING_BYTES_MAX
        assert kernel_bytes(port, set()) == 0


def test_the_kernels_table_is_read_as_it_is_written(tmp_path: Path):
    """Ports and bytes are hexadecimal; only the gateway's end counts, and of some clients the most."""
    table = tmp_path / "tcp"
    table.write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F90 0100007F:C350 01 00020000:00000001 01:00000014 00000000  1000        0 1 2 0\n"
        "   1: 0100007F:1F90 0100007F:C351 01 0002000A:00000001 01:00000014 00000000  1000        0 1 2 0\n"
        "   2: 0100007F:1F90 0100007F:C352 01 00030000:00000001 01:00000014 00000000  1000        0 1 2 0\n"
        "   3: 0100007F:C350 0100007F:1F90 01 00040000:00000001 01:00000014 00000000  1000        0 1 2 0\n"
    )
    assert kernel_bytes(0x1F90, {0xC350, 0xC351}, table) == 0x2000A
    assert kernel_bytes(0x1F91, {0xC350}, table) == 0


def test_the_judge_is_given_as_many_times_as_there_are_clients():
    """One who is left out is one that need not be cut."""
    watch = Watch(deaf=[cast("Any", Never()) for _ in range(DEAF_IN_BURST + DEAF_LATER)])
    told, *_ = clients._heard(watch)
    assert f"{DEAF_IN_BURST + DEAF_LATER} (deaf, deaf" in told.differences[0]
    watch.deaf.pop()
    with pytest.raises(ValueError, match="longer"):
        clients._heard(watch)


# ---- how late alerts are for the others


def compared(before_ms: float, after_ms: float, slow: int = 20) -> list[str]:
    """What the drill says of two halves of 500 alerts, of which so many came so late and the others after 10 ms."""
    crossings, events = {}, []
    for half, late_ms in enumerate((before_ms, after_ms)):
        for number in range(500):
            alert = UUID(int=half * 1000 + number + 1)
            at = half * 1_000_000 + number * 1000
            crossings[alert] = SimpleNamespace(alert=alert, at=at)
            delay_us = round(1000 * (late_ms if number < slow else min(10.0, late_ms)))
            events.append(Got(0, (1, number), alert, "open", at + delay_us))
    frame = Frame(cast("Any", None), Path(), lambda _: None)
    duty = cast("Any", SimpleNamespace(crossings=crossings))
    steady = Record("s", steady=True, events=list(events), connections=1, stalls=0, kills=0)
    clients._compare(frame, duty, [steady], (0, 1_000_000, 2_000_000))
    return frame.verdict.differences


@pytest.mark.parametrize(
    ("before_ms", "after_ms", "said"),
    [
        (60.0, 119.0, 0),
        (60.0, 121.0, 1),
        (60.0, 525.0, 1),
        (165.0, 240.0, 0),
        (165.0, 337.0, 1),
    ],
)
def test_clients_that_never_read_slow_nobody(before_ms: float, after_ms: float, said: int):
    """A gateway that wrote a whole replay in one turn was 61 and 165 ms before, 525 and 337 beside such clients."""
    assert len(compared(before_ms, after_ms)) == said


def test_one_late_alert_in_five_hundred_is_no_slowness():
    """The 99th percentile is for that: one collection of cycles must not fail the drill."""
    assert compared(20.0, 500.0, slow=4) == []


class Never:
    """A client that is never cut."""

    name = "deaf"

    def cut_s(self) -> None:
        return
