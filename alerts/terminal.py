"""The feed in a terminal: a live list with keys; without a terminal plain lines, or JSON lines.

``await show(url, token)`` is all of it. It ends when ``q`` is pressed, by cancellation, or when the gateway refuses.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from typing import TextIO
from uuid import UUID, uuid4

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from alerts import lines
from alerts.client import Event, FeedClient, FeedRefused, Lost
from alerts.requests import OnAlert
from alerts.why import why
from runtime.clock import Clock, SystemClock
from vitals.alerts import Alert
from vitals.protocol import (
    Acknowledge,
    Assign,
    Change,
    CommandAnswer,
    Heartbeat,
    Seen,
    ServiceChange,
    ShelfChange,
    Shelve,
    Snapshot,
    Undo,
    Welcome,
)

STYLE = {"high": "bold red", "medium": "yellow", "low": "cyan"}
KEYS = "j/k choose   a acknowledge   g going   t treated   s shelve 15 min   v seen   u undo   q leave"
SHELVE_MINUTES = 15
REFRESH_SECONDS = 1.0


async def show(
    url: str, token: str, *, json_lines: bool = False, clock: Clock | None = None, out: TextIO | None = None
) -> None:
    """Show the feed until it is left.

    Raises:
        FeedRefused: the token is not known, or the gateway does not understand us.
    """
    out = out or sys.stdout
    clock = clock or SystemClock()
    client = FeedClient(url, token, clock=clock, screen=True)
    if json_lines:
        await client.run(lambda event: _write(out, [_as_json(event)]))
    elif not (out.isatty() and sys.stdin.isatty()):
        told: dict[int, int] = {}
        await client.run(lambda event: _write(out, plain(event, _zone(clock), told)))
    else:
        await _Screen(client, clock, out).run()


def plain(event: Event, zone: tzinfo, told: dict[int, int] | None = None) -> list[str]:
    """What an event looks like without a terminal: one line for each alert change, a few about the feed itself.

    ``told`` is how many lie at each silent site, as it was said last: heartbeats repeat it.
    """
    match event:
        case Welcome():
            found = [f"feed open as {event.name} ({event.role}), {'resumed' if event.recovered else 'from a snapshot'}"]
        case Snapshot():
            shelved = [lines.shelf_line(shelf, zone) for shelf in event.shelves]
            away = [lines.service_line(service, zone) for service in event.services]
            found = [*(lines.line(alert, zone) for alert in event.alerts), *shelved, *away]
        case Change():
            found = [lines.line(event.alert, zone)]
        case ShelfChange():
            found = [lines.shelf_line(event.shelf, zone)]
        case ServiceChange():
            found = [lines.service_line(event.service, zone)]
        case CommandAnswer():
            found = [lines.answer_line(event)]
        case Lost():
            found = [f"FEED LOST: {event.why}; next try in {event.retry_seconds:.1f} s"]
        case Heartbeat():
            found = _unwatched(event, told if told is not None else {})
    return found


def _unwatched(heartbeat: Heartbeat, told: dict[int, int]) -> list[str]:
    """Who lies at silent sites, each time that this is news."""
    found = []
    for each in heartbeat.unwatched:
        if told.get(each.site) != each.count:
            labels = ", ".join(label for _, label in each.patients)
            some = f": {labels}{', ...' if each.count > len(each.patients) else ''}" if labels else ""
            found.append(f"site {each.site} silent: {each.count} patients not watched{some}")
    told.clear()
    told.update((each.site, each.count) for each in heartbeat.unwatched)
    return found


def _as_json(event: Event) -> str:
    if isinstance(event, Lost):
        return json.dumps({"type": "lost", "why": event.why, "retry_seconds": event.retry_seconds})
    return event.encode().decode()


def _write(out: TextIO, texts: list[str]) -> None:
    out.writelines(text + "\n" for text in texts)
    out.flush()


def _zone(clock: Clock) -> tzinfo:
    """The machine's time zone as it is now."""
    return datetime.fromtimestamp(clock.now_us() / 1e6, UTC).astimezone().tzinfo or UTC


class _Screen:
    def __init__(self, client: FeedClient, clock: Clock, out: TextIO) -> None:
        self._client = client
        self._console = Console(file=out)
        self._zone = _zone(clock)
        self._clock = clock
        self._list = Selection()
        self._state = "connecting"
        self._answer = ""
        self._live: Live | None = None
        self._left = asyncio.Event()
        self._wanted: asyncio.Queue[tuple[str, OnAlert]] = asyncio.Queue(16)
        self._last: OnAlert | None = None

    async def run(self) -> None:
        refused: FeedRefused | None = None
        with _keys(self._key), Live(console=self._console, screen=True, auto_refresh=False) as self._live:
            try:
                async with asyncio.TaskGroup() as tasks:
                    running = [
                        tasks.create_task(self._client.run(self._event), name="feed client"),
                        tasks.create_task(self._ask(), name="commands"),
                        tasks.create_task(self._refresh(), name="screen"),
                    ]
                    await self._left.wait()
                    for task in running:
                        task.cancel()
            except* FeedRefused as group:
                refused = next(error for error in group.exceptions if isinstance(error, FeedRefused))
        if refused is not None:
            raise refused

    async def _refresh(self) -> None:
        while True:
            self._draw()
            await self._clock.sleep(REFRESH_SECONDS)

    async def _ask(self) -> None:
        while True:
            label, message = await self._wanted.get()
            self._answer = f"{label}: asking ..."
            self._draw()
            answer = await self._client.ask(message)
            self._last = message if answer is not None and answer.outcome == "accepted" else None
            self._answer = f"{label}: {lines.answer_line(answer)}"
            self._draw()

    def _event(self, event: Event) -> None:
        if isinstance(event, Lost):
            self._state = f"FEED LOST: {event.why}"
        elif isinstance(event, Welcome):
            simulated = ", SIMULATED time" if event.clock == "simulated" else ""
            self._state = f"{event.name} ({event.role}){simulated}"
        elif isinstance(event, Change) and event.alert.announced:
            self._answer = ""  # "acknowledged" beside a new call would be taken for its answer
        self._list.keep(self._client.view.worklist())
        self._draw()

    def _key(self, key: str) -> None:
        if key == "q":
            self._left.set()
        elif key in "jk":
            self._list.move(1 if key == "j" else -1)
        elif not self._wanted.full() and (request := asked(key, self._list.chosen, self._last)):
            self._wanted.put_nowait(request)
        self._draw()

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)

    def _picture(self) -> Group:
        lost = not self._client.connected
        health = lines.health(self._client.view.heartbeat)
        bad = "bold white on red"
        head = Text.assemble(
            (f" {self._state} ", bad if lost else "bold"),
            (f" {health} ", bad if health.startswith("STALLED") else "dim"),
            (f" {lines.counts(self._client.view)} ", "dim"),
            (f" {lines.proof(self._client.view.heartbeat)} ", "dim"),
        )
        table = Table(expand=True, box=None, pad_edge=False)
        for title in ("", "", "patient", "what", "condition", "since", "response", "reason"):
            table.add_column(title, no_wrap=True, overflow="ellipsis")
        room = max(1, self._console.height - 6)
        for alert in self._list.around(room):
            table.add_row(*self._row(alert), style=STYLE[alert.priority] if _calls(alert) else "dim")
        reasons = Text(behind(self._list.chosen, self._client.view.heartbeat, self._zone), "dim", overflow="ellipsis")
        reasons.no_wrap = True
        return Group(head, table, reasons, Text(self._answer, style="bold"), Text(KEYS, style="dim"))

    def _row(self, alert: Alert) -> list[str]:
        return [
            ">" if alert.id == self._list.chosen_id else " ",
            lines.SIGN[alert.priority],
            alert.label or f"site {alert.site}",
            lines.what(alert) + (" (TECH)" if alert.category == "technical" else ""),
            alert.condition,
            lines.clock_text(alert.since, self._zone),
            lines.response(alert, self._zone),
            lines.unwatched(alert, self._client.view.heartbeat) or alert.reason,
        ]


def behind(alert: Alert | None, heartbeat: Heartbeat | None, zone: tzinfo) -> str:
    """What is behind the chosen alert, in a line: its evidence, or who lies at the silent site."""
    if alert is None:
        return ""
    who = lines.named(heartbeat, alert)
    return f"not watched: {', '.join(who)}" if who else why(alert, zone)


def _calls(alert: Alert) -> bool:
    return alert.response == "unacknowledged" and not alert.unseen


_FIELDS: dict[str, tuple[type[Acknowledge | Assign | Shelve | Seen], dict[str, object]]] = {
    "a": (Acknowledge, {}),
    "g": (Assign, {"what": "going"}),
    "t": (Assign, {"what": "treated"}),
    "s": (Shelve, {"minutes": SHELVE_MINUTES}),
    "v": (Seen, {}),
}
"""What each key sends, and its fields beside those of the alert."""


def asked(key: str, alert: Alert | None, last: OnAlert | None) -> tuple[str, OnAlert] | None:
    """What a key asks, and of whom: something about the chosen alert as it is shown, or to undo what was asked last."""
    if key == "u":
        return None if last is None else ("undo", Undo(id=uuid4(), alert=last.alert, command=last.id))
    if alert is None or key not in _FIELDS:
        return None
    shown = {"id": uuid4(), "alert": alert.id, "level": alert.level, "version": alert.version}
    kind, more = _FIELDS[key]
    return alert.label or f"site {alert.site}", kind.model_validate(shown | more)


class Selection:
    """The chosen alert of a list that changes under it.

    The choice stays with its alert. When that one goes, nothing is chosen until a key chooses again: a key that was
    already on its way must not acknowledge the alert that moved up.
    """

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.chosen_id: UUID | None = None
        self._place = 0

    @property
    def chosen(self) -> Alert | None:
        """The chosen alert as it is shown."""
        return next((alert for alert in self.alerts if alert.id == self.chosen_id), None)

    def keep(self, alerts: list[Alert]) -> None:
        """Show another list."""
        first, self.alerts = not self.alerts, alerts
        places = [place for place, alert in enumerate(alerts) if alert.id == self.chosen_id]
        if places:
            self._place = places[0]
        elif first:
            self._choose(0)
        else:
            self.chosen_id = None

    def move(self, step: int) -> None:
        """Choose the next or the one before; after a loss, the one in its place."""
        self._choose(self._place if self.chosen is None else self._place + step)

    def around(self, room: int) -> list[Alert]:
        """As many alerts as fit, the chosen one among them."""
        first = max(0, min(self._place - room // 2, len(self.alerts) - room))
        return self.alerts[first : first + room]

    def _choose(self, place: int) -> None:
        self._place = max(0, min(place, len(self.alerts) - 1))
        self.chosen_id = self.alerts[self._place].id if self.alerts else None


@contextmanager
def _keys(handle: Callable[[str], None]) -> Iterator[None]:
    """Each key as it is pressed, arrows as j and k; the terminal is given back as it was."""
    loop = asyncio.get_running_loop()
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)

    def read() -> None:
        text = os.read(number, 64).decode("ascii", "ignore")
        for key in text.replace("\x1b[B", "j").replace("\x1b[A", "k"):
            handle(key)

    tty.setcbreak(number)
    loop.add_reader(number, read)
    try:
        yield
    finally:
        loop.remove_reader(number)
        termios.tcsetattr(number, termios.TCSADRAIN, before)
