"""``vigil status`` on a terminal: the picture is drawn anew every two seconds until Ctrl-C."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dashboards.status import ServiceStatus, Status
from runtime.clock import Clock, SystemClock

LOOK_SECONDS = 2.0
PRIORITIES = ("high", "medium", "low")


async def live(
    look: Callable[[], Awaitable[Status]], console: Console | None = None, clock: Clock | None = None
) -> int:
    """Show what ``look`` finds, again and again, until cancelled."""
    clock = clock or SystemClock()
    with Live(Text("looking ..."), console=console, auto_refresh=False) as screen:
        before, began = Status(), clock.monotonic()
        while True:
            found, now = await look(), clock.monotonic()
            screen.update(picture(found, before, now - began, clock.now_us()), refresh=True)
            before, began = found, now
            await clock.sleep(LOOK_SECONDS)


def picture(found: Status, before: Status, seconds: float, at_us: int) -> RenderableType:
    """One picture; rates are against the look ``before``, ``seconds`` ago, and ``at_us`` (µs UTC) is when it is."""
    at = datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%H:%M:%S UTC")
    head = Text.assemble(
        ("well", "bold green") if found.ok else ("NOT WELL", "bold red"), f"  {at}  ", ("Ctrl-C ends", "dim")
    )
    parts: list[RenderableType] = [head, _services(found.services), _numbers(found, before, seconds)]
    parts += [Text(f"problem: {problem}", style="bold red") for problem in found.problems]
    return Group(*parts)


def _services(services: tuple[ServiceStatus, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("service", "state", "why"):
        table.add_column(name)
    for service in services:
        state = (
            ("ready", "green") if service.ready else ("not ready", "yellow") if service.alive else ("gone", "bold red")
        )
        why = "; ".join(f"{name}: {reason}" for name, reason in service.reasons.items())
        table.add_row(service.name, Text(*state), why)
    return table


def _numbers(found: Status, before: Status, seconds: float) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_row("open alerts", _counts({name: found.alerts_open.get(name, 0) for name in PRIORITIES}))
    table.add_row("stored", ", ".join(_grown(found.stored, before.stored, seconds)) or "unknown")
    table.add_row("to store", f"{found.lag} records in {sum(each.lag > 0 for each in found.partitions)} partitions")
    table.add_row("to compute again", f"windows of {found.dirty} dirty marks")
    table.add_row("repeats", f"duplicates {found.duplicates}, conflicts {found.conflicts}, broken {found.broken}")
    table.add_row("rejected", _counts(found.rejected) or "none")
    return table


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _grown(counts: Mapping[str, int], before: Mapping[str, int], seconds: float) -> list[str]:
    """Counts with their growth per second, where there was a look before."""
    told = []
    for name, count in counts.items():
        grown = count - before.get(name, count)
        told.append(f"{name} {count:,}" + (f" (+{grown / seconds:.1f}/s)" if grown > 0 and seconds > 0 else ""))
    return told
