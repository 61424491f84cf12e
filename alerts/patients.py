"""What alerts need of the registry, folded from ``registry.bindings``: patients by id, sites, synthetic patients.

The values are `vitals.devices.Site` under ``site:NAME``, `vitals.devices.Device` under ``device:NAME`` and
`vitals.control.PatientControl` under ``patient:PSEUDONYM``. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from pydantic import ValidationError

from vitals.control import PatientControl
from vitals.devices import Device, Site
from vitals.policies import Policy
from vitals.proof import POLICY, device_name, is_proof, patient_name
from vitals.topics import patient_id

_DEVICE, _SITE, _PATIENT = "device:", "site:", "patient:"


class Known(NamedTuple):
    """A patient: the pseudonym, the site's number, and whether a device is worn now."""

    label: str
    site: int
    worn: bool = True


class Patients:
    """Sites, patients and what is enrolled for proofs; ``unreadable`` counts records that were skipped."""

    def __init__(self) -> None:
        self.sites: dict[str, int] = {}
        self.unreadable = 0
        self._patients: dict[UUID, Known] = {}
        self._policies: dict[str, Policy] = {}
        self._devices: dict[str, Device] = {}

    def take(self, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> None:
        """Fold records in offset order; of each key the last one counts, without a value it is gone."""
        for key, value in zip(keys, values, strict=True):
            try:
                self._take((key or b"").decode(), value)
            except (ValidationError, UnicodeDecodeError):
                self.unreadable += 1

    def find(self, patient: UUID) -> Known | None:
        """A patient by id; never a synthetic one."""
        return self._patients.get(patient)

    def at(self, site: int) -> list[tuple[UUID, str]]:
        """Id and pseudonym of who wears a device at a site, by pseudonym; nobody synthetic."""
        found = [(each.label, key) for key, each in self._patients.items() if each.site == site and each.worn]
        return [(key, label) for label, key in sorted(found)]

    @property
    def proved_sites(self) -> list[int]:
        """Numbers of the sites that have a synthetic patient."""
        return sorted({device.site for device in self._devices.values()})

    def enrolled(self, site: str) -> bool:
        """Whether a site's synthetic device is worn by its patient, under the synthetic policy and no other."""
        device, policy = self._devices.get(device_name(site)), self._policies.get(patient_name(site))
        if device is None or policy is None:
            return False
        worn = any(binding.label == patient_name(site) and binding.until is None for binding in device.bindings)
        return worn and policy.model_copy(update={"version": POLICY.version}) == POLICY

    def _take(self, key: str, value: bytes | None) -> None:
        if key.startswith(_SITE):
            self._site(key.removeprefix(_SITE), value)
        elif key.startswith(_PATIENT):
            self._patient(key.removeprefix(_PATIENT), value)
        elif key.startswith(_DEVICE) and is_proof(name := key.removeprefix(_DEVICE)):
            if value:
                self._devices[name] = Device.model_validate_json(value)
            else:
                self._devices.pop(name, None)

    def _site(self, name: str, value: bytes | None) -> None:
        if value:
            self.sites[name] = Site.model_validate_json(value).number
        else:
            self.sites.pop(name, None)

    def _patient(self, label: str, value: bytes | None) -> None:
        if not value:
            self._patients.pop(patient_id(label), None)
            self._policies.pop(label, None)
            return
        control = PatientControl.model_validate_json(value)
        if is_proof(control.label):
            self._policies[control.label] = control.policy
        else:
            worn = any(each.binding.until is None for each in control.worn)
            self._patients[control.patient] = Known(control.label, control.site, worn)
