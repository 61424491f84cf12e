"""The backtest of a synthetic year of one person's 5-minute glucose: the whole command, the same for a sensor of one
minute, and its fold with few ticks beside the same fold with every minute's tick, which it equals.

The year is an autoregression over two rhythms of the day; a few readings are lost each day, and every third has a hole.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

from benchmarks.compare import Target, Turn
from benchmarks.frame import CLOCK, Result, alternate, children_cpu, own_cpu
from compose.backtest.fold import fold
from compose.backtest.log import PersonLog, build
from simulators.exports import parse
from vitals.policies import DEFAULT
from vitals.units import MG_DL_PER_MMOL_L

BEGIN = datetime(2023, 1, 2)  # noqa: DTZ001 - the file's local time has no zone
A_DAY = 288
DAYS, DAYS_DENSE = 365, 36
COMMAND, MINUTES = "the whole command, a year", "the whole command, a year each minute"
FEW, EVERY = f"few ticks, {DAYS_DENSE} days", f"every tick, {DAYS_DENSE} days"


def export(days: int, *, each_minute: bool = False) -> bytes:
    """The file of so many days; ``each_minute`` has a reading each minute between those of five, on the line."""
    points = list(_points(days))
    if each_minute:
        points = [point for before, after in pairwise(points) for point in _between(before, after)]
    lines = [f"{BEGIN + timedelta(minutes=at):%d/%m/%Y %H:%M},{value:.1f}" for at, value in points]
    return "\n".join(["bg_ts,value", *lines]).encode()


def _points(days: int) -> Iterator[tuple[int, float]]:
    """Minutes, and values in mmol/L."""
    drawn = random.Random(1)  # noqa: S311 - a course, not a secret
    now, before, hole = 0.0, 0.0, 0
    for at in range(days * A_DAY):
        now, before = 1.86 * now - 0.8656 * before + drawn.gauss(0, 0.0095), now
        share = 2 * math.pi * at / A_DAY
        value = 150 * math.exp(0.246 * math.sin(share - 1.9) + 0.134 * math.sin(3 * share) + 1.3 * now)
        hole = hole - 1 if hole else int(drawn.expovariate(1 / 12)) + 2 if drawn.random() < 1 / (3 * A_DAY) else 0
        if not hole and drawn.random() > 10 / A_DAY:
            yield 5 * at, min(max(value, 38), 420) / MG_DL_PER_MMOL_L


def _between(before: tuple[int, float], after: tuple[int, float]) -> Iterator[tuple[int, float]]:
    """A reading, and those each minute before the next one, unless that is behind a hole."""
    (begin, value), (end, other) = before, after
    for minute in range(begin, end if end - begin <= 10 else begin + 1):
        yield minute, value + (other - value) * (minute - begin) / (end - begin)


async def _command(file: Path, readings: int) -> Turn:
    cpu, began = children_cpu(), CLOCK.monotonic()
    vigil = Path(sys.executable).with_name("vigil")
    process = await asyncio.create_subprocess_exec(
        vigil, "backtest", file, "--json", "-", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    if (code := await process.wait()) != 0:
        raise RuntimeError(f"vigil backtest ended with {code}")
    return Turn(readings, children_cpu() - cpu, CLOCK.monotonic() - began)


async def _fold(log: PersonLog, *, every_tick: bool) -> Turn:
    cpu, began = own_cpu(), CLOCK.monotonic()
    fold(log, DEFAULT, every_tick=every_tick)
    return Turn(len(log.rows), own_cpu() - cpu, CLOCK.monotonic() - began)


async def run(turns: int) -> Result:
    """Measure."""
    result = Result(
        name="backtest",
        what="a synthetic person's 5-minute glucose",
        work="readings",
        command="make bench ARGS=backtest",
        targets=[Target(FEW, EVERY, "cpu")],
    )
    year = parse("glucose-year.csv", export(DAYS))
    month = parse("glucose-month.csv", export(DAYS_DENSE))
    log = build(month.patient, [month], None)
    with tempfile.TemporaryDirectory() as folder:
        file, minutes = Path(folder) / "glucose-year.csv", Path(folder) / "glucose-minutes.csv"
        file.write_bytes(export(DAYS))
        minutes.write_bytes(export(DAYS, each_minute=True))
        sides = {
            COMMAND: partial(_command, file, len(year.samples)),
            MINUTES: partial(_command, minutes, minutes.read_bytes().count(b"\n")),
            FEW: partial(_fold, log, every_tick=False),
            EVERY: partial(_fold, log, every_tick=True),
        }
        await alternate(result, sides, turns)
    values = [sample.value * MG_DL_PER_MMOL_L for sample in year.samples]
    seconds, longer = (sorted(turn.wall_s for turn in result.sides[side]) for side in (COMMAND, MINUTES))
    result.figures = {
        "readings in the year": len(values),
        "% of them below 70": round(100 * sum(value < 70 for value in values) / len(values), 1),
        "% of them above 250": round(100 * sum(value > 250 for value in values) / len(values), 1),
        "seconds of the whole command, median (target 5)": round(seconds[len(seconds) // 2], 2),
        "seconds of it with a reading each minute, median": round(longer[len(longer) // 2], 2),
    }
    return result
