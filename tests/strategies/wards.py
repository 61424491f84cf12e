"""A generated ward: the log of ``vitals.readings`` that a seed and a list of numbers stand for.

A ward is a cast and a row of acts. Each act draws from numbers of its own, so that a log that fails gets shorter by
leaving acts out: what is left chooses what it chose before.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from tests.logs import T0, Log
from tests.strategies.people import NIGHTS, PEOPLE, POLICIES, SPARES, Person
from tests.strategies.rows import Wearer
from vitals.control import WornDevice
from vitals.devices import Binding, DeviceType
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import Policy
from vitals.topics import device_id, patient_id

JUMPS = (SECOND_US // 2, SECOND_US, 9 * SECOND_US, 11 * SECOND_US, MINUTE_US, 5 * MINUTE_US, 12 * MINUTE_US,
         25 * MINUTE_US, 70 * MINUTE_US, 3 * 24 * 60 * MINUTE_US)  # fmt: skip


NO_TIMES = (-(1 << 63), -(1 << 62), 1 << 62, (1 << 63) - 1)
"""Instants that a row can hold and no calendar has."""


class Plan(NamedTuple):
    """A log to be: its seed, and the numbers of its acts in order."""

    seed: int
    acts: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.seed}:{','.join(map(str, self.acts))}"


NIGHTLY = 0.3
"""How often somebody has a night from the first."""
CLOSING = 0.2
"""How often a control record closes what is open of devices that are off."""


class Patient:
    """A person of the cast: policy, devices and place as their last control record said."""

    def __init__(self, person: Person, site: int, since: int) -> None:
        self.name, self.first, self.site = person.name, person, site
        self.id = patient_id(person.name)
        self.version = 0
        self.closings = 0
        self.policy: Policy = person.policy
        self.worn: list[WornDevice] = []
        self.wearer = self.wear(person.device, person.kind, since)

    def wear(self, device: str, kind: DeviceType, since: int) -> Wearer:
        """Bind a device from ``since`` (µs) on; what was worn before ends there."""
        binding = Binding(patient=self.id, label=self.name, since=since)
        before = [self._ended(each, since) for each in self.worn[-1:]]
        self.worn = [*before, WornDevice(device=device_id(device), name=device, type=kind, binding=binding)]
        self.wearer = Wearer(self.id.bytes, device_id(device).bytes, kind, since)
        return self.wearer

    def take_off(self, until: int) -> None:
        """End the binding that holds."""
        self.worn = [self._ended(each, until) for each in self.worn]

    @staticmethod
    def _ended(worn: WornDevice, until: int) -> WornDevice:
        if worn.binding.until is not None:
            return worn
        ended = worn.binding.model_copy(update={"until": max(until, worn.binding.since + 1)})
        return worn.model_copy(update={"binding": ended})

    def sends(self, metric: str) -> bool:
        """Whether the device worn now has a stream of a metric."""
        return self.wearer.kind.stream(metric) is not None

    def interval(self, metric: str) -> int:
        """The device's nominal interval (µs)."""
        stream = self.wearer.kind.stream(metric)
        return MINUTE_US if stream is None else stream.interval_us


class Ward:
    """The cast and its sites; time; control records. The acts are `tests.strategies.acts`."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - the same log from the same seed
        self.log = Log()
        self.now = T0 + self.random.choice((0, 0, SECOND_US, 7_300_000))
        self.crashes: list[int] = []
        """Between which records the processor dies, as places in the log."""
        self.sites = self.random.choice(([1], [1, 2], [1, 2], [2, 1, 3]))
        for number in sorted(self.sites):
            self.log.site(number, f"ward-{number}")
        cast = self.random.sample(PEOPLE, self.random.choice((1, 1, 2, 2, 3, 4, len(PEOPLE))))
        if self.random.random() < 0.8:
            self.log.tick(self.now, self.sites)
        self.patients = [
            Patient(each, each.site if each.site in self.sites else 1, self.now - self.since()) for each in cast
        ]
        for patient in self.patients:
            if self.random.random() < NIGHTLY:
                patient.policy = self.random.choice(NIGHTS)
            self.tell(patient)

    def since(self) -> int:
        """How long before now a binding began (µs)."""
        return self.random.choice((0, 30, 90, 200)) * MINUTE_US

    def tell(self, patient: Patient, *, newer: bool = True) -> None:
        """A patient's control record; one that is not ``newer`` than the last must change nothing."""
        patient.version += newer
        if newer and patient.version > 1 and self.random.random() < CLOSING:
            patient.closings += 1
        self.log.patient(
            patient.name,
            *patient.worn,
            version=patient.version,
            site=patient.site,
            policy=patient.policy,
            closings=patient.closings,
        )

    def tick(self, at: int | None = None, sites: list[int] | None = None) -> None:
        """A tick record of all sites now, unless told."""
        self.log.tick(self.now if at is None else at, self.sites if sites is None else sites)

    def readings(self, patient: Patient, rows: list[bytes]) -> None:
        """One record of a patient's rows, none where there are none; ``rows`` are empty afterwards."""
        if rows:
            self.log.raw(patient.id.bytes, b"".join(rows))
            rows.clear()

    def who(self, metric: str) -> Patient | None:
        """Somebody whose device sends a metric."""
        some = [each for each in self.patients if each.sends(metric)]
        return self.random.choice(some) if some else None

    def crash(self) -> None:
        """The processor dies after the last record."""
        self.crashes.append(len(self.log.keys))

    def meanwhile(self, patient: Patient) -> None:
        """Now and then the processor dies in the middle of something, or the rules change, or the device."""
        kind = self.random.randint(1, 40)
        if kind <= 2:
            self.crash()
        elif kind <= 4:
            self.policy(patient)
        elif kind == 5:
            self.swap(patient)

    # ---- what changes in the registry

    def swap(self, patient: Patient) -> None:
        """Another device in mid-course; what the old one still had comes after it."""
        metrics = [stream.metric for stream in patient.wearer.kind.streams]
        metric = self.random.choice([each for each in metrics if each in SPARES])
        old, since = patient.wearer, self.now - self.random.choice((0, 0, 20 * SECOND_US, 10 * MINUTE_US))
        number = self.random.randint(1, 99)
        patient.wear(f"spare-{number}", self.random.choice(SPARES[metric]), since)
        self.tell(patient)
        if self.random.random() < 0.5:
            self.now += self.random.choice((0, SECOND_US, MINUTE_US))
            value = {"glucose": 50, "heart_rate": 155}[metric]
            at = since - self.random.choice((1, SECOND_US, 5 * MINUTE_US))
            self.readings(patient, [old.row(metric, value, at, self.now)])

    def policy(self, patient: Patient, policy: Policy | None = None) -> None:
        """Other rules for somebody, those of a ``policy`` or any."""
        patient.policy = (policy or self.random.choice(POLICIES)).model_copy(
            update={"version": self.random.randint(1, 9)}
        )
        self.tell(patient)

    def rebind(self) -> None:
        """A device taken off, put on again, of another time, or told again; what it left open closed by somebody;
        somebody who moves to another site.
        """
        patient = self.random.choice(self.patients)
        kind = self.random.randint(0, 6)
        if kind == 0:
            patient.take_off(self.now - self.random.choice((0, 0, 10 * MINUTE_US)))
        elif kind == 1:
            patient.wear(patient.first.device, patient.first.kind, self.now - self.since())
        elif kind == 2:
            patient.site = self.random.choice(self.sites)
        elif kind == 3:
            patient.worn = []
        elif kind == 6:
            patient.take_off(self.now)
            self.tell(patient)
            patient.closings += 1
        self.tell(patient, newer=kind != 4)

    def junk(self) -> None:
        """What is no record of ours, what nobody judges, and whose time it is."""
        self.log.raw(self.random.choice((b"tick", b"x" * 16, None)), b"z" * self.random.choice((0, 1, 63)))
        self.log.raw(b"p" * 16, b"{}", (("control", b"1"),))
        self.log.clock(self.random.choice(("real", "simulated")))
        patient = self.random.choice(self.patients)
        self.readings(patient, [patient.wearer.row("battery", 55, self.now, self.now)])
        stranger = Wearer(patient_id("stranger").bytes, device_id("none").bytes, patient.wearer.kind, self.now)
        self.log.raw(stranger.patient, stranger.row("heart_rate", 66, self.now, self.now))
        number = self.random.choice(self.sites)
        self.log.site(number, self.random.choice((f"ward-{number}", f"room-{number}")))
        never = self.random.choice(NO_TIMES)
        self.tick(never, sites=[number])
        for metric in ("glucose", "heart_rate"):
            for times in ((never, self.now), (self.now, never)):
                self.readings(patient, [patient.wearer.row(metric, 41, *times)])

    # ---- time

    def wait(self) -> None:
        """Nobody sends; the clock of some sites moves on, or of one back."""
        self.now += self.random.choice(JUMPS)
        some = self.random.choice((self.sites, self.sites, [self.random.choice(self.sites)], self.sites[::-1]))
        self.tick(self.now + self.random.choice((0, 0, -MINUTE_US)), some)

    def jump(self) -> None:
        """The clock stood still for hours."""
        self.now += self.random.choice((61, 70, 150, 3 * 24 * 60)) * MINUTE_US
        self.tick(sites=self.random.choice((self.sites, [self.random.choice(self.sites)])))

    def lone(self) -> None:
        """One site ticks on while the others do not."""
        number = self.random.choice(self.sites)
        for _ in range(self.random.choice((1, 3, 11, 24))):
            self.now += SECOND_US
            self.tick(sites=[number])
