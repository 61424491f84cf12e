"""The tools beside the services: they find a running stack by its data folder, or servers by ``VIGIL_*`` variables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from compose import cli_backtest, cli_load, cli_policy, cli_registry, folder
from compose.output import say, say_aside
from runtime.settings import Settings

Data = Annotated[Path, typer.Option("--data", help="The data folder of the running stack.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ROOT = folder.DEFAULT_FOLDER
RoleKind = Literal["clinician", "ops", "wall"]


def register(app: typer.Typer) -> None:
    """Add the tools' commands."""
    app.command(epilog="Example:  vigil migrate")(migrate)
    app.command(epilog="Examples:  vigil doctor   |   vigil doctor --json   |   vigil doctor --yes")(doctor)
    app.command(epilog="Examples:  vigil status   |   vigil status --once   |   vigil status --json")(status)
    app.command(epilog="Examples:  vigil link   |   vigil link --role wall")(link)
    app.command(epilog="Examples:  vigil cat readings --limit 10   |   vigil cat rejected --follow")(cat)
    cli_backtest.register(app)
    cli_load.register(app)
    cli_registry.register(app)
    cli_policy.register(app)


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


def doctor(
    data: Data = ROOT,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Run every command that is offered, without a question.")] = False,
    as_json: Json = False,
) -> None:
    """Say what was found on this machine, what is missing, and what to do; exit code 1 where something is missing.

    Where a command would mend it, that is shown, and run if you say so; without a terminal nothing is run but with
    --yes.
    """
    import sys

    from compose import offers
    from compose.doctor import examine, lines

    findings = examine(data)
    if as_json:
        say(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        for line in lines(findings):
            say(line)
    found = [(finding.name, finding.offer) for finding in findings if finding.offer is not None]
    if found and (yes or not as_json):
        tell = say_aside if as_json else say
        there = sys.stdin.isatty() and sys.stdout.isatty()
        tell("")
        if offers.carry_out(found, yes=yes, say=tell, ask=offers.asked if there else None):
            tell("\nlook again: vigil doctor")
            findings = examine(data)
    raise SystemExit(any(finding.state == "missing" for finding in findings))


def status(
    data: Data = ROOT,
    *,
    once: Annotated[bool, typer.Option("--once", help="Tell once and end; so it is without a terminal too.")] = False,
    as_json: Json = False,
) -> None:
    """Show what is stored, rejected and open, how far behind the sink is, and who is well; live until Ctrl-C.

    Exit code 0 where everything could be asked and every service does its work.
    """
    import sys

    from compose import signals, watch
    from dashboards import status as looking
    from dashboards.settings import DashboardSettings
    from runtime.settings import load

    settings = folder.tool_settings(data, Settings)
    ports = folder.health_ports(data) or load(DashboardSettings).health_ports

    async def run() -> int:
        if not (once or as_json) and sys.stdout.isatty():
            return await watch.live(lambda: looking.status(settings, ports))
        found = await looking.status(settings, ports)
        say(found.model_dump_json(indent=2) if as_json else looking.render(found))
        return 0 if found.ok else 1

    code = signals.run(run)
    raise SystemExit(0 if code == signals.STOPPED_BY_SIGNAL else code)


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
