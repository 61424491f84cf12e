"""Which T of a site are due: whole tens of seconds, two seconds after them, and no more than the series reach."""

from __future__ import annotations

import numpy as np
import pytest

from stream.evaluations import FEW, due, last_due
from vitals.metrics import SECOND_US

EVERY = 10 * SECOND_US
T = 170_000_000 * EVERY
NOBODY = np.zeros(0, np.int64)
Spans = list[tuple[int, int]]


def due_of(evaluated: int, clock: int, spans: Spans) -> list[int]:
    """What is due for series that reach these spans of T."""
    first, last = np.array(spans, np.int64).reshape(-1, 2).T
    return due(evaluated, clock, first, last)


def plainly(evaluated: int, clock: int, spans: Spans) -> list[int]:
    """The same, T by T."""
    every = range(evaluated + EVERY, clock - 2 * SECOND_US + 1, EVERY)
    return [at for at in every if any(first <= at <= last for first, last in spans)]


def test_a_t_is_due_two_seconds_after_it_and_no_sooner():
    """Readings that are on their way need their time; RULES says how much."""
    assert last_due(T + 2 * SECOND_US) == T
    assert last_due(T + 2 * SECOND_US - 1) == T - EVERY
    assert last_due(T + EVERY + 2 * SECOND_US - 1) == T


def test_what_has_been_evaluated_is_not_evaluated_again():
    """A median that is counted twice moves a rule that needs two of them."""
    assert due(T, T + 11 * SECOND_US, NOBODY, NOBODY) == []
    assert due(T, T + 12 * SECOND_US, NOBODY, NOBODY) == [T + EVERY]
    assert due(T, T + 22 * SECOND_US, NOBODY, NOBODY) == [T + EVERY, T + 2 * EVERY]


def test_a_few_t_are_looked_at_without_asking_who_reaches_them():
    """A clock that runs has one or none; to ask every series at each tick costs more than to look."""
    clock = T + FEW * EVERY + 2 * SECOND_US
    assert due(T, clock, NOBODY, NOBODY) == [T + number * EVERY for number in range(1, FEW + 1)]
    assert due(T, clock + EVERY, NOBODY, NOBODY) == []


def test_a_jump_of_years_costs_only_what_the_series_reach():
    """The T between two bursts of a replay are a million; each would cost a look at everybody."""
    far = T + 10**6 * EVERY
    spans = [(T, T + EVERY), (far, far + EVERY), (far, far + EVERY), (T + 3 * EVERY, T + 2 * EVERY)]
    assert due_of(T, far + 12 * SECOND_US, spans) == [T + EVERY, far, far + EVERY]
    assert due_of(T, far + 11 * SECOND_US, spans) == [T + EVERY, far]
    assert due_of(T + EVERY, far, spans) == []


@pytest.mark.parametrize("seed", range(40))
def test_after_a_jump_each_t_that_some_series_reaches_is_due_once(seed: int):
    """Spans of series overlap, touch, lie before what is evaluated and beyond the clock."""
    random = np.random.default_rng(seed)
    spans = []
    for _ in range(random.integers(1, 6)):
        first = T + int(random.integers(-9, 60)) * EVERY
        spans.append((first, first + int(random.integers(-2, 12)) * EVERY))
    clock = T + int(random.integers(FEW * 10 + 12, 500)) * SECOND_US
    assert due_of(T, clock, spans) == plainly(T, clock, spans)
