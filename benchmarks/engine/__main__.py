"""The stream engine beside others, each draining a prefilled topic of real Kafka from cold: ``make bench-engine``.

    make bench-engine                                     all of it, five turns
    make bench-engine ARGS="--turns 3"
    make bench-engine ARGS="--only vigil,sketch,streams"  sides whose name holds one of these words
    make bench-engine ARGS="--scale 0.02 --turns 1"       a fiftieth of each log: does everything run?

The job that all do: count, mean, least and greatest of each patient's heart rate in windows of 10 s, written to a
topic; what each wrote is compared with what is right before its figure counts. Then the processor itself: in the
product's runner over a log with control records and ticks, its step alone, its memory. In names x1 and x60 are the
readings in a record. A run of all of it writes ``benchmarks/results/engine.json``; others only tell.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from benchmarks.compare import Turn
from benchmarks.engine import alone, plan
from benchmarks.engine.logs import PARTITIONS, Shape
from benchmarks.engine.sides import Field
from benchmarks.frame import Result, Turns, progress
from benchmarks.place import place
from runtime.collector import OUTPUTS_MAX, spare_collections
from vitals.errors import VigilError


class Course:
    """All sides of one run, in turns; one that fails is left out from then on, with the reason."""

    def __init__(self, result: Result, field: Field, scale: float) -> None:
        self._result = result
        self._field = field
        self._scale = scale
        self._sides: dict[str, tuple[Callable[[Shape], Awaitable[Turn]], Shape]] = {}
        self._starts: dict[str, Turn] = {}

    async def add(self, wanted: set[str]) -> None:
        """Install what is wanted, write its logs, and run each once over a short one."""
        for names, tool in plan.TOOLS.items():
            if not wanted.intersection(names):
                continue
            try:
                engines = await tool()
            except VigilError as error:
                self._result.absent |= {name: str(error) for name in names if name in wanted}
                progress(f"engine   left out: {error}")
                continue
            for name, (engine, shape) in engines.items():
                if name in wanted:
                    self._sides[name] = partial(self._field.drain, engine), plan.scaled(shape, self._scale)
        for name, shape in plan.PROCESSORS.items():
            if name in wanted:
                self._sides[name] = self._field.process, plan.scaled(shape, self._scale)
        for name, (run, shape) in list(self._sides.items()):
            progress(f"engine   starting {name}")
            started = await self._try(name, partial(run, plan.first(shape)))
            if started is not None:
                self._starts[name] = started

    async def turn(self, number: int) -> None:
        """Run every side once."""
        for name, (run, shape) in list(self._sides.items()):
            turn = await self._try(name, partial(run, shape))
            if turn is None:
                continue
            start = self._starts[name]
            more = {"start_cpu_s": start.cpu_s, "start_wall_s": start.wall_s}
            if turn.work > start.work and turn.cpu_s > start.cpu_s:
                more["per_cpu_second_after_start"] = (turn.work - start.work) / (turn.cpu_s - start.cpu_s)
            turn = replace(turn, more=more)
            self._result.sides.setdefault(name, []).append(turn)
            after = more.get("per_cpu_second_after_start", 0)
            rates = f"{turn.rate('cpu'):10,.0f} per CPU-s ({after:10,.0f} after its start)"
            progress(f"engine   turn {number + 1}  {name:<32} {rates} {turn.rate('wall'):10,.0f} per s")

    async def _try(self, name: str, run: Turns) -> Turn | None:
        try:
            return await run()
        except VigilError as error:
            progress(f"engine   {name} is left out: {error}")
            self._result.absent[name] = str(error)
            self._result.sides.pop(name, None)
            del self._sides[name]
            return None


def steps_alone(result: Result, wanted: set[str], turns: int, scale: float) -> None:
    """The step without Kafka at 100 and at 10,000 patients, in turn."""
    made = {name: plan.scaled(shape, scale) for name, shape in plan.STEPS.items() if name in wanted}
    logs = {name: alone.log_of(shape) for name, shape in made.items()}
    spare_collections(OUTPUTS_MAX)  # as the processor does
    for number in range(turns + 1):
        for name, shape in made.items():
            turn = alone.step(shape, logs[name])
            if number:
                result.sides.setdefault(name, []).append(turn)
                progress(f"engine   turn {number}  {name:<32} {turn.rate('cpu'):10,.0f} per CPU-s")


def figures(result: Result) -> None:
    """What is told beside the rates: costs by the number of patients, and rates that have a target of their own."""
    for per_record in (1, 60):
        few, many = (f"step alone x{per_record} of {patients} patients" for patients in (100, 10_000))
        pairs = zip(result.sides.get(few, ()), result.sides.get(many, ()), strict=False)
        ratios = [one.rate("cpu") / other.rate("cpu") for one, other in pairs]
        if ratios:
            told = f"cost of a reading at 10,000 patients over 100, x{per_record} (target {plan.COST_MOST})"
            result.figures[told] = round(statistics.median(ratios), 3)
    for name, least in ((plan.OURS_60, 3_000_000), (plan.WHOLE_60, 1_000_000)):
        if turns := result.sides.get(name):
            rate = statistics.median(turn.rate("cpu") for turn in turns)
            result.figures[f"{name}: readings / CPU-s (target {least:,})"] = round(rate)
    for name, turns in result.sides.items():
        if after := [turn.more[key] for turn in turns if (key := "per_cpu_second_after_start") in turn.more]:
            result.figures[f"{name}: readings / CPU-s after its start"] = round(statistics.median(after))


async def run(turns: int, wanted: set[str], scale: float) -> Result:
    """Measure."""
    result = Result(
        name="engine",
        what="readings drained from a topic of 12 partitions, 1,000 patients where not said otherwise, from cold",
        work="readings",
        command="make bench-engine",
        targets=[target for target in plan.TARGETS if target.ours in wanted],
    )
    if plan.MEMORY_OF_ONE in wanted:
        told = f"KiB per patient, ring of heart rates full, 10,000 patients (target {plan.KIB_MOST:g})"
        result.figures[told] = round(alone.kib_per_patient(10_000), 2)
    steps_alone(result, wanted, turns, scale)
    if wanted.difference(plan.STEPS, {plan.MEMORY_OF_ONE}):
        async with place("engine", ["kafka"], partitions=PARTITIONS) as here:
            course = Course(result, Field(here.root, here.settings), scale)
            await course.add(wanted)
            for number in range(turns):
                await course.turn(number)
    figures(result)
    return result


def main() -> None:
    """Take the choice from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5, help="measured turns of each side (default 5)")
    parser.add_argument("--only", default="", metavar="WORD,...", help="sides whose name holds one of these words")
    parser.add_argument("--scale", type=float, default=1.0, help="length of the logs, 1 for what is published")
    options = parser.parse_args()
    words = [word.strip().lower() for word in options.only.split(",") if word.strip()]
    wanted = {name for name in plan.NAMES if not words or any(word in name.lower() for word in words)}
    if not wanted:
        parser.error(f"no side holds {options.only!r} in its name; there are: {'; '.join(plan.NAMES)}")
    progress(f"engine   load average {os.getloadavg()[0]:.2f}")
    whole = options.scale == 1 and not words
    asyncio.run(run(options.turns, wanted, options.scale)).tell(keep=whole)


if __name__ == "__main__":
    main()
