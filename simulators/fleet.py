"""Driver: the plain ward on MQTT, in real time, each device like a wearable of its own.

Up to `CONNECTIONS_MAX` devices have a connection each; beyond that several share one, as behind a gateway.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass

from runtime.clock import Clock
from runtime.mqtt import Connection
from runtime.observe import get_logger
from runtime.settings import Settings
from simulators import payload, stories
from simulators.registry import Registry, enrol_ward
from simulators.roll import device_name, site_of
from simulators.ward import Ahead, Due, Ward, WardSpec
from vitals.errors import InputError, StateError
from vitals.metrics import SECOND_US
from vitals.topics import presence_topic, readings_topic

CONNECTIONS_MAX = 50
BLOCK_US = 2 * SECOND_US
"""So much of what the devices will measure is computed at a time."""
SLOT_S = 0.1
"""Readings that fall due within a slot leave together."""
UNACKED_MAX = 10_000
"""Readings without PUBACK at which the devices hold back; they send the rest, with its own times, afterwards."""
LATE_US = 2 * SECOND_US
"""A reading whose PUBACK comes more than so long after it was observed counts as late in the report."""
DRAIN_S = 10.0
"""How long the end of a run waits for the last PUBACKs."""
PATIENTS_MAX = 5_000
RATE_HZ_MAX = 10.0
REPORT_S = 10.0
BACKLOG_US = 15 * 60 * SECOND_US
"""A ward that resumes later than this was down, as a gateway may be: what lies further back is lost."""
SKIPPED_US = 110 * SECOND_US
"""So much of the stories is over when a ward without history begins."""

log = get_logger("vigil.fleet")


@dataclass(frozen=True, slots=True)
class Options:
    """What a ward can be asked; ``duration_s`` 0 is for ever.

    ``stories`` says whether the scripted stories are told. Behind a back-fill: ``began_at`` is when the ward began,
    ``resume_at`` the first event time to send live (`backfill.Report.until`), ``story_at`` the anchor of the stories
    (of the report; None is ``resume_at``); all µs UTC.
    """

    patients: int = 8
    rate_hz: float = 1.0
    duration_s: float = 0.0
    seed: int = 1
    began_at: int | None = None
    resume_at: int | None = None
    story_at: int | None = None
    stories: bool = True


@dataclass(slots=True)
class Report:
    """What a run did: readings sent, with PUBACK, of these late, and refused by the broker."""

    patients: int
    sent: int = 0
    acked: int = 0
    late: int = 0
    failed: int = 0
    seconds: float = 0.0

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self) | {"seconds": round(self.seconds, 1)})


async def run(settings: Settings, options: Options, registry: Registry, clock: Clock) -> Report:
    """Register the ward and play it for ``options.duration_s`` seconds, or until cancelled.

    Raises:
        InputError: an option out of bounds, or the registry refuses.
        StateError: the stack lives by the simulated clock.
        MqttUnavailable: the broker cannot be reached, or ended the session for good.
    """
    _check(settings, options)
    since = clock.now_us() if options.began_at is None else options.began_at
    worn = await enrol_ward(registry, options.patients, options.rate_hz, since)
    async with AsyncExitStack() as stack:
        shared = min(options.patients, CONNECTIONS_MAX)
        connections = [
            await stack.enter_async_context(Connection(settings, _client_id(index), forget=True))
            for index in range(shared)
        ]
        fleet = Fleet(settings, options, connections, clock, worn=worn, start=clock.now_us())
        await fleet.play()
    return fleet.report


def _check(settings: Settings, options: Options) -> None:
    if settings.clock != "real":
        raise StateError("the simulated ward needs the real clock", "this stack is simulated", "use vigil replay")
    if not 1 <= options.patients <= PATIENTS_MAX:
        raise InputError("number of patients out of bounds", str(options.patients), f"1 to {PATIENTS_MAX}")
    if not 0.01 <= options.rate_hz <= RATE_HZ_MAX:
        raise InputError("rate out of bounds", f"{options.rate_hz:g} Hz", f"0.01 to {RATE_HZ_MAX:g} Hz")
    if options.duration_s < 0:
        raise InputError("duration below 0", f"{options.duration_s:g} s", "0 is for ever")


def _client_id(index: int) -> str:
    return f"device-{device_name(index)}"


class Fleet:
    """The devices of one ward on their connections; ``report`` is up to date at any time.

    ``worn`` is each patient's device; ``start`` the wall's time at which the run begins (µs UTC).
    """

    def __init__(
        self,
        settings: Settings,
        options: Options,
        connections: Sequence[Connection],
        clock: Clock,
        *,
        worn: Sequence[str],
        start: int,
    ) -> None:
        self.report = Report(options.patients)
        self._options, self._connections, self._clock = options, connections, clock
        self._start, self._began = start, clock.monotonic()
        spec = WardSpec(options.patients, options.rate_hz, options.seed, anchor_of(options, start))
        self._ward, self._script = Ward(spec), spec.script
        self._ahead = Ahead(self._ward, BLOCK_US)
        sites = [site_of(index, options.patients) for index in range(options.patients)]
        self._topics = [
            readings_topic(settings.namespace, site, device) for site, device in zip(sites, worn, strict=True)
        ]
        self._away_site = [site == stories.AWAY_SITE for site in sites]
        self._gateway: Gateway | None = None
        if stories.AWAY_SITE in sites:
            shared = connections[sites.index(stories.AWAY_SITE) % len(connections)]
            self._gateway = Gateway(shared, settings, stories.AWAY_SITE, f"{start:x}")
        self._settled = asyncio.Event()

    @property
    def unacked(self) -> int:
        """Readings sent whose fate is open."""
        return self.report.sent - self.report.acked - self.report.failed

    async def play(self) -> None:
        """Send what is due, slot by slot, until the duration is over; then wait for the last PUBACKs."""
        at = self._start if self._options.resume_at is None else max(self._options.resume_at, self._start - BACKLOG_US)
        if self._options.resume_at is None:
            self._send(self._ward.now(at))
        if self._script is not None and self._gateway is not None:
            self._gateway.say(online=True)
        told = 0.0
        while not self._over():
            until = self._now()
            await self._presence(until)
            self._send(self._ahead.due(at, until))
            at = max(at, until)
            if self.report.seconds - told >= REPORT_S:
                told = self.report.seconds
                log.info("playing", **asdict(self.report))
            await self._clock.sleep(SLOT_S)
            await self._until_unacked(UNACKED_MAX)
        self._send(self._ahead.due(at, self._start + int(self._options.duration_s * SECOND_US)))
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._until_unacked(0)
        except TimeoutError:
            log.warning("ended without some PUBACKs", unacked=self.unacked, todo="look at the broker and the bridge")

    def _over(self) -> bool:
        self.report.seconds = self._clock.monotonic() - self._began
        return 0 < self._options.duration_s <= self.report.seconds

    def _now(self) -> int:
        """The wall's time, which never goes back here, µs UTC."""
        return self._start + int((self._clock.monotonic() - self._began) * SECOND_US)

    async def _presence(self, at: int) -> None:
        """The gateway goes and comes as the stories tell; before it says that it is back, its devices have sent
        what they kept.
        """
        if self._script is None or self._gateway is None:
            return
        away = bool(self._script.absences(at, at + 1))
        if away and self._gateway.online:
            self._gateway.say(online=False)
        elif not away and not self._gateway.online:
            kept = [self._publish(*each) for each in self._gateway.come_back()]
            await asyncio.wait(kept, timeout=DRAIN_S) if kept else None
            self._gateway.say(online=True)

    def _send(self, due: Due) -> None:
        gateway = self._gateway
        columns = (due.patient.tolist(), due.at.tolist(), payload.readings(due))
        for patient, at, text in zip(*columns, strict=True):
            if gateway is not None and not gateway.online and self._away_site[patient]:
                gateway.keep(patient, at, text)
            else:
                self._publish(patient, at, text)

    def _publish(self, patient: int, at: int, text: str) -> asyncio.Future[None]:
        connection = self._connections[patient % len(self._connections)]
        future = connection.publish_nowait(self._topics[patient], text.encode())
        self.report.sent += 1
        future.add_done_callback(lambda done: self._answered(done, at))
        return future

    def _answered(self, future: asyncio.Future[None], at: int) -> None:
        if future.cancelled() or future.exception() is not None:
            self.report.failed += 1
        else:
            self.report.acked += 1
            self.report.late += self._now() - max(at, self._start) > LATE_US
        self._settled.set()

    async def _until_unacked(self, most: int) -> None:
        while self.unacked > most:
            self._settled.clear()
            await self._settled.wait()


class Gateway:
    """A site's gateway: says whether it is there, and keeps what its devices measured while it is not."""

    def __init__(self, connection: Connection, settings: Settings, site: str, session: str) -> None:
        self.online = True
        self._connection = connection
        self._topic = presence_topic(settings.namespace, site)
        self._session = session
        self._kept: list[tuple[int, int, str]] = []

    def say(self, *, online: bool) -> None:
        """Publish that the gateway is there, or that it goes."""
        self.online = online
        message = json.dumps({"session": self._session, "online": online})
        self._connection.publish_nowait(self._topic, message.encode())

    def keep(self, patient: int, at: int, text: str) -> None:
        """Keep a reading for later."""
        self._kept.append((patient, at, text))

    def come_back(self) -> list[tuple[int, int, str]]:
        """What was kept, in the order in which it was measured."""
        kept, self._kept = self._kept, []
        return kept


def anchor_of(options: Options, start: int) -> int | None:
    """When the stories of a run that starts at ``start`` begin (µs UTC), None without stories.

    Behind a history they go on as it began them. Without one their lead is skipped, so that the low is there at once.
    """
    if not options.stories:
        return None
    told = options.story_at if options.story_at is not None else options.resume_at
    return start - SKIPPED_US if told is None else told
