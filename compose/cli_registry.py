"""``vigil site`` and ``vigil device``: what the registry keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from compose import folder
from compose.output import say, say_aside
from runtime.settings import Settings
from vitals.devices import DEVICE_TYPES, Device
from vitals.errors import InputError
from vitals.readings import OBSERVED_MAX_US, OBSERVED_MIN_US
from vitals.registry import BY_CHARACTERS_MAX, Command, DeviceAdd, DeviceBind, DeviceClose, DeviceUnbind, SiteAdd
from vitals.topics import BINDINGS

if TYPE_CHECKING:
    from ingest.commands import Listing

Data = Annotated[Path, typer.Option("--data", help="The data folder of the running stack.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ROOT = folder.DEFAULT_FOLDER

site_app = typer.Typer(no_args_is_help=True, help="Sites: wards, homes, whatever has one clock and one care team.")
device_app = typer.Typer(no_args_is_help=True, help="Devices and who wears them, as dated lists.")


def register(app: typer.Typer) -> None:
    """Add the registry's commands."""
    app.add_typer(site_app, name="site")
    app.add_typer(device_app, name="device")


@site_app.command("add", epilog="Example:  vigil site add ward-a")
def site_add(name: str, data: Data = ROOT) -> None:
    """Make a site; the registry gives it its number."""
    _execute(data, lambda _: SiteAdd(id=uuid4(), name=name))


@site_app.command("list", epilog="Example:  vigil site list --json")
def site_list(data: Data = ROOT, *, as_json: Json = False) -> None:
    """List the sites and their numbers."""
    from ingest import commands

    async def body(settings: Settings) -> int:
        found = await commands.sites(settings)
        warn(found.unreadable)
        if as_json:
            say_json(found)
        else:
            for site in found.found:
                say(f"{site.number:5}  {site.name}")
        return 0

    run(data, body)


@device_app.command("add", epilog="Example:  vigil device add cgm-7 --site ward-a --type dexcom")
def device_add(
    name: str,
    site: Annotated[str, typer.Option(help="The site where it is worn.")],
    kind: Annotated[str, typer.Option("--type", help=f"One of {', '.join(sorted(DEVICE_TYPES))}.")],
    data: Data = ROOT,
) -> None:
    """Register a device of a known type at a site."""
    if kind not in DEVICE_TYPES:
        raise InputError("unknown device type", kind, f"one of {', '.join(sorted(DEVICE_TYPES))}")
    _execute(data, lambda _: DeviceAdd(id=uuid4(), name=name, site=site, type=DEVICE_TYPES[kind]))


@device_app.command("bind", epilog="Example:  vigil device bind cgm-7 --patient bed-12 --from 2026-11-24T08:00:00Z")
def device_bind(
    device: str,
    patient: Annotated[str, typer.Option(help="The patient's pseudonym, never a name.")],
    since: Annotated[str | None, typer.Option("--from", help="Event time, ISO 8601 with zone; default now.")] = None,
    data: Data = ROOT,
) -> None:
    """Bind a device to a patient from a time on."""
    _execute(
        data, lambda now: DeviceBind(id=uuid4(), device=device, patient=patient, since=_instant(since, now, "--from"))
    )


@device_app.command("unbind", epilog="Example:  vigil device unbind cgm-7")
def device_unbind(
    device: str,
    until: Annotated[str | None, typer.Option("--until", help="Event time, ISO 8601 with zone; default now.")] = None,
    data: Data = ROOT,
) -> None:
    """End a device's binding at a time."""

    def unbind(now: int | None) -> DeviceUnbind:
        at = _instant(until, now, "--until")
        if now is not None and at > now:
            raise InputError("an end that lies ahead", f"--until {until}", "say it once the device is off: it ends now")
        return DeviceUnbind(id=uuid4(), device=device, until=at)

    _execute(data, unbind)


@device_app.command("close", epilog="Example:  vigil device close --patient bed-12 --by dr-a")
def device_close(
    patient: Annotated[str, typer.Option(help="The patient's pseudonym.")],
    by: Annotated[str, typer.Option(help="Who decided it, for the log; no patient's name.")] = "",
    data: Data = ROOT,
) -> None:
    """Close a patient's alerts that wait for a new device since one was taken off: there will be none."""
    if len(by) > BY_CHARACTERS_MAX:
        raise InputError(f"a name of more than {BY_CHARACTERS_MAX} characters", by[:32], "give a shorter one")
    _execute(data, lambda _: DeviceClose(id=uuid4(), patient=patient, by=by))


@device_app.command("list", epilog="Example:  vigil device list --json")
def device_list(data: Data = ROOT, *, as_json: Json = False) -> None:
    """List the devices with their types and bindings."""
    from ingest import commands

    async def body(settings: Settings) -> int:
        found = await commands.devices(settings)
        warn(found.unreadable)
        if as_json:
            say_json(found)
        else:
            for device in found.found:
                say(_line(device))
        return 0

    run(data, body)


def warn(unreadable: dict[bytes, int]) -> None:
    """Say in one line on stderr which records of the registry (key -> offset) could not be read, if any."""
    from ingest import commands

    if unreadable:
        say_aside(f"vigil: warning: {commands.told(unreadable)}")


def say_json(listing: Listing[Any]) -> None:
    """Print a listing as JSON; each record that could not be read is an entry of the kind ``unreadable``."""
    said = [json.loads(each.model_dump_json()) for each in listing.found]
    said += [
        {"kind": "unreadable", "key": key.decode(errors="replace"), "topic": BINDINGS, "partition": 0, "offset": offset}
        for key, offset in listing.unreadable.items()
    ]
    say(json.dumps(said, indent=2))


def _line(device: Device) -> str:
    worn = "; ".join(
        f"{binding.label} from {time_text(binding.since)}{f' to {time_text(binding.until)}' if binding.until else ''}"
        for binding in device.bindings
    )
    return f"{device.name:24}{device.type.name:16}{device.site_name:12}{worn or 'not bound'}"


def time_text(at: int) -> str:
    """An instant (µs UTC) for a person, to the second; the registry's listings tell times in UTC."""
    return datetime.fromtimestamp(at / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _instant(text: str | None, now: int | None, option: str) -> int:
    if text is None:
        if now is None:
            raise InputError("this stack lives by the simulated clock", option, "say the time")
        return now
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InputError("no time with a zone", f"{option} {text}", "write it like 2026-11-24T08:00:00Z")
    at_us = round(at.timestamp() * 1_000_000)
    if not OBSERVED_MIN_US <= at_us <= OBSERVED_MAX_US:  # no message can carry it to the registry, which says the rest
        raise InputError("a time beyond the calendar", f"{option} {text}", "give one between the years 2000 and 2100")
    return at_us


def _execute(data: Path, make: Callable[[int | None], Command]) -> None:
    """Send one command; ``make`` gets the time now (µs UTC), None where the stack's clock is simulated."""
    from ingest import commands
    from runtime.clock import SystemClock

    async def body(settings: Settings) -> int:
        now = None if settings.clock == "simulated" else SystemClock().now_us()
        answer = await commands.execute(settings, make(now))
        say(f"{answer.outcome}: {answer.reason}" if answer.reason else answer.outcome)
        return 0 if answer.outcome == "accepted" else 1

    run(data, body)


def run(data: Path, body: Callable[[Settings], Coroutine[Any, Any, int]]) -> None:
    """Run a command on the stack of a folder, and end with its exit code."""
    raise SystemExit(code_of(data, body))


def code_of(data: Path, body: Callable[[Settings], Coroutine[Any, Any, int]]) -> int:
    """Run a command on the stack of a folder; its exit code."""
    from compose import signals

    settings = folder.tool_settings(data, Settings)
    return signals.run(lambda: body(settings))
