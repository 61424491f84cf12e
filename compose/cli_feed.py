"""``vigil feed``, ``vigil alerts`` and ``vigil replay``: what a person does with a running stack."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from alerts.client import Lost
from compose import folder
from compose.output import say
from runtime.settings import Settings
from vitals.errors import InputError, ProtocolError
from vitals.metrics import SECOND_US
from vitals.protocol import Snapshot

if TYPE_CHECKING:
    from alerts.client import FeedClient

Data = Annotated[Path, typer.Option("--data", help="The data folder of the running stack.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url = Annotated[str | None, typer.Option(help="The feed's address, where it is not this folder's.")]
ROOT = folder.DEFAULT_FOLDER
SNAPSHOT_S = 15.0
SPEED_MAX = 100_000.0

alerts_app = typer.Typer(no_args_is_help=True, help="Open alerts: list and acknowledge.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog="Examples:  vigil feed   |   vigil feed --json")(feed)
    app.command(
        epilog="Examples:  vigil replay glucose-2307.csv   |   vigil replay a.csv --from 2023-11-26 --days 3 --speed 60"
    )(replay)
    app.add_typer(alerts_app, name="alerts")


def feed(data: Data = ROOT, url: Url = None, *, as_json: Json = False) -> None:
    """Show the live list; `a` acknowledges. Without a terminal one line an alert. VIGIL_TOKEN is the token."""
    from alerts import terminal
    from compose import signals

    address, token = _feed(data, url)

    async def run() -> int:
        await terminal.show(address, token, json_lines=as_json)
        return 0

    raise SystemExit(signals.run(run))


@alerts_app.command("list", epilog="Examples:  vigil alerts list   |   vigil alerts list --json")
def alerts_list(data: Data = ROOT, url: Url = None, *, as_json: Json = False) -> None:
    """List the open alerts, the most urgent first."""
    from alerts.client import FeedClient
    from alerts.lines import line
    from compose import signals

    address, token = _feed(data, url)

    async def run() -> int:
        client = FeedClient(address, token)
        await _with_snapshot(client, _nothing)
        found = client.view.worklist()
        if as_json:
            say(json.dumps([json.loads(alert.model_dump_json()) for alert in found], indent=2))
        else:
            zone = local_zone()
            for alert in found:
                say(f"{alert.id}  {line(alert, zone)}")
        return 0

    raise SystemExit(signals.run(run))


@alerts_app.command("acknowledge", epilog="Example:  vigil alerts acknowledge 1c0c3e1e-5b0a-5c7e-9a55-7d0f4d8f2b11")
def alerts_acknowledge(alert: UUID, data: Data = ROOT, url: Url = None) -> None:
    """Acknowledge an open alert as it stands now; the server's answer decides the exit code."""
    from alerts.client import FeedClient
    from alerts.lines import answer_line
    from compose import signals

    address, token = _feed(data, url)

    async def run() -> int:
        client = FeedClient(address, token)

        async def acknowledge() -> bool:
            if (known := client.view.alerts.get(alert)) is None:
                raise InputError("no such open alert", str(alert), "list them: vigil alerts list")
            answer = await client.acknowledge(known)
            say(answer_line(answer))
            return answer is not None and answer.outcome == "accepted"

        return 0 if await _with_snapshot(client, acknowledge) else 1

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
        return 0

    raise SystemExit(signals.run(run))


async def show_ready(ready: folder.Ready) -> None:
    """The feed of a stack that has just started, in this terminal."""
    from alerts import terminal

    await terminal.show(ready.feed, ready.token)


def local_zone() -> tzinfo:
    """The machine's time zone."""
    return datetime.fromtimestamp(0, UTC).astimezone().tzinfo or UTC


def _feed(data: Path, url: str | None) -> tuple[str, str]:
    token = os.environ.get("VIGIL_TOKEN", "")
    if url and token:
        return url, token
    ready = folder.read_ready(data)
    return url or ready.feed, token or ready.token


async def _nothing() -> bool:
    return True


async def _with_snapshot(client: FeedClient, body: Callable[[], Awaitable[bool]]) -> bool:
    """Connect, wait for the whole list of open alerts, run ``body``, leave."""
    arrived = asyncio.Event()
    lost: list[str] = []

    def handle(event: object) -> None:
        if isinstance(event, Snapshot) and not event.more:
            arrived.set()
        if isinstance(event, Lost):
            lost.append(event.why)

    reading = asyncio.ensure_future(client.run(handle))
    waiting = asyncio.ensure_future(arrived.wait())
    try:
        await asyncio.wait({reading, waiting}, timeout=SNAPSHOT_S, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
        if not arrived.is_set():
            raise ProtocolError("the feed gave no list of alerts", lost[-1] if lost else "", "is vigil up running?")
        return await body()
    finally:
        for task in (reading, waiting):
            task.cancel()
        await asyncio.wait({reading, waiting})


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
