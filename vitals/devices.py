"""Device types, and devices bound to patients as dated lists.

A binding holds from ``since`` (inclusive) until ``until`` (exclusive, None while it lasts), in event time.
Ranges belong to the device type (DOMAIN): a glucose beyond them is *censored* and counts as the edge - 1 or + 1.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from vitals.messages import Message, Name
from vitals.metrics import METRIC_BY_NAME, MINUTE_US, SECOND_US
from vitals.numbers import Quantity, SiteNumber, Time

BED_CHARACTERS_MAX = 32
"""Of where a patient lies."""
STREAMS_MAX = 16


class Stream(Message):
    """What one device type sends of one metric; ranges in the metric's canonical unit, inclusive."""

    metric: Name
    interval_us: int = Field(gt=0, le=24 * 60 * MINUTE_US)
    low: Quantity
    high: Quantity
    below_range: Literal["censored", "error"] = "censored"
    """What a value below ``low`` and above 0 means: LOW, or an error code of the device."""
    low_code: Quantity | None = None
    """A value that says LOW although ``below_range`` is an error (Nightscout's 39)."""


class DeviceType(Message):
    """A kind of device: its streams, its warm-up after each binding's start, and its arrow scheme."""

    name: Name
    streams: tuple[Stream, ...] = Field(min_length=1, max_length=STREAMS_MAX)
    warm_up_us: int = Field(default=0, ge=0, le=7 * 24 * 60 * MINUTE_US)
    arrow: Literal["dexcom", "xdrip", "libre"] = "dexcom"

    def stream(self, metric: str) -> Stream | None:
        """The stream of a metric, or None where the type does not send it."""
        return next((stream for stream in self.streams if stream.metric == metric), None)


def _glucose(interval_us: int, low: float, high: float) -> Stream:
    return Stream(metric="glucose", interval_us=interval_us, low=low, high=high)


def _heart_rate(interval_us: int) -> Stream:
    return Stream(metric="heart_rate", interval_us=interval_us, low=20, high=300)


def _steps(interval_us: int) -> Stream:
    return Stream(metric="steps", interval_us=interval_us, low=0, high=400)


DEVICE_TYPES = {
    kind.name: kind
    for kind in (
        DeviceType(name="dexcom", streams=(_glucose(5 * MINUTE_US, 40, 400),), warm_up_us=120 * MINUTE_US),
        DeviceType(name="libre", streams=(_glucose(MINUTE_US, 40, 500),), warm_up_us=60 * MINUTE_US, arrow="libre"),
        DeviceType(name="libre-history", streams=(_glucose(15 * MINUTE_US, 40, 500),), arrow="libre"),
        DeviceType(name="meter", streams=(_glucose(240 * MINUTE_US, 20, 600),)),
        DeviceType(name="wrist", streams=(_heart_rate(SECOND_US),)),
        DeviceType(name="wrist-steps", streams=(_heart_rate(SECOND_US), _steps(MINUTE_US))),
        DeviceType(name="wrist-5min", streams=(_heart_rate(5 * MINUTE_US),)),
        DeviceType(name="t1d-uom-1min", streams=(_glucose(MINUTE_US, 40, 500),)),
        DeviceType(name="t1d-uom-5min", streams=(_glucose(5 * MINUTE_US, 40, 400),)),
        DeviceType(name="t1d-uom-15min", streams=(_glucose(15 * MINUTE_US, 40, 500),)),
        DeviceType(
            name="ward",
            streams=(
                _heart_rate(SECOND_US),
                _glucose(MINUTE_US, 40, 400),
                Stream(metric="battery", interval_us=10 * MINUTE_US, low=0, high=100),
                _steps(MINUTE_US),
            ),
        ),
        DeviceType(name="proof", streams=(_glucose(10 * SECOND_US, 20, 600),)),
    )
}
"""Known types by name. ``t1d-uom-...`` send what stands in files of that form, whoever made them; ``ward`` is the
simulator's combined wearable, ``proof`` what `vitals.proof` sends."""

assert all(stream.metric in METRIC_BY_NAME for kind in DEVICE_TYPES.values() for stream in kind.streams)


class Binding(Message):
    """A device worn by a patient for a time; ``patient`` is the id, ``label`` the pseudonym."""

    patient: UUID
    label: Name
    since: Time
    until: Time | None = None

    def covers(self, at: int) -> bool:
        """Whether the binding holds at an event time (µs)."""
        return self.since <= at and (self.until is None or at < self.until)


class Device(Message):
    """A device with its whole dated list of bindings, ordered by ``since`` and without overlap.

    Value of ``registry.bindings`` under the key ``device:NAME``; bridges attribute readings by it.
    """

    kind: Literal["device"] = "device"
    name: Name
    id: UUID
    type: DeviceType
    site: SiteNumber
    site_name: Name
    bindings: tuple[Binding, ...] = ()

    def binding_at(self, at: int) -> Binding | None:
        """The binding that covers an event time (µs), or None."""
        return next((binding for binding in reversed(self.bindings) if binding.covers(at)), None)


class Site(Message):
    """A site and its number, 1 to 65535; value of ``registry.bindings`` under the key ``site:NAME``."""

    kind: Literal["site"] = "site"
    name: Name
    number: int = Field(ge=1, le=0xFFFF)
