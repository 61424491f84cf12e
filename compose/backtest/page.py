"""A backtest's report as one page that needs nothing else: every day of every person as a strip, with what called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from compose.backtest.report import Estimate, Person, Population, Report, Score
from compose.backtest.strips import STYLE as STRIP_STYLE
from compose.backtest.strips import days, key
from simulators.exports import ZONE, Export, local_minute
from simulators.intervals import DAY_US
from simulators.load.page import STYLE

EXTRA = """
.person{margin-top:36px}.person h2{font-size:20px}
table.scores td:nth-child(2),table.scores th:nth-child(2){text-align:left}
table.scores tr.first td{border-top:1px solid var(--rule)}table.scores td{border-bottom:0}
td small{color:var(--dim);font-size:12px}
"""
WARNING = (
    "A test of rules on past readings, for people who know what they are looking at. Vigil is not a medical device; "
    "events are taken from the sensor itself, so its own errors are in them."
)
READ_ME = (
    "An event is at least 15 min beyond the limit. An alarm 45 to 5 min before it is a hit; one with no event behind "
    "it is false, and near where the glucose came within 10 mg/dL of the limit. Told: events with an alarm from 45 min "
    "before to their end, and the minutes from the event's beginning to it. A rule that tells of events foresees none."
)


def page(report: Report, exports: Sequence[Export]) -> str:
    """The whole page; ``exports`` are those of the report."""
    title = f"Backtest of {len(report.people)} {'person' if len(report.people) == 1 else 'people'}"
    under = f"{WARNING} Predictions look {report.horizon_minutes} min ahead. Intervals are 95 %, seed {report.seed}."
    body = [
        f"<h1>{escape(title)}</h1><p class='dim'>{escape(under)}</p><p class='dim'>{escape(READ_ME)}</p>",
        key(),
        *(_population(each) for each in report.populations),
        *(_person(person, exports) for person in report.people),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{EXTRA}{STRIP_STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _population(population: Population) -> str:
    who = ", ".join(population.patients)
    return (
        f"<section class='card wide'><h2>All with {escape(population.name)}</h2>"
        f"<p class='dim'>{escape(who)}; intervals by drawing people</p>{_scores(population.scores)}</section>"
    )


def _person(person: Person, exports: Sequence[Export]) -> str:
    own = [each for each in exports if each.device in person.files and each.metric == "glucose"]
    begin, end = local_minute(person.begin)[:10], local_minute(person.end)[:10]
    under = f"{', '.join(person.files)} · {person.population} · {begin} to {end} · local time of {ZONE.key}"
    strips = "".join(days(export, person.marks, person.spells) for export in own)
    return (
        f"<section class='person'><h2>{escape(person.patient)}</h2><p class='dim'>{escape(under)}</p>{_tiles(person)}"
        f"{_scored(person)}{strips}</section>"
    )


def _scored(person: Person) -> str:
    return f"<div class='card wide'>{_scores(person.scores)}{_errors(person)}</div>" if person.scores else ""


def _tiles(person: Person) -> str:
    counted = person.days if person.glucose is not None else (person.end - person.begin) / DAY_US
    calls = sum(each.calls for each in person.announced if each.rule != "signal")
    silences = sum(each.calls for each in person.announced if each.rule == "signal")
    tiles = [(f"{counted:.1f}", "days with data" if person.glucose is not None else "days from first to last reading")]
    if person.glucose is not None:
        tiles += [
            (f"{person.glucose.below_70:.1%}", f"of the time below 70, {person.glucose.below_54:.1%} below 54"),
            (f"{person.glucose.within:.0%}", "of the time in 70-180"),
            (f"{person.glucose.above_250:.0%}", "of the time above 250"),
        ]
    tiles += [
        (_a_day(calls, counted), f"calls a day by the rules, {calls} in all"),
        (_a_day(silences, counted), f"calls a day for missing data, {silences} in all"),
    ]
    cells = "".join(
        f"<div class='tile'><b>{escape(value)}</b><span>{escape(name)}</span></div>" for value, name in tiles
    )
    return f"<div class='tiles'>{cells}</div>"


def _a_day(calls: int, counted: float) -> str:
    return f"{calls / counted:.2f}" if counted else "-"


def _errors(person: Person) -> str:
    if not person.rmse_30:
        return ""
    said = ", ".join(f"{name} {rmse:.1f}" for name, rmse in person.rmse_30.items())
    return f"<p class='dim'>Forecast 30 min ahead, root mean square error in mg/dL: {escape(said)}</p>"


HEAD = ("event", "alarm", "events", "recall", "15 min before", "precision", "false a day", "lead, min", "near", "told")


def _scores(scores: Sequence[Score]) -> str:
    head = "".join(f"<th>{each}</th>" for each in HEAD)
    return (
        f"<div class='scroll'><table class='scores'><thead><tr>{head}</tr></thead><tbody>"
        f"{''.join(_rows(scores))}</tbody></table></div>"
    )


def _rows(scores: Iterable[Score]) -> Iterator[str]:
    before = ""
    for score in scores:
        new = score.target != before
        before = score.target
        cells = [
            escape(score.target) if new else "",
            escape(score.alarm),
            str(score.events),
            _estimate(score.recall),
            _number(score.recall_15.value),
            _estimate(score.precision),
            _estimate(score.false_per_day),
            _number(score.lead_median, "g"),
            _number(score.near.value),
            _told(score),
        ]
        yield f"<tr class='{'first' if new else ''}'>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _estimate(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.interval is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} <small>{estimate.interval[0]:.2f}-{estimate.interval[1]:.2f}</small>"


def _told(score: Score) -> str:
    if score.told is None or not score.alarm.startswith("rule"):
        return ""
    return f"{score.told:.2f} <small>{score.told_after:+g} min</small>" if score.told_after is not None else "0.00"


def _number(value: float | None, form: str = ".2f") -> str:
    return "-" if value is None else format(value, form)
