"""A policy as a file is read strictly: what a person wrote and nobody read would be a limit that nobody set."""

from __future__ import annotations

import json

import pytest

from vitals.errors import InputError
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT
from vitals.policy_edits import edited
from vitals.policy_files import parse


def text(**changes: object) -> str:
    return json.dumps(DEFAULT.model_dump(mode="json") | changes)


def test_the_default_policy_is_read_as_it_was_written():
    """One begins with what is in force."""
    assert parse(text(), "mine.json") == DEFAULT


def test_a_version_may_be_left_out():
    """The registry numbers them."""
    given = json.loads(text())
    del given["version"]
    assert parse(json.dumps(given), "mine.json").version == 1


@pytest.mark.parametrize(
    "wrong",
    ["", "{", "[]", "null", text(version=0), text(tresholds=[]), text(thresholds=[{"name": "low"}]), "[" * 100_000],
)
def test_what_is_no_policy_is_named_in_one_line(wrong: str):
    """With the file's name, so that one knows which of two it was."""
    with pytest.raises(InputError) as error:
        parse(wrong, "mine.json")
    assert "mine.json" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("place", "minutes", "told"),
    [
        (("forecasts", 0, "horizon_us"), 1, "forecasts.0.horizon_us is 1 min: give at least 5 min (µs in a file)"),
        (("forecasts", 0, "horizon_us"), 1500, "forecasts.0.horizon_us is 1500 min: docs/rules.md says what may"),
        (
            ("windows", 1, "width_us"),
            90,
            "windows.1.width_us is 90 min: docs/rules.md says what may be given (µs in a file)",
        ),
        (("windows", 1, "width_us"), -2.5, "windows.1.width_us is -2.5 min: give at least 0 min (µs in a file)"),
        (
            ("signals", 0, "hold_us"),
            10**400,
            "signals.0.hold_us is inf min: docs/rules.md says what may be given (µs in a file)",
        ),
    ],
)
def test_a_time_that_no_policy_can_have_is_told_in_minutes(place: tuple[str, int, str], minutes: float, told: str):
    """So are those that the bounds refuse and those that are shown; nobody counts the noughts of a minute in µs."""
    given = json.loads(edited(DEFAULT, ["low_soon=on"]).model_dump_json())
    kind, number, name = place
    given[kind][number][name] = int(minutes * MINUTE_US)
    with pytest.raises(InputError) as error:
        parse(json.dumps(given), "mine.json")
    assert str(error.value).startswith(f"no policy: mine.json: {told}")


def test_what_is_no_time_is_told_as_it_was():
    """A time that is no whole number, and a number that is no time."""
    given = json.loads(text())
    given["windows"][0]["width_us"] = 0.5
    with pytest.raises(InputError, match="width_us Input should be a valid integer"):
        parse(json.dumps(given), "mine.json")
    with pytest.raises(InputError, match="version Input should be greater than or equal to 1"):
        parse(text(version=0), "mine.json")


def test_a_slip_in_the_name_of_a_number_is_found():
    """``limt: 80`` beside ``limit: 70`` would leave 70 in force."""
    given = json.loads(text())
    given["thresholds"][0]["levels"][0]["limt"] = 80
    with pytest.raises(InputError, match="limt"):
        parse(json.dumps(given), "mine.json")
