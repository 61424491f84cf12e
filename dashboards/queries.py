"""The SQL that reads. Every function takes a connection, runs one statement and returns plain values.

Counts of readings come from the sink's own counters, which its transactions keep exact: counting the rows of a
hypertable would read all of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from runtime.database import AsyncConnection

VERSIONS = """
SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
    (SELECT name FROM public.vigil_migrations ORDER BY number DESC LIMIT 1)
"""

SIZE = "SELECT current_database(), pg_database_size(current_database())"


class Latest(NamedTuple):
    """The newest reading of one device and metric by event time, clock-suspect ones left out; value as received."""

    patient: UUID
    label: str | None
    site: int
    device: UUID
    metric: int
    value: float
    unit: int
    flags: int
    observed_at: datetime
    received_at: datetime


class Position(NamedTuple):
    """How far the sink has stored one partition (next offset), and what became of its rows."""

    topic: str
    partition: int
    position: int
    stored: int
    duplicates: int
    conflicts: int
    broken: int


LATEST = """
SELECT r.patient, p.label, r.site, r.device, r.metric, r.value, r.unit, r.flags, r.observed_at, r.received_at
FROM vigil.devices AS d
CROSS JOIN unnest(%s::smallint[]) AS m (code)
CROSS JOIN LATERAL (
    SELECT * FROM vigil.readings
    WHERE device = d.id AND metric = m.code AND flags & %s = 0
    ORDER BY observed_at DESC LIMIT 1
) AS r
LEFT JOIN vigil.patients AS p ON p.id = r.patient
ORDER BY p.label, r.metric, d.name
"""
OPEN_ALERTS = """
SELECT body FROM vigil.alerts WHERE NOT closed
ORDER BY array_position(ARRAY['high', 'medium', 'low'], priority), opened_at, id
LIMIT %s
"""
OPEN_BY_PRIORITY = "SELECT priority, count(*) FROM vigil.alerts WHERE NOT closed GROUP BY priority"
REJECTED_BY_REASON = "SELECT reason, count(*) FROM vigil.rejected GROUP BY reason ORDER BY reason"
POSITIONS = """
SELECT topic, partition, position, stored, duplicates, conflicts, broken FROM vigil.sink_positions
WHERE cluster = %s ORDER BY topic, partition
"""
DIRTY_MARKS = "SELECT count(*) FROM vigil.dirty_windows"
COUNTS = """
SELECT 'readings', coalesce(sum(stored), 0)::bigint FROM vigil.sink_positions
UNION ALL SELECT 'windows', count(*) FROM vigil.windows
UNION ALL SELECT 'alerts', count(*) FROM vigil.alerts
UNION ALL SELECT 'alert_changes', count(*) FROM vigil.alert_changes
UNION ALL SELECT 'rejected', count(*) FROM vigil.rejected
UNION ALL SELECT 'patients', count(*) FROM vigil.patients
UNION ALL SELECT 'devices', count(*) FROM vigil.devices
UNION ALL SELECT 'sites', count(*) FROM vigil.sites
"""


async def latest(connection: AsyncConnection, metrics: list[int], suspect_flag: int) -> list[Latest]:
    """The newest reading of every device for the given metric numbers, ordered by patient."""
    return [Latest(*row) for row in await _rows(connection, LATEST, [metrics, suspect_flag])]


async def open_alerts(connection: AsyncConnection, limit: int) -> list[dict[str, Any]]:
    """The alerts that are not closed, whole, the most urgent first."""
    return [body for (body,) in await _rows(connection, OPEN_ALERTS, [limit])]


async def open_by_priority(connection: AsyncConnection) -> dict[str, int]:
    """How many alerts are not closed, by priority."""
    return dict(await _rows(connection, OPEN_BY_PRIORITY))


async def rejected_by_reason(connection: AsyncConnection) -> dict[str, int]:
    """How many records were rejected, by reason; conflicts among them."""
    return dict(await _rows(connection, REJECTED_BY_REASON))


async def versions(connection: AsyncConnection) -> dict[str, str]:
    """The versions of the server, of TimescaleDB where it is there, and of the schema."""
    cursor = await connection.execute(VERSIONS)
    ((postgres, timescale, schema),) = await cursor.fetchall()
    return {"PostgreSQL": postgres, "TimescaleDB": timescale or "n/a: not in this database", "schema": schema or "none"}


async def size(connection: AsyncConnection) -> tuple[str, int]:
    """The database's name, and what it takes on its disk (bytes)."""
    ((name, taken),) = await _rows(connection, SIZE)
    return str(name), int(taken)


async def positions(connection: AsyncConnection, log: str) -> list[Position]:
    """The sink's positions in one log (see ``runtime/database_log.py``), by topic and partition."""
    return [Position(*row) for row in await _rows(connection, POSITIONS, [log])]


async def counts(connection: AsyncConnection) -> dict[str, int]:
    """Rows stored, by table."""
    return dict(await _rows(connection, COUNTS))


async def dirty_marks(connection: AsyncConnection) -> int:
    """How many dirty marks wait for their windows to be computed again."""
    ((count,),) = await _rows(connection, DIRTY_MARKS)
    return int(count)


async def _rows(connection: AsyncConnection, statement: str, values: list[Any] | None = None) -> list[Any]:
    cursor = await connection.execute(statement.encode(), values)
    return await cursor.fetchall()
