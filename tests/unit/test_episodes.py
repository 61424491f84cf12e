"""Episodes of levels and of medians as they are written down: every field, from the tables that they are read from."""

from __future__ import annotations

from typing import Any

import pytest

from stream.episodes import Seen
from stream.rules import ACTIVE, OVER, RETURNING, UNKNOWN, Change
from stream.standing import Standing
from stream.verdicts import Moved, Shown
from tests.logs import T0
from tests.standing import ANN, BY_NIGHT, common, reads, standing
from vitals.evidence import Evidence, Judged, WindowSeen
from vitals.journal import Episode
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, HEART_RATES, HIGH, LOW, Level, WindowRule

FIVE = 5 * MINUTE_US


def low(made: Standing, level: int, condition: int, side: int = 0) -> None:
    """Ann's low, or high, is at a level since minute 5, opened at minute 10."""
    made.machines.level[ANN, side], made.machines.condition[ANN, side] = level, condition
    made.machines.opened_at[ANN, side], made.machines.since[ANN, side] = T0 + 10 * MINUTE_US, T0 + FIVE


EXTREME = HEART_RATES[2]


def written(
    rule: str, asks: Level | WindowRule, why: Evidence, times: tuple[int, int, int], value: float, **more: Any
) -> Episode:
    """An active episode of Ann's with every field: what ``asks`` asks for, judged as its evidence says.

    ``times``: when it opened, changed (with a value seen then), and since when it is beyond.
    """
    opened_at, at, since = times
    told = {"change": "open", "at": at, "since": since, "value": value, "value_at": at, "evidence": why} | more
    judged = {"policy": why.policy, "level": why.level, "limit": why.limit}
    asked = {"priority": asks.priority, "response": asks.response}
    whose = common(rule, opened_at, HEART_RATE if isinstance(asks, WindowRule) else GLUCOSE)
    return Episode(category="physiological", condition="active", **whose, **told, **judged, **asked)


def test_a_low_that_opens_is_written_whole():
    """Whoever is called sees who, where, what, since when, against which limit, and why."""
    made = standing()
    reads(made, (0, 100), (5, 65), (10, 62.4))
    low(made, 1, ACTIVE)
    at = T0 + 10 * MINUTE_US
    found = made.writer.threshold(Change(ANN, 0, "open", 0), at, made.writer.last_seen(ANN), value=62.4)
    why = Evidence(policy=1, night=False, level=1, limit=70, count=2, readings=((T0 + FIVE, 65_000), (at, 62_400)))
    assert found == written("low", LOW.levels[0], why, (at, at, T0 + FIVE), 62.4)
    assert (found.priority, found.level, found.limit) == ("medium", 1, 70)


def test_a_high_that_rises_is_of_its_own_side_and_level():
    """Level 2 of high is another limit, priority and response; beyond is above. HIGH is no number that was measured."""
    made = standing(policy=BY_NIGHT)
    reads(made, (0, 100), (5, 390), (10, 401), (15, 402))
    low(made, 2, ACTIVE, side=1)
    at = T0 + 15 * MINUTE_US
    seen = Seen(402, at, 2)
    found = made.writer.threshold(Change(ANN, 1, "rise", 1), at, seen, value=402)
    told = ((T0 + 10 * MINUTE_US, 401_000), (at, 402_000))
    why = Evidence(policy=9, night=True, level=2, limit=399, count=2, readings=told)
    times = (T0 + 10 * MINUTE_US, at, T0 + FIVE)
    assert found == written("high", HIGH.levels[1], why, times, 402, change="rise", censored="high")
    assert (found.priority, found.level, found.limit) == ("medium", 2, 399)


def behind(side: int, *readings: tuple[float, float]) -> int:
    """How many of Ann's readings (minute, value) are told where her low or high opens at the last of them."""
    made, (minute, value) = standing(), readings[-1]
    reads(made, *readings)
    low(made, 1, ACTIVE, side)
    at = T0 + round(minute * MINUTE_US)
    found = made.writer.threshold(Change(ANN, side, "open", 0), at, made.writer.last_seen(ANN), value=value)
    assert found.evidence is not None
    return found.evidence.count


def test_the_limit_itself_is_not_in_the_run():
    """70 is no low: a run that showed it would begin too early. The same holds above."""
    assert behind(0, (0, 70), (5, 69), (10, 69)) == 2
    assert behind(1, (0, 250), (5, 251), (10, 251)) == 2


def test_a_gap_ends_the_run_that_is_told():
    """2.2 intervals of the device that is worn."""
    assert behind(0, (0, 60), (12, 60), (17, 60)) == 2
    assert behind(0, (0, 60), (11, 60), (16, 60)) == 3


@pytest.mark.parametrize(("was", "limit", "priority"), [(1, 70, "medium"), (2, 54, "high")])
def test_what_is_over_keeps_what_it_was(was: int, limit: float, priority: str):
    """The list of what was tonight is sorted by it."""
    made = standing()
    reads(made, (20, 90))
    low(made, 0, OVER)
    at = T0 + 20 * MINUTE_US
    found = made.writer.threshold(Change(ANN, 0, "clear", was), at, made.writer.last_seen(ANN), value=90)
    assert (found.level, found.condition, found.change) == (0, "over", "clear")
    assert (found.limit, found.priority, found.response) == (limit, priority, LOW.levels[was - 1].response)
    assert (found.evidence, found.reason, found.since) == (None, "", T0 + FIVE)


def test_a_level_is_shown_whatever_it_was_before():
    """From 2 to 1 it is lower: the limit now is 70."""
    made = standing()
    reads(made, (20, 60))
    low(made, 1, ACTIVE)
    found = made.writer.threshold(Change(ANN, 0, "lower", 2), T0, made.writer.last_seen(ANN), value=60)
    assert (found.limit, found.priority, found.change, found.at) == (70, "medium", "lower", T0)
    assert found.evidence is None


def test_a_change_without_a_reading_says_a_reason_and_no_readings():
    """No data: what was seen last stands there, with its time."""
    made = standing()
    reads(made, (10, 62.4))
    low(made, 1, UNKNOWN)
    at = T0 + 30 * MINUTE_US
    found = made.writer.threshold(Change(ANN, 0, "unknown", 1), at, made.writer.last_seen(ANN), reason="device removed")
    assert (found.condition, found.reason, found.evidence) == ("unknown", "device removed", None)
    assert (found.at, found.value_at, found.value) == (at, T0 + 10 * MINUTE_US, 62.4)
    again = made.writer.threshold(Change(ANN, 0, "open", 0), at, made.writer.last_seen(ANN))
    assert (again.evidence, again.reason) == (None, "")


def test_a_prolonged_low_says_so_and_asks_for_what_level_2_asks():
    """It is level 1 still; another reason is said instead, where there is one."""
    made = standing()
    reads(made, (10, 62.4))
    low(made, 1, ACTIVE)
    made.machines.raised.add((ANN, 0))
    seen = made.writer.last_seen(ANN)
    found = made.writer.threshold(Change(ANN, 0, "rise", 1), T0, seen, value=62.4)
    assert (found.level, found.limit, found.reason) == (1, 70, "prolonged")
    assert (found.priority, found.response) == ("high", LOW.levels[1].response)
    lost = made.writer.threshold(Change(ANN, 0, "unknown", 1), T0, seen, reason="no data")
    assert (lost.reason, lost.priority) == ("no data", "high")
    made.machines.raised = {(ANN, 1), (0, 0)}
    assert made.writer.threshold(Change(ANN, 0, "rise", 1), T0, seen, value=62.4).reason == ""


def test_what_was_seen_last_is_the_deciding_reading():
    """LOW is told as such, wherever it is shown."""
    made = standing()
    reads(made, (10, 39.5))
    made.series.dec_censored[ANN] = 1
    seen = made.writer.last_seen(ANN)
    assert (seen.value, seen.at, seen.censored) == (39.5, T0 + 10 * MINUTE_US, 1)
    assert (type(seen.value), type(seen.at), type(seen.censored)) == (float, int, int)
    low(made, 2, ACTIVE)
    assert made.writer.threshold(Change(ANN, 0, "active", 2), T0, seen, value=39.5).censored == "low"


def test_a_median_that_opens_is_written_whole():
    """The six T in a row, the window of the last, how much of it there was."""
    made = standing(HEART_RATE, BY_NIGHT)
    for second in range(10, 121, 2):
        reads(made, (second / 60, 160))
    since, at = T0 + 70 * SECOND_US, T0 + 120 * SECOND_US
    shown = Shown(EXTREME, at, since, 160.5, at, 150, beyond=True)
    found = made.writer.median(Moved(ANN, 0, "open", 1, ACTIVE, at, at + 2, shown))
    instants = tuple(range(since, at + 1, 10 * SECOND_US))
    seen = WindowSeen(median=160.5, begin=at - MINUTE_US, end=at, filled=30, slots=60, instants=instants)
    assert len(instants) == 6
    why = Evidence(policy=9, night=True, level=1, limit=150, count=30, window=seen)
    assert found == written("heart_rate_extreme", EXTREME, why, (at, at, since), 160.5)
    assert found.priority == "medium"


def test_a_median_that_changes_says_what_it_saw_beside_it():
    """Its reason, where there is one, else what stood beside the median; the window is told when it opens only."""
    made = standing(HEART_RATE)
    shown = Shown(EXTREME, T0 + 5, T0 + 1, 140, T0 + 9, 150, beyond=False, beside="0 steps")
    moved = Moved(ANN, 0, "returning", 1, RETURNING, T0 + 9, T0 + 11, shown)
    found = made.writer.median(moved)
    assert (found.opened_at, found.since, found.at, found.value_at) == (T0 + 5, T0 + 1, T0 + 9, T0 + 9)
    assert (found.condition, found.change, found.reason, found.evidence) == ("returning", "returning", "0 steps", None)
    assert made.writer.median(moved._replace(reason="no data")).reason == "no data"
    over = made.writer.median(moved._replace(change="clear", level=0, condition=OVER, shown=shown._replace(beside="")))
    assert (over.level, over.condition, over.limit, over.reason) == (0, "over", 150, "")


def test_what_an_episode_is_judged_by_is_its_patients_policy():
    """Bob's night is not Ann's."""
    made = standing(policy=BY_NIGHT)
    made.patients.take(ANN, DEFAULT.model_copy(update={"version": 4}))
    assert made.writer._judged(ANN, 2, 54) == Judged(4, night=False, level=2, limit=54)
    assert made.writer._judged(0, 1, None) == Judged(9, night=True, level=1, limit=None)
