"""Beyond a limit for long, at every edge of RULES, *More rules for glucose*."""

from __future__ import annotations

import pytest

from stream.processor import Processor
from tests.logs import LATE, T0, episodes, row
from tests.sugar import Person, judged
from vitals.metrics import MINUTE_US


@pytest.mark.parametrize("every", [1, 5, 15])
def test_a_high_is_sustained_after_two_hours_of_it(every: int):
    """A span, not a count of readings: a sensor of one minute, of five and of fifteen tell at the same instant."""
    readings = [181.0] * (120 // every + 1)
    assert judged("high_sustained", readings, every=every) == ["120 open active"]
    assert judged("high_sustained", readings[:-1], every=every) == []
    assert judged("high_sustained", [180, *readings[1:]], every=every) == []


def test_a_prolonged_low_is_an_episode_beside_the_low():
    """Low called when it began; that it has lasted is said by an alert of its own, and ends nothing of the low."""
    person = Person("low_sustained=on")
    person.reads(0, [65] * 25 + [75, 75])
    assert person.said("low") == ["5 open active", "125 returning returning", "130 clear over"]
    assert person.said("low_sustained") == ["120 open active", "125 returning returning", "130 clear over"]
    (first, *_) = episodes(person.log.run(Processor(0, 1)), "low_sustained")
    assert (first.since, first.value, first.limit, first.priority) == (T0, 65, 70, "medium")


def test_a_gap_or_a_good_reading_begins_the_run_anew():
    """Nobody knows what lay in a hole of more than G, and one reading within the limit is the end of a run."""
    person = Person("high_sustained=on")
    at = person.reads(0, [200] * 24)
    person.reads(at + 10, [200] * 2)
    assert person.said("high_sustained") == [], "a step of 15 min"
    assert judged("high_sustained", [200] * 24 + [180] + [200] * 5) == []


def test_a_run_that_is_longer_than_the_ring_is_remembered():
    """The ring holds three hours; a rule may ask for twelve."""
    readings = [200] * 73
    assert judged("high_sustained", readings, "high_sustained.for=360") == ["360 open active"]
    broken = [*readings[:20], 170, *readings[21:]]
    assert judged("high_sustained", [*broken, *[200] * 20], "high_sustained.for=360") == []
    assert judged("high_sustained", [*broken, *[200] * 21], "high_sustained.for=360") == ["465 open active"]


def test_what_comes_late_joins_a_run_as_far_back_as_the_ring():
    """A good reading of two hours ago that arrives now breaks the run; one of before the ring changes it no more."""
    for back, told in ((100, []), (200, ["240 open active"])):
        person = Person("high_sustained=on", "high_sustained.for=240")
        at = person.reads(0, [200] * 47)
        late = row("ann", 100, T0 + round((at - back - 2) * MINUTE_US), received=T0 + round(at * MINUTE_US), flags=LATE)
        person.log.readings(late)
        person.reads(at, [200] * 2)
        assert person.said("high_sustained") == told


def test_a_sustained_high_ends_as_a_high_does():
    """Quickly at the off limit, slowly just within the limit; beyond again before that is the same episode."""
    high = [200] * 25
    assert judged("high_sustained", [*high, 170, 170])[1:] == ["125 returning returning", "130 clear over"]
    assert judged("high_sustained", [*high, 180, 180, 180, 180])[1:] == ["125 returning returning", "140 clear over"]
    assert judged("high_sustained", [*high, 180, 181])[1:] == ["125 returning returning", "130 active active"]


def test_another_limit_sees_what_the_ring_holds_and_no_more():
    """A run of another limit says nothing about this one."""
    person = Person("high_sustained=on", "high_sustained.for=240")
    at = person.reads(0, [200] * 40)
    person.rules("high_sustained.limit=190")
    at = person.reads(at, [200] * 13)
    assert person.said("high_sustained") == []
    person.reads(at, [200])
    assert person.said("high_sustained") == ["265 open active"], "the ring began at 25 when the rule was changed"


def test_another_span_keeps_the_run():
    """Only how long is long enough has changed."""
    person = Person("high_sustained=on", "high_sustained.for=600")
    at = person.reads(0, [200] * 50)
    person.rules("high_sustained.for=240")
    person.reads(at, [200])
    assert person.said("high_sustained") == ["250 open active"]
    (first,) = episodes(person.log.run(Processor(0, 1)), "high_sustained")
    assert first.since == T0
