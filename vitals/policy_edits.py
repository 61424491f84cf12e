"""Small changes of a policy, as a clinician says them: ``low.1.limit=65``, ``high=off``, ``night.low.1.limit=65``.

A change names its rule and level, what of it, and the new value: limits in whole canonical units, times in minutes,
``none`` for a step that is left out. What ends an alert moves along with its limit. The bounds are not judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vitals import news2, night_edits, policy_glucose
from vitals.edit_values import ASKED, NONE, asked, minutes, nothing, number
from vitals.errors import InputError
from vitals.policies import Level, Policy, SignalRule, ThresholdRule, WindowRule
from vitals.policy_kinds import NAMES, Kind, owner
from vitals.windows import EVALUATE_EVERY_US

OFF, ON, DAY = "off", "on", "day"
NIGHT = "night"
HOURS = (NIGHT, "zone")
LEVEL_FIELDS = ("limit", "for", *ASKED, "prolonged")
WINDOW_LIMITS = {
    "above": ("on_above", "off_at_most"),
    "below": ("on_below", "off_at_least"),
    "at_most": ("on_at_most", "off_at_least"),
}
SIGNAL_FIELDS = {"medium_after": "medium_after_us", "hold": "hold_us"}
FORM = "write it like low.1.limit=65, high.2.repeat=20, heart_rate_high.above=120 or high=off"


def edited(policy: Policy, changes: Iterable[str]) -> Policy:
    """The policy after these changes, one after the other.

    Raises:
        InputError: a change that is not understood, or about a rule that this policy does not have.
    """
    said = [(change, *_parts(change)) for change in changes]
    hours = {name: (change, value) for change, name, value in said if name in HOURS}
    policy = night_edits.with_hours(policy, hours)
    for change, name, value in said:
        if name in HOURS:
            continue
        by_night = name.startswith(f"{NIGHT}.")
        found = owner(name.removeprefix(f"{NIGHT}."))
        if found is None:
            raise nothing(change, f"rules are {', '.join(NAMES)}")
        kind, rule = found
        what = name.removeprefix(f"{NIGHT}.").removeprefix(rule).removeprefix(".")
        if by_night:
            policy = _by_night(policy, found, what, value, change)
        elif what:
            policy = _changed(policy, found, what, value, change)
        else:
            policy = _switched(policy, kind, rule, value, change)
    return policy


def _parts(change: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in change.partition("="))
    if not equals or not name or not value or name.endswith("."):  # as of ``high.$WHAT=off`` with nothing in WHAT
        raise InputError("a change that is not understood", change[:80], FORM)
    return name, value


def _switched(policy: Policy, kind: Kind, name: str, value: str, change: str) -> Policy:
    """A rule taken away, or there again as it usually is; one that is there stays as it is."""
    if value not in {ON, OFF}:
        raise InputError("a rule is on or off", change[:80], f"to change what it says, {FORM}")
    mine = kind.rules(policy)
    if value == OFF:
        mine.pop(name, None)
        policy = night_edits.as_by_day(policy, kind, name)
    else:
        mine.setdefault(name, kind.usual[name])
    return kind.put(policy, mine)


def _changed(policy: Policy, found: tuple[Kind, str], what: str, value: str, change: str) -> Policy:
    kind, name = found
    mine = kind.rules(policy)
    after = EDITORS[kind.field](mine.get(name, kind.usual[name]), what, value, change)
    if name not in mine:
        raise InputError(f"rule {name} is off", change[:80], f"switch it on first: {name}=on")
    return night_edits.followed(kind.put(policy, mine | {name: after}), kind, mine[name], after)


def _by_night(policy: Policy, found: tuple[Kind, str], what: str, value: str, change: str) -> Policy:
    """A rule's other numbers by night; ``night.low=day`` is that it has none."""
    kind, name = found
    by_day, night = kind.rules(policy).get(name), policy.night
    if by_day is None:
        raise InputError(f"rule {name} is off", change[:80], f"switch it on first: {name}=on")
    if night is None:
        raise InputError("there is no night", change[:80], night_edits.FORM)
    if not what and value != DAY:
        raise InputError(
            "a night has other numbers, not other rules", change[:80], f"night.{name}={DAY} takes them away"
        )
    if not what:
        return night_edits.as_by_day(policy, kind, name)
    after = EDITORS[kind.field](kind.rules(night).get(name, by_day), what, value, change)
    return night_edits.put(policy, kind, name, after)


def _threshold(rule: ThresholdRule, what: str, value: str, change: str) -> ThresholdRule:
    level, _, field = what.partition(".")
    if level not in {"1", "2"} or field not in LEVEL_FIELDS:
        raise nothing(change, f"{rule.name}.1 and {rule.name}.2 have {', '.join(LEVEL_FIELDS)}")
    levels = tuple(_level(each, field, value, change) if each.number == int(level) else each for each in rule.levels)
    return rule.model_copy(update={"levels": levels})


def _level(level: Level, field: str, value: str, change: str) -> Level:
    if field == "limit":
        limit = number(value, change)
        return level.model_copy(update={"limit": limit, "quick_limit": limit + level.quick_limit - level.limit})
    if field == "for":
        return level.model_copy(update={"on_span_us": minutes(value, change)})
    if field == "prolonged":
        return level.model_copy(update={"prolonged_us": None if value == NONE else minutes(value, change)})
    return asked(level, field, value, change)


def _window(rule: WindowRule, what: str, value: str, change: str) -> WindowRule:
    if what in ASKED:
        return asked(rule, what, value, change)
    for has, fields, editor in WINDOW_PARTS:
        if has(rule) and what in fields:
            return rule.model_copy(update=editor(rule, what, value, change))
    raise nothing(change, f"{rule.name} has {', '.join([*_fields(rule), *ASKED])}")


def _fields(rule: WindowRule) -> list[str]:
    """What of a window rule can be changed beside what every rule has."""
    return [field for has, fields, _ in WINDOW_PARTS if has(rule) for field in fields if _own(rule, field)]


def _own(rule: WindowRule, field: str) -> bool:
    """Whether a rule has a limit; everything else it has."""
    return field not in WINDOW_LIMITS or rule.usual is not None or getattr(rule, WINDOW_LIMITS[field][0]) is not None


def _limit(rule: WindowRule, what: str, value: str, change: str) -> dict[str, Any]:
    on, off = WINDOW_LIMITS[what]
    before, inside = getattr(rule, on), getattr(rule, off)
    if before is None:
        raise nothing(change, f"{rule.name} has {', '.join([*_fields(rule), *ASKED])}")
    limit = number(value, change)
    return {on: limit, off: limit + inside - before}


def _rest(_: WindowRule, __: str, value: str, change: str) -> dict[str, Any]:
    return {"rest_at_most": None if value == NONE else number(value, change)}


def _artefact(_: WindowRule, __: str, value: str, change: str) -> dict[str, Any]:
    return {"artefact_hold_us": 0 if value == NONE else minutes(value, change)}


def _glucose(_: WindowRule, __: str, value: str, change: str) -> dict[str, Any]:
    return {"glucose_below": number(value, change)}


def _usual(rule: WindowRule, what: str, value: str, change: str) -> dict[str, Any]:
    assert rule.usual is not None, "only who asks for what is usual can change that"
    update = {"zone": value} if what == "zone" else {"above": number(value, change)}
    return {"usual": rule.usual.model_copy(update=update)}


def _news2(rule: WindowRule, what: str, value: str, change: str) -> dict[str, Any]:
    if what == "for":
        return {"successive": max(1, minutes(value, change) // EVALUATE_EVERY_US)}
    score = number(value, change)
    if score not in news2.ABOVE:
        raise InputError("no sub-score that a rule can ask for", change[:80], "give 2 or 3")
    after = news2.with_score(rule, int(score))
    return {"on_above": after.on_above, "off_at_most": after.off_at_most}


WINDOW_PARTS: tuple[
    tuple[Callable[[WindowRule], bool], tuple[str, ...], Callable[[WindowRule, str, str, str], dict[str, Any]]], ...
] = (
    (lambda rule: rule.name == news2.RULE, ("score", "for"), _news2),
    (lambda rule: rule.usual is not None, ("above", "zone"), _usual),
    (lambda rule: rule.name != news2.RULE and rule.usual is None, tuple(WINDOW_LIMITS), _limit),
    (lambda rule: rule.glucose_below is not None, ("glucose",), _glucose),
    (lambda _: True, ("steps",), _rest),
    (lambda _: True, ("artefact",), _artefact),
)
"""What of a window rule can be changed: of which rules, the words for it, and what that makes of them. The limits of a
sub-score are the score's; ``artefact`` is in minutes, and ``none`` asks for neither rest nor a hold."""


def _signal(rule: SignalRule, what: str, value: str, change: str) -> SignalRule:
    if what not in SIGNAL_FIELDS:
        raise nothing(change, f"signal.{rule.metric} has {', '.join(SIGNAL_FIELDS)}")
    return rule.model_copy(update={SIGNAL_FIELDS[what]: minutes(value, change)})


EDITORS: dict[str, Callable[[Any, str, str, str], Any]] = {
    "thresholds": _threshold,
    "windows": _window,
    "signals": _signal,
    **policy_glucose.EDITORS,
}
"""How a rule is changed, by its field in `vitals.policies.Rules`: rule, what of it, new value, the whole change."""
