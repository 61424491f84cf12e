"""Real servers on one machine without containers: Kafka, an MQTT broker, PostgreSQL; on loopback, under one folder.

    async with start(root, cache, progress=print, want=("kafka", "mqtt", "database")) as servers:
        servers.kafka, servers.mqtt, servers.database

Names that can be wanted: ``kafka``; ``mqtt`` (mosquitto where it is, else iotcore), ``mosquitto``, ``iotcore``;
``database`` (a system PostgreSQL with TimescaleDB, else the wheel's), ``postgres`` (the wheel's),
``timescale`` (in a chroot; root only). The folder holds a folder of data for each, ``logs`` and ``run``.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from compose.errors import FolderInUse
from compose.process import Process, ProcessSpec
from compose.servers import iotcore, java, kafka, mosquitto, postgres, probes, timescale
from compose.supervisor import Backoff, Event, Supervisor
from vitals.errors import ServerMissing, StateError

DEFAULT = ("kafka", "mqtt", "database")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Server:
    """A server ready to be started: its process and the address it will have."""

    spec: ProcessSpec
    address: str
    source: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where servers live and how: the data folder, the cache of downloads, whom to tell, whether data must last."""

    root: Path
    cache: Path
    progress: Progress
    durable: bool = True
    ports: dict[str, int] = field(default_factory=dict)

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.root / "logs" / f"{name}.log"

    def port(self, name: str) -> int:
        """Return the port of the last run where it is free, else a free one; remembered for the next run."""
        taken = {port for other, port in self.ports.items() if other != name}
        port = self.ports.get(name, 0)
        while port == 0 or port in taken or not probes.is_free(port):
            port = probes.free_port()
        self.ports[name] = port
        return port


@dataclass(frozen=True, slots=True)
class Servers:
    """Running servers; their supervisor takes further processes, which stop before the servers do."""

    supervisor: Supervisor
    addresses: dict[str, str]

    @property
    def kafka(self) -> str:
        """Kafka's ``host:port``."""
        return self.addresses["kafka"]

    @property
    def mqtt(self) -> str:
        """The MQTT broker's ``host:port``."""
        return self.addresses["mqtt"]

    @property
    def database(self) -> str:
        """The superuser's URL of the database ``postgres``; it holds a password."""
        return self.addresses["database"]

    @property
    def processes(self) -> dict[str, Process]:
        """The running processes by name."""
        return self.supervisor.processes


async def _kafka(place: Place, name: str) -> Server:
    found = await asyncio.to_thread(java.find)
    jars = await kafka.install(place.cache, place.progress)
    port, controller = place.port(name), place.port(f"{name}-controller")
    node = kafka.Node(place.root / name, place.log(name), port, controller)
    spec = await kafka.prepare(node, jars, found)
    return Server(spec, f"{probes.HOST}:{port}", f"Kafka {kafka.VERSION} on Java {found.major} ({found.source})")


async def _mosquitto(place: Place, name: str) -> Server:
    program = mosquitto.find()
    if program is None:
        raise ServerMissing("mosquitto is not installed", "", "install it, or use iotcore")
    port = place.port(name)
    spec = mosquitto.prepare(program, place.root / "mosquitto", place.log("mosquitto"), port)
    return Server(spec, f"{probes.HOST}:{port}", str(program))


async def _iotcore(place: Place, name: str) -> Server:
    port = place.port(name)
    spec = iotcore.prepare(place.root / "iotcore", place.log("iotcore"), port)
    return Server(spec, f"{probes.HOST}:{port}", "the wheel iotcore (its sessions live in memory)")


async def _mqtt(place: Place, name: str) -> Server:
    return await (_mosquitto if mosquitto.find() else _iotcore)(place, name)


async def _database(place: Place, name: str) -> Server:
    return await _postgres(place, name, postgres.find(), place.root / "postgres")


async def _wheel(place: Place, name: str) -> Server:
    return await _postgres(place, name, postgres.find(wheel_only=True), place.root / "postgres")


async def _timescale(place: Place, name: str) -> Server:
    data = place.root / "timescale"
    found = await timescale.install(place.cache, place.progress)
    return await _postgres(place, name, timescale.entered(found, data), data)


async def _postgres(place: Place, name: str, found: postgres.Install, data: Path) -> Server:
    port = place.port(name)
    spec = await postgres.prepare(found, data, place.log(name), port, name=name, durable=place.durable)
    return Server(spec, postgres.url(port, postgres.password_of(data)), found.source)


MAKERS: dict[str, Callable[[Place, str], Awaitable[Server]]] = {
    "kafka": _kafka,
    "mqtt": _mqtt,
    "mosquitto": _mosquitto,
    "iotcore": _iotcore,
    "database": _database,
    "postgres": _wheel,
    "timescale": _timescale,
}


@contextmanager
def locked(root: Path) -> Iterator[Path]:
    """Make and hold a data folder, whose full path is given; raises FolderInUse when another process does."""
    root = root.resolve()
    run = root / "run"
    for folder in (run, root / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
    owner = run / "pid"
    lock = FileLock(run / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FolderInUse(root, owner.read_text(encoding="utf-8") if owner.exists() else "") from None
    try:
        owner.write_text(str(os.getpid()), encoding="utf-8")
        yield root
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


async def prepare(place: Place, want: Iterable[str]) -> dict[str, Server]:
    """Install what is missing and make data folders, all at once; returns the servers by the name wanted.

    Raises ServerMissing, ProcessExited or SettingsError for the first that cannot be had.
    """
    names = tuple(want)
    ports = place.root / "run" / "ports.json"
    place.ports.update(_ports(ports))
    try:
        async with asyncio.TaskGroup() as tasks:
            made = {name: tasks.create_task(_made(place, name), name=f"prepare-{name}") for name in names}
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    ports.write_text(json.dumps(place.ports), encoding="utf-8")
    return {name: task.result() for name, task in made.items()}


async def _made(place: Place, name: str) -> Server:
    return await MAKERS[name](place, name)


def _ports(file: Path) -> dict[str, int]:
    try:
        ports: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise StateError("the list of ports cannot be read", str(file), "remove the file") from None
    return ports


@asynccontextmanager
async def start(
    root: Path,
    cache: Path,
    *,
    progress: Progress,
    want: Iterable[str] = DEFAULT,
    durable: bool = True,
    on_event: Callable[[Event], None] | None = None,
    backoff: Backoff | None = None,
) -> AsyncIterator[Servers]:
    """Start the wanted servers under ``root`` and stop them at the end; restarts one that dies.

    ``progress`` gets one line per step; ``on_event`` gets the supervisor's events instead, where it is given.
    ``durable`` false trades safety against a power cut for speed: tests only.
    Raises FolderInUse, SettingsError, ServerMissing, ProcessExited, ProcessNotReady; GaveUp on leaving.
    """
    tell = on_event or (lambda event: progress(str(event)))
    with locked(root) as place:
        ready = await prepare(Place(place, cache, progress, durable), want)
        async with Supervisor(tell, backoff) as supervisor:
            try:
                async with asyncio.TaskGroup() as tasks:
                    for name, server in ready.items():
                        tasks.create_task(supervisor.start(server.spec), name=f"start-{name}")
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None
            yield Servers(supervisor, {name: server.address for name, server in ready.items()})
