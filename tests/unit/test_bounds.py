"""The bounds of a policy: those of ``docs/rules.md`` number by number, and what lies beyond is refused in one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from compose.drills.bedside import POLICY as DRILLS
from vitals import bounds
from vitals.bound_checks import RESPONSES
from vitals.bounds import LEVELS, WINDOW_LIMITS, WINDOW_MARGIN, WINDOW_PRIORITIES, violation
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT, HEART_RATES, HIGH, LOW, PRIORITY_RANK, Level, Policy, Priority
from vitals.proof import POLICY as PROOF

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"


def section() -> str:
    return PAGE.read_text().partition("## A policy of one's own\n")[2].partition("\n## ")[0]


def table() -> dict[str, list[str]]:
    rows = [line.strip("| ").split("|") for line in section().splitlines() if line.startswith("| ")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}


def numbers(cell: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+", cell)]


def with_level(number: int, rule: str = "low", **changes: Any) -> Policy:
    """The default with one level changed."""
    owner = LOW if rule == "low" else HIGH
    levels = tuple(each.model_copy(update=changes) if each.number == number else each for each in owner.levels)
    others = [each for each in DEFAULT.thresholds if each.name != rule]
    return DEFAULT.model_copy(update={"thresholds": (owner.model_copy(update={"levels": levels}), *others)})


def with_window(number: int, **changes: Any) -> Policy:
    windows = tuple(
        each.model_copy(update=changes) if at == number else each for at, each in enumerate(DEFAULT.windows)
    )
    return DEFAULT.model_copy(update={"windows": windows})


def response(level: Level, **changes: Any) -> dict[str, Any]:
    return {"response": level.response.model_copy(update=changes)}


def test_the_rules_that_are_in_use_are_within():
    """Bounds that refuse the default, or what the drills measure with, would be found when it is too late."""
    assert violation(DEFAULT) is None
    assert violation(DRILLS) is None


@pytest.mark.parametrize(("rule", "number"), LEVELS)
def test_the_bounds_of_a_level_are_the_written_ones(rule: str, number: int):
    """Somebody decides by the page what they may ask for; the registry decides by these numbers."""
    limit, on, margin, priorities = table()[f"{rule} {number}"]
    mine = LEVELS[rule, number]
    assert list(mine.limit) == numbers(limit)
    assert list(mine.on_minutes) == (numbers(on) or [0, 0])
    assert [mine.margin.least, mine.margin.most] == [0, *numbers(margin)]
    assert list(mine.priorities) == priorities.split(", ")


@pytest.mark.parametrize("rule", [rule for rule, limits in WINDOW_LIMITS.items() if limits])
def test_the_bounds_of_a_heart_rate_rule_are_the_written_ones(rule: str):
    """As above; heart rate of a wrist is never high priority."""
    limit, _, margin, priorities = table()[rule]
    assert [end for span in WINDOW_LIMITS[rule].values() for end in span] == numbers(limit)
    assert [WINDOW_MARGIN.least, WINDOW_MARGIN.most] == [0, *numbers(margin)]
    assert list(WINDOW_PRIORITIES) == priorities.split(", ") == ["low", "medium"]


@pytest.mark.parametrize("priority", PRIORITY_RANK)
def test_the_bounds_of_a_response_are_the_written_ones(priority: Priority):
    """Who may be left waiting for how long is the page's to say."""
    repeat, hold, lead, everyone = table()[priority]
    mine = RESPONSES[priority]
    steps = {"repeat": (repeat, mine.repeat), "hold": (hold, mine.hold)}
    steps |= {"lead": (lead, mine.lead), "all": (everyone, mine.everyone)}
    for name, (cell, span) in steps.items():
        assert list(span) == numbers(cell)
        assert (name in mine.must) == ("none" not in cell)


def test_the_bounds_in_the_text_are_the_numbers_in_the_code():
    """What is no table is read by the same person."""
    text = section()
    assert f"at most {bounds.QUICK_MINUTES.most:g} min at the off limit" in text
    assert f"and {bounds.SLOW_MINUTES.most:g} min at the limit" in text
    assert "once it has lasted {} to {} min".format(*bounds.PROLONGED_MINUTES) in text
    least, most = (steps * bounds.STEP_US / MINUTE_US for steps in bounds.WINDOW_STEPS)
    assert f"A window is {least:g} to {most:g} min" in text
    assert f"asks for {bounds.WINDOW_SUCCESSIVE.least} to {bounds.WINDOW_SUCCESSIVE.most} successive T" in text
    for span, words in (
        (bounds.SIGNAL_MEDIUM_MINUTES, "medium after {} to {} min"),
        (bounds.SIGNAL_HOLD_MINUTES, "an acknowledgement holds {} to {} min"),
        (bounds.SIGNAL_RECOVER_SECONDS, "heard again after {} to {} s"),
        (bounds.SIGNAL_INTERVAL_SECONDS, "an interval of {} to {} s"),
    ):
        assert words.format(span.least, span.most) in text


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (DEFAULT.model_copy(update={"thresholds": (HIGH,)}), "rule low is missing: high priority has no off switch"),
        (with_level(2, limit=20, quick_limit=25), "low 2 limit is 20: give 50 to 70 mg/dL, a whole number"),
        (with_level(2, on_span_us=MINUTE_US), "low 2 on_span_us is 1 min: give 0 min (µs in a file)"),
        (with_level(2, priority="medium"), "low 2 priority is medium: give high"),
        (with_level(2, **response(LOW.levels[1], repeat_us=None)), "low 2 repeat_us is missing: give 1 to 5 min"),
        (with_level(2, **response(LOW.levels[1], all_us=None)), "low 2 all_us is missing: give 1 to 10 min (µs in"),
        (with_level(2, **response(LOW.levels[1], hold_us=16 * MINUTE_US)), "low 2 hold_us is 16 min: give 1 to 15 min"),
    ],
)  # fmt: skip
def test_an_urgent_low_cannot_be_switched_off_nor_put_to_sleep(policy: Policy, told: str):
    """It is the one alarm that nobody may lose, by a rule taken away or by one that never comes true or never calls."""
    assert (violation(policy) or "").startswith(told)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (with_level(1, limit=65.5, quick_limit=70.5), "low 1 limit is 65.5: give 60 to 100 mg/dL, a whole number"),
        (with_level(1, limit=float("nan")), "low 1 limit is nan"),
        (with_level(1, limit=float("inf"), quick_limit=float("inf")), "low 1 limit is inf"),
        (with_level(1, quick_limit=69), "low 1 quick_limit is 69: give the limit, 70, or a whole number up to 20"),
        (with_level(1, slow_span_us=31 * MINUTE_US), "low 1 slow_span_us is 31 min: give 0 to 30 min (µs in a file)"),
        (with_level(1, on_span_us=10**400), "low 1 on_span_us is inf min: give 0 to 15 min (µs in a file)"),
        (with_level(1, on_span_us=-1), "low 1 on_span_us is -1 µs: give 0 to 15 min"),
        (with_level(1, limit=60, quick_limit=60).model_copy(update={"windows": HEART_RATES[:1] * 2}),
         "rule heart_rate_high is there 2 times"),
        (with_level(2, limit=70, quick_limit=70), "low 2 limit is 70: give one below the limit of low 1, 70"),
        (with_level(2, "high", limit=240, quick_limit=240), "high 2 limit is 240: give one above the limit of high 1"),
        (with_level(1, prolonged_us=20 * MINUTE_US), "low 1 prolonged_us is 20 min: give 30 to 240 min (µs in a file)"),
        (with_level(2, prolonged_us=60 * MINUTE_US), "low 2 prolonged_us is there: leave it out"),
        (with_level(1, "high", priority="high"), "high 1 priority is high: give low or medium"),
        (with_level(1, "high", **response(HIGH.levels[0], all_us=MINUTE_US)), "high 1 all_us comes before lead_us"),
        (with_window(0, on_above=90), "heart_rate_high on_above is 90: give 100 to 200 /min"),
        (with_window(0, on_above=None), "heart_rate_high on_above is missing"),
        (with_window(0, on_below=30), "heart_rate_high on_below is 30: leave it out"),
        (with_window(0, off_at_least=30), "heart_rate_high off_at_least is 30: leave it out"),
        (with_window(0, off_at_most=131), "heart_rate_high off_at_most is 131: give a whole number within 20 /min"),
        (with_window(1, off_at_least=40.5), "heart_rate_low off_at_least is 40.5"),
        (with_window(0, width_us=11 * MINUTE_US), "heart_rate_high width_us is 11 min: give 1 to 10 min, in whole"),
        (with_window(0, width_us=10**400), "heart_rate_high width_us is inf min: give 1 to 10 min"),
        (with_window(0, width_us=63_000_000), "heart_rate_high width_us is 1.05 min: give 1 to 10 min"),
        (with_window(2, successive=10**400), "heart_rate_extreme successive is beyond its bounds: give 1 to 30"),
        (with_window(2, priority="high"), "heart_rate_extreme priority is high: give low or medium"),
        (with_window(0, metric="glucose"), "rule heart_rate_high is about 'glucose'; it is heart_rate"),
        (with_window(0, name="mine"), "rule 'mine' is unknown; known are heart_rate_high"),
        (DEFAULT.model_copy(update={"thresholds": (LOW.model_copy(update={"side": "high"}),)}),
         "rule low is about 'glucose', high; it is glucose, low"),
        (DEFAULT.model_copy(update={"thresholds": (LOW.model_copy(update={"levels": LOW.levels[::-1]}),)}),
         "rule low: its levels are 1 and 2"),
        (DEFAULT.model_copy(update={"signals": (DEFAULT.signals[0].model_copy(update={"metric": "battery"}),)}),
         "rule 'battery' is unknown; known are glucose, heart_rate"),
        (DEFAULT.model_copy(update={"signals": (DEFAULT.signals[0].model_copy(update={"medium_after_us": 0}),)}),
         "signal glucose medium_after_us is 0 min: give 10 to 240 min"),
        (DEFAULT.model_copy(update={"signals": (DEFAULT.signals[0].model_copy(update={"recover_span_us": -1}),)}),
         "signal glucose recover_span_us is -1 µs: give 0 to 300 s (µs in a file)"),
        (PROOF, "rule 'proof' is unknown; known are low, high"),
    ],
)  # fmt: skip
def test_what_lies_beyond_is_told_with_place_and_remedy(policy: Policy, told: str):
    """One line must be enough to write it right the next time, and no number may reach arrays that cannot hold it."""
    found = violation(policy) or ""
    assert found.startswith(told)
    assert "\n" not in found
    assert len(found) < 200


def test_everything_but_the_low_rule_may_be_off():
    """A runner's heart is slow and a watch is taken off at night; whoever says so is asked no more about it."""
    assert violation(Policy(version=1, thresholds=(LOW,), signals=(), windows=())) is None
