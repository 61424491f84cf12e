"""``vigil backtest``: the rules, and forecasts, over exports of real people, without a server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compose.output import say, say_aside
from vitals.errors import InputError

if TYPE_CHECKING:
    from vitals.policies import Policy

EXAMPLES = (
    "Examples:  vigil backtest glucose-2307.csv   |   vigil backtest glucose-*.csv --json out.json --plot out.html"
    "   |   vigil backtest glucose-2307.csv --policy mine.json"
    "   |   vigil backtest glucose-2307.csv --rule low_soon=on --rule low_soon.limit=70"
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=EXAMPLES)(backtest)


def backtest(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="T1D-UOM exports: glucose-ID.csv (each 1, 5 or 15 min), wrist-ID.csv."),
    ],
    *,
    policy: Annotated[
        Path | None, typer.Option(help="Rules to test instead of the default ones: a policy as JSON.")
    ] = None,
    rule: Annotated[
        list[str] | None, typer.Option(metavar="CHANGE", help="A change of them, as vigil policy set takes it.")
    ] = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write the report as JSON; - is stdout.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write a page with every day of every person.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 1,
) -> None:
    """Run rules and forecasts over exports, and score their alarms by what the glucose did; no server is needed."""
    from compose.backtest import show
    from compose.backtest.run import run
    from runtime.clock import SystemClock
    from simulators.replay import read

    for out in (json_out, plot):
        if out is not None and str(out) != "-":
            _check_out(out, [*files, *([] if policy is None else [policy])])
    if plot is not None and (str(plot) == "-" or (json_out is not None and plot.absolute() == json_out.absolute())):
        raise InputError("no place for the page", str(plot), "give a file of its own, as --plot out.html")
    rules = _rules(policy, rule or [])
    report = run(read(files), rules, seed=seed, clock=SystemClock(), progress=say_aside)
    if json_out is not None and str(json_out) != "-":
        _write(json_out, report.model_dump_json(indent=1) + "\n")
        say_aside(f"the report is {json_out}")
    if plot is not None:
        from compose.backtest.page import page

        _write(plot, page(report, read(files)))
        say_aside(f"the page is {plot}")
    if str(json_out) == "-":
        say(report.model_dump_json())
    else:
        show.show(report, show.console_for())


def _check_out(out: Path, given: list[Path]) -> None:
    """Refuse what cannot be written before minutes of work, and what is read or looks like an export: with
    ``--json glucose-*.csv`` a shell makes the first export the place of the report.
    """
    if any(out.resolve() == each.resolve() for each in given) or out.suffix.lower() == ".csv":
        raise InputError(
            "that would overwrite an export or a policy", str(out), "give OUT first: --json out.json FILE..."
        )
    if not out.absolute().parent.is_dir():
        raise InputError("cannot write the file", str(out), "its folder is not there")
    if out.is_dir() or not os.access(out if out.exists() else out.absolute().parent, os.W_OK):
        raise InputError("cannot write the file", str(out), "a folder" if out.is_dir() else "no right to write there")


def _rules(policy: Path | None, changes: list[str]) -> Policy | None:
    """The rules to test; None for the default ones."""
    from compose import policy_file
    from vitals.policies import DEFAULT

    rules = None if policy is None else policy_file.read(policy)
    if not changes:
        return rules
    before = rules or DEFAULT
    return policy_file.changed(before, changes, before.version + 1)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError("cannot write the file", str(path), error.strerror or type(error).__name__) from None
