"""Who lies where: names, sites, beds and device types of a simulated ward. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vitals.devices import DEVICE_TYPES, Device, DeviceType
from vitals.metrics import SECOND_US

SITES = ("ward-a", "ward-b")
_PREFIX = "wearable-"
TWO_SITES_FROM = 8
"""A smaller ward is one site."""
FIRST_SHARE = 0.6
"""The part of the patients who lie at the first site: 12 of 20."""


class Wearer(NamedTuple):
    """A device of a type, worn by a patient (pseudonym) in a bed from an event time on (µs UTC)."""

    device: str
    type: DeviceType
    patient: str
    since: int
    bed: str = ""


def device_name(index: int, worn_before: int = 0) -> str:
    """Name of the wearable of the ward's patient ``index`` (from 0), who has worn so many others before."""
    return f"{_PREFIX}{index + 1:03}" + (f"-{worn_before + 1}" if worn_before else "")


def patient_name(index: int) -> str:
    """Pseudonym of the ward's patient ``index`` (from 0)."""
    return f"p{index + 1:03}"


def first_site_patients(patients: int) -> int:
    """How many of the patients lie at the first site; the rest lie at the second."""
    return patients if patients < TWO_SITES_FROM else round(patients * FIRST_SHARE)


def site_names(patients: int) -> tuple[str, ...]:
    """The sites of a ward of so many patients."""
    return SITES[: 1 if patients < TWO_SITES_FROM else 2]


def site_of(index: int, patients: int) -> str:
    """The site of patient ``index`` (from 0)."""
    return SITES[index >= first_site_patients(patients)]


def bed_of(index: int, patients: int) -> str:
    """The bed of patient ``index`` (from 0): ``A1`` and on at the first site, ``B1`` and on at the second."""
    first = first_site_patients(patients)
    return f"A{index + 1}" if index < first else f"B{index - first + 1}"


def device_type(rate_hz: float) -> DeviceType:
    """The ``ward`` type; where it sends heart rate less often than each second, with that interval."""
    ward = DEVICE_TYPES["ward"]
    if rate_hz >= 1.0:
        return ward
    interval = round(SECOND_US / rate_hz)
    streams = tuple(
        stream.model_copy(update={"interval_us": interval}) if stream.metric == "heart_rate" else stream
        for stream in ward.streams
    )
    return ward.model_copy(update={"name": f"ward-{interval // 1000}ms", "streams": streams})


def wearers(patients: int, rate_hz: float, since: int, worn: Mapping[str, str] | None = None) -> list[Wearer]:
    """Who wears what where, in the ward's order; bindings hold from ``since`` (µs UTC). ``worn`` is patient ->
    device, for those who wear something already.
    """
    kind, worn = device_type(rate_hz), worn or {}
    found = []
    for index in range(patients):
        patient = patient_name(index)
        device = worn.get(patient, device_name(index))
        found.append(Wearer(device, kind, patient, since, bed_of(index, patients)))
    return found


def worn_now(devices: Sequence[Device]) -> dict[str, str]:
    """Patient -> the device that they wear by the registry, of the ward's own kind."""
    return {
        device.bindings[-1].label: device.name
        for device in devices
        if device.bindings and device.bindings[-1].until is None and device.name.startswith(_PREFIX)
    }


def began_before(devices: Sequence[Device]) -> int | None:
    """When a ward that is registered already began: its earliest binding (µs UTC), None where there is none."""
    found = [device.bindings[0].since for device in devices if device.bindings and device.name.startswith(_PREFIX)]
    return min(found, default=None)
