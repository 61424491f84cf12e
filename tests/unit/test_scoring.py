"""Scoring: what an event is, for any sensor; what an alarm was; and how sure a score is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from simulators.intervals import Counts, by_day, intervals, ratio, total
from simulators.scoring import Event, Trace, events, judge, leads, refractory, told
from vitals.metrics import GLUCOSE, MINUTE_US

T0 = 1_700_006_400_000_000
"""Midnight, UTC."""
assert T0 % (24 * 60 * MINUTE_US) == 0


def minute(at: float) -> int:
    return T0 + round(at * MINUTE_US)


def trace(points: Mapping[float, float] | Mapping[int, float], interval: int = 5) -> Trace:
    """Minutes -> mg/dL, of a sensor of so many minutes."""
    at = np.array([minute(each) for each in points], np.int64)
    gap = GLUCOSE.gap_of_us(interval * MINUTE_US)
    return Trace(at, np.array(list(points.values()), np.float64), interval * MINUTE_US, gap)


def sampled(interval: int, until: int = 240) -> Trace:
    """A course that falls from 130 by 1 a minute, is below 70 from minute 60.5 to 119.5, and rises again."""
    return trace({each: 130.0 - min(each, 180 - each) for each in range(0, until, interval)}, interval)


def spans(found: list[Event]) -> list[tuple[int, int]]:
    return [((event.begin - T0) // MINUTE_US, (event.end - T0) // MINUTE_US) for event in found]


def low(*values: float, step: int = 5) -> list[tuple[int, int]]:
    """The events below 70 of a sensor's values."""
    return spans(events(trace({step * at: value for at, value in enumerate(values)}, step), 70, "low"))


@pytest.mark.parametrize("interval", [1, 5, 15])
def test_every_sensor_finds_the_same_event(interval: int):
    """Time counts, not samples; it begins at the first reading that could have shown it."""
    begin = {1: 61, 5: 65, 15: 75}[interval]
    assert spans(events(sampled(interval), 70, "low")) == [(begin, 119)]


def test_a_dip_of_less_than_a_quarter_of_an_hour_is_no_event():
    """Two readings of a five-minute sensor are ten minutes at most between two above."""
    assert low(90, 69, 69, 90, 90) == []


def test_one_reading_of_a_slow_sensor_is_an_event_only_if_the_line_is_below_for_long():
    """69 between 100 and 100 lay below 70 for half a minute, not for a quarter of an hour."""
    assert low(100, 69, 100, step=15) == []
    assert low(80, 50, 80, step=15) == [(15, 24)]


def test_chatter_at_54_is_one_event():
    """53 and 59 in turns for an hour are one low, or recall would count it ten times."""
    chatter = [53, 59] * 8
    assert spans(events(trace({5 * at: value for at, value in enumerate([80, *chatter, 80])}), 54, "low")) == []
    values = [80, 50, 50, 50, 50, *reversed(chatter), 80]
    assert len(events(trace({5 * at: value for at, value in enumerate(values)}), 54, "low")) == 1
    assert len(low(80, *chatter, 80)) == 1


def test_an_event_ends_with_a_quarter_of_an_hour_back():
    """Ten minutes above belong to it; twenty end it, and what follows is another."""
    assert low(*[60] * 4, 90, 90, *[60] * 4, 90, 90, 90) == [(0, 46)]
    assert len(low(*[60] * 4, *[90] * 5, *[60] * 4, 90)) == 2


def test_a_gap_ends_an_event_and_nothing_is_known_within():
    """A low on both sides of a hole of an hour is not known to have lasted an hour."""
    found = events(trace({0: 90, 5: 60, 10: 60, 15: 60, 75: 60, 80: 60, 85: 60, 90: 60, 95: 90}), 70, "low")
    assert spans(found) == [(5, 20), (75, 91)]


def test_a_single_lost_reading_is_no_gap():
    """Ten minutes are within G; the line goes on."""
    assert spans(events(trace({0: 90, 5: 60, 15: 60, 20: 60, 25: 90}), 70, "low")) == [(5, 21)]


def test_two_readings_before_a_gap_are_too_few():
    """Below for ten minutes, then nobody knows: no event may be made of it."""
    assert spans(events(trace({0: 90, 5: 60, 10: 60, 75: 90, 80: 90}), 70, "low")) == []


def test_an_event_counts_with_half_an_hour_of_data_before():
    """Nobody can foresee what lies behind a hole."""
    found = events(trace({5 * at: value for at, value in enumerate([90] * 5 + [60] * 4 + [90])}), 70, "low")
    assert [event.eligible for event in found] == [False]
    found = events(trace({5 * at: value for at, value in enumerate([90] * 6 + [60] * 4 + [90])}), 70, "low")
    assert [event.eligible for event in found] == [True]


def test_high_events_mirror_low_ones():
    """251 is above 250, 250 is not."""
    assert spans(events(trace(dict.fromkeys(range(0, 60, 5), 250.0)), 250, "high")) == []
    assert spans(events(trace(dict.fromkeys(range(0, 60, 5), 251.0)), 250, "high")) == [(0, 60)]


def verdicts(alarms: list[float], *, values: dict[float, float] | None = None) -> list[str]:
    """What alarms at these minutes were: by default there is one event, from minute 100 to 131."""
    points = values or {at: 60.0 if 100 <= at <= 130 else 90.0 for at in range(0, 300, 5)}
    course = trace(points)
    return [each.verdict for each in judge(course, events(course, 70, "low"), [minute(at) for at in alarms], 70, "low")]


def test_an_alarm_45_to_5_minutes_before_is_a_hit():
    """Earlier it is about something else, later it is of no use."""
    assert verdicts([54.9, 55, 95, 95.1]) == ["false", "hit", "hit", "late"]


def test_an_alarm_inside_an_event_is_neither_hit_nor_false():
    """It tells what is there, and foresees nothing."""
    assert verdicts([100, 131, 132]) == ["inside", "inside", "false"]


def test_an_alarm_before_an_event_that_does_not_count_is_set_aside():
    """Calling it false would punish what was right."""
    assert verdicts([5], values={at: 60.0 if at >= 20 else 90.0 for at in range(0, 120, 5)}) == ["ineligible"]


def test_an_alarm_whose_future_nobody_knows_is_not_judged():
    """The readings end, or a gap begins, within its 45 minutes."""
    assert verdicts([0, 20], values=dict.fromkeys(range(0, 60, 5), 90.0)) == ["false", "unjudged"]


def test_a_false_alarm_is_near_within_ten():
    """Where glucose went to 80 the next call is a hair's breadth away; at 81 it is not."""
    for least, near in ((80.0, True), (81.0, False), (60.0, True)):
        course = trace({at: least if at == 40 else 95.0 for at in range(0, 200, 5)})
        assert [each.near for each in judge(course, events(course, 70, "low"), [minute(20)], 70, "low")] == [near]


def test_the_lead_is_of_the_first_hit():
    """People were told then."""
    course = trace({at: 60.0 if 100 <= at <= 130 else 90.0 for at in range(0, 300, 5)})
    found = events(course, 70, "low")
    judged = judge(course, found, [minute(60), minute(90)], 70, "low")
    assert leads(found, judged) == {0: 40 * MINUTE_US}


def test_the_refractory_time_counts_from_what_was_kept():
    """A forecast that calls each five minutes calls once in thirty."""
    assert refractory([minute(at) for at in (0, 5, 29.9, 30, 55, 61)]) == [minute(0), minute(30), minute(61)]


def test_a_rule_tells_of_an_event_until_its_end():
    """The low rule opens at the second reading: five minutes late, and told."""
    found = [Event(minute(100), minute(131), True), Event(minute(200), minute(230), True)]
    assert told(found, [minute(105), minute(110), minute(235)]) == {0: 5 * MINUTE_US}


def test_a_day_of_counts_adds_up_to_the_whole():
    """Intervals are drawn from days: nothing may be lost or counted twice between them."""
    points = {at: 60.0 if at % 1440 in range(1380, 1420) else 90.0 for at in range(0, 5 * 1440, 5)}
    course = trace(points)
    found = events(course, 70, "low")
    judged = judge(course, found, [minute(day * 1440 + 1360) for day in range(5)] + [minute(600)], 70, "low")
    units = by_day(course, found, judged)
    assert len(units) == 5
    whole = total(units)
    assert whole[:-1] == (5, 5, 5, 5, 1, 0)
    assert whole.days == pytest.approx(5.0)
    assert ratio(total(units), "precision") == pytest.approx(5 / 6)


def test_a_ratio_without_anything_to_divide_by_is_none():
    """No event is not a recall of nought."""
    assert ratio(Counts(days=3), "recall") is None
    assert ratio(Counts(days=3), "false_per_day") == 0.0


def test_intervals_are_the_same_for_the_same_seed_and_hold_the_ratio():
    """A figure that cannot be computed again is a rumour."""
    units = [Counts(events=4, found=each % 5, hits=3, false=each % 3, days=1) for each in range(20)]
    found = intervals(units, 3)
    assert found == intervals(units, 3)
    assert found["recall"] is not None
    assert found["recall"][0] < 0.5 < found["recall"][1]
    assert found["near"] is not None


def test_one_unit_has_no_interval():
    """Of one person nothing can be drawn."""
    assert set(intervals([Counts(events=1, found=1, days=1)], 1).values()) == {None}


def test_a_ratio_that_seldom_exists_has_no_interval():
    """One event in a hundred days: most draws have none, and the rest would always say 1."""
    units = [Counts(events=each == 0, found=each == 0, days=1) for each in range(100)]
    found = intervals(units, 1)
    assert found["recall"] is not None  # in 63 % of the draws
    assert found["precision"] is None
