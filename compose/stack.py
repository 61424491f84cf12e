"""A whole Vigil on one machine: real servers, all services, perhaps a simulator; supervised, under one data folder.

async with Stack(Path(".vigil"), clock="real") as stack:
stack.ready.feed, stack.ready.token
await stack.wait()
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from compose import folder, migrate, servers, services
from compose.process import ProcessSpec
from compose.servers import cache, probes
from compose.supervisor import Backoff, Event, Supervisor
from runtime import database
from runtime.settings import Settings, load
from vitals.errors import InputError, SettingsError

DATABASE = "vigil"
EXTERNAL = {"kafka": "VIGIL_KAFKA", "mqtt": "VIGIL_MQTT", "database": "VIGIL_DATABASE_URL"}
"""A server whose variable is set is not ours: it is used as it is, and never stopped."""


@dataclass(frozen=True, slots=True)
class Options:
    """What ``vigil up`` can be asked; ``port`` 0 is any free one, ``patients`` 0 is no simulator."""

    root: Path
    clock: Literal["real", "simulated"] = "real"
    port: int = 0
    patients: int = 0
    rate: float = 1.0
    seed: int = 1
    durable: bool = True


class Stack:
    """Starts everything on entering, stops everything on leaving; ``progress`` gets one line per step."""

    def __init__(self, options: Options, progress: Callable[[str], None], backoff: Backoff | None = None) -> None:
        self._options = options
        self._progress = progress
        self._backoff = backoff
        self._exit = AsyncExitStack()
        self._supervisor: Supervisor | None = None
        self._ready: folder.Ready | None = None

    @property
    def ready(self) -> folder.Ready:
        """Where everything answers."""
        assert self._ready is not None, "the stack has not been entered"
        return self._ready

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor of all processes."""
        assert self._supervisor is not None, "the stack has not been entered"
        return self._supervisor

    @property
    def settings(self) -> Settings:
        """Settings with which a tool reaches this stack."""
        return folder.settings_of(self.ready, Settings)

    def pid_of(self, service: str) -> int:
        """The process id of a service or server at this moment."""
        return self.supervisor.processes[service].pid

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._exit.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.__aexit__(kind, error, trace)

    async def wait(self) -> None:
        """Wait until cancelled, or until a process failed too often."""
        await self.supervisor.wait()

    async def _start(self) -> None:
        options, clock = self._options, asyncio.get_running_loop().time
        began = clock()
        root = options.root.resolve()
        base = load(Settings, clock=options.clock)
        folder.check(root, clock=options.clock, partitions=base.partitions)
        port = self._gateway_port()
        external = {name: os.environ[variable] for name, variable in EXTERNAL.items() if os.environ.get(variable)}
        if "database" in external:
            await (await database.connect(external["database"])).close()
        want = [name for name in servers.DEFAULT if name not in external]
        started = await self._exit.enter_async_context(
            servers.start(
                root,
                cache.folder(),
                progress=self._progress,
                want=want,
                durable=options.durable,
                on_event=self._tell,
                backoff=self._backoff,
            )
        )
        folder.remember(root, clock=options.clock, partitions=base.partitions)
        self._supervisor = started.supervisor
        self._exit.callback(folder.forget_ready, root)
        addresses = {**started.addresses, **external}
        if "database" not in external:
            addresses["database"] = await migrate.ensure_database(addresses["database"], DATABASE)
        token, people = folder.principals(root)
        environment = {
            "VIGIL_KAFKA": addresses["kafka"],
            "VIGIL_MQTT": addresses["mqtt"],
            "VIGIL_DATABASE_URL": addresses["database"],
            "VIGIL_CLOCK": options.clock,
            "VIGIL_PARTITIONS": str(base.partitions),
            "VIGIL_TOKENS_FILE": str(people),
            "VIGIL_FEED_PORT": str(port),
        }
        self._progress("migrating topics and schema")
        await migrate.run(load(Settings, **_fields(environment)))
        health = await self._start_services(root, environment)
        self._ready = folder.Ready(
            feed=f"ws://{probes.HOST}:{port}/feed",
            mqtt=addresses["mqtt"],
            kafka=addresses["kafka"],
            database=addresses["database"],
            token=token,
            seconds=round(clock() - began, 1),
            clock=options.clock,
            partitions=base.partitions,
            health=health,
        )
        folder.write_ready(root, self._ready)
        if options.patients:
            await self._begin(
                services.simulator(options.patients, options.rate, options.seed, root / "logs", environment)
            )

    async def _start_services(self, root: Path, environment: Mapping[str, str]) -> dict[str, int]:
        health = {name: probes.free_port() for name in services.SERVICES}
        specs = [services.service(name, root / "logs", environment, port) for name, port in health.items()]
        try:
            async with asyncio.TaskGroup() as tasks:
                for spec in specs:
                    tasks.create_task(self._begin(spec), name=f"start-{spec.name}")
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        return health

    async def _begin(self, spec: ProcessSpec) -> None:
        await self.supervisor.start(spec)

    def _gateway_port(self) -> int:
        port = self._options.port
        if port and not probes.is_free(port):
            raise InputError("the port is busy", f"--port {port}", "choose another, or 0 for any free one")
        return port or probes.free_port()

    def _tell(self, event: Event) -> None:
        self._progress(str(event))


def _fields(environment: Mapping[str, str]) -> dict[str, str]:
    names = {name.removeprefix("VIGIL_").lower(): value for name, value in environment.items()}
    unknown = names.keys() - Settings.model_fields.keys() - {"tokens_file", "feed_port"}
    if unknown:
        raise SettingsError("unknown settings", ", ".join(sorted(unknown)))
    return {name: value for name, value in names.items() if name in Settings.model_fields}
