"""The load drill: what a stack of its own holds, from the intended time of a reading to the alert on the socket.

    python -m compose.drills.load [--seed 1] [--seconds 60] [--runs 1] [--out FOLDER] [--json]
    python -m compose.drills.load --find-limit [--patients 5000] [--json]
    python -m compose.drills.load --seconds 20 --seed 2

Two loads: 5,000 patients at 0.2 Hz, and 200 at 1 Hz, each with more than a thousand scripted crossings below 54, over
one MQTT connection a patient. Passes when p50 <= 25 ms and p99 <= 150 ms to the socket, nothing is lost, stored twice
or out of order, everything is in the database, and every crossing alerts once. ``--find-limit`` looks instead for the
greatest load with p99 <= 250 ms at which nothing is missed and no backlog grows, and tries it again for a minute.
Prints a JSON verdict; progress goes to stderr. The processes of the devices and of the observer run on this machine.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from compose import signals
from compose.drills.frame import PARTITIONS, Frame, command_line, conduct
from compose.load.finding import LIMIT_P99_MS, PATIENTS, find
from compose.load.run import How, Where, register, run
from compose.load.saving import save
from compose.load.show import lines, showing
from compose.stack import Options, Stack
from simulators.load.plan import Plan
from simulators.load.report import Report, Thresholds, missed

LOADS = ((5000, 0.2), (200, 1.0))
P50_MS, P99_MS = 25.0, 150.0
CROSSINGS_MIN = 1000
CROSSINGS_HZ = 25.0
LEAST_HZ = 1000.0
"""What the other loads of this drill offer; the greatest that holds cannot be less."""
WORKERS, FIND_WORKERS = 1, 2
"""Processes of devices. They share the machine with what is measured: one holds these loads easily, at less."""


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked."""

    seed: int = 1
    seconds: float = 60.0
    runs: int = 1
    find_limit: bool = False
    patients: int = PATIENTS
    out: Path | None = None
    as_json: bool = False
    keep: bool = False


async def drill(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when every target is met."""
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    body = _find if options.find_limit else _loads
    return await conduct(lambda frame: body(frame, options), as_json=options.as_json, keep=options.keep)


async def _loads(frame: Frame, options: DrillOptions) -> None:
    """Every load so many times; the figures are medians of the runs."""
    frame.verdict.figures["seed"] = options.seed
    async with frame.stack(Options(root=frame.root)) as stack:
        await register(stack.settings, max(patients for patients, _ in LOADS), frame.clock, frame.tell)
        for patients, rate in LOADS:
            name = f"{patients} patients at {rate:g} Hz"
            reports = []
            for number in range(options.runs):
                frame.tell(f"{name}, run {number + 1} of {options.runs}")
                plan = Plan(
                    patients=patients,
                    rate_hz=rate,
                    duration_s=options.seconds,
                    crossings_hz=CROSSINGS_HZ,
                    seed=options.seed + number,
                )
                reports.append(await _run(frame, stack, plan, P99_MS, WORKERS))
                _keep(frame, reports[-1], options.out, f"{patients}-{number + 1}")
            _judge(frame, name, reports)


async def _run(frame: Frame, stack: Stack, plan: Plan, p99_ms: float, processes: int) -> Report:
    ready = stack.ready
    where = Where(ready.feed, ready.token, ready.health, frame.root / "logs")
    how = How(workers=processes, p99_alert_ms=p99_ms)
    with showing(live=False) as told:
        report = await run(stack.settings, plan, where, how, clock=frame.clock, tell=frame.tell, told=told)
    wanted = Thresholds(p50_alert_ms=P50_MS, p99_alert_ms=p99_ms)
    report = report.model_copy(update={"differences": tuple(missed(report, wanted))})
    for line in lines(report):
        frame.tell(line)
    return report


def _judge(frame: Frame, name: str, reports: list[Report]) -> None:
    """Latencies by the median of the runs; what must not happen, in none."""
    verdict = frame.verdict
    p50, p99 = _median(reports, "p50"), _median(reports, "p99")
    verdict.figures[name] = {
        "runs": len(reports),
        "to_socket_ms": {"p50": p50, "p99": p99},
        "p99_of_each_run": [_alert(report, "p99") for report in reports],
        **_figures(reports[-1]),
    }
    verdict.expect_at_most(f"{name}, p50 to the socket, ms", p50, P50_MS)
    verdict.expect_at_most(f"{name}, p99 to the socket, ms", p99, P99_MS)
    for report in reports:
        found = report.latencies.get("to_alert")
        verdict.expect_at_least(f"{name}, crossings measured", 0 if found is None else found.count, CROSSINGS_MIN)
        for line in report.differences:
            if not line.startswith(("p50 to_alert", "p99 to_alert")):  # judged above, by the median
                verdict.differences.append(f"{name}, {line}")


async def _find(frame: Frame, options: DrillOptions) -> None:
    """Look for the greatest load with p99 to the socket within the limit."""
    figures = frame.verdict.figures
    figures["seed"], figures["patients"] = options.seed, options.patients
    async with frame.stack(Options(root=frame.root)) as stack:
        await register(stack.settings, options.patients, frame.clock, frame.tell)
        numbers = count(1)

        async def one(plan: Plan) -> Report:
            report = await _run(frame, stack, plan, LIMIT_P99_MS, FIND_WORKERS)
            _keep(frame, report, options.out, f"limit-{next(numbers)}")
            return report

        plan = Plan(patients=options.patients, crossings_hz=CROSSINGS_HZ, seed=options.seed)
        found = await find(plan, one, tell=frame.tell)
    figures["tries"] = [each.model_dump() for each in found.tries]
    figures["readings_per_second"] = found.readings_per_second
    for name, kept in (("holds", found.holds), ("beyond", found.beyond)):
        figures[name] = None if kept is None else _figures(kept)
    frame.verdict.expect_at_least("readings a second that hold", found.readings_per_second or 0.0, LEAST_HZ)
    frame.verdict.expect("a load that does not hold was found", found.limit is not None, wanted=True)


def _figures(report: Report) -> dict[str, Any]:
    """A report in short."""
    return {
        "latency_ms": {name: each.model_dump() for name, each in report.latencies.items()},
        "counts": report.counts.model_dump(),
        "cpu_share_of_a_core": {each.name: each.share for each in report.processes},
        "way_ms": {hop.part: {"p50": hop.p50, "slowest": hop.tail} for hop in report.hops},
        "limit": report.limit.model_dump(),
    }


def _alert(report: Report, quantile: str) -> float:
    found = report.latencies.get("to_alert")
    return float("inf") if found is None else float(getattr(found, quantile))


def _median(reports: list[Report], quantile: str) -> float:
    return round(float(np.median([_alert(report, quantile) for report in reports])), 1)


def _keep(frame: Frame, report: Report, out: Path | None, name: str) -> None:
    if out is not None:
        for line in save(report, out / name):
            frame.tell(line)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("load", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="of phases; each run takes the next")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each load is measured")
    parser.add_argument("--runs", type=int, default=1, help="how often each load runs; figures are medians")
    parser.add_argument("--find-limit", action="store_true", help="look for the greatest load with p99 <= 250 ms")
    parser.add_argument("--patients", type=int, default=PATIENTS, help="of --find-limit")
    parser.add_argument("--out", type=Path, help="a folder for the reports, JSON and HTML")
    found = parser.parse_args(arguments)
    return signals.run(lambda: drill(DrillOptions(**vars(found))), fast=True)


if __name__ == "__main__":
    sys.exit(main())
