"""What a backtest found, as data: per person, and per population, whose people wear devices of one type."""

from __future__ import annotations

from typing import Literal

from vitals.messages import Message
from vitals.policies import Priority

FORMAT = 1


class Estimate(Message):
    """A ratio and its 95 % bootstrap interval; None where there is nothing to divide by, or to draw from."""

    value: float | None
    interval: tuple[float, float] | None


class Score(Message):
    """How one kind of alarm scores against one kind of event (docs/backtest.md). Times in minutes; ``told`` is the
    share of events with an alarm from 45 min before to their end, ``told_after`` how long after the beginning, below
    0 before it.
    """

    target: str
    alarm: str
    events: int
    """Events with 30 min of data before; ``ineligible_events`` had less."""
    ineligible_events: int
    hits: int
    false: int
    late: int
    inside: int
    ineligible: int
    unjudged: int
    recall: Estimate
    recall_15: Estimate
    precision: Estimate
    false_per_day: Estimate
    near: Estimate
    lead_median: float | None
    lead_p25: float | None
    told: float | None
    told_after: float | None


class Announced(Message):
    """How often one rule called: ``calls`` asked anew (an opening, a rise), ``repeats`` called again, since nobody
    answers in a backtest.
    """

    rule: str
    priority: Priority
    calls: int
    repeats: int


class EpisodeCount(Message):
    """Episodes of one rule by the highest level that they reached."""

    rule: str
    level: int
    count: int


class Glucose(Message):
    """Shares of the time with data: below 54 and 70, in 70-180, above 180 and 250 mg/dL."""

    below_54: float
    below_70: float
    within: float
    above_180: float
    above_250: float


class Mark(Message):
    """An instant to draw (µs UTC): an alarm of a rule with its priority, or of a forecast with what it was."""

    at: int
    alarm: str
    target: str = ""
    priority: Priority | None = None
    verdict: str = ""


class Spell(Message):
    """An event to draw, from ``begin`` to ``end`` (µs UTC)."""

    target: str
    begin: int
    end: int


class Person(Message):
    """One person's backtest. Times µs UTC; ``days`` is the time with data, ``readings`` the rows of the files."""

    patient: str
    population: str
    files: tuple[str, ...]
    begin: int
    end: int
    days: float
    readings: int
    deciding: int
    rejected: dict[str, int]
    """Rows that the bridge would not take, by reason."""
    unused: dict[str, int]
    """Rows that are in the log and decide nothing, by reason."""
    guessed: dict[str, int]
    """Rows whose time is a guess, by what their local time does: it happens twice, or does not exist."""
    odd_days: dict[str, int]
    """Days whose readings do not come at the device's interval, by theirs in min."""
    glucose: Glucose | None
    episodes: tuple[EpisodeCount, ...]
    announced: tuple[Announced, ...]
    scores: tuple[Score, ...]
    rmse_30: dict[str, float]
    """Root mean square error of each forecast 30 min ahead, mg/dL."""
    marks: tuple[Mark, ...]
    spells: tuple[Spell, ...]


class Population(Message):
    """Scores over all people of one population: counts added up, intervals by drawing people."""

    name: str
    patients: tuple[str, ...]
    scores: tuple[Score, ...]


class Report(Message):
    """A whole backtest; ``seed`` is of the bootstrap, ``seconds`` what it took on a real clock."""

    kind: Literal["backtest"] = "backtest"
    format: int = FORMAT
    seed: int
    policy: int
    """Version of the policy in force; the default's is 1."""
    horizon_minutes: int
    people: tuple[Person, ...]
    populations: tuple[Population, ...]
    seconds: float = 0.0
