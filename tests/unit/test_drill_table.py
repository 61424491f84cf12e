"""The table of all drills: nothing passes that did not say so twice."""

from __future__ import annotations

import json

import pytest

from compose.drills import table
from compose.drills.table import Outcome, outcome, runs

PASSED = json.dumps({"pass": True, "differences": []}).encode()


@pytest.mark.parametrize(
    ("code", "printed", "passed"),
    [
        (0, PASSED, True),
        (1, PASSED, False),
        (0, b'{"pass": false, "differences": ["one is lost"]}', False),
        (0, b"", False),
        (0, b"[]", False),
        (None, PASSED, False),
    ],
)
def test_a_drill_passes_only_by_its_exit_code_and_its_verdict(code: int | None, printed: bytes, passed: bool):
    """A drill that crashed, said nothing or never ended has shown nothing."""
    found = outcome("kill", 1, code, printed, 1.0)
    assert found.passed is passed
    assert passed or found.differences or code == 1


def test_every_seeded_drill_runs_with_every_seed_and_the_others_once():
    """Three seeds that are one seed would be one drill."""
    found = runs([], [1, 2, 3])
    assert [(drill, seed) for drill, seed, _ in found if drill == "kill"] == [("kill", 1), ("kill", 2), ("kill", 3)]
    assert [seed for drill, seed, _ in found if drill == "load"] == [None]
    assert next(arguments for drill, _, arguments in found if drill == "replay") == ["--kill", "--seed", "1"]
    assert {drill for drill, _, _ in runs(["stop"], [5])} == {"stop"}


def test_the_table_names_each_difference_up_to_three():
    """A table of red words that says nothing sends its reader to a log."""
    lines = [f"reading {number} is lost" for number in range(5)]
    found = table.table([Outcome("storm", 2, passed=False, seconds=61.0, verdict={"differences": lines})])
    cells = [list(column.cells) for column in found.columns]
    assert cells[0] == ["storm"]
    assert cells[4] == ["reading 0 is lost\nreading 1 is lost\nreading 2 is lost\nand 2 more"]
