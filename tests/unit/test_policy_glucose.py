"""Policies with rules that judge glucose readings: the tables of ``docs/rules.md``, bounds, changes and words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from vitals import policy_glucose
from vitals.bounds import violation
from vitals.errors import InputError
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT, GlucoseRule, Policy, RateRule, Response, SustainedRule
from vitals.policy_edits import edited
from vitals.policy_glucose import BOUNDS, FORECASTS, RATES, SUSTAINED
from vitals.policy_kinds import KINDS
from vitals.policy_text import OFF, differences, facts
from vitals.policy_words import RULE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"
USUAL: tuple[GlucoseRule, ...] = (*SUSTAINED, *RATES, *FORECASTS)
IDS = [rule.name for rule in USUAL]


def table(section: str) -> dict[str, list[str]]:
    text = PAGE.read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("| ")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}


def numbers(cell: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", cell)]


def minutes(cell: str) -> int | None:
    return int(numbers(cell)[0] * MINUTE_US) if numbers(cell) else None


def with_rule(name: str, /, **changes: Any) -> Policy:
    """The default with one of these rules, changed."""
    kind = next(kind for kind in KINDS if name in kind.usual)
    return DEFAULT.model_copy(update={kind.field: (kind.usual[name].model_copy(update=changes),)})


@pytest.mark.parametrize("rule", USUAL, ids=IDS)
def test_a_rule_is_switched_on_as_the_page_says(rule: GlucoseRule):
    """Whoever writes ``on`` has read this table."""
    on, off, priority, repeat, hold, escalation = table("More rules for glucose")[rule.name]
    match rule:
        case SustainedRule():
            assert numbers(on) == [rule.limit, rule.on_span_us / MINUTE_US]
            quick, slow = rule.quick_span_us / MINUTE_US, rule.slow_span_us / MINUTE_US
            assert numbers(off) == [rule.quick_limit, quick, rule.limit, slow]
        case RateRule():
            assert numbers(on) == [rule.gate, rule.rate]
            far = rule.gate + 10 if rule.direction == "falling" else rule.gate - 10
            assert numbers(off) == [rule.off_rate, far, rule.rate, rule.slow_span_us / MINUTE_US]
        case _:
            (forecast,) = FORECASTS
            assert numbers(on) == [forecast.limit, forecast.horizon_us / MINUTE_US]
            assert numbers(off) == [forecast.off_limit, forecast.limit, forecast.slow_span_us / MINUTE_US]
    lead, _, everyone = escalation.partition("/")
    assert rule.priority == priority
    assert rule.response == Response(
        repeat_us=minutes(repeat), hold_us=minutes(hold) or 0, lead_us=minutes(lead), all_us=minutes(everyone)
    )


@pytest.mark.parametrize("name", IDS)
def test_the_bounds_are_the_written_ones(name: str):
    """Somebody decides by the page what they may ask for; the registry decides by these numbers."""
    limit, on, margin, priorities = table("A policy of one's own")[name]
    bounds = BOUNDS[name]
    assert numbers(limit) == [*bounds.limit, *(bounds.gate or ())]
    assert numbers(on) == list(bounds.on_minutes)
    assert [bounds.margin.least, bounds.margin.most] == [0, *numbers(margin)]
    assert priorities.split(", ") == list(policy_glucose.PRIORITIES)
    text = PAGE.read_text()
    least, most = policy_glucose.HORIZON_MINUTES
    assert f"A forecast is ar2 or ar2-line, its horizon {least} to {most} min in whole steps of 5." in text
    assert policy_glucose.NAMES_OF_FORECASTS == ("ar2", "ar2-line")


def test_all_of_them_may_be_on():
    """Bounds that refuse what ``on`` gives would make the word useless."""
    policy = edited(DEFAULT, [f"{name}=on" for name in IDS])
    assert violation(policy) is None
    assert [each.name for each in (*policy.sustained, *policy.rates, *policy.forecasts)] == IDS
    assert Policy.model_validate_json(policy.model_dump_json()) == policy
    assert edited(policy, [f"{name}=off" for name in IDS]) == DEFAULT


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (with_rule("low_sustained", limit=53, quick_limit=58), "low_sustained limit is 53: give 54 to 100 mg/dL"),
        (with_rule("low_sustained", limit=float("nan")), "low_sustained limit is nan"),
        (with_rule("low_sustained", limit=70.5), "low_sustained limit is 70.5"),
        (with_rule("low_sustained", quick_limit=69), "low_sustained quick_limit is 69: give the limit, 70, or"),
        (with_rule("low_sustained", side="high"), "rule low_sustained is about high; it is about low"),
        (with_rule("high_sustained", on_span_us=721 * MINUTE_US), "high_sustained on_span_us is 721 min: give 15 to"),
        (with_rule("high_sustained", on_span_us=10**400), "high_sustained on_span_us is inf"),
        (with_rule("high_sustained", slow_span_us=-1), "high_sustained slow_span_us is -1 µs"),
        (with_rule("high_sustained", priority="high"), "high_sustained priority is high: give low or medium"),
        (with_rule("glucose_falling", rate=5.1), "glucose_falling rate is 5.1: give 1 to 5 mg/dL/min, in steps of 0.1"),
        (with_rule("glucose_falling", rate=2.25), "glucose_falling rate is 2.25"),
        (with_rule("glucose_falling", rate=1, off_rate=-1), "glucose_falling off_rate is -1: give the rate, 1, or"),
        (with_rule("glucose_falling", off_rate=3.1), "glucose_falling off_rate is 3.1"),
        (with_rule("glucose_rising", gate=69), "glucose_rising gate is 69: give 70 to 400 mg/dL, a whole number"),
        (with_rule("glucose_rising", direction="falling"), "rule glucose_rising is about falling; it is about rising"),
        (with_rule("low_soon", horizon_us=35 * MINUTE_US), "low_soon horizon_us is 35 min: give 5 to 30 min (µs in"),
        (with_rule("low_soon", horizon_us=12 * MINUTE_US), "low_soon horizon_us is 12 min: give whole steps of 5 min"),
        (with_rule("low_soon", off_limit=86), "low_soon off_limit is 86: give the limit, 55, or a number up to 30"),
        (with_rule("low_soon", name="soon"), "rule 'soon' is unknown; known are low_soon"),
        (with_rule("low_soon").model_copy(update={"forecasts": FORECASTS * 2}), "rule low_soon is there 2 times"),
    ],
)  # fmt: skip
def test_what_lies_beyond_is_told_with_place_and_remedy(policy: Policy, told: str):
    """One line must be enough to write it right the next time, and no number may reach arrays that cannot hold it."""
    found = violation(policy) or ""
    assert found.startswith(told)
    assert "\n" not in found
    assert len(found) < 200


def test_each_thing_can_be_changed_by_its_name():
    """What ends an alert moves along with what begins it."""
    on = edited(DEFAULT, [f"{name}=on" for name in IDS])
    after = edited(
        on,
        ["low_sustained.limit=80", "high_sustained.for=240", "glucose_falling.rate=1.5", "glucose_falling.gate=120",
         "low_soon.horizon=30", "low_soon.limit=70", "low_soon.forecast=ar2", "low_soon.repeat=30"],
    )  # fmt: skip
    assert violation(after) is None
    assert differences(on, after) == [
        ("low_sustained", "limit", "< 70 mg/dL", "< 80 mg/dL"),
        ("low_sustained", "off", ">= 75 for 4 min, or >= 70 for 15 min", ">= 85 for 4 min, or >= 80 for 15 min"),
        ("high_sustained", "for", "120 min", "240 min"),
        ("glucose_falling", "limit", "falling > 3 mg/dL/min at < 150 mg/dL", "falling > 1.5 mg/dL/min at < 120 mg/dL"),
        ("glucose_falling", "off", "<= 2, or <= 3 for 15 min", "<= 0.5, or <= 1.5 for 15 min"),
        ("low_soon", "limit", "< 55 mg/dL within 20 min by ar2-line", "< 70 mg/dL within 30 min by ar2"),
        ("low_soon", "off", ">= 65, or >= 55 for 15 min", ">= 80, or >= 70 for 15 min"),
        ("low_soon", "repeat", "15 min", "30 min"),
    ]


def test_a_rule_that_comes_is_one_line():
    """As any other rule that is switched on."""
    assert differences(DEFAULT, edited(DEFAULT, ["low_soon=on"])) == [("low_soon", RULE, OFF, "on")]
    assert ("low_soon", RULE) not in facts(DEFAULT)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("low_soon.limit=60", "rule low_soon is off"),
        ("low_sustained.rate=3", "a change of nothing that a policy has"),
        ("glucose_falling.horizon=20", "a change of nothing that a policy has"),
        ("low_soon.forecast=oracle", "no forecast"),
        ("low_soon.horizon=soon", "no number of minutes"),
        ("glucose_rising.rate=fast", "no number"),
    ],
)
def test_a_change_that_is_not_understood_is_one_line(change: str, told: str):
    """It must be clear what to write instead."""
    policy = DEFAULT if "is off" in told else edited(DEFAULT, [f"{name}=on" for name in IDS])
    with pytest.raises(InputError) as raised:
        edited(policy, [change])
    assert str(raised.value).startswith(told)
