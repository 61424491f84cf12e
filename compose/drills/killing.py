"""Kills, stops and takes away: services and servers by their names; the supervisor brings back what was killed.

A strike that meets nobody is a difference in the verdict: what follows it would prove nothing.
``plan`` and ``carry_out`` kill every service once, each at a seeded moment of a replay.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from compose import services
from compose.drills.frame import Verdict
from compose.process import Process
from compose.servers import probes
from compose.stack import Stack
from runtime.clock import Clock
from runtime.kafka import Reader
from runtime.settings import Settings
from vitals.errors import ServerStalled, StateError
from vitals.topics import READINGS

BACK_S = 90.0
POLL_S = 0.1
ALL = (*services.SERVICES, services.PROVER)
"""Every service of a stack on the real clock."""
PORTS = {"kafka": ("kafka", "kafka-controller"), "database": ("database",), "mosquitto": ("mqtt",)}
"""The names of a server's ports in the data folder's list."""


@dataclass(slots=True)
class Kill:
    """One kill: the service, the share of the replay that had gone by, and how long it was away (real seconds)."""

    service: str
    at: float
    away_seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For the verdict."""
        return asdict(self)


def plan(seed: int, names: tuple[str, ...] = services.SERVICES) -> list[Kill]:
    """Every service once, in a seeded order, each at a seeded moment of its own part of the replay."""
    chance = random.Random(seed)  # noqa: S311 - a drill that can be repeated, no secret
    order = list(names)
    chance.shuffle(order)
    return [Kill(name, round((index + chance.uniform(0.2, 0.9)) / len(order), 3)) for index, name in enumerate(order)]


async def carry_out(
    kills: list[Kill],
    stack: Stack,
    share: Callable[[], float],
    clock: Clock,
    tell: Callable[[str], None],
    *,
    verdict: Verdict,
) -> None:
    """Kill as planned, ``share`` being how much of the replay has gone by; ends when the last one is back.

    Raises:
        ServerStalled: a service did not come back.
    """
    async with asyncio.TaskGroup() as tasks:
        for kill in kills:
            while share() < kill.at:
                await clock.sleep(POLL_S)
            pid = strike(stack, kill.service, verdict)
            tell(f"kill -9 {kill.service} (pid {pid}) at {share():.0%} of the replay")
            tasks.create_task(_back(kill, pid, stack, clock), name=f"{kill.service} comes back")


async def _back(kill: Kill, pid: int, stack: Stack, clock: Clock) -> None:
    kill.away_seconds = await returned(kill.service, pid, stack, clock)


async def returned(name: str, pid: int | None, stack: Stack, clock: Clock) -> float:
    """Wait until a service or server has another process than ``pid``, which runs and answers; how many seconds that
    took. With None any process will do.

    Raises:
        ServerStalled: it does not come back.
    """
    began = clock.monotonic()
    while True:
        process = stack.supervisor.processes[name]
        if process.pid != pid and process.returncode is None and await answers(name, stack):
            return round(clock.monotonic() - began, 1)
        if clock.monotonic() - began > BACK_S:
            raise ServerStalled("what was killed does not come back", name, "see its log")
        await clock.sleep(POLL_S)


async def answers(name: str, stack: Stack) -> bool:
    """Whether a service takes part in the flow, or a server serves. The prover needs only to live: its first proof
    takes a while, and nobody waits for it.
    """
    ready = stack.supervisor.processes[name].spec.ready
    try:
        if ready is not None:
            await ready()
        else:
            await services.lives(stack.ready.health[name])
    except (OSError, EOFError):
        return False
    return True


def strike(stack: Stack, name: str, verdict: Verdict, number: signal.Signals = signal.SIGKILL) -> int:
    """Send a signal to the process of a service or server; its process id. One that has just ended is a difference."""
    process = stack.supervisor.processes[name]
    _met(verdict, name, number, hit=hit(process, number))
    return process.pid


def _met(verdict: Verdict, name: str, number: signal.Signals, *, hit: bool) -> None:
    verdict.expect(f"{name} was there to get {number.name}", hit, wanted=True)


def hit(process: Process, number: signal.Signals) -> bool:
    """Send a signal to a process; whether it was there to get it.

    Between a process's end and the start of the next the supervisor still has the old one: its id is nobody's, or by
    now somebody else's.
    """
    if process.returncode is not None:
        return False
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:  # it has been waited for in another thread, and this one has not heard of it yet
        return False
    return True


def strike_all(stack: Stack, name: str, verdict: Verdict) -> int:
    """``kill -9`` a server and every process that it has started, as a crash of them all; its process id.

    One that has just ended is a difference, whatever became of its children.
    """
    process = stack.supervisor.processes[name]
    family: list[psutil.Process] = []
    if process.returncode is None:
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(process.pid)
            family = [first, *first.children(recursive=True)]
    killed = []
    for each in family:
        with suppress(psutil.NoSuchProcess):
            each.kill()
            killed.append(each.pid)
    _met(verdict, name, signal.SIGKILL, hit=process.pid in killed)
    return process.pid


async def log_records(settings: Settings) -> int:
    """How long the log of readings is: what recovers reads from it.

    Raises:
        ServerError: Kafka does not answer.
    """
    keys = [(READINGS, partition) for partition in range(settings.partitions)]
    async with Reader(settings, keys) as reader:
        return sum((await reader.end_offsets()).values())


@asynccontextmanager
async def away(stack: Stack, root: Path, server: str) -> AsyncIterator[None]:
    """Stop a server in order for the time of the body, and start it again on the same port and data (below ``root``).

    Nobody else can take its ports meanwhile, and whoever connects to them is refused.

    Raises:
        ProcessExited, ProcessNotReady: it does not start again.
        StateError: another program has taken its port.
    """
    spec = stack.supervisor.processes[server].spec
    known: dict[str, int] = json.loads((root / "run" / "ports.json").read_text(encoding="utf-8"))
    with ExitStack() as held:
        await stack.supervisor.stop(server)
        for name in PORTS[server]:
            held.enter_context(occupied(known[name]))
        yield
    await stack.supervisor.start(spec)


def occupied(port: int) -> socket.socket:
    """A socket on a port, on which nobody is served.

    Raises:
        StateError: another program has the port.
    """
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((probes.HOST, port))
    except OSError as error:
        found.close()
        remedy = "see who has it: ss -ltnp; then run the drill again"
        raise StateError(
            "a server's port cannot be held while it is away", f"{port}: {error.strerror}", remedy
        ) from None
    return found


async def dismiss(stack: Stack, names: Sequence[str] = ALL) -> None:
    """Stop services, the last started first: a server that was started anew would otherwise be stopped before them."""
    for name in reversed([each for each in stack.supervisor.processes if each in names]):
        await stack.supervisor.stop(name)


def restarts(stack: Stack, names: Sequence[str] = ALL) -> dict[str, int]:
    """How often each service was started again; those that never were are left out."""
    return {name: count for name, count in stack.supervisor.restarts.items() if name in names and count}
