"""What alternated turns come to: medians of each side, ratios turn by turn, targets, and a table. Pure.

Turns of two sides stand beside each other in time, so a ratio is taken within each pair and the median of those is
what is told: a neighbour on the machine that takes a core for some seconds bends both of a pair alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Per = Literal["cpu", "wall"]
PER: dict[Per, str] = {"cpu": "CPU-second", "wall": "second"}


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of one side: so much ``work`` (messages, rows, frames), what it cost; ``more`` are further figures."""

    work: float
    cpu_s: float
    wall_s: float
    more: Mapping[str, float] = field(default_factory=dict)

    def rate(self, per: Per) -> float:
        """Work per second of CPU or wall; 0 where that time is not known."""
        seconds = self.cpu_s if per == "cpu" else self.wall_s
        return self.work / seconds if seconds else 0.0


@dataclass(frozen=True, slots=True)
class Target:
    """``ours`` is to reach ``least`` times what ``theirs`` does per second of CPU or wall."""

    ours: str
    theirs: str
    per: Per
    least: float | None = None


Sides = Mapping[str, Sequence[Turn]]


def side(turns: Sequence[Turn]) -> dict[str, Any]:
    """Medians of one side, and each turn as it was."""
    names = sorted({name for turn in turns for name in turn.more})
    return {
        "turns": len(turns),
        "per_cpu_second": round(statistics.median(turn.rate("cpu") for turn in turns)),
        "per_second": round(statistics.median(turn.rate("wall") for turn in turns)),
        "us_of_cpu_each": round(statistics.median(turn.cpu_s / turn.work * 1e6 for turn in turns), 2),
        **{name: round(statistics.median(turn.more.get(name, 0.0) for turn in turns), 2) for name in names},
        "each_turn": [
            {"work": turn.work, "cpu_s": round(turn.cpu_s, 3), "wall_s": round(turn.wall_s, 3)} for turn in turns
        ],
    }


def ratio(sides: Sides, target: Target) -> dict[str, Any] | None:
    """Median of the ratios of pairs, with the least and greatest; None where a side is absent."""
    ours, theirs = sides.get(target.ours, ()), sides.get(target.theirs, ())
    pairs = [
        (mine.rate(target.per), other.rate(target.per))
        for mine, other in zip(ours, theirs, strict=bool(ours and theirs))
    ]
    found = [mine / other for mine, other in pairs if other]
    if not found:
        return None
    median = statistics.median(found)
    return {
        "ours": target.ours,
        "yardstick": target.theirs,
        "per": PER[target.per],
        "ratio": round(median, 3),
        "range": [round(min(found), 3), round(max(found), 3)],
        "target": target.least,
        "met": None if target.least is None else median >= target.least,
    }


def table(rows: Sequence[Sequence[object]], heads: Sequence[str]) -> str:
    """A Markdown table whose columns line up; figures stand to the right."""
    text = [[_shown(cell) for cell in row] for row in rows]
    widths = [max(len(line[at]) for line in [list(heads), *text]) for at in range(len(heads))]
    right = [bool(text) and all(_is_figure(row[at]) for row in rows) for at in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if to else cell.ljust(width) for cell, width, to in zip(cells, widths, right, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (width + 1) + (":" if to else "-") for width, to in zip(widths, right, strict=True))
    return "\n".join([line(list(heads)), f"|{rule}|", *map(line, text)])


def _is_figure(cell: object) -> bool:
    return cell is None or isinstance(cell, int | float)


def _shown(cell: object) -> str:
    match cell:
        case None:
            return "-"
        case bool():
            return "met" if cell else "MISSED"
        case float():
            return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
        case int():
            return f"{cell:,}"
        case _:
            return str(cell)
