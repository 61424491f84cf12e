"""What a load test found, as JSON: enough to judge it, to draw it, and to lay another beside it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field, ValidationError

from simulators.load.limits import Limit
from simulators.load.plan import Plan
from vitals.errors import InputError
from vitals.messages import Message

FORMAT = 1
POINTS: Mapping[str, str] = {
    "to_send": "written to the device's socket",
    "to_puback": "acknowledged by the broker",
    "to_bridge": "arrived at the bridge (its clock, or its tick behind: received_at)",
    "to_log": "in the hands of a reader of vitals.readings",
    "to_stored": "committed in the database (positions asked for every 50 ms)",
    "to_alert": "the alert in the hands of a client of the feed",
}
"""Where latencies end; all of them begin at the intended time, by the machine's wall clock."""
KEPT = "_kept"
"""Ends the name of a latency of readings that a device kept while it was away by script."""


class Percentiles(Message):
    """A latency, ms."""

    p50: float
    p90: float
    p99: float
    p99_9: float
    max: float
    count: int


class Counts(Message):
    """What became of the messages; ``lost`` were acknowledged and are not in the log, ``open`` were not acknowledged.

    ``duplicated`` are further rows in the log, ``doubled`` further rows of a reading in the database, ``reordered``
    rows in the log behind a later one of their device, ``unstored`` readings in the log that the database has not.
    ``crossings`` are the scripted lows, ``alerted`` those on the socket, ``alerts_doubled`` changes that came twice,
    ``not_recovered`` breaks of the feed without a promise that nothing was missed.
    """

    planned: int
    sent: int
    acknowledged: int
    refused: int
    open: int
    resent: int
    logged: int
    lost: int
    duplicated: int
    reordered: int
    stored: int
    unstored: int = 0
    doubled: int
    rejected: int
    crossings: int
    alerted: int
    alerts_missing: int
    alerts_doubled: int
    not_recovered: int = 0
    connects: int
    connections_lost: int
    connections_failed: int


class Process(Message):
    """What a process cost in the measured time: CPU seconds, share of a core, the most memory (PSS, MiB), and the most
    that waited for it.
    """

    name: str
    cpu_s: float
    share: float
    pss_mib: float | None = None
    lag: int | None = None


class Hop(Message):
    """A part of an alert's way: ms at p50 and p99, and on average in the slowest hundredth of the alerts."""

    part: str
    p50: float
    p99: float
    tail: float


class Machine(Message):
    """Where it ran."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str


class Series(Message):
    """Each second since the start: what happened in it, and what waited at its end."""

    t: tuple[float, ...] = ()
    offered: tuple[float, ...] = ()
    sent: tuple[float, ...] = ()
    logged: tuple[float, ...] = ()
    stored: tuple[float, ...] = ()
    alerts: tuple[float, ...] = ()
    waits_broker: tuple[int, ...] = ()
    waits_bridge: tuple[int, ...] = ()
    waits_processor: tuple[int, ...] = ()
    waits_store: tuple[int, ...] = ()
    busy: tuple[float, ...] = ()
    """Share of all the machine's cores."""


class Report(Message):
    """A whole report; ``curves`` are (share of all in percent, ms), ``histograms`` HdrHistogram's own text (V2)."""

    format: int = FORMAT
    made_at: int
    machine: Machine
    plan: Plan
    workers: int
    protocol: int
    counts: Counts
    back_s: float | None = None
    latencies: dict[str, Percentiles]
    curves: dict[str, tuple[tuple[float, float], ...]]
    histograms: dict[str, str]
    hops: tuple[Hop, ...] = ()
    processes: tuple[Process, ...] = ()
    series: Series = Series()
    limit: Limit
    problems: tuple[str, ...] = ()
    """What makes the figures doubtful."""
    differences: tuple[str, ...] = ()
    """Thresholds that were missed."""


class Thresholds(Message):
    """What a run must keep; None asks for nothing."""

    p50_alert_ms: float | None = Field(default=None, gt=0)
    p99_alert_ms: float | None = Field(default=None, gt=0)
    p99_puback_ms: float | None = Field(default=None, gt=0)
    p99_log_ms: float | None = Field(default=None, gt=0)
    p99_stored_ms: float | None = Field(default=None, gt=0)
    lost: int | None = Field(default=0, ge=0)
    unstored: int | None = Field(default=0, ge=0)
    doubled: int | None = Field(default=0, ge=0)
    reordered: int | None = Field(default=0, ge=0)
    alerts_missing: int | None = Field(default=0, ge=0)
    alerts_doubled: int | None = Field(default=0, ge=0)
    not_recovered: int | None = Field(default=0, ge=0)
    rejected: int | None = Field(default=0, ge=0)


def missed(report: Report, wanted: Thresholds) -> Sequence[str]:
    """A line for each threshold that the report does not keep."""
    lines = []
    for name, most in wanted.model_dump().items():
        if most is None:
            continue
        quantile, _, point = name.partition("_")
        if point.endswith("_ms"):
            found = report.latencies.get(f"to_{point.removesuffix('_ms')}")
            value = float("inf") if found is None else float(getattr(found, quantile))
            if value > most:
                lines.append(f"{quantile} to_{point.removesuffix('_ms')}: {value:.1f} ms, expected at most {most:g} ms")
        elif (count := getattr(report.counts, name)) > most:
            lines.append(f"{name.replace('_', ' ')}: {count}, expected at most {most}")
    counts = report.counts
    if counts.open:
        lines.append(f"readings without PUBACK: {counts.open}, expected none")
    if counts.duplicated and counts.connects <= report.plan.patients:
        lines.append(f"twice in the log although no connection broke: {counts.duplicated}, expected none")
    return lines


def read(text: str, where: str) -> Report:
    """A report's JSON.

    Raises:
        InputError: it is none, or of a later format.
    """
    try:
        found = Report.model_validate_json(text)
    except ValidationError:
        raise InputError(
            "not a report of a load test", where, "vigil simulate --out FOLDER writes report.json"
        ) from None
    if found.format > FORMAT:
        raise InputError("the report is of a later Vigil", where)
    return found
