"""What the drills' command lines say when they are asked how they are used, or asked something they do not know."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest

import compose.drills

FOLDER = Path(compose.drills.__file__).parent
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8"))
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
