"""Two reports of load tests side by side: what is how many times as slow, or as dear. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simulators.load.report import Report
from vitals.messages import Message

QUANTILES = ("p50", "p90", "p99", "p99_9", "max")
WIDTH = 30


class Row(Message):
    """One figure of both, and the second's share of the first; None where one has none, or the first's is 0."""

    name: str
    unit: str
    first: float | None
    second: float | None
    ratio: float | None


def compare(first: Report, second: Report) -> list[Row]:
    """Percentiles of every latency, CPU and memory of every process, counts that should be 0."""
    return [*_latencies(first, second), *_processes(first, second), *_counts(first, second)]


def differing_plans(first: Report, second: Report) -> list[str]:
    """What keeps the two from being comparable, in sentences."""
    found, other = first.plan.model_dump(), second.plan.model_dump()
    lines = [f"{name}: {found[name]} and {other[name]}" for name in found if found[name] != other[name]]
    if first.machine != second.machine:
        lines.append(f"machine: {first.machine.cpu}, {first.machine.cores} cores and {second.machine.cpu}, "
                     f"{second.machine.cores} cores")  # fmt: skip
    return lines


def lines(rows: Sequence[Row], names: tuple[str, str]) -> list[str]:
    """The rows as one table for a terminal."""
    first, second = (name if len(name) <= 16 else f"…{name[-15:]}" for name in names)
    head = f"{'':{WIDTH}}{first:>17}{second:>17}{'ratio':>9}"
    return [head, *(f"{row.name:{WIDTH}}{_value(row.first, row.unit)}{_value(row.second, row.unit)}"
                    f"{'' if row.ratio is None else f'{row.ratio:.2f} x':>9}" for row in rows)]  # fmt: skip


def _value(value: float | None, unit: str) -> str:
    return f"{'-' if value is None else f'{value:.1f} {unit}' if unit else f'{value:.0f}':>17}"


def _row(name: str, unit: str, first: float | None, second: float | None) -> Row:
    ratio = None if first is None or second is None or not first else round(second / first, 3)
    return Row(name=name, unit=unit, first=first, second=second, ratio=ratio)


def _latencies(first: Report, second: Report) -> Iterator[Row]:
    for point in dict.fromkeys([*first.latencies, *second.latencies]):
        for quantile in QUANTILES:
            values = [
                None if (found := report.latencies.get(point)) is None else float(getattr(found, quantile))
                for report in (first, second)
            ]
            yield _row(f"{point} {quantile.replace('_', '.')}", "ms", *values)


def _processes(first: Report, second: Report) -> Iterator[Row]:
    known = [{each.name: each for each in report.processes} for report in (first, second)]
    for name in dict.fromkeys([*known[0], *known[1]]):
        both = [each.get(name) for each in known]
        yield _row(f"{name} CPU", "s", *(None if each is None else each.cpu_s for each in both))
        if any(each is not None and each.pss_mib is not None for each in both):
            yield _row(f"{name} memory", "MiB", *(None if each is None else each.pss_mib for each in both))


def _counts(first: Report, second: Report) -> Iterator[Row]:
    for name in ("acknowledged", "stored", "alerted", "lost", "doubled", "duplicated", "reordered", "rejected"):
        yield _row(name, "", *(float(getattr(report.counts, name)) for report in (first, second)))
