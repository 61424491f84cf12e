"""The command ``vigil``: everything starts here. Imports are made where they are used, so that each start is quick."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from compose import cli_feed, cli_services, cli_tools
from vitals.errors import VigilError

app = typer.Typer(
    name="vigil",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="From a wearable's reading to an alert before a clinician. A secondary notifier, not a medical device.",
)


class ClockKind(StrEnum):
    """Whose time a stack lives by."""

    REAL = "real"
    SIMULATED = "simulated"


Data = Annotated[Path, typer.Option("--data", help="The data folder.")]


@app.command(
    epilog="Examples:  vigil up   |   vigil up --patients 8 --history 2 --port 8443   |   vigil up --clock simulated"
)
def up(
    patients: Annotated[int, typer.Option(min=0, max=2000, help="Patients of the simulated ward.")] = 20,
    clock: Annotated[ClockKind, typer.Option(help="Real time, or the time of a replay.")] = ClockKind.REAL,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line when ready, nothing else.")] = False,
    data: Data = Path(".vigil"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="The page's port; 0 takes a free one.")] = 0,
    no_simulator: Annotated[bool, typer.Option("--no-simulator", help="Play no ward.")] = False,
    rate: Annotated[float, typer.Option(min=0.01, max=10, help="Heart rates per second and patient.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated ward.")] = 1,
    processors: Annotated[
        int, typer.Option(min=1, max=256, help="Processors that share the partitions, one for each at most.")
    ] = 1,
    history: Annotated[
        float, typer.Option(min=0, max=168, help="Hours of the ward's past that a new data folder gets; 0 is none.")
    ] = 24.0,
) -> None:
    """Start servers, services and a simulated ward here; print the page's link; Ctrl-C stops all of it."""
    from compose import signals
    from compose import up as upping
    from compose.stack import Options

    played = 0 if no_simulator or clock is ClockKind.SIMULATED else patients
    options = Options(
        root=data,
        clock=clock.value,
        port=port,
        patients=played,
        rate=rate,
        seed=seed,
        history_hours=history,
        processors=processors,
    )
    show = None if as_json else cli_feed.show_ready
    code = signals.run(lambda: upping.run(options, as_json=as_json, show=show))
    # a signal is how one leaves: not an error that make or a shell should name
    raise SystemExit(0 if code == signals.STOPPED_BY_SIGNAL else code)


cli_services.register(app)
cli_tools.register(app)
cli_feed.register(app)


def main() -> None:
    """Run the command line; an error of Vigil's own is one line on stderr and exit code 1."""
    try:
        app()
    except VigilError as error:
        sys.stderr.write(f"vigil: {error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
