"""Values in changes of a policy, as people write them: numbers, minutes, priorities (see `vitals.policy_edits`)."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from vitals.errors import InputError
from vitals.metrics import MINUTE_US
from vitals.policies import PRIORITY_RANK

NONE = "none"
STEPS = {"repeat": "repeat_us", "hold": "hold_us", "lead": "lead_us", "all": "all_us"}
"""Steps of a response, by the word for it."""
ASKED = ("priority", *STEPS)
"""What every rule that asks for somebody has beside its own numbers."""
Asking = TypeVar("Asking", bound=Any)


def asked(rule: Asking, field: str, value: str, change: str) -> Asking:
    """A rule (or level) after a change of its priority, or of one step of its response."""
    if field == "priority":
        if value not in PRIORITY_RANK:
            raise InputError("no priority", change[:80], f"one of {', '.join(PRIORITY_RANK)}")
        update = {"priority": value}
    else:
        step = None if value == NONE else minutes(value, change)
        if step is None and field == "hold":
            raise InputError("an acknowledgement holds for a time", change[:80], "give minutes")
        update = {"response": rule.response.model_copy(update={STEPS[field]: step})}
    after: Asking = rule.model_copy(update=update)
    return after


def number(value: str, change: str) -> float:
    """A number in the rule's unit."""
    found = _float(value)
    if not math.isfinite(found):
        raise InputError("no number", change[:80], "give whole mg/dL or beats per minute, without a unit")
    return found


def minutes(value: str, change: str) -> int:
    """A time in minutes, as µs."""
    found = _float(value)
    if not 0 <= found <= 24 * 60:
        raise InputError("no number of minutes", change[:80], "give minutes, without a unit")
    return round(found * MINUTE_US)


def _float(value: str) -> float:
    """A number in plain digits, NaN for all else: Python reads ``6_5`` and the digits of every script as 65."""
    try:
        return float(value) if value.isascii() and "_" not in value else math.nan
    except ValueError:
        return math.nan


def nothing(change: str, remedy: str) -> InputError:
    """A change of what no policy has."""
    return InputError("a change of nothing that a policy has", change[:80], remedy)
