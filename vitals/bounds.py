"""The hard bounds of a patient's policy: what somebody may change about the rules, and what nobody may.

The registry refuses what lies beyond them, whoever asks. High priority has no off switch: the low rule is in every
policy, its level 2 turns on at once and calls as high. Numbers stand in ``docs/rules.md``, *A policy of one's own*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from vitals import news2, policy_glucose, policy_words
from vitals.bound_checks import Span, asked, minutes, time, whole
from vitals.metrics import METRIC_BY_NAME, MINUTE_US, SECOND_US
from vitals.nights import known
from vitals.policies import (
    DEFAULT,
    PRIORITY_RANK,
    Level,
    Night,
    Policy,
    Priority,
    Rules,
    SignalRule,
    ThresholdRule,
    UsualRate,
    WindowRule,
)
from vitals.policy_kinds import KINDS, Kind
from vitals.units import UNIT_NAME


class LevelBounds(NamedTuple):
    """Of one level: its limit (canonical unit), least bad span (min), how far inside the quick limit may lie
    (canonical unit), and the priorities that it may have.
    """

    limit: Span
    on_minutes: Span
    margin: Span
    priorities: tuple[Priority, ...]


LEVELS = {
    ("low", 1): LevelBounds(Span(60, 100), Span(0, 15), Span(0, 20), ("medium", "high")),
    ("low", 2): LevelBounds(Span(50, 70), Span(0, 0), Span(0, 20), ("high",)),
    ("high", 1): LevelBounds(Span(140, 400), Span(0, 60), Span(0, 60), ("low", "medium")),
    ("high", 2): LevelBounds(Span(200, 400), Span(0, 15), Span(0, 60), ("medium", "high")),
}
"""400, since a sensor whose range ends there says HIGH beyond, which counts as 401."""
QUICK_MINUTES, SLOW_MINUTES = Span(0, 15), Span(0, 30)
PROLONGED_MINUTES = Span(30, 240)
WINDOW_LIMITS: dict[str, dict[str, Span]] = {
    "heart_rate_high": {"on_above": Span(100, 200)},
    "heart_rate_rest": {"on_above": Span(90, 160)},
    "heart_rate_usual": {},
    "heart_rate_glucose": {"on_above": Span(90, 150)},
    news2.RULE: {"on_above": Span(110, 130), "on_at_most": Span(40, 40)},
    "heart_rate_low": {"on_at_most": Span(30, 60)},
    "heart_rate_extreme": {"on_above": Span(130, 220), "on_below": Span(25, 45)},
}
WINDOW_OFF = {"on_above": "off_at_most", "on_below": "off_at_least", "on_at_most": "off_at_least"}
WINDOW_MARGIN, WINDOW_STEPS, WINDOW_SUCCESSIVE = Span(0, 20), Span(6, 60), Span(1, 30)
"""Beats per minute; width in steps of 10 s, not beyond what the processor's ring holds; evaluations in a row."""
NEWS2_SUCCESSIVE = Span(1, 360)
"""An hour of evaluations in a row, for a sub-score that has to last."""
REST_STEPS = Span(0, 30)
"""Steps a minute that may count as rest."""
REST_ALWAYS, REST_NEVER = ("heart_rate_rest", "heart_rate_usual"), ("heart_rate_extreme",)
"""Rules that must ask for rest, and that may neither ask for it nor be held."""
GLUCOSE_BELOW, GLUCOSE_RULES = Span(60, 100), ("heart_rate_glucose",)
"""mg/dL, and the rules that must ask for it; no other may."""
USUAL_ABOVE, USUAL_RULES = Span(15, 60), ("heart_rate_usual",)
"""/min above the usual, and the rules that must ask for that; no other may."""
ARTEFACT_SECONDS = Span(10, 60)
"""How long artefact may hold a rule; those of `REST_NEVER` not at all."""
WINDOW_PRIORITIES: tuple[Priority, ...] = ("low", "medium")
"""Wrist heart rate is never high priority."""
SIGNAL_MEDIUM_MINUTES, SIGNAL_HOLD_MINUTES = Span(10, 240), Span(1, 120)
SIGNAL_RECOVER_SECONDS, SIGNAL_INTERVAL_SECONDS = Span(0, 300), Span(1, 900)
STEP_US = 10 * SECOND_US


def violation(policy: Policy) -> str | None:
    """What about a policy nobody may set, as one line that says where and what to give; None where it is in bounds."""
    return next(_violations(policy), None)


def _violations(policy: Policy) -> Iterator[str]:
    for kind in KINDS:
        yield from _names(kind, policy)
    if "low" not in [each.name for each in policy.thresholds]:
        yield "rule low is missing: high priority has no off switch"
    for kind in KINDS:
        for rule in getattr(policy, kind.field):
            yield from JUDGES[kind.field](rule)
    if policy.night is not None:
        yield from (f"by night: {each}" for each in _night(policy, policy.night))


def _night(policy: Policy, night: Night) -> Iterator[str]:
    """Other numbers of the day's rules, within the same bounds."""
    if not known(night.zone):
        yield f"zone {night.zone[:64]!a} is unknown: give an IANA name, as Europe/Berlin"
    if night.begins == night.ends:
        yield f"it begins and ends at {night.begins}: give two times"
    for kind in KINDS:
        yield from _names(kind, night)
        for name, rule in kind.rules(night).items():
            if name not in kind.rules(policy):
                yield f"rule {name} is off by day: a night has other numbers, not other rules"
            yield from JUDGES[kind.field](rule)


def _names(kind: Kind, policy: Rules) -> Iterator[str]:
    """Which rules there are: only known ones, each once, about the metric that they are for."""
    names = [kind.name(rule).removeprefix("signal.") for rule in getattr(policy, kind.field)]
    known = {name.removeprefix("signal."): rule for name, rule in kind.usual.items()}
    for name in names:
        if name not in known:
            yield f"rule {name[:64]!a} is unknown; known are {', '.join(known)}"
        if names.count(name) > 1:
            yield f"rule {name} is there {names.count(name)} times; a policy has one rule of a name"
    for name, rule in zip(names, getattr(policy, kind.field), strict=True):
        if rule.metric != known[name].metric:
            yield f"rule {name} is about {rule.metric[:64]!a}; it is {known[name].metric}"


def _threshold(rule: ThresholdRule) -> Iterator[str]:
    home = next(each for each in DEFAULT.thresholds if each.name == rule.name)
    if rule.side != home.side:
        yield f"rule {rule.name} is about {rule.metric!a}, {rule.side}; it is {home.metric}, {home.side}"
    if [level.number for level in rule.levels] != [1, 2]:
        yield f"rule {rule.name}: its levels are 1 and 2, the milder first"
    for level in rule.levels:
        yield from _level(rule, level)
    yield from _order(rule)


def _level(rule: ThresholdRule, level: Level) -> Iterator[str]:
    where, bounds = f"{rule.name} {level.number}", LEVELS[rule.name, level.number]
    unit = UNIT_NAME[METRIC_BY_NAME[rule.metric].unit]
    yield from whole(f"{where} limit", level.limit, bounds.limit, unit)
    inside = (level.quick_limit - level.limit) * (1 if rule.side == "low" else -1)
    if not bounds.margin.holds(inside) or level.quick_limit % 1:
        way = "above" if rule.side == "low" else "below"
        allowed = f"give the limit, {level.limit:g}, or a whole number up to {bounds.margin.most:g} {unit} {way} it"
        yield f"{where} quick_limit is {level.quick_limit:g}: {allowed}"
    yield from minutes(f"{where} on_span_us", level.on_span_us, bounds.on_minutes)
    yield from minutes(f"{where} quick_span_us", level.quick_span_us, QUICK_MINUTES)
    yield from minutes(f"{where} slow_span_us", level.slow_span_us, SLOW_MINUTES)
    yield from asked(where, level.priority, bounds.priorities, level.response)
    if level.prolonged_us is not None and level.number > 1:
        yield f"{where} prolonged_us is there: leave it out, level 2 has none worse"
    elif level.prolonged_us is not None:
        yield from minutes(f"{where} prolonged_us", level.prolonged_us, PROLONGED_MINUTES)


def _order(rule: ThresholdRule) -> Iterator[str]:
    """Level 2 is the worse one."""
    milder, worse = rule.levels
    if (milder.limit <= worse.limit) if rule.side == "low" else (milder.limit >= worse.limit):
        side = "below" if rule.side == "low" else "above"
        yield f"{rule.name} 2 limit is {worse.limit:g}: give one {side} the limit of {rule.name} 1, {milder.limit:g}"
    if PRIORITY_RANK[worse.priority] < PRIORITY_RANK[milder.priority]:
        yield f"{rule.name} 2 priority is {worse.priority}: give one that is not below {rule.name} 1, {milder.priority}"


def _window(rule: WindowRule) -> Iterator[str]:
    yield from _crossings(rule)
    if rule.width_us % STEP_US or not WINDOW_STEPS.holds(rule.width_us // STEP_US):
        least, most = (round(steps * STEP_US / MINUTE_US) for steps in WINDOW_STEPS)
        given = f"give {least} to {most} min, in whole steps of {policy_words.seconds(STEP_US)} (µs in a file)"
        yield f"{rule.name} width_us is {policy_words.minutes(rule.width_us)}: {given}"
    yield from _rest(rule)
    yield from _artefact(rule)
    yield from _glucose(rule)
    yield from _usual(rule)
    successive = NEWS2_SUCCESSIVE if rule.name == news2.RULE else WINDOW_SUCCESSIVE
    if not successive.holds(rule.successive):
        span = f"{successive.least:g} to {successive.most:g}"
        yield f"{rule.name} successive is beyond its bounds: give {span} evaluations"
    yield from asked(rule.name, rule.priority, WINDOW_PRIORITIES, rule.response)


def _crossings(rule: WindowRule) -> Iterator[str]:
    """The limits that a rule has, and those that end it."""
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
            yield from whole(f"{rule.name} {name}", limit, bounds[name], unit)
            margin = (limit - inside) * (1 if off == "off_at_most" else -1)
            if not WINDOW_MARGIN.holds(margin) or inside % 1:
                within = f"within {WINDOW_MARGIN.most:g} {unit} of {name}, {limit:g}, on its calm side"
                yield f"{rule.name} {off} is {inside:g}: give a whole number {within}"
    where = min(bounds, default="the usual rate")
    for off in ("off_at_most", "off_at_least"):
        if getattr(rule, off) is not None and off not in [WINDOW_OFF[name] for name in bounds]:
            yield f"{rule.name} {off} is {getattr(rule, off):g}: leave it out, this rule turns on at {where}"
    if rule.name == news2.RULE and rule.on_above is not None and news2.asked(rule) is None:
        edges = " or ".join(f"{edge:g}" for edge in news2.ABOVE.values())
        yield f"{rule.name} on_above is {rule.on_above:g}: give {edges} /min"


def _rest(rule: WindowRule) -> Iterator[str]:
    """Whether the rule asks for rest as it may."""
    where, most = f"{rule.name} rest_at_most", rule.rest_at_most
    if most is None:
        if rule.name in REST_ALWAYS:
            yield f"{where} is missing: give {REST_STEPS.least:g} to {REST_STEPS.most:g} steps a minute"
    elif rule.name in REST_NEVER:
        yield f"{where} is {most:g}: leave it out, this rule may not wait for rest"
    else:
        yield from whole(where, most, REST_STEPS, "steps a minute")


def _artefact(rule: WindowRule) -> Iterator[str]:
    """Whether the rule waits for artefact no longer than it may."""
    where, hold = f"{rule.name} artefact_hold_us", rule.artefact_hold_us
    if hold and rule.name in REST_NEVER:
        yield f"{where} is there: leave it out, this rule may not wait for artefact to end"
    elif hold:
        yield from time(where, hold, ARTEFACT_SECONDS)
        if hold % STEP_US:
            given = f"give 0, or whole steps of {policy_words.seconds(STEP_US)} (µs in a file)"
            yield f"{where} is {policy_words.seconds(hold)}: {given}"


def _glucose(rule: WindowRule) -> Iterator[str]:
    """Whether the rule asks for glucose as it may."""
    where, below = f"{rule.name} glucose_below", rule.glucose_below
    if rule.name not in GLUCOSE_RULES:
        if below is not None:
            yield f"{where} is {below:g}: leave it out, this rule is about the heart rate alone"
    elif below is None:
        yield f"{where} is missing: give {GLUCOSE_BELOW.least:g} to {GLUCOSE_BELOW.most:g} mg/dL"
    else:
        yield from whole(where, below, GLUCOSE_BELOW, "mg/dL")


def _usual(rule: WindowRule) -> Iterator[str]:
    """Whether the rule asks for the usual rate as it may."""
    where, usual = f"{rule.name} usual", rule.usual
    if rule.name not in USUAL_RULES:
        if usual is not None:
            yield f"{where} is there: leave it out, this rule has limits of its own"
        return
    if usual is None:
        yield f"{where} is missing: this rule has no other limit"
        return
    yield from whole(f"{where} above", usual.above, USUAL_ABOVE, "/min")
    if not known(usual.zone):
        yield f"{where} zone {usual.zone[:64]!a} is unknown: give an IANA name, as Europe/Berlin"
    home = UsualRate(above=usual.above, zone=usual.zone)
    if usual != home:
        yield f"{where} has other nights: leave begins, ends, least_us and nights out"


def _signal(rule: SignalRule) -> Iterator[str]:
    where = f"signal {rule.metric}"
    yield from minutes(f"{where} medium_after_us", rule.medium_after_us, SIGNAL_MEDIUM_MINUTES)
    yield from minutes(f"{where} hold_us", rule.hold_us, SIGNAL_HOLD_MINUTES)
    yield from time(f"{where} recover_span_us", rule.recover_span_us, SIGNAL_RECOVER_SECONDS)
    yield from time(f"{where} recover_interval_us", rule.recover_interval_us, SIGNAL_INTERVAL_SECONDS)


JUDGES: dict[str, Callable[[Any], Iterator[str]]] = {
    "thresholds": _threshold,
    "windows": _window,
    "signals": _signal,
    **policy_glucose.JUDGES,
}
"""What is judged of a rule whose name and metric are right, by its field in `vitals.policies.Rules`."""
