"""The processor against the plain program of ``tests/oracle.py``, on logs that no device should send but some will.

``make property`` runs many more, from a seed by chance; these are the same in every run.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream import outbox
from stream.processor import Processor
from tests import oracle_told
from tests.strategies.acts import lived
from tests.strategies.facts import REQUIRED
from tests.strategies.many import run, shrunk, wrong
from tests.strategies.trials import plan, tried
from tests.strategies.wards import Plan

SHARE = 100
"""Logs of each of `SHARES` tests: a few seconds of one core."""
SHARES = 8

plans = st.builds(
    Plan,
    seed=st.integers(min_value=0, max_value=1 << 32),
    acts=st.lists(st.integers(min_value=0, max_value=99), min_size=1, max_size=16).map(tuple),
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", range(SHARES))
def test_topics_hold_what_the_plain_program_says_after_any_polls_and_a_crash(share: int) -> None:
    """Arrays, turns and lower bounds on deadlines are only there for speed: a loop over rows is what they mean. And
    replay is recovery only if the same log gives the same bytes and causes in any polls.
    """
    tally = run(seed=share, count=SHARE, workers=1)
    assert not tally.failures, shrunk(tally.failures[0].plan, lambda plan: wrong(plan) is not None)
    assert tally.logs == SHARE
    assert {fact: tally.facts[fact] for fact in REQUIRED if tally.facts[fact] < 2} == {}


def test_a_crash_between_the_parts_of_what_one_tick_says_of_windows_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """These wards are too small for a record of the usual length to be cut, and a large one is cut at each tick."""
    usual = [tried(plan(seed)).outputs for seed in range(60)]
    for module in (outbox, oracle_told):
        monkeypatch.setattr(module, "ROWS_MAX", 2)
    cut = [tried(plan(seed)) for seed in range(60)]
    assert [trial.difference for trial in cut] == [None] * 60
    assert sum(trial.outputs > before for trial, before in zip(cut, usual, strict=True)) > 40


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans)
def test_no_row_of_acts_makes_them_differ(plan: Plan) -> None:
    """The runs above are of the lengths that their numbers give; here the acts themselves are looked for."""
    found = wrong(plan)
    assert found is None, found


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans)
def test_record_by_record_and_all_at_once_are_the_same(plan: Plan) -> None:
    """The two ends of batching: a live ward polls one record, a replay all that there is."""
    log = lived(plan).log
    whole = log.run(Processor(0, 1))
    assert log.run(Processor(0, 1), range(len(log.keys))) == whole
    causes = [output.cause for output in whole]
    assert causes == sorted(set(causes))
