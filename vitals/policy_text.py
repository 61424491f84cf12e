"""A policy in words: its facts one by one, the table that people read, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from vitals import news2, policy_glucose
from vitals.metrics import METRIC_BY_NAME
from vitals.nights import in_force
from vitals.policies import USUAL_MARGIN, Level, Policy, SignalRule, ThresholdRule, WindowRule
from vitals.policy_kinds import KINDS
from vitals.policy_words import RULE, Facts, asked, limits, minutes, seconds
from vitals.units import UNIT_NAME

OFF = "off"
NIGHT = "night"
DAY = "as by day"
"""What a rule is by night that has no numbers of its own then."""
NONE = "none"
"""What it asks for by night where it asks for something by day."""


class Difference(NamedTuple):
    """One fact of two policies; `OFF` where the rule is in one of them only."""

    where: str
    what: str
    before: str
    after: str


def facts(policy: Policy) -> Facts:
    """All that a policy says by day, its version apart."""
    found: Facts = {}
    for kind in KINDS:
        for rule in kind.ordered(kind.rules(policy)):
            found |= TELLERS[kind.field](rule)
    return found


def by_night(policy: Policy) -> Facts:
    """What a policy says by night that it does not by day; where is ``night low 1``, and ``night`` for its hours."""
    if policy.night is None:
        return {}
    night, day = policy.night, facts(policy)
    found: Facts = {(NIGHT, "hours"): f"{night.begins} to {night.ends}", (NIGHT, "zone"): night.zone}
    own = dict.fromkeys(day, NONE) | facts(in_force(policy, night=True))
    return found | {
        (f"{NIGHT} {where}", what): text for (where, what), text in own.items() if day.get((where, what)) != text
    }


def differences(before: Policy, after: Policy) -> list[Difference]:
    """What changes from one policy to the other; a rule that comes or goes is one difference."""
    old, new = facts(before), facts(after)
    places = {where for where, _ in old} ^ {where for where, _ in new}
    found = [
        Difference(*key, old.get(key, OFF), new.get(key, OFF))
        for key in {**old, **new}
        if old.get(key) != new.get(key) and (key[0] not in places or key[1] == RULE)
    ]
    old, new = by_night(before), by_night(after)
    nights = [Difference(*key, old.get(key, DAY), new.get(key, DAY)) for key in {**old, **new}]
    return found + [each for each in nights if each.before != each.after]


def table(policy: Policy, usual: Policy) -> list[str]:
    """Lines for a person, one for each rule and level; ``*`` marks those that differ from the usual policy, whose
    rules that this policy has not are listed as off. What is other by night follows.
    """
    mine, theirs = facts(policy), facts(usual)
    lines = []
    for where in dict.fromkeys(where for where, _ in [*theirs, *mine]):
        own = _said(mine, where) != _said(theirs, where)
        lines.append(f"{'*' if own else ' '} {where:19} {_words(_said(mine, where)) or OFF}")
    night = by_night(policy)
    return lines + [
        f"* {where:19} {_words(_said(night, where))}" for where in dict.fromkeys(where for where, _ in night)
    ]


def _said(found: Facts, where: str) -> dict[str, str]:
    return {what: text for (place, what), text in found.items() if place == where}


def _words(said: dict[str, str]) -> str:
    return ", ".join(f"{what} {text}" for what, text in said.items() if what != RULE)


def _threshold(rule: ThresholdRule) -> Facts:
    return {fact: text for level in rule.levels for fact, text in _level(rule, level).items()}


def _level(rule: ThresholdRule, level: Level) -> Facts:
    unit = UNIT_NAME[METRIC_BY_NAME[rule.metric].unit]
    on, off = ("<", ">=") if rule.side == "low" else (">", "<=")
    quick = f"{off} {level.quick_limit:g} for {minutes(level.quick_span_us)}"
    said = {
        RULE: "on",
        "limit": f"{on} {level.limit:g} {unit}",
        "for": minutes(level.on_span_us) if level.on_span_us else "at once",
        "off": f"{quick} or {off} {level.limit:g} for {minutes(level.slow_span_us)}",
    } | asked(level.priority, level.response)
    if level.number == 1 or level.prolonged_us is not None:
        said["prolonged"] = minutes(level.prolonged_us)
    return {(f"{rule.name} {level.number}", what): text for what, text in said.items()}


def _window(rule: WindowRule) -> Facts:
    unit = UNIT_NAME[METRIC_BY_NAME[rule.metric].unit]
    on = limits((">", rule.on_above), ("<", rule.on_below), ("<=", rule.on_at_most))
    off = limits(("<=", rule.off_at_most), (">=", rule.off_at_least))
    said = {
        RULE: "on",
        "limit": f"{' or '.join(on)} {unit}",
        "median of": minutes(rule.width_us),
        "times in a row": str(rule.successive),
        "off": " and ".join(off),
    }
    if rule.name == news2.RULE:
        said[news2.NAME] = f"from {news2.asked(rule)}"
    if rule.rest_at_most is not None:
        said["at rest"] = f"at most {rule.rest_at_most:g} steps a minute"
    if rule.usual is not None:
        said |= {
            "limit": f"> usual + {rule.usual.above:g} {unit}",
            "off": f"<= usual + {rule.usual.above - USUAL_MARGIN:g}",
            "nights": f"{rule.usual.begins} to {rule.usual.ends}, {rule.usual.zone}",
        }
    if rule.glucose_below is not None:
        said["glucose"] = f"< {rule.glucose_below:g} mg/dL and falling"
    if rule.artefact_hold_us:
        said["held in artefact"] = f"at most {seconds(rule.artefact_hold_us)}"
    said |= asked(rule.priority, rule.response)
    return {(rule.name, what): text for what, text in said.items()}


def _signal(rule: SignalRule) -> Facts:
    said = {
        RULE: "on",
        "medium after": minutes(rule.medium_after_us),
        "hold": minutes(rule.hold_us),
        "heard again after": seconds(rule.recover_span_us),
        "one reading is enough from": seconds(rule.recover_interval_us),
    }
    return {(f"signal {rule.metric}", what): text for what, text in said.items()}


TELLERS: dict[str, Callable[[Any], Facts]] = {
    "thresholds": _threshold,
    "windows": _window,
    "signals": _signal,
    **policy_glucose.TELLERS,
}
"""The facts of a rule, by its field in `vitals.policies.Rules`."""
