"""The list of mutants that nothing can notice: read as written, compared with what a run found, and never stale."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, settings
from mutmut.configuration import config

from tests.mutants import order
from tests.mutants.__main__ import SURVIVORS, judge, modules, table
from tests.mutants.findings import Change, Module, function_of, listed

ROOT = Path(__file__).parents[2]
LIST = """### rules.Machines.step
- `a < b` -> `a <= b`: they are never equal.
- `x: int = 1` -> `x: int = 2`: nobody reads: it.
"""
KNOWN = Change("rules.Machines.step", "a < b", "a <= b")


def test_a_mutants_name_tells_its_function():
    """Numbers of mutants change with every line before them; functions and lines are what people look for."""
    assert function_of("stream.rules.xǁMachinesǁstep__mutmut_3") == "rules.Machines.step"
    assert function_of("stream.trends.x_slopes__mutmut_12") == "trends.slopes"
    assert function_of("stream.part.x__where__mutmut_1") == "part._where"


def test_a_survivor_without_a_reason_fails_a_run():
    """Else the list would not be looked at again."""
    module = Module("rules", Counter(killed=99, survived=1), [KNOWN])
    assert judge([module], LIST) == []
    assert judge([module], "") == ["### rules.Machines.step\n- `a < b` -> `a <= b`: no reason is listed"]
    other = Module("rules", Counter(killed=99, survived=1), [KNOWN._replace(after="a > b")])
    assert len(judge([other], LIST)) == 1
    assert listed(LIST)[KNOWN] == "they are never equal."


def test_too_many_survivors_fail_a_run_whatever_their_reasons():
    """A list that grows for ever is no answer; what was not looked at counts neither way."""
    module = Module("rules", Counter({"killed": 90, "timeout": 4, "survived": 6, "not checked": 50}), [KNOWN])
    assert judge([module], LIST) == ["rules: 94.0% noticed, not 95%"]
    assert "| rules | 150 | 94 | 1 | 50 | 94.0% |" in table([module])
    module.ends["killed"] = 114
    assert judge([module], LIST) == []
    assert "| sites | 0 | 0 | 0 | 0 | - |" in table([Module("sites")])


def ordered(*tests: str) -> list[str]:
    """Tests in the order in which the plugin lets them run."""
    items: list[Any] = [SimpleNamespace(nodeid=test) for test in tests]
    return [item.nodeid for item in order.ordered(items)]


def noticed(test: str, *, failed: bool = True) -> None:
    """A test has ended."""
    report: Any = SimpleNamespace(nodeid=test, failed=failed)
    order.pytest_runtest_logreport(report)


def test_tests_that_noticed_a_functions_mutants_run_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run ends with the first that fails: what fell to a test once mostly falls to it again. Generated logs take
    longest, and run last until one of them was the only one to notice.
    """
    tests = "tests/property/x.py::logs", "tests/unit/a.py::one[a b]", "tests/unit/a.py::two"
    logs, one, two = tests
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUTANT_UNDER_TEST", "stream.rules.x_step__mutmut_3")
    assert ordered(*tests) == [one, two, logs]
    noticed(two)
    noticed(one, failed=False)
    assert ordered(*tests) == [two, one, logs]
    noticed(logs)
    noticed(logs)
    assert ordered(*tests) == [logs, two, one]
    monkeypatch.setenv("MUTANT_UNDER_TEST", "stream.rules.x_other__mutmut_1")
    assert ordered(*tests) == [one, two, logs]
    noticed(one)
    assert ordered(*tests) == [one, two, logs]
    for outside in ("", "stats", "fail"):
        monkeypatch.setenv("MUTANT_UNDER_TEST", outside)
        noticed(two)
        assert ordered(*tests) == [one, two, logs]
    assert len(order.NOTICED_BY.read_text().splitlines()) == 4


def test_generated_values_are_the_same_for_every_mutant():
    """Else a mutant would be noticed today and not tomorrow; and to shrink what failed costs more than to find it."""
    before = settings.get_current_profile_name()
    try:
        order.pytest_configure()
        profile = settings.get_profile(settings.get_current_profile_name())
    finally:
        settings.load_profile(before)
    assert (profile.derandomize, profile.database, Phase.shrink in profile.phases) == (True, None, False)
    assert {Phase.explicit, Phase.generate} <= set(profile.phases)


def units() -> dict[str, list[str]]:
    """`UNITS` of `tests.mutants.forks`, as it is written: what that imports says how this process forks."""
    for node in ast.parse((ROOT / "tests/mutants/forks.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "UNITS":
            found: dict[str, list[str]] = ast.literal_eval(node.value)
            return found
    raise AssertionError("no UNITS")


def test_a_modules_mutants_meet_tests_that_there_are():
    """A name that is written wrong would be noticed when somebody changes the module, and waits for the run."""
    tests = [f"tests/unit/test_{name}.py" for names in units().values() for name in names]
    assert len(tests) >= len(units()) > 0
    sources = [f"stream/{module}.py" for module in modules()]
    missing = [
        path for path in (*tests, *config().pytest_add_cli_args_test_selection, *sources) if not (ROOT / path).is_file()
    ]
    assert missing == []
    assert set(units()) <= set(modules())


def test_no_listed_survivor_is_of_a_line_that_is_gone():
    """A reason for code that nobody has any more hides the next survivor from whoever reads the list."""
    reasons = listed(SURVIVORS.read_text())
    assert reasons
    gone = []
    for function, before, _ in reasons:
        source = (ROOT / "stream" / f"{function.split('.', maxsplit=1)[0]}.py").read_text()
        if "".join(before.split()) not in "".join(source.split()):
            gone.append(f"{function}: {before}")
    assert gone == []
