"""Who is on the ward and what they wear: the fold of ``registry.bindings``; pure.

Keys say what a record is: ``site:NAME`` a `Site`, ``device:NAME`` a `Device` with its dated bindings,
``patient:LABEL`` a `PatientControl` with policy and bed. Unknown kinds are passed over, synthetic patients too.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from pydantic import ValidationError

from vitals.control import PatientControl
from vitals.devices import Device, DeviceType, Site, Stream
from vitals.metrics import MINUTE_US
from vitals.nights import in_force
from vitals.policies import DEFAULT, Policy
from vitals.proof import is_proof

KEPT_US = 24 * 60 * MINUTE_US
"""How long a patient stays on the ward after their last device was taken off."""


class Worn(NamedTuple):
    """A device on a patient for a time, µs UTC of event time."""

    name: str
    type: DeviceType
    since: int
    until: int | None


class Person(NamedTuple):
    """A patient as the registry knows them; ``worn`` by beginning, the latest last."""

    id: UUID
    label: str
    site: int
    site_name: str
    bed: str
    worn: tuple[Worn, ...]
    policy: Policy
    night: bool = False
    """Whether the night of the policy is in force, as `dashboards.ward.Ward` knows by the clock of the site."""

    @property
    def rules(self) -> Policy:
        """The part of the policy that is in force."""
        return self.policy if self.policy.night is None else in_force(self.policy, night=self.night)

    @property
    def until(self) -> int | None:
        """When the last device was taken off; None while one is worn."""
        ends = [each.until for each in self.worn]
        return None if None in ends else max((end for end in ends if end is not None), default=0)

    def wearing(self, metric: str) -> tuple[Worn, Stream] | None:
        """The device whose readings of a metric count: the latest that is worn, else the latest that was."""
        found = [(each, stream) for each in self.worn if (stream := each.type.stream(metric)) is not None]
        return max(found, key=lambda pair: (pair[0].until is None, pair[0].since, pair[0].name), default=None)


class Roster:
    """The latest record of everything; ``version`` grows whenever a patient or site changes."""

    def __init__(self) -> None:
        self.version = 0
        self.unreadable = 0
        self.sites: dict[int, str] = {}
        self.people: dict[UUID, Person] = {}
        self._devices: dict[str, Device] = {}
        self._controls: dict[UUID, PatientControl] = {}
        self._wearers: dict[UUID, set[str]] = {}

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take one record."""
        kind, _, name = (key or b"").partition(b":")
        try:
            match kind:
                case b"site" if value:
                    site = Site.model_validate_json(value)
                    self.sites[site.number] = site.name
                    self.version += 1
                case b"device":
                    self._device(name.decode(), Device.model_validate_json(value) if value else None)
                case b"patient" if value:
                    control = PatientControl.model_validate_json(value)
                    self._controls[control.patient] = control
                    self._compose(control.patient)
                case _:
                    return
        except (ValidationError, UnicodeDecodeError):
            self.unreadable += 1

    def present(self, now_us: int) -> list[Person]:
        """Who is on the ward: wears something, or did until a day ago; by site, bed and label."""
        found = [person for person in self.people.values() if (end := person.until) is None or end > now_us - KEPT_US]
        return sorted(found, key=lambda person: (person.site, person.bed, person.label))

    def _device(self, name: str, device: Device | None) -> None:
        before = self._devices.pop(name, None)
        touched = {binding.patient for binding in before.bindings} if before else set()
        for patient in touched:
            self._wearers[patient].discard(name)
        if device is not None and not is_proof(device.name):
            self._devices[name] = device
            for binding in device.bindings:
                self._wearers.setdefault(binding.patient, set()).add(name)
                touched.add(binding.patient)
        for patient in touched:
            self._compose(patient)

    def _compose(self, patient: UUID) -> None:
        devices = [self._devices[name] for name in sorted(self._wearers.get(patient, ()))]
        bound = [(binding, device) for device in devices for binding in device.bindings if binding.patient == patient]
        control = self._controls.get(patient)
        label = control.label if control else bound[-1][0].label if bound else ""
        self.version += 1
        if not bound or is_proof(label):
            self.people.pop(patient, None)
            return
        bound.sort(key=lambda pair: pair[0].since)
        newest = bound[-1][1]
        self.people[patient] = Person(
            id=patient,
            label=label,
            site=control.site if control else newest.site,
            site_name=newest.site_name if control is None else self.sites.get(control.site, newest.site_name),
            bed=control.bed if control else "",
            worn=tuple(Worn(device.name, device.type, each.since, each.until) for each, device in bound),
            policy=control.policy if control else DEFAULT,
        )
