"""One child process: its own session, a log file, a readiness check, and a stop with a deadline.

A child dies with its parent, however that ends: ``compose/shim.py`` asks the kernel for it before the program starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from compose import ends
from compose.errors import ProcessExited, ProcessNotReady

SHIM = Path(__file__).with_name("shim.py")
READY_POLL_SECONDS = 0.05
LOG_BYTES_MAX = 32 * 1024 * 1024
STANDS_BACK = 5
"""Niceness of what no alert waits for: with too little CPU for all, such a process gets a third of another's share."""


@dataclass(frozen=True, slots=True)
class Jail:
    """What the shim does before it becomes the program; all of it needs root.

    ``user`` is (uid, gid); ``may_search`` lets that user pass folders closed to it; ``root`` is a chroot;
    ``binds`` are (source, folder below root) pairs, mounted in a namespace that ends with the process.
    """

    user: tuple[int, int] | None = None
    may_search: bool = False
    root: Path | None = None
    binds: tuple[tuple[str, str], ...] = ()


ALIVE_S = 30.0
"""Above any pause measured; a shorter patience would kill what a busy machine has only delayed."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """All that is needed to start a process, and to start it again on the same port and data.

    ``ready`` returns when the process answers its own protocol and raises OSError while it does not.
    ``once`` is for a process with an end: its exit code 0 is success, and it is not started again.
    ``alive`` is asked every ``alive_poll_seconds`` while it runs; when it raises OSError for ``alive_seconds`` on end,
    the process hangs. ``doom_signal`` tells it that everything is about to be stopped, so that it says so to others.
    ``env`` is laid over the parent's environment. ``death_signal`` is what the kernel sends when the parent dies.
    ``nice`` is how far it stands back (0 to 19) where there is not enough CPU for all.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    ready: Callable[[], Awaitable[None]] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    jail: Jail = Jail()
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    death_signal: signal.Signals = signal.SIGKILL
    ready_seconds: float = 60.0
    once: bool = False
    alive: Callable[[], Awaitable[None]] | None = None
    alive_seconds: float = ALIVE_S
    alive_poll_seconds: float = 2.0
    doom_signal: signal.Signals | None = None
    nice: int = 0

    def command(self) -> list[str]:
        """Return the full argument vector, shim included; only this process may run it."""
        wish = {
            "parent": os.getpid(),
            "signal": int(self.death_signal),
            "user": self.jail.user,
            "read": self.jail.may_search,
            "root": None if self.jail.root is None else str(self.jail.root),
            "binds": self.jail.binds,
            "nice": self.nice,
        }
        return [sys.executable, "-I", "-S", str(SHIM), json.dumps(wish), "--", *self.argv]


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs ``main`` of one of our own modules in another process of this Python."""
    return (sys.executable, "-c", f"from {module} import main; main()", *arguments)


def python_env() -> dict[str, str]:
    """Return the environment in which :func:`python` finds our modules from any working directory."""
    known = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(SHIM.parents[1]), known)))}


def opened(log: Path) -> BinaryIO:
    """Open a log to append to; one that has grown past :data:`LOG_BYTES_MAX` is moved aside first."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES_MAX:
            log.replace(log.with_suffix(log.suffix + ".1"))
    return log.open("ab")


class Process:
    """A started :class:`ProcessSpec`."""

    def __init__(self, spec: ProcessSpec, child: asyncio.subprocess.Process) -> None:
        self.spec = spec
        self._child = child

    @classmethod
    async def start(cls, spec: ProcessSpec) -> Process:
        """Start the process and return at once; raises OSError when this Python itself cannot be started."""
        with opened(spec.log) as log:
            child = await asyncio.create_subprocess_exec(
                *spec.command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **spec.env},
                cwd=spec.cwd,
                start_new_session=True,
            )
        return cls(spec, child)

    @property
    def pid(self) -> int:
        """The process id, also of its group."""
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        return self._child.returncode

    async def wait(self) -> int:
        """Wait for its end and return the return code."""
        return await self._child.wait()

    async def wait_ready(self) -> None:
        """Wait until it answers; raises ProcessExited when it ends first, ProcessNotReady after the deadline."""
        spec = self.spec
        try:
            async with asyncio.timeout(spec.ready_seconds):
                while not await self._answers():  # noqa: ASYNC110 - another program's state has no event
                    await asyncio.sleep(READY_POLL_SECONDS)
        except TimeoutError:
            raise ProcessNotReady(spec.name, spec.ready_seconds, spec.log) from None

    async def _answers(self) -> bool:
        if self.returncode is not None:
            raise ProcessExited(self.spec.name, self.returncode, self.spec.log)
        if self.spec.ready is None:
            return True
        try:
            await self.spec.ready()
        except (OSError, EOFError):
            return False
        return self.returncode is None

    async def stop(self) -> int | None:
        """Ask it to stop, kill its whole group after ``stop_seconds``; returns the return code.

        None where not even SIGKILL ends it in time, which is told on stderr.
        """
        try:
            if self.returncode is None:
                self._send(self.spec.stop_signal)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.spec.stop_seconds):
                        await self._child.wait()
        finally:
            self.kill()
        return await self.killed()

    async def killed(self) -> int | None:
        """Wait for its end after `kill`; None where that does not come in time, which is told on stderr."""
        return await ends.killed(self._child, self.spec.name)

    def warn(self) -> bool:
        """Tell it that everything is about to be stopped; whether it runs and can be told."""
        if self.returncode is not None or self.spec.doom_signal is None:
            return False
        self._send(self.spec.doom_signal)
        return True

    def kill(self) -> None:
        """Kill the process and what is left of its group, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


async def run_to_end(spec: ProcessSpec) -> None:
    """Run a one-off command to its end; raises ProcessExited with its last line when it fails.

    Cancelled, it stops the command and everything it started.
    """
    process = await Process.start(spec)
    try:
        returncode = await process.wait()
    finally:
        if process.returncode is None:
            await process.stop()
    if returncode != 0:
        raise ProcessExited(spec.name, returncode, spec.log)
