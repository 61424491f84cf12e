"""``vigil policy``: the rules in force for a patient; look at them, change them within the bounds, see what became."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from compose import cli_registry, policy_file
from compose.cli_registry import ROOT, Data, Json
from compose.output import say
from runtime.clock import SystemClock
from runtime.settings import Settings
from vitals.errors import CodecError, InputError
from vitals.nights import part
from vitals.policies import DEFAULT, Policy
from vitals.policy_kinds import NAMES
from vitals.policy_text import Difference, differences, table
from vitals.registry import BY_CHARACTERS_MAX, PolicySet
from vitals.topics import BINDINGS

ANY_CHANGE = (
    "Any other change, times in minutes: low.1.for=10, high.2.lead=none, high=off, night.low.1.limit=65, night=off. "
    f"Rules: {', '.join(NAMES)}. May be given more than once."
)
Patient = Annotated[str, typer.Argument(metavar="PATIENT", help="The patient's pseudonym.")]

policy_app = typer.Typer(no_args_is_help=True, help="The rules in force for a patient, and their changes.")


def register(app: typer.Typer) -> None:
    """Add the commands of policies."""
    app.add_typer(policy_app, name="policy")


def _limit(what: str) -> Any:
    return typer.Option(metavar="NUMBER", help=f"{what}; what ends the alert moves along.")


EXAMPLES = (
    "vigil policy set bed-12 --low 65 --high 280",
    "vigil policy set bed-12 --rule high.2.repeat=20 --rule heart_rate_low=off",
    "vigil policy set bed-12 --rule low_soon=on --rule low_soon.limit=70 --rule glucose_falling=on",
    "vigil policy set bed-12 --night 22:00-07:00 --zone Europe/Berlin --rule night.low.1.limit=65",
    "vigil policy set bed-12 --file mine.json --yes",
    "vigil policy set bed-12 --default",
)


@policy_app.command("set", epilog=f"Examples:  {'   |   '.join(EXAMPLES)}")
def policy_set(
    patient: Patient,
    *,
    file: Annotated[Path | None, typer.Option(help="A whole policy, as vigil policy show --json prints it.")] = None,
    low: Annotated[float | None, _limit("Low glucose, level 1, mg/dL")] = None,
    urgent_low: Annotated[float | None, _limit("Low glucose, level 2, mg/dL")] = None,
    high: Annotated[float | None, _limit("High glucose, level 1, mg/dL")] = None,
    very_high: Annotated[float | None, _limit("High glucose, level 2, mg/dL")] = None,
    heart_rate_high: Annotated[float | None, _limit("Heart rate above, 10-minute median")] = None,
    heart_rate_low: Annotated[float | None, _limit("Heart rate at most, 10-minute median")] = None,
    night: Annotated[str | None, typer.Option(metavar="HH:MM-HH:MM", help="When it is night, by the zone.")] = None,
    zone: Annotated[str | None, typer.Option(metavar="NAME", help="The patient's time zone, by its IANA name.")] = None,
    rule: Annotated[list[str] | None, typer.Option(metavar="RULE.WHAT=VALUE", help=ANY_CHANGE)] = None,
    default: Annotated[bool, typer.Option("--default", help="Begin with the default policy.")] = False,
    by: Annotated[str, typer.Option(help="Who decided it, for the history; no patient's name.")] = "",
    data: Data = ROOT,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Change a patient's policy: the difference is shown first. It holds from the next reading on."""
    said = {
        "low.1.limit": low,
        "low.2.limit": urgent_low,
        "high.1.limit": high,
        "high.2.limit": very_high,
        "heart_rate_high.above": heart_rate_high,
        "heart_rate_low.at_most": heart_rate_low,
    }
    changes = [*(rule or []), *(f"{name}={value!r}" for name, value in said.items() if value is not None)]
    changes += [f"{name}={value}" for name, value in (("night", night), ("zone", zone)) if value is not None]
    if file is not None and (default or changes):
        raise InputError("a file is a whole policy", str(file), "leave out either --file or the other changes")
    if file is None and not default and not changes:
        raise InputError("nothing to change", patient, "say --low 65, --rule high=off, --default or --file FILE")
    if len(by) > BY_CHARACTERS_MAX:
        raise InputError(f"a name of more than {BY_CHARACTERS_MAX} characters", by[:32], "give a shorter one")
    given = DEFAULT if default else None if file is None else policy_file.read(file)
    before = _current(data, patient)
    after = policy_file.changed(given or before, changes, before.version + 1)
    found = differences(before, after)
    if found and not as_json:
        say(f"policy of {patient}, version {before.version} -> {after.version}")
        for line in _lines(found):
            say(line)
    if found and not yes:
        _ask()
    command = PolicySet(id=uuid4(), patient=patient, policy=after, base=before.version, by=by)
    _send(data, command, found, as_json=as_json)


@policy_app.command(
    "show", epilog="Examples:  vigil policy show   |   vigil policy show bed-12   |   vigil policy show bed-12 --json"
)
def policy_show(
    patient: Annotated[str | None, typer.Argument(metavar="[PATIENT]", help="A pseudonym; none: the default.")] = None,
    data: Data = ROOT,
    *,
    as_json: Json = False,
) -> None:
    """Show a patient's rules, or the default; what differs from the default has a star. The night's numbers follow."""
    policy = DEFAULT if patient is None else _current(data, patient)
    if as_json:
        say(policy.model_dump_json(indent=2))
        return
    whose = "default policy" if patient is None else f"policy of {patient}"
    same = patient is not None and not differences(DEFAULT, policy)
    say(f"{whose}, version {policy.version}{', as the default' if same else ''}")
    for line in table(policy, DEFAULT):
        say(line)
    if policy.night is not None:
        now, night = part(policy, SystemClock().now_us()), policy.night
        word, until = ("night", night.ends) if now.night else ("day", night.begins)
        say(f"in force by this machine's clock: {word}, until {until} in {night.zone}")


@policy_app.command("history", epilog="Examples:  vigil policy history bed-12   |   vigil policy history bed-12 --json")
def policy_history(patient: Patient, data: Data = ROOT, *, as_json: Json = False) -> None:
    """List the versions of a patient's policy: when, by whom, and what changed."""
    from ingest import commands, history

    async def run(settings: Settings) -> int:
        versions = history.versions(await commands.log(settings), patient)
        if not versions:
            raise _unknown(patient)
        told = []
        for before, (policy, at_ms, by) in zip([None, *versions], versions, strict=False):
            found = [] if before is None else differences(before.policy, policy)
            at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            told.append({"version": policy.version, "at": at, "by": by, "changes": [each._asdict() for each in found]})
            if not as_json:
                when = cli_registry.time_text(at_ms * 1000)
                say(f"version {policy.version}  {when}  {by}".rstrip() + ("  the default" if before is None else ""))
                for line in _lines(found):
                    say(line)
        if as_json:
            say(json.dumps(told, indent=2))
        return 0

    cli_registry.run(data, run)


def _current(data: Path, patient: str) -> Policy:
    """The policy in force for a patient. Raises `InputError` for who never wore anything, `CodecError` for whose
    record cannot be read.
    """
    from ingest import commands
    from ingest.directory import remedy

    found: list[Policy] = []

    async def run(settings: Settings) -> int:
        listing = await commands.patients(settings)
        cli_registry.warn(listing.unreadable)
        found.extend(each.policy for each in listing.found if each.label == patient)
        key = f"patient:{patient}".encode()
        if not found and (offset := listing.unreadable.get(key)) is not None:
            what = f"{patient[:64]}, {BINDINGS} partition 0 offset {offset}"
            raise CodecError("the patient's record cannot be read", what, remedy(key))
        if not found:
            raise _unknown(patient)
        return 0

    if code := cli_registry.code_of(data, run):
        raise SystemExit(code)
    return found[0]


def _send(data: Path, command: PolicySet, found: list[Difference], *, as_json: bool) -> None:
    from ingest import commands

    async def run(settings: Settings) -> int:
        version, outcome, reason = command.policy.version - 1, "accepted", ""
        if found:
            answer = await commands.execute(settings, command)
            outcome, reason = answer.outcome, answer.reason
            version += answer.outcome == "accepted"
        if as_json:
            changes = [each._asdict() for each in found]
            say(json.dumps({"outcome": outcome, "reason": reason, "version": version, "changes": changes}, indent=2))
        elif not found:
            say(f"nothing changes: version {version} says so already")
        else:
            say(f"{outcome}: {reason or f'version {version}'}")
        return 0 if outcome == "accepted" else 1

    cli_registry.run(data, run)


def _ask() -> None:
    """Go on only if somebody says so."""
    if not sys.stdin.isatty():
        raise InputError("nobody is there to ask", "stdin is no terminal", "look at the difference, then say --yes")
    if not typer.confirm("Change it?"):
        raise SystemExit(1)


def _lines(found: list[Difference]) -> list[str]:
    return [f"  {each.where:20}{each.what:14}{each.before} -> {each.after}" for each in found]


def _unknown(patient: str) -> InputError:
    return InputError("no such patient", patient[:64], "who wears something has a policy: vigil device list")
