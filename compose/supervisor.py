"""Runs a set of named processes: starts, restarts with a capped back-off, gives up loudly, stops in reverse order.

    async with Supervisor(on_event) as supervisor:
        await supervisor.start(spec)      # returns when it answers
        await supervisor.wait()           # until cancelled

A process that ends by itself is started again on the same specification, so on the same port and data.
When one fails ``failures_max`` times within ``failures_seconds``, those that can are told, so that they are not
ready any more for whoever asks them; then the body is cancelled, everything is stopped, and leaving the
``async with`` raises :class:`GaveUp`.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from compose import ends
from compose.errors import GaveUp, ProcessExited, ProcessNotReady, ending
from compose.process import Process, ProcessSpec
from compose.signals import STOPPED_BY_SIGNAL

ALIVE_ASKS_MIN = 4
"""So many questions in a row have no answer before a process hangs: when this machine slept, one proves nothing."""


class Kind(StrEnum):
    """What happened to a process."""

    STARTING = "starting"
    READY = "ready"
    HUNG = "hung"
    EXITED = "exited"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    UNDYING = "not even SIGKILL ends it"
    FINISHED = "finished"
    GAVE_UP = "gave up"


@dataclass(frozen=True, slots=True)
class Event:
    """A step in the life of one process; ``str(event)`` is one line."""

    process: str
    kind: Kind
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.process}: {self.kind.value} {self.detail}".rstrip()


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a restart, and when to stop trying.

    The first restart comes after ``first_seconds``; each further failure within ``failures_seconds`` doubles
    the wait up to ``cap_seconds``; ``failures_max`` of them end it. ``farewell_seconds`` is how long those who were
    told of the end stay, longer than the dashboard's pause between two looks at them.
    """

    first_seconds: float = 0.2
    cap_seconds: float = 5.0
    failures_max: int = 6
    failures_seconds: float = 60.0
    farewell_seconds: float = 6.0

    def delay(self, failures: int) -> float:
        """Return the wait in seconds after ``failures`` recent failures (at least one)."""
        return min(self.cap_seconds, self.first_seconds * 2.0 ** (failures - 1))


class Supervisor:
    """The processes of one Vigil; see the module."""

    def __init__(self, on_event: Callable[[Event], None], backoff: Backoff | None = None) -> None:
        self._on_event = on_event
        self._backoff = backoff or Backoff()
        self._tasks = asyncio.TaskGroup()
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._processes: dict[str, Process] = {}
        self._restarts: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            try:
                await self.stop_all()
            except BaseException as broken:
                # told of a calm end, the group would wait for ever for the watches of what was not stopped
                await self._tasks.__aexit__(type(broken), broken, broken.__traceback__)
                raise
            await self._tasks.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            for process in self._processes.values():
                process.kill()
            for process in self._processes.values():
                await process.killed()

    @property
    def processes(self) -> dict[str, Process]:
        """The processes by name, in the order of their start; a restart replaces the value."""
        return dict(self._processes)

    @property
    def restarts(self) -> dict[str, int]:
        """How often each process was started again."""
        return dict(self._restarts)

    async def start(self, spec: ProcessSpec) -> None:
        """Start a process, wait until it is ready, and keep it running from then on.

        Raises ProcessExited or ProcessNotReady when the first start fails: that is not retried.
        """
        if spec.name in self._watches:
            raise ValueError(f"{spec.name} is already supervised")
        await self._launch(spec)
        self._restarts[spec.name] = 0
        self._watches[spec.name] = self._tasks.create_task(self._watch(spec), name=f"watch-{spec.name}")

    async def stop(self, name: str) -> None:
        """Stop one process for good; does nothing when it is not there."""
        watch = self._watches.pop(name, None)
        if watch is not None:
            await ends.cancelled(watch)
        process = self._processes.get(name)
        if process is not None:
            if process.returncode is None:
                self._tell(name, Kind.STOPPING)
                returncode = await process.stop()
                stop = process.spec.stop_signal
                clean = returncode in {0, -stop, 128 + stop, STOPPED_BY_SIGNAL}
                if returncode is None:
                    self._tell(name, Kind.UNDYING, f"(pid {process.pid})")
                else:
                    self._tell(name, Kind.STOPPED, "" if clean else f"({ending(returncode)})")
            self._processes.pop(name, None)

    async def replace(self, spec: ProcessSpec) -> None:
        """Stop the process of this name, and keep one of another specification running instead.

        Raises as `start` does; then nothing runs under the name.
        """
        await self.stop(spec.name)
        await self.start(spec)

    async def stop_all(self) -> None:
        """Stop every process, the last started first."""
        for name in reversed(list(self._processes)):
            await self.stop(name)

    async def wait(self) -> None:
        """Wait until cancelled, which a signal or a process given up does."""
        await asyncio.get_running_loop().create_future()

    async def _launch(self, spec: ProcessSpec) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        self._tell(spec.name, Kind.STARTING)
        process = self._processes[spec.name] = await Process.start(spec)
        try:
            await process.wait_ready()
        except (ProcessExited, ProcessNotReady):
            await process.stop()
            raise
        self._tell(spec.name, Kind.READY, f"in {clock() - began:.1f} s")

    async def _watch(self, spec: ProcessSpec) -> None:
        clock = asyncio.get_running_loop().time
        policy = self._backoff
        failures: deque[float] = deque(maxlen=policy.failures_max)
        while True:
            process = self._processes[spec.name]
            returncode = await self._end(process)
            process.kill()
            if spec.once and returncode == 0:
                self._tell(spec.name, Kind.FINISHED)
                return
            failures.append(clock())
            self._tell(spec.name, Kind.EXITED, f"({ending(returncode)})")
            recent = sum(1 for at in failures if failures[-1] - at <= policy.failures_seconds)
            if recent >= policy.failures_max:
                self._tell(spec.name, Kind.GAVE_UP, f"after {recent} failures ({ending(returncode)}): see {spec.log}")
                error = GaveUp(spec.name, recent, policy.failures_seconds, spec.log, returncode)
                await self._say_farewell()
                raise error
            await asyncio.sleep(policy.delay(recent))
            self._restarts[spec.name] += 1
            self._tell(spec.name, Kind.RESTARTING)
            # a start that fails leaves an ended process, which the next turn counts
            with contextlib.suppress(ProcessExited, ProcessNotReady):
                await self._launch(spec)

    async def _end(self, process: Process) -> int:
        """Wait for a process's end; one that hangs is killed, since it would alert nobody and tell nobody."""
        ending = asyncio.ensure_future(process.wait())
        hanging = asyncio.ensure_future(_hangs(process.spec))
        try:
            await asyncio.wait({ending, hanging}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                hanging.result()
                self._tell(process.spec.name, Kind.HUNG, f"no answer for {process.spec.alive_seconds:g} s")
                process.kill()
                if await process.killed() is None:
                    self._tell(process.spec.name, Kind.UNDYING, f"(pid {process.pid})")
                    return -signal.SIGKILL
            return await ending
        finally:
            hanging.cancel()
            ending.cancel()

    async def _say_farewell(self) -> None:
        """Tell those that can be told, and let them be asked for a while."""
        told = [process.warn() for process in self._processes.values()]
        if any(told):
            await asyncio.sleep(self._backoff.farewell_seconds)

    def _tell(self, name: str, kind: Kind, detail: str = "") -> None:
        self._on_event(Event(name, kind, detail))


async def _hangs(spec: ProcessSpec) -> None:
    """Return once a process has not answered for too long; never for one that is not asked."""
    clock = asyncio.get_running_loop().time
    if spec.alive is None:
        await asyncio.get_running_loop().create_future()
        return
    answered, unanswered = clock(), 0
    while unanswered < ALIVE_ASKS_MIN or clock() - answered < spec.alive_seconds:
        await asyncio.sleep(min(spec.alive_poll_seconds, spec.alive_seconds / ALIVE_ASKS_MIN))
        unanswered += 1
        with contextlib.suppress(OSError, EOFError):
            await spec.alive()
            answered, unanswered = clock(), 0


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first plain exception of a group, a process given up before any other."""
    found, _ = group.split(GaveUp)
    error: BaseException = found or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
