"""The days of a person as strips of inline SVG: 24 h across by the local clock, glucose on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from html import escape
from itertools import groupby, pairwise
from typing import NamedTuple

from compose.backtest.report import Mark, Spell
from simulators.exports import ZONE, Export, local_minute
from vitals.metrics import GLUCOSE, MINUTE_US
from vitals.units import UNIT_BY_NAME, canonical_scalar

WIDTH, LEFT, RIGHT = 1200, 112, 8
PLOT, ABOVE, BELOW = 66, 14, 11
HEIGHT, AXIS = ABOVE + PLOT + BELOW, 15
AXIS_EVERY = 7
"""Strips under one row of hours."""
LOW, HIGH = 36.0, 420.0
LIMITS = {54: "", 70: "70", 180: "", 250: "250"}
"""The limits that are drawn, and how they are called: there is no room to call each."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STYLE = """
.strips{margin-top:16px}.strips svg{margin:0}
.strip text{fill:var(--dim);font-size:11px}.strip text.day{fill:var(--ink);font-size:12px;font-weight:600}
.strip .well{fill:var(--good);opacity:.10}.strip .limit{stroke:var(--rule)}.strip .hour{stroke:var(--rule);opacity:.6}
.strip .limit.l70{stroke:var(--s3)}.strip .limit.l54{stroke:var(--bad)}.strip .limit.l250{stroke:var(--s5)}
.strip .glucose{fill:none;stroke:var(--ink);stroke-width:1.4;stroke-linejoin:round;stroke-linecap:round}
.strip .below70{fill:var(--s3)}.strip .below54{fill:var(--bad)}.strip .above250{fill:var(--s5)}
.strip .high{fill:var(--bad);stroke:var(--bad)}.strip .medium{fill:var(--s3);stroke:var(--s3)}
.strip .low{fill:var(--s5);stroke:var(--s5)}.strip .signal{fill:none;stroke-width:1.5}
.strip .hit{fill:var(--s4);stroke:var(--s4)}.strip .false{fill:none;stroke:var(--s4)}
.strip .other{fill:none;stroke:var(--dim)}.strip circle{stroke-width:1.5}
.nothing{color:var(--dim);font-size:12px;padding:3px 0 3px 112px}
ul.legend svg{display:inline-block;width:16px;height:14px;margin:0 6px 0 0;vertical-align:-2px}
"""
UP, SIGNAL = "m-4.5 0h9l-4.5 -8z", "signal"
DOWN = "l-4.5 -8h9z"
SHAPES = {**dict.fromkeys(("low", "low_sustained", "low_soon", "glucose_falling"), DOWN), SIGNAL: "m-3 -1h6v-6h-6z"}
"""A rule's sign, drawn from below its middle: what is about low points down, silence is a square, others point up."""
SPELL_CSS = {"below 70": "below70", "below 54": "below54", "above 250": "above250"}
DRAWN_FORECAST, DRAWN_TARGET = "predicted ar2-line", "below 70"
"""The one prediction that is drawn; the table has all."""


class Place(NamedTuple):
    """An instant on the local clock: its day, and how far across (0 to 1)."""

    day: date
    across: float


def place(at: int) -> Place:
    """Where an instant (µs UTC) lies. On the day on which an hour comes twice, its two passes lie on each other."""
    local = (EPOCH + timedelta(microseconds=at)).astimezone(ZONE)
    return Place(local.date(), (local.hour * 60 + local.minute + local.second / 60) / 1440)


def days(export: Export, marks: Sequence[Mark], spells: Sequence[Spell]) -> str:
    """A strip for each day with readings, one line for days without."""
    readings: dict[date, list[tuple[int, float, float]]] = {}
    unit = UNIT_BY_NAME[export.unit]
    for sample in sorted(export.samples, key=lambda sample: sample.at):
        day, across = place(sample.at)
        readings.setdefault(day, []).append((sample.at, across, canonical_scalar(sample.value, unit)))
    stream = export.type.stream(GLUCOSE.name)
    assert stream is not None, "a glucose export's device sends glucose"
    gap = GLUCOSE.gap_of_us(stream.interval_us)
    by_day = {day: list(some) for day, some in groupby(marks, key=lambda mark: place(mark.at).day)}
    parts: list[str] = []
    before: date | None = None
    for number, (day, found) in enumerate(readings.items()):
        if number % AXIS_EVERY == 0:
            parts.append(_hours())
        if before is not None and (day - before).days > 1:
            parts.append(f"<p class='nothing'>{(day - before).days - 1} days without readings</p>")
        before = day
        parts.append(_strip(day, found, gap, by_day.get(day, []), spells))
    return f"<div class='card strips'>{''.join(parts)}</div>"


def _strip(
    day: date, readings: Sequence[tuple[int, float, float]], gap: int, marks: Iterable[Mark], spells: Iterable[Spell]
) -> str:
    label = f"Glucose on {day:%d %B %Y}"
    parts = [f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">', _ground(day)]
    parts += _spells(day, spells)
    for line in _lines(readings, gap):
        path = "L".join(f"{x(across):.1f} {y(value):.1f}" for across, value in line)
        parts.append(f'<path class="glucose" d="M{path}{"h.1" if len(line) == 1 else ""}"/>')
    parts += [drawn for mark in marks if (drawn := _mark(mark))]
    return "".join([*parts, "</svg>"])


def x(across: float) -> float:
    """Pixels from the left of a share of the day."""
    return LEFT + across * (WIDTH - LEFT - RIGHT)


def y(value: float) -> float:
    """Pixels from the top of a glucose in mg/dL."""
    share = (math.log(min(max(value, LOW), HIGH)) - math.log(LOW)) / (math.log(HIGH) - math.log(LOW))
    return ABOVE + (1 - share) * PLOT


def _ground(day: date) -> str:
    right, bottom = WIDTH - RIGHT, ABOVE + PLOT
    parts = [f'<text class="day" x="0" y="{ABOVE + 26}">{day:%a %d %b}</text>']
    parts.append(
        f'<rect class="well" x="{LEFT}" y="{y(180):.1f}" width="{right - LEFT}" height="{y(70) - y(180):.1f}"/>'
    )
    for limit, name in LIMITS.items():
        parts.append(f'<path class="limit l{limit}" d="M{LEFT} {y(limit):.1f}H{right}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y(limit) + 4:.1f}" text-anchor="end">{name}</text>')
    parts += [f'<path class="hour" d="M{x(hour / 24):.1f} {ABOVE}V{bottom}"/>' for hour in range(0, 25, 3)]
    return "".join(parts)


def _hours() -> str:
    texts = [
        f'<text x="{x(hour / 24):.1f}" y="{AXIS - 3}" text-anchor="middle">{hour:02}:00</text>'
        for hour in range(0, 24, 3)
    ]
    return f'<svg class="strip" viewBox="0 0 {WIDTH} {AXIS}" aria-hidden="true">{"".join(texts)}</svg>'


def _lines(readings: Sequence[tuple[int, float, float]], gap: int) -> Iterator[list[tuple[float, float]]]:
    """Runs of points without a gap, and without a step back of the local clock."""
    line: list[tuple[float, float]] = []
    for (before, last, _), (at, across, value) in pairwise([(readings[0][0], 0.0, 0.0), *readings]):
        if line and (at - before > gap or across < last):
            yield line
            line = []
        line.append((across, value))
    yield line


def _spells(day: date, spells: Iterable[Spell]) -> Iterator[str]:
    for spell in spells:
        begin, end = place(spell.begin), place(spell.end)
        if not begin.day <= day <= end.day:
            continue
        first, last = begin.across if begin.day == day else 0.0, end.across if end.day == day else 1.0
        top = {"above 250": ABOVE - 1, "below 70": ABOVE + PLOT - 6, "below 54": ABOVE + PLOT - 3}[spell.target]
        note = f"{spell.target} for {(spell.end - spell.begin) // MINUTE_US} min from {local_minute(spell.begin)[11:]}"
        yield (
            f'<rect class="{SPELL_CSS[spell.target]}" x="{x(first):.1f}" y="{top}" '
            f'width="{max(1.5, x(last) - x(first)):.1f}" height="3"><title>{escape(note)}</title></rect>'
        )


def _mark(mark: Mark) -> str:
    across, when = x(place(mark.at).across), local_minute(mark.at)[11:]
    if mark.priority is not None:
        note = escape(f"{when} {mark.alarm}, {mark.priority} priority")
        css = f"signal {mark.priority}" if mark.alarm == SIGNAL else mark.priority
        path = f"M{across:.1f} {ABOVE - 3}{SHAPES.get(mark.alarm, UP)}"
        return f'<path class="{css}" d="{path}"><title>{note}</title></path>'
    if (mark.alarm, mark.target) != (DRAWN_FORECAST, DRAWN_TARGET):
        return ""
    css = mark.verdict if mark.verdict in {"hit", "false"} else "other"
    note = f"{when} predicted low: {mark.verdict}"
    return f'<circle class="{css}" cx="{across:.1f}" cy="{ABOVE + PLOT + 6}" r="3.5"><title>{note}</title></circle>'


def key() -> str:
    """What the signs mean."""
    entries = [
        (f'<path class="medium" d="M8 12{DOWN}"/>', "a rule about low calls"),
        (f'<path class="low" d="M8 12{UP}"/>', "another rule calls"),
        (f'<path class="signal medium" d="M8 12{SHAPES[SIGNAL]}"/>', "no data, it calls"),
        ('<path class="high" d="M0 4h16v6h-16z"/>', "high priority"),
        ('<path class="medium" d="M0 4h16v6h-16z"/>', "medium"),
        ('<path class="low" d="M0 4h16v6h-16z"/>', "low"),
        ('<circle class="hit" cx="8" cy="7" r="4"/>', "a low predicted by ar2-line, a hit"),
        ('<circle class="false" cx="8" cy="7" r="4"/>', "predicted, false"),
        ('<circle class="other" cx="8" cy="7" r="4"/>', "predicted, neither"),
        ('<rect class="below70" x="0" y="5" width="16" height="4"/>', "event below 70"),
        ('<rect class="below54" x="0" y="5" width="16" height="4"/>', "event below 54"),
        ('<rect class="above250" x="0" y="5" width="16" height="4"/>', "event above 250"),
        ('<rect class="well" x="0" y="1" width="16" height="12"/>', "70-180 mg/dL"),
    ]
    items = "".join(f'<li><svg class="strip" viewBox="0 0 16 14">{drawn}</svg>{text}</li>' for drawn, text in entries)
    return f"<ul class='legend'>{items}</ul>"
