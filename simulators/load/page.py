"""A load test's report as one page that needs nothing else: styles and plots inline, no script. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from simulators.load.charts import Line, Scale, bars, legend, linear, logarithmic, plot, quantiles, until
from simulators.load.limits import HOPS, LABELS
from simulators.load.report import KEPT, POINTS, Percentiles, Report
from vitals.metrics import SECOND_US

STYLE = """
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#14181f;--dim:#56606f;--rule:#dfe3ea;
--s1:#7a8699;--s2:#0f8a7e;--s3:#b06a00;--s4:#2361d8;--s5:#8a3fb8;--s6:#c2335b;--good:#0d7a43;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ground:#0e1116;--card:#171b22;--ink:#e8ebf0;--dim:#98a2b3;--rule:#2a303a;
--s1:#8f9bb0;--s2:#35b8a8;--s3:#e0a13c;--s4:#6ea0ff;--s5:#c28cea;--s6:#f0819d;--good:#4fc98a;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;padding:28px 24px 48px;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1360px;margin:0 auto}
h1{font-size:25px;line-height:1.25;margin:0 0 4px}
h2{font-size:16px;margin:0 0 2px}
p{margin:4px 0}
.dim,figcaption{color:var(--dim)}
.cards{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr));margin-top:16px}
.card,figure{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:16px 18px;
margin:0;min-width:0}
.verdict{margin-top:16px;border-left:5px solid var(--good)}.verdict.missed{border-left-color:var(--bad)}
.verdict strong{font-size:17px}.verdict ul{margin:8px 0 0;padding-left:20px}
.tiles{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));margin-top:16px}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px 16px}
.wide{margin-top:16px}code{color:var(--dim);font-size:12px}
.tile b{display:block;font-size:23px;line-height:1.25;font-weight:650;white-space:nowrap}
.tile span{color:var(--dim);font-size:13px}
.bad{color:var(--bad)}.good{color:var(--good)}
svg{display:block;width:100%;height:auto;margin-top:8px}
svg text{fill:var(--dim);font-size:12px}svg text.row{fill:var(--ink);font-size:13px}svg text.end{font-weight:600}
.grid{stroke:var(--rule);stroke-width:1}.axis,.mark{stroke:var(--dim);stroke-width:1}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.dot{stroke:var(--card);stroke-width:1.5}
.line.s1{stroke:var(--s1)}.line.s2{stroke:var(--s2)}.line.s3{stroke:var(--s3)}.line.s4{stroke:var(--s4)}
.line.s5{stroke:var(--s5)}.line.s6{stroke:var(--s6)}
.dot.s1,.bar.s1,svg text.end.s1{fill:var(--s1)}.dot.s2,.bar.s2,svg text.end.s2{fill:var(--s2)}
.dot.s3,.bar.s3,svg text.end.s3{fill:var(--s3)}.dot.s4,.bar.s4,svg text.end.s4{fill:var(--s4)}
.dot.s5,.bar.s5,svg text.end.s5{fill:var(--s5)}.dot.s6,.bar.s6,svg text.end.s6{fill:var(--s6)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;margin:8px 0 0;padding:0;
font-size:13px;color:var(--dim)}
.key{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px;vertical-align:-1px}
.key.s1{background:var(--s1)}.key.s2{background:var(--s2)}.key.s3{background:var(--s3)}.key.s4{background:var(--s4)}
.key.s5{background:var(--s5)}.key.s6{background:var(--s6)}
.scroll{overflow-x:auto}.halves{display:grid;gap:0 32px;grid-template-columns:1fr 1fr}.halves thead{display:none}
table{border-collapse:collapse;width:100%;margin-top:8px;font-size:14px}
th{font-weight:600;color:var(--dim);text-align:right;padding:4px 8px;border-bottom:1px solid var(--rule)}
td{text-align:right;padding:4px 8px;border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}tr:last-child td{border-bottom:0}
td.why{white-space:normal;text-align:left;color:var(--dim)}
.share{display:inline-block;min-width:3em}
meter{width:110px;height:10px;vertical-align:middle;margin-right:8px}
"""
POINT_CSS = {"to_send": "s5", "to_puback": "s1", "to_bridge": "s6", "to_log": "s2", "to_stored": "s3", "to_alert": "s4"}
POINT_NAMES = {
    "to_send": "sent",
    "to_puback": "PUBACK",
    "to_bridge": "bridge",
    "to_log": "log",
    "to_stored": "database",
    "to_alert": "socket",
}
DRAWN = ("to_puback", "to_log", "to_stored", "to_alert")
HOP_CSS = dict(zip(HOPS, ("s1", "s5", "s2", "s4", "s3", "s6"), strict=True))
MARKS = (50.0, 90.0, 99.0, 99.9)


def page(report: Report) -> str:
    """The whole page."""
    title = headline(report)
    made = datetime.fromtimestamp(report.made_at / SECOND_US, UTC).strftime("%Y-%m-%d %H:%M UTC")
    machine = report.machine
    under = (
        f"{made} · {machine.cpu}, {machine.cores} cores, {machine.memory_gib:g} GiB, {machine.system}, "
        f"Python {machine.python} · seed {report.plan.seed}, MQTT {'5' if report.protocol == 5 else '3.1.1'}, "
        f"{report.workers} processes of devices"
    )
    plots = [_percentiles(report, ""), _throughput(report), _way(report), _waiting(report)]
    if any(name.endswith(KEPT) for name in report.latencies):
        plots.insert(1, _percentiles(report, KEPT))
    body = [
        f"<h1>{escape(title)}</h1><p class='dim'>{escape(under)}</p>",
        _verdict(report),
        _tiles(report),
        f"<div class='cards'>{''.join(plots)}</div>",
        _latency_table(report),
        f"<div class='cards'>{_process_table(report)}{_count_table(report)}</div>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def headline(report: Report) -> str:
    """What was run, in a line."""
    plan = report.plan
    shape = {
        "steady": "Steady load",
        "ramp": "A ramp of load",
        "spike": "A spike of load",
        "storm": "A storm of connections",
        "outage": "An outage of the devices",
    }[plan.shape]
    return f"{shape}: {plan.patients:,} patients at {plan.rate_hz:g} Hz for {plan.duration_s:g} s"


def _verdict(report: Report) -> str:
    lines = [*report.limit.evidence, *(f"Doubtful: {each}." for each in report.problems)]
    state = "missed" if report.differences else ""
    said = "Missed what was asked." if report.differences else "Kept what was asked."
    items = "".join(f"<li class='bad'>{escape(_named(line))}</li>" for line in report.differences)
    items += "".join(f"<li>{escape(line)}</li>" for line in lines)
    return (
        f"<section class='card verdict {state}'><strong>{said} {escape(report.limit.sentence)}</strong>"
        f"<ul>{items}</ul></section>"
    )


def _named(difference: str) -> str:
    """A missed threshold by the name that the rest of the page has for its latency."""
    quantile, _, rest = difference.partition(" ")
    point, colon, said = rest.partition(":")
    if point not in POINT_NAMES:
        return difference
    return f"To the {POINT_NAMES[point]}, {quantile}{colon}{said}."


def _missed(report: Report, start: str) -> str:
    return "bad" if any(line.startswith(start) for line in report.differences) else ""


def _tiles(report: Report) -> str:
    counts, alert = report.counts, report.latencies.get("to_alert")
    rate = counts.planned * SECOND_US / report.plan.length_us
    amiss = counts.lost + counts.doubled + counts.reordered
    tiles = [
        (_ms(alert, "p50"), "to the socket, p50", _missed(report, "p50 to_alert:")),
        (_ms(alert, "p99"), "to the socket, p99", _missed(report, "p99 to_alert:")),
        (f"{rate:,.0f}/s", "readings offered, on average", ""),
        (
            f"{counts.alerted:,} / {counts.crossings:,}",
            "alerts on the socket, of those scripted",
            "bad" if counts.alerts_missing else "",
        ),
        (str(amiss), "lost, twice stored or out of order", "bad" if amiss else "good"),
        (str(counts.rejected), "rejected", "bad" if counts.rejected else ""),
    ]
    if report.back_s is not None:
        tiles.append((f"{report.back_s:.1f} s", "until all devices were back", ""))
    cells = "".join(
        f"<div class='tile'><b class='{css}'>{escape(value)}</b><span>{escape(name)}</span></div>"
        for value, name, css in tiles
    )
    return f"<div class='tiles'>{cells}</div>"


def _percentiles(report: Report, suffix: str) -> str:
    names = [name for name in DRAWN if f"{name}{suffix}" in report.curves]
    lines = []
    for name in names:
        curve = report.curves[f"{name}{suffix}"]
        found = report.latencies[f"{name}{suffix}"]
        marks = zip(MARKS, (found.p50, found.p90, found.p99, found.p99_9), strict=True)
        notes = [(mark, max(value, 1e-3), f"{POINT_NAMES[name]} p{mark:g}: {value:.1f} ms") for mark, value in marks]
        points = [(quantile, max(value, 1e-3)) for quantile, value in curve]
        lines.append(Line(POINT_NAMES[name], POINT_CSS[name], points, notes))
    values = [value for line in lines for _, value in line.points] or [1.0]
    least = max(0.05, min(values))
    most = max((each.count for name, each in report.latencies.items() if name.endswith(suffix)), default=100)
    title = "Latency by quantile" if not suffix else "Latency of readings kept while the devices were away"
    drawn = plot(
        title,
        lines,
        quantiles(100 * (1 - 1 / max(most, 100))),
        logarithmic(least, max(*values, least * 2)),
        x_name="percent of readings (alerts) at most so late",
        y_name="ms, from the intended time",
    )
    return _figure(title, "Both scales logarithmic; the intended time is the schedule's, so waiting counts.", drawn)


def _throughput(report: Report) -> str:
    series = report.series
    rates = (("offered", "s1", series.offered), ("in the log", "s2", series.logged), ("stored", "s3", series.stored))
    lines = [
        Line(name, css, list(zip(series.t, values, strict=True)), dashed=name == "offered")
        for name, css, values in rates
    ]
    most = max((max(values) for _, _, values in rates if values), default=1.0)
    drawn = plot(
        "Readings a second", lines, _time(series.t), linear(most), x_name="s since the start", y_name="readings/s"
    )
    return _figure("Throughput", "Each second: what the schedule offered, and what arrived.", drawn)


def _waiting(report: Report) -> str:
    series = report.series
    waits = (
        ("bridge", "s2", series.waits_bridge),
        ("processor", "s4", series.waits_processor),
        ("store", "s3", series.waits_store),
    )
    lines = [
        Line(name, css, [(t, float(value)) for t, value in zip(series.t, values, strict=True)])
        for name, css, values in waits
    ]
    most = max((float(max(values)) for _, _, values in waits if values), default=1.0)
    drawn = plot(
        "What waits", lines, _time(series.t), linear(max(most, 1.0)), x_name="s since the start", y_name="readings"
    )
    return _figure("Backlogs", "What waited for each part at the end of each second; flat is well.", drawn)


def _way(report: Report) -> str:
    hops = report.hops
    if not hops:
        return ""
    rows = [
        ("medians", [(hop.part, HOP_CSS[hop.part], hop.p50) for hop in hops if hop.part in HOP_CSS]),
        ("slowest 1 %", [(hop.part, HOP_CSS[hop.part], hop.tail) for hop in hops if hop.part in HOP_CSS]),
    ]
    known = {hop.part: hop for hop in hops}
    entries = [
        (f"{LABELS[part]}: {known[part].p50:.1f} | {known[part].tail:.1f} ms", HOP_CSS[part])
        for part in HOPS
        if part in known
    ]
    return _figure(
        "Where an alert spends its time",
        "Each part's median | its mean in the slowest hundredth of the alerts. Medians do not add up to a median.",
        bars("Where an alert spends its time", rows, "ms") + legend(entries),
    )


def _latency_table(report: Report) -> str:
    rows = [
        [
            f"{escape(POINT_NAMES.get(name.removesuffix(KEPT), ''))} <code>{escape(name)}</code>",
            *(f"{value:,.1f}" for value in (each.p50, each.p90, each.p99, each.p99_9, each.max)),
            f"{each.count:,}",
            _meaning(name),
        ]
        for name, each in report.latencies.items()
    ]
    table = _table(["ms", "p50", "p90", "p99", "p99.9", "max", "count", ""], rows)
    return f"<section class='card wide'><h2>Latencies</h2>{table}</section>"


def _meaning(name: str) -> str:
    point = name.removesuffix(KEPT)
    return escape(POINTS[point] + ("; kept while away" if name.endswith(KEPT) else "")) if point in POINTS else ""


def _process_table(report: Report) -> str:
    rows = []
    for each in report.processes:
        bar = f"<meter max='1' high='.85' value='{min(1.0, each.share):.3f}'></meter>"
        share = f"{bar}<span class='share'>{each.share:.0%}</span>"
        memory = "" if each.pss_mib is None else f"{each.pss_mib:,.0f} MiB"
        rows.append(
            [escape(each.name), share, f"{each.cpu_s:.1f} s", memory, "" if each.lag is None else f"{each.lag:,}"]
        )
    table = _table(["", "of one core", "CPU", "memory (PSS)", "most waiting"], rows)
    said = (
        "In the measured time. What waits are readings, and alerts for manage and gateway; observer is this test's own."
    )
    return f"<section class='card'><h2>Processes</h2><p class='dim'>{escape(said)}</p>{table}</section>"


def _count_table(report: Report) -> str:
    rows = [[escape(name.replace("_", " ")), f"{count:,}"] for name, count in report.counts.model_dump().items()]
    half = -(-len(rows) // 2)
    halves = "".join(_table(["", ""], part) for part in (rows[:half], rows[half:]))
    return f"<section class='card'><h2>Counts</h2><div class='halves'>{halves}</div></section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    top = "".join(f"<th>{escape(each)}</th>" for each in head)
    body = "".join(
        "<tr>" + "".join(f"<td{_why(index, len(row))}>{cell}</td>" for index, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<div class='scroll'><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def _why(index: int, count: int) -> str:
    return " class='why'" if count == 8 and index == 7 else ""


def _figure(title: str, text: str, drawn: str) -> str:
    return f"<figure><h2>{escape(title)}</h2><figcaption>{escape(text)}</figcaption>{drawn}</figure>"


def _time(t: Sequence[float]) -> Scale:
    return until(max(t, default=1.0))


def _ms(found: Percentiles | None, quantile: str) -> str:
    return "none" if found is None else f"{getattr(found, quantile):,.1f} ms"
