"""Exports of a 1-minute sensor: events, episodes and scores mean what they mean for one of five minutes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from compose.backtest.fold import fold
from compose.backtest.log import build
from compose.backtest.person import traced
from compose.backtest.predicting import foreseen
from compose.backtest.report import Person, Population, Report, Score
from compose.backtest.run import run
from compose.backtest.show import person_lines
from compose.drills.replay import SHARED
from runtime.clock import SystemClock
from simulators.exports import Export, parse
from simulators.scoring import Event, events
from stream.forecast import HORIZON, lowest
from tests.sampled import Point, each_minute, file_of
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT
from vitals.policy_edits import edited

DATA = SHARED / "data" / "t1d-uom"
FAST = ("2303", "2307", "2309", "2313")
T0 = 1_704_067_200_000_000
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"T1D-UOM data is not at {SHARED}: set VIGIL_SHARED")


def course(days: int) -> Export:
    """Readings each five minutes at 6.1 mmol/L, with one low a day that falls for half an hour."""
    values = [6.1] * (288 * days)
    for day in range(days):
        values[288 * day + 100 : 288 * day + 114] = [
            5.7, 5.2, 4.8, 4.3, 3.9, 3.4, 3.2, 3.2, 3.3, 3.6, 3.9, 4.4, 5.0, 5.6,
        ]  # fmt: skip
    return parse("glucose-7.csv", file_of((T0 + at * 5 * MINUTE_US, value) for at, value in enumerate(values)))


def report_of(*exports: Export) -> Report:
    return run(exports, None, seed=1, clock=SystemClock())


def scores(of: Person | Population) -> dict[tuple[str, str], Score]:
    return {(score.target, score.alarm): score for score in of.scores}


def test_a_file_of_a_minute_runs_from_end_to_end():
    """It was refused, though everything behind the reading of the file takes such a sensor."""
    one = each_minute(course(10))
    assert one.type.name == "t1d-uom-1min"
    person = report_of(one).people[0]
    assert (person.readings, person.deciding, person.population) == (14_396, 14_396, "t1d-uom-1min")
    low = scores(person)["below 70", "rule low"]
    assert (low.events, low.told, low.told_after) == (10, 1.0, 4.0), "it opens at the fifth reading"
    predicted = scores(person)["below 70", "predicted ar2"]
    assert (predicted.events, predicted.recall.value, predicted.precision.value) == (10, 1.0, 1.0)


def test_a_person_with_each_kind_of_sensor_is_in_no_population_with_the_others():
    """A figure over two kinds of sensor would be nobody's."""
    five = course(2)
    exports = [five, each_minute(parse("glucose-8.csv", file_of((s.at, s.value) for s in five.samples)))]
    report = report_of(*exports)
    assert [person.population for person in report.people] == ["t1d-uom-5min", "t1d-uom-1min"]
    assert report.populations == ()


def test_days_of_another_interval_are_told():
    """Nothing vanishes: on such days every step of a 1-minute sensor would be a gap."""
    slow: list[Point] = [(T0 + (at * 15 + 10 * 1440) * MINUTE_US, 6.1) for at in range(96)]
    points = [(sample.at, sample.value) for sample in each_minute(course(10)).samples]
    line = next(person_lines(report_of(parse("glucose-7.csv", file_of([*points, *slow]))).people[0]))
    assert "1 day of readings each 15 min" in line
    assert "of readings each" not in next(person_lines(report_of(course(10)).people[0]))


def test_lost_readings_and_holes_of_a_minute_change_no_event():
    """One in eight is lost, and each third hour five in a row: a stretch goes on, for G is eleven minutes."""
    whole = each_minute(course(10))
    sparse = each_minute(course(10), lambda minute: minute % 8 != 3 and minute % 180 >= 5)
    assert sparse.type == whole.type
    found = [events(traced(build("p7", [each], None))[0], 70, "low") for each in (whole, sparse)]
    assert [len(each) for each in found] == [10, 10]
    apart = np.abs(np.array([(event.begin, event.end) for event in found[0]]) - [each[:2] for each in found[1]])
    assert apart.max() <= 2 * MINUTE_US


@cache
def reports() -> tuple[Report, Report]:
    """Four people as they are, and as sensors of a minute would have told of them."""
    files = [DATA / f"glucose-{person}.csv" for person in FAST]
    five = [parse(file.name, file.read_bytes()) for file in files]
    return report_of(*five), report_of(*map(each_minute, five))


def pairs() -> list[tuple[Person, Person]]:
    five, one = reports()
    return list(zip(five.people, one.people, strict=True))


@needs_data
def test_the_time_with_data_and_in_ranges_is_the_same():
    """Time counts, not samples: only the last interval of each stretch is shorter, and numbers are rounded."""
    for five, one in pairs():
        assert one.population == "t1d-uom-1min"
        assert one.days == pytest.approx(five.days, rel=1e-3)
        assert five.glucose is not None
        assert one.glucose is not None
        for name, share in five.glucose:
            assert getattr(one.glucose, name) == pytest.approx(share, abs=0.003), (one.patient, name)


def spells(person: Person, target: str) -> list[Event]:
    return [Event(each.begin, each.end, eligible=True) for each in person.spells if each.target == target]


@needs_data
def test_events_are_the_same_to_an_interval():
    """The value goes straight between two readings, so a reading each minute adds the first one beyond the limit, up to
    4 min sooner. What only one of them has is a quarter of an hour long, give or take: one in a hundred.
    """
    matched, alone = list[tuple[Event, Event]](), list[Event]()
    for five, one in pairs():
        for target in ("below 70", "below 54", "above 250"):
            mine, theirs = spells(five, target), spells(one, target)
            for event in mine:
                both = [other for other in theirs if other.begin < event.end and event.begin < other.end]
                assert len(both) <= 1
                matched += [(event, other) for other in both]
            alone += set(mine) - {event for event, _ in matched} | set(theirs) - {other for _, other in matched}
    assert len(matched) > 450
    assert len(alone) <= 0.015 * len(matched)
    assert all(event.end - event.begin < 17 * MINUTE_US for event in alone)
    begins, ends = (np.array([[event[at] for event in pair] for pair in matched]) for at in (0, 1))
    assert np.abs(begins[:, 0] - begins[:, 1]).max() < 5 * MINUTE_US
    assert np.abs(ends[:, 0] - ends[:, 1]).max() < 5 * MINUTE_US
    assert np.median(np.abs(ends[:, 0] - ends[:, 1])) < MINUTE_US


@needs_data
def test_episodes_of_the_rules_are_the_same_but_for_dips_of_one_reading():
    """A dip of four minutes or more is two readings of five minutes only where it is long enough: some low and high
    episodes more are level 1. Level 2 and silences are one for one.
    """
    for five, one in pairs():
        mine, theirs = ({(each.rule, each.level): each.count for each in of.episodes} for of in (five, one))
        assert mine.keys() == theirs.keys()
        for (rule, level), count in mine.items():
            more = theirs[rule, level] - count
            assert 0 <= more <= max(2, 0.1 * count) if level == 1 and rule != "signal" else more == 0


@needs_data
def test_scores_are_the_same_within_what_an_interval_is_worth():
    """A call at the last reading before a low is at least 5 min before it where readings come each five, a hit; each
    minute it may be 4, which is late. So recall is less, with late ones it is not; the lead is a minute less.
    """
    five, one = (scores(report.populations[0]) for report in reports())
    for alarm in ("predicted ar2", "predicted ar2-line"):
        mine, theirs = five["below 70", alarm], one["below 70", alarm]
        assert abs(mine.events - theirs.events) <= 2
        for name, most in (("recall", 0.06), ("recall_15", 0.03), ("precision", 0.04), ("near", 0.02)):
            assert getattr(theirs, name).value == pytest.approx(getattr(mine, name).value, abs=most), name
        assert theirs.false_per_day.value == pytest.approx(mine.false_per_day.value, rel=0.12)
        assert (mine.lead_median, theirs.lead_median) == (10, 9)
        assert theirs.told is not None
        assert mine.told is not None
        assert theirs.told >= mine.told
    rule, other = five["below 70", "rule low"], one["below 70", "rule low"]
    assert (rule.told, rule.told_after) == (1.0, 5.0)
    assert (other.told, other.told_after) == (1.0, 4.0)


def unsteady() -> Export:
    """Readings each 40 to 80 s, some lost: minutes with two of them and with none, falling below 70 again and again."""
    drawn = np.random.default_rng(4)
    at = T0 + np.cumsum(drawn.integers(40, 81, 3000)) * 1_000_000
    minutes = (at - T0) / MINUTE_US
    values = 5 + 1.8 * np.sin(minutes / 17) + 0.4 * np.sin(minutes / 5)
    kept = drawn.random(3000) > 0.02
    return parse("glucose-7.csv", file_of(zip(at[kept].tolist(), values[kept].tolist(), strict=True)))


@pytest.mark.parametrize("name", ["ar2", "ar2-line"])
def test_the_rule_finds_at_each_minute_what_the_forecast_alone_says_there(name: str):
    """The step that runs live makes the past from its ring, the table from the whole file: they must be one past."""
    export = unsteady()
    assert export.type.name == "t1d-uom-1min"
    rules = edited(DEFAULT, ["low_soon=on", "low_soon.limit=70", f"low_soon.forecast={name}"])
    rules = rules.model_copy(update={"version": 2})
    log = build("p7", [export], rules)
    trace, values = traced(log)
    least = dict(zip(trace.at.tolist(), lowest(foreseen(trace, values)[name][:, : len(HORIZON)]), strict=True))
    opened = [each for _, each in fold(log, rules).episodes if (each.rule, each.change) == ("low_soon", "open")]
    assert len(opened) > 15
    assert np.isfinite(list(least.values())).mean() > 0.6
    for each in opened:
        assert each.evidence is not None
        assert each.evidence.forecast == least[each.at]
