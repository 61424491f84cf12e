"""How a load test goes, for a person: a live table in a terminal, else a line every five seconds; on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from compose.load.run import Moment, Told
from simulators.load.plan import offered_hz
from simulators.load.report import POINTS, Report
from vitals.metrics import SECOND_US

LINE_EVERY_S = 5.0
WIDTH = 28


@contextmanager
def showing(*, live: bool) -> Iterator[Told]:
    """What a run tells its moments to; ``live`` draws a table that changes in place."""
    if not live:
        yield _Lines()
        return
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as screen:
        yield lambda moment: screen.update(table(moment), refresh=True)


class _Lines:
    def __init__(self) -> None:
        self._told = -LINE_EVERY_S

    def __call__(self, moment: Moment) -> None:
        if moment.sample.t - self._told >= LINE_EVERY_S:
            self._told = moment.sample.t
            sys.stderr.write(line(moment) + "\n")
            sys.stderr.flush()


def line(moment: Moment) -> str:
    """A moment as one line."""
    sample = moment.sample
    end = moment.plan.length_us / SECOND_US
    waits = {
        "bridge": sample.acknowledged - sample.logged,
        "processor": sample.processor,
        "store": sample.logged - sample.stored,
    }
    waiting = ", ".join(f"{name} {max(0, count)}" for name, count in waits.items())
    return (
        f"{max(0.0, sample.t):5.0f} of {end:g} s  {_rate(moment):6.0f} readings/s  "
        f"{moment.connected} connected  alerts {sample.alerts}  "
        f"to socket p99 {_ms(moment.to_alert)}  waiting: {waiting}"
        f"  machine {sample.busy:.0%}"
    )


def table(moment: Moment) -> Group:
    """A moment as a table."""
    sample, plan = moment.sample, moment.plan
    end = plan.length_us / SECOND_US
    found = Table(box=None, pad_edge=False)
    for heading in ("", "readings", "latency", "p50", "p99", "max"):
        found.add_column(heading, justify="left" if heading in {"", "latency"} else "right")
    waits = max(0, sample.acknowledged - sample.logged), max(0, sample.logged - sample.stored)
    rows = (
        ("offered /s", f"{offered_hz(plan, min(max(0.0, sample.t), end)):.0f}", "to puback", moment.to_puback),
        ("sent /s", f"{_rate(moment):.0f}", "to log", moment.to_log),
        ("acknowledged", str(sample.acknowledged), "to socket", moment.to_alert),
        ("in the log", f"{sample.logged} (-{waits[0]})", "", None),
        ("stored", f"{sample.stored} (-{waits[1]})", f"connected {moment.connected}", None),
        ("alerts", str(sample.alerts), f"machine {sample.busy:.0%}", None),
    )
    for name, count, point, latency in rows:
        figures = [""] * 3 if not latency else [_ms(latency, key) for key in ("p50", "p99", "max")]
        found.add_row(name, count, point, *figures)
    return Group(ProgressBar(total=end, completed=min(end, max(0.0, sample.t)), width=60), found)


def _rate(moment: Moment) -> float:
    before = moment.before
    if before is None or moment.sample.t <= before.t:
        return 0.0
    return (moment.sample.sent - before.sent) / (moment.sample.t - before.t)


def _ms(found: Mapping[str, float] | None, key: str = "p99") -> str:
    return "-" if not found else f"{found[key]:.1f} ms"


def lines(report: Report) -> list[str]:
    """A report for a terminal."""
    plan, counts = report.plan, report.counts
    out = [
        f"{plan.shape}: {plan.patients} patients at {plan.rate_hz:g} Hz for {plan.duration_s:g} s, seed {plan.seed}",
        f"{'from the intended time, ms':{WIDTH}}{'p50':>9}{'p90':>9}{'p99':>9}{'p99.9':>9}{'max':>10}{'count':>9}",
    ]
    for name, each in report.latencies.items():
        figures = f"{each.p50:9.1f}{each.p90:9.1f}{each.p99:9.1f}{each.p99_9:9.1f}{each.max:10.1f}{each.count:9}"
        out.append(f"{name:{WIDTH}}{figures}")
    out.append(
        f"sent {counts.sent} of {counts.planned}, acknowledged {counts.acknowledged}, stored {counts.stored}, "
        f"rejected {counts.rejected}, alerted {counts.alerted} of {counts.crossings}"
    )
    out.append(
        f"lost {counts.lost}, doubled {counts.doubled} (in the log {counts.duplicated}), "
        f"re-ordered {counts.reordered}, connections lost {counts.connections_lost}"
    )
    if report.back_s is not None:
        out.append(f"all devices connected again after {report.back_s:.1f} s")
    for process in report.processes:
        memory = "" if process.pss_mib is None else f"{process.pss_mib:8.0f} MiB"
        waits = "" if process.lag is None else f"   at most {process.lag} waiting"
        out.append(f"  {process.name:12}{process.share:7.0%} of a core{memory}{waits}")
    out.append(report.limit.sentence)
    out += [f"  {each}" for each in report.limit.evidence]
    out += [f"doubtful: {each}" for each in report.problems]
    out += [f"MISSED: {each}" for each in report.differences]
    return out


def meanings() -> list[str]:
    """What each latency ends with."""
    return [f"{name}: {meaning}" for name, meaning in POINTS.items()]
