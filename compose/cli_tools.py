"""The tools beside the services: they find a running stack by its data folder, or servers by ``VIGIL_*`` variables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from compose import cli_registry, folder
from compose.output import say
from runtime.settings import Settings

Data = Annotated[Path, typer.Option("--data", help="The data folder of the running stack.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ROOT = folder.DEFAULT_FOLDER
RoleKind = Literal["clinician", "ops", "wall"]


def register(app: typer.Typer) -> None:
    """Add the tools' commands."""
    app.command(epilog="Example:  vigil migrate")(migrate)
    app.command(epilog="Examples:  vigil doctor   |   vigil doctor --json")(doctor)
    app.command(epilog="Examples:  vigil status   |   vigil status --json")(status)
    app.command(epilog="Examples:  vigil link   |   vigil link --role wall")(link)
    app.command(epilog="Examples:  vigil cat readings --limit 10   |   vigil cat rejected --follow")(cat)
    app.command(epilog="Example:  vigil simulate --patients 20 --rate 1 --duration 60 --seed 7")(simulate)
    cli_registry.register(app)


def migrate(data: Data = ROOT) -> None:
    """Create topics and schema where they are missing."""
    from compose import migrate as migrating
    from compose import signals

    settings = folder.tool_settings(data, Settings)

    async def run() -> int:
        for line in await migrating.run(settings):
            say(line)
        return 0

    raise SystemExit(signals.run(run))


def doctor(data: Data = ROOT, *, as_json: Json = False) -> None:
    """Say what was found on this machine, what is missing, and what to do; exit code 1 where something is missing."""
    from dataclasses import asdict

    from compose.doctor import examine

    findings = examine(data)
    if as_json:
        say(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            remedy = f"\n{'':22}-> {finding.remedy}" if finding.remedy else ""
            say(f"{finding.state:8}{finding.name:14}{finding.found}{remedy}")
    raise SystemExit(any(finding.state == "missing" for finding in findings))


def status(data: Data = ROOT, *, as_json: Json = False) -> None:
    """Show what is stored, rejected and open, how far behind the sink is, and who is well."""
    from compose import signals
    from dashboards import status as looking

    settings = folder.tool_settings(data, Settings)
    ports = folder.health_ports(data)

    async def run() -> int:
        found = await looking.status(settings, ports)
        say(found.model_dump_json(indent=2) if as_json else looking.render(found))
        return 0 if found.ok else 1

    raise SystemExit(signals.run(run))


def link(
    role: Annotated[RoleKind, typer.Option(help="Who signs in with it.")] = "clinician",
    data: Data = ROOT,
) -> None:
    """Print the address that signs one in to the page of the running stack; keep it to yourself."""
    say(folder.read_ready(data).link(role))


def cat(
    what: Annotated[str, typer.Argument(help="readings, rejected, windows, journal, feed, commands or bindings.")],
    data: Data = ROOT,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many lines.")] = None,
) -> None:
    """Print what stands in the log, one JSON object a line."""
    from compose import signals
    from dashboards import cat as reading

    settings = folder.tool_settings(data, Settings)

    async def run() -> int:
        await reading.cat(settings, what, say, follow=follow, limit=limit)
        return 0

    raise SystemExit(signals.run(run))


def simulate(
    patients: Annotated[int, typer.Option(min=1, max=5000)] = 8,
    rate: Annotated[float, typer.Option(min=0.01, max=10, help="Heart rates per second and patient.")] = 1.0,
    duration: Annotated[float, typer.Option(min=0, help="Seconds; 0 is for ever.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    data: Data = ROOT,
    *,
    began_at: Annotated[int | None, typer.Option(help="When the ward began, µs UTC; default now.")] = None,
    resume_at: Annotated[int | None, typer.Option(help="First event time to send, µs UTC; default now.")] = None,
    story_at: Annotated[int | None, typer.Option(help="When its stories began, µs UTC; default at once.")] = None,
    as_json: Json = False,
) -> None:
    """Play a seeded ward of wearables on MQTT: day rhythm, scripted lows and highs, a device that goes silent."""
    from compose import signals
    from compose.wiring import RegistryClient
    from runtime.clock import SystemClock
    from runtime.observe import configure_logging
    from simulators import fleet

    settings = folder.tool_settings(data, Settings)
    configure_logging(settings, "simulate")
    options = fleet.Options(
        patients=patients,
        rate_hz=rate,
        duration_s=duration,
        seed=seed,
        began_at=began_at,
        resume_at=resume_at,
        story_at=story_at,
    )

    async def run() -> int:
        report = await fleet.run(settings, options, RegistryClient(settings), SystemClock())
        line = report.as_json() if as_json else f"{report.acked} of {report.sent} readings acknowledged"
        say(line)
        return 0 if report.acked == report.sent else 1

    raise SystemExit(signals.run(run))
