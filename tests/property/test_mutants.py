"""The few generated logs that every mutant of the processor meets (``make mutants``), after the unit tests."""

from __future__ import annotations

import pytest

from tests.strategies.many import run

LOGS = 30


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", range(3))
def test_a_handful_of_logs_is_as_the_plain_program_says(share: int) -> None:
    """Small steps, so that what is broken is noticed soon: thousands of mutants go through here."""
    tally = run(seed=100 + share, count=LOGS, workers=1)
    assert not tally.failures, tally.failures[0]
