"""How the servers do that Vigil stands on: Kafka's brokers, copies and disks, and how large the database is.

Asked by the dashboard, which no alert waits for, so that an operator needs no exporter beside each server. What is not
known is not there: a number from before an outage would look like a server that is well.
"""

from __future__ import annotations

import logging

from dashboards import queries
from dashboards.database import Database
from dashboards.settings import DashboardSettings
from runtime.clock import Clock
from runtime.kafka import Cluster, cluster_state
from runtime.observe import Metrics
from vitals.errors import ServerError, StateError

log = logging.getLogger("vigil.servers")

LOOK_SECONDS = 30.0
"""Disks fill in hours; the alarms on them wait for minutes."""


class Servers:
    """Looks, and keeps the metrics as it saw them."""

    def __init__(self, settings: DashboardSettings, database: Database, metrics: Metrics, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._faults: dict[str, str] = {}
        self._brokers = metrics.gauge("kafka_brokers", "Kafka brokers that the cluster has", ["cluster"])
        self._short = metrics.gauge("kafka_short_partitions", "Partitions that lack copies in step", ["cluster"])
        self._free = metrics.gauge("kafka_disk_free_bytes", "Room on the disk of a broker's log", ["broker"])
        self._size = metrics.gauge("kafka_disk_size_bytes", "Size of the disk of a broker's log", ["broker"])
        self._stored = metrics.gauge("database_size_bytes", "What the database takes on its disk", ["database"])

    async def look(self) -> None:
        """Look every half minute, for ever."""
        while True:
            await self.once()
            await self._clock.sleep(LOOK_SECONDS)

    async def once(self) -> None:
        """Look at each server; one that is away leaves the others' numbers alone."""
        try:
            self.show(await cluster_state(self._settings))
            self._fault("Kafka", "")
        except ServerError as error:
            self.show(None)
            self._fault("Kafka", str(error))
        try:
            name, size = await self._database.read(queries.size)
            self._stored.labels(name).set(size)
            self._fault("database", "")
        except (ServerError, StateError) as error:
            self._stored.clear()
            self._fault("database", str(error))

    def show(self, found: Cluster | None) -> None:
        """Set Kafka's metrics; None takes them away."""
        for gauge in (self._brokers, self._short, self._free, self._size):
            gauge.clear()
        if found is None:
            return
        self._brokers.labels(self._settings.kafka).set(found.brokers)
        self._short.labels(self._settings.kafka).set(found.short)
        for number, disk in found.disks.items():
            self._free.labels(str(number)).set(disk.free)
            self._size.labels(str(number)).set(disk.size)

    def _fault(self, what: str, text: str) -> None:
        """Say a fault when it appears, when it becomes another, and when it is over."""
        if self._faults.get(what, "") != text:
            if text:
                log.warning("%s cannot be looked at: %s", what, text)
            else:
                log.info("%s can be looked at again", what)
        self._faults[what] = text
