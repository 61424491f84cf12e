"""A reading: the edge's model (`Reading`) and the log's 64-byte row (`READING`), converted here and nowhere else.

The layout's contract for other languages is ``docs/wire-format.md``.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from vitals.errors import CodecError
from vitals.metrics import METRIC_BY_CODE, METRIC_BY_NAME, MINUTE_US, TICK
from vitals.units import UNIT_BY_NAME, UNIT_NAME, Unit

LAYOUT_VERSION = 1
"""Version of `READING`; stands in every control record of the log, and its readers check it there."""

READING = np.dtype(
    [
        ("patient", "V16"),
        ("device", "V16"),
        ("observed_at", "<i8"),
        ("received_at", "<i8"),
        ("value", "<f8"),
        ("seq", "<u2"),
        ("site", "<u2"),
        ("flags", "<u2"),
        ("metric", "u1"),
        ("unit", "u1"),
    ]
)
"""One row of ``vitals.readings``: 64 bytes; times are µs UTC, ids RFC 4122 bytes."""
assert READING.itemsize == 64

Rows = NDArray[np.void]
"""An array of `READING` rows, shape (n,)."""

OBSERVED_MIN_US = -62_135_510_400_000_000
"""0001-01-02 UTC, the earliest time of a row: calendars of databases and their clients end there, in any zone."""
OBSERVED_MAX_US = 253_402_214_400_000_000
"""9999-12-31 UTC, the latest."""
SUSPECT_US = 2 * MINUTE_US
"""A device clock further ahead of ``received_at`` than this is suspect."""


class Flag(IntFlag):
    """Bits of a row's ``flags``; the upper four bits hold the `Invalid` reason."""

    CENSORED_LOW = 1 << 0
    CENSORED_HIGH = 1 << 1
    CONTACT_LOST = 1 << 2
    ARTEFACT = 1 << 3
    CLOCK_SUSPECT = 1 << 4
    BACKFILL = 1 << 5
    LATE = 1 << 6
    WARM_UP = 1 << 7
    CONTROL_SOLUTION = 1 << 8


class Invalid(IntEnum):
    """Why a stored reading counts for no rule; 0 is a valid reading."""

    VALID = 0
    BELOW_RANGE = 1
    ABOVE_RANGE = 2
    CONTACT_LOST = 3
    SENSOR_ERROR = 4


INVALID_SHIFT = 12
UNUSABLE_MASK = (0xF << INVALID_SHIFT) | Flag.WARM_UP | Flag.CONTROL_SOLUTION
"""A row with any of these bits is not *usable* (RULES)."""


class Reading(BaseModel):
    """One reading as the edge knows it: bound to a patient, value and unit as received; times µs UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    patient: UUID
    device: UUID
    metric: str
    value: float
    unit: str
    observed_at: int
    received_at: int
    site: int = Field(ge=0, le=0xFFFF)
    seq: int = Field(default=0, ge=0, le=0xFFFF)
    flags: int = Field(default=0, ge=0, lt=1 << INVALID_SHIFT)
    invalid: Invalid = Invalid.VALID


def to_row(reading: Reading) -> Rows:
    """The `READING` row of a reading, shape (1,)."""
    row = np.zeros(1, READING)
    row["patient"] = np.void(reading.patient.bytes)
    row["device"] = np.void(reading.device.bytes)
    row["observed_at"] = reading.observed_at
    row["received_at"] = reading.received_at
    row["value"] = reading.value
    row["seq"] = reading.seq
    row["site"] = reading.site
    row["flags"] = reading.flags | (reading.invalid << INVALID_SHIFT)
    row["metric"] = METRIC_BY_NAME[reading.metric].code
    row["unit"] = UNIT_BY_NAME[reading.unit]
    return row


def to_rows(readings: list[Reading]) -> Rows:
    """The rows of many readings, shape (n,)."""
    return np.concatenate([to_row(reading) for reading in readings]) if readings else np.zeros(0, READING)


def from_row(row: np.void) -> Reading:
    """The reading that a row holds. Raises `CodecError` for a tick or an unknown metric or unit."""
    metric = METRIC_BY_CODE.get(int(row["metric"]))
    if metric is None:
        raise CodecError("not a reading", f"metric {int(row['metric'])}", "ticks and unknown metrics have no model")
    flags = int(row["flags"])
    return Reading(
        patient=UUID(bytes=row["patient"].tobytes()),
        device=UUID(bytes=row["device"].tobytes()),
        metric=metric.name,
        value=float(row["value"]),
        unit=UNIT_NAME[Unit(int(row["unit"]))],
        observed_at=int(row["observed_at"]),
        received_at=int(row["received_at"]),
        site=int(row["site"]),
        seq=int(row["seq"]),
        flags=flags & ((1 << INVALID_SHIFT) - 1),
        invalid=Invalid(flags >> INVALID_SHIFT),
    )


def decode(values: list[bytes]) -> Rows:
    """Rows of many record values in order, shape (n,). Raises `CodecError` unless each is whole rows."""
    joined = b"".join(values)
    if len(joined) % READING.itemsize or any(len(value) % READING.itemsize for value in values):
        raise CodecError("a record is not whole 64-byte rows", f"{len(joined)} bytes", "see docs/wire-format.md")
    return np.frombuffer(joined, READING)


def tick_rows(sites: list[int], at_us: int) -> Rows:
    """Tick rows, one per site, that move each site's clock to ``at_us`` (µs UTC)."""
    rows = np.zeros(len(sites), READING)
    rows["site"] = sites
    rows["observed_at"] = at_us
    rows["received_at"] = at_us
    rows["metric"] = TICK
    return rows


def event_time(rows: Rows) -> NDArray[np.int64]:
    """Event time e in µs, shape of ``rows``: the device's time, or ``received_at`` where its clock is suspect."""
    suspect = (rows["flags"] & Flag.CLOCK_SUSPECT) != 0
    return np.where(suspect, rows["received_at"], rows["observed_at"])


def usable(rows: Rows) -> NDArray[np.bool_]:
    """Whether each row is usable for rules, shape of ``rows``: valid, no warm-up, no control solution."""
    return np.asarray((rows["flags"] & UNUSABLE_MASK) == 0)


def late(rows: Rows) -> NDArray[np.bool_]:
    """Whether each row came too late to decide anything, shape of ``rows``."""
    return np.asarray((rows["flags"] & Flag.LATE) != 0)


def in_calendar(times_us: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each time (µs UTC) lies in the years 1 to 9999, same shape."""
    return (times_us >= OBSERVED_MIN_US) & (times_us <= OBSERVED_MAX_US)


def dated(rows: Rows) -> NDArray[np.bool_]:
    """Whether both times of each row lie in the calendar, shape of ``rows``. What does not is no reading: it is
    refused by who stores, and no rule sees it, since sums of such times are beyond their 64 bits.
    """
    return in_calendar(rows["observed_at"]) & in_calendar(rows["received_at"])
