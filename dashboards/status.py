"""``vigil status``: what is stored, what was refused and why, what is open, how far behind, who is well.

Every part stands alone: with the database stopped the rest still answers, and ``problems`` says what is missing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus

from pydantic import Field

from dashboards import queries
from runtime.database import connect
from runtime.database_errors import statements
from runtime.database_log import log_name
from runtime.health import ask
from runtime.kafka import Partition, Reader, cluster_id, describe
from runtime.settings import Settings
from vitals.errors import ServerError, StateError
from vitals.messages import Message
from vitals.topics import BINDINGS, FEED, READINGS, REJECTED, WINDOWS

STORED_TOPICS = (READINGS, WINDOWS, FEED, REJECTED, BINDINGS)


class PartitionStatus(Message):
    """One partition that the sink stores: its next offset, the log's end, and the records between."""

    topic: str
    partition: int
    position: int
    end: int
    lag: int


class ServiceStatus(Message):
    """One service: does its process answer, does it do its work, and if not, why."""

    name: str
    alive: bool
    ready: bool
    reasons: dict[str, str] = Field(default_factory=dict)


class Status(Message):
    """Everything that ``vigil status --json`` prints. A part that could not be asked is empty and in ``problems``.

    ``stored`` counts rows by table, of windows those that are kept; ``duplicates``, ``conflicts`` and ``broken`` count
    rows of readings (and broken records of any topic) up to the sink's positions; ``lag`` is in records over all
    partitions; ``dirty`` counts the marks whose windows the sink has not computed again yet.
    """

    stored: dict[str, int] = Field(default_factory=dict)
    duplicates: int = 0
    conflicts: int = 0
    broken: int = 0
    rejected: dict[str, int] = Field(default_factory=dict)
    alerts_open: dict[str, int] = Field(default_factory=dict)
    partitions: tuple[PartitionStatus, ...] = ()
    lag: int = 0
    dirty: int = 0
    services: tuple[ServiceStatus, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything could be asked and every service does its work."""
        return not self.problems and all(service.ready for service in self.services)


async def status(settings: Settings, health_ports: Mapping[str, int | str] | None = None) -> Status:
    """Ask database, Kafka and the services' health servers (name -> loopback port, or ``host:port``).

    Never raises for a server that is away: that is one of the ``problems``.
    """
    problems: list[str] = []
    ends: dict[Partition, int] = {}
    log = None
    try:
        log = log_name(await cluster_id(settings), settings.namespace)
        ends = await _ends(settings)
    except ServerError as error:
        problems.append(str(error))
    found = Status()
    try:
        found = await _stored(settings, log, ends)
    except (ServerError, StateError) as error:
        problems.append(str(error))
    services = await asyncio.gather(*(service_status(name, port) for name, port in (health_ports or {}).items()))
    return found.model_copy(update={"services": tuple(services), "problems": tuple(problems)})


async def _ends(settings: Settings) -> dict[Partition, int]:
    topics = await describe(settings)
    wanted = [(topic, number) for topic in STORED_TOPICS for number in range(topics.get(topic, 0))]
    async with Reader(settings, wanted) as reader:
        return await reader.end_offsets()


async def _stored(settings: Settings, log: str | None, ends: Mapping[Partition, int]) -> Status:
    with statements(settings.database_url):
        async with await connect(settings.database_url, application="vigil status") as connection:
            positions = await queries.positions(connection, log) if log else []
            counts = await queries.counts(connection)
            rejected = await queries.rejected_by_reason(connection)
            alerts_open = await queries.open_by_priority(connection)
            dirty = await queries.dirty_marks(connection)
    known = {(each.topic, each.partition): each.position for each in positions}
    partitions = tuple(
        PartitionStatus(topic=topic, partition=number, position=position, end=end, lag=max(0, end - position))
        for (topic, number), end in sorted(ends.items())
        for position in (known.get((topic, number), 0),)
    )
    return Status(
        stored=counts,
        duplicates=sum(each.duplicates for each in positions),
        conflicts=sum(each.conflicts for each in positions),
        broken=sum(each.broken for each in positions),
        rejected=rejected,
        alerts_open=alerts_open,
        partitions=partitions,
        lag=sum(each.lag for each in partitions),
        dirty=dirty,
    )


async def service_status(name: str, port: int | str) -> ServiceStatus:
    """What a service's health server (loopback port, or ``host:port``) says; one that gives no answer is not alive."""
    try:
        healthy, _ = await ask(port, "/healthz")
        ready, body = await ask(port, "/readyz")
        reasons = json.loads(body).get("reasons", {})
    except (OSError, ValueError, AttributeError) as error:
        return ServiceStatus(name=name, alive=False, ready=False, reasons={"health": str(error) or "no answer in time"})
    return ServiceStatus(name=name, alive=healthy == HTTPStatus.OK, ready=ready == HTTPStatus.OK, reasons=reasons)


def render(found: Status) -> str:
    """The status for a terminal, a few lines of text."""
    rejected = ", ".join(f"{reason} {count}" for reason, count in sorted(found.rejected.items())) or "none"
    alerts_open = ", ".join(f"{name} {found.alerts_open[name]}" for name in ("high", "medium", "low")
                            if name in found.alerts_open) or "none"  # fmt: skip
    stored = ", ".join(f"{name} {count}" for name, count in found.stored.items()) or "unknown"
    out = [
        f"stored      {stored}",
        f"repeats     duplicates {found.duplicates}, conflicts {found.conflicts}, broken records {found.broken}",
        f"rejected    {rejected}",
        f"open alerts {alerts_open}",
        f"lag         {found.lag} records in {len(found.partitions)} partitions, {found.dirty} dirty marks",
    ]
    out += [f"  {each.topic}/{each.partition}: {each.position} of {each.end}" for each in found.partitions if each.lag]
    for service in found.services:
        state = "ready" if service.ready else "not ready" if service.alive else "no answer"
        reasons = "; ".join(f"{name}: {reason}" for name, reason in service.reasons.items())
        out.append(f"service     {service.name}: {state}" + (f" ({reasons})" if reasons else ""))
    out += [f"problem     {problem}" for problem in found.problems]
    return "\n".join(out)
