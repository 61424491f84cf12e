"""A backtest's report for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table

from compose.backtest.report import Estimate, Person, Population, Report, Score
from simulators.exports import local_minute

WIDTH_MIN = 132
"""Columns of a pipe, or of a terminal that is narrower: a score is one line."""
HEADINGS = (
    "events",
    "alarm",
    "n",
    "recall",
    "lead >= 15",
    "precision",
    "false/day",
    "lead",
    "p25",
    "near",
    "told",
    "after",
)


def show(report: Report, console: Console) -> None:
    """Print a report."""
    for person in report.people:
        for line in person_lines(person):
            console.print(line, highlight=False, soft_wrap=True)
        if person.scores:
            console.print(scores_table(person.scores))
    for population in report.populations:
        console.print(population_line(population), highlight=False, soft_wrap=True)
        console.print(scores_table(population.scores))
    console.print(foot(report), highlight=False, soft_wrap=True)


def console_for(width: int | None = None) -> Console:
    """A console on stdout that is wide enough for a line a score."""
    console = Console(width=width)
    if console.width < WIDTH_MIN:
        console = Console(width=WIDTH_MIN)
    return console


def person_lines(person: Person) -> Iterator[str]:
    """Who, how long, how often the rules called."""
    begin, end = (datetime.fromisoformat(local_minute(at)).strftime("%d %b %Y") for at in (person.begin, person.end))
    besides = "".join(f", {count} rejected ({reason})" for reason, count in person.rejected.items())
    besides += "".join(f", {count} unused ({reason})" for reason, count in person.unused.items())
    besides += "".join(f", {count} at a guessed time (it {reason})" for reason, count in person.guessed.items())
    besides += "".join(
        f", {count} {'day' if count == 1 else 'days'} of readings each {minutes} min"
        for minutes, count in person.odd_days.items()
    )
    covered = f", {person.days:.1f} days with data" if person.glucose is not None else ""
    yield (
        f"[bold]{person.patient}[/bold]  {', '.join(person.files)}  {person.population}  {begin} to {end}  "
        f"{person.readings} readings, {person.deciding} of glucose decide{besides}{covered}"
    )
    if person.glucose is not None:
        shares = person.glucose
        yield (
            f"  time below 54 {shares.below_54:.1%}, below 70 {shares.below_70:.1%}, 70-180 {shares.within:.1%}, "
            f"above 180 {shares.above_180:.1%}, above 250 {shares.above_250:.1%}"
        )
    yield "  episodes  " + (
        ", ".join(f"{each.rule} level {each.level}: {each.count}" for each in person.episodes) or "none"
    )
    yield "  calls     " + (
        ", ".join(
            f"{each.rule} {each.priority}: {each.calls}" + (f" (+{each.repeats} repeats)" if each.repeats else "")
            for each in person.announced
        )
        or "none"
    )
    if person.rmse_30:
        yield "  30 min ahead, RMSE mg/dL  " + ", ".join(f"{name} {rmse:.1f}" for name, rmse in person.rmse_30.items())


def population_line(population: Population) -> str:
    """Which people, and what was drawn for the intervals."""
    return f"[bold]all with {population.name}[/bold]  {', '.join(population.patients)}  (intervals by drawing people)"


def scores_table(scores: Sequence[Score]) -> Table:
    """A line for each kind of event and alarm."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in {"events", "alarm"} else "right", no_wrap=True)
    before = ""
    for score in scores:
        table.add_row("" if score.target == before else score.target, *_cells(score))
        before = score.target
    return table


def foot(report: Report) -> str:
    """How to read it."""
    return (
        f"A hit comes 45 to 5 min before an event; lead, p25 and after in min; near: false alarms within 10 mg/dL of "
        f"the limit; told: events with an alarm from 45 min before to their end. Predictions look "
        f"{report.horizon_minutes} min ahead. 95 % intervals by bootstrap, seed {report.seed}: by day of a person, by "
        f"person of a population. "
        f"{report.seconds:.1f} s."
    )


def _cells(score: Score) -> list[str]:
    predicted = not score.alarm.startswith("rule")
    return [
        score.alarm,
        str(score.events),
        _ratio(score.recall),
        _plain(score.recall_15.value),
        _ratio(score.precision),
        _ratio(score.false_per_day),
        _plain(score.lead_median, "g"),
        _plain(score.lead_p25, "g"),
        _plain(score.near.value),
        "" if predicted else _plain(score.told),
        "" if predicted else _plain(score.told_after, "g"),
    ]


def _ratio(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.interval is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.interval[0]:.2f}-{estimate.interval[1]:.2f})"


def _plain(value: float | None, form: str = ".2f") -> str:
    return "-" if value is None else format(value, form)
