"""``vigil policy`` before it asks any server: what cannot be meant is refused in one line; the default is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from compose.cli import app
from vitals.errors import InputError
from vitals.policies import DEFAULT


def refused(*arguments: str) -> str:
    """The one line that ends a command."""
    result = CliRunner().invoke(app, ["policy", *arguments])
    assert isinstance(result.exception, InputError)
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "nothing to change: p-1 (say --low 65, --rule high=off, --default or --file FILE)"),
        (["--file", "x", "--low", "65"], "a file is a whole policy: x (leave out either --file or the other changes)"),
        (["--file", "x", "--default"], "a file is a whole policy"),
        (["--low", "65", "--by", "x" * 129], "a name of more than 128 characters"),
    ],
)
def test_a_call_that_cannot_be_meant_is_refused_before_anything_is_asked(arguments: list[str], told: str):
    """Nothing is read from a registry, and nothing can be half done."""
    assert refused("set", "p-1", *arguments).startswith(told)


def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path):
    """A path with a slip, a picture, a folder: each is told from the others."""

    def told(content: Any) -> str:
        path = tmp_path / "policy.json"
        path.write_bytes(content)
        return refused("set", "p-1", "--file", str(path)).replace(str(tmp_path), "")

    assert refused("set", "p-1", "--file", str(tmp_path / "none.json")).endswith(
        "none.json (No such file or directory)"
    )
    assert "Is a directory" in refused("set", "p-1", "--file", str(tmp_path))
    assert told(b"\xff\xfe") == "no UTF-8 text: /policy.json (write the policy as JSON in UTF-8)"
    assert told(b" " * 300_000) == "too large for a policy: /policy.json (at most 256 KiB)"
    assert told(b'{"thresholds": 5}').startswith("no policy: /policy.json: thresholds Input should be a valid array")
    # some editors begin a file so; ``vigil backtest --policy`` reads it too
    assert told(b'\xef\xbb\xbf{"thresholds": 5}').startswith("no policy: /policy.json: thresholds")


def test_the_default_is_shown_without_any_server():
    """Who sets up a ward wants to know the rules first; the JSON is a file to begin with."""
    shown = CliRunner().invoke(app, ["policy", "show"]).output.splitlines()
    assert shown[0] == "default policy, version 1"
    assert len(shown) == 1 + 2 + 2 + 3 + 2
    assert "limit < 54 mg/dL, for at once" in shown[2]
    assert json.loads(CliRunner().invoke(app, ["policy", "show", "--json"]).output) == json.loads(
        DEFAULT.model_dump_json()
    )


@pytest.mark.parametrize("command", ["set", "show", "history"])
def test_help_gives_examples_and_the_group_lists_what_there_is(command: str):
    """One line that works teaches more than a page of options."""
    assert f"vigil policy {command}" in CliRunner().invoke(app, ["policy", command, "--help"]).output
    assert f"  {command} " in CliRunner().invoke(app, ["policy", "--help"]).output
