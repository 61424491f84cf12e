"""What happens to every episode of a rule that judges glucose: no data, other rules, devices and sites that go."""

from __future__ import annotations

from datetime import UTC

import pytest

from alerts.why import why
from stream.processor import Processor
from tests.alerting import Journal
from tests.logs import T0, episodes, worn
from tests.sugar import KINDS, Person
from vitals.codecs.state import decode, encode
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT, Policy

RULES = {
    "high_sustained": [200.0] * 25,
    "glucose_falling": [148.0, 132.0, 116.0],
    "low_soon": [120.0, 100.0, 80.0],
}
"""Readings after which an episode of a rule is open."""


@pytest.mark.parametrize(
    ("rule", "count", "slope", "forecast", "words"),
    [
        ("high_sustained", 25, None, None, "above 180: 200 at "),
        ("glucose_falling", 3, -3.2, None, "falling 3.2 mg/dL/min below 150: 148 at "),
        ("low_soon", 3, None, 54, "forecast 54, below 55: 120 at "),
    ],
)
def test_an_opening_says_why(rule: str, count: int, slope: float | None, forecast: float | None, words: str):
    """The run, the readings that a slope is made from, or what was forecast from them; and nothing after that."""
    person = Person(f"{rule}=on")
    person.reads(0, [*RULES[rule], 300])
    first, *others = episodes(person.log.run(Processor(0, 1)), rule)
    assert first.evidence is not None
    assert (first.evidence.count, first.evidence.slope, first.evidence.forecast) == (count, slope, forecast)
    assert [millis for _, millis in first.evidence.readings] == [1000 * each for each in RULES[rule][-12:]]
    assert all(each.evidence is None for each in others)
    said = why(Journal().alert(first), UTC)
    assert said.startswith(words)
    assert said.endswith(f"; rule {rule}, policy version 1")


@pytest.mark.parametrize("rule", RULES)
def test_an_episode_without_data_is_unknown_and_known_again(rule: str):
    """Nothing clears while nobody knows."""
    person = Person(f"{rule}=on")
    at = person.reads(0, RULES[rule])
    person.log.tick(T0 + round((at + 5) * MINUTE_US))
    person.log.tick(T0 + round((at + 6) * MINUTE_US))
    assert person.said(rule)[1:] == [f"{at + 6:g} unknown unknown no data"]
    person.reads(at + 30, RULES[rule][-3:])
    assert person.said(rule)[2].split()[1:] == ["known", "active"]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_is_dropped_ends_with_the_next_reading(rule: str):
    """The change itself says nothing; the next reading does, judged or not."""
    person = Person(f"{rule}=on")
    at = person.reads(0, RULES[rule])
    person.rules(f"{rule}=off")
    person.log.tick(T0 + round((at - 1) * MINUTE_US))
    assert len(person.said(rule)) == 1
    person.reads(at, [RULES[rule][-1]])
    assert person.said(rule)[1:] == [f"{at:g} clear over"]


@pytest.mark.parametrize("rule", RULES)
def test_a_removed_device_leaves_it_unknown_until_somebody_closes_it(rule: str):
    """As every episode that waits for a device."""
    person = Person(f"{rule}=on")
    at = person.reads(0, RULES[rule])
    off = worn("ann", "cgm-1", KINDS[5], T0 - 600 * MINUTE_US, T0 + round((at - 2) * MINUTE_US))
    person.log.patient("ann", off, version=2, policy=person.policy)
    person.log.patient("ann", off, version=3, policy=person.policy, closings=1)
    told = [each.split(maxsplit=1)[1] for each in person.said(rule)[1:]]
    assert told == ["unknown unknown device removed", "clear over closed"]


@pytest.mark.parametrize("rule", RULES)
def test_a_silent_site_makes_it_unknown_and_its_return_known(rule: str):
    """By the last judged reading, as it was judged."""
    person = Person(f"{rule}=on")
    person.log.site(2, "ward-b")
    at = person.reads(0, RULES[rule]) - 5
    for second in range(0, 30, 2):
        person.log.tick(T0 + round(at * MINUTE_US) + second * 1_000_000, (2,))
    person.log.tick(T0 + round((at + 1) * MINUTE_US), (1, 2))
    told = [each.split(maxsplit=1)[1] for each in person.said(rule)[1:]]
    assert told == ["unknown unknown site silent", "known active"]


@pytest.mark.parametrize("rule", RULES)
def test_a_priority_that_a_policy_changes_is_shown_from_the_next_change_on(rule: str):
    """The change calls nobody, and what is told next is true."""
    person = Person(f"{rule}=on", f"{rule}.priority=low", f"{rule}.lead=none", f"{rule}.repeat=none")
    at = person.reads(0, RULES[rule])
    person.rules(f"{rule}.priority=medium", f"{rule}.repeat=20")
    person.log.tick(T0 + round((at + 6) * MINUTE_US))
    found = episodes(person.log.run(Processor(0, 1)), rule)
    assert [(each.change, each.priority, each.policy) for each in found] == [
        ("open", "low", 1),
        ("unknown", "medium", 2),
    ]


def test_silence_is_never_below_what_is_open():
    """A forecast is medium: silence after it is as loud."""
    person = Person("low_soon=on")
    at = person.reads(0, RULES["low_soon"])
    person.log.tick(T0 + round((at + 20) * MINUTE_US))
    found = episodes(person.log.run(Processor(0, 1)), "signal")
    assert (found[-1].change, found[-1].priority) == ("open", "medium")


def test_a_snapshot_between_any_two_records_changes_nothing():
    """Runs, what is open and why it is unknown are in it, whoever takes it."""
    person = Person(*(f"{rule}=on" for rule in RULES), "low_sustained=on", "low_sustained.for=15")
    at = person.reads(0, [148, 120, 95, 75, 68, 66, 66, 66, 66, 66])
    person.log.tick(T0 + round((at + 12) * MINUTE_US))
    at = person.reads(at + 20, [66, 80, 96, 113])
    person.rules("low_soon=off", "glucose_falling=off")
    person.reads(at, [200] * 30)
    whole = person.log.run(Processor(0, 1))
    assert {each.rule for each in episodes(whole)} >= {"low_soon", "low_sustained", "high_sustained", "glucose_falling"}
    for cut in range(1, len(person.log.keys), 3):
        first, second = Processor(0, 1), Processor(0, 1)
        before = person.log.run(first, last=cut)
        second.restore(decode(b"".join(encode(first.state()))))
        assert before + person.log.run(second, first=cut) == whole


def test_default_policies_have_none_of_them():
    """Nobody is called by a rule that nobody asked for."""
    assert Policy.model_validate_json(DEFAULT.model_dump_json(exclude={"sustained", "rates", "forecasts"})) == DEFAULT
    assert (DEFAULT.sustained, DEFAULT.rates, DEFAULT.forecasts) == ((), (), ())


def test_a_night_has_a_limit_of_its_own():
    """By night somebody sleeps, and may be told of a 70 that by day is no matter."""
    midnight = -(-T0 // (24 * 60 * MINUTE_US)) * 24 * 60
    begins = midnight - T0 // MINUTE_US
    night = ["night=00:00-06:00", "zone=Etc/UTC", "night.low_soon.limit=70"]
    for rules, told in (([], []), (night, [f"{begins + 5} open active"])):
        person = Person("low_soon=on", *rules)
        person.log.tick(T0 + (begins - 30) * MINUTE_US)
        person.reads(begins - 25, [130, 125, 120, 115, 105, 92, 78])
        assert person.said("low_soon") == told
