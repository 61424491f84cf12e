"""The gateway: holds ``alerts.feed`` in memory and serves it over websockets; ``docs/feed.md`` is its protocol.

Every gateway reads all partitions without a group, so any number of them can run. It listens once it has read
what the feed held when it started. Commands go to ``alerts.journal``; their answers come back on the feed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from importlib import metadata
from itertools import chain
from uuid import UUID

from alerts.ages import Ages
from alerts.fanout import Entry, Feed, change_frame, snapshot_frames
from alerts.session import Session, converse
from alerts.settings import GatewaySettings, load_principals
from runtime.clock import Clock, SystemClock
from runtime.kafka import Out, Producer, Reader, Records, cluster_id
from runtime.observe import HealthServer, Metrics, Readiness
from runtime.web import Peer, WebLimits, serve
from vitals import causes, people
from vitals.alerts import Answer, FeedMark
from vitals.errors import ServerStalled
from vitals.journal import Command
from vitals.people import Principal
from vitals.protocol import (
    CLIENT_MESSAGE_BYTES_MAX,
    CLOSE_RESTART,
    CLOSE_TRY_LATER,
    HEARTBEAT_SECONDS,
    PROTOCOL_VERSION,
    Acknowledge,
    CommandAnswer,
    CommandReason,
    Heartbeat,
    Welcome,
)
from vitals.topics import FEED, JOURNAL

log = logging.getLogger("vigil.gateway")

BACK_MS = 25 * 3600 * 1000
"""How far before a partition's last record a gateway begins on the real clock: open alerts are written daily."""
CATCH_UP_SECONDS_MAX = 300.0
COMMANDS_WAITING_MAX = 1000
"""Commands not yet in the journal, or not yet answered; beyond it they are refused as ``too_many``."""
LIMITS = WebLimits(message_bytes_max=CLIENT_MESSAGE_BYTES_MAX)


class Gateway:
    """The feed's audience. One event loop; nothing here awaits between reading state and queueing frames."""

    def __init__(self, settings: GatewaySettings, principals: tuple[Principal, ...], feed: Feed, clock: Clock) -> None:
        self._settings = settings
        self._principals = principals
        self._feed = feed
        self._clock = clock
        self._ages = Ages(
            settings.partitions,
            real=settings.clock == "real",
            stalled_ms=int(settings.stalled_seconds * 1000),
            started=clock.monotonic(),
        )
        self._audience: dict[str, set[Session]] = {}
        self._asked: OrderedDict[UUID, set[Session]] = OrderedDict()
        self._commands: asyncio.Queue[Out] = asyncio.Queue(COMMANDS_WAITING_MAX)
        self._connections = 0
        self._server = f"vigil-gateway {_version()}"

    @property
    def clients(self) -> int:
        """Clients that said hello."""
        return sum(map(len, self._audience.values()))

    async def handle(self, peer: Peer) -> None:
        """Serve one connection to its end."""
        if self._connections >= self._settings.feed_clients_max:
            await peer.close(CLOSE_TRY_LATER, "full")
            return
        self._connections += 1
        try:
            await converse(peer, self, self._clock.monotonic())
        finally:
            self._connections -= 1

    def take(self, records: Records) -> None:
        """Take feed records: remember them, and tell the audience."""
        for value, headers in zip(records.values, records.headers, strict=True):
            cause = causes.of_headers(headers)
            taken = None if cause is None else self._feed.take(records.partition, cause, value)
            match taken:
                case Entry():
                    self._publish(taken)
                case Answer():
                    self._answered(taken)
                case FeedMark():
                    self._ages.mark(records.partition, taken.sites, self._clock.monotonic())
                case None:
                    pass

    def beat(self) -> None:
        """Push a heartbeat to everybody, made once per scope."""
        for scope, sessions in self._audience.items():
            principal = next(iter(sessions)).principal
            state, age_ms, where = self._ages.report(self._clock.now_us(), self._clock.monotonic(), principal.sees)
            cursor, at = self._feed.cursor(scope), self._clock.now_us()
            beat = Heartbeat(cursor=cursor, at=at, state=state, age_ms=age_ms, where=where)
            self._push(sessions, beat.encode().decode())

    async def next_commands(self) -> list[Out]:
        """Commands to write, at least one."""
        commands = [await self._commands.get()]
        while not self._commands.empty():
            commands.append(self._commands.get_nowait())
        return commands

    async def close(self) -> None:
        """Tell every client to come back to whoever serves the feed next."""
        sessions = [session for group in self._audience.values() for session in group]
        await asyncio.gather(*(session.close(CLOSE_RESTART, "restart") for session in sessions))

    def principal(self, token: str) -> Principal | None:
        """The person behind a token."""
        return people.find(self._principals, token)

    def join(self, session: Session, cursor: str | None) -> Iterable[str]:
        """Add a client; its first frames are the state at this very moment, and everything later is pushed."""
        self._audience.setdefault(session.scope, set()).add(session)
        missed = None if cursor is None else self._feed.missed(cursor, session.scope)
        welcome = self._welcome(session.principal, cursor if missed is not None else None)
        if cursor is None or missed is None:
            alerts = self._feed.open_alerts(session.principal)
            return chain([welcome], snapshot_frames(alerts, self._feed.cursor(session.scope)))
        seen = self._feed.replay(cursor, session.scope, missed)
        sees = session.principal.sees
        return chain([welcome], (change_frame(entry.alert, at) for entry, at in seen if sees(entry.site)))

    def leave(self, session: Session) -> None:
        """Take a client out; answers to its commands go nowhere."""
        group = self._audience[session.scope]
        group.discard(session)
        if not group:
            del self._audience[session.scope]
        for asked in self._asked.values():
            asked.discard(session)

    def acknowledge(self, session: Session, message: Acknowledge) -> None:
        """Queue a command for the journal, or answer at once why not."""
        place = self._feed.place_of(message.alert)
        if not session.principal.may_command:
            self._refuse(session, message, "not_allowed")
        elif not session.bucket.take(self._clock.monotonic()) or self._commands.full():
            self._refuse(session, message, "too_many")
        elif place is None or not session.principal.sees(place.site):
            self._refuse(session, message, "unknown_alert")
        else:
            command = Command(
                id=message.id,
                action="acknowledge",
                alert=message.alert,
                level=message.level,
                version=message.version,
                by=session.principal.name,
                at=self._clock.now_us(),
            )
            self._asked.setdefault(message.id, set()).add(session)
            if len(self._asked) > COMMANDS_WAITING_MAX:
                self._asked.popitem(last=False)
            self._commands.put_nowait(Out(JOURNAL, place.partition, place.key, command.encode()))

    def _welcome(self, principal: Principal, cursor: str | None) -> str:
        welcome = Welcome(
            protocol=PROTOCOL_VERSION,
            server=self._server,
            name=principal.name,
            role=principal.role,
            sites=None if principal.sites is None else tuple(sorted(principal.sites)),
            recovered=cursor is not None,
            cursor=cursor,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            clock=self._settings.clock,
        )
        return welcome.encode().decode()

    def _publish(self, entry: Entry) -> None:
        for scope, sessions in self._audience.items():
            if next(iter(sessions)).principal.sees(entry.site):
                self._push(sessions, change_frame(entry.alert, self._feed.cursor(scope)))

    def _answered(self, answer: Answer) -> None:
        sessions = self._asked.pop(answer.id, None)
        if sessions:
            reply = CommandAnswer.model_validate(answer.model_dump(exclude={"kind"}))
            self._push(sessions, reply.encode().decode())

    def _refuse(self, session: Session, message: Acknowledge, reason: CommandReason) -> None:
        answer = CommandAnswer(
            id=message.id,
            alert=message.alert,
            outcome="refused",
            reason=reason,
            by=session.principal.name,
            at=self._clock.now_us(),
        )
        session.push(answer.encode().decode())

    @staticmethod
    def _push(sessions: Iterable[Session], frame: str) -> None:
        for session in sessions:
            session.push(frame)


async def main(
    settings: GatewaySettings, clock: Clock | None = None, listening: Callable[[int], None] = lambda _: None
) -> None:
    """Run the gateway until it is cancelled; ``listening`` is told the port.

    Raises:
        SettingsError: the tokens file cannot be used.
        ServerError: Kafka is away, or the port is taken.
    """
    clock = clock or SystemClock()
    principals = load_principals(settings.tokens_file)
    metrics, readiness = Metrics(), Readiness("feed", "listening")
    partitions = [(FEED, partition) for partition in range(settings.partitions)]
    identity = f"{await cluster_id(settings)}/{settings.namespace}"
    feed = Feed(identity, settings.partitions, settings.history_changes_max)
    gateway = Gateway(settings, principals, feed, clock)
    metrics.gauge("feed_clients", "Clients of the feed").set_function(lambda: gateway.clients)
    metrics.gauge("feed_unreadable_records", "Feed records skipped").set_function(lambda: feed.unreadable)
    async with (
        HealthServer(settings.health_port or None, readiness, metrics),
        Producer(settings, f"gateway-{settings.instance}") as producer,
        Reader(settings, partitions) as reader,
    ):
        await _catch_up(settings, reader, feed, gateway)
        readiness.set("feed", ok=True)
        serving = serve(gateway.handle, settings.feed_host, settings.feed_port, origins=settings.origins, limits=LIMITS)
        async with serving as port:
            log.info("listening on %s:%d", settings.feed_host, port)
            readiness.set("listening", ok=True)
            listening(port)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_read(reader, gateway), name="feed reader")
                    tasks.create_task(_beat(gateway, clock), name="heartbeat")
                    tasks.create_task(_write(producer, gateway), name="command writer")
            finally:
                await gateway.close()


async def _catch_up(settings: GatewaySettings, reader: Reader, feed: Feed, gateway: Gateway) -> None:
    """Read every partition from where its open alerts can begin, to its end as it is now."""
    firsts = await reader.beginning_offsets()
    for (topic, partition), first in firsts.items():
        start = first
        if settings.clock == "real" and (last := await reader.last_timestamp((topic, partition))) is not None:
            start = await reader.offset_for_time((topic, partition), last - BACK_MS) or first
        if start == 0:
            feed.begin(partition)
        reader.seek(topic, partition, start)
    ends = await reader.end_offsets()
    try:
        async with asyncio.timeout(CATCH_UP_SECONDS_MAX):
            while any([await reader.position(*key) < end for key, end in ends.items()]):
                for records in await reader.poll(0.5):
                    gateway.take(records)
    except TimeoutError:
        raise ServerStalled("the feed cannot be read to its end", FEED, "look at Kafka's log") from None


async def _read(reader: Reader, gateway: Gateway) -> None:
    while True:
        for records in await reader.poll(1.0):
            gateway.take(records)


async def _beat(gateway: Gateway, clock: Clock) -> None:
    while True:
        gateway.beat()
        await clock.sleep(HEARTBEAT_SECONDS)


async def _write(producer: Producer, gateway: Gateway) -> None:
    while True:
        await producer.send(await gateway.next_commands())


def _version() -> str:
    try:
        return metadata.version("vigil-ward")
    except metadata.PackageNotFoundError:
        return "0"
