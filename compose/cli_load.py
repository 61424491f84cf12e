"""``vigil simulate``, a simulated ward or a load test; and ``vigil report``, what a load test found."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from compose import folder
from compose.cli_alerts import feed_of
from compose.output import say
from runtime.settings import Settings
from vitals.errors import InputError

Data = Annotated[Path, typer.Option("--data", help="The data folder of the running stack.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ReportPath = Annotated[Path, typer.Argument(help="report.json, or the folder that holds it.")]
Patients = Annotated[
    int | None, typer.Option(min=1, max=20_000, help="Default 8, of a load test 200, of --find-limit 5000.")
]
Rate = Annotated[float | None, typer.Option(min=0.01, max=10, help="Readings per second and patient: 1, or 0.2.")]
Duration = Annotated[float | None, typer.Option(min=0, help="Seconds: for ever (0), of a load test 60.")]
BeganAt = Annotated[int | None, typer.Option(help="When the ward began, µs UTC; default now.")]
ResumeAt = Annotated[int | None, typer.Option(help="First event time to send, µs UTC; default now.")]
StoryAt = Annotated[int | None, typer.Option(help="When its stories began, µs UTC; default at once.")]
Load = Annotated[
    Literal["none", "steady", "ramp", "spike", "storm", "outage"],
    typer.Option(
        help="No ward but a load test, an open loop: steady; a ramp from a tenth; a spike of four times the rate; a "
        "storm, when all connections break at once; an outage, when the devices are away and keep their readings."
    ),
]
Crossings = Annotated[float, typer.Option(min=0, max=1000, help="Load: lows per second over all patients.")]
WarmUp = Annotated[float, typer.Option(min=0, max=60, help="Load: seconds before anything is measured.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Load: processes that hold the connections.")]
Window = Annotated[int, typer.Option(min=1, max=1000, help="Load: readings of a device without PUBACK.")]
Protocol = Annotated[int, typer.Option(min=4, max=5, help="Load: 5 is MQTT 5, 4 is MQTT 3.1.1.")]
Out = Annotated[Path | None, typer.Option(help="Load: a folder for report.json and report.html.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Load: a line each 5 s, no table.")]
MostMs = Annotated[float | None, typer.Option(min=0.1, help="Load: exit code 1 above it.")]
Most = Annotated[int, typer.Option(min=0, help="Load: exit code 1 above it.")]
FindLimit = Annotated[
    bool,
    typer.Option("--find-limit", help="Load: the most with p99 to the socket within --max-p99-alert-ms, or 250."),
]
ROOT = folder.DEFAULT_FOLDER
EXAMPLES = (
    "Examples:  vigil simulate --patients 20 --rate 1 --duration 60   |   "
    "vigil simulate --load steady --patients 5000 --rate 0.2 --max-p99-alert-ms 150 --out results/steady   |   "
    "vigil simulate --load outage --patients 500   |   vigil simulate --find-limit"
)

report_app = typer.Typer(no_args_is_help=True, help="What load tests found.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=EXAMPLES)(simulate)
    app.add_typer(report_app, name="report")


def simulate(
    *,
    patients: Patients = None,
    rate: Rate = None,
    duration: Duration = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    data: Data = ROOT,
    began_at: BeganAt = None,
    resume_at: ResumeAt = None,
    story_at: StoryAt = None,
    as_json: Json = False,
    load: Load = "none",
    crossings: Crossings = 25.0,
    warm_up: WarmUp = 5.0,
    workers: Workers = 2,
    window: Window = 20,
    protocol: Protocol = 5,
    out: Out = None,
    no_progress: NoProgress = False,
    find_limit: FindLimit = False,
    max_p50_alert_ms: MostMs = None,
    max_p99_alert_ms: MostMs = None,
    max_p99_puback_ms: MostMs = None,
    max_p99_log_ms: MostMs = None,
    max_p99_stored_ms: MostMs = None,
    max_rejected: Most = 0,
    max_reordered: Most = 0,
    max_unstored: Most = 0,
    max_lost: Most = 0,
    max_missing: Most = 0,
) -> None:
    """Play a seeded ward of wearables on MQTT; or, with --load or --find-limit, see what a running stack holds."""
    if load == "none" and not find_limit:
        moments = {"began_at": began_at, "resume_at": resume_at, "story_at": story_at}
        _play(data, as_json, patients=patients or 8, rate_hz=rate or 1.0, duration_s=duration or 0.0, seed=seed,
              **moments)  # fmt: skip
    from compose.load.finding import PATIENTS

    _load(
        data,
        {
            "shape": "steady" if find_limit else load,
            "patients": patients or (PATIENTS if find_limit else 200),
            "rate_hz": rate or 0.2,
            "duration_s": duration or 60.0,
            "warm_up_s": warm_up,
            "crossings_hz": crossings,
            "seed": seed,
        },
        {
            "p50_alert_ms": max_p50_alert_ms,
            "p99_alert_ms": max_p99_alert_ms,
            "p99_puback_ms": max_p99_puback_ms,
            "p99_log_ms": max_p99_log_ms,
            "p99_stored_ms": max_p99_stored_ms,
            "rejected": max_rejected,
            "reordered": max_reordered,
            "unstored": max_unstored,
            "lost": max_lost,
            "alerts_missing": max_missing,
        },
        {"workers": workers, "window": window, "protocol": protocol, "p99_alert_ms": max_p99_alert_ms or 250.0},
        as_json=as_json,
        out=out,
        live=sys.stderr.isatty() and not no_progress,
        find_limit=find_limit,
    )


def _play(data: Path, as_json: bool, **asked: Any) -> None:
    """Play a ward."""
    from compose import signals
    from compose.wiring import RegistryClient
    from runtime.clock import SystemClock
    from runtime.observe import configure_logging
    from simulators import fleet

    settings = folder.tool_settings(data, Settings)
    configure_logging(settings, "simulate")
    options = fleet.Options(**asked)

    async def run() -> int:
        report = await fleet.run(settings, options, RegistryClient(settings), SystemClock())
        line = report.as_json() if as_json else f"{report.acked} of {report.sent} readings acknowledged"
        say(line)
        return 0 if report.acked == report.sent else 1

    raise SystemExit(signals.run(run))


def _load(
    data: Path,
    asked: dict[str, Any],
    thresholds: dict[str, Any],
    how: dict[str, Any],
    *,
    as_json: bool,
    out: Path | None,
    live: bool,
    find_limit: bool,
) -> None:
    """Run a load test and judge it, or look for the most that holds."""
    from compose import signals
    from compose.load import finding, show
    from compose.load import run as loading
    from compose.load.saving import save
    from runtime.clock import SystemClock
    from runtime.observe import configure_logging
    from simulators.load.plan import Plan
    from simulators.load.report import Report, Thresholds, missed

    settings = folder.tool_settings(data, Settings)
    configure_logging(settings.model_copy(update={"log_level": "error"}), "simulate")
    feed, token = feed_of(data, None)
    where = loading.Where(feed, token, folder.health_ports(data), data / "logs")
    plan, clock = Plan.model_validate(asked), SystemClock()

    def tell(line: str) -> None:
        sys.stderr.write(line + "\n")

    async def one(plan: Plan) -> Report:
        with show.showing(live=live) as told:
            return await loading.run(settings, plan, where, loading.How(**how), clock=clock, tell=tell, told=told)

    async def run() -> int:
        await loading.register(settings, plan.patients, clock, tell)
        if find_limit:
            found = await finding.find(plan, one, tell=tell, p99_ms=how["p99_alert_ms"])
            for line in [] if out is None or found.holds is None else save(found.holds, out):
                tell(line)
            say(found.model_dump_json() if as_json else "\n".join(finding.lines(found)))
            return 0 if found.readings_per_second is not None else 1
        report = await one(plan)
        report = report.model_copy(update={"differences": tuple(missed(report, Thresholds(**thresholds)))})
        for line in [] if out is None else save(report, out):
            tell(line)
        say(report.model_dump_json() if as_json else "\n".join(show.lines(report)))
        return 1 if report.differences else 0

    raise SystemExit(signals.run(run, fast=True))


@report_app.command(
    "show", epilog="Examples:  vigil report show results/steady   |   vigil report show r.json --html r.html"
)
def report_show(
    report: ReportPath,
    *,
    html: Annotated[Path | None, typer.Option(help="Write the page here.")] = None,
    as_json: Json = False,
) -> None:
    """Show a report in this terminal, or draw its page anew."""
    from compose.load import show
    from compose.load.saving import load
    from simulators.load.page import page

    found = load(report)
    if html is not None:
        html.write_text(page(found), encoding="utf-8")
    say(found.model_dump_json() if as_json else "\n".join(show.lines(found)))


@report_app.command("compare", epilog="Example:  vigil report compare results/before results/after")
def report_compare(first: ReportPath, second: ReportPath, *, as_json: Json = False) -> None:
    """Lay two reports side by side: how many times as slow, as dear, as large the second is."""
    from compose.load.saving import load
    from simulators.load import compare

    if first == second:
        raise InputError("a report beside itself", str(first), "give two")
    found, other = load(first), load(second)
    rows, unlike = compare.compare(found, other), compare.differing_plans(found, other)
    if as_json:
        say(json.dumps({"differing": unlike, "rows": [row.model_dump() for row in rows]}))
        return
    for line in [*(f"not the same: {each}" for each in unlike), *compare.lines(rows, (str(first), str(second)))]:
        say(line)
