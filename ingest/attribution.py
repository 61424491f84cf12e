"""Whose reading it is, and how good: the flags of a row are decided here, once, and only read afterwards.

A reading belongs to the patient who wore the device at its event time e (RULES): the device's own time, or
``received_at`` where the device's clock is more than two minutes ahead.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import floor

from ingest.directory import Known, Sends, WornBy
from vitals.codecs import Parsed, Rejected
from vitals.metrics import HEART_RATE
from vitals.readings import INVALID_SHIFT, READING, SUSPECT_US, Flag, Invalid
from vitals.units import MG_DL_PER_MMOL_L, Unit

_ROW = struct.Struct("<16s16sqqdHHHBB")
assert _ROW.size == READING.itemsize

_CENSORED_LOW, _CENSORED_HIGH = int(Flag.CENSORED_LOW), int(Flag.CENSORED_HIGH)
_CENSORED = _CENSORED_LOW | _CENSORED_HIGH
_CONTACT_LOST, _CLOCK_SUSPECT = int(Flag.CONTACT_LOST), int(Flag.CLOCK_SUSPECT)
_LATE, _WARM_UP = int(Flag.LATE), int(Flag.WARM_UP)
_INVALID = {reason: int(reason) << INVALID_SHIFT for reason in Invalid}
_NO_CONTACT = _CONTACT_LOST | _INVALID[Invalid.CONTACT_LOST]
_MMOL_L = int(Unit.MMOL_L)
_HEART_RATE = HEART_RATE.code

Clocks = Sequence[int | None]
"""``received_at`` by partition, µs UTC; None where no tick has come yet, then a reading counts as just received."""


def attribute(
    device: Known, reading: Parsed, clocks: Clocks, taken: Clocks | None = None
) -> tuple[WornBy, bytes] | Rejected:
    """The binding that a reading falls into and its 64-byte row, or why it has none. ``taken`` is when the bridge took
    it, by partition, where that is later than its ``received_at``.
    """
    sends = device.sends.get(reading.metric.code)
    if sends is None:
        return _not_sent(device, reading)
    observed_at = reading.observed_at
    worn = device.worn_at(observed_at) or (device.worn[-1] if device.worn else None)
    if worn is None:
        return _not_bound(device, reading)
    received_at = _received(worn, clocks, observed_at)
    flags = 0
    e = observed_at
    if observed_at > received_at + SUSPECT_US:
        flags = _CLOCK_SUSPECT
        worn = device.worn_at(received_at) or worn
        e = received_at = _received(worn, clocks, observed_at)
        if e < worn.doubt_until:
            flags |= _LATE
    if not worn.covers(e):
        return _not_bound(device, reading)
    if received_at - e > sends.late_after_us or _taken_off(worn, taken or clocks, observed_at):
        flags |= _LATE
    if e < worn.warm_until:
        flags |= _WARM_UP
    value, unit, quality = judge(reading, sends)
    return worn, _ROW.pack(
        worn.patient, device.id, observed_at, received_at, value, reading.seq, device.site, flags | quality,
        reading.metric.code, unit,
    )  # fmt: skip


def judge(reading: Parsed, sends: Sends) -> tuple[float, int, int]:
    """Value and unit as they go into the row, and the flags of a value: censored or invalid with its reason.

    Ranges belong to the device type and are judged on the value that rules see, glucose rounded to whole mg/dL
    first. A word (LOW, HIGH) stands one beyond the range's edge, in the canonical unit.
    """
    metric, stream, flags = sends.metric, sends.stream, reading.flags
    value, unit = reading.value, int(reading.unit)
    if value is None:
        unit = int(metric.unit)
        value = stream.low - 1 if flags & _CENSORED_LOW else stream.high + 1 if flags & _CENSORED_HIGH else 0.0
    if flags & _CONTACT_LOST or (value == 0 and metric.code == _HEART_RATE):
        return value, unit, flags | _NO_CONTACT
    return value, unit, flags | _range(sends, value * MG_DL_PER_MMOL_L if unit == _MMOL_L else value, flags)


def _range(sends: Sends, exact: float, flags: int) -> int:
    """Flags of a value in the canonical unit: impossible, beyond the device's range, or an error code."""
    metric, stream = sends.metric, sends.stream
    low, high = metric.accepted
    if not low <= exact <= high:
        return _INVALID[Invalid.BELOW_RANGE if exact < low else Invalid.ABOVE_RANGE]
    shown = floor(exact + 0.5) if metric.whole else exact
    if flags & _CENSORED or stream.low <= shown <= stream.high:
        return 0
    if shown > stream.high:
        return _CENSORED_HIGH
    if stream.below_range == "error" and shown != stream.low_code:
        return _INVALID[Invalid.SENSOR_ERROR]
    return _CENSORED_LOW


def _taken_off(worn: WornBy, taken: Clocks, observed_at: int) -> bool:
    """Whether a binding is over by now: the patient's log says already that the device is off, and the next decides."""
    return worn.until is not None and _received(worn, taken, observed_at) >= worn.until


def _received(worn: WornBy, clocks: Clocks, observed_at: int) -> int:
    at = clocks[worn.partition]
    return observed_at if at is None else at


def _not_sent(device: Known, reading: Parsed) -> Rejected:
    known = ", ".join(sends.metric.name for sends in device.sends.values())
    detail = f"{device.name} sends {known}, not {reading.metric.name}; register it with a type that does"
    return Rejected(reading.place, "metric_mismatch", detail)


def _not_bound(device: Known, reading: Parsed) -> Rejected:
    detail = f"nobody wore {device.name} at {reading.observed_at} µs; bind it from then on: vigil device bind"
    return Rejected(reading.place, "not_bound", detail)
