"""The report of a load test: kept, judged, compared, drawn."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from simulators.load.compare import compare, differing_plans, lines
from simulators.load.histogram import Latencies
from simulators.load.limits import Limit
from simulators.load.page import page
from simulators.load.plan import Plan
from simulators.load.report import (
    Counts,
    Hop,
    Machine,
    Percentiles,
    Process,
    Report,
    Series,
    Thresholds,
    missed,
    read,
)
from vitals.errors import InputError

START = 1_700_000_000_000_000


def a_report(**changes: object) -> Report:
    found = Latencies()
    found.record_all(np.arange(1000, 90_000, 37))
    summary = found.summary_ms()
    assert summary is not None
    point = Percentiles.model_validate({name.replace(".", "_"): value for name, value in summary.items()})
    names = ("to_send", "to_puback", "to_bridge", "to_log", "to_stored", "to_alert", "to_alert_kept", "to_log_kept")
    zero = dict.fromkeys(Counts.model_fields, 0)
    seconds = tuple(float(each) for each in range(1, 11))
    report = Report(
        made_at=START,
        machine=Machine(cpu="A <fast> & cheap one", cores=2, memory_gib=8, system="Linux", python="3.11"),
        plan=Plan(shape="outage", patients=5000, rate_hz=0.2),
        workers=2,
        protocol=5,
        counts=Counts.model_validate(zero | {"planned": 60_000, "sent": 60_000, "crossings": 1200, "alerted": 1200}),
        back_s=1.5,
        latencies=dict.fromkeys(names, point),
        curves={name: tuple(found.curve()) for name in names},
        histograms=dict.fromkeys(names, found.encoded()),
        hops=tuple(Hop(part=part, p50=3, p99=9, tail=12) for part in ("offer", "broker", "bridge", "processor")),
        processes=(
            Process(name="kafka", cpu_s=12.5, share=0.31, pss_mib=350.2),
            Process(name="bridge", cpu_s=5, share=0.9, lag=12),
        ),
        series=Series(
            t=seconds,
            offered=(1000.0,) * 10,
            sent=(1000.0,) * 10,
            logged=(990.0,) * 10,
            stored=(980.0,) * 10,
            alerts=(20.0,) * 10,
            waits_broker=(0,) * 10,
            waits_bridge=(3,) * 10,
            waits_processor=(5,) * 10,
            waits_store=(400,) * 10,
            busy=(0.8,) * 10,
        ),
        limit=Limit(part=None, sentence="Nothing limits.", evidence=("Most CPU: kafka 31% of a core.",)),
    )
    return report.model_copy(update=changes)


def test_a_report_survives_its_own_json():
    """It is kept for years, to be laid beside the next one."""
    report = a_report()
    assert read(report.model_dump_json(), "here") == report


def test_what_is_no_report_is_refused_with_its_name():
    """A wrong path is a typing error, not a traceback."""
    with pytest.raises(InputError, match=r"there\.json"):
        read("{}", "there.json")


def test_thresholds_name_what_they_miss():
    """The exit code alone would not say why."""
    report = a_report()
    assert not missed(report, Thresholds(p99_alert_ms=150))
    slow = missed(report, Thresholds(p50_alert_ms=10, p99_alert_ms=20))
    assert [line.split(":")[0] for line in slow] == ["p50 to_alert", "p99 to_alert"]
    counts = report.counts.model_copy(update={"lost": 3, "alerts_missing": 1})
    found = missed(a_report(counts=counts), Thresholds(lost=2, alerts_missing=None))
    assert found == ["lost: 3, expected at most 2"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("unstored", "unstored: 2, expected at most 0"),
        ("alerts_doubled", "alerts doubled: 2, expected at most 0"),
        ("not_recovered", "not recovered: 2, expected at most 0"),
        ("open", "readings without PUBACK: 2, expected none"),
        ("duplicated", "twice in the log although no connection broke: 2, expected none"),
    ],
)
def test_what_must_not_happen_is_missed_without_being_asked_for(name: str, said: str):
    """A database that stores nothing, or an alert that comes twice, is no pass whatever the latencies are."""
    counts = a_report().counts.model_copy(update={name: 2})
    assert missed(a_report(counts=counts), Thresholds()) == [said]


def test_a_broken_connection_may_put_a_reading_into_the_log_twice():
    """QoS 1 delivers again; what stores it once is downstream."""
    report = a_report()
    counts = report.counts.model_copy(update={"duplicated": 2, "connects": report.plan.patients + 1})
    assert missed(a_report(counts=counts), Thresholds()) == []


def test_a_latency_that_was_not_measured_keeps_no_threshold():
    """A test without a single alert must not pass as a quick one."""
    report = a_report(latencies={})
    assert missed(report, Thresholds(p99_alert_ms=150)) == ["p99 to_alert: inf ms, expected at most 150 ms"]


def test_two_reports_are_compared_by_ratio():
    """One table: how many times as slow, and as dear."""
    first = a_report()
    slower = {name: each.model_copy(update={"p99": each.p99 * 2}) for name, each in first.latencies.items()}
    second = a_report(latencies=slower, processes=first.processes[:1])
    rows = {row.name: row for row in compare(first, second)}
    assert rows["to_alert p99"].ratio == pytest.approx(2)
    assert rows["to_alert p50"].ratio == pytest.approx(1)
    assert rows["bridge CPU"].second is None
    assert rows["bridge CPU"].ratio is None
    assert rows["lost"].ratio is None
    text = lines(list(rows.values()), ("before", "a/very/long/path/to/after"))
    assert "2.00 x" in "\n".join(text)
    assert max(map(len, text)) < 80


def test_reports_of_different_loads_say_so():
    """A ratio between different loads means nothing."""
    first = a_report()
    other = a_report(plan=first.plan.model_copy(update={"patients": 10}))
    assert differing_plans(first, other) == ["patients: 5000 and 10"]
    assert not differing_plans(first, first)


class Tags(HTMLParser):
    """Checks that what is opened is closed, and notes what would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.wrong += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "onclick"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")


def test_the_page_is_well_formed_and_needs_nothing_else():
    """It is mailed, and opened years later, without a network and without a script."""
    text = page(a_report())
    tags = Tags()
    tags.feed(text)
    assert not tags.open
    assert not tags.wrong
    assert "script" not in tags.found
    assert tags.found.count("svg") == 5
    assert "A &lt;fast&gt; &amp; cheap one" in text
    assert not re.search(r"\bnan\b|\binf\b", text)


def test_what_was_missed_is_said_first_with_its_unit_and_marked():
    """Who opens the page after a failed run looks for why."""
    report = a_report()
    late = tuple(missed(report, Thresholds(p99_alert_ms=50)))
    text = page(report.model_copy(update={"differences": late}))
    (said,) = (line for line in text.split("<li class='bad'>")[1:])
    assert said.startswith("To the socket, p99: ")
    assert "expected at most 50 ms.</li>" in said
    alert = report.latencies["to_alert"]
    assert f"<b class='bad'>{alert.p99:.1f} ms</b><span>to the socket, p99" in text
    assert f"<b class=''>{alert.p50:.1f} ms</b><span>to the socket, p50" in text


def test_a_page_without_a_single_alert_is_drawn_all_the_same():
    """A run that failed is the one that somebody wants to look at."""
    empty = a_report(latencies={}, curves={}, histograms={}, hops=(), processes=(), series=Series(), back_s=None)
    assert "none" in page(empty)
