"""Driver: who makes time on the simulated clock; the replay of exports and the back-fill of a ward publish through it.

It is the only publisher of ticks: tick S, the readings with e in [S, S + 60 s), the next tick, holes included.
It does not wait for each PUBACK, for it publishes on *one connection*: the broker takes its packets in order, and a
bridge reads them in order through one subscription. When the connection is lost the broker has taken a prefix of what
was sent, and the client sends again, in order, everything from the first message without PUBACK; so the first copies
of all messages still arrive in order, and a second copy of a tick or a reading changes nothing. A broker that lost
what it had acknowledged shows as ticks that do not come in Kafka: then everything behind the last tick there that is
not in Kafka is sent again.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from runtime.clock import Clock
from runtime.kafka import Reader
from runtime.mqtt import Connection
from runtime.settings import Settings
from simulators.pacing import Lead, LogView
from vitals.errors import ServerStalled
from vitals.topics import READINGS, ticks_topic

PUBLISHER = "replay"
"""Whose ticks a bridge takes on the simulated clock."""
AHEAD_MESSAGES_MAX = 500
"""Messages behind the last tick that is known to be in Kafka (DESIGN)."""
STALL_S = 60.0
"""No tick comes in Kafka for so long: the broker may have lost some. Longer than any restart of a bridge."""
BEGIN_S = 2.0
BEGIN_TRIES_MAX = 15
POLL_S = 0.5
QUIET_S = 1.0


@asynccontextmanager
async def pacemaker(
    settings: Settings, sites: Sequence[str], clock: Clock, devices: Sequence[UUID] = ()
) -> AsyncIterator[Pacemaker]:
    """A pacemaker of its own connection and reader, whose ticks are those of ``sites``; it remembers which readings
    of ``devices`` the log has.
    """
    partitions = [(READINGS, partition) for partition in range(settings.partitions)]
    async with (
        Reader(settings, partitions) as reader,
        Connection(settings, PUBLISHER, forget=True) as connection,
    ):
        view = LogView(settings.partitions, devices)
        yield Pacemaker(settings, sites, view=view, reader=reader, connection=connection, clock=clock)


class Pacemaker:
    """Ticks and readings on one connection, never more than `AHEAD_MESSAGES_MAX` ahead of the ticks in Kafka.

    ``view`` is what the log has, ``ticks`` and ``messages`` count what was published.
    """

    def __init__(
        self,
        settings: Settings,
        sites: Sequence[str],
        *,
        view: LogView,
        reader: Reader,
        connection: Connection,
        clock: Clock,
    ) -> None:
        self.view = view
        self.ticks = 0
        self.messages = 0
        self._reader, self._connection, self._clock = reader, connection, clock
        self._topic = ticks_topic(settings.namespace, PUBLISHER)
        self._sites = json.dumps(list(sites))
        self._lead = Lead(AHEAD_MESSAGES_MAX)
        self._moved = asyncio.Event()
        self._pending: deque[asyncio.Future[None]] = deque()
        self._watch: asyncio.Task[None] | None = None

    # What the log has

    async def catch_up(self) -> None:
        """Read the log as it is now; the reader goes on from there."""
        ends = await self._reader.end_offsets()
        left = {partition for (_, partition), end in ends.items() if end > 0}
        while left:
            for records in await self._reader.poll(POLL_S):
                self.view.take(records.partition, records.values, records.headers)
                if records.offsets[-1] + 1 >= ends[READINGS, records.partition]:
                    left.discard(records.partition)

    async def quiet(self) -> None:
        """Let in what an earlier publisher left in the broker: sent again it would only be repeats."""
        while found := await self._reader.poll(QUIET_S):
            for records in found:
                self.view.take(records.partition, records.values, records.headers)

    @asynccontextmanager
    async def watching(self, report_s: float, tell: Callable[[], None]) -> AsyncIterator[None]:
        """Follow the log, so that the publisher knows how far it is ahead; ``tell`` each ``report_s``."""
        self._watch = asyncio.create_task(self._follow(report_s, tell), name="pacemaker watches the log")
        self._watch.add_done_callback(lambda _: self._moved.set())
        try:
            yield
        finally:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch

    async def _follow(self, report_s: float, tell: Callable[[], None]) -> None:
        told = self._clock.monotonic()
        while True:
            for records in await self._reader.poll(POLL_S):
                self.view.take(records.partition, records.values, records.headers)
            if self.view.clock is not None:
                self._lead.seen(self.view.clock)
            self._moved.set()
            if self._clock.monotonic() - told >= report_s:
                told = self._clock.monotonic()
                tell()

    # Publishing

    def restart(self) -> None:
        """Begin again at what the log has: nothing is ahead."""
        self._lead = Lead(AHEAD_MESSAGES_MAX)

    async def tick(self, at: int) -> bool:
        """Publish a tick (µs UTC) once that is not too far ahead; False when ticks stopped coming in Kafka.

        Raises:
            ServerStalled: it is the log's first, and no bridge takes it.
        """
        if self._lead.full and not await self._until(lambda: not self._lead.full):
            return False
        if self.view.clock is None and self._lead.ahead == 0:
            await self._begin(at)
        else:
            self._tick(at)
        self._settle()
        return True

    def publish(self, topic: str, payload: str) -> None:
        """Publish readings behind the last tick."""
        self._send(topic, payload)
        self._lead.readings(1)

    async def reached(self, at: int) -> bool:
        """Wait until the tick ``at`` is in every partition; False when ticks stopped coming."""
        return await self._until(lambda: (self.view.clock or 0) >= at)

    async def _begin(self, at: int) -> None:
        """Publish a new log's first tick until it is there: a broker drops what nobody has subscribed to yet."""
        for _ in range(BEGIN_TRIES_MAX):
            self._tick(at)
            if await self._until(lambda: self.view.clock is not None, BEGIN_S):
                return
        raise ServerStalled("the first tick does not come in Kafka", READINGS, "is a bridge running, on this broker?")

    async def _until(self, condition: Callable[[], bool], patience_s: float = STALL_S) -> bool:
        """Wait for the log; False once it has not moved for ``patience_s``."""
        assert self._watch is not None, "publishing without watching"
        seen, since = self.view.clock, self._clock.monotonic()
        while not condition():
            self._moved.clear()
            await self._moved.wait()
            if self._watch.done():
                self._watch.result()
            if self._connection.failure is not None:
                raise self._connection.failure
            self._settle()
            if self.view.clock != seen:
                seen, since = self.view.clock, self._clock.monotonic()
            elif self._clock.monotonic() - since > patience_s:
                return False
        return True

    def _settle(self) -> None:
        """Forget publishes that are acknowledged; one that failed raises here."""
        while self._pending and self._pending[0].done():
            self._pending.popleft().result()

    def _tick(self, at: int) -> None:
        self._send(self._topic, f'{{"tick":{at},"sites":{self._sites}}}')
        self._lead.tick(at)
        self.ticks += 1

    def _send(self, topic: str, payload: str) -> None:
        self._pending.append(self._connection.publish_nowait(topic, payload.encode()))
        self.messages += 1
