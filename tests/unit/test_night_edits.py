"""A policy's night as people set it: hours, zone, other numbers, bounds and words; what the day's changes do to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from stream.processor import Processor
from tests.logs import Log
from vitals.bounds import violation
from vitals.errors import InputError
from vitals.nights import in_force
from vitals.policies import DEFAULT, Level, Night, Policy, UsualRate
from vitals.policy_edits import edited
from vitals.policy_files import parse
from vitals.policy_text import DAY, differences, table

HOURS = ("zone=Europe/Berlin", "night=22:00-07:00")


def nightly(*changes: str) -> Policy:
    return edited(DEFAULT, [*HOURS, *changes])


def low(policy: Policy, number: int = 1, *, night: bool = True) -> Level:
    return next(each for each in in_force(policy, night=night).thresholds if each.name == "low").levels[number - 1]


def test_a_night_has_other_numbers_of_the_same_rules():
    """A limit that is lower by night takes along what ends the alert, as by day; the day stays what it was."""
    policy = nightly("night.low.1.limit=65", "night.signal.glucose.medium_after=120", "night.heart_rate_high.above=120")
    assert violation(policy) is None
    assert (low(policy).limit, low(policy).quick_limit, low(policy, night=False).limit) == (65, 70, 70)
    assert in_force(policy, night=False) == DEFAULT
    by_night = in_force(policy, night=True)
    assert by_night.thresholds[1] == DEFAULT.thresholds[1]
    assert [rule.on_above for rule in by_night.windows] == [120, None, 150]
    assert [rule.medium_after_us // 60_000_000 for rule in by_night.signals] == [120, 60]


def test_hours_and_numbers_may_be_said_in_any_order():
    """A command line is a list of wishes, not a program."""
    assert edited(DEFAULT, ["night.low.1.limit=65", *HOURS[::-1]]) == nightly("night.low.1.limit=65")


def test_what_is_as_by_day_follows_the_day():
    """Who makes all lows urgent for longer means the nights too; the night's own limit stays the night's."""
    policy = edited(nightly("night.low.1.limit=65"), ["low.1.limit=75", "low.2.limit=56", "low.1.repeat=10"])
    assert (low(policy).limit, low(policy, 2).limit, low(policy).response.repeat_us) == (65, 56, 600_000_000)
    assert low(policy, night=False).limit == 75


def test_a_number_set_back_or_a_rule_said_to_be_as_by_day_is_none_of_the_night():
    """Else the next change of the day would not reach a night that looks the same."""
    for undone in ("night.low.1.limit=70", "night.low=day"):
        policy = edited(nightly("night.low.1.limit=65"), [undone])
        assert policy == nightly()
        assert low(edited(policy, ["low.1.limit=80"])).limit == 80


def test_a_rule_that_is_off_is_off_by_night():
    """A night has no rules of its own."""
    policy = edited(nightly("night.high.1.limit=300"), ["high=off"])
    assert policy.night is not None
    assert policy.night.thresholds == ()
    with pytest.raises(InputError, match="rule high is off"):
        edited(policy, ["night.high.1.limit=300"])
    assert edited(policy, ["night=off", "high=on"]) == DEFAULT


def test_a_number_by_day_that_no_message_can_carry_is_still_judged():
    """Where the rule has numbers of its own by night, they follow the day's; what no rule can have is not for them."""
    nights = nightly("night.low.1.limit=65")
    after = edited(nights, ["low.2.limit=2000000"])
    assert after.night == nights.night
    assert violation(after) == "low 2 limit is 2e+06: give 50 to 70 mg/dL, a whole number"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["night=22:00-07:00"], "half a night: night=22:00-07:00 (say both: night=22:00-07:00 and zone="),
        (["zone=Europe/Berlin"], "half a night: zone=Europe/Berlin"),
        (["zone=Mars/Base", "night=22:00-07:00"], "no time zone: zone=Mars/Base (give its IANA name"),
        (["zone=../../etc/passwd", "night=22:00-07:00"], "no time zone"),
        (["zone=Europe/Berlin", "night=22:00"], "no hours of a night: night=22:00 (write them like night=22:00-07:00"),
        (["zone=Europe/Berlin", "night=22:00-24:00"], "no hours of a night"),
        (["zone=Europe/Berlin", "night=2\u0662:00-07:00"], "no hours of a night"),
        (["night.low.1.limit=65"], "there is no night: night.low.1.limit=65 (say both"),
        ([*HOURS, "night.low=off"], "a night has other numbers, not other rules: night.low=off (night.low=day"),
        ([*HOURS, "night.low.3.limit=65"], "a change of nothing that a policy has: night.low.3.limit=65"),
        ([*HOURS, "night.lov.1.limit=65"], "a change of nothing that a policy has"),
    ],
)
def test_a_night_that_is_not_understood_is_refused_in_one_line(changes: list[str], told: str):
    """It says what to write instead."""
    with pytest.raises(InputError) as raised:
        edited(DEFAULT, changes)
    assert str(raised.value).startswith(told)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (nightly("night.low.2.limit=45"), "by night: low 2 limit is 45: give 50 to 70 mg/dL, a whole number"),
        (nightly("night.low.2.priority=medium"), "by night: low 2 priority is medium: give high"),
        (nightly("night.low.2.repeat=none"), "by night: low 2 repeat_us is missing"),
        (nightly("night.low.2.limit=70"), "by night: low 2 limit is 70: give one below the limit of low 1, 70"),
        (nightly("night=07:00-07:00"), "by night: it begins and ends at 07:00: give two times"),
        (nightly().model_copy(update={"thresholds": DEFAULT.thresholds[:1],
            "night": nightly("night.high.1.limit=300").night}), "by night: rule high is off by day"),
    ],
)  # fmt: skip
def test_a_night_keeps_the_bounds_of_the_day(policy: Policy, told: str):
    """An urgent low is urgent while everybody sleeps, all the more."""
    assert (violation(policy) or "").startswith(told)


def test_the_times_of_a_night_are_written_in_ascii_digits():
    """Other digits are digits to a pattern, and no time to a clock: such a control record would stop every processor
    that reads it, for ever.
    """
    night = {"zone": "Etc/UTC", "begins": "2\u0662:00", "ends": "07:00"}
    with pytest.raises(ValidationError, match="begins"):
        Night.model_validate(night)
    with pytest.raises(ValidationError, match="ends"):
        UsualRate.model_validate({"above": 30, "ends": "07:0\u0663"})
    log = Log()
    log.patient("ann", policy=edited(DEFAULT, HOURS))
    log.values[-1] = log.values[-1].replace(b"22:00", "2\u0662:00".encode())
    step = Processor(0, 1)
    assert log.run(step) == []
    assert step.counters.broken == 1


def test_a_zone_that_nobody_knows_is_refused_by_the_registry_too():
    """A file, or another program, may ask for anything; in force it would have no night at all."""
    given = json.loads(nightly().model_dump_json())
    given["night"]["zone"] = "Mars/Base"
    assert violation(parse(json.dumps(given), "mine.json")) == (
        "by night: zone 'Mars/Base' is unknown: give an IANA name, as Europe/Berlin"
    )
    given["night"]["begins"] = "25:00"
    with pytest.raises(InputError, match=r"night\.begins String should match pattern"):
        parse(json.dumps(given), "mine.json")


@pytest.mark.parametrize(
    ("day", "night", "told"),
    [
        ("heart_rate_high.artefact=0.5", "night.heart_rate_high.artefact=none", "held in artefact"),
        ("heart_rate_high.steps=5", "night.heart_rate_high.steps=none", "at rest"),
    ],
)
def test_what_a_rule_asks_for_by_day_alone_is_a_difference_too(day: str, night: str, told: str):
    """What looks like no change is not sent: a hold that nobody wanted at night would stay, and "nothing changes" say
    that it had gone.
    """
    before = nightly(day)
    after = edited(before, [night])
    assert differences(before, after) == [("night heart_rate_high", told, DAY, "none")]
    assert table(after, DEFAULT)[-1] == f"* night heart_rate_high {told} none"


def test_every_number_of_a_policy_that_somebody_may_change_is_a_difference():
    """Else it could be set in a file, and no command would send it."""
    names = (
        "low_sustained",
        "glucose_falling",
        "low_soon",
        "heart_rate_rest",
        "heart_rate_usual",
        "heart_rate_glucose",
    )
    day = [f"{name}=on" for name in names]
    own = ["night.low.1.repeat=12", "night.heart_rate_glucose.hold=30", "night.low_soon.repeat=12"]
    policy = nightly(*day, "low.1.prolonged=60", "heart_rate_rest.artefact=0.5", *own)
    given = json.loads(policy.model_dump_json())
    changed = 0
    for other in _changes(given):
        try:
            after = Policy.model_validate(other)
        except ValidationError:
            continue
        same = after.model_copy(update={"version": policy.version}) == policy
        if not same and violation(after) is None:
            assert differences(policy, after), other
            changed += 1
    assert changed > 50


def _changes(given: Any) -> Iterator[Any]:
    """What is given with another value in one place, or one that is somewhat more or less."""
    if not isinstance(given, dict | list):
        yield from (None, "low")
        if isinstance(given, int | float):
            yield from (given + 1, given + 60_000_000)
        return
    places = given.items() if isinstance(given, dict) else enumerate(given)
    for place, value in list(places):
        for other in _changes(value):
            yield {**given, place: other} if isinstance(given, dict) else [*given[:place], other, *given[place + 1 :]]


def test_the_difference_shows_the_night_and_nothing_twice():
    """What a night takes over from the day is no change of the night's; hours and own numbers are."""
    policy = nightly("night.low.1.limit=65")
    assert differences(DEFAULT, policy) == [
        ("night", "hours", DAY, "22:00 to 07:00"),
        ("night", "zone", DAY, "Europe/Berlin"),
        ("night low 1", "limit", DAY, "< 65 mg/dL"),
        ("night low 1", "off", DAY, ">= 70 for 4 min or >= 65 for 15 min"),
    ]
    assert differences(policy, edited(policy, ["low.2.repeat=4"])) == [("low 2", "repeat", "5 min", "4 min")]
    assert differences(policy, edited(policy, ["night=off"]))[0] == ("night", "hours", "22:00 to 07:00", DAY)


def test_the_table_tells_both_parts():
    """Who takes over at 21:55 must see what will hold in five minutes."""
    lines = table(nightly("night.low.1.limit=65"), DEFAULT)
    assert [line for line in lines if line.startswith("*")] == [
        "* night               hours 22:00 to 07:00, zone Europe/Berlin",
        "* night low 1         limit < 65 mg/dL, off >= 70 for 4 min or >= 65 for 15 min",
    ]


def test_a_policy_with_a_night_is_a_file_that_comes_back():
    """And one of before there were nights is read as before."""
    policy = nightly("night.low.1.limit=65")
    assert parse(policy.model_dump_json(), "mine.json") == policy
    old = json.loads(DEFAULT.model_dump_json())
    del old["night"]
    assert Policy.model_validate_json(json.dumps(old)) == DEFAULT
