"""Many trials at once, counted: what ``make property`` runs, and a test its share of.

Log ``n`` of a run is the plan of the number seed * 2^24 + n, so that the printed seed is the whole run.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.strategies.facts import REQUIRED
from tests.strategies.trials import Trial, plan, tried
from tests.strategies.wards import Plan

BLOCK = 40
"""So many logs a process takes at a time."""
FAILURES_MAX = 5
"""After so many a run ends: what differs is likely the same."""
SHRINKS_MAX = 300
LEAST_SHARE = 20
"""Of so many logs at least one is of each required class."""


class Failure(NamedTuple):
    """A plan, and what differs or went wrong."""

    plan: Plan
    text: str


@dataclass
class Tally:
    """What came of some logs."""

    logs: int = 0
    records: int = 0
    outputs: int = 0
    seconds: float = 0.0
    """Of the processor's time, all processes together."""
    facts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count another's logs too."""
        self.logs += other.logs
        self.records += other.records
        self.outputs += other.outputs
        self.seconds += other.seconds
        self.facts.update(other.facts)
        self.failures += other.failures

    @property
    def least(self) -> int:
        """How many logs of each required class there must be."""
        return self.logs // LEAST_SHARE

    def short(self) -> list[str]:
        """The required classes of which there were not enough."""
        return [fact for fact in REQUIRED if self.facts[fact] < self.least]


def wrong(plan: Plan) -> str | None:
    """What is wrong with the processor (or the oracle) on one plan; None where nothing is."""
    found = _outcome(plan)
    return found if isinstance(found, str) else found.difference


def _outcome(plan: Plan) -> Trial | str:
    """The trial of a plan, or what fell over in it."""
    try:
        return tried(plan)
    except Exception:  # noqa: BLE001 - whatever falls over has found something, and the others go on
        return traceback.format_exc(limit=-3)


def block(first: int, count: int) -> Tally:
    """Try the logs of so many numbers."""
    tally, begin = Tally(), time.process_time()
    for number in range(first, first + count):
        tally.logs += 1
        trial = _outcome(plan(number))
        if isinstance(trial, str):
            tally.failures.append(Failure(plan(number), trial))
            continue
        tally.records += trial.records
        tally.outputs += trial.outputs
        tally.facts.update(trial.facts)
        if trial.difference is not None:
            tally.failures.append(Failure(plan(number), trial.difference))
    tally.seconds = time.process_time() - begin
    return tally


def blocks(seed: int, count: int, workers: int) -> Iterator[Tally]:
    """The tallies of a run's blocks in order, from so many processes."""
    begin = seed << 24
    firsts = range(begin, begin + count, BLOCK)
    sizes = [min(BLOCK, begin + count - first) for first in firsts]
    if workers == 1:
        yield from map(block, firsts, sizes)
        return
    with ProcessPoolExecutor(workers) as pool:
        try:
            yield from pool.map(block, firsts, sizes)
        finally:
            pool.shutdown(cancel_futures=True)


def run(seed: int, count: int, workers: int = 1, progress: Callable[[Tally], None] = lambda _: None) -> Tally:
    """Try ``count`` logs; tell ``progress`` after each block. It ends early after `FAILURES_MAX` failures."""
    whole = Tally()
    for each in blocks(seed, count, workers):
        whole.add(each)
        progress(whole)
        if len(whole.failures) >= FAILURES_MAX:
            break
    return whole


def shrunk(plan: Plan, wrong: Callable[[Plan], bool]) -> Plan:
    """A shorter plan that is still ``wrong``: without as many of its acts as bisection finds to be no matter."""
    acts, size, tries = plan.acts, max(1, len(plan.acts) // 2), 0
    while tries < SHRINKS_MAX:
        for first in range(0, len(acts), size):
            shorter = plan._replace(acts=acts[:first] + acts[first + size :])
            tries += 1
            if wrong(shorter):
                acts = shorter.acts
                break
        else:
            if size == 1:
                break
            size //= 2
    return plan._replace(acts=acts)
