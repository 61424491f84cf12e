"""The table of all drills: nothing passes that did not say so twice, and what was found out is kept."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from compose.drills import table
from compose.drills.frame import SKIPPED
from compose.drills.results import Outcome, Results, outcome, summary
from compose.drills.results import table as shown
from compose.drills.table import run, runs
from runtime.testing.waiting import until

PASSED = json.dumps({"pass": True, "differences": []}).encode()
MISSED = json.dumps({"pass": False, "differences": ["one is lost"]}).encode()
SKIP = json.dumps({"pass": None, "skipped": "needs root", "differences": []}).encode()


class Drills:
    """Stands in for the drills' processes: what each prints and ends with, by name; notes which were run."""

    def __init__(self, ends: dict[str, tuple[int | None, bytes]]) -> None:
        self.ends = ends
        self.ran: list[str] = []

    async def __call__(self, drill: str, arguments: Sequence[str], printed: Path, log: Path) -> int | None:
        self.ran.append(drill)
        code, said = self.ends[drill]
        await asyncio.to_thread(printed.write_bytes, said)
        await asyncio.to_thread(log.write_text, f"{drill} {' '.join(arguments)} says why")
        if drill == "breaks":
            raise asyncio.CancelledError
        return code


@pytest.fixture
def drills(monkeypatch: pytest.MonkeyPatch) -> Drills:
    found = Drills({"kill": (0, PASSED), "stop": (1, MISSED), "disk": (SKIPPED, SKIP)})
    monkeypatch.setattr(table, "_drill", found)
    return found


@pytest.mark.parametrize(
    ("code", "printed", "passed"),
    [
        (0, PASSED, True),
        (1, PASSED, False),
        (0, b'{"pass": false, "differences": ["one is lost"]}', False),
        (0, b"", False),
        (0, b"[]", False),
        (None, PASSED, False),
        (0, SKIP, False),
        (SKIPPED, PASSED, False),
    ],
)
def test_a_drill_passes_only_by_its_exit_code_and_its_verdict(code: int | None, printed: bytes, passed: bool):
    """A drill that crashed, said nothing or never ended has shown nothing."""
    found = outcome("kill", 1, code, printed, 1.0)
    assert found.passed is passed
    assert found.failed is not passed
    assert passed or found.differences


def test_a_drill_that_was_skipped_has_neither_passed_nor_failed():
    """A table that calls it passed tells of a proof that nobody has."""
    found = outcome("disk", 1, SKIPPED, SKIP, 1.0)
    assert (found.passed, found.failed, found.word) == (False, False, "skipped: needs root")
    assert found.as_json()["pass"] is None
    assert [list(column.cells) for column in shown([found]).columns][2] == ["skipped: needs root"]
    assert summary([found], 1, Path("/out")) == "0 of 1 passed, 0 missed, 1 skipped, results in /out"


def test_every_seeded_drill_runs_with_every_seed_and_the_others_once():
    """Three seeds that are one seed would be one drill."""
    found = runs([], [1, 2, 3])
    assert [(drill, seed) for drill, seed, _ in found if drill == "kill"] == [("kill", 1), ("kill", 2), ("kill", 3)]
    assert [seed for drill, seed, _ in found if drill == "page"] == [None]
    assert next(arguments for drill, _, arguments in found if drill == "replay") == ["--kill", "--seed", "1"]
    assert {drill for drill, _, _ in runs(["stop"], [5])} == {"stop"}


def test_the_table_names_each_difference_up_to_three():
    """A table of red words that says nothing sends its reader to a log."""
    lines = [f"reading {number} is lost" for number in range(5)]
    found = shown([Outcome("storm", 2, passed=False, seconds=61.0, verdict={"differences": lines})])
    cells = [list(column.cells) for column in found.columns]
    assert cells[0] == ["storm"]
    assert cells[4] == ["reading 0 is lost\nreading 1 is lost\nreading 2 is lost\nand 2 more"]


@pytest.mark.parametrize(
    ("only", "code"),
    [
        (["kill"], 0),
        (["kill", "disk"], 0),
        (["disk"], SKIPPED),
        (["kill", "stop"], 1),
        (["stop", "disk"], 1),
    ],
)
async def test_the_exit_code_is_that_of_the_worst_drill(only: list[str], code: int, tmp_path: Path, drills: Drills):
    """A program that runs the drills looks at nothing else."""
    assert await run(only, [1], as_json=True, out=tmp_path) == code
    assert sorted(drills.ran) == sorted(only)


async def test_a_drill_that_missed_names_the_file_of_what_it_said(
    tmp_path: Path, drills: Drills, capsys: pytest.CaptureFixture[str]
):
    """Without it the drill has to run again to tell why."""
    await run(["kill", "stop", "disk"], [7], as_json=False, out=tmp_path)
    printed = capsys.readouterr()
    log = tmp_path / "stop-7.log"
    assert f"it said: {log}" in printed.err
    assert log.read_text() == "stop --seed 7 says why"
    assert "kill-7.log" not in printed.err
    assert printed.err.splitlines()[-1].endswith(f"1 of 3 passed, 1 missed, 1 skipped, results in {tmp_path}")
    assert "2 of 3: drill stop, seed 7" in printed.err
    assert drills.ran == ["kill", "stop", "disk"]


async def test_a_run_that_is_broken_off_shows_what_it_has_and_goes_on_from_there(
    tmp_path: Path, drills: Drills, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """An hour's results must not go with Ctrl-C in the last minute."""
    monkeypatch.setattr(table, "SEEDED", ("kill", "stop", "breaks", "disk"))
    drills.ends["breaks"] = (None, b"")
    only = ["kill", "stop", "breaks", "disk"]
    with pytest.raises(asyncio.CancelledError):
        await run(only, [1], as_json=True, out=tmp_path)
    printed = capsys.readouterr()
    assert [each["drill"] for each in json.loads(printed.out)] == ["kill", "stop"]
    assert f"2 not run: go on with --out {tmp_path}" in printed.err
    drills.ran.clear()
    monkeypatch.setattr(table, "SEEDED", ("kill", "stop", "disk"))
    assert await run(only, [1], as_json=True, out=tmp_path) == 1
    assert drills.ran == ["disk"]
    assert [each["drill"] for each in json.loads(capsys.readouterr().out)] == ["kill", "stop", "disk"]


def test_a_result_that_was_broken_off_in_writing_is_none(tmp_path: Path):
    """A machine that fails within the line must not cost the lines before it."""
    results = Results(tmp_path / "new")
    kept = [outcome("kill", 1, 0, PASSED, 60.0, log=tmp_path / "log"), outcome("load", None, SKIPPED, SKIP, 1.0)]
    for each in kept:
        results.add(each)
    with (tmp_path / "new" / "results.jsonl").open("a") as file:
        file.write('{"drill": "st')
    assert list(results.read().values()) == kept


async def test_a_drill_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """One that hangs in its own cleaning up would hold all that come after it."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\ntrap '' TERM\necho why >&2\nwhile :; do sleep 0.05; done\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(table, "SECONDS_MAX", 0.3)
    monkeypatch.setattr(table, "END_S", 0.1)
    async with asyncio.timeout(10.0):
        code = await table._drill("kill", [], tmp_path / "printed", tmp_path / "log")
    assert code is None
    assert (tmp_path / "log").read_text() == "why\n"
    assert "drill kill" in capsys.readouterr().err


async def test_ctrl_c_leaves_a_result_file_and_no_drill(tmp_path: Path):
    """The whole program, with its signals."""
    root = str(Path(table.__file__).parents[2])
    program = tmp_path / "table.py"
    program.write_text(
        "import asyncio, sys\nfrom compose.drills import table\n"
        "async def drill(name, arguments, printed, log):\n"
        "    printed.write_bytes(b'{\"pass\": true}')\n"
        "    if name == 'stop': await asyncio.sleep(60)\n"
        "    return 0\n"
        "table._drill = drill\n"
        f"sys.exit(table.main(['--only', 'kill,stop', '--seeds', '1', '--json', '--out', {str(tmp_path / 'out')!r}]))\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(program), env={"PYTHONPATH": root},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await until((tmp_path / "out" / "stop-1.json").exists)
    child.send_signal(signal.SIGINT)
    async with asyncio.timeout(10.0):
        out, errors = await child.communicate()
    assert child.returncode == 130
    assert [each["pass"] for each in json.loads(out)] == [True]
    assert b"1 of 2 passed, 0 missed, 0 skipped, 1 not run" in errors
    assert (tmp_path / "out" / "results.jsonl").read_text().count("\n") == 1
