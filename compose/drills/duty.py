"""A ward under load whose every reading and alert is accounted for; the drills do cruel things to it.

    async with on_duty(stack, frame.clock, frame.tell, Load(patients=60, seed=3)) as duty:
        await duty.run(10)                      # undisturbed
        ...                                     # something cruel
        duty.fault("kill -9 gateway")           # the next right alert is timed from here
        await duty.run(10)
        account = await duty.settled()          # everything sent has arrived everywhere, or it never will
    conclude(frame, duty, account, repeats_max=0)

Each device has a connection of its own, numbers its readings, keeps what has no PUBACK, and sends it again when it
is connected again (QoS 1). Patients have the policy of `bedside`: a low opens an alert with one reading, whose id
follows from patient and time, and a normal one clears it. Load and duration are bounded, all of it on loopback.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple
from uuid import UUID

import numpy as np

from compose.drills import ledger
from compose.drills.accounts import (
    NEXT_ALERT_S,
    Account,
    Crossing,
    Fault,
    Finding,
    Identity,
    Sent,
    Told,
    delays_ms,
    judge,
    next_alerts,
)
from compose.drills.bedside import (
    BOUND_BEFORE_US,
    LOW_VALUE,
    NORMAL_VALUE,
    POLICY,
    SITE,
    device_name,
    patient_name,
)
from compose.drills.frame import Frame, Tell, percentiles
from compose.drills.watching import Recorder
from compose.ends import ended
from compose.stack import Stack
from compose.wiring import RegistryClient
from runtime.clock import Clock
from runtime.mqtt import Connection
from runtime.settings import Settings
from simulators.registry import Wearer, enrol
from vitals.alerts import Version
from vitals.devices import DEVICE_TYPES
from vitals.journal import episode_id
from vitals.metrics import METRIC_BY_NAME, SECOND_US
from vitals.policies import LOW
from vitals.topics import device_id, partition_of, patient_id, readings_topic
from vitals.units import UNIT_NAME

__all__ = ("Account", "Duty", "Fault", "Finding", "Load", "conclude", "delays_ms", "judge", "on_duty", "script")

PATIENTS_MAX = 500
RECOVER_S = 60.0
"""How long `Duty.recovered` waits; far beyond what passes."""
SETTLE_S = 120.0
"""How long each stage may take to have everything once sending has ended."""
POLL_S = 0.1


class Load(NamedTuple):
    """``patients`` send a heart rate at ``rate_hz``; all but the last ``spare`` ones go low once per ``cycle_s``."""

    patients: int = 60
    rate_hz: float = 1.0
    cycle_s: float = 12.0
    spare: int = 6
    seed: int = 1


class Due(NamedTuple):
    """A reading of the script: seconds after its beginning, whose, and what; ``low`` None is a heart rate."""

    after_s: float
    patient: int
    low: bool | None


def script(load: Load) -> Iterator[Due]:
    """What the ward sends, in order of time, for ever: seeded phases, fixed steps."""
    chance = random.Random(load.seed)  # noqa: S311 - a drill that can be repeated, no secret

    def heart(patient: int, phase: float) -> Iterator[Due]:
        return (Due((turn + phase) / load.rate_hz, patient, None) for turn in count())

    def glucose(patient: int, phase: float) -> Iterator[Due]:
        return (Due((turn / 2 + phase) * load.cycle_s, patient, turn % 2 == 0) for turn in count())

    parts = [heart(patient, chance.random()) for patient in range(load.patients)]
    parts += [glucose(patient, chance.random()) for patient in range(load.patients - load.spare)]
    return heapq.merge(*parts)


@dataclass(slots=True)
class Device:
    """One device and the patient who wears it; ``sent`` is all that it ever sent, in order."""

    patient: str
    connection: Connection
    topic: str
    sent: list[Sent]
    low: int | None = None
    """Time of the low that no normal reading has ended (µs UTC)."""

    @property
    def id(self) -> UUID:
        """The device's id in rows."""
        return device_id(device_name(self.patient))


class Duty:
    """The ward while it is on duty; see the module. `on_duty` makes it."""

    def __init__(self, settings: Settings, clock: Clock, tell: Tell, load: Load, recorder: Recorder) -> None:
        self.devices: list[Device] = []
        self.crossings: dict[UUID, Crossing] = {}
        self.faults: list[Fault] = []
        self.recorder = recorder
        self.late_s = 0.0
        """The longest that a reading left after its turn: this machine or this process, not Vigil."""
        self.unacknowledged = 0
        """Readings that have no PUBACK yet."""
        self._settings, self._clock, self._tell, self._load = settings, clock, tell, load
        self._over = asyncio.Event()
        self._playing: asyncio.Task[None] | None = None

    # ---- while it lasts

    async def run(self, seconds: float) -> None:
        """Go on for some seconds; raises what went wrong with the devices."""
        assert self._playing is not None
        await asyncio.wait({self._playing}, timeout=seconds)
        if self._playing.done():
            self._playing.result()

    def fault(self, what: str, within_s: float = NEXT_ALERT_S, *, since: int | None = None) -> Fault:
        """Alerts are timed from now on; ``since`` (µs UTC) is when it began. What a drill sees of it goes to its
        ``told``, and with that into the verdict.
        """
        fault = Fault(what, self._clock.now_us(), within_s, since)
        self.faults.append(fault)
        return fault

    async def recovered(self, fault: Fault, seconds: float = RECOVER_S) -> float | None:
        """Go on until a crossing sent after the fault has had its alert in every partition; the seconds that took.

        None where that does not happen in time: the verdict will say so.
        """
        began = self._clock.monotonic()
        while self._clock.monotonic() - began < seconds:
            told = [
                Told(alert.id, alert.version, alert.change, at)
                for at, alert in zip(self.recorder.arrived, self.recorder.changes, strict=True)
                if at >= fault.at
            ]
            found = [each for each in next_alerts(self.crossings.values(), told, fault).values() if each is not None]
            if len(found) == len({each.partition for each in self.crossings.values()}):
                return max(found)
            await self.run(POLL_S)
        return None

    @property
    def spares(self) -> Sequence[int]:
        """The patients who go low only when `low` says so."""
        return range(self._load.patients - self._load.spare, self._load.patients)

    def low(self, patient: int, at: int | None = None) -> UUID:
        """A patient goes low now (or at a time just past, µs UTC); the id of the alert that it opens."""
        at = at or self._clock.now_us()
        device = self.devices[patient]
        subject = patient_id(device.patient)
        alert = episode_id(str(subject), "glucose", LOW.name, at)
        where = partition_of(subject.bytes, self._settings.partitions)
        self.crossings[alert] = Crossing(alert, where, at)
        device.low = at
        self.send(patient, "glucose", LOW_VALUE, at)
        return alert

    def normal(self, patient: int, at: int | None = None) -> None:
        """A patient is well again now (or at a time just past, µs UTC)."""
        self.devices[patient].low = None
        self.send(patient, "glucose", NORMAL_VALUE, at or self._clock.now_us())

    def send(self, patient: int, metric: str, value: float, at: int) -> None:
        """Hand a reading with the event time ``at`` (µs UTC) to the patient's device, which keeps it until PUBACK."""
        device = self.devices[patient]
        sent = Sent(Identity(device.id, METRIC_BY_NAME[metric].code, at))
        seq = len(device.sent) & 0xFFFF
        unit = UNIT_NAME[METRIC_BY_NAME[metric].unit]
        payload = f'{{"metric":"{metric}","value":{value},"unit":"{unit}","observed_at":{at},"seq":{seq}}}'
        device.sent.append(sent)
        self.unacknowledged += 1

        def answered(future: asyncio.Future[None]) -> None:
            if not future.cancelled() and future.exception() is None:
                sent.acknowledged = True
                self.unacknowledged -= 1

        device.connection.publish_nowait(device.topic, payload.encode()).add_done_callback(answered)

    async def _play(self) -> None:
        began = self._clock.now_us()
        for due in script(self._load):
            at = began + round(due.after_s * SECOND_US)
            if (early := at - self._clock.now_us()) > 0:
                await self._clock.sleep(early / SECOND_US)
            if self._over.is_set():
                return
            self.late_s = max(self.late_s, (self._clock.now_us() - at) / SECOND_US)
            if due.low is None:
                self.send(due.patient, "heart_rate", 70 + due.patient % 20, at)
            elif due.low:
                self.low(due.patient, at)
            else:
                self.normal(due.patient, at)

    # ---- the end

    async def settled(self) -> Account:
        """End the load, wait until everything is where it belongs, and take the records.

        What does not arrive within `SETTLE_S` is the judge's to name. Raises ServerError where a server is not there.
        """
        self._over.set()
        await self.run(2.0)
        for number, device in enumerate(self.devices):
            if device.low is not None:
                self.normal(number)
        await self._wait("PUBACKs", lambda: not self.unacknowledged)
        sent = {device.id: device.sent for device in self.devices}
        wanted = {each.identity for readings in sent.values() for each in readings if each.acknowledged}
        logged = await ledger.logged(self._settings, set(sent), wanted, self._clock, SETTLE_S)
        self._tell(f"the log has {sum(len(set(rows)) for rows in logged.values())} of {len(wanted)} readings")
        await self._wait("the end of every alert", lambda: self.crossings.keys() <= self._ended())
        patients = {patient_id(device.patient) for device in self.devices}
        kept = await ledger.kept(self._settings, set(sent), patients, self._clock)
        changes = {(each.alert, each.version) for each in kept.changes}
        await self._wait("every change on the socket", lambda: changes <= self._had())
        return Account(
            sent=sent,
            logged=logged,
            stored=kept.readings,
            crossings=list(self.crossings.values()),
            heard=self._heard(patients),
            kept=kept.changes,
            faults=self.faults,
            rejected=kept.rejected,
            gaps=self.recorder.not_recovered,
        )

    def _ended(self) -> set[UUID]:
        return {alert.id for alert in self.recorder.changes if alert.change == "clear"}

    def _had(self) -> set[tuple[UUID, Version]]:
        return {(alert.id, alert.version) for _, alert in self.recorder.everything}

    def _heard(self, patients: set[UUID]) -> list[Told]:
        return [Told.of(alert, at) for at, alert in self.recorder.everything if alert.patient in patients]

    async def _wait(self, what: str, done: ledger.Condition) -> None:
        if await ledger.within(SETTLE_S, done, self._clock):
            self._tell(f"settling: {what}")
        else:
            self._tell(f"settling: {what}: NOT within {SETTLE_S:g} s")

    # ---- the beginning

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Send while the body runs."""
        self._playing = asyncio.create_task(self._play(), name="ward on duty")
        try:
            yield
        finally:
            await ended(self._playing)


@asynccontextmanager
async def on_duty(stack: Stack, clock: Clock, tell: Tell, load: Load) -> AsyncIterator[Duty]:
    """Register and connect a ward on a stack that stands, watch the feed, and send until the body ends.

    Raises:
        InputError: the registry refuses.
        MqttUnavailable: the broker cannot be reached.
        ServerStalled: the gateway does not welcome us.
    """
    assert 0 < load.patients <= PATIENTS_MAX, "a bounded load"
    settings = stack.settings
    names = [patient_name(number) for number in range(load.patients)]
    since = clock.now_us() - BOUND_BEFORE_US
    registry = RegistryClient(settings)
    kind = DEVICE_TYPES["ward"]
    await enrol(registry, SITE, [Wearer(device_name(name), kind, name, since) for name in names])
    await asyncio.gather(*(registry.set_policy(name, POLICY) for name in names))
    recorder = Recorder(stack.ready.feed, stack.ready.token, clock)
    duty = Duty(settings, clock, tell, load, recorder)
    async with AsyncExitStack() as held:
        await held.enter_async_context(recorder.recording())
        for name in names:
            connection = Connection(settings, f"duty-{name}", forget=True)
            topic = readings_topic(settings.namespace, SITE, device_name(name))
            duty.devices.append(Device(name, await held.enter_async_context(connection), topic, []))
        tell(f"{load.patients} patients on duty, seed {load.seed}")
        await held.enter_async_context(duty.playing())
        yield duty


def conclude(frame: Frame, duty: Duty, account: Account, *, repeats_max: int) -> None:
    """Judge the account into the drill's verdict, with the delays from the intended sending to the socket."""
    finding = judge(account, repeats_max=repeats_max)
    finding.figures["delay_ms"] = percentiles(np.array(delays_ms(account)))
    finding.figures["drill_itself_late_ms"] = round(duty.late_s * 1000, 1)
    # a machine that others use too starts processes late: whoever reads a late alert must know
    finding.figures["load_per_core"] = round(os.getloadavg()[1] / (os.cpu_count() or 1), 1)
    frame.verdict.expect_at_least("crossings", len(account.crossings), 1)
    frame.verdict.figures |= finding.figures
    frame.verdict.differences += finding.differences
