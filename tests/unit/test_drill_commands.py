"""What the drills' command lines say when they are asked how they are used, or asked something they do not know."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import compose.drills

FOLDER = Path(compose.drills.__file__).parent
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8"))
SEEDED = [name for name in PROGRAMS if 'add_argument("--seed"' in (FOLDER / f"{name}.py").read_text("utf-8")]
DOUBTFUL = "--nonsense"


def told(name: str, argument: str) -> tuple[object, str, str]:
    """The exit code of a drill's program, and what it wrote on stdout and on stderr."""
    main: Callable[[list[str]], int] = importlib.import_module(f"compose.drills.{name}").main
    out, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        pytest.raises(SystemExit) as ended,
    ):
        main([argument])
    return ended.value.code, out.getvalue(), errors.getvalue()


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_is_all_that_help_prints(name: str):
    """Arguments that are read inside the event loop end with a traceback about a task."""
    code, out, errors = told(name, "--help")
    assert (code, errors) == (0, "")
    assert f"usage: python -m compose.drills.{name} " in out


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_wrong_option_is_one_line_and_exit_code_2(name: str):
    """A page of usage hides what was wrong."""
    code, out, errors = told(name, DOUBTFUL)
    assert (code, out) == (2, "")
    assert errors.startswith(f"python -m compose.drills.{name}: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_has_an_example_that_can_be_typed(name: str):
    """A line of brackets tells what there is, not what somebody would want; it has to be understood too."""
    _, out, _ = told(name, "--help")
    begin = f"    python -m compose.drills.{name} "
    examples = [line for line in out.splitlines() if line.startswith(begin)]
    plain = [line for line in examples if not re.search(r"\[|[A-Z]{3}", line)]
    assert plain, examples


@pytest.mark.parametrize("name", SEEDED)
@pytest.mark.parametrize("seed", ["seven", "1.5", ""])
def test_a_seed_that_is_no_number_is_one_line(name: str, seed: str):
    """It is the option that everybody types, and `make` passes it on as it is."""
    code, out, errors = told(name, f"--seed={seed}")
    assert (code, out) == (2, "")
    assert f"argument --seed: invalid int value: {seed!r}" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("argument", "why"),
    [("--seeds=1,x", "'1,x' is no list of whole numbers"), ("--only=kil", "no drill kil; there are")],
)
def test_the_table_says_what_it_does_not_understand(argument: str, why: str):
    """The name of a function of ours helps nobody."""
    code, out, errors = told("table", argument)
    assert (code, out) == (2, "")
    assert why in errors
    assert errors.count("\n") == 1
