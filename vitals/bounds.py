"""The hard bounds of a patient's policy: what somebody may change about the rules, and what nobody may.

The registry refuses what lies beyond them, whoever asks. High priority has no off switch: the low rule is in every
policy, its level 2 turns on at once and calls as high. Numbers stand in ``docs/rules.md``, *A policy of one's own*.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import NamedTuple

from vitals.metrics import METRIC_BY_NAME, MINUTE_US, SECOND_US
from vitals.policies import (
    DEFAULT,
    PRIORITY_RANK,
    Level,
    Policy,
    Priority,
    Response,
    SignalRule,
    ThresholdRule,
    WindowRule,
)
from vitals.units import UNIT_NAME


class Span(NamedTuple):
    """What a number may be, both ends included."""

    least: float
    most: float

    def holds(self, value: float) -> bool:
        """Whether a value lies within; never for what is no number."""
        return self.least <= value <= self.most


class LevelBounds(NamedTuple):
    """Of one level: its limit (canonical unit), least bad span (min), how far inside the quick limit may lie
    (canonical unit), and the priorities that it may have.
    """

    limit: Span
    on_minutes: Span
    margin: Span
    priorities: tuple[Priority, ...]


class ResponseBounds(NamedTuple):
    """Minutes of each step; ``must`` are those that have to exist."""

    repeat: Span
    hold: Span
    lead: Span
    everyone: Span
    must: frozenset[str]


LEVELS = {
    ("low", 1): LevelBounds(Span(60, 100), Span(0, 15), Span(0, 20), ("medium", "high")),
    ("low", 2): LevelBounds(Span(50, 70), Span(0, 0), Span(0, 20), ("high",)),
    ("high", 1): LevelBounds(Span(140, 400), Span(0, 60), Span(0, 60), ("low", "medium")),
    ("high", 2): LevelBounds(Span(200, 400), Span(0, 15), Span(0, 60), ("medium", "high")),
}
"""400, since a sensor whose range ends there says HIGH beyond, which counts as 401."""
QUICK_MINUTES, SLOW_MINUTES = Span(0, 15), Span(0, 30)
WINDOW_LIMITS = {
    "heart_rate_high": {"on_above": Span(100, 200)},
    "heart_rate_low": {"on_at_most": Span(30, 60)},
    "heart_rate_extreme": {"on_above": Span(130, 220), "on_below": Span(25, 45)},
}
WINDOW_OFF = {"on_above": "off_at_most", "on_below": "off_at_least", "on_at_most": "off_at_least"}
WINDOW_MARGIN, WINDOW_STEPS, WINDOW_SUCCESSIVE = Span(0, 20), Span(6, 60), Span(1, 30)
"""Beats per minute; width in steps of 10 s, not beyond what the processor's ring holds; evaluations in a row."""
WINDOW_PRIORITIES: tuple[Priority, ...] = ("low", "medium")
"""Wrist heart rate is never high priority."""
RESPONSES: dict[Priority, ResponseBounds] = {
    "high": ResponseBounds(
        Span(1, 5), Span(1, 15), Span(1, 5), Span(1, 10), frozenset({"repeat", "hold", "lead", "all"})
    ),
    "medium": ResponseBounds(Span(1, 60), Span(1, 120), Span(1, 60), Span(1, 60), frozenset({"repeat", "hold"})),
    "low": ResponseBounds(Span(1, 240), Span(1, 240), Span(1, 240), Span(1, 240), frozenset({"hold"})),
}
SIGNAL_MEDIUM_MINUTES, SIGNAL_HOLD_MINUTES = Span(10, 240), Span(1, 120)
SIGNAL_RECOVER_SECONDS, SIGNAL_INTERVAL_SECONDS = Span(0, 300), Span(1, 900)
STEP_US = 10 * SECOND_US
_HUGE = 1 << 62
_THRESHOLDS = {rule.name: rule for rule in DEFAULT.thresholds}
_WINDOWS = {rule.name: rule for rule in DEFAULT.windows}
_SIGNALS = {rule.metric: rule for rule in DEFAULT.signals}


def violation(policy: Policy) -> str | None:
    """What about a policy nobody may set, as one line that says where and what to give; None where it is in bounds."""
    return next(_violations(policy), None)


def _violations(policy: Policy) -> Iterator[str]:
    yield from _names(policy)
    for rule in policy.thresholds:
        for level in rule.levels:
            yield from _level(rule, level)
        yield from _order(rule)
    for window in policy.windows:
        yield from _window(window)
    for signal in policy.signals:
        yield from _signal(signal)


def _names(policy: Policy) -> Iterator[str]:
    """Which rules there are: only known ones, each once, and the low rule always."""
    thresholds = [each.name for each in policy.thresholds]
    yield from _known(thresholds, _THRESHOLDS)
    yield from _known([each.name for each in policy.windows], _WINDOWS)
    yield from _known([each.metric for each in policy.signals], _SIGNALS)
    for rule in policy.thresholds:
        home = _THRESHOLDS[rule.name]
        if (rule.metric, rule.side) != (home.metric, home.side):
            yield f"rule {rule.name} is about {rule.metric[:64]!a}, {rule.side}; it is {home.metric}, {home.side}"
        if [level.number for level in rule.levels] != [1, 2]:
            yield f"rule {rule.name}: its levels are 1 and 2, the milder first"
    for window in policy.windows:
        if window.metric != _WINDOWS[window.name].metric:
            yield f"rule {window.name} is about {window.metric[:64]!a}; it is {_WINDOWS[window.name].metric}"
    if "low" not in thresholds:
        yield "rule low is missing: high priority has no off switch"


def _known(names: list[str], known: Collection[str]) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"rule {name[:64]!a} is unknown; known are {', '.join(known)}"
        if names.count(name) > 1:
            yield f"rule {name} is there {names.count(name)} times; a policy has one rule of a name"


def _level(rule: ThresholdRule, level: Level) -> Iterator[str]:
    where, bounds = f"{rule.name} {level.number}", LEVELS[rule.name, level.number]
    unit = UNIT_NAME[METRIC_BY_NAME[rule.metric].unit]
    yield from _whole(f"{where} limit", level.limit, bounds.limit, unit)
    inside = (level.quick_limit - level.limit) * (1 if rule.side == "low" else -1)
    if not bounds.margin.holds(inside) or level.quick_limit % 1:
        way = "above" if rule.side == "low" else "below"
        allowed = f"give the limit, {level.limit:g}, or a whole number up to {bounds.margin.most:g} {unit} {way} it"
        yield f"{where} quick_limit is {level.quick_limit:g}: {allowed}"
    yield from _minutes(f"{where} on_span_us", level.on_span_us, bounds.on_minutes)
    yield from _minutes(f"{where} quick_span_us", level.quick_span_us, QUICK_MINUTES)
    yield from _minutes(f"{where} slow_span_us", level.slow_span_us, SLOW_MINUTES)
    yield from _asked(where, level.priority, bounds.priorities, level.response)


def _order(rule: ThresholdRule) -> Iterator[str]:
    """Level 2 is the worse one."""
    milder, worse = rule.levels
    if (milder.limit <= worse.limit) if rule.side == "low" else (milder.limit >= worse.limit):
        side = "below" if rule.side == "low" else "above"
        yield f"{rule.name} 2 limit is {worse.limit:g}: give one {side} the limit of {rule.name} 1, {milder.limit:g}"
    if PRIORITY_RANK[worse.priority] < PRIORITY_RANK[milder.priority]:
        yield f"{rule.name} 2 priority is {worse.priority}: give one that is not below {rule.name} 1, {milder.priority}"


def _window(rule: WindowRule) -> Iterator[str]:
    bounds = WINDOW_LIMITS[rule.name]
    unit = UNIT_NAME[METRIC_BY_NAME[rule.metric].unit]
    for name, off in WINDOW_OFF.items():
        limit, inside = getattr(rule, name), getattr(rule, off)
        if name not in bounds:
            if limit is not None:
                yield f"{rule.name} {name} is {limit:g}: leave it out, this rule has {' and '.join(bounds)}"
        elif limit is None or inside is None:
            yield f"{rule.name} {name if limit is None else off} is missing; to have no such rule leave all of it out"
        else:
            yield from _whole(f"{rule.name} {name}", limit, bounds[name], unit)
            margin = (limit - inside) * (1 if off == "off_at_most" else -1)
            if not WINDOW_MARGIN.holds(margin) or inside % 1:
                within = f"within {WINDOW_MARGIN.most:g} {unit} of {name}, {limit:g}, on its calm side"
                yield f"{rule.name} {off} is {inside:g}: give a whole number {within}"
    for off in ("off_at_most", "off_at_least"):
        if getattr(rule, off) is not None and off not in [WINDOW_OFF[name] for name in bounds]:
            yield f"{rule.name} {off} is {getattr(rule, off):g}: leave it out, this rule turns on at {min(bounds)}"
    if rule.width_us % STEP_US or not WINDOW_STEPS.holds(rule.width_us // STEP_US):
        least, most = (int(steps * STEP_US) for steps in WINDOW_STEPS)
        yield f"{rule.name} width_us is beyond its bounds: give {least} to {most} µs, in whole steps of {STEP_US}"
    if not WINDOW_SUCCESSIVE.holds(rule.successive):
        span = f"{WINDOW_SUCCESSIVE.least:g} to {WINDOW_SUCCESSIVE.most:g}"
        yield f"{rule.name} successive is beyond its bounds: give {span} evaluations"
    yield from _asked(rule.name, rule.priority, WINDOW_PRIORITIES, rule.response)


def _signal(rule: SignalRule) -> Iterator[str]:
    where = f"signal {rule.metric}"
    yield from _minutes(f"{where} medium_after_us", rule.medium_after_us, SIGNAL_MEDIUM_MINUTES)
    yield from _minutes(f"{where} hold_us", rule.hold_us, SIGNAL_HOLD_MINUTES)
    yield from _time(f"{where} recover_span_us", rule.recover_span_us, SIGNAL_RECOVER_SECONDS, SECOND_US)
    yield from _time(f"{where} recover_interval_us", rule.recover_interval_us, SIGNAL_INTERVAL_SECONDS, SECOND_US)


def _asked(where: str, priority: Priority, allowed: tuple[Priority, ...], response: Response) -> Iterator[str]:
    """Priority, and how people are asked to answer."""
    if priority not in allowed:
        yield f"{where} priority is {priority}: give {' or '.join(allowed)}"
    bounds = RESPONSES[priority]
    for name, value, span in (
        ("repeat", response.repeat_us, bounds.repeat),
        ("hold", response.hold_us, bounds.hold),
        ("lead", response.lead_us, bounds.lead),
        ("all", response.all_us, bounds.everyone),
    ):
        if value is not None:
            yield from _minutes(f"{where} {name}_us", value, span)
        elif name in bounds.must:
            yield f"{where} {name}_us is missing: give {span.least:g} to {span.most:g} min, in µs"
    if response.all_us is not None and (response.lead_us is None or response.all_us < response.lead_us):
        yield f"{where} all_us comes before lead_us: the lead is called first"


def _whole(where: str, value: float, span: Span, unit: str) -> Iterator[str]:
    if not span.holds(value) or value % 1:
        yield f"{_beyond(where, value, span, unit)}, a whole number"


def _minutes(where: str, value_us: int, span: Span) -> Iterator[str]:
    yield from _time(where, value_us, span, MINUTE_US)


def _time(where: str, value_us: int, span: Span, unit_us: int) -> Iterator[str]:
    if not span.least * unit_us <= value_us <= span.most * unit_us:
        unit = "min" if unit_us == MINUTE_US else "s"
        # an integer of hundreds of digits is valid JSON, and no float
        value = value_us / unit_us if abs(value_us) < _HUGE else math.inf
        yield f"{_beyond(where, value, span, unit)}, in µs"


def _beyond(where: str, value: float, span: Span, unit: str) -> str:
    allowed = f"{span.least:g}" if span.least == span.most else f"{span.least:g} to {span.most:g}"
    return f"{where} is {value:g}: give {allowed} {unit}"
