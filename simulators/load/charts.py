"""Plots as inline SVG, without a script: lines over a scale, with a legend and a label at each line's end. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 96, 14, 42
LABEL_GAP = 14
"""Least distance of two labels at the lines' ends, px."""


@dataclass(frozen=True, slots=True)
class Line:
    """One series: its name, its class of colour (``s1`` to ``s5``), and its points; ``notes`` are said of a point
    when the pointer rests on it.
    """

    name: str
    css: str
    points: Sequence[tuple[float, float]]
    notes: Sequence[tuple[float, float, str]] = ()
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """From a value to a place between 0 and 1, and where the ticks stand: (value, text)."""

    place: Callable[[float], float]
    ticks: Sequence[tuple[float, str]]


def linear(most: float, unit: str = "") -> Scale:
    """From 0 to a round number at or above ``most``."""
    step = _step(most / 4)
    top = max(step, math.ceil(most / step - 1e-9) * step)
    count = round(top / step)
    return Scale(lambda value: value / top, [(step * each, f"{_text(step * each)}{unit}") for each in range(count + 1)])


def until(most: float) -> Scale:
    """From 0 to exactly ``most``."""
    step = _step(most / 6)
    return Scale(
        lambda value: min(1.0, value / most),
        [(step * each, _text(step * each)) for each in range(int(most / step) + 1)],
    )


def logarithmic(least: float, most: float) -> Scale:
    """Between powers of ten that hold both, ticks at 1, and 2 and 5 where there is room."""
    low, high = math.floor(math.log10(least)), max(math.floor(math.log10(least)) + 1, math.ceil(math.log10(most)))
    span = high - low
    digits = (1, 2, 5) if span <= 3 else (1,)
    ticks = [(digit * 10.0**power, _text(digit * 10.0**power)) for power in range(low, high) for digit in digits]
    return Scale(
        lambda value: (math.log10(max(value, 10.0**low)) - low) / span, [*ticks, (10.0**high, _text(10.0**high))]
    )


def quantiles(most: float) -> Scale:
    """Percent on the scale of what is left above: 90, 99, 99.9 are equally far apart; up to about ``most`` percent."""
    nines = max(2, math.ceil(-math.log10(1 - most / 100) - 1e-9)) if most < 100 else 5

    def place(percent: float) -> float:
        return min(1.0, -math.log10(max(1 - percent / 100, 10.0**-nines)) / nines)

    found = [0.0, 50.0, *(100 * (1 - 10.0**-each) for each in range(1, nines + 1))]
    return Scale(place, [(each, f"{each:g}") for each in found])


def plot(title: str, lines: Sequence[Line], x: Scale, y: Scale, *, x_name: str, y_name: str) -> str:
    """A plot as an ``<svg>`` with a title for who cannot see it."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def at(point: tuple[float, float]) -> tuple[float, float]:
        return LEFT + x.place(point[0]) * (right - LEFT), bottom - y.place(point[1]) * (bottom - TOP)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for value, text in y.ticks:
        height = bottom - y.place(value) * (bottom - TOP)
        parts.append(f'<path class="grid" d="M{LEFT} {height:.1f}H{right}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{height + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    for value, text in x.ticks:
        across = LEFT + x.place(value) * (right - LEFT)
        parts.append(f'<path class="mark" d="M{across:.1f} {bottom}v5"/>')
        parts.append(
            f'<text class="tick" x="{across:.1f}" y="{bottom + 18}" text-anchor="middle">{escape(text)}</text>'
        )
    parts.append(f'<path class="axis" d="M{LEFT} {bottom}H{right}"/>')
    parts.append(f'<text class="name" x="{right}" y="{HEIGHT - 6}" text-anchor="end">{escape(x_name)}</text>')
    parts.append(f'<text class="name" x="{LEFT}" y="{TOP - 4}">{escape(y_name)}</text>')
    drawn = [line for line in lines if line.points]
    for line in drawn:
        path = "L".join(f"{across:.1f} {height:.1f}" for across, height in map(at, line.points))
        dashed = ' stroke-dasharray="5 4"' if line.dashed else ""
        parts.append(f'<path class="line {line.css}" d="M{path}"{dashed}/>')
        for where, value, note in line.notes:
            across, height = at((where, value))
            parts.append(
                f'<circle class="dot {line.css}" cx="{across:.1f}" cy="{height:.1f}" r="3.5">'
                f"<title>{escape(note)}</title></circle>"
            )
    parts += _labels(drawn, [at(line.points[-1])[1] for line in drawn], right)
    return "".join([*parts, "</svg>"])


def bars(title: str, rows: Sequence[tuple[str, Sequence[tuple[str, str, float]]]], unit: str) -> str:
    """Stacked bars, one a row: its name, and (name, class of colour, value) of each part; all on one scale."""
    most = max((sum(value for _, _, value in parts) for _, parts in rows), default=0.0) or 1.0
    height = 20 + 46 * len(rows)
    left, right = 120, WIDTH - 80
    out = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">']
    for index, (name, parts) in enumerate(rows):
        top, across = 12 + 46 * index, float(left)
        out.append(f'<text class="row" x="{left - 10}" y="{top + 19}" text-anchor="end">{escape(name)}</text>')
        for part, css, value in parts:
            width = value / most * (right - left)
            if width <= 0:
                continue
            gap = 1.5 if width > 4 else 0.0
            out.append(
                f'<rect class="bar {css}" x="{across:.1f}" y="{top}" width="{max(0.5, width - gap):.1f}" height="28" '
                f'rx="2"><title>{escape(f"{part}: {value:.1f} {unit}")}</title></rect>'
            )
            across += width
        total = sum(value for _, _, value in parts)
        out.append(f'<text class="tick" x="{across + 8:.1f}" y="{top + 19}">{total:.1f} {escape(unit)}</text>')
    return "".join([*out, "</svg>"])


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """(name, class of colour) as a list."""
    items = "".join(f'<li><span class="key {css}"></span>{escape(name)}</li>' for name, css in entries)
    return f'<ul class="legend">{items}</ul>'


def _labels(lines: Sequence[Line], heights: Sequence[float], right: float) -> list[str]:
    """Each line's name at its end, moved apart where they would lie on each other."""
    parts = []
    free = -math.inf
    for height, line in sorted(zip(heights, lines, strict=True), key=lambda each: each[0]):
        free = max(height, free + LABEL_GAP)
        parts.append(f'<text class="end {line.css}" x="{right + 8}" y="{free + 4:.1f}">{escape(line.name)}</text>')
    return parts


def _step(rough: float) -> float:
    if rough <= 0:
        return 0.25
    power = 10.0 ** math.floor(math.log10(rough))
    return next(digit * power for digit in (1, 2, 2.5, 5, 10) if digit * power >= rough * (1 - 1e-9))


def _text(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
