"""The rules that judge glucose readings one by one: as they are switched on, their bounds, changes and words.

RULES, *More rules for glucose*. None is in the default policy, and none is ever high priority: that is for low.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, get_args

from vitals import bound_checks, edit_values, policy_words
from vitals.bound_checks import Span
from vitals.errors import InputError
from vitals.metrics import MINUTE_US
from vitals.policies import HIGH, LOW, ForecastRule, GlucoseRule, Priority, RateRule, SustainedRule
from vitals.policy_words import RULE, Facts, minutes

SUSTAINED = (
    SustainedRule(
        name="low_sustained",
        side="low",
        limit=70,
        quick_limit=75,
        on_span_us=120 * MINUTE_US,
        priority="medium",
        response=LOW.levels[0].response,
    ),
    SustainedRule(
        name="high_sustained",
        side="high",
        limit=180,
        quick_limit=170,
        on_span_us=120 * MINUTE_US,
        priority="low",
        response=HIGH.levels[0].response,
    ),
)
RATES = (
    RateRule(
        name="glucose_falling",
        direction="falling",
        rate=3,
        off_rate=2,
        gate=150,
        priority="low",
        response=HIGH.levels[0].response,
    ),
    RateRule(
        name="glucose_rising",
        direction="rising",
        rate=3,
        off_rate=2,
        gate=130,
        priority="low",
        response=HIGH.levels[0].response,
    ),
)
FORECASTS = (ForecastRule(name="low_soon", limit=55, off_limit=65, priority="medium", response=LOW.levels[0].response),)


class GlucoseBounds(NamedTuple):
    """Of one rule: its limit (mg/dL, or mg/dL/min), its gate where it has one (mg/dL), least bad span (min), how far
    inside its off limit may lie.
    """

    limit: Span
    gate: Span | None
    on_minutes: Span
    margin: Span


BOUNDS = {
    "low_sustained": GlucoseBounds(Span(54, 100), None, Span(15, 240), Span(0, 20)),
    "high_sustained": GlucoseBounds(Span(140, 400), None, Span(15, 720), Span(0, 60)),
    "glucose_falling": GlucoseBounds(Span(1, 5), Span(70, 400), Span(0, 15), Span(0, 2)),
    "glucose_rising": GlucoseBounds(Span(1, 5), Span(70, 400), Span(0, 15), Span(0, 2)),
    "low_soon": GlucoseBounds(Span(54, 80), None, Span(0, 15), Span(0, 30)),
}
PRIORITIES: tuple[Priority, ...] = ("low", "medium")
QUICK_MINUTES, SLOW_MINUTES = Span(0, 15), Span(0, 30)
HORIZON_MINUTES, HORIZON_STEP_US = Span(5, 30), 5 * MINUTE_US
UNIT, RATE_UNIT = "mg/dL", "mg/dL/min"


def _inside(rule: GlucoseRule) -> tuple[str, float, str, float, int]:
    """A rule's limit and off limit, each with its name, and the sign of what lies within."""
    match rule:
        case SustainedRule():
            return "limit", rule.limit, "quick_limit", rule.quick_limit, 1 if rule.side == "low" else -1
        case RateRule():
            return "rate", rule.rate, "off_rate", rule.off_rate, -1
        case ForecastRule():
            return "limit", rule.limit, "off_limit", rule.off_limit, 1
    raise AssertionError(rule)


# ---- bounds


def _judged(rule: GlucoseRule) -> Iterator[str]:
    bounds, (name, limit, off, inside, sign) = BOUNDS[rule.name], _inside(rule)
    unit, digits = (RATE_UNIT, 1) if isinstance(rule, RateRule) else (UNIT, 0)
    steps = f"in steps of {10.0**-digits:g}"
    if not bounds.limit.holds(limit) or limit != round(limit, digits):
        yield f"{bound_checks.beyond(f'{rule.name} {name}', limit, bounds.limit, unit)}, {steps}"
    elif not bounds.margin.holds(round((inside - limit) * sign, 9)) or inside != round(inside, digits) or inside < 0:
        way = "above" if sign > 0 else "below"
        most = f"up to {bounds.margin.most:g} {unit} {way} it, not below 0"
        yield f"{rule.name} {off} is {inside:g}: give the {name}, {limit:g}, or a number {most}, {steps}"
    yield from bound_checks.minutes(f"{rule.name} on_span_us", rule.on_span_us, bounds.on_minutes)
    yield from bound_checks.minutes(f"{rule.name} quick_span_us", rule.quick_span_us, QUICK_MINUTES)
    yield from bound_checks.minutes(f"{rule.name} slow_span_us", rule.slow_span_us, SLOW_MINUTES)
    yield from bound_checks.asked(rule.name, rule.priority, PRIORITIES, rule.response)


def _sustained_judged(rule: SustainedRule) -> Iterator[str]:
    home = next(each for each in SUSTAINED if each.name == rule.name)
    if rule.side != home.side:
        yield f"rule {rule.name} is about {rule.side}; it is about {home.side}"
    yield from _judged(rule)


def _rate_judged(rule: RateRule) -> Iterator[str]:
    home, gate = next(each for each in RATES if each.name == rule.name), BOUNDS[rule.name].gate
    if rule.direction != home.direction:
        yield f"rule {rule.name} is about {rule.direction}; it is about {home.direction}"
    if gate is not None:
        yield from bound_checks.whole(f"{rule.name} gate", rule.gate, gate, UNIT)
    yield from _judged(rule)


def _forecast_judged(rule: ForecastRule) -> Iterator[str]:
    yield from bound_checks.minutes(f"{rule.name} horizon_us", rule.horizon_us, HORIZON_MINUTES)
    if rule.horizon_us % HORIZON_STEP_US:
        steps = f"give whole steps of {minutes(HORIZON_STEP_US)} (µs in a file)"
        yield f"{rule.name} horizon_us is {minutes(rule.horizon_us)}: {steps}"
    yield from _judged(rule)


JUDGES: dict[str, Callable[[Any], Iterator[str]]] = {
    "sustained": _sustained_judged,
    "rates": _rate_judged,
    "forecasts": _forecast_judged,
}


# ---- changes

WORDS = {
    "sustained": ("limit", "for"),
    "rates": ("rate", "gate", "for"),
    "forecasts": ("limit", "horizon", "forecast", "for"),
}
NAMES_OF_FORECASTS = get_args(ForecastRule.model_fields["forecast"].annotation)


def _edited(kind: str) -> Callable[[Any, str, str, str], Any]:
    def edited(rule: Any, what: str, value: str, change: str) -> Any:
        if what in edit_values.ASKED:
            return edit_values.asked(rule, what, value, change)
        if what not in WORDS[kind]:
            raise edit_values.nothing(change, f"{rule.name} has {', '.join([*WORDS[kind], *edit_values.ASKED])}")
        if what == "for":
            return rule.model_copy(update={"on_span_us": edit_values.minutes(value, change)})
        if what == "horizon":
            return rule.model_copy(update={"horizon_us": edit_values.minutes(value, change)})
        if what == "forecast":
            if value not in NAMES_OF_FORECASTS:
                raise InputError("no forecast", change[:80], f"one of {', '.join(NAMES_OF_FORECASTS)}")
            return rule.model_copy(update={"forecast": value})
        number = edit_values.number(value, change)
        if what == "gate":
            return rule.model_copy(update={"gate": number})
        _, limit, off, inside, _ = _inside(rule)
        return rule.model_copy(update={what: number, off: max(0, round(number + inside - limit, 9))})

    return edited


EDITORS = {kind: _edited(kind) for kind in WORDS}


# ---- words


def _told(rule: GlucoseRule, limit: str, well: str, within: str) -> Facts:
    quick = f"{well} for {minutes(rule.quick_span_us)}" if rule.quick_span_us else well
    said = {
        RULE: "on",
        "limit": limit,
        "for": minutes(rule.on_span_us) if rule.on_span_us else "at once",
        "off": f"{quick}, or {within} for {minutes(rule.slow_span_us)}",
    } | policy_words.asked(rule.priority, rule.response)
    return {(rule.name, what): text for what, text in said.items()}


def _sustained_told(rule: SustainedRule) -> Facts:
    on, off = ("<", ">=") if rule.side == "low" else (">", "<=")
    limit = f"{on} {rule.limit:g} {UNIT}"
    return _told(rule, limit, f"{off} {rule.quick_limit:g}", f"{off} {rule.limit:g}")


def _rate_told(rule: RateRule) -> Facts:
    gate = f"{'<' if rule.direction == 'falling' else '>'} {rule.gate:g} {UNIT}"
    limit = f"{rule.direction} > {rule.rate:g} {RATE_UNIT} at {gate}"
    return _told(rule, limit, f"<= {rule.off_rate:g}", f"<= {rule.rate:g}")


def _forecast_told(rule: ForecastRule) -> Facts:
    limit = f"< {rule.limit:g} {UNIT} within {minutes(rule.horizon_us)} by {rule.forecast}"
    return _told(rule, limit, f">= {rule.off_limit:g}", f">= {rule.limit:g}")


TELLERS: dict[str, Callable[[Any], Facts]] = {
    "sustained": _sustained_told,
    "rates": _rate_told,
    "forecasts": _forecast_told,
}
