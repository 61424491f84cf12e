"""The tiles socket: reads the ends of three topics, and tells every screen once a second what changed.

No list of frames waits for anybody: a client that is still taking one frame gets the next with all that changed
meanwhile. One that takes none within a deadline is cut, and delays nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

import numpy as np
from pydantic import ValidationError

from dashboards import chart_queries
from dashboards.database import Database
from dashboards.settings import DashboardSettings
from dashboards.tiles import HELLO_SECONDS_MAX, SPARK_POINTS_MAX, decode_client
from dashboards.ward import Ward
from runtime.clock import Clock
from runtime.kafka import Reader, Records
from runtime.observe import Readiness
from runtime.web import Peer, PeerGone, WebLimits
from vitals import people
from vitals.errors import ProtocolError, ServerError, StateError
from vitals.metrics import BATTERY, GLUCOSE, HEART_RATE, STEPS
from vitals.people import Principal
from vitals.protocol import CLOSE_BAD_MESSAGE, CLOSE_BAD_TOKEN, CLOSE_HELLO_LATE, CLOSE_TRY_LATER
from vitals.readings import READING
from vitals.topics import BINDINGS, READINGS, WINDOWS

log = logging.getLogger("vigil.live")

BEAT_SECONDS = 1.0
WHOLE_SECONDS_MAX = 4.0
"""How long a client waits for a service that has just started; less than a page takes for silence."""
QUIET_BEATS_MAX = 2
"""Beats without a change after which an empty frame says that the socket lives."""
SEND_SECONDS_MAX = 10.0
"""A client that has not taken one frame within this is cut."""
MESSAGES_MAX = 100
"""Messages of a client after its hello; there are none to send."""
BACK_MS = 30 * 60 * 1000
"""How far before now (real time of the records) the tail begins; older values come from the database."""
BACK_RECORDS_MAX = {READINGS: 200_000, WINDOWS: 4_000}
"""Records read back in one partition at most: two seconds of work; one of windows may hold `ROWS_MAX`."""
RETRY_SECONDS = 5.0
LOOK_SECONDS = 0.2
"""Between two looks at the logs once they are read to their ends."""
LIMITS = WebLimits(message_bytes_max=4096, buffer_bytes_max=16 * 1024 * 1024)


class Live:
    """The audience of the tiles."""

    def __init__(
        self, settings: DashboardSettings, principals: tuple[Principal, ...], ward: Ward, clock: Clock
    ) -> None:
        self._settings = settings
        self._principals = principals
        self._ward = ward
        self._clock = clock
        self._beat = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._frames: dict[tuple[frozenset[int] | None, int], tuple[int, int, str]] = {}
        self._wards: dict[frozenset[int] | None, tuple[int, int, str]] = {}
        self.clients = 0
        self.sent_bytes = 0

    @property
    def now_us(self) -> int:
        """What time it is on the ward: the wall's, on simulated time the newest site clock."""
        if self._settings.clock == "simulated":
            return max(self._ward.clock.values(), default=0)
        return self._clock.now_us()

    def caught_up(self) -> None:
        """The ward is whole: before that a frame would show a part of it, or nobody at all, as if that were all."""
        self._ward.refresh(self.now_us)
        self._wards.clear()
        self._caught_up.set()

    async def handle(self, peer: Peer) -> None:
        """Serve one connection to its end."""
        if self.clients >= self._settings.live_clients_max:
            await peer.close(CLOSE_TRY_LATER, "full")
            return
        self.clients += 1
        try:
            principal = await self._hello(peer)
            if principal is not None and await self._whole(peer):
                await self._converse(peer, principal)
        finally:
            self.clients -= 1

    async def beat(self) -> None:
        """Tell everybody once a second, for ever."""
        while True:
            self._ward.refresh(self.now_us)
            self._frames.clear()
            self._wards.clear()
            waiting, self._beat = self._beat, asyncio.Event()
            waiting.set()
            await self._clock.sleep(BEAT_SECONDS)

    async def _hello(self, peer: Peer) -> Principal | None:
        try:
            async with asyncio.timeout(HELLO_SECONDS_MAX):
                hello = decode_client(await peer.receive())
        except TimeoutError:
            await peer.close(CLOSE_HELLO_LATE, "no hello in time")
            return None
        except (ValidationError, ProtocolError) as error:
            if isinstance(error, PeerGone):
                raise
            await peer.close(CLOSE_BAD_MESSAGE, "send a hello")
            return None
        principal = people.find(self._principals, hello.token)
        if principal is None:
            await peer.close(CLOSE_BAD_TOKEN, "token is not known")
        return principal

    async def _whole(self, peer: Peer) -> bool:
        """Wait until there is a whole ward to show; a client that would have to wait for longer comes again."""
        try:
            async with asyncio.timeout(WHOLE_SECONDS_MAX):
                await self._caught_up.wait()
        except TimeoutError:
            await peer.close(CLOSE_TRY_LATER, "the log is still being read")
            return False
        return True

    async def _converse(self, peer: Peer, principal: Principal) -> None:
        """Push until the client goes; whichever of the two ends first ends the other."""
        push = asyncio.ensure_future(self._push(peer, principal))
        listen = asyncio.ensure_future(self._listen(peer))
        try:
            await asyncio.wait({push, listen}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            push.cancel()
            listen.cancel()
            results = await asyncio.gather(push, listen, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, ProtocolError):
                raise result

    async def _listen(self, peer: Peer) -> None:
        for _ in range(MESSAGES_MAX):
            await peer.receive()
        await peer.close(CLOSE_BAD_MESSAGE, "too many messages")

    async def _push(self, peer: Peer, principal: Principal) -> None:
        shape, told, quiet = -1, 0, 0
        while True:
            beat = self._beat
            if self._ward.shape != shape:
                shape, told, frame = self._ward_frame(principal)
                count = 1
            else:
                told, count, frame = self._tiles_frame(principal, told)
            quiet += 1
            if count or quiet >= QUIET_BEATS_MAX:
                quiet = 0
                await self._send(peer, frame)
            await beat.wait()

    async def _send(self, peer: Peer, frame: str) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await peer.send(frame)
        except TimeoutError:
            log.warning("a tiles client takes nothing and is cut: %s", peer.remote)
            peer.abort()
            raise PeerGone(1006, "too slow") from None
        self.sent_bytes += len(frame)

    def _ward_frame(self, principal: Principal) -> tuple[int, int, str]:
        """The ward's shape and number at this beat's frame, and the frame; made once per scope."""
        found = self._wards.get(principal.sites)
        if found is None or found[0] != self._ward.shape:
            found = self._ward.shape, self._ward.seq, self._ward.ward_frame(self.now_us, principal.sees)
            self._wards[principal.sites] = found
        return found

    def _tiles_frame(self, principal: Principal, told: int) -> tuple[int, int, str]:
        """The ward's number at this beat's frame after ``told``, its number of tiles, and the frame."""
        found = self._frames.get((principal.sites, told))
        if found is None:
            found = self._ward.seq, *self._ward.tiles_frame(self.now_us, told, principal.sees)
            self._frames[principal.sites, told] = found
        return found


async def follow(
    settings: DashboardSettings,
    ward: Ward,
    clock: Clock,
    saw: Callable[[Records], None],
    told: Callable[[str], None],
) -> None:
    """Keep the ward in step with Kafka, for ever; while Kafka is away it stays as it was.

    ``saw`` is told the records too, ``told`` why the ward is not whole, nothing
    when the logs' ends are reached.
    """

    async def take(records: Records) -> None:
        ward.take(records)
        saw(records)
        await asyncio.sleep(0)

    while True:
        try:
            await _follow(settings, clock, take, lambda: told(""))
        except ServerError as error:
            told(str(error))
            log.warning("%s; the tiles wait", error)
            await clock.sleep(RETRY_SECONDS)


async def _follow(
    settings: DashboardSettings,
    clock: Clock,
    take: Callable[[Records], Awaitable[None]],
    caught_up: Callable[[], None],
) -> None:
    partitions = [(topic, number) for topic in (READINGS, WINDOWS) for number in range(settings.partitions)]
    async with Reader(settings, [(BINDINGS, 0), *partitions]) as reader:
        ends = await reader.end_offsets()
        firsts = await reader.beginning_offsets()
        for key in partitions:
            since = await reader.offset_for_time(key, clock.now_us() // 1000 - BACK_MS)
            reader.seek(
                *key, max(firsts[key], ends[key] - BACK_RECORDS_MAX[key[0]], ends[key] if since is None else since)
            )
        reader.seek(BINDINGS, 0, firsts[BINDINGS, 0])
        behind = {key for key, end in ends.items() if firsts[key] < end}
        while behind:
            for records in await reader.poll(0.5):
                await take(records)
            behind = {key for key in behind if await reader.position(*key) < ends[key]}
        caught_up()
        while True:
            for records in await reader.poll(1.0):
                await take(records)
            # tiles leave once a second: to take each reading as it comes would cost a fetch of its own
            await clock.sleep(LOOK_SECONDS)


async def recall(ward: Ward, database: Database, clock: Clock, readiness: Readiness) -> None:
    """Fill in from the database what lies before the logs' tails: sparklines and older values; once it answers."""
    while True:
        await clock.sleep(RETRY_SECONDS / 5)
        if not ward.roster.people or "tiles" in readiness.reasons:
            continue
        try:
            await _recall(ward, database, list(ward.roster.people))
        except (ServerError, StateError) as error:
            log.info("no older values yet: %s", error)
            await clock.sleep(RETRY_SECONDS)
            continue
        return


async def _recall(ward: Ward, database: Database, patients: list[UUID]) -> None:
    metrics = [GLUCOSE.code, HEART_RATE.code]
    points = await database.read(lambda c: chart_queries.sparks(c, patients, metrics, SPARK_POINTS_MAX))
    newest = await database.read(lambda c: chart_queries.newest(c, patients, [*metrics, BATTERY.code, STEPS.code]))
    rows = np.zeros(len(newest), READING)
    for row, stored in zip(rows, newest, strict=True):
        row["patient"], row["device"] = np.void(stored.patient.bytes), np.void(stored.device.bytes)
        for name in ("metric", "observed_at", "received_at", "value", "unit", "flags", "site"):
            row[name] = getattr(stored, name)
    ward.readings(rows)
    for patient, metric, at, value in points:
        ward.remember(patient, metric, [(at, value)])
