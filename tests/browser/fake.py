"""Fake servers for the page: the feed, the tiles socket, the API and the files, with faults on order.

What a test changes is told to every open page at once; what a page commands is done, refused or left unanswered as
the test says. ``python -m tests.browser.look`` runs a lively ward on it, to look at.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from dashboards.tiles import TilesFrame, WardFrame, WardSite, WardTile
from runtime.clock import SystemClock
from runtime.web import Peer, WebLimits, serve
from tests.browser import fixtures
from tests.browser.answers import Refused, abort_all, carry_out, send_all
from vitals.alerts import Alert, Service, Shelf
from vitals.messages import Message
from vitals.protocol import (
    CLOSE_BAD_TOKEN,
    Change,
    CommandAnswer,
    Delivered,
    Heartbeat,
    Hello,
    Place,
    Proof,
    ServiceChange,
    ShelfChange,
    Snapshot,
    Welcome,
    decode_client,
)

CLOCK = SystemClock()
PAGE = Path(__file__).parents[2] / "dashboards" / "page" / "dist"
LIMITS = WebLimits(message_bytes_max=64 * 1024, buffer_bytes_max=64 * 1024 * 1024)
PEOPLE = {"nurse-token": ("nurse", "clinician"), "wall-token": ("corridor", "wall"), "ops-token": ("ops", "ops")}
NURSE = "nurse-token"
BEAT_SECONDS = 2.0
Answerer = Callable[[str, str], tuple[int, Any]]


@dataclass
class Faults:
    """What goes wrong from now on. Counters are used up by changes; the others hold until set back."""

    drop: int = 0
    """Changes that never arrive."""
    double: bool = False
    """Every change comes twice."""
    hold: int = 0
    """Changes that wait, and come in reverse order once the last of them is here."""
    silent: bool = False
    """Nothing is sent: connections stay open, heartbeats stop."""
    deaf: bool = False
    """Commands are taken and not answered."""
    refuse: str = ""
    """Every command is refused for this reason."""
    close: int | None = None
    """Each hello is answered with this close code."""
    tiles_silent: bool = False
    cut_snapshot: bool = False
    """The connection breaks in the middle of a snapshot."""


@dataclass
class Fake:
    """The servers' state, and what the pages told them."""

    page_dir: Path = PAGE
    clock: str = "real"
    simulated_patients: bool = False
    alerts: dict[UUID, Alert] = field(default_factory=dict)
    shelves: dict[UUID, Shelf] = field(default_factory=dict)
    services: dict[UUID, Service] = field(default_factory=dict)
    tiles: dict[UUID, WardTile] = field(default_factory=dict)
    sites: tuple[WardSite, ...] = fixtures.SITES
    faults: Faults = field(default_factory=Faults)
    state: str = "ok"
    age_ms: int | None = 600
    where: tuple[Place, ...] = ()
    clock_at: int | None = None
    clock_rate: float = 0.0
    """Simulated seconds that pass in each second of heartbeats."""
    proof_age_ms: int | None = 4000
    proof_took_ms: int = 180
    hellos: list[Hello] = field(default_factory=list)
    commands: list[Any] = field(default_factory=list)
    delivered: dict[UUID, int] = field(default_factory=dict)
    api: dict[str, Answerer] = field(default_factory=dict)
    """Path prefix -> (path, query) -> (status, JSON) for /api beyond /api/session."""
    origin: str = ""
    feed_url: str = ""
    live_url: str = ""
    _log: list[Message] = field(default_factory=list)
    _held: list[Message] = field(default_factory=list)
    _screens: dict[Peer, str] = field(default_factory=dict)
    _walls: set[Peer] = field(default_factory=set)
    _done: dict[UUID, CommandAnswer] = field(default_factory=dict)
    _version: int = 1000

    @staticmethod
    def now() -> int:
        """µs UTC."""
        return CLOCK.now_us()

    def url(self, token: str = NURSE, rest: str = "") -> str:
        """The page's address for this token; ``rest`` is a query for the fragment."""
        return f"{self.origin}/#token={token}{rest}"

    def next_version(self) -> int:
        """A version greater than all before."""
        self._version += 1
        return self._version

    # What a test does.

    async def put(self, alert: Alert) -> Alert:
        """A change of an alert: kept, and told to every page."""
        self._version = max(self._version, alert.version[0])
        if alert.closed:
            self.alerts.pop(alert.id, None)
        else:
            self.alerts[alert.id] = alert
        await self._tell(Change(cursor="", alert=alert))
        return alert

    async def shelve(self, shelf: Shelf) -> None:
        """A shelf began, changed or ended."""
        self.shelves[shelf.id] = shelf
        if shelf.ended:
            del self.shelves[shelf.id]
        await self._tell(ShelfChange(cursor="", shelf=shelf))

    async def serve_out(self, service: Service) -> None:
        """A patient went out of service, or came back."""
        self.services[service.patient] = service
        if service.ended:
            del self.services[service.patient]
        await self._tell(ServiceChange(cursor="", service=service))

    async def set_tiles(self, *tiles: WardTile) -> None:
        """These patients' tiles changed."""
        for tile in tiles:
            self.tiles[tile.patient] = tile
        plain = tuple(tile.model_copy() for tile in tiles)
        frame = TilesFrame(at=self.now(), tiles=plain).model_dump_json(exclude={"tiles": {"__all__": {"spark"}}})
        if not self.faults.tiles_silent:
            await send_all(self._walls, frame)

    async def set_ward(self, tiles: list[WardTile]) -> None:
        """Another set of patients."""
        self.tiles = {tile.patient: tile for tile in tiles}
        await send_all(self._walls, self._ward().model_dump_json())

    async def close(self, code: int = 1012) -> None:
        """Close every connection of the feed with this code; 1006 breaks them without a word."""
        if code == 1006:
            abort_all(self._screens)
            return
        for peer in list(self._screens):
            await peer.close(code)

    async def cut_tiles(self) -> None:
        """Break every connection of the tiles without a word."""
        abort_all(self._walls)

    def connected(self) -> int:
        """Open connections of pages."""
        return len(self._screens) + len(self._walls)

    def forget_log(self) -> None:
        """As after a restart: no cursor that a page holds is known any more."""
        self._log.clear()

    # The feed.

    async def _tell(self, message: Message) -> None:
        self._log.append(message)
        message = message.model_copy(update={"cursor": str(len(self._log))})
        self._log[-1] = message
        if self.faults.drop > 0:
            self.faults.drop -= 1
            return
        frames = [message]
        if self.faults.hold > 0:
            self._held.append(message)
            self.faults.hold -= 1
            if self.faults.hold > 0:
                return
            frames, self._held = self._held[::-1], []
        for frame in frames:
            for _ in range(2 if self.faults.double else 1):
                await self._send(frame)

    async def _send(self, message: Message) -> None:
        if not self.faults.silent:
            await send_all(self._screens, message.encode().decode())

    async def feed(self, peer: Peer) -> None:
        """One client of the feed."""
        hello = decode_client(await peer.receive())
        assert isinstance(hello, Hello)
        self.hellos.append(hello)
        code = CLOSE_BAD_TOKEN if hello.token not in PEOPLE else self.faults.close
        if code is not None:
            await peer.close(code)
            return
        await self._greet(peer, hello)
        self._screens[peer] = PEOPLE[hello.token][0]
        try:
            while True:
                await self._take(peer, decode_client(await peer.receive()))
        finally:
            del self._screens[peer]

    async def _greet(self, peer: Peer, hello: Hello) -> None:
        name, role = PEOPLE[hello.token]
        known = int(hello.cursor) if hello.cursor and hello.cursor.isdigit() else None
        recovered = known is not None and known <= len(self._log)
        welcome = Welcome(
            protocol=1,
            server="fake-gateway",
            name=name,
            role=role,
            sites=None,
            recovered=recovered,
            cursor=hello.cursor if recovered else None,
            heartbeat_seconds=BEAT_SECONDS,
            clock=self.clock,
        )
        await peer.send(welcome.encode().decode())
        if recovered:
            assert known is not None
            for message in self._log[known:]:
                await peer.send(message.encode().decode())
        else:
            await self._snapshot(peer)
        if not self.faults.silent:
            await peer.send(self.heartbeat().encode().decode())

    async def _snapshot(self, peer: Peer) -> None:
        alerts = list(self.alerts.values())
        parts = [alerts[start : start + 200] for start in range(0, len(alerts), 200)] or [[]]
        for number, part in enumerate(parts, 1):
            last = number == len(parts)
            snapshot = Snapshot(
                cursor=str(len(self._log)) if last else None,
                more=not last,
                alerts=tuple(part),
                shelves=tuple(self.shelves.values()) if last else (),
                services=tuple(self.services.values()) if last else (),
            )
            await peer.send(snapshot.encode().decode())
            if self.faults.cut_snapshot:
                peer.abort()
                return

    async def _take(self, peer: Peer, command: Any) -> None:
        if isinstance(command, Delivered):
            for alert, announcements in command.announcements:
                self.delivered[alert] = max(announcements, self.delivered.get(alert, 0))
            return
        self.commands.append(command)
        if self.faults.deaf or self.faults.silent:
            return
        answer = self._done.get(command.id) or await self._answer(peer, command)
        self._done[command.id] = answer
        await peer.send(answer.encode().decode())

    async def _answer(self, peer: Peer, command: Any) -> CommandAnswer:
        by = self._screens[peer]
        alert = getattr(command, "alert", None)
        shared = {"id": command.id, "alert": alert, "by": by, "at": self.now()}
        try:
            await carry_out(self, command, by)
        except Refused as refused:
            return CommandAnswer.model_validate(shared | {"outcome": "refused", "reason": refused.reason})
        return CommandAnswer.model_validate(shared | {"outcome": "accepted"})

    def heartbeat(self) -> Heartbeat:
        """The heartbeat as it would be sent now."""
        age = self.proof_age_ms
        proved = None if age is None else self.now() - age * 1000
        real = self.clock == "real"
        took = None if age is None else self.proof_took_ms
        proofs = tuple(Proof(site=site.number, proved_at=proved, age_ms=age, took_ms=took) for site in self.sites)
        return Heartbeat(
            cursor=str(len(self._log)),
            at=self.now(),
            state=self.state,
            age_ms=self.age_ms,
            where=self.where,
            clock_at=self.now() if real else self.clock_at,
            proofs=proofs if real else (),
            unwatched=fixtures.unwatched(self.alerts.values(), self.tiles.values()),
        )

    async def beat(self) -> None:
        """Heartbeats, and the tiles' signs of life, for ever."""
        while True:
            await self._send(self.heartbeat())
            if not self.faults.tiles_silent:
                await send_all(self._walls, TilesFrame(at=self.now(), tiles=()).model_dump_json())
            before = self.now()
            await CLOCK.sleep(BEAT_SECONDS)
            if self.clock_at is not None:
                self.clock_at += int(self.clock_rate * (self.now() - before))

    # The tiles and the API.

    def _ward(self) -> WardFrame:
        return WardFrame(at=self.now(), sites=self.sites, patients=tuple(self.tiles.values()))

    async def live(self, peer: Peer) -> None:
        """One client of the tiles socket."""
        hello = json.loads(await peer.receive())
        if hello.get("token") not in PEOPLE:
            await peer.close(CLOSE_BAD_TOKEN)
            return
        await peer.send(self._ward().model_dump_json())
        self._walls.add(peer)
        try:
            while True:
                await peer.receive()
        finally:
            self._walls.discard(peer)

    def answer(self, path: str, query: str, token: str) -> tuple[int, Any]:
        """What the API says: (status, JSON)."""
        if token not in PEOPLE:
            return 401, {"error": "unauthorized", "what": "the token is not known", "do": "sign in again"}
        if path == "/api/session":
            name, role = PEOPLE[token]
            who = {"name": name, "role": role, "lead": False, "sites": None, "version": "0.0.0"}
            who["simulated_patients"] = self.simulated_patients
            return 200, who | {"feed_url": self.feed_url, "live_url": self.live_url, "clock": self.clock}
        for prefix, answerer in self.api.items():
            if path.startswith(prefix):
                return answerer(path, query)
        return 404, {"error": "not_found", "what": f"no {path} here", "do": ""}

    def policy(self) -> str:
        """The Content-Security-Policy, as strict as the real server's."""
        return (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
            f"connect-src 'self' {self.feed_url} {self.live_url}; worker-src 'self'; manifest-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request over HTTP/1.1; the connection closes after its answer."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        target = head[0].split(" ")[1]
        path, _, query = target.partition("?")
        token = next((line[22:] for line in head if line.lower().startswith("authorization: bearer ")), "")
        status, kind, body = 200, "application/json", b""
        if path.startswith("/api/"):
            status, found = self.answer(path, query, token)
            body = json.dumps(found).encode()
        else:
            file = self.page_dir / (path.lstrip("/") or "index.html")
            if file.is_file():
                kind, body = mimetypes.guess_type(file.name)[0] or "text/plain", file.read_bytes()
            else:
                status, body = 404, b"{}"
        head_out = (
            f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            f"Content-Security-Policy: {self.policy()}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        writer.write(head_out.encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def run(fake: Fake, port: int = 0) -> AsyncIterator[Fake]:
    """The fake's servers while the body runs; their addresses stand in ``fake``."""
    async with (
        serve(fake.feed, "127.0.0.1", 0, limits=LIMITS) as feed,
        serve(fake.live, "127.0.0.1", 0, limits=LIMITS) as live,
        asyncio.TaskGroup() as tasks,
    ):
        server = await asyncio.start_server(fake.http, "127.0.0.1", port)
        fake.feed_url, fake.live_url = f"ws://127.0.0.1:{feed}/feed", f"ws://127.0.0.1:{live}/live"
        fake.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        beats = tasks.create_task(fake.beat(), name="beats")
        async with server:
            yield fake
        beats.cancel()
