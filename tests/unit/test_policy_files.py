"""A policy as a file is read strictly: what a person wrote and nobody read would be a limit that nobody set."""

from __future__ import annotations

import json

import pytest

from vitals.errors import InputError
from vitals.policies import DEFAULT
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


def test_a_slip_in_the_name_of_a_number_is_found():
    """``limt: 80`` beside ``limit: 70`` would leave 70 in force."""
    given = json.loads(text())
    given["thresholds"][0]["levels"][0]["limt"] = 80
    with pytest.raises(InputError, match="limt"):
        parse(json.dumps(given), "mine.json")
