"""The tiles socket on a real Kafka: what a ward's screen gets, in which scope, and who is cut."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboards import auth, live
from dashboards.live import Live
from dashboards.settings import DashboardSettings
from dashboards.tiles import Tile, TilesFrame, WardFrame
from dashboards.ward import Ward
from runtime.clock import SystemClock
from runtime.kafka import delete_topics, ensure_topics
from runtime.settings import Settings
from runtime.testing.waiting import until
from runtime.web import Peer, PeerGone, WebLimits, connect, serve
from tests.boards import MINUTE, PRINCIPALS, SECOND, Board, dashboard, frame, measured, worn, write
from tests.integration.storage_data import running_sink, sink_settings, stored_to_the_end
from vitals.protocol import CLOSE_BAD_MESSAGE, CLOSE_BAD_TOKEN, CLOSE_TRY_LATER
from vitals.topics import READINGS, TOPICS, patient_id

pytestmark = pytest.mark.timeout(60)
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
LARGE = WebLimits(message_bytes_max=16 * 1024 * 1024)


def values(tile: Tile) -> tuple[float | None, float | None]:
    """Heart rate and glucose of a tile, None where there is none."""
    rate, glucose = tile.vitals.heart_rate, tile.vitals.glucose
    return rate.value if rate else None, glucose.value if glucose else None


async def test_a_screen_gets_the_ward_and_then_only_what_changed(topics: Settings, tmp_path: Path):
    """Two hundred tiles once, then a few each second: so a screen stays cheap."""
    now = SystemClock().now_us()
    await write(topics, [*worn("p-1", 1, now - 600 * MINUTE), *worn("p-2", 1, now - 600 * MINUTE)])
    await write(topics, [measured("p-1", "heart_rate", 71, now), measured("p-1", "glucose", 104, now)])
    async with dashboard(topics, tmp_path) as board, board.tiles() as screen:
        found = await ward_of(screen, lambda frame: bool(frame.patients) and None not in values(frame.patients[0]))
        first, second = found.patients
        assert (first.label, *values(first)) == ("p-1", 71, 104)
        assert list(first.spark.glucose) == [(now, 104)]
        assert second.vitals.glucose is not None
        assert second.vitals.glucose.state == "waiting"
        await write(topics, [measured("p-2", "heart_rate", 80, now + SECOND)])
        changed = await change_of(screen)
        assert [(tile.patient, *values(tile)) for tile in changed.tiles] == [(patient_id("p-2"), 80, None)]


async def test_a_screen_that_stops_reading_is_cut_and_delays_nobody(monkeypatch: pytest.MonkeyPatch):
    """A tablet that went to sleep with its lid closed must not hold the tiles of the ward."""
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(live, "SEND_SECONDS_MAX", 2.0)
    settings = DashboardSettings(tokens_file=Path("none"))
    ward, people = Ward(), auth.parse(json.dumps(PRINCIPALS).encode(), "here")
    for number in range(300):
        for record in worn(f"p-{number}", 1, 0):
            ward.roster.take(record.key, record.value)
    tiles = Live(settings, people, ward, SystemClock())
    tiles.caught_up()
    async with serve(tiles.handle, "127.0.0.1", 0, limits=live.LIMITS) as port, asyncio.TaskGroup() as tasks:
        beat = tasks.create_task(tiles.beat(), name="beat")
        asleep = socket.socket()
        asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asleep.setblocking(False)
        await asyncio.get_running_loop().sock_connect(asleep, ("127.0.0.1", port))
        _, writer = await asyncio.open_connection(sock=asleep, limit=4096)
        writer.write(HANDSHAKE + masked(json.dumps({"type": "hello", "token": "nurse-token"}).encode()))
        await until(lambda: tiles.clients == 1)
        async with connect(f"ws://127.0.0.1:{port}", limits=LARGE) as awake:
            await awake.send(json.dumps({"type": "hello", "token": "nurse-token"}))
            got = 0
            while tiles.clients == 2 or not got:
                ward.shape += 1
                await frame(awake)
                got += 1
            assert tiles.clients == 1
            await frame(awake)
        writer.close()
        beat.cancel()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ('{"type":"hello","token":"guess"}', CLOSE_BAD_TOKEN),
        ('{"type":"good day"}', CLOSE_BAD_MESSAGE),
        ("[", CLOSE_BAD_MESSAGE),
    ],
)
async def test_who_does_not_say_hello_with_a_known_token_is_closed_with_a_reason(sent: str, code: int):
    """A page that tries for ever with a dead token looks as if it were alive."""
    people = auth.parse(json.dumps(PRINCIPALS).encode(), "here")
    tiles = Live(DashboardSettings(tokens_file=Path("none")), people, Ward(), SystemClock())
    async with serve(tiles.handle, "127.0.0.1", 0) as port, connect(f"ws://127.0.0.1:{port}") as peer:
        await peer.send(sent)
        with pytest.raises(PeerGone) as gone:
            await peer.receive()
    assert gone.value.code == code


async def test_a_service_that_has_just_started_shows_no_empty_ward(monkeypatch: pytest.MonkeyPatch):
    """A full ward that says "no patients assigned" for eight seconds is a ward that nobody watches."""
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.02)
    ward, people = Ward(), auth.parse(json.dumps(PRINCIPALS).encode(), "here")
    tiles = Live(DashboardSettings(tokens_file=Path("none")), people, ward, SystemClock())
    hello = json.dumps({"type": "hello", "token": "nurse-token"})
    async with serve(tiles.handle, "127.0.0.1", 0) as port, asyncio.TaskGroup() as tasks:
        beat = tasks.create_task(tiles.beat(), name="beat")
        async with connect(f"ws://127.0.0.1:{port}") as early:
            await early.send(hello)
            await until(lambda: tiles.clients == 1)
            for record in worn("p-1", 1, 0):
                ward.roster.take(record.key, record.value)
            tiles.caught_up()
            first = await frame(early)
            assert isinstance(first, WardFrame)
            assert [tile.patient for tile in first.patients] == [patient_id("p-1")]
        beat.cancel()


async def test_a_service_that_reads_for_long_asks_the_screen_to_come_again(monkeypatch: pytest.MonkeyPatch):
    """A page that gets nothing for seconds cannot tell a slow start from a dead line."""
    monkeypatch.setattr(live, "WHOLE_SECONDS_MAX", 0.05)
    people = auth.parse(json.dumps(PRINCIPALS).encode(), "here")
    tiles = Live(DashboardSettings(tokens_file=Path("none")), people, Ward(), SystemClock())
    async with serve(tiles.handle, "127.0.0.1", 0) as port, connect(f"ws://127.0.0.1:{port}") as peer:
        await peer.send(json.dumps({"type": "hello", "token": "nurse-token"}))
        with pytest.raises(PeerGone) as gone:
            await peer.receive()
    assert gone.value.code == CLOSE_TRY_LATER


async def test_a_screen_sees_its_own_sites_only(topics: Settings, tmp_path: Path):
    """Who cares for one ward has no business on another."""
    now = SystemClock().now_us()
    await write(topics, [*worn("p-1", 1, now - MINUTE), *worn("p-2", 2, now - MINUTE)])
    async with dashboard(topics, tmp_path) as board, board.tiles("other") as screen:
        found = await ward_of(screen, lambda frame: bool(frame.patients))
        assert [tile.label for tile in found.patients] == ["p-2"]
        assert [site.number for site in found.sites] == [2]
        await write(topics, [measured("p-1", "glucose", 100, now), measured("p-2", "glucose", 120, now, site=2)])
        seen = await change_of(screen)
        assert [tile.label for tile in seen.tiles] == ["p-2"]


async def test_older_values_come_from_the_database(topics: Settings, tmp_path: Path, database_url: str):
    """After a restart the sparklines are there, also of hours that the tail of the log does not reach."""
    assert topics.database_url.get_secret_value() == database_url
    now = SystemClock().now_us() // MINUTE * MINUTE
    await write(topics, worn("p-1", 1, now - 600 * MINUTE))
    given = [measured("p-1", "glucose", 100 + back, now - back * MINUTE) for back in range(180, 0, -5)]
    await write(topics, given)
    async with running_sink(sink_settings(topics)):
        await stored_to_the_end(topics)
    await delete_topics(topics, [READINGS])
    await ensure_topics(topics, TOPICS)
    async with dashboard(topics, tmp_path) as board:
        found = await patient_ward_of(
            board, lambda frame: bool(frame.patients) and len(frame.patients[0].spark.glucose) == len(given)
        )
        (tile,) = found.patients
        vital = tile.vitals.glucose
        assert vital is not None
        assert (vital.value, vital.at) == (105, now - 5 * MINUTE)


async def patient_ward_of(board: Board, wanted: Callable[[WardFrame], bool]) -> WardFrame:
    """As `ward_of`, for who comes again as a page does while the service still reads the log."""
    async with asyncio.timeout(40):
        while True:
            try:
                async with board.tiles() as screen:
                    return await ward_of(screen, wanted)
            except PeerGone as gone:
                if gone.code != CLOSE_TRY_LATER:
                    raise


async def ward_of(screen: Peer, wanted: Callable[[WardFrame], bool]) -> WardFrame:
    """The next frame with the whole ward for which ``wanted`` holds."""
    while True:
        found = await frame(screen)
        if isinstance(found, WardFrame) and wanted(found):
            return found


async def change_of(screen: Peer) -> TilesFrame:
    """The next frame with a tile that changed."""
    while True:
        found = await frame(screen)
        if isinstance(found, TilesFrame) and found.tiles:
            return found


def masked(data: bytes) -> bytes:
    """One masked text frame of a client, RFC 6455; shorter than 126 bytes, the mask is zeros."""
    return bytes((0x81, 0x80 | len(data))) + bytes(4) + data
