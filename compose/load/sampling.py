"""Each second of a load test: what happened in it, what waits, what the processes cost; and what follows from it."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compose.load.logs import STAGES, Ledger
from compose.load.processes import OBSERVER, OTHERS, Busy, Sampler
from compose.load.workers import LoadWorker
from runtime.clock import Clock
from runtime.health import ask
from simulators.load.limits import HOPS, Measured, Part
from simulators.load.plan import Messages, Plan, buffered, offered_hz
from simulators.load.report import Hop, Process, Series
from vitals.metrics import SECOND_US

SAMPLE_S = 1.0
MEMORY_EVERY, LAG_EVERY = 5, 2
"""Every how many samples memory is looked at, and the processor asked how far behind it is."""
LAG = "vigil_processor_lag_records "
TAIL = 0.01
GROWTH_FROM = 0.4
"""Backlogs are judged by the rest of the measured time."""
WAVE_S = 1.0
"""What is less than so much of the offer at the end is no backlog."""
MILLISECOND_US = 1000


@dataclass(slots=True)
class Sample:
    """One second."""

    t: float
    planned: int
    sent: int
    blocked: int
    acknowledged: int
    logged: int
    stored: int
    alerts: int
    journal: int
    feed: int
    processor: int
    busy: float
    cpu: dict[str, float]


@dataclass(slots=True)
class Sampling:
    """Samples of a run; ``processor_port`` is its health server's, None where it is not known."""

    plan: Plan
    messages: Messages
    ledger: Ledger
    workers: Sequence[LoadWorker]
    sampler: Sampler
    processor_port: int | None
    samples: list[Sample] = field(default_factory=list)
    _lag: int = 0

    async def run(self, clock: Clock, told: Callable[[Sample], None]) -> None:
        """Sample for ever."""
        busy = Busy()
        number = 0
        while True:
            if number % LAG_EVERY == 0 and self.processor_port is not None:
                self._lag = await _processor_lag(self.processor_port, self._lag)
            if number % MEMORY_EVERY == 0:
                self.sampler.memory()
            sample = self._sample(clock.now_us(), busy.share())
            self.samples.append(sample)
            told(sample)
            number += 1
            await clock.sleep(SAMPLE_S)

    def _sample(self, now: int, busy: float) -> Sample:
        elapsed = now - self.ledger.start
        figures = [worker.figures for worker in self.workers if worker.figures is not None]
        reached = {stage: int((times > 0).sum()) for stage, times in self.ledger.times.items()}
        return Sample(
            t=elapsed / SECOND_US,
            planned=sum(each.planned for each in figures),
            sent=sum(each.sent for each in figures),
            blocked=sum(each.blocked for each in figures),
            acknowledged=sum(each.acknowledged for each in figures),
            logged=self.ledger.logged(),
            stored=self.ledger.stored,
            alerts=reached["socket"],
            journal=reached["journal"],
            feed=reached["feed"],
            processor=self._lag,
            busy=busy,
            cpu=self.sampler.cpu(),
        )

    # What follows

    def series(self) -> Series:
        """The seconds of the schedule, for a plot."""
        found = [each for each in self.samples if each.t >= 0]
        pairs = list(itertools.pairwise(found))

        def rate(name: str) -> tuple[float, ...]:
            return tuple(
                round((getattr(after, name) - getattr(before, name)) / max(1e-3, after.t - before.t), 1)
                for before, after in pairs
            )

        after = [each for _, each in pairs]
        end = self.plan.length_us / SECOND_US
        return Series(
            t=tuple(round(each.t, 2) for each in after),
            offered=tuple(round(offered_hz(self.plan, each.t), 1) if each.t <= end else 0.0 for each in after),
            sent=rate("sent"),
            logged=rate("logged"),
            stored=rate("stored"),
            alerts=rate("alerts"),
            waits_broker=tuple(max(0, each.sent + each.blocked - each.acknowledged) for each in after),
            waits_bridge=tuple(max(0, each.acknowledged - each.logged) for each in after),
            waits_processor=tuple(each.processor for each in after),
            waits_store=tuple(max(0, each.logged - each.stored) for each in after),
            busy=tuple(round(each.busy, 3) for each in after),
        )

    def _measured(self) -> list[Sample]:
        """Samples of the measured time."""
        begin, end = self.plan.warm_up_s, self.plan.length_us / SECOND_US
        return [each for each in self.samples if begin <= each.t <= end]

    def processes(self) -> tuple[Process, ...]:
        """What each cost in the measured time."""
        found = self._measured()
        if len(found) < 2:
            return ()
        first, last = found[0], found[-1]
        lags: Mapping[str, int] = {
            "broker": max(each.sent + each.blocked - each.acknowledged for each in found),
            "bridge": max(each.acknowledged - each.logged for each in found),
            "process": max(each.processor for each in found),
            "manage": max(each.journal - each.feed for each in found),
            "gateway": max(each.feed - each.alerts for each in found),
            "sink": max(each.logged - each.stored for each in found),
        }
        costs = {name: last.cpu[name] - first.cpu.get(name, 0.0) for name in last.cpu}
        all_cores = self._busy() * len(os.sched_getaffinity(0)) * (last.t - first.t)
        costs[OTHERS] = max(0.0, all_cores - sum(costs.values()))
        return tuple(
            Process(
                name=name,
                cpu_s=round(cost, 2),
                share=round(cost / (last.t - first.t), 3),
                pss_mib=round(self.sampler.pss[name], 1) if name in self.sampler.pss else None,
                lag=max(0, lags[name]) if name in lags else None,
            )
            for name, cost in sorted(costs.items(), key=lambda each: (each[0] == OTHERS, -each[1]))
        )

    def _busy(self) -> float:
        """Share of the machine's cores in the measured time."""
        found = self._measured()
        return round(float(np.mean([each.busy for each in found])), 3) if found else 0.0

    def measured(self, hops: Sequence[Hop], late_ms: float | None, alert_ms: float | None) -> Measured:
        """The figures of the verdict."""
        found = self._measured()
        growing = [each for each in found if each.t >= self.plan.warm_up_s + GROWTH_FROM * self.plan.duration_s]
        seconds = found[-1].t - found[0].t if len(found) > 1 else 0.0
        planned = found[-1].planned - found[0].planned if found else 0
        left = _left(found[-1]) - _left(found[0]) if found else 0
        backlogs: Mapping[Part, Callable[[Sample], int]] = {
            "offer": lambda each: each.planned - _left(each),
            "broker": lambda each: _left(each) - each.acknowledged,
            "bridge": lambda each: each.acknowledged - each.logged,
            "processor": lambda each: each.processor,
            "manager": lambda each: each.journal - each.feed,
            "gateway": lambda each: each.feed - each.alerts,
            "store": lambda each: each.logged - each.stored,
        }
        scripted = self.plan.shape not in {"steady", "ramp"}  # a spike, too, leaves a backlog that is meant to be
        wave = WAVE_S * planned / max(1.0, seconds)
        growth = {} if scripted else {part: _slope(growing, waits, wave) for part, waits in backlogs.items()}
        shares = {each.name: each.share for each in self.processes()}
        return Measured(
            offered_hz=round(planned / seconds, 1) if seconds else 0.0,
            sent_hz=round(left / seconds, 1) if seconds else 0.0,
            late_p99_ms=late_ms,
            alert_p99_ms=alert_ms,
            tail_ms={part: hop.tail for hop in hops for part in HOPS if part == hop.part},
            busy={name: share for name, share in shares.items() if name != OBSERVER},
            growth=growth,
            cores=len(os.sched_getaffinity(0)),
            machine_busy=self._busy(),
        )


def _left(sample: Sample) -> int:
    """What the devices have given away: what waits for PUBACKs of others waits for the broker."""
    return sample.sent + sample.blocked


def hops_of(ledger: Ledger) -> tuple[Hop, ...]:
    """An alert's way in parts, by each alert's own times."""
    at = ledger.at
    live = (at >= ledger.plan.warm_us) & ~buffered(ledger.plan, at) & (ledger.sent > 0)
    for each in ledger.times.values():
        live &= each > 0
    if not live.any():
        return ()
    moments = [ledger.sent, *(ledger.times[stage] for stage in STAGES)]
    offer, received, log, journal, feed, socket = _in_order(
        [(moment - ledger.start - at)[live] / MILLISECOND_US for moment in moments]
    )
    slowest = socket >= np.quantile(socket, 1 - TAIL)
    parts: Mapping[Part, NDArray[np.float64]] = {
        "offer": offer,
        "broker": received - offer,
        "bridge": log - received,
        "processor": journal - log,
        "manager": feed - journal,
        "gateway": socket - feed,
    }
    return tuple(
        Hop(
            part=part,
            p50=round(float(np.quantile(each, 0.5)), 2),
            p99=round(float(np.quantile(each, 0.99)), 2),
            tail=round(float(each[slowest].mean()), 2),
        )
        for part, each in parts.items()
    )


def _in_order(times: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """No stage after the next one: a reader of ours may have been later than the service whose input it watches."""
    return list(np.minimum.accumulate(np.array(times)[::-1])[::-1])


def _slope(samples: Sequence[Sample], waits: Callable[[Sample], int], wave: float) -> float:
    """How much a backlog grows each second, by a straight line through its samples; 0 of too few, and of a wave."""
    if len(samples) < 4 or waits(samples[-1]) < wave:
        return 0.0
    slope = np.polyfit([each.t for each in samples], [float(waits(each)) for each in samples], 1)[0]
    return round(max(0.0, float(slope)), 2)


async def _processor_lag(port: int, before: int) -> int:
    """What the processor says of itself; what it said before where it does not answer."""
    try:
        _, body = await ask(port, "/metrics")
    except OSError:
        return before
    line = next((each for each in body.decode("utf-8", "replace").splitlines() if each.startswith(LAG)), None)
    return before if line is None else int(float(json.loads(line.removeprefix(LAG))))
