"""Manager and gateway on a real Kafka with real sockets: what a clinician's screen gets, and what it never gets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest

from alerts import gateway, manager_service, session
from alerts.client import Event, FeedClient, FeedRefused, Lost
from alerts.settings import GatewaySettings, ManageSettings
from runtime.clock import SystemClock
from runtime.kafka import Out, Producer
from runtime.settings import Settings
from runtime.web import Peer, PeerGone, WebLimits, connect
from tests.alerting import episode, mild
from vitals.alerts import Alert
from vitals.causes import HEADER, Cause
from vitals.journal import Episode, Mark
from vitals.people import Principal, digest_of
from vitals.protocol import (
    CLIENT_MESSAGE_BYTES_MAX,
    Acknowledge,
    Change,
    CommandAnswer,
    Heartbeat,
    Hello,
    Snapshot,
    Welcome,
    decode_server,
)
from vitals.topics import JOURNAL, partition_of

pytestmark = pytest.mark.timeout(60)
PEOPLE = [
    Principal(name="nurse", role="clinician", token_sha256=digest_of("nurse-token")),
    Principal(name="other", role="clinician", sites=frozenset({2}), token_sha256=digest_of("other-token")),
    Principal(name="wall", role="wall", token_sha256=digest_of("wall-token")),
]
NURSE = "nurse-token"
LIMITS = WebLimits(message_bytes_max=4 * 1024 * 1024)
M = TypeVar("M")
CLOCK = SystemClock()


def settings_for(topics: Settings, cls: type[M], **more: Any) -> M:
    values = topics.model_dump(include={"kafka", "namespace", "partitions"})
    return cls(**values, **more)


class Ward:
    """Writes what a processor writes, and starts gateways."""

    def __init__(self, topics: Settings, tokens: Path, producer: Producer) -> None:
        self._topics = topics
        self._tokens = tokens
        self._producer = producer
        self._causes: dict[int, int] = {}
        self.url = ""
        self.stop: Callable[[], object] = lambda: None

    async def write(self, *messages: Episode | Mark, partition: int | None = None) -> None:
        """Append to the journal with the processor's causes; a mark goes to every partition."""
        outs = []
        for message in messages:
            where = range(self._topics.partitions) if isinstance(message, Mark) else [self.partition(message)]
            outs += [self._out(message, each if partition is None else partition) for each in where]
        await self._producer.send(outs)

    def partition(self, message: Episode) -> int:
        assert message.patient is not None
        return partition_of(message.patient.bytes, self._topics.partitions)

    def _out(self, message: Episode | Mark, partition: int) -> Out:
        number = self._causes[partition] = self._causes.get(partition, 0) + 1
        return Out(JOURNAL, partition, b"k", message.encode(), ((HEADER, Cause(number, 0).pack()),))

    @asynccontextmanager
    async def gateway(self, **more: Any) -> AsyncIterator[str]:
        """A gateway while the body runs; its URL."""
        more = {"feed_port": 0, "tokens_file": self._tokens, "clock": "simulated"} | more
        settings = settings_for(self._topics, GatewaySettings, **more)
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        async with running(gateway.main(settings, CLOCK, port.set_result), port) as self.stop:
            self.url = f"ws://127.0.0.1:{await port}/feed"
            yield self.url

    @asynccontextmanager
    async def feed(self, token: str = NURSE, cursor: str | None = None) -> AsyncIterator[Screen]:
        """A screen that has said hello."""
        async with connect(self.url, limits=LIMITS) as peer:
            await peer.send(Hello(token=token, cursor=cursor).encode().decode())
            screen = Screen(peer)
            screen.welcome = await screen.expect(Welcome)
            yield screen


class Screen:
    """One connection; keeps what it got."""

    welcome: Welcome

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.cursor: str | None = None
        self.changes: list[Alert] = []

    async def next(self) -> Welcome | Snapshot | Change | CommandAnswer | Heartbeat:
        message = decode_server(await self.peer.receive())
        if not isinstance(message, CommandAnswer):
            self.cursor = message.cursor or self.cursor
        if isinstance(message, Change):
            self.changes.append(message.alert)
        return message

    async def expect(self, kind: type[M], fits: Callable[[M], bool] = lambda _: True) -> M:
        """The next message of a kind; others are kept or passed over."""
        while True:
            message = await self.next()
            if isinstance(message, kind) and fits(message):
                return message

    async def acknowledge(self, alert: Alert, number: int = 1) -> CommandAnswer:
        message = Acknowledge(id=UUID(int=number), alert=alert.id, level=alert.level, version=alert.version)
        await self.peer.send(message.encode().decode())
        return await self.expect(CommandAnswer)


@asynccontextmanager
async def running(service: Any, ready: asyncio.Future[int] | None = None) -> AsyncIterator[Callable[[], object]]:
    """A service while the body runs, with what stops it; its failure ends the test."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(service, name="service under test")
        try:
            if ready is not None:
                await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
            yield task.cancel
        finally:
            task.cancel()


@pytest.fixture
async def ward(topics: Settings, tmp_path: Path) -> AsyncIterator[Ward]:
    """A manager that runs, and people with tokens."""
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps([json.loads(person.encode()) for person in PEOPLE]))
    settings = settings_for(topics, ManageSettings, clock="simulated")
    async with Producer(topics, "test") as producer, running(manager_service.main(settings, CLOCK)):
        yield Ward(topics, tokens, producer)


async def test_snapshot_then_changes_then_an_acknowledgement_that_is_answered(ward: Ward):
    """The whole way of an alarm: shown, taken on by one, seen by all."""
    async with ward.gateway(), ward.feed() as nurse, ward.feed("wall-token") as wall:
        assert (nurse.welcome.recovered, nurse.welcome.name, nurse.welcome.clock) == (False, "nurse", "simulated")
        assert (await nurse.expect(Snapshot)).alerts == ()
        await ward.write(episode())
        opened = await nurse.expect(Change)
        assert (opened.alert.change, opened.alert.announced) == ("open", True)
        answer = await nurse.acknowledge(opened.alert)
        assert (answer.outcome, answer.by) == ("accepted", "nurse")
        assert [alert.change for alert in nurse.changes] == ["open", "acknowledge"]
        seen = await wall.expect(Change, lambda message: message.alert.change == "acknowledge")
        assert seen.alert.acknowledged_by == "nurse"
        async with ward.feed() as later:
            (alert,) = (await later.expect(Snapshot)).alerts
            assert alert == nurse.changes[-1]


async def test_a_cursor_outlives_the_gateway_and_every_change_comes_once(ward: Ward):
    """A restarted gateway knows the log, not its clients; the cursor is all that a client needs."""
    async with ward.gateway():
        async with ward.feed() as nurse:
            await nurse.expect(Snapshot)
            await ward.write(episode())
            await nurse.expect(Change)
        await ward.write(episode("unknown", 11, condition="unknown"), episode(label="p2"))
        async with ward.feed() as other:
            (await other.expect(Snapshot))
    async with ward.gateway():
        async with ward.feed(cursor=nurse.cursor) as back:
            assert (back.welcome.recovered, back.welcome.cursor) == (True, nurse.cursor)
            await back.expect(Change)
            await ward.write(episode("known", 12))
            await back.expect(Change, lambda message: message.alert.change == "known")
            assert sorted(alert.change for alert in back.changes) == ["known", "open", "unknown"]
        async with ward.feed(cursor=back.cursor) as again:
            assert again.welcome.recovered
            await again.expect(Heartbeat)
            assert again.changes == []


async def test_a_cursor_that_proves_nothing_gets_a_snapshot(ward: Ward):
    """An honest false is worth more than a hopeful true."""
    async with ward.gateway():
        await ward.write(episode())
        async with ward.feed(cursor="bm9uc2Vuc2U") as nurse:
            assert (nurse.welcome.recovered, nurse.welcome.cursor) == (False, None)
            assert (await nurse.expect(Snapshot)).cursor is not None


async def test_nobody_gets_what_lies_outside_their_scope(ward: Ward):
    """Checked in the snapshot, in the replay, on every push and for every command."""
    async with ward.gateway(), ward.feed() as nurse, ward.feed("other-token") as other:
        await other.expect(Snapshot)
        start = other.cursor
        await ward.write(episode(), episode(label="p2", site=2))
        while len(nurse.changes) < 2:
            await nurse.expect(Change)
        await other.expect(Change)
        await other.expect(Heartbeat)
        assert [alert.site for alert in other.changes] == [2]
        foreign = next(alert for alert in nurse.changes if alert.site == 1)
        assert (await other.acknowledge(foreign)).reason == "unknown_alert"
        async with ward.feed("other-token") as fresh:
            assert [alert.site for alert in (await fresh.expect(Snapshot)).alerts] == [2]
        async with ward.feed("other-token", start) as back:
            assert back.welcome.recovered
            await back.expect(Heartbeat)
            assert [alert.site for alert in back.changes] == [2]
        async with ward.feed("nurse-token", start) as wider:
            assert not wider.welcome.recovered, "the cursor was given for fewer sites"


async def test_commands_are_refused_by_role_by_worsening_and_by_rate(ward: Ward):
    """Every refusal has its reason, so that the screen can say what to do."""
    async with ward.gateway(), ward.feed() as nurse, ward.feed("wall-token") as wall:
        await ward.write(mild())
        shown = (await nurse.expect(Change)).alert
        await wall.expect(Change)
        assert (await wall.acknowledge(shown)).reason == "not_allowed"
        await ward.write(episode("rise", 2))
        risen = (await nurse.expect(Change)).alert
        assert (await nurse.acknowledge(shown, 1)).reason == "worsened"
        assert (await nurse.acknowledge(risen, 2)).outcome == "accepted"
        assert (await nurse.acknowledge(risen, 2)).outcome == "accepted", "the same command, answered again"
        assert [alert.change for alert in nurse.changes].count("acknowledge") == 1
        await ward.write(episode("clear", 9))
        await nurse.expect(Change, lambda message: message.alert.closed)
        assert (await nurse.acknowledge(risen, 3)).reason == "cleared"
        for number in range(10, 10 + session.COMMANDS_BURST + 2):
            command = Acknowledge(id=UUID(int=number), alert=risen.id, level=2, version=risen.version)
            await nurse.peer.send(command.encode().decode())
        await nurse.expect(CommandAnswer, lambda answer: answer.reason == "too_many")


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (Hello(token="wrong").encode().decode(), 4401),
        ("{}", 4400),
        ("not JSON", 4400),
        (Acknowledge(id=UUID(int=1), alert=UUID(int=2), level=1, version=(0, 0)).encode().decode(), 4400),
        ('{"type":"hello","token":"' + "x" * 513 + '"}', 4400),
        ("x" * (CLIENT_MESSAGE_BYTES_MAX + 1), 1009),
        (None, 4408),
    ],
    ids=["token", "empty", "no JSON", "no hello", "long token", "too large", "silent"],
)
async def test_who_does_not_keep_to_the_protocol_is_told_why(
    ward: Ward, first: str | None, code: int, monkeypatch: pytest.MonkeyPatch
):
    """The code says whether to come back; docs/feed.md lists them."""
    monkeypatch.setattr(session, "HELLO_SECONDS_MAX", 0.5)
    async with ward.gateway() as url, connect(url, limits=LIMITS) as peer:
        if first is not None:
            await peer.send(first)
        with pytest.raises(PeerGone) as gone:
            await peer.receive()
    assert gone.value.code == code


async def test_a_second_hello_and_one_connection_too_many_are_refused(ward: Ward):
    """A full gateway says so instead of serving everybody badly."""
    async with ward.gateway(feed_clients_max=1) as url, ward.feed() as nurse:
        async with connect(url, limits=LIMITS) as peer:
            with pytest.raises(PeerGone) as full:
                await peer.receive()
        await nurse.peer.send(Hello(token="nurse-token").encode().decode())
        with pytest.raises(PeerGone) as twice:
            await nurse.expect(CommandAnswer)
    assert (full.value.code, twice.value.code) == (1013, 4400)


async def test_a_client_that_never_reads_costs_only_itself(ward: Ward, monkeypatch: pytest.MonkeyPatch):
    """It completes the handshake and stops: the library alone would keep it for ever and hang at the end."""
    monkeypatch.setattr(gateway, "LIMITS", WebLimits(buffer_bytes_max=256 * 1024, watch_every_s=0.1, stall_s=1.0))
    health = free_port()
    async with ward.gateway(health_port=health) as url, ward.feed() as nurse:
        await nurse.expect(Snapshot)
        with silent_client(url):
            await ward.write(episode())
            await nurse.expect(Change)
            assert await clients(health) == 2
            for number in range(1, 100):
                reasons = [f"{number} {part} " + "x" * 50_000 for part in range(10)]
                await ward.write(*(episode("reason", number / 100, reason=reason) for reason in reasons))
                await nurse.expect(Change, lambda message: message.alert.reason == reasons[-1])  # noqa: B023
                if await clients(health) == 1:
                    break
            assert await clients(health) == 1
    assert len(nurse.changes) == 1 + 10 * number


async def test_a_gateway_stops_although_a_client_never_reads(ward: Ward):
    """A restart that waits for the worst client is no restart."""
    with ExitStack() as left_open:
        async with ward.gateway() as url, ward.feed() as nurse:
            await nurse.expect(Snapshot)
            left_open.enter_context(silent_client(url))
            await ward.write(episode())
            for part in range(5):
                reasons = [f"{part} {number} " + "x" * 50_000 for number in range(20)]
                await ward.write(*(episode("reason", 1, reason=reason) for reason in reasons))
                await nurse.expect(Change, lambda message: message.alert.reason == reasons[-1])  # noqa: B023
            ward.stop()
            with pytest.raises(PeerGone) as gone:
                await nurse.expect(CommandAnswer)
    assert gone.value.code == 1012


async def test_heartbeats_tell_the_age_of_the_data(ward: Ward):
    """A quiet feed is good news only if the data behind it moves."""
    async with ward.gateway(clock="real", stalled_seconds=30), ward.feed() as nurse:
        first = await nurse.expect(Heartbeat)
        assert (first.state, first.age_ms) == ("waiting for the first tick", None)
        await ward.write(Mark(sites={1: CLOCK.now_us()}))
        fine = await nurse.expect(Heartbeat, lambda beat: beat.age_ms is not None and beat.where[0].site is not None)
        assert fine.state == "ok"
        await ward.write(Mark(sites={2: CLOCK.now_us() - 60_000_000}), partition=0)
        bad = await nurse.expect(Heartbeat, lambda beat: beat.state == "stalled")
        assert [(place.partition, place.site) for place in bad.where] == [(0, 2)]
        assert (bad.age_ms or 0) >= 60_000


async def test_the_manager_moves_time_when_nobody_else_does(topics: Settings, tmp_path: Path):
    """Processor and bridge are dead, somebody is at 48: the alert must still call."""
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps([json.loads(person.encode()) for person in PEOPLE]))
    settings = settings_for(topics, ManageSettings, manager_quiet_seconds=0.2)
    async with Producer(topics, "test") as producer, running(manager_service.main(settings, CLOCK)):
        ward = Ward(topics, tokens, producer)
        async with ward.gateway(), ward.feed() as nurse:
            at = CLOCK.now_us() - 6 * 60 * 1_000_000
            await ward.write(episode().model_copy(update={"at": at, "opened_at": at}))
            repeated = await nurse.expect(Change, lambda message: message.alert.change == "repeat")
            assert repeated.alert.at == at + 5 * 60 * 1_000_000


async def test_two_hundred_clients_get_every_change(ward: Ward):
    """A hospital's screens on one gateway: each change is made once and sent to all."""
    clients, changes = 200, 20

    async def watch() -> list[str]:
        async with ward.feed("wall-token") as screen:
            await screen.expect(Snapshot)
            ready.release()
            while len(screen.changes) < changes:
                await screen.expect(Change)
            return [alert.label for alert in screen.changes]

    ready = asyncio.Semaphore(0)
    async with ward.gateway(), asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(watch(), name=f"screen {number}") for number in range(clients)]
        for _ in range(clients):
            await ready.acquire()
        await ward.write(*(episode(label=f"p{number}", reason=str(number)) for number in range(changes)))
    assert all(len(task.result()) == changes for task in watching)


async def test_the_client_comes_back_with_its_cursor_and_has_every_change_once(ward: Ward):
    """The terminal and the drills rely on it: gateways are killed, and nothing is lost or counted twice."""
    got: asyncio.Queue[Event] = asyncio.Queue()
    port = free_port()
    client = FeedClient(f"ws://127.0.0.1:{port}/feed", "nurse-token")

    async def until(kind: type[M]) -> M:
        while not isinstance(event := await got.get(), kind):
            pass
        return event

    async with running(client.run(got.put_nowait)):
        async with ward.gateway(feed_port=port):
            await until(Snapshot)
            await ward.write(episode())
            opened = await until(Change)
            answer = await client.acknowledge(opened.alert)
            assert answer is not None
            assert answer.outcome == "accepted"
        await until(Lost)
        await ward.write(episode("unknown", 11, condition="unknown"))
        async with ward.gateway(feed_port=port):
            assert (await until(Welcome)).recovered
            assert (await until(Change)).alert.change == "unknown"
            assert [alert.response for alert in client.view.alerts.values()] == ["acknowledged"]


async def test_the_client_gives_up_when_its_token_is_refused(ward: Ward):
    """Trying for ever would look like a feed that is only slow."""
    async with ward.gateway() as url:
        with pytest.raises(FeedRefused):
            await FeedClient(url, "wrong").run(lambda _: None)


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def silent_client(url: str) -> socket.socket:
    """A socket that shakes hands, says hello and never reads."""
    port = int(url.split(":")[2].split("/", maxsplit=1)[0])
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", port))
    raw.sendall(
        b"GET /feed HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    hello = Hello(token="nurse-token").encode()
    masked = bytes(byte ^ b"mask"[place % 4] for place, byte in enumerate(hello))
    raw.sendall(bytes([0x81, 0x80 | len(hello)]) + b"mask" + masked)
    return raw


async def clients(health_port: int) -> int:
    """How many clients the gateway counts, as its metrics tell."""
    reader, writer = await asyncio.open_connection("127.0.0.1", health_port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return int(float(text.split("\nvigil_feed_clients ")[1].split()[0]))
