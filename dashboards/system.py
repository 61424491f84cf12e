"""The pipeline as it is: services, logs, what is stored and refused; looked at every few seconds, told to who asks.

Every part stands alone: with one server away the rest is still told, and ``problems`` says what is missing.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import re
from collections.abc import Mapping

from dashboards import queries
from dashboards.api_models import HopOut, PartitionOut, ServiceOut, SystemOut
from dashboards.database import Database
from dashboards.latencies import Latencies
from dashboards.rates import Rates, parse_metrics
from dashboards.settings import DashboardSettings
from dashboards.status import ServiceStatus, service_status
from runtime.clock import Clock
from runtime.database_log import log_name
from runtime.health import ask
from runtime.kafka import Partition, Reader, Records, cluster_id, describe
from vitals.errors import ServerError, StateError
from vitals.protocol import PROTOCOL_VERSION
from vitals.readings import LAYOUT_VERSION
from vitals.topics import BINDINGS, FEED, JOURNAL, READINGS, REJECTED, WINDOWS

log = logging.getLogger("vigil.system")

LOOK_SECONDS = 5.0
LOOK_SECONDS_MAX = 20.0
"""A look that takes longer is given up, and says so."""
HOPS = {"readings": READINGS, "windows": WINDOWS, "journal": JOURNAL, "feed": FEED, "rejected": REJECTED}
ORDER = (
    "devices", "broker", "readings", "windows", "journal", "feed", "gateway", "socket", "rejected", "stored"
)  # fmt: skip
"""From device to screen, and what is kept beside."""
LAGS = {
    "readings": "vigil_bridge_waiting_messages",
    "windows": "vigil_processor_lag_records",
    "journal": "vigil_processor_lag_records",
    "feed": "vigil_manager_lag_records",
    "gateway": "vigil_feed_lag_records",
}
"""What waits before the service that writes a hop's records, as it says itself."""
COUNTERS = {
    "devices": "vigil_bridge_readings_total",
    "broker": "vigil_bridge_messages_total",
    "socket": "vigil_proof_readings_total",
}
UNKNOWN = {
    ("devices", "lag"): "a device does not tell what it holds back",
    ("broker", "lag"): "MQTT does not tell what waits in the broker; a tick's way says it as time",
    ("gateway", "per_second"): "as many as the feed has",
    ("gateway", "age_ms"): "the feed's",
    ("socket", "lag"): "clients are cut before much waits: vigil_feed_buffered_bytes",
}
"""What cannot be known, and why."""
_BUILD = re.compile(r"vigil_build_info\{(.*)\}")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
STORED_TOPICS = (READINGS, WINDOWS, FEED, REJECTED, BINDINGS)


class System:
    """Looks, remembers, and computes rates from one look to the next."""

    def __init__(self, settings: DashboardSettings, database: Database, clock: Clock, version: str) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._versions = {
            "vigil": version,
            "python": platform.python_version(),
            "Kafka": "n/a: its protocol does not tell",
            "MQTT broker": "n/a: MQTT does not tell",
            "feed protocol": str(PROTOCOL_VERSION),
            "row layout": str(LAYOUT_VERSION),
        }
        self._rates = Rates()
        self._latencies = Latencies(simulated=settings.clock == "simulated")
        self._newest_ms: dict[str, int] = {}
        self._log: str | None = None
        self.found = self._empty("nothing looked at yet")

    def saw(self, records: Records) -> None:
        """Note records that were read: the timestamps (real time, ms UTC) of the newest, and what they took."""
        newest_ms = records.timestamps[-1]
        self._newest_ms[records.topic] = max(newest_ms, self._newest_ms.get(records.topic, newest_ms))
        self._latencies.take(records)

    async def look(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS_MAX):
                    self.found = await self._look()
            except TimeoutError:
                self.found = self._empty(f"no server answered within {LOOK_SECONDS_MAX:g} s")
            await self._clock.sleep(LOOK_SECONDS)

    async def _look(self) -> SystemOut:
        problems: list[str] = []
        services, metrics = await self._services()
        ends: dict[Partition, int] = {}
        try:
            ends = await self._ends()
        except ServerError as error:
            problems.append(str(error))
        positions: dict[Partition, int] = {}
        rejected: dict[str, int] = {}
        stored: dict[str, int] = {}
        try:
            positions, rejected, stored = await self._stored()
            self._versions |= await self._database.read(queries.versions)
        except (ServerError, StateError) as error:
            problems.append(str(error))
        return SystemOut(
            at=self._clock.now_us(),
            services=services,
            hops=self._hops(ends, positions, metrics),
            partitions=tuple(
                PartitionOut(topic=topic, partition=number, end=end, stored=positions.get((topic, number)))
                for (topic, number), end in sorted(ends.items())
            ),
            rejected=rejected,
            stored=stored,
            clients={name: int(value) for name, value in _clients(metrics).items()},
            metrics=metrics,
            versions=self._versions | _built(metrics),
            problems=tuple(problems),
        )

    async def _services(self) -> tuple[tuple[ServiceOut, ...], dict[str, dict[str, float]]]:
        ports = self._settings.health_ports
        asked = [self._service(name, port) for name, port in ports.items()]
        found = await asyncio.gather(*asked)
        metrics = {each.name: measured for each, measured in found if measured}
        return tuple(ServiceOut.model_validate(each.model_dump()) for each, _ in found), metrics

    async def _service(self, name: str, port: int | str) -> tuple[ServiceStatus, dict[str, float]]:
        state = await service_status(name, port)
        try:
            _, body = await ask(port, "/metrics")
        except OSError:
            return state, {}
        return state, parse_metrics(body.decode(errors="replace"))

    async def _ends(self) -> dict[Partition, int]:
        topics = await describe(self._settings)
        wanted = {*STORED_TOPICS, *HOPS.values()}
        async with Reader(
            self._settings, [(topic, number) for topic in sorted(wanted) for number in range(topics.get(topic, 0))]
        ) as reader:
            return await reader.end_offsets()

    async def _stored(self) -> tuple[dict[Partition, int], dict[str, int], dict[str, int]]:
        if self._log is None:
            self._log = log_name(await cluster_id(self._settings), self._settings.namespace)
        name = self._log
        found = await self._database.read(lambda c: queries.positions(c, name))
        rejected = await self._database.read(queries.rejected_by_reason)
        stored = {
            "rows": sum(each.stored for each in found),
            "duplicates": sum(each.duplicates for each in found),
            "conflicts": sum(each.conflicts for each in found),
            "broken": sum(each.broken for each in found),
        }
        return {(each.topic, each.partition): each.position for each in found}, rejected, stored

    def _hops(
        self,
        ends: Mapping[Partition, int],
        positions: Mapping[Partition, int],
        metrics: Mapping[str, Mapping[str, float]],
    ) -> tuple[HopOut, ...]:
        known = bool(positions and ends)
        behind = sum(max(0, ends[key] - position) for key, position in positions.items() if key in ends)
        lags = {hop: summed(metrics, name) for hop, name in LAGS.items()} | {"stored": behind if known else None}
        counts: dict[str, float | None] = {
            name: sum(end for (each, _), end in ends.items() if each == topic) if ends else None
            for name, topic in HOPS.items()
        }
        counts |= {hop: summed(metrics, name) for hop, name in COUNTERS.items()}
        counts["stored"] = sum(positions.values()) if known else None
        self._proved(metrics)
        return tuple(self._hop(name, counts.get(name), lags.get(name), metrics) for name in ORDER)

    def _hop(
        self, name: str, count: float | None, lag: int | None, metrics: Mapping[str, Mapping[str, float]]
    ) -> HopOut:
        now, wall_ms = self._clock.monotonic(), self._clock.now_us() // 1000
        newest = self._newest_ms.get(HOPS.get(name, ""))
        rate = None if count is None else self._rates.per_second(name, count, now)
        age = self._rates.quiet_ms(name, now) if newest is None else max(0, wall_ms - newest)
        took = _read_by_gateway(metrics) if name == "gateway" else self._latencies.quantiles(name, wall_ms)
        told = {"per_second": rate, "lag": lag, "age_ms": age}
        told |= {"p50_ms": took[0] if took else None, "p99_ms": took[1] if took else None}
        simulated = self._settings.clock == "simulated" and name in {"devices", "broker", "readings"}
        why = {key: _why(name, key, simulated=simulated) for key, value in told.items() if value is None}
        return HopOut.model_validate({"name": name, "why": why} | told)

    def _proved(self, metrics: Mapping[str, Mapping[str, float]]) -> None:
        """The synthetic alarms since the last look, one a site: the whole way to a socket."""
        for each in metrics.values():
            for name, took in each.items():
                if name.startswith("vigil_proof_took_seconds"):
                    self._latencies.add("socket", self._clock.now_us() // 1000, took * 1000)

    def _empty(self, why: str) -> SystemOut:
        return SystemOut(
            at=self._clock.now_us(), services=(), hops=(), partitions=(), rejected={}, stored={}, clients={},
            metrics={}, versions=self._versions, problems=(why,),
        )  # fmt: skip


def summed(metrics: Mapping[str, Mapping[str, float]], wanted: str) -> int | None:
    """A metric of whichever services have it, over all of its labels; None where none has."""
    found = [value for each in metrics.values() for name, value in each.items() if name.split("{")[0] == wanted]
    return int(sum(found)) if found else None


def _read_by_gateway(metrics: Mapping[str, Mapping[str, float]]) -> tuple[int, int] | None:
    found = [
        [value for each in metrics.values() for name, value in each.items()
         if name.startswith("vigil_feed_read_seconds") and quantile in name]
        for quantile in ('"0.5"', '"0.99"')
    ]  # fmt: skip
    middle, high = (max(values, default=None) for values in found)
    return None if middle is None or high is None else (round(middle * 1000), round(high * 1000))


def _why(hop: str, key: str, *, simulated: bool) -> str:
    """Why a hop does not tell a number."""
    if (hop, key) in UNKNOWN:
        return UNKNOWN[hop, key]
    if key in {"p50_ms", "p99_ms"}:
        if hop in {"rejected", "stored"}:
            return "not measured: its age and lag say it"
        return "records carry simulated times" if simulated else "nothing came through in the last minute"
    if key == "lag":
        return "its service does not answer" if hop in LAGS or hop == "stored" else "nobody waits for these"
    return "nothing seen yet" if key == "age_ms" else "needs two looks, and a server that answers"


def _built(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Version and Python of each service, as it says itself."""
    found = {}
    for service, each in metrics.items():
        for name in each:
            if match := _BUILD.match(name):
                labels = dict(_LABEL.findall(match[1]))
                found[f"service {service}"] = f"{labels.get('version', '?')} on Python {labels.get('python', '?')}"
    return found


def _clients(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    found = {"feed": "vigil_feed_clients", "tiles": "vigil_live_clients"}
    return {name: each[metric] for name, metric in found.items() for each in metrics.values() if metric in each}
