"""Policies changed, read from files and put into words: what the command line shows is what the registry gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vitals.bounds import violation
from vitals.errors import InputError
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT, HIGH, LOW, Policy
from vitals.policy_edits import edited
from vitals.policy_files import parse
from vitals.policy_text import OFF, Difference, differences, facts, table
from vitals.policy_words import RULE


def changed(*changes: str) -> list[Difference]:
    return differences(DEFAULT, edited(DEFAULT, changes))


def test_a_limit_takes_along_what_ends_the_alert():
    """Else a low that opens below 65 would end above 75 only, or a high of 280 never."""
    assert changed("low.1.limit=65", "high.1.limit=280") == [
        ("low 1", "limit", "< 70 mg/dL", "< 65 mg/dL"),
        ("low 1", "off", ">= 75 for 4 min or >= 70 for 15 min", ">= 70 for 4 min or >= 65 for 15 min"),
        ("high 1", "limit", "> 250 mg/dL", "> 280 mg/dL"),
        ("high 1", "off", "<= 240 for 4 min or <= 250 for 15 min", "<= 270 for 4 min or <= 280 for 15 min"),
    ]


def test_each_thing_can_be_changed_by_its_name():
    """What a page of options would be is one form: rule, what of it, value."""
    assert changed("heart_rate_extreme.below=30", "heart_rate_high.above=120", "heart_rate_low.at_most=45") == [
        ("heart_rate_high", "limit", "> 130 /min", "> 120 /min"),
        ("heart_rate_high", "off", "<= 127", "<= 117"),
        ("heart_rate_low", "limit", "<= 40 /min", "<= 45 /min"),
        ("heart_rate_low", "off", ">= 43", ">= 48"),
        ("heart_rate_extreme", "limit", "> 150 or < 35 /min", "> 150 or < 30 /min"),
        ("heart_rate_extreme", "off", "<= 147 and >= 38", "<= 147 and >= 33"),
    ]
    assert changed(
        "high.2.repeat=20", "high.2.lead = none", "low.1.for=10", "low.1.priority=high", "signal.glucose.hold=30"
    ) == [
        ("low 1", "for", "4 min", "10 min"),
        ("low 1", "priority", "medium", "high"),
        ("high 2", "repeat", "30 min", "20 min"),
        ("high 2", "lead", "30 min", "-"),
        ("signal glucose", "hold", "60 min", "30 min"),
    ]


def test_a_rule_goes_and_comes_back_as_the_default_has_it():
    """A rule that is off is one line of the difference, not ten."""
    without = edited(DEFAULT, ["high=off", "signal.heart_rate=off", "heart_rate_low=off"])
    assert differences(DEFAULT, without) == [
        ("high 1", RULE, "on", OFF),
        ("high 2", RULE, "on", OFF),
        ("heart_rate_low", RULE, "on", OFF),
        ("signal heart_rate", RULE, "on", OFF),
    ]
    assert edited(without, ["high=on", "signal.heart_rate=on", "heart_rate_low=on"]) == DEFAULT
    own = edited(DEFAULT, ["high.1.limit=300"])
    assert edited(own, ["high=on"]) == own


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("low", "a change that is not understood: low (write it like"),
        ("low.1.limit=", "a change that is not understood"),
        ("low.1.limit=sixty", "no number: low.1.limit=sixty"),
        ("low.1.limit=nan", "no number"),
        ("low.1.for=-1", "no number of minutes: low.1.for=-1"),
        ("low.1.for=1e300", "no number of minutes"),
        ("low.3.limit=60", "a change of nothing that a policy has: low.3.limit=60 (low.1 and low.2 have limit, for"),
        ("low.1.colour=red", "(low.1 and low.2 have limit, for, priority, repeat, hold, lead, all, prolonged)"),
        (
            "heart_rate_low.above=100",
            "(heart_rate_low has at_most, steps, artefact, priority, repeat, hold, lead, all)",
        ),
        ("signal.glucose.limit=1", "(signal.glucose has medium_after, hold)"),
        ("lov.1.limit=60", "(rules are low, high, heart_rate_high"),
        ("low.1.priority=urgent", "no priority: low.1.priority=urgent (one of low, medium, high)"),
        ("low.1.hold=none", "an acknowledgement holds for a time"),
        ("high=maybe", "a rule is on or off: high=maybe"),
        ("heart_rate_extreme.above=140", "rule heart_rate_extreme is off: heart_rate_extreme.above=140 (switch it on"),
        ("high.1.limit=300", "rule high is off"),
        ("signal.glucose.hold=5", "rule signal.glucose is off"),
    ],
)
def test_a_change_that_is_not_understood_says_what_would_be(change: str, told: str):
    """Nobody reads a manual at a bedside: the line says the form, or what there is."""
    policy = DEFAULT
    if "is off" in told:
        policy = Policy(version=1, thresholds=(LOW,), signals=())
    with pytest.raises(InputError) as raised:
        edited(policy, [change])
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values in a policy's JSON, its version apart."""
    if isinstance(value, dict):
        return [leaf for name, each in value.items() for leaf in leaves(each, (*place, name)) if leaf != ("version",)]
    if isinstance(value, list):
        return [leaf for at, each in enumerate(value) for leaf in leaves(each, (*place, at))]
    return [place]


@pytest.mark.parametrize("place", leaves(json.loads(DEFAULT.model_dump_json())), ids=str)
def test_no_number_of_a_policy_is_missing_from_its_words(place: tuple[Any, ...]):
    """A change that the difference does not show is one that nobody agreed to."""
    after = json.loads(DEFAULT.model_dump_json())
    inner = after
    for step in place[:-1]:
        inner = inner[step]
    value = inner[place[-1]]
    if place[-1] in {"name", "metric", "side", "number", "night"} or (value is None and place[0] == "windows"):
        return  # what a rule is called or is about: the bounds let nothing else through
    if isinstance(value, str):
        inner[place[-1]] = "high" if value != "high" else "low"
    else:
        inner[place[-1]] = 7 if value is None else value + 1
    assert facts(Policy.model_validate(after)) != facts(DEFAULT)


def test_the_table_marks_what_is_ones_own_and_lists_what_is_off():
    """Who takes over a patient must see at a glance that these rules are not everybody's."""
    lines = table(edited(DEFAULT, ["low.1.limit=65", "high=off"]), DEFAULT)
    assert [line[:8] for line in lines if line.startswith("*")] == ["* low 1 ", "* high 1", "* high 2"]
    assert "limit < 65 mg/dL, for 4 min" in lines[0]
    assert lines[2].split() == ["*", "high", "1", "off"]
    assert not any(line.startswith("*") for line in table(DEFAULT, DEFAULT))


def test_what_show_prints_is_a_file_that_set_takes():
    """To change much one edits the file; it must come back as it went, whatever its version."""
    assert parse(DEFAULT.model_dump_json(indent=2), "mine.json") == DEFAULT
    bare = json.loads(DEFAULT.model_dump_json())
    del bare["version"]
    assert parse(json.dumps(bare), "mine.json") == DEFAULT


def spoilt(change: str) -> str:
    given = json.loads(DEFAULT.model_dump_json())
    low, high = given["thresholds"]
    match change:
        case "slip":
            high["levels"][1]["limmit"] = 300
        case "text":
            low["levels"][0]["limit"] = "70"
        case "half":
            low["levels"][0]["on_span_us"] = 0.5
        case "levels":
            low["levels"].pop()
        case "side":
            low["side"] = "below"
        case "missing":
            del low["levels"][0]["priority"]
    return json.dumps(given)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "no JSON: mine.json line 1 column 2 (vigil policy show --json prints one to begin with)"),
        ("[" * 100_000, "no JSON: mine.json"),
        ("[]", "no policy: mine.json is not a JSON object"),
        ("{}", "no policy: mine.json: thresholds Field required"),
        (spoilt("slip"), "no policy: mine.json: thresholds.1.levels.1.limmit is no part of one"),
        (spoilt("text"), "no policy: mine.json: thresholds.0.levels.0.limit Input should be a valid number"),
        (spoilt("half"), "no policy: mine.json: thresholds.0.levels.0.on_span_us Input should be a valid integer"),
        (spoilt("levels"), "no policy: mine.json: thresholds.0.levels.1 Field required"),
        (spoilt("side"), "no policy: mine.json: thresholds.0.side Input should be 'low' or 'high'"),
        (spoilt("missing"), "no policy: mine.json: thresholds.0.levels.0.priority Field required"),
    ],
)
def test_a_file_that_is_no_policy_is_refused_with_its_place(text: str, told: str):
    """A name with a slip in it would otherwise be a limit that nobody set, and nobody would hear of it."""
    with pytest.raises(InputError) as raised:
        parse(text, "mine.json")
    assert str(raised.value).startswith(told)
    assert "\n" not in str(raised.value)


def test_the_examples_of_the_help_are_within_the_bounds():
    """The first thing that one tries must work."""
    assert violation(edited(DEFAULT, ["low.1.limit=65", "high.1.limit=280"])) is None
    assert violation(edited(DEFAULT, ["high.2.repeat=20", "heart_rate_low=off", "high.2.lead=none"])) is None
    assert HIGH.levels[1].response.lead_us == 30 * MINUTE_US


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("low.1.limit=6_5", "no number: "),
        ("low.1.limit=٦٥", "no number: "),
        ("low.1.hold=6_0", "no number of minutes: "),
        ("heart_rate_high.steps=1_0", "no number: "),
        ("high.=off", "a change that is not understood: high.=off"),
    ],
)
def test_what_is_a_slip_is_no_number_and_no_rule(change: str, says: str):
    """``6_5`` was 65, and ``high.$WHAT=off`` with nothing in WHAT took the rule away."""
    with pytest.raises(InputError, match=says):
        edited(DEFAULT, [change])
