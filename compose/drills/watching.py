"""A client of the feed that writes everything down, and when the rest of the stack has caught up with a replay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from alerts.client import Event, FeedClient
from alerts.view import FeedView
from compose.ends import ended
from runtime.clock import Clock
from runtime.database import AsyncConnection
from runtime.kafka import Reader
from runtime.settings import Settings
from stream.sink_work import SOURCES
from vitals.alerts import Alert, FeedMark, decode
from vitals.errors import ServerStalled
from vitals.protocol import Change, CommandAnswer, ServerEvent, Welcome
from vitals.topics import FEED, TOPICS

CONNECT_S = 30.0
SETTLE_S = 120.0
"""How long each stage may take to catch up once the replay has ended; a killed one has to replay its log first."""
POLL_S = 0.2

Key = tuple[UUID, int, int]
"""An alert's id and the version of a change."""


class _CountingView(FeedView):
    """The client's memory, which also keeps what it hides: changes that came twice."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.repeated: list[tuple[int, Alert]] = []

    def take(self, message: ServerEvent) -> bool:
        fresh = super().take(message)
        if isinstance(message, Change) and not fresh:
            self.repeated.append((self._clock.now_us(), message.alert))
        return fresh


class Recorder:
    """One client of the feed; ``changes`` in the order in which they came, ``arrived`` when each did (µs UTC)."""

    def __init__(self, url: str, token: str, clock: Clock) -> None:
        self._client = FeedClient(url, token, clock=clock)
        self._view = self._client.view = _CountingView(clock)
        self._clock = clock
        self.changes: list[Alert] = []
        self.arrived: list[int] = []
        self.connections = 0
        self.not_recovered = 0
        """Connections after the first on which the gateway could not promise that nothing was missed."""

    @property
    def duplicates(self) -> int:
        """Changes that came more than once."""
        return len(self._view.repeated)

    @property
    def everything(self) -> list[tuple[int, Alert]]:
        """When (µs UTC) and what: every change, and after them those that came once more."""
        return [*zip(self.arrived, self.changes, strict=True), *self._view.repeated]

    @property
    def open(self) -> dict[UUID, Alert]:
        """The alerts that are open as this client knows them, by id."""
        return dict(self._view.alerts)

    async def acknowledge(self, alert: Alert) -> CommandAnswer | None:
        """Acknowledge an alert as it is given; None is *not confirmed*."""
        return await self._client.acknowledge(alert)

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Record while the body runs; enters once the gateway has welcomed us."""
        task = asyncio.create_task(self._client.run(self._handle), name="feed client")
        try:
            await until(lambda: self._client.connected, "the gateway does not welcome us", self._clock, CONNECT_S)
            yield
        finally:
            await ended(task)

    def _handle(self, event: Event) -> None:
        match event:
            case Welcome():
                self.connections += 1
                self.not_recovered += self.connections > 1 and not event.recovered
            case Change():
                self.changes.append(event.alert)
                self.arrived.append(self._clock.now_us())
            case _:
                pass


async def until(condition: Callable[[], bool], complaint: str, clock: Clock, seconds: float) -> None:
    """Wait for a condition. Raises `ServerStalled` with the complaint after ``seconds``."""
    began = clock.monotonic()
    while not condition():
        if clock.monotonic() - began > seconds:
            raise ServerStalled(complaint, f"within {seconds:g} s")
        await clock.sleep(POLL_S)


async def feed_changes(settings: Settings, final: int, clock: Clock) -> set[Key]:
    """Changes in ``alerts.feed`` once the manager's mark of every partition has reached the tick ``final`` (µs).

    Raises:
        ServerStalled: processor or manager do not get there.
    """
    found: set[Key] = set()
    left = set(range(settings.partitions))
    began = clock.monotonic()
    async with Reader(settings, [(FEED, partition) for partition in left]) as reader:
        while left:
            if clock.monotonic() - began > SETTLE_S:
                where = ", ".join(str(partition) for partition in sorted(left))
                raise ServerStalled("the feed does not reach the last tick", f"partitions {where}", "see their logs")
            for records in await reader.poll(POLL_S):
                for value in records.values:
                    match decode(value):
                        case Alert() as alert:
                            found.add(key_of(alert))
                        case FeedMark() as mark if max(mark.sites.values(), default=0) >= final:
                            left.discard(records.partition)
                        case _:
                            pass
    return found


async def stored(settings: Settings, connection: AsyncConnection, clock: Clock) -> None:
    """Wait until the sink has stored everything that its topics hold now, and computed again what dirty marks ask for.
    Raises `ServerStalled`.
    """
    counts = {spec.name: settings.partitions if spec.partitioned else 1 for spec in TOPICS if spec.name in SOURCES}
    keys = [(name, partition) for name, count in counts.items() for partition in range(count)]
    async with Reader(settings, keys) as reader:
        ends = {key: end for key, end in (await reader.end_offsets()).items() if end > 0}
    began = clock.monotonic()
    while behind := await _behind(connection, ends):
        if clock.monotonic() - began > SETTLE_S:
            raise ServerStalled("the sink does not catch up", ", ".join(behind), "see its log")
        await clock.sleep(POLL_S)


async def _behind(connection: AsyncConnection, ends: dict[tuple[str, int], int]) -> list[str]:
    cursor = await connection.execute("SELECT topic, partition, position FROM vigil.sink_positions")
    positions = {(topic, partition): position for topic, partition, position in await cursor.fetchall()}
    behind = [f"{key[0]}/{key[1]}" for key, end in ends.items() if positions.get(key, 0) < end]
    ((marks,),) = await (await connection.execute("SELECT count(*) FROM vigil.dirty_windows")).fetchall()
    return behind or ([f"{marks} dirty marks"] if marks else [])


def key_of(alert: Alert) -> Key:
    """What makes a change the same change."""
    return (alert.id, *alert.version)
