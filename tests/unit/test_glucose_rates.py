"""Falling and rising fast, at every edge of RULES, *More rules for glucose*."""

from __future__ import annotations

from stream.processor import Processor
from tests.logs import T0, episodes, worn
from tests.sugar import KINDS, Person, judged
from vitals.metrics import MINUTE_US


def test_a_fall_is_told_by_its_third_reading():
    """Three points and ten minutes: no slope is known before, and 3.2 is faster than 3."""
    assert judged("glucose_falling", [148, 132, 116]) == ["10 open active"]
    assert judged("glucose_falling", [148, 133, 118]) == [], "exactly 3 is not faster than 3"
    person = Person("glucose_falling=on")
    person.reads(0, [148, 132, 116])
    (first,) = episodes(person.log.run(Processor(0, 1)), "glucose_falling")
    assert (first.value, first.limit, first.since) == (116, 150, T0 + 10 * MINUTE_US)


def test_a_rate_counts_on_its_side_of_the_gate_only():
    """A fall from 300 is what insulin is for; below 150 it may end in a low."""
    assert judged("glucose_falling", [200, 182, 164, 150]) == []
    assert judged("glucose_falling", [200, 182, 164, 149]) == ["15 open active"]
    assert judged("glucose_rising", [80, 98, 116, 130]) == []
    assert judged("glucose_rising", [80, 98, 116, 131]) == ["15 open active"]


def test_a_rate_ends_when_it_is_slow_enough():
    """At 3 it is not faster and not over; at 2 it is over, and so it is on the far side of the gate."""
    fall = [148, 132, 116]
    assert judged("glucose_falling", [*fall, 103])[1:] == ["15 returning returning"], "132, 116, 103: 2.9"
    assert judged("glucose_falling", [*fall, 112])[1:] == ["15 clear over"], "132, 116, 112: 2"
    assert judged("glucose_falling", [*fall, 103, 87])[1:] == ["15 returning returning"], "116, 103, 87: 2.9 again"
    for value, told in ((159, "15 returning returning"), (160, "15 clear over")):
        far = judged("glucose_falling", [190, 170, 149, value], "glucose_falling.rate=1")
        assert far == ["10 open active", told]


def test_a_rate_ends_after_fifteen_minutes_of_not_being_faster():
    """Just below the limit for ever is no fall that anybody should still be told of."""
    fall = [149, 133, 117, 103, 90, 77, 64]
    assert judged("glucose_falling", fall[:-1]) == ["10 open active", "15 returning returning"]
    assert judged("glucose_falling", fall) == ["10 open active", "15 returning returning", "30 clear over"]
    fast = [149, 133, 117, 103, 86, 70, 57, 44]
    assert judged("glucose_falling", fast)[1:] == [
        "15 returning returning",
        "20 active active",
        "30 returning returning",
    ]


def test_no_body_falls_by_more_than_ten():
    """A sensor pressed on at night, or two sensors: that reading is not judged, and the episode waits."""
    assert judged("glucose_falling", [149, 90, 40]) == []
    assert judged("glucose_falling", [149, 99, 49.0]) == ["10 open active"], "exactly 10 is plausible"
    assert judged("glucose_falling", [148, 132, 116, 40]) == ["10 open active"]


def test_an_unknown_slope_keeps_nothing_known():
    """After a hole three readings are needed again; by G without one that could be judged it is unknown."""
    person = Person("glucose_falling=on")
    at = person.reads(0, [148, 132, 116])
    person.log.tick(T0 + 20 * MINUTE_US)
    person.reads(at + 10, [100, 84])
    assert person.said("glucose_falling") == ["10 open active", "21 unknown unknown no data"]
    person.reads(at + 20, [68])
    assert person.said("glucose_falling")[-1] == "35 known active"


def test_a_slow_sensor_is_judged_over_three_intervals():
    """Fifteen minutes of a fifteen-minute sensor hold one point."""
    assert judged("glucose_falling", [240, 190, 140], every=15) == ["30 open active"]
    assert judged("glucose_falling", [240, 196, 149], every=15) == ["30 open active"], "3.03"
    assert judged("glucose_falling", [240, 196, 150], every=15) == []


def test_another_sensor_begins_a_new_slope():
    """Two sensors differ by 20 mg/dL on one arm; that is no fall."""
    person = Person("glucose_falling=on")
    at = person.reads(0, [148, 140, 132])
    person.worn = worn("ann", "cgm-2", KINDS[5], T0 + 12 * MINUTE_US)
    person.rules()
    at = person.reads(at, [100, 99])
    assert person.said("glucose_falling") == []
    person.reads(at, [98])
    assert person.said("glucose_falling") == []
