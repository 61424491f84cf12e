"""Small changes of a policy, as a clinician says them: ``low.1.limit=65``, ``high=off``, ``signal.glucose.hold=30``.

A change names its rule and level, what of it, and the new value: limits in whole canonical units, times in minutes,
``none`` for a step that is left out. What ends an alert moves along with its limit. The bounds are not judged here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeVar

from vitals.errors import InputError
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT, PRIORITY_RANK, Level, Policy, SignalRule, ThresholdRule, WindowRule

OFF, ON, NONE = "off", "on", "none"
STEPS = {"repeat": "repeat_us", "hold": "hold_us", "lead": "lead_us", "all": "all_us"}
LEVEL_FIELDS = ("limit", "for", "priority", *STEPS)
WINDOW_LIMITS = {
    "above": ("on_above", "off_at_most"),
    "below": ("on_below", "off_at_least"),
    "at_most": ("on_at_most", "off_at_least"),
}
SIGNAL_FIELDS = {"medium_after": "medium_after_us", "hold": "hold_us"}
_THRESHOLDS = {rule.name: rule for rule in DEFAULT.thresholds}
_WINDOWS = {rule.name: rule for rule in DEFAULT.windows}
_SIGNALS = {f"signal.{rule.metric}": rule for rule in DEFAULT.signals}
RULES = (*_THRESHOLDS, *_WINDOWS, *_SIGNALS)
"""What can be ``on`` or ``off``, as far as the bounds allow."""
Asked = TypeVar("Asked", Level, WindowRule)
Named = TypeVar("Named", ThresholdRule, WindowRule)
Rule = TypeVar("Rule", ThresholdRule, WindowRule, SignalRule)
FORM = "write it like low.1.limit=65, high.2.repeat=20, heart_rate_high.above=120 or high=off"


def edited(policy: Policy, changes: Iterable[str]) -> Policy:
    """The policy after these changes, one after the other.

    Raises:
        InputError: a change that is not understood, or about a rule that this policy does not have.
    """
    for change in changes:
        name, equals, value = (part.strip() for part in change.partition("="))
        if not equals or not name or not value:
            raise InputError("a change that is not understood", change[:80], FORM)
        policy = _switched(policy, name, value, change) if name in RULES else _changed(policy, name, value, change)
    return policy


def _switched(policy: Policy, name: str, value: str, change: str) -> Policy:
    """A rule taken away, or there again as RULES' table has it; one that is there stays as it is."""
    if value not in {ON, OFF}:
        raise InputError("a rule is on or off", change[:80], f"to change what it says, {FORM}")
    kind = "thresholds" if name in _THRESHOLDS else "windows" if name in _WINDOWS else "signals"
    tables: dict[str, dict[str, Any]] = {"thresholds": _THRESHOLDS, "windows": _WINDOWS, "signals": _SIGNALS}
    usual = tables[kind]
    mine: dict[str, Any] = {_name(rule): rule for rule in getattr(policy, kind)}
    if value == OFF:
        mine.pop(name, None)
    else:
        mine.setdefault(name, usual[name])
    order = [*usual, *(each for each in mine if each not in usual)]
    return policy.model_copy(update={kind: tuple(mine[each] for each in order if each in mine)})


def _name(rule: ThresholdRule | WindowRule | SignalRule) -> str:
    return f"signal.{rule.metric}" if isinstance(rule, SignalRule) else rule.name


def _changed(policy: Policy, name: str, value: str, change: str) -> Policy:
    rule, _, field = name.rpartition(".")
    owner, _, number = rule.partition(".")
    if owner in _THRESHOLDS and number in {"1", "2"} and field in LEVEL_FIELDS:
        mine = _mine(policy.thresholds, owner, change)
        levels = tuple(
            _level(each, field, value, change) if each.number == int(number) else each for each in mine.levels
        )
        after = mine.model_copy(update={"levels": levels})
        return policy.model_copy(update={"thresholds": _put(policy.thresholds, mine, after)})
    if rule in _WINDOWS and field in {*WINDOW_LIMITS, "priority", *STEPS}:
        window = _mine(policy.windows, rule, change)
        moved = _window(window, field, value, change)
        return policy.model_copy(update={"windows": _put(policy.windows, window, moved)})
    if rule in _SIGNALS and field in SIGNAL_FIELDS:
        signal = next((each for each in policy.signals if _name(each) == rule), None)
        if signal is None:
            raise _absent(rule, change)
        told = signal.model_copy(update={SIGNAL_FIELDS[field]: _us(value, change)})
        return policy.model_copy(update={"signals": _put(policy.signals, signal, told)})
    raise InputError("a change of nothing that a policy has", change[:80], _help(owner, rule))


def _help(owner: str, rule: str) -> str:
    if owner in _THRESHOLDS:
        return f"{owner}.1 and {owner}.2 have {', '.join(LEVEL_FIELDS)}"
    if rule in _WINDOWS:
        limits = [name for name, (on, _) in WINDOW_LIMITS.items() if getattr(_WINDOWS[rule], on) is not None]
        return f"{rule} has {', '.join([*limits, 'priority', *STEPS])}"
    if rule in _SIGNALS:
        return f"{rule} has {', '.join(SIGNAL_FIELDS)}"
    return f"rules are {', '.join(RULES)}"


def _level(level: Level, field: str, value: str, change: str) -> Level:
    if field == "limit":
        limit = _number(value, change)
        return level.model_copy(update={"limit": limit, "quick_limit": limit + level.quick_limit - level.limit})
    if field == "for":
        return level.model_copy(update={"on_span_us": _us(value, change)})
    return _asked(level, field, value, change)


def _window(rule: WindowRule, field: str, value: str, change: str) -> WindowRule:
    if field not in WINDOW_LIMITS:
        return _asked(rule, field, value, change)
    on, off = WINDOW_LIMITS[field]
    before, inside = getattr(rule, on), getattr(rule, off)
    if before is None or inside is None:
        raise InputError("a change of nothing that a policy has", change[:80], _help("", rule.name))
    limit = _number(value, change)
    return rule.model_copy(update={on: limit, off: limit + inside - before})


def _asked(rule: Asked, field: str, value: str, change: str) -> Asked:
    """Priority, or one step of the response."""
    if field == "priority":
        if value not in PRIORITY_RANK:
            raise InputError("no priority", change[:80], f"one of {', '.join(PRIORITY_RANK)}")
        return rule.model_copy(update={"priority": value})
    step = None if value == NONE else _us(value, change)
    if step is None and field == "hold":
        raise InputError("an acknowledgement holds for a time", change[:80], "give minutes")
    return rule.model_copy(update={"response": rule.response.model_copy(update={STEPS[field]: step})})


def _mine(rules: tuple[Named, ...], name: str, change: str) -> Named:
    found = next((each for each in rules if each.name == name), None)
    if found is None:
        raise _absent(name, change)
    return found


def _absent(name: str, change: str) -> InputError:
    return InputError(f"rule {name} is off", change[:80], f"switch it on first: {name}=on")


def _put(rules: tuple[Rule, ...], before: Rule, after: Rule) -> tuple[Rule, ...]:
    return tuple(after if each is before else each for each in rules)


def _number(value: str, change: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError("no number", change[:80], "give whole mg/dL or beats per minute, without a unit")
    return number


def _us(value: str, change: str) -> int:
    try:
        minutes = float(value)
    except ValueError:
        minutes = math.nan
    if not 0 <= minutes <= 24 * 60:
        raise InputError("no number of minutes", change[:80], "give minutes, without a unit")
    return round(minutes * MINUTE_US)
