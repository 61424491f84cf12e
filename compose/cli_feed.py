"""``vigil feed`` and ``vigil replay``: what a person does with a running stack; ``vigil alerts`` is cli_alerts.py."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from compose import cli_alerts, folder
from compose.cli_alerts import ROOT, Data, Json, Url, feed_of
from compose.output import say
from runtime.settings import Settings
from vitals.errors import InputError
from vitals.metrics import SECOND_US

SPEED_MAX = 100_000.0


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog="Examples:  vigil feed   |   vigil feed --json")(feed)
    app.command(
        epilog="Examples:  vigil replay glucose-2307.csv   |   vigil replay a.csv --from 2023-11-26 --days 3 --speed 60"
    )(replay)
    app.add_typer(cli_alerts.alerts_app, name="alerts")


def feed(data: Data = ROOT, url: Url = None, *, as_json: Json = False) -> None:
    """Show the live list; `a` acknowledges. Without a terminal one line an alert. VIGIL_TOKEN is the token."""
    from alerts import terminal
    from compose import signals

    address, token = feed_of(data, url)

    async def run() -> int:
        await terminal.show(address, token, json_lines=as_json)
        return 0

    raise SystemExit(signals.run(run))


def replay(
    files: Annotated[list[Path], typer.Argument(help="T1D-UOM exports: glucose-ID.csv or wrist-ID.csv.")],
    person: Annotated[str | None, typer.Option(help="The patient's pseudonym; default that of the file.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD, of the file's zone.")] = None,
    days: Annotated[float | None, typer.Option(min=0.01, help="How many days of it.")] = None,
    *,
    speed: Annotated[str, typer.Option(help="Simulated seconds per second, or max.")] = "max",
    data: Data = ROOT,
    as_json: Json = False,
) -> None:
    """Replay real people's readings through MQTT, on simulated time that the replay itself drives."""
    from compose import signals
    from compose.wiring import RegistryClient
    from runtime.clock import SystemClock
    from runtime.observe import configure_logging
    from simulators import replay as replaying

    settings = folder.tool_settings(data, Settings)
    options = replaying.Options(begin=_day(since), days=days, speed=_speed(speed), patient=person)
    configure_logging(settings.model_copy(update={"log_level": "warning"}), "replay")

    def progress(report: replaying.Report) -> None:
        sys.stderr.write(f"{report.seconds:6.1f} s  {report.readings} readings, clock at {_time(report.clock)}\n")

    async def run() -> int:
        exports = replaying.read(files)
        registry = RegistryClient(settings)
        report = await replaying.run(
            settings, exports, options, registry=registry, clock=SystemClock(), progress=progress
        )
        if as_json:
            say(report.as_json())
        else:
            say(f"{report.readings} readings and {report.ticks} ticks in {report.seconds:.1f} s")
        if report.late:
            sys.stderr.write(f"vigil: {report.late} readings lie before this folder's clock: late, they alert nobody\n")
        if report.nonexistent_local_times:
            count = report.nonexistent_local_times
            sys.stderr.write(f"vigil: {count} readings have a local time that does not exist: read as winter time\n")
        if report.ambiguous_local_times:
            count = report.ambiguous_local_times
            sys.stderr.write(
                f"vigil: {count} readings have a local time that happens twice, and the file's order does not tell"
                " which is meant: they may lie an hour off\n"
            )
        return 0

    raise SystemExit(signals.run(run))


async def show_ready(ready: folder.Ready) -> None:
    """The feed of a stack that has just started, in this terminal."""
    from alerts import terminal

    await terminal.show(ready.feed, ready.token)


def _day(text: str | None) -> int | None:
    from simulators.exports import ZONE

    if text is None:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=ZONE)
    except ValueError:
        raise InputError("no date", f"--from {text}", "write it like 2023-11-26") from None
    return round(day.timestamp()) * SECOND_US


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= SPEED_MAX:
        raise InputError("no speed", f"--speed {text}", f"a number up to {SPEED_MAX:g}, or max")
    return speed


def _time(at: int | None) -> str:
    return "-" if at is None else f"{datetime.fromtimestamp(at / SECOND_US, UTC):%Y-%m-%d %H:%M}Z"
