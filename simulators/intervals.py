"""How sure a score is: counts of independent units, and bootstrap intervals of their ratios. Pure; seeded.

A unit is a day of one person, or a person of a population. A day's counts stay together, and so do a person's: alarms
and events of one day are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.scoring import USEFUL_LEAD_US, Event, Judged, Trace, leads
from vitals.metrics import MINUTE_US

DAY_US = 24 * 60 * MINUTE_US
RESAMPLES = 2000
PERCENT = 95.0
KNOWN_MIN = 0.5
"""An interval needs at least this share of resamples in which its ratio exists."""


class Counts(NamedTuple):
    """What is counted of a unit; ``events`` are those that count, ``found`` those with a hit, ``early`` those with one
    at least 15 min before; ``hits``, ``false`` and ``near`` (of the false) are alarms; ``days`` the time with data.
    """

    events: float = 0.0
    found: float = 0.0
    early: float = 0.0
    hits: float = 0.0
    false: float = 0.0
    near: float = 0.0
    days: float = 0.0


class Ratio(NamedTuple):
    """One count over the sum of others."""

    above: str
    below: tuple[str, ...]


RATIOS = {
    "recall": Ratio("found", ("events",)),
    "recall_15": Ratio("early", ("events",)),
    "precision": Ratio("hits", ("hits", "false")),
    "false_per_day": Ratio("false", ("days",)),
    "near": Ratio("near", ("false",)),
}


def by_day(trace: Trace, found: Sequence[Event], judged: Iterable[Judged]) -> list[Counts]:
    """The counts of each day (UTC) with data; an event belongs to the day in which it begins."""
    first = int(trace.at[0]) // DAY_US if len(trace.at) else 0
    last = max((span.end // DAY_US for span in trace.stretches), default=first)
    table = np.zeros((last - first + 1, len(Counts._fields)))
    column = {name: place for place, name in enumerate(Counts._fields)}

    def add(at: int, name: str, amount: float = 1.0) -> None:
        table[at // DAY_US - first, column[name]] += amount

    judged = list(judged)
    lead = leads(found, judged)
    for number, event in enumerate(found):
        if event.eligible:
            add(event.begin, "events")
            add(event.begin, "found", number in lead)
            add(event.begin, "early", lead.get(number, 0) >= USEFUL_LEAD_US)
    for alarm in judged:
        if alarm.verdict in {"hit", "false"}:
            add(alarm.at, "hits" if alarm.verdict == "hit" else "false")
            add(alarm.at, "near", alarm.near)
    for span in trace.stretches:
        for day in range(span.begin // DAY_US, span.end // DAY_US + 1):
            inside = min(span.end, (day + 1) * DAY_US) - max(span.begin, day * DAY_US)
            add(day * DAY_US, "days", inside / DAY_US)
    return [Counts(*row) for row in table[table.any(axis=1)].tolist()]


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of counts."""
    return Counts(*(sum(each) for each in zip(Counts(), *counts, strict=True)))


def ratio(counts: Counts, name: str) -> float | None:
    """One of `RATIOS`, None where there is nothing to divide by."""
    wanted = RATIOS[name]
    below = sum(getattr(counts, each) for each in wanted.below)
    return getattr(counts, wanted.above) / below if below else None


def intervals(units: Sequence[Counts], seed: int, resamples: int = RESAMPLES) -> dict[str, tuple[float, float] | None]:
    """The 95 % percentile interval of each of `RATIOS` when the units are drawn anew, as many with replacement; None
    for a single unit, and where the ratio seldom exists.
    """
    found: dict[str, tuple[float, float] | None] = dict.fromkeys(RATIOS)
    if len(units) < 2:
        return found
    sums: NDArray[np.float64] = _drawn(len(units), seed, resamples) @ np.array(units)
    column = {name: sums[:, place] for place, name in enumerate(Counts._fields)}
    for name, wanted in RATIOS.items():
        below = np.sum([column[each] for each in wanted.below], axis=0)
        some = below > 0
        if some.mean() >= KNOWN_MIN:
            values = column[wanted.above][some] / below[some]
            low, high = np.percentile(values, [(100 - PERCENT) / 2, (100 + PERCENT) / 2]).tolist()
            found[name] = low, high
    return found


@lru_cache(maxsize=4)
def _drawn(units: int, seed: int, resamples: int) -> NDArray[np.float64]:
    """How often each unit is in each resample, shape (resamples, units); every score of a person asks for the same."""
    draws = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=resamples)
    return draws.astype(np.float64)
