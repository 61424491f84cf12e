"""The lists of exceptions only shrink."""

from __future__ import annotations

from tests.tidy import allowed
from tests.tidy.tree import ROOT, report, sources


def test_no_exception_outlives_its_cause():
    """An excuse for a file or function that is gone would silently excuse the next of that name."""
    functions = [*allowed.LONG_FUNCTIONS, *allowed.SLEEPING_TESTS]
    places = [
        *allowed.LONG_FILES,
        *allowed.DRIVERS,
        *(place for rule in allowed.CALLS.values() for place in rule),
        *(entry.split("::")[0] for entry in functions),
    ]
    text = {source.path: source.text for source in sources()}
    gone = [f"{place}: no such file" for place in places if not (ROOT / place).exists()]
    gone += [
        f"{entry}: no such function"
        for entry in functions
        if f"def {entry.split('::')[1]}(" not in text.get(entry.split("::")[0], "")
    ]
    report(gone, "tests/tidy/allowed.py names only what exists")


def test_every_exception_has_its_reason():
    """An exception without a reason cannot be judged, so it would stay for ever."""
    lists = [
        allowed.LONG_FILES,
        allowed.LONG_FUNCTIONS,
        allowed.DRIVERS,
        allowed.SLEEPING_TESTS,
        *allowed.CALLS.values(),
    ]
    report([place for each in lists for place, reason in each.items() if len(reason) < 12], "exceptions have reasons")
