"""mutmut for one module, with its tests collected once: a mutant is a fork of a process that has them ready.

mutmut starts pytest anew for each mutant, and that is most of what one costs that falls at its first test.

  python -m tests.mutants.forks trends 1 'stream.trends.*'     module, processes, which mutants
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from shutil import copy

import mutmut.__main__ as program
import pytest
from _pytest.config import _prepareconfig
from mutmut.configuration import config
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.runners.harness import PytestRunner
from mutmut.utils.file_utils import change_cwd
from mutmut.workers.isolation import ForkRunner

FOLDER = Path("mutants")
PASSED, FAILED = 0, 1
ORDER = "tests.mutants.order"
"""The plugin that pyproject.toml names; pytest wants to be the one that imports it."""
UNITS = {
    "activity": ["activity"],
    "artefacts": ["doubts"],
    "batch": ["batch"],
    "closer": ["closer", "revisions"],
    "columns": ["columns"],
    "copying": ["copying"],
    "counters": ["counters"],
    "coverage": ["coverage"],
    "episodes": ["episodes", "episode_causes", "evidence"],
    "evaluations": ["evaluations"],
    "evidence": ["evidence_ring"],
    "forecast": ["forecast", "glucose_forecasts"],
    "gates": ["gates"],
    "glucose": ["judged", "glucose_rates", "glucose_forecasts"],
    "holds": ["holds"],
    "kinds": ["kinds"],
    "medians": ["evaluated", "evaluated_rules", "medians", "artefact", "sugar"],
    "outbox": ["outbox"],
    "pages": ["pages", "closer", "windows", "processor_polls"],
    "panes": ["panes", "noted", "hot"],
    "part": ["lane", "lane_others", "processor", "signal", "policy_changes", "root_cause", "suspects", "rules"],
    "places": ["places"],
    "poll": ["poll"],
    "processor": [
        "processor",
        "processor_edges",
        "processor_polls",
        "root_cause",
        "policy_changes",
        "nights",
        "signal",
        "revisions",
        "windows",
        "medians",
        "artefact",
        "sugar",
    ],
    "revisions": ["pending"],
    "rows": ["rows"],
    "rules": ["rules", "machines"],
    "sayings": ["sayings"],
    "schedules": ["schedules"],
    "series": ["slots", "wide"],
    "signal": ["signals"],
    "sites": ["sites"],
    "standing": ["standing", "silences"],
    "strips": ["results", "pane_strips"],
    "sugar": ["beside"],
    "suspects": ["suspects"],
    "trends": ["trends"],
    "turns": ["turns"],
    "usual": ["usual"],
    "verdicts": ["verdicts"],
    "windows": ["results", "pane_strips", "pages"],
}
"""Modules whose unit tests alone must notice their mutants, and the names of these: the nearest first. Generated logs
take a hundred times as long for a mutant that nothing notices, and of the processor's they noticed none that these had
not.
"""


def tests_of(module: str) -> list[str]:
    """The files with the tests of a module."""
    units = [f"tests/unit/test_{name}.py" for name in UNITS.get(module, [])]
    return units or config().pytest_add_cli_args_test_selection


class Collected(PytestRunner):
    """Runs the tests of a mutant from a session of pytest that is open already."""

    def collect(self) -> None:
        """Open the session and collect every test; nothing of it is ever closed, each fork ends with its tests."""
        with change_cwd(FOLDER):
            # -s: a session that captured would capture mutmut's own words too
            arguments = ["--rootdir=.", "-s", *self._pytest_add_cli_args, *self._pytest_add_cli_args_test_selection]
            prepared = _prepareconfig(arguments)
            prepared._do_configure()  # what pytest.main does, but for running the tests and closing
            self.session = pytest.Session.from_config(prepared)
            prepared.hook.pytest_sessionstart(session=self.session)
            prepared.hook.pytest_collection(session=self.session)
        self.ordered: Callable[[list[pytest.Item]], list[pytest.Item]] = sys.modules[ORDER].ordered
        self.items = {item.nodeid: item for item in self.session.items}

    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        """Run tests until one fails; where no mutant is named by mutmut's own ways."""
        if mutant_name is None:
            return super().run_tests(mutant_name=None, tests=tests)
        with change_cwd(FOLDER):
            for item in self.ordered([self.items[test] for test in tests]):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                if self.session.testsfailed:
                    return FAILED
        return PASSED


class Forks(ForkRunner):
    """A fork for each mutant, of the process with the open session."""

    test_runner: Collected

    def startup(self) -> None:
        """Collect, before anything is forked."""
        set_mutant_under_test("")
        self.test_runner.collect()
        super().startup()
        gc.collect()
        gc.freeze()  # else a fork's first collection of garbage copies all that pytest has collected


def runner(max_workers: int = 1) -> Forks:
    """Ours, where mutmut asks for its own."""
    return Forks(max_workers, Collected())


def run(module: str, workers: int, names: list[str]) -> None:
    """Look at mutants of one module: no other is changed, and only its tests are run."""
    source = f"stream/{module}.py"
    config().only_mutate[:] = [source]
    config().pytest_add_cli_args_test_selection[:] = tests_of(module)
    # where another module's run has put the unchanged source mutmut would take it for the mutants
    (FOLDER / source).unlink(missing_ok=True)
    # mutmut keeps which tests reach what for all; where the tests are others it would forget what it found
    stats, mine = FOLDER / "mutmut-stats.json", FOLDER / f"{module}.stats.json"
    stats.unlink(missing_ok=True)
    if mine.exists() and mine.stat().st_mtime > Path(source).stat().st_mtime:  # else of functions that are no more
        copy(mine, stats)
    setattr(program, "get_mutant_runner", runner)  # noqa: B010 - a name that the module does not say it exports
    try:
        program._run(names, workers)  # the command without its command line
    finally:
        if stats.exists():
            copy(stats, mine)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
