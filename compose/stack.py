"""A whole Vigil on one machine: real servers, all services, perhaps a simulator; supervised, under one data folder.

async with Stack(Options(Path(".vigil")), progress=print) as stack:
stack.ready.page, stack.ready.feed, stack.ready.token
await stack.wait()
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from compose import crossing, folder, migrate, ports, servers, services
from compose.folder import Facts
from compose.process import ALIVE_S, ProcessSpec
from compose.servers import cache, probes
from compose.services import Ward
from compose.supervisor import Backoff, Event, Supervisor
from runtime import database
from runtime.clock import SystemClock
from runtime.settings import Settings, load
from vitals.errors import InputError, StateError

DATABASE = "vigil"
EXTERNAL = {"kafka": "VIGIL_KAFKA", "mqtt": "VIGIL_MQTT", "database": "VIGIL_DATABASE_URL"}
"""A server whose variable is set is not ours: it is used as it is, and never stopped."""


@dataclass(frozen=True, slots=True)
class Options:
    """What ``vigil up`` can be asked; ``port`` is the page's, 0 any free one; ``patients`` 0 is no simulator;
    ``history_hours`` is how much of the ward's past a new folder gets first, 0 none. ``feed_url`` and ``live_url``
    are what the page is told where it is not to reach the sockets themselves; ``processors`` share the partitions.
    A service that does not answer for ``alive_seconds`` hangs.
    """

    root: Path
    clock: Literal["real", "simulated"] = "real"
    port: int = 0
    patients: int = 0
    rate: float = 1.0
    seed: int = 1
    durable: bool = True
    history_hours: float = 0.0
    feed_port: int = 0
    live_port: int = 0
    feed_url: str = ""
    live_url: str = ""
    processors: int = 1
    alive_seconds: float = ALIVE_S


class Stack:
    """Starts everything on entering, stops everything on leaving; ``progress`` gets one line per step."""

    def __init__(self, options: Options, progress: Callable[[str], None], backoff: Backoff | None = None) -> None:
        self._options = options
        self._progress = progress
        self._backoff = backoff
        self._root = options.root.resolve()
        self._clock = SystemClock()
        self._exit = AsyncExitStack()
        self._supervisor: Supervisor | None = None
        self._ready: folder.Ready | None = None
        self._environment: dict[str, str] = {}
        self._health: dict[str, int] = {}

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

    # ---- the start

    async def _start(self) -> None:
        options, began = self._options, self._clock.monotonic()
        base = load(Settings, clock=options.clock)
        asked = base.partitions if "VIGIL_PARTITIONS" in os.environ else None
        folder.prepare(self._root)
        known = folder.check(self._root, clock=options.clock, partitions=asked)
        if known is not None and known.crossing and not options.patients:
            remedy = "start it as before to complete it, or choose another with --data"
            raise StateError("the data folder's history was interrupted", str(self._root), remedy)
        partitions = base.partitions if known is None else known.partitions
        if options.processors > partitions:
            told = f"{options.processors} for {partitions}"
            raise InputError("more processors than partitions", told, "one without a partition would only wait")
        wished = {"page": options.port, "feed": options.feed_port, "live": options.live_port}
        for port in wished.values():
            ports.check(port)
        addresses = await self._servers()
        names = (*services.SERVICES, *(f"process-{index}" for index in range(1, options.processors)))
        chosen = ports.choose(self._root, (*wished, *names, services.PROVER), wished)
        facts = known or self._new(base.partitions)
        folder.remember(self._root, facts)
        tokens, people = folder.principals(self._root)
        self._health = {name: chosen[name] for name in names}
        if options.clock == "real":
            self._health[services.PROVER] = chosen[services.PROVER]
        feed, live = (f"ws://{probes.HOST}:{chosen[name]}/{name}" for name in ("feed", "live"))
        self._environment = services.environment(
            addresses=addresses,
            clock=facts.clock,
            partitions=facts.partitions,
            ports=chosen,
            health=self._health,
            tokens_file=people,
            told={"feed": options.feed_url or feed, "live": options.live_url or live},
            simulated_patients=options.patients > 0,
        )
        self._progress("migrating topics and schema")
        await migrate.run(self._reached())
        ward = Ward(options.patients, options.rate, options.seed, began_at=facts.began_at)
        if facts.crossing:
            await self._history(ward, facts, names)
        else:
            await self._all(names)
            if facts.clock == "simulated":
                await crossing.begin(self._reached())
        self._publish(addresses, tokens, feed=feed, live=live, took=self._clock.monotonic() - began)
        if options.clock == "real":
            port = chosen[services.PROVER]
            await self._begin(services.prover(self._logs, self._environment, port, feed=feed, token=tokens["ops"]))
        if ward.patients and not facts.crossing:
            await self._begin(services.simulator(ward, self._logs, self._environment))

    def _new(self, partitions: int) -> Facts:
        """What a new folder becomes."""
        options = self._options
        if options.clock == "simulated" or not options.patients or not options.history_hours:
            return Facts(options.clock, partitions)
        began_at = crossing.beginning(self._clock, options.history_hours)
        return Facts("simulated", partitions, crossing=True, began_at=began_at)

    async def _servers(self) -> dict[str, str]:
        """Start the servers that are ours; the addresses of all."""
        external = {name: os.environ[variable] for name, variable in EXTERNAL.items() if os.environ.get(variable)}
        if "database" in external:
            await (await database.connect(external["database"])).close()
        started = await self._exit.enter_async_context(
            servers.start(
                self._root,
                cache.folder(),
                progress=self._progress,
                want=[name for name in servers.DEFAULT if name not in external],
                durable=self._options.durable,
                on_event=self._tell,
                backoff=self._backoff,
            )
        )
        self._supervisor = started.supervisor
        self._exit.callback(folder.forget_ready, self._root)
        addresses = {**started.addresses, **external}
        if "database" not in external:
            addresses["database"] = await migrate.ensure_database(addresses["database"], DATABASE)
        return addresses

    async def _history(self, ward: Ward, facts: Facts, names: Sequence[str]) -> None:
        """Write a new folder's history on simulated time and cross to the real clock.

        The ward goes on live at once, without a hole; who judges and who shows follow when the rules have caught up.
        """
        await self._all(name for name in names if name not in services.SHOWING)
        settings = self._reached()
        await crossing.begin(settings)
        ward = await crossing.write_history(settings, ward, self._clock, self._progress)
        folder.remember(self._root, replace(facts, clock="real", crossing=False))
        self._environment["VIGIL_CLOCK"] = "real"
        await self.supervisor.replace(self._service("bridge"))
        await self._begin(services.simulator(ward, self._logs, self._environment))
        await crossing.digested(settings, ward.resume_at or 0, self._clock, self._progress)
        again = {"manage": self.supervisor.replace(self._service("manage"))}
        await _together(again | {name: self._begin(self._service(name)) for name in services.SHOWING})

    def _publish(self, addresses: dict[str, str], tokens: dict[str, str], *, feed: str, live: str, took: float) -> None:
        """Say where everything answers."""
        ready = folder.Ready(
            feed=feed,
            mqtt=addresses["mqtt"],
            kafka=addresses["kafka"],
            database=addresses["database"],
            token=tokens["clinician"],
            seconds=round(took, 1),
            clock=self._options.clock,
            partitions=int(self._environment["VIGIL_PARTITIONS"]),
            health=self._health,
            api=f"http://{probes.HOST}:{self._environment['VIGIL_PAGE_PORT']}",
            live=live,
            tokens=tokens,
        )
        self._ready = replace(ready, page=ready.link("clinician"))
        folder.write_ready(self._root, self._ready)

    # ---- processes

    @property
    def _logs(self) -> Path:
        return self._root / "logs"

    def _reached(self) -> Settings:
        """Settings that reach the servers, by the clock of the moment."""
        names = {name.removeprefix("VIGIL_").lower(): value for name, value in self._environment.items()}
        return load(Settings, **{name: value for name, value in names.items() if name in Settings.model_fields})

    def _service(self, name: str) -> ProcessSpec:
        found = services.service(name, self._logs, self._environment, self._health[name])
        return replace(found, alive_seconds=self._options.alive_seconds)

    async def _all(self, names: Iterable[str]) -> None:
        await _together({name: self._begin(self._service(name)) for name in names})

    async def _begin(self, spec: ProcessSpec) -> None:
        await self.supervisor.start(spec)

    def _tell(self, event: Event) -> None:
        self._progress(str(event))


async def _together(starting: Mapping[str, Coroutine[None, None, None]]) -> None:
    """Start services beside each other; the first that fails ends it."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for name, start in starting.items():
                tasks.create_task(start, name=f"start-{name}")
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
