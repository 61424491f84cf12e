"""The search for the most that holds, over made-up runs: nothing but a clean run holds, and a minute confirms it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compose.load.finding import CONFIRM_S, PATIENTS, TRY_S, Found, find, lines, reasons
from simulators.load.limits import Limit
from simulators.load.plan import Plan
from simulators.load.report import Report
from simulators.load.search import CLOSE
from tests.unit.test_load_report import a_report

LIMIT = Limit(part="processor", sentence="The first limit is the processor.", evidence=())


def run_of(plan: Plan, *, holds: bool) -> Report:
    """A run that holds, or one whose processor cannot follow."""
    report = a_report(plan=plan)
    return report if holds else report.model_copy(update={"limit": LIMIT})


async def found(holds: Callable[[Plan], bool]) -> Found:
    async def run(plan: Plan) -> Report:
        return run_of(plan, holds=holds(plan))

    return await find(Plan(patients=PATIENTS), run, tell=lambda _: None)


async def test_the_most_that_holds_is_found_and_tried_for_a_minute():
    """A load that holds for twenty seconds may only fill the queues more slowly."""
    result = await found(lambda plan: plan.rate_hz * PATIENTS <= 2600)
    assert result.readings_per_second is not None
    assert 2600 / CLOSE <= result.readings_per_second <= 2600
    assert [each.seconds for each in result.tries].count(CONFIRM_S) == 1
    assert result.limit == LIMIT
    assert result.holds is not None
    assert result.holds.plan.duration_s == CONFIRM_S
    assert result.beyond is not None
    assert result.beyond.plan.rate_hz * PATIENTS <= 2600 * CLOSE * 1.01
    assert "readings/s hold" in "\n".join(lines(result))


async def test_what_holds_only_for_a_moment_is_not_the_answer():
    """Its queues are not full yet."""
    result = await found(lambda plan: plan.rate_hz * PATIENTS <= (2600 if plan.duration_s == TRY_S else 1300))
    assert result.readings_per_second is not None
    assert 1300 / CLOSE <= result.readings_per_second <= 1300


async def test_a_search_that_meets_only_its_own_ceiling_says_so():
    """The most that was offered is not the most that is held."""
    result = await found(lambda _: True)
    assert result.readings_per_second == result.ceiling
    assert result.limit is None
    assert "the limit lies above" in lines(result)[-1]


async def test_a_stack_that_holds_nothing_has_no_limit_to_tell():
    """A figure would be a lie."""
    result = await found(lambda _: False)
    assert result.readings_per_second is None
    assert result.holds is None
    assert "nothing holds" in lines(result)


@pytest.mark.parametrize("name", ["lost", "unstored", "alerts_missing", "alerts_doubled", "reordered", "rejected"])
def test_a_quick_run_that_missed_something_does_not_hold(name: str):
    """A stack that drops half of its alerts is quick with the others."""
    report = a_report()
    assert reasons(report, 250.0) == []
    counts = report.counts.model_copy(update={name: 1})
    (why,) = reasons(report.model_copy(update={"counts": counts}), 250.0)
    assert why.startswith(name.replace("_", " "))
