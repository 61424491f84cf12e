"""What some patients of the unruly ward do for the sake of one rule; pure, of the seconds since the ward began.

In a log of minutes rules of hours have to be short, as far as the registry's bounds go: medians of 1 min, 15 min of a
low that lasts. A device that was away brings ten minutes of its past at first, which is what counts as fresh, so that
slopes and runs have somewhere to begin. Out of reach are half an hour at one level (*prolonged*) and three nights (what
is *usual*): both are in the policies, and their rules must not call.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import (
    DEFAULT,
    HEART_RATE_GLUCOSE,
    HEART_RATE_NEWS2,
    HEART_RATE_REST,
    HEART_RATE_USUAL,
    HEART_RATES,
    HIGH,
    LOW,
    Night,
    Policy,
    ThresholdRule,
    WindowRule,
)
from vitals.policy_glucose import FORECASTS, RATES, SUSTAINED

AWAY_S = 590
"""So old is the oldest of what a device brings at first: glucose of ten minutes ago is still fresh."""
STEP_S = 30
PAST = tuple(range(-AWAY_S, 0, STEP_S))
HOLD_US = 30 * SECOND_US
NIGHT_AFTER_MINUTES, NIGHT_MINUTES = 2, 2
"""Night begins with the second whole minute to come, and is soon over."""

Value = Callable[[float], float]
"""Seconds since the ward began, to a value."""


class Story(NamedTuple):
    """A kind of patient: policy, values, when the device doubts its heart rate; ``past`` are the seconds before the
    beginning whose glucose the device brings at first.
    """

    name: str
    policy: Policy
    heart_rate: Value
    glucose: Value
    steps: Value
    doubts: Callable[[float], bool]
    past: tuple[int, ...] = ()


def _constant(value: float) -> Value:
    return lambda _: value


def _short(rule: WindowRule) -> WindowRule:
    return rule.model_copy(update={"width_us": MINUTE_US})


def _lasting(rule: ThresholdRule) -> ThresholdRule:
    milder, worse = rule.levels
    return rule.model_copy(update={"levels": (milder.model_copy(update={"prolonged_us": 30 * MINUTE_US}), worse)})


_JOINT = _short(HEART_RATE_GLUCOSE).model_copy(update={"glucose_below": 80})
_HELD = _short(HEART_RATES[0]).model_copy(update={"artefact_hold_us": HOLD_US})
AT_REST = DEFAULT.model_copy(
    update={"windows": (*HEART_RATES, *map(_short, (HEART_RATE_REST, HEART_RATE_USUAL, HEART_RATE_NEWS2)))}
)
JOINT = DEFAULT.model_copy(update={"windows": (*HEART_RATES, _JOINT)})
HELD = DEFAULT.model_copy(update={"windows": (_HELD, *HEART_RATES[1:])})
LASTING = DEFAULT.model_copy(
    update={
        "thresholds": (_lasting(LOW), _lasting(HIGH)),
        "sustained": tuple(each.model_copy(update={"on_span_us": 15 * MINUTE_US}) for each in SUSTAINED),
    }
)
SOON = DEFAULT.model_copy(
    update={
        "rates": RATES,
        "forecasts": tuple(
            each.model_copy(update={"limit": 80, "off_limit": 90, "horizon_us": 30 * MINUTE_US}) for each in FORECASTS
        ),
    }
)
POLICIES = (AT_REST, JOINT, HELD, LASTING, SOON)


def nightly(now: int) -> Policy:
    """A policy whose night begins in a minute or two after ``now`` (µs UTC): other lows, other hearts."""
    minute = datetime.fromtimestamp(now // SECOND_US, UTC).replace(second=0)
    begins, ends = (
        (minute + timedelta(minutes=after)).strftime("%H:%M")
        for after in (NIGHT_AFTER_MINUTES, NIGHT_AFTER_MINUTES + NIGHT_MINUTES)
    )
    milder, worse = LOW.levels
    low = LOW.model_copy(update={"levels": (milder.model_copy(update={"limit": 65, "quick_limit": 70}), worse)})
    high = HEART_RATES[0].model_copy(update={"on_above": 110, "off_at_most": 107, "width_us": MINUTE_US})
    night = Night(zone="Etc/UTC", begins=begins, ends=ends, thresholds=(low,), windows=(high,))
    return AT_REST.model_copy(update={"night": night})


def _fast(at: float) -> float:
    """A minute and a half fast, a minute slow."""
    return 135.0 if at % 150 < 90 else 65.0


def _moving(at: float) -> float:
    """Still, but up and about within every other time that the heart is fast, for a minute and a half."""
    return 40.0 if at % 300 >= 210 else 0.0


def _shaken(at: float) -> float:
    """Two minutes of what may be motion, a minute of what is none: too fast for *extreme* too, which is never held."""
    return 155.0 if at % 180 < 120 else 70.0


def _doubted(at: float) -> bool:
    """Every other time the device doubts all of it, else the first two thirds of a minute."""
    return at % 180 < (120 if at % 360 < 180 else 40)


def _sawtooth(at: float) -> float:
    """Down in two minutes, up at once."""
    return 96.0 - 7 * (at % 150 // STEP_S)


def _certain(_: float) -> bool:
    return False


_CALM, _STILL = _constant(70), _constant(0)
STORIES = (
    Story("fast at rest", AT_REST, _fast, _constant(110), _moving, _certain),
    Story("fast while glucose falls", JOINT, _constant(112), _sawtooth, _STILL, _certain),
    Story("shaken", HELD, _shaken, _constant(110), _constant(60), _doubted),
    Story("low for long", LASTING, _CALM, _constant(66), _STILL, _certain, PAST[:1]),
    Story("high for long", LASTING, _CALM, _constant(200), _STILL, _certain, PAST[:1]),
    Story("sinking", SOON, _CALM, lambda at: max(60.0, 140 - (at + AWAY_S) / 15), _STILL, _certain, PAST),
    Story("climbing", SOON, _CALM, lambda at: min(300.0, 110 + (at + AWAY_S) / 15), _STILL, _certain, PAST),
)
FACTS = (
    *(f"an episode of {rule}" for rule in ("heart_rate_rest", "heart_rate_news2", "heart_rate_glucose", "low_soon")),
    *(f"an episode of {rule}" for rule in ("low_sustained", "high_sustained", "glucose_falling", "glucose_rising")),
    *(f"an episode of {rule}" for rule in ("heart_rate_high", "heart_rate_extreme", "low")),
    "an episode with the reason moving",
    "an opening that artefact holds",
    "a switch of day and night",
)
"""What these patients make in every log of `FACTS_FROM_S`."""
FACTS_FROM_S = 300.0
NEVER = ("an episode of heart_rate_usual", "an episode with the reason prolonged")
"""What no log of fewer than `NEVER_BELOW_S` may have: nobody was half an hour at one level, or slept three nights."""
NEVER_BELOW_S = 1200.0
