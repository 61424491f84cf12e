"""The pipeline as it is: services, logs, what is stored and refused; looked at every few seconds, told to who asks.

Every part stands alone: with one server away the rest is still told, and ``problems`` says what is missing.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Mapping

from dashboards import queries
from dashboards.api_models import HopOut, PartitionOut, ServiceOut, SystemOut
from dashboards.database import Database
from dashboards.rates import Rates, parse_metrics
from dashboards.settings import DashboardSettings
from dashboards.status import ServiceStatus, service_status
from runtime.clock import Clock
from runtime.database_log import log_name
from runtime.health import ask
from runtime.kafka import Partition, Reader, cluster_id, describe
from vitals.errors import ServerError, StateError
from vitals.topics import BINDINGS, FEED, JOURNAL, READINGS, REJECTED, WINDOWS

log = logging.getLogger("vigil.system")

LOOK_SECONDS = 5.0
LOOK_SECONDS_MAX = 20.0
"""A look that takes longer is given up, and says so."""
HOPS = {"readings": READINGS, "windows": WINDOWS, "journal": JOURNAL, "feed": FEED, "rejected": REJECTED}
STORED_TOPICS = (READINGS, WINDOWS, FEED, REJECTED, BINDINGS)


class System:
    """Looks, remembers, and computes rates from one look to the next."""

    def __init__(self, settings: DashboardSettings, database: Database, clock: Clock, version: str) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._versions = {"vigil": version, "python": platform.python_version()}
        self._rates = Rates()
        self._newest_ms: dict[str, int] = {}
        self._log: str | None = None
        self.found = self._empty("nothing looked at yet")

    def saw(self, topic: str, newest_ms: int) -> None:
        """Note the timestamp (real time, ms UTC) of the newest record that was read of a topic."""
        self._newest_ms[topic] = max(newest_ms, self._newest_ms.get(topic, newest_ms))

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
            versions=self._versions,
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
        now, wall_ms = self._clock.monotonic(), self._clock.now_us() // 1000
        hops = []
        for name, topic in HOPS.items():
            total = sum(end for (each, _), end in ends.items() if each == topic)
            newest = self._newest_ms.get(topic)
            rate = self._rates.per_second(name, total, now) if ends else None
            age = self._rates.quiet_ms(name, now) if newest is None else max(0, wall_ms - newest)
            hops.append(HopOut(name=name, per_second=rate, lag=_lag_of(name, metrics), age_ms=age))
        known = bool(positions and ends)
        lag = sum(max(0, ends[key] - position) for key, position in positions.items() if key in ends)
        rate = self._rates.per_second("stored", sum(positions.values()), now) if known else None
        hops.append(
            HopOut(
                name="stored", per_second=rate, lag=lag if known else None, age_ms=self._rates.quiet_ms("stored", now)
            )
        )
        return tuple(hops)

    def _empty(self, why: str) -> SystemOut:
        return SystemOut(
            at=self._clock.now_us(), services=(), hops=(), partitions=(), rejected={}, stored={}, clients={},
            metrics={}, versions=self._versions, problems=(why,),
        )  # fmt: skip


def _lag_of(hop: str, metrics: Mapping[str, Mapping[str, float]]) -> int | None:
    """Records of the readings that the processor has not stepped over, as it says itself."""
    if hop != "windows":
        return None
    lags = [value for each in metrics.values() for name, value in each.items() if "processor_lag_records" in name]
    return int(sum(lags)) if lags else None


def _clients(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    found = {"feed": "vigil_feed_clients", "tiles": "vigil_live_clients"}
    return {name: each[metric] for name, metric in found.items() for each in metrics.values() if metric in each}
