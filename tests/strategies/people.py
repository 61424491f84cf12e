"""Who lies in a generated ward, what they wear, and the values at which rules turn."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from vitals import news2
from vitals.devices import DEVICE_TYPES, DeviceType
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
    GlucoseRule,
    Night,
    Policy,
    UsualRate,
)
from vitals.policy_glucose import FORECASTS, SUSTAINED
from vitals.policy_glucose import RATES as SLOPES

Judging = TypeVar("Judging", bound=GlucoseRule)
SUGARS = (45, 53, 53.4, 53.5, 54, 58, 59, 60, 69, 69.5, 70, 74, 75, 80, 120, 240, 241, 250, 250.5, 251, 389, 390, 400)
"""mg/dL at and between the limits of the low and high rules, ascending."""
MMOLS = (2.97, 2.99, 3.0, 3.85, 3.88, 3.9, 4.2, 13.3, 13.87, 13.9, 22.2)
SLIDES = (60, 72, 90, 120, 149, 151, 170, 185, 260)
"""mg/dL from which glucose begins to fall or rise."""
SPEEDS = (0, 0, -0.5, -1, -2, -2.2, -3, -3.4, -5, -12, 0.5, 1, 2, 3, 3.4, 5, 12)
"""mg/dL/min at and around the rates of the rules, and one that no body has."""
RATES = (34, 36, 38, 39, 40.5, 41, 43, 60, 61.5, 128, 130.5, 140, 148, 150, 151)
"""/min at and between the limits of the window rules."""
STRIDES = (0, 0, 0, 0, 4, 5, 5.001, 70)
"""Steps a minute at and between the limits of rules that ask for rest."""
RESTING = DEFAULT.model_copy(
    update={
        "windows": (
            HEART_RATE_REST.model_copy(
                update={"width_us": 2 * MINUTE_US, "on_above": 60, "off_at_most": 60, "rest_at_most": 5}
            ),
            HEART_RATES[1].model_copy(update={"width_us": MINUTE_US, "successive": 2}),
            HEART_RATES[0].model_copy(update={"width_us": 3 * MINUTE_US, "rest_at_most": 0}),
        )
    }
)
"""Rules that ask for rest, over windows short enough for a generated log, beside one that does not."""
SHAKY = DEFAULT.model_copy(
    update={
        "windows": tuple(
            rule.model_copy(update={"width_us": MINUTE_US, "artefact_hold_us": hold * SECOND_US, **more})
            for rule, hold, more in (
                (HEART_RATES[0], 60, {}),
                (HEART_RATES[1], 30, {"successive": 2}),
                (HEART_RATE_REST, 20, {"on_above": 60, "off_at_most": 59, "width_us": 2 * MINUTE_US}),
            )
        )
    }
)
"""Rules that artefact may hold."""
SHAKIER = DEFAULT.model_copy(
    update={
        "windows": tuple(
            rule.model_copy(update={"artefact_hold_us": hold * SECOND_US, **more})
            for rule, hold, more in (
                (SHAKY.windows[0], 20, {"priority": "low", "on_above": 139, "off_at_most": 138}),
                (SHAKY.windows[1], 0, {"width_us": 2 * MINUTE_US, "on_at_most": 36, "off_at_least": 40}),
                (SHAKY.windows[2], 60, {"rest_at_most": None, "width_us": MINUTE_US}),
            )
        )
    }
)
"""Other holds, limits and windows of the same rules."""


class Person(NamedTuple):
    """A patient: the device worn first, and the sites that they may lie at."""

    name: str
    device: str
    kind: DeviceType
    site: int
    policy: Policy = DEFAULT


def _wrist(seconds: int) -> DeviceType:
    kind = DEVICE_TYPES["wrist"]
    stream = kind.streams[0].model_copy(update={"interval_us": seconds * SECOND_US})
    return kind.model_copy(update={"name": f"wrist-{seconds}s", "streams": (stream,)})


def _counting(beat: int, stride: int) -> DeviceType:
    """A wrist device that counts steps, both at intervals in seconds."""
    kind = DEVICE_TYPES["wrist-steps"]
    pairs = zip(kind.streams, (beat, stride), strict=True)
    streams = tuple(stream.model_copy(update={"interval_us": seconds * SECOND_US}) for stream, seconds in pairs)
    return kind.model_copy(update={"name": f"wrist-{beat}s-{stride}s", "streams": streams})


COUNTING = (_counting(5, 20), _counting(1, 60), _counting(5, 7))
BOTH = DEVICE_TYPES["ward"].model_copy(
    update={
        "name": "ward-5s",
        "streams": (
            DEVICE_TYPES["ward"].streams[0].model_copy(update={"interval_us": 5 * SECOND_US}),
            *DEVICE_TYPES["ward"].streams[1:],
        ),
    }
)
"""A wearable that sends all metrics, its heart rate each five seconds."""
PEOPLE = (
    Person("ann", "cgm-1", DEVICE_TYPES["t1d-uom-5min"], 1),
    Person("bob", "cgm-2", DEVICE_TYPES["libre"], 1),
    Person("cyd", "ward-3", DEVICE_TYPES["ward"], 2),
    Person("dan", "wrist-4", DEVICE_TYPES["wrist"], 1),
    Person("lea", "wrist-11", COUNTING[0], 1, RESTING),
    Person("eve", "wrist-5", _wrist(5), 1),
    Person("fay", "wrist-6", DEVICE_TYPES["wrist-5min"], 2),
    Person("gus", "wrist-7", _wrist(7), 1),
    Person("hal", "cgm-8", DEVICE_TYPES["t1d-uom-15min"], 2),
    Person("ida", "cgm-9", DEVICE_TYPES["dexcom"], 1),
    Person("kim", "meter-10", DEVICE_TYPES["meter"], 2),
)
SPARES = {
    "glucose": tuple(DEVICE_TYPES[name] for name in ("t1d-uom-5min", "libre", "dexcom", "libre-history", "ward")),
    "heart_rate": (*(DEVICE_TYPES[name] for name in ("wrist", "wrist-5min", "ward")), _wrist(5), *COUNTING),
}
"""What a person gets in place of the first device, by its metric."""

QUICK = DEFAULT.model_copy(
    update={
        "windows": (
            HEART_RATES[0].model_copy(update={"successive": 3, "on_above": 120.1, "off_at_most": 119.5}),
            HEART_RATES[2].model_copy(update={"width_us": 2 * MINUTE_US, "successive": 2}),
        )
    }
)
"""Other limits under the same names; one rule is gone."""
BARE = DEFAULT.model_copy(update={"windows": ()})


def _moved(rule: str, by: float) -> Policy:
    source = {"low": LOW, "high": HIGH}[rule]
    levels = tuple(
        level.model_copy(update={"limit": level.limit + by, "quick_limit": level.quick_limit + by})
        for level in source.levels
    )
    others = tuple(each for each in DEFAULT.thresholds if each.name != rule)
    changed = source.model_copy(update={"levels": levels})
    return DEFAULT.model_copy(update={"thresholds": (changed, *others)})


SWEET = DEFAULT.model_copy(
    update={
        "windows": (
            HEART_RATE_GLUCOSE.model_copy(
                update={"width_us": MINUTE_US, "on_above": 60, "off_at_most": 60, "rest_at_most": None}
            ),
            HEART_RATES[1],
        )
    }
)
"""A rule on glucose and heart rate, without rest."""
SCORED = DEFAULT.model_copy(
    update={
        "windows": (
            news2.with_score(HEART_RATE_NEWS2, 2).model_copy(update={"width_us": MINUTE_US, "successive": 3}),
            *HEART_RATES[1:],
        )
    }
)
"""A rule on the NEWS2 pulse sub-score, which both a fast and a slow heart have."""
HASTY = DEFAULT.model_copy(
    update={
        "thresholds": tuple(
            rule.model_copy(
                update={"levels": tuple(level.model_copy(update={"on_span_us": MINUTE_US}) for level in rule.levels)}
            )
            for rule in (LOW, HIGH)
        ),
        "signals": tuple(
            rule.model_copy(update={"medium_after_us": 10 * MINUTE_US, "hold_us": MINUTE_US})
            for rule in DEFAULT.signals
        ),
    }
)
"""Other delays."""
WIDE = DEFAULT.model_copy(
    update={
        "thresholds": (
            LOW.model_copy(
                update={
                    "levels": (
                        LOW.levels[0].model_copy(update={"limit": 60, "quick_limit": 64}),
                        LOW.levels[1].model_copy(update={"limit": 50, "quick_limit": 50, "slow_span_us": 0}),
                    )
                }
            ),
        ),
        "signals": DEFAULT.signals[1:],
    }
)
"""Other limits, and no rule for high glucose nor for silence of glucose."""
WATCHFUL = DEFAULT.model_copy(
    update={
        "sustained": (SUSTAINED[0].model_copy(update={"on_span_us": 20 * MINUTE_US}), SUSTAINED[1]),
        "rates": (SLOPES[0].model_copy(update={"rate": 2, "off_rate": 1}), SLOPES[1]),
        "forecasts": FORECASTS,
    }
)
"""Every rule that judges glucose readings one by one."""
PATIENT = DEFAULT.model_copy(
    update={
        "sustained": (SUSTAINED[1].model_copy(update={"limit": 140, "quick_limit": 130, "on_span_us": 240 * MINUTE_US}),
                      SUSTAINED[0].model_copy(update={"limit": 75, "quick_limit": 75, "on_span_us": 200 * MINUTE_US})),
        "rates": (SLOPES[0].model_copy(update={"gate": 75, "on_span_us": 5 * MINUTE_US, "slow_span_us": MINUTE_US}),),
        "forecasts": (FORECASTS[0].model_copy(update={"limit": 70, "off_limit": 70, "horizon_us": 10 * MINUTE_US,
                                                      "forecast": "ar2"}),),
    }
)  # fmt: skip
"""Other numbers for most of them, and spans that the ring does not hold."""
MOVED = (_moved("low", 10), _moved("low", -15), _moved("high", -10))


def _of_names(rules: tuple[Judging, ...], others: tuple[Judging, ...]) -> tuple[Judging, ...]:
    return tuple(rule for rule in rules if rule.name in [each.name for each in others])


LASTING = DEFAULT.model_copy(
    update={
        "thresholds": tuple(
            rule.model_copy(
                update={"levels": (rule.levels[0].model_copy(update={"prolonged_us": after}), rule.levels[1])}
            )
            for rule, after in ((LOW, 12 * MINUTE_US), (HIGH, 5 * MINUTE_US))
        )
    }
)
"""Level 1 is prolonged after some readings."""


def _by_night(day: Policy, night: Policy, zone: str, begins: str, ends: str) -> Policy:
    """The rules of one policy by day and, where it has them, those of another by night."""
    names = {rule.name for rule in day.thresholds} | {rule.name for rule in day.windows}
    metrics = {rule.metric for rule in day.signals}
    own = Night(
        zone=zone, begins=begins, ends=ends,
        thresholds=tuple(rule for rule in night.thresholds if rule.name in names),
        windows=tuple(rule for rule in night.windows if rule.name in names),
        signals=tuple(rule for rule in night.signals if rule.metric in metrics),
        sustained=_of_names(night.sustained, day.sustained), rates=_of_names(night.rates, day.rates),
        forecasts=_of_names(night.forecasts, day.forecasts),
    )  # fmt: skip
    return day.model_copy(update={"night": own})


NIGHTS = (
    _by_night(DEFAULT, HASTY, "Europe/Berlin", "23:20", "23:50"),
    _by_night(DEFAULT, QUICK, "Etc/UTC", "22:30", "22:18"),
    _by_night(QUICK, MOVED[0], "Asia/Kathmandu", "04:10", "05:00"),
    _by_night(HASTY, MOVED[1], "America/St_Johns", "18:55", "01:00"),
    _by_night(DEFAULT, MOVED[2], "Nowhere/Known", "00:00", "12:00"),
    _by_night(WATCHFUL, PATIENT, "Europe/Berlin", "00:10", "01:30"),
    _by_night(PATIENT, WATCHFUL, "Etc/UTC", "22:30", "01:18"),
    _by_night(RESTING, SHAKY, "Etc/UTC", "22:25", "22:50"),
    _by_night(SHAKY, RESTING, "Europe/Berlin", "23:30", "01:00"),
    _by_night(LASTING, MOVED[0], "Etc/UTC", "22:40", "23:30"),
)
"""Nights that begin or end within the first hours of a ward; of a zone that nobody knows there is only the day."""


def above_usual(zone: str, begins: str, ends: str, *, nights: int) -> Policy:
    """Rules on what is usual, in nights of minutes."""
    asked = UsualRate(above=1, zone=zone, begins=begins, ends=ends, least_us=50 * SECOND_US, nights=nights)
    rule = HEART_RATE_USUAL.model_copy(update={"usual": asked, "width_us": MINUTE_US, "rest_at_most": None})
    return DEFAULT.model_copy(update={"windows": (rule, *HEART_RATES[1:])})


HEARTS = (RESTING, SHAKY, SHAKIER, SCORED, SWEET)
POLICIES = (
    *(DEFAULT, LASTING, LASTING, QUICK, BARE, HASTY, WIDE),
    *(*MOVED, *NIGHTS, *HEARTS, WATCHFUL, WATCHFUL, PATIENT, PATIENT),
)
