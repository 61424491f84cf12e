"""A ward for tests of the feed on real servers: a manager that runs, gateways, and screens that say hello."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from alerts import gateway, manager_service
from alerts.requests import Request
from alerts.settings import GatewaySettings, ManageSettings
from runtime.clock import SystemClock
from runtime.kafka import Out, Producer
from runtime.settings import Settings
from runtime.web import Peer, WebLimits, connect
from vitals.alerts import Alert, Answer, Service, Shelf
from vitals.causes import HEADER, Cause
from vitals.control import PatientControl
from vitals.journal import Episode, Mark
from vitals.people import Principal, digest_of
from vitals.protocol import (
    Acknowledge,
    Change,
    CommandAnswer,
    Hello,
    ServerEvent,
    Welcome,
    decode_server,
)
from vitals.topics import BINDINGS, FEED, JOURNAL, partition_of

PEOPLE = [
    Principal(name="nurse", role="clinician", token_sha256=digest_of("nurse-token")),
    Principal(name="other", role="clinician", sites=frozenset({2}), token_sha256=digest_of("other-token")),
    Principal(name="wall", role="wall", token_sha256=digest_of("wall-token")),
    Principal(name="ops", role="ops", token_sha256=digest_of("ops-token")),
]
NURSE = "nurse-token"
LIMITS = WebLimits(message_bytes_max=4 * 1024 * 1024)
M = TypeVar("M")
CLOCK = SystemClock()
_PORTS = iter(random.SystemRandom().sample(range(20_000, 32_000), 12_000))
"""In another order in each process, none of them twice."""


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
        self._feed_causes: dict[int, int] = {}
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
        """The patient's, or the one in which a site's episode lies."""
        if message.patient is None:
            return message.site % self._topics.partitions
        return partition_of(message.patient.bytes, self._topics.partitions)

    def _out(self, message: Episode | Mark, partition: int) -> Out:
        number = self._causes[partition] = self._causes.get(partition, 0) + 1
        return Out(JOURNAL, partition, b"k", message.encode(), ((HEADER, Cause(number, 0).pack()),))

    async def publish(self, *messages: Alert | Shelf | Service | Answer, partition: int = 0) -> None:
        """Append to the feed what a manager would; for tests of the gateway alone."""
        outs = []
        for message in messages:
            number = self._feed_causes[partition] = self._feed_causes.get(partition, 0) + 1
            headers = ((HEADER, Cause(number, 0).pack()),)
            outs.append(Out(FEED, partition, b"k", message.encode(), headers))
        await self._producer.send(outs)

    async def register(self, *controls: PatientControl) -> None:
        """Append patients to what the registry says."""
        await self._producer.send(
            [Out(BINDINGS, 0, f"patient:{each.label}".encode(), each.encode()) for each in controls]
        )

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

    async def next(self) -> ServerEvent:
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
        return await self.ask(
            Acknowledge(id=UUID(int=number), alert=alert.id, level=alert.level, version=alert.version)
        )

    async def ask(self, message: Request) -> CommandAnswer:
        """Send a command; the answer to this very one."""
        await self.peer.send(message.encode().decode())
        return await self.expect(CommandAnswer, lambda answer: answer.id == message.id)


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


@asynccontextmanager
async def staffed(topics: Settings, folder: Path) -> AsyncIterator[Ward]:
    """People with tokens, and no manager: the test writes the feed."""
    tokens = folder / "tokens.json"
    tokens.write_text(json.dumps([json.loads(person.encode()) for person in PEOPLE]))
    async with Producer(topics, "test") as producer:
        yield Ward(topics, tokens, producer)


@asynccontextmanager
async def managed(topics: Settings, folder: Path, **more: Any) -> AsyncIterator[Ward]:
    """A manager that runs (on simulated time by default), and people with tokens."""
    settings = settings_for(topics, ManageSettings, **{"clock": "simulated"} | more)
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    manager = manager_service.main(settings, CLOCK, lambda: started.set_result(0))
    async with staffed(topics, folder) as ward, running(manager, started):
        yield ward


def free_port() -> int:
    """A port that nobody uses now, below those that the system gives out: no connection of another test takes it
    before it is bound, or while its server is started anew.
    """
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no port from 20000 to 31999 is free")


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
