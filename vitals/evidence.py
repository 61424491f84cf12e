"""The evidence of an episode: by which numbers and for which readings it opened or rose (RULES, *Why*).

It stands in the episodes that open or rise, and in the alert until the next of them. Values of readings are exact, in
thousandths of the canonical unit; times µs UTC.
"""

from __future__ import annotations

from typing import NamedTuple

from vitals.messages import Message
from vitals.numbers import Count, Instant, Small

SHOWN_MAX = 12
"""Readings, or instants, that an evidence names: the latest."""
Shown = tuple[Instant, Instant]
"""A reading: event time, value."""


class Judged(NamedTuple):
    """By what an episode was judged: the version of the policy, whether its night was in force, the level that
    the episode has now, the limit crossed.
    """

    policy: int
    night: bool
    level: int
    limit: float | None = None


class WindowSeen(Message):
    """The window (begin, end] of a median: ``filled`` of its ``slots`` of the device's interval hold a reading;
    ``instants`` are the T in a row at which the median turned the rule on, the latest of them.
    """

    median: float
    begin: Instant
    end: Instant
    filled: Count
    slots: Count
    instants: tuple[Instant, ...]


class Evidence(Message):
    """What a rule saw. ``count`` readings are behind it, ``readings`` are the latest of them, the oldest first: of the
    run beyond the limit, or for silence the one that was heard last. Of a window only their ``count`` is told.
    """

    policy: Count
    night: bool
    level: Small
    limit: float | None
    count: Count
    readings: tuple[Shown, ...] = ()
    window: WindowSeen | None = None
    heard_at: Instant | None = None
    """Silence: when the last deciding reading arrived; None where there was none."""
    evaluated_at: Instant | None = None
    """Silence: the last T at which a window rule could be evaluated; None where there was none, or no such rule."""
    slope: float | None = None
    """A rate: canonical units a minute, to a hundredth; ``readings`` are those that it is made from."""
    forecast: float | None = None
    """A forecast: its lowest value, whole; ``readings`` are those that it is made from."""


def of_readings(judged: Judged, readings: list[Shown]) -> Evidence:
    """The evidence of readings, the oldest first."""
    return Evidence(**judged._asdict(), count=len(readings), readings=tuple(readings[-SHOWN_MAX:]))
