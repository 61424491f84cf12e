"""A plugin of pytest for runs over mutants: first the tests that have noticed other mutants of the same function, then
the other unit tests, and generated logs last. Most mutants fall at the first test, and a run ends with it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import Phase, settings

NOTICED_BY = Path("noticed-by")
"""A line for each mutant that was noticed: its function and the test; in the folder of the run, ``mutants/``."""
MUTANT = re.compile(r"(?P<function>\S+)__mutmut_\d+")


def pytest_configure() -> None:
    """Generated values are the same for every mutant, and the first that fails is enough: to look for a smaller one
    takes seconds, and nobody reads it.
    """
    settings.register_profile(
        "mutants",
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        report_multiple_bugs=False,
    )
    settings.load_profile("mutants")


def function() -> str | None:
    """The function of the mutant that is looked at; None outside of such a look."""
    mutant = MUTANT.fullmatch(os.environ.get("MUTANT_UNDER_TEST", ""))
    return mutant["function"] if mutant else None


def ordered(items: list[pytest.Item]) -> list[pytest.Item]:
    """Tests that noticed most of the function's mutants first, generated logs last; else as they were."""
    mine, noticed = function(), Counter[str]()
    if mine is not None and NOTICED_BY.exists():
        pairs = [line.split(" ", 1) for line in NOTICED_BY.read_text().splitlines()]
        noticed.update(test for owner, test in pairs if owner == mine)
    return sorted(items, key=lambda item: (-noticed[item.nodeid], "/property/" in item.nodeid))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember which test noticed a mutant."""
    mine = function()
    if mine is not None and report.failed:
        with NOTICED_BY.open("a") as lines:
            lines.write(f"{mine} {report.nodeid}\n")
