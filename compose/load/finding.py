"""Looks for the largest load that a stack holds: one load test after another, and a longer one of what was found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from simulators.load.limits import Limit
from simulators.load.plan import RATE_HZ_MAX, Plan
from simulators.load.report import Report, Thresholds, missed
from simulators.load.search import Search
from vitals.messages import Message

TRY_S, CONFIRM_S = 20.0, 60.0
"""How long each try is measured, and that of what was found."""
FIRST_HZ = 2000.0
"""Where the search begins, readings per second."""
PATIENTS = 5000
"""So many by default: each may send ten readings a second, and the search must not end at its own ceiling."""
LIMIT_P99_MS = 250.0
Run = Callable[[Plan], Awaitable[Report]]
"""Runs one load test."""
Tell = Callable[[str], None]


class Try(Message):
    """One try: ``p99_ms`` is to the socket, None where no alert came; ``why`` it did not hold, empty where it did."""

    readings_per_second: float
    seconds: float
    p99_ms: float | None
    why: tuple[str, ...]


class Found(Message):
    """``readings_per_second`` is the most that held, also for `CONFIRM_S`; None where nothing did. ``limit`` is what
    limits beyond it, by the least load that did not hold; None where all held up to ``ceiling``, the most that so many
    patients can be asked for.
    """

    readings_per_second: float | None
    ceiling: float
    limit: Limit | None
    tries: tuple[Try, ...]
    holds: Report | None = None
    beyond: Report | None = None


def reasons(report: Report, p99_ms: float) -> list[str]:
    """Why a load does not hold: whatever was missed, a backlog that grows, or devices that cannot offer it."""
    lines = list(missed(report, Thresholds(p99_alert_ms=p99_ms)))
    return lines or ([report.limit.sentence] if report.limit.part is not None else [])


async def find(plan: Plan, run: Run, *, tell: Tell, p99_ms: float = LIMIT_P99_MS) -> Found:
    """The most readings per second of the plan's patients with p99 to the socket within ``p99_ms`` and nothing lost;
    ``plan`` says patients, crossings and the first seed.
    """
    search = Search(first=FIRST_HZ, most=plan.patients * RATE_HZ_MAX)
    tries: list[Try] = []
    best: Report | None = None
    worst: Report | None = None

    async def holds(load: float, seconds: float) -> bool:
        nonlocal best, worst
        tell(f"{load:.0f} readings a second for {seconds:g} s")
        asked = {"shape": "steady", "rate_hz": load / plan.patients, "duration_s": seconds}
        report = await run(plan.model_copy(update=asked | {"seed": plan.seed + len(tries)}))
        why, found = reasons(report, p99_ms), report.latencies.get("to_alert")
        p99 = None if found is None else round(found.p99, 1)
        tries.append(Try(readings_per_second=round(load, 1), seconds=seconds, p99_ms=p99, why=tuple(why)))
        if not why:
            best = report
        elif worst is None or report.plan.rate_hz <= worst.plan.rate_hz:
            worst = report
        tell("  it holds" if not why else f"  it does not hold: {'; '.join(why)}")
        return not why

    while (load := search.next) is not None:
        search.tell(holds=await holds(load, TRY_S))
    while (load := search.check) is not None:
        search.confirm(holds=await holds(load, CONFIRM_S))
    return Found(
        readings_per_second=None if search.confirmed is None else round(search.confirmed),
        ceiling=search.most,
        limit=None if worst is None else worst.limit,
        tries=tuple(tries),
        holds=best if search.confirmed is not None else None,
        beyond=worst,
    )


def lines(found: Found) -> list[str]:
    """What was found, for a person."""
    rows = [
        f"{each.readings_per_second:8.0f} readings/s  {each.seconds:3.0f} s  p99 "
        f"{'none' if each.p99_ms is None else f'{each.p99_ms:.0f} ms':>8}  {'holds' if not each.why else each.why[0]}"
        for each in found.tries
    ]
    most = "nothing holds" if found.readings_per_second is None else f"{found.readings_per_second:.0f} readings/s hold"
    if found.limit is None:
        return [*rows, f"{most}, which is all that so many patients can be asked for: the limit lies above"]
    return [*rows, most, found.limit.sentence, *found.limit.evidence]
