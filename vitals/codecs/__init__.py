"""Codecs of the edge: bytes of a device in, `Parsed` readings and `Rejected` elements out, in their order.

A codec of the edge never raises on its input and drops nothing: every element of a payload becomes one item. Beside
them stands `vitals.codecs.state`, of what our own steps write.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from vitals.metrics import Metric
from vitals.units import Unit

PAYLOAD_BYTES_MAX = 1024 * 1024
"""A larger payload is rejected whole (``too_large``): no device we know sends a day of readings in more."""
READINGS_MAX = 4096
"""A batch of more readings is rejected whole (``too_many``): 24 h of a one-minute sensor are 1,440."""

Reason = Literal[
    "malformed",
    "unknown_metric",
    "unknown_unit",
    "not_a_number",
    "bad_timestamp",
    "too_large",
    "too_many",
    "device_mismatch",
    "site_mismatch",
    "not_bound",
    "metric_mismatch",
    "bad_topic",
    "conflict",
]
"""Why something lies in ``vitals.rejected``: the edge's reasons, and ``conflict``, the sink's."""


class Parsed(NamedTuple):
    """One reading as a device sent it, before anybody knows whose it is.

    ``value`` is in ``unit``, as received; None where the device gave a word instead (LOW, HIGH, contact lost) and
    ``flags`` say which. ``flags`` are bits of `vitals.readings.Flag`. ``observed_at`` is µs UTC and fits 64 bits;
    ``seq`` counts modulo 65,536. ``device`` is the name in the payload, None where it names none. ``place`` is
    the element's index in its batch.
    """

    place: int
    metric: Metric
    value: float | None
    unit: Unit
    observed_at: int
    seq: int = 0
    flags: int = 0
    device: str | None = None


class Rejected(NamedTuple):
    """One element, or (``place`` None) a whole payload, that cannot be used.

    ``detail`` is one line for a person: what is wrong, and what to send instead.
    """

    place: int | None
    reason: Reason
    detail: str


Item = Parsed | Rejected
