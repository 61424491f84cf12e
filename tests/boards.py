"""A dashboard on real servers, and the two clients that a page has: HTTP and the tiles socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from dashboards import service
from dashboards.settings import DashboardSettings
from dashboards.tiles import TilesFrame, WardFrame, decode_server
from runtime.clock import SystemClock
from runtime.kafka import Out, Producer
from runtime.settings import Settings
from runtime.testing.waiting import until
from runtime.web import Peer, WebLimits, connect
from vitals.devices import DEVICE_TYPES, Binding, Device, Site
from vitals.people import digest_of
from vitals.readings import Reading, to_rows
from vitals.topics import BINDINGS, READINGS, device_id, partition_of, patient_id

TOKENS = {"nurse": "nurse-token", "other": "other-token", "wall": "wall-token", "ops": "ops-token"}
PRINCIPALS = [
    {"name": "nurse", "role": "clinician", "sites": [1], "lead": True, "token_sha256": digest_of("nurse-token")},
    {"name": "other", "role": "clinician", "sites": [2], "token_sha256": digest_of("other-token")},
    {"name": "wall", "role": "wall", "sites": None, "token_sha256": digest_of("wall-token")},
    {"name": "ops", "role": "ops", "sites": None, "token_sha256": digest_of("ops-token")},
]
SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000


class Answer(NamedTuple):
    """What an HTTP server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Board(NamedTuple):
    """A dashboard that serves."""

    settings: DashboardSettings
    page: int
    live: int

    async def get(self, path: str, who: str | None = "nurse", method: str = "GET", **query: Any) -> Answer:
        """GET a path as somebody; ``from_`` is the parameter ``from``."""
        named = {name.rstrip("_"): value for name, value in query.items()}
        target = path + ("?" + urlencode(named) if named else "")
        token = TOKENS.get(who or "", who or "")
        return await request(self.page, target, {"Authorization": f"Bearer {token}"} if who else {}, method)

    @asynccontextmanager
    async def tiles(self, who: str = "nurse") -> AsyncIterator[Peer]:
        """A tiles client after its hello."""
        limits = WebLimits(message_bytes_max=16 * 1024 * 1024)
        async with connect(f"ws://127.0.0.1:{self.live}/live", limits=limits) as peer:
            await peer.send(json.dumps({"type": "hello", "token": TOKENS.get(who, who)}))
            yield peer


async def frame(peer: Peer) -> WardFrame | TilesFrame:
    """The next frame of the tiles socket."""
    async with asyncio.timeout(20):
        return decode_server(await peer.receive())


async def request(port: int, target: str, headers: dict[str, str], method: str = "GET") -> Answer:
    """One HTTP request on loopback."""
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{lines}\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
    first, *rest = head.decode("latin-1").split("\r\n")
    found = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
    return Answer(int(first.split()[1]), found, body)


def board_settings(settings: Settings, folder: Path, **changed: Any) -> DashboardSettings:
    """Settings of a dashboard on free ports, with its tokens in ``folder``."""
    tokens = folder / "tokens.json"
    tokens.write_text(json.dumps(PRINCIPALS))
    own = {"page_port": 0, "live_port": 0, "tokens_file": tokens, "page_dir": folder / "dist"}
    return DashboardSettings(**(settings.model_dump() | own | changed))


@asynccontextmanager
async def dashboard(settings: Settings, folder: Path, **changed: Any) -> AsyncIterator[Board]:
    """A dashboard at work beside the body."""
    wanted = board_settings(settings, folder, **changed)
    ports: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        main = service.main(wanted, SystemClock(), lambda page, live: ports.set_result((page, live)))
        task = tasks.create_task(main, name="dashboard")
        yield Board(wanted, *await ports)
        task.cancel()


def worn(label: str, site: int, since: int, kind: str = "ward", until: int | None = None) -> list[Out]:
    """A site, and a device ``dev-LABEL`` that a patient wears."""
    binding = Binding(patient=patient_id(label), label=label, since=since, until=until)
    name, site_name = f"dev-{label}", f"ward-{site}"
    device = Device(
        name=name, id=device_id(name), type=DEVICE_TYPES[kind], site=site, site_name=site_name, bindings=(binding,)
    )
    place = Site(name=site_name, number=site)
    return [
        Out(BINDINGS, 0, f"site:{site_name}".encode(), place.encode()),
        Out(BINDINGS, 0, f"device:{name}".encode(), device.encode()),
    ]


def measured(label: str, metric: str, value: float, at: int, partitions: int = 4, **changed: Any) -> Out:
    """One record with one reading of a patient."""
    key = patient_id(label)
    units = {"heart_rate": "/min", "glucose": "mg/dL", "battery": "%"}
    given: dict[str, Any] = {"patient": key, "device": device_id(f"dev-{label}"), "metric": metric, "value": value}
    given |= {"unit": units[metric], "observed_at": at, "received_at": at + SECOND, "site": 1} | changed
    return Out(READINGS, partition_of(key.bytes, partitions), key.bytes, to_rows([Reading(**given)]).tobytes())


async def write(settings: Settings, records: Sequence[Out]) -> None:
    """Write records to Kafka."""
    async with Producer(settings, "test") as producer:
        await producer.send(records)


async def knowing(board: Board, who: str, patients: int) -> None:
    """Wait until the ward is read."""

    async def known() -> bool:
        return len((await board.get("/api/patients", who)).json["patients"]) == patients

    await until(known)
