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
from simulators.registry import Registry, enrol_ward
from simulators.roll import device_name, site_of
from simulators.ward import Due, Ward, WardSpec
from vitals.errors import InputError, StateError
from vitals.metrics import METRIC_BY_CODE, SECOND_US
from vitals.topics import readings_topic
from vitals.units import UNIT_NAME

CONNECTIONS_MAX = 50
SLOT_S = 0.1
"""Readings that fall due within a slot leave together."""
UNACKED_MAX = 10_000
"""Readings without PUBACK at which the devices hold back; they send the rest, with its own times, afterwards."""
LATE_S = 2.0
"""A reading whose PUBACK comes more than so long after it was observed counts as late in the report."""
DRAIN_S = 10.0
"""How long the end of a run waits for the last PUBACKs."""
PATIENTS_MAX = 5_000
RATE_HZ_MAX = 10.0
REPORT_S = 10.0

log = get_logger("vigil.fleet")


@dataclass(frozen=True, slots=True)
class Options:
    """What a ward can be asked; ``duration_s`` 0 is for ever. ``began_at`` is when it began, ``resume_at`` the first
    event time to send live (µs UTC, None is now); ``stories`` says whether scripted stories are played.
    """

    patients: int = 8
    rate_hz: float = 1.0
    duration_s: float = 0.0
    seed: int = 1
    began_at: int | None = None
    resume_at: int | None = None
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
    await enrol_ward(registry, options.patients, options.rate_hz, options.began_at or clock.now_us())
    async with AsyncExitStack() as stack:
        shared = min(options.patients, CONNECTIONS_MAX)
        connections = [
            await stack.enter_async_context(Connection(settings, _client_id(index), forget=True))
            for index in range(shared)
        ]
        fleet = Fleet(settings, options, connections, clock)
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
    """The devices of one ward on their connections; ``report`` is up to date at any time."""

    def __init__(self, settings: Settings, options: Options, connections: Sequence[Connection], clock: Clock) -> None:
        self.report = Report(options.patients)
        self._options = options
        self._connections = connections
        self._clock = clock
        self._topics = [
            readings_topic(settings.namespace, site_of(index, options.patients), device_name(index))
            for index in range(options.patients)
        ]
        self._sequence = [0] * options.patients
        self._settled = asyncio.Event()
        self._began_at = clock.now_us()
        self._began = clock.monotonic()

    @property
    def unacked(self) -> int:
        """Readings sent whose fate is open."""
        return self.report.sent - self.report.acked - self.report.failed

    async def play(self) -> None:
        """Send what is due, slot by slot, until the duration is over; then wait for the last PUBACKs."""
        options = self._options
        ward = Ward(WardSpec(options.patients, options.rate_hz, options.seed, self._began_at))
        told = 0.0
        while True:
            elapsed = self._elapsed()
            over = 0 < options.duration_s <= elapsed
            until = options.duration_s if over else elapsed
            self._send(ward.due(int(until * SECOND_US) + 1))
            self.report.seconds = elapsed
            if over:
                break
            if elapsed - told >= REPORT_S:
                told = elapsed
                log.info("playing", **asdict(self.report))
            await self._clock.sleep(SLOT_S)
            await self._until_unacked(UNACKED_MAX)
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._until_unacked(0)
        except TimeoutError:
            log.warning("ended without some PUBACKs", unacked=self.unacked, todo="look at the broker and the bridge")

    def _elapsed(self) -> float:
        return self._clock.monotonic() - self._began

    def _send(self, due: Due) -> None:
        columns = (due.patient.tolist(), due.metric.tolist(), due.at.tolist(), due.value.tolist())
        for patient, code, at, value in zip(*columns, strict=True):
            metric = METRIC_BY_CODE[code]
            sequence = self._sequence[patient]
            self._sequence[patient] = (sequence + 1) & 0xFFFF
            payload = (
                f'{{"metric":"{metric.name}","value":{value:g},"unit":"{UNIT_NAME[metric.unit]}",'
                f'"observed_at":{self._began_at + at},"seq":{sequence}}}'
            )
            connection = self._connections[patient % len(self._connections)]
            future = connection.publish_nowait(self._topics[patient], payload.encode())
            self.report.sent += 1
            future.add_done_callback(lambda done, at=at: self._answered(done, at))

    def _answered(self, future: asyncio.Future[None], at: int) -> None:
        if future.cancelled() or future.exception() is not None:
            self.report.failed += 1
        else:
            self.report.acked += 1
            self.report.late += self._elapsed() - at / SECOND_US > LATE_S
        self._settled.set()

    async def _until_unacked(self, most: int) -> None:
        while self.unacked > most:
            self._settled.clear()
            await self._settled.wait()
