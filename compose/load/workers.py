"""The processes that hold the devices: started, told to begin, and their figures merged."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from compose.ends import killed
from compose.process import opened, python, python_env
from runtime.settings import Settings
from simulators.load.histogram import Latencies
from simulators.load.plan import Plan
from simulators.load.worker import CONNECT_S_MAX, LINE_BYTES_MAX, Begin, Figures, Spec
from vitals.errors import ServerError, ServerStalled

START_S_MAX = 30.0
"""A process of Python on a busy machine."""
END_S_MAX = 10.0


class LoadWorker:
    """One process and the last figures that it told."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.figures: Figures | None = None
        self._process, self._log = process, log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def begin(self, start: int) -> None:
        """Play from ``start`` (µs UTC) on."""
        self.say(Begin(start=start))

    def say(self, message: Spec | Begin) -> None:
        """Give it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(message.encode() + b"\n")

    async def until(self, kind: Literal["connected", "done"]) -> Figures:
        """Follow its figures until it says so.

        Raises:
            ServerError: it ended, or says something else.
        """
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            try:
                self.figures = Figures.model_validate_json(line)
            except ValidationError:
                raise ServerError("a load worker does not speak as agreed", line.decode()[:80], "") from None
            if self.figures.kind == kind:
                return self.figures
        code = await self._process.wait()
        raise ServerError("a load worker ended", f"exit code {code}", f"see {self._log}")

    async def end(self) -> None:
        """It ends with its standard input; one that does not is killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(END_S_MAX):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await killed(self._process, f"a worker of the load ({self._log.name})")


class Merged:
    """The figures of several workers as one."""

    def __init__(self, parts: Iterable[Figures]) -> None:
        self._parts = list(parts)

    @cached_property
    def to_send(self) -> Latencies:
        """From the intended time to the write, of live readings."""
        return self._latencies("to_send")

    @cached_property
    def to_puback(self) -> Latencies:
        """From the intended time to the PUBACK, of live readings."""
        return self._latencies("to_puback")

    @cached_property
    def to_puback_kept(self) -> Latencies:
        """The same of readings that a device kept while it was away."""
        return self._latencies("to_puback_kept")

    def total(self, name: str) -> int:
        """The sum of a count."""
        return sum(int(getattr(part, name)) for part in self._parts)

    @property
    def open(self) -> list[tuple[int, int]]:
        """Messages without PUBACK: device and number."""
        return [each for part in self._parts for each in part.open]

    @property
    def lows(self) -> list[tuple[int, int, int]]:
        """When each crossing left its device: device, number, µs UTC."""
        return [each for part in self._parts for each in part.lows]

    @property
    def back_s(self) -> float | None:
        """How long until every device was connected again."""
        return max((part.back_s for part in self._parts if part.back_s is not None), default=None)

    def _latencies(self, name: str) -> Latencies:
        return Latencies.merged(Latencies.decoded(text) for part in self._parts if (text := getattr(part, name)))


@asynccontextmanager
async def workers(
    settings: Settings,
    plan: Plan,
    count: int,
    logs: Path,
    *,
    version: Literal[4, 5],
    window: int,
    connect_s: float = CONNECT_S_MAX,
) -> AsyncIterator[Sequence[LoadWorker]]:
    """So many processes that share the plan's devices, all connected; they end with the body.

    Raises:
        ServerStalled: they do not connect in time.
        ServerError: one ends.
    """
    cuts = [plan.patients * index // count for index in range(count + 1)]
    async with AsyncExitStack() as stack:
        found = []
        for index in range(count):
            worker = await _start(settings, logs / f"load-{index}.log")
            stack.push_async_callback(worker.end)
            first, last = cuts[index], cuts[index + 1]
            spec = Spec(plan=plan, first=first, last=last, version=version, window=window, connect_s=connect_s)
            worker.say(spec)
            found.append(worker)
        try:
            async with asyncio.timeout(connect_s + START_S_MAX):
                await asyncio.gather(*(worker.until("connected") for worker in found))
        except TimeoutError:
            raise ServerStalled("the devices do not connect", f"within {connect_s:g} s", f"see {logs}") from None
        yield found


async def _start(settings: Settings, log: Path) -> LoadWorker:
    secret = {"VIGIL_MQTT_USERNAME": settings.mqtt_username, "VIGIL_MQTT_PASSWORD": settings.mqtt_password}
    own = {name: value.get_secret_value() for name, value in secret.items() if value is not None}
    own |= {"VIGIL_MQTT": settings.mqtt, "VIGIL_NAMESPACE": settings.namespace, "VIGIL_LOG_LEVEL": "warning"}
    with opened(log) as file:
        process = await asyncio.create_subprocess_exec(
            *python("simulators.load.__main__"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
            env={**os.environ, **python_env(), **own},
            limit=LINE_BYTES_MAX,
            start_new_session=True,
        )
    return LoadWorker(process, log)
