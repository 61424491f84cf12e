"""Words for what every kind of rule has: times, limits, priority and response (see `vitals.policy_text`)."""

from __future__ import annotations

import math

from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import Priority, Response

NONE = "-"
_HUGE = 1 << 62
_MILLI_US = 1000
"""Less than this nobody means in minutes: they gave another unit than µs."""
RULE = "rule"
"""The fact that a rule is there at all."""

Facts = dict[tuple[str, str], str]
"""(where, what) -> in words, by rule; where is ``low 1``, ``heart_rate_high`` or ``signal glucose``."""


def asked(priority: Priority, response: Response) -> dict[str, str]:
    """How people are asked to answer."""
    return {
        "priority": priority,
        "repeat": minutes(response.repeat_us),
        "hold": minutes(response.hold_us),
        "lead": minutes(response.lead_us),
        "all": minutes(response.all_us),
    }


def minutes(us: int | None) -> str:
    """A span in minutes; a dash for none."""
    return NONE if us is None else _told(us, MINUTE_US, "min")


def seconds(us: int) -> str:
    """A span in seconds."""
    return _told(us, SECOND_US, "s")


def _told(us: int, unit_us: int, unit: str) -> str:
    if 0 < abs(us) < _MILLI_US:
        return f"{us} µs"
    # an integer of hundreds of digits is valid JSON, and no float
    return f"{us / unit_us if abs(us) < _HUGE else math.inf:.15g} {unit}"


def limits(*found: tuple[str, float | None]) -> list[str]:
    """The limits that there are, with their signs."""
    return [f"{sign} {limit:g}" for sign, limit in found if limit is not None]
