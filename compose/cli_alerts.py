"""``vigil alerts``: list what is open and answer it, as the page does; the server's answer decides the exit code."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from uuid import UUID, uuid4

import typer

from compose import folder
from compose.output import say
from vitals.alerts import SITE_SILENT
from vitals.errors import InputError, ProtocolError
from vitals.protocol import (
    SERVICE_MINUTES_MAX,
    SHELF_MINUTES_MAX,
    Acknowledge,
    Assign,
    InService,
    NoteAdd,
    OutOfService,
    Seen,
    Shelve,
    Snapshot,
    Unshelve,
)
from vitals.topics import patient_id

if TYPE_CHECKING:
    from alerts.client import FeedClient
    from alerts.requests import Request
    from alerts.view import FeedView
    from vitals.alerts import Alert

Data = Annotated[Path, typer.Option("--data", help="The data folder of the running stack.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url = Annotated[str | None, typer.Option(help="The feed's address, where it is not this folder's.")]
AlertId = Annotated[UUID, typer.Argument(metavar="ALERT", help="The alert's id, as vigil alerts list shows it.")]
Patient = Annotated[str, typer.Argument(metavar="PATIENT", help="The patient's pseudonym.")]
Reason = Annotated[str, typer.Option(help="Why, in a few words.")]
ROOT = folder.DEFAULT_FOLDER
SNAPSHOT_S = 15.0
NOTE_CHARACTERS_MAX = 500

alerts_app = typer.Typer(no_args_is_help=True, help="Open alerts: list and answer them.")


@alerts_app.command("list", epilog="Examples:  vigil alerts list   |   vigil alerts list --json")
def alerts_list(data: Data = ROOT, url: Url = None, *, as_json: Json = False) -> None:
    """List the open alerts, the most urgent first; then shelves, and patients out of service (not with --json)."""
    from alerts import lines

    def show(view: FeedView) -> None:
        found = view.worklist()
        if as_json:
            return say(json.dumps([json.loads(alert.model_dump_json()) for alert in found], indent=2))
        zone = local_zone()
        for alert in found:
            unwatched = lines.unwatched(alert, view.heartbeat)
            say(f"{alert.id}  {lines.line(alert, zone)}{f'  ({unwatched})' if unwatched else ''}")
        for shelf in view.shelves.values():
            say(f"{shelf.id}  {lines.shelf_line(shelf, zone)}")
        for service in view.services.values():
            say(f"{'-':36}  {lines.service_line(service, zone)}")
        return None

    async def body(client: FeedClient) -> bool:
        show(client.view)
        return True

    _run(data, url, body)


@alerts_app.command("show", epilog="Examples:  vigil alerts show ALERT   |   vigil alerts show ALERT --json")
def alerts_show(alert: AlertId, data: Data = ROOT, url: Url = None, *, as_json: Json = False) -> None:
    """Show an open alert: how it stands, why it is there, and what was noted."""
    from alerts import lines
    from alerts.why import why

    async def body(client: FeedClient) -> bool:
        found, zone = _known(client.view, alert), local_zone()
        if as_json:
            say(found.model_dump_json(indent=2))
            return True
        say(lines.line(found, zone))
        if found.rule == SITE_SILENT:
            beat = client.view.heartbeat
            say(lines.unwatched(found, beat) or "who lies there is not known")
            for line in lines.named(beat, found):
                say(f"  {line}")
        else:
            say(f"why: {why(found, zone) or 'not known'}")
        for note in found.notes:
            say(f"note by {note.by} at {lines.clock_text(note.at, zone)}: {note.text}")
        return True

    _run(data, url, body)


@alerts_app.command("acknowledge", epilog="Example:  vigil alerts acknowledge 1c0c3e1e-5b0a-5c7e-9a55-7d0f4d8f2b11")
def acknowledge(alert: AlertId, reason: Reason = "", data: Data = ROOT, url: Url = None) -> None:
    """Acknowledge an open alert as it stands now."""
    _answer(data, url, alert, lambda it: Acknowledge(**_shown(it), reason=reason))


@alerts_app.command("shelve", epilog="Example:  vigil alerts shelve ALERT --minutes 15 --reason 'sensor error'")
def shelve(
    alert: AlertId,
    minutes: Annotated[int, typer.Option(min=1, max=SHELF_MINUTES_MAX, help="High priority: 15 at most.")] = 15,
    reason: Reason = "",
    data: Data = ROOT,
    url: Url = None,
) -> None:
    """Put this rule of this patient aside for a time; a worse alert ends it."""
    _answer(data, url, alert, lambda it: Shelve(**_shown(it), minutes=minutes, reason=reason))


@alerts_app.command("unshelve", epilog="Example:  vigil alerts unshelve 1c0c3e1e-5b0a-5c7e-9a55-7d0f4d8f2b11")
def unshelve(
    shelf: Annotated[UUID, typer.Argument(metavar="SHELF", help="The id of the shelf, or of an alert on it.")],
    data: Data = ROOT,
    url: Url = None,
) -> None:
    """End a shelf."""

    def ask(view: FeedView) -> Request:
        alert = view.alerts.get(shelf)
        return Unshelve(id=uuid4(), shelf=shelf if alert is None or alert.shelf is None else alert.shelf)

    _ask(data, url, ask)


@alerts_app.command("note", epilog="Example:  vigil alerts note ALERT 'juice given'")
def note(alert: AlertId, text: str, data: Data = ROOT, url: Url = None) -> None:
    """Write a note to an alert, at most 500 characters."""
    if not 1 <= len(text) <= NOTE_CHARACTERS_MAX:
        raise typer.BadParameter(f"a note has 1 to {NOTE_CHARACTERS_MAX} characters")
    _answer(data, url, alert, lambda it: NoteAdd(id=uuid4(), alert=it.id, text=text))


@alerts_app.command("going", epilog="Example:  vigil alerts going ALERT")
def going(alert: AlertId, data: Data = ROOT, url: Url = None) -> None:
    """Say that you go there: acknowledged, and everybody sees who has it."""
    _answer(data, url, alert, lambda it: Assign(**_shown(it), what="going"))


@alerts_app.command("treated", epilog="Example:  vigil alerts treated ALERT --minutes 20")
def treated(
    alert: AlertId,
    minutes: Annotated[int, typer.Option(min=1, max=60, help="When somebody must look again.")] = 15,
    data: Data = ROOT,
    url: Url = None,
) -> None:
    """Say that you have treated the patient: it calls again then if it is still there."""
    _answer(data, url, alert, lambda it: Assign(**_shown(it), what="treated", minutes=minutes))


@alerts_app.command("release", epilog="Example:  vigil alerts release ALERT")
def release(alert: AlertId, data: Data = ROOT, url: Url = None) -> None:
    """Give back what you have; the acknowledgement stays."""
    _answer(data, url, alert, lambda it: Assign(**_shown(it), what="release"))


@alerts_app.command("seen", epilog="Example:  vigil alerts seen ALERT")
def seen(alert: AlertId, data: Data = ROOT, url: Url = None) -> None:
    """Say that you looked at an alert; one that is over and waited for that goes."""
    _answer(data, url, alert, lambda it: Seen(id=uuid4(), alert=it.id))


@alerts_app.command("out-of-service", epilog="Example:  vigil alerts out-of-service bed-001 --minutes 60 --reason bath")
def out_of_service(
    patient: Patient,
    minutes: Annotated[int, typer.Option(min=1, max=SERVICE_MINUTES_MAX, help="It ends by itself.")] = 60,
    reason: Reason = "",
    data: Data = ROOT,
    url: Url = None,
) -> None:
    """Take a patient out of service for a time: nothing but a high physiological alert calls."""
    message = OutOfService(id=uuid4(), patient=patient_id(patient), minutes=minutes, reason=reason)
    _ask(data, url, lambda _: message)


@alerts_app.command("in-service", epilog="Example:  vigil alerts in-service bed-001")
def in_service(patient: Patient, data: Data = ROOT, url: Url = None) -> None:
    """Take a patient back into service."""
    _ask(data, url, lambda _: InService(id=uuid4(), patient=patient_id(patient)))


def local_zone() -> tzinfo:
    """The machine's time zone."""
    return datetime.fromtimestamp(0, UTC).astimezone().tzinfo or UTC


def feed_of(data: Path, url: str | None) -> tuple[str, str]:
    """Address and token of the feed: what was given (VIGIL_TOKEN is the token), else the running stack's own."""
    token = os.environ.get("VIGIL_TOKEN", "")
    if url and token:
        return url, token
    ready = folder.read_ready(data)
    return url or ready.feed, token or ready.token


def _shown(alert: Alert) -> dict[str, Any]:
    return {"id": uuid4(), "alert": alert.id, "level": alert.level, "version": alert.version}


def _answer(data: Path, url: str | None, alert: UUID, make: Callable[[Alert], Request]) -> NoReturn:
    """Ask something about an open alert as it stands now."""
    _ask(data, url, lambda view: make(_known(view, alert)))


def _known(view: FeedView, alert: UUID) -> Alert:
    if (known := view.alerts.get(alert)) is None:
        raise InputError("no such open alert", str(alert), "list them: vigil alerts list")
    return known


def _ask(data: Path, url: str | None, make: Callable[[FeedView], Request]) -> NoReturn:
    """Ask once the whole feed is known; say the answer."""
    from alerts.lines import answer_line

    async def body(client: FeedClient) -> bool:
        answer = await client.ask(make(client.view))
        say(answer_line(answer))
        return answer is not None and answer.outcome == "accepted"

    _run(data, url, body)


def _run(data: Path, url: str | None, body: Callable[[FeedClient], Awaitable[bool]]) -> NoReturn:
    from alerts.client import FeedClient
    from compose import signals

    address, token = feed_of(data, url)

    async def run() -> int:
        return 0 if await _with_snapshot(FeedClient(address, token), body) else 1

    raise SystemExit(signals.run(run))


async def _with_snapshot(client: FeedClient, body: Callable[[FeedClient], Awaitable[bool]]) -> bool:
    """Connect, wait for the whole list of open alerts, run ``body``, leave."""
    from alerts.client import Lost

    arrived, whole = asyncio.Event(), False
    lost: list[str] = []

    def handle(event: object) -> None:
        nonlocal whole
        whole |= isinstance(event, Snapshot) and not event.more
        sites = any(alert.rule == SITE_SILENT for alert in client.view.alerts.values())
        if whole and (client.view.heartbeat is not None or not sites):  # a heartbeat tells who lies there
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
        return await body(client)
    finally:
        for task in (reading, waiting):
            task.cancel()
        await asyncio.wait({reading, waiting})
