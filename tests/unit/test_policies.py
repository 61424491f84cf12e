"""The default policy is the table of ``docs/rules.md``, number by number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, SIGNAL_RESPONSES, Level, Response, ThresholdRule
from vitals.windows import (
    EVALUATE_AFTER_US,
    EVALUATE_EVERY_US,
    FILLED_MIN_TENTHS,
    UNKNOWN_AFTER_US,
    fresh_span_us,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"


def table() -> dict[str, list[str]]:
    """The page's table: rule -> its cells on, off, priority, repeat, hold, escalation."""
    rows = [line.strip().strip("|").split("|") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}


def numbers(cell: str) -> list[float]:
    """Every number in a cell, in order."""
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", cell)]


def minutes(cell: str) -> int | None:
    """The µs of a cell like ``15 min``; None for a dash."""
    found = numbers(cell)
    return int(found[0] * MINUTE_US) if found else None


def rule(name: str) -> ThresholdRule:
    return next(each for each in DEFAULT.thresholds if each.name == name)


def levels() -> list[tuple[str, ThresholdRule, Level]]:
    """Every level of the threshold rules with its row in the table."""
    return [(f"{each.name}, level {level.number}", each, level) for each in DEFAULT.thresholds for level in each.levels]


@pytest.mark.parametrize(("row", "owner", "level"), levels(), ids=[each[0] for each in levels()])
def test_a_level_asks_people_as_the_table_says(row: str, owner: ThresholdRule, level: Level):
    """A repeat or an escalation that differs from the written rule is a page that nobody agreed to."""
    _, _, priority, repeat, hold, escalation = table()[row]
    lead, _, everyone = escalation.partition("/")
    assert level.priority == priority
    assert level.response == Response(
        repeat_us=minutes(repeat), hold_us=minutes(hold) or 0, lead_us=minutes(lead), all_us=minutes(everyone)
    )
    assert owner.metric == "glucose"


def test_the_milder_level_comes_first():
    """Both machines and screens index a rule's levels by number."""
    assert [level.number for each in DEFAULT.thresholds for level in each.levels] == [1, 2, 1, 2]
    assert [each.side for each in DEFAULT.thresholds] == ["low", "high"]


def test_low_turns_on_where_the_table_says():
    """Level 2 alarms at once: a person at 53 has no four minutes to spare."""
    first, second = rule("low").levels
    assert [first.limit, first.on_span_us / MINUTE_US] == numbers(table()["low, level 1"][0])
    assert [second.limit] == numbers(table()["low, level 2"][0])
    assert second.on_span_us == 0


def test_low_turns_off_as_the_text_says():
    """Off = ok span >= 4 min with v >= limit + 5, or ok span >= 15 min; the off-delay ends chatter at the edge."""
    text = re.search(r"ok span >= (\d+) min with v >= limit \+ (\d+), or ok span >= (\d+) min", PAGE.read_text())
    assert text is not None
    quick, margin, slow = (int(group) for group in text.groups())
    for level in rule("low").levels:
        assert level.quick_limit == level.limit + margin
        assert (level.quick_span_us, level.slow_span_us) == (quick * MINUTE_US, slow * MINUTE_US)


def test_high_turns_on_where_the_table_says():
    """Level 2 is written as >= 400, which for whole mg/dL is > 399: one comparison serves both levels."""
    first, second = rule("high").levels
    assert [first.limit, first.on_span_us / MINUTE_US] == numbers(table()["high, level 1"][0])
    assert [second.limit + 1, second.on_span_us / MINUTE_US] == numbers(table()["high, level 2"][0])


def test_high_turns_off_where_the_table_says():
    """``<= 240 for 4 min, or <= 250 for 15 min``: the second limit is the level's own."""
    for level in rule("high").levels:
        off = numbers(table()[f"high, level {level.number}"][1])
        quick, slow = level.quick_span_us / MINUTE_US, level.slow_span_us / MINUTE_US
        assert off == [level.quick_limit, quick, level.limit, slow]


ROWS = {
    "heart_rate_high": "heart rate high, W 10 min",
    "heart_rate_low": "heart rate low, W 10 min",
    "heart_rate_extreme": "heart rate extreme, W 1 min",
}


@pytest.mark.parametrize("name", ROWS)
def test_a_heart_rate_rule_is_its_row_of_the_table(name: str):
    """Limits, signs, how often in a row, and what people are asked to do."""
    row = ROWS[name]
    owner = next(each for each in DEFAULT.windows if each.name == name)
    on, off, priority, repeat, hold, escalation = table()[row]
    lead, _, everyone = escalation.partition("/")
    assert numbers(row) == [owner.width_us / MINUTE_US]
    limits = [each for each in (owner.on_above, owner.on_below, owner.on_at_most) if each is not None]
    assert limits == [float(each) for each in re.findall(r"(?:>|<|<=) (\d+)", on)]
    assert (owner.on_above is not None, owner.on_below is not None) == ("> " in on, "< " in on)
    assert (owner.on_at_most is not None) == ("<= " in on)
    within = [each for each in (owner.off_at_least, owner.off_at_most) if each is not None]
    assert within == [float(each) for each in re.findall(r"\d+", off)[: len(within)]]
    assert [owner.successive] == ([float(re.findall(r"at (\d+) ", on)[0])] if "successive" in on else [1])
    assert owner.priority == priority
    assert owner.response == Response(
        repeat_us=minutes(repeat), hold_us=minutes(hold) or 0, lead_us=minutes(lead), all_us=minutes(everyone)
    )
    assert owner.metric == "heart_rate"


def test_evaluations_are_made_as_the_page_says():
    """Every ten seconds, two seconds after, from 70 % of the slots, with a fresh reading near."""
    text = PAGE.read_text()
    every, after = re.search(r"At each whole (\d+) s `T` of event time, when now >= T \+ (\d+) s", text).groups()  # type: ignore[union-attr]
    assert (int(every) * SECOND_US, int(after) * SECOND_US) == (EVALUATE_EVERY_US, EVALUATE_AFTER_US)
    assert f">= {FILLED_MIN_TENTHS}0 % of the slots" in text
    assert f"unknown after {UNKNOWN_AFTER_US // SECOND_US} s without one" in text
    assert "(T - max(30 s, 1.2 i), T]" in text
    assert [fresh_span_us(i * SECOND_US) // SECOND_US for i in (1, 25, 300)] == [30, 30, 360]


def test_signal_waits_as_long_as_the_table_says():
    """Silence is on by default for each metric; these spans decide between a flood and a blind hour."""
    on, off, priority, _, hold, _ = table()["signal"]
    glucose, intervals, heart_rate, same = numbers(on)
    assert (GLUCOSE.silent_us, HEART_RATE.silent_us) == (glucose * MINUTE_US, heart_rate * MINUTE_US)
    assert intervals == same == 2.2
    assert GLUCOSE.silent_after_us(60 * MINUTE_US) == HEART_RATE.silent_after_us(60 * MINUTE_US) == 132 * MINUTE_US
    by_metric = {signal.metric: signal for signal in DEFAULT.signals}
    assert set(by_metric) == {"glucose", "heart_rate"}
    for signal in by_metric.values():
        assert [signal.medium_after_us / MINUTE_US] == numbers(priority)
        assert signal.hold_us == minutes(hold)
        assert signal.recover_interval_us == numbers(off)[1] * SECOND_US
    assert by_metric["glucose"].recover_span_us == 0
    assert by_metric["heart_rate"].recover_span_us == numbers(off)[0] * SECOND_US


def test_signal_asks_people_as_its_priority_does():
    """The row says "as priority": a medium silence repeats like a medium low, but its acknowledgement holds an hour."""
    like = {"low": "high, level 1", "medium": "low, level 1", "high": "low, level 2"}
    for priority, response in SIGNAL_RESPONSES.items():
        _, _, same, repeat, _, escalation = table()[like[priority]]
        lead, _, everyone = escalation.partition("/")
        assert same == priority
        assert (response.repeat_us, response.lead_us) == (minutes(repeat), minutes(lead))
        assert response.all_us == minutes(everyone)
        assert response.hold_us == minutes(table()["signal"][4])


def test_freshness_and_gaps_are_the_written_ones():
    """Fresh decides whether a reading may page; a gap decides whether a run is one run (page, Terms)."""
    text = PAGE.read_text()
    fresh = re.search(r"max\((\d+) min, ([\d.]+) i\) for glucose, (\d+) s for heart rate", text)
    gap = re.search(r"\*\*Gap\*\* `G` = max\((\d+) min, ([\d.]+) i\) for glucose", text)
    assert fresh is not None
    assert gap is not None
    assert (GLUCOSE.fresh_us, GLUCOSE.fresh_intervals) == (int(fresh[1]) * MINUTE_US, float(fresh[2]))
    assert HEART_RATE.late_after_us(5 * MINUTE_US) == int(fresh[3]) * SECOND_US
    assert GLUCOSE.gap_of_us(MINUTE_US) == int(gap[1]) * MINUTE_US
    assert GLUCOSE.gap_of_us(15 * MINUTE_US) == float(gap[2]) * 15 * MINUTE_US
