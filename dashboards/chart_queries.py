"""The SQL behind charts and sparklines. Rows come packed: one value of bytes, so that no Python is spent per row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from runtime.database import AsyncConnection
from vitals.policies import Policy

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

RAW_SERIES = """
SELECT count(*), coalesce(string_agg(timestamptz_send(e) || float8send(value) || int2send(unit) || int4send(flags),
    ''::bytea), ''::bytea)
FROM (
    SELECT e, value, unit, flags FROM vigil.readings
    WHERE patient = %s AND metric = %s AND e >= %s AND e < %s AND flags & 256 = 0 ORDER BY e LIMIT %s
) AS r
"""
ROLLED_SERIES = """
SELECT coalesce(string_agg(timestamptz_send(bucket) || timestamptz_send(first_at) || timestamptz_send(last_at)
    || float8send(min) || float8send(max) || float8send(last) || int4send(n) || int2send(marks), ''::bytea), ''::bytea)
FROM (
    SELECT * FROM vigil.rollups
    WHERE patient = %s AND metric = %s AND width = %s AND bucket >= %s AND bucket < %s ORDER BY bucket
) AS r
"""
SPARKS = """
SELECT w.patient, w.metric, extract(epoch FROM r.last_at)::float8, r.last
FROM unnest(%s::uuid[]) AS p (patient) CROSS JOIN unnest(%s::smallint[]) AS m (metric)
CROSS JOIN LATERAL (SELECT p.patient, m.metric) AS w
CROSS JOIN LATERAL (
    SELECT last_at, last FROM vigil.rollups AS s
    WHERE s.patient = w.patient AND s.metric = w.metric AND s.width = 300 AND s.n > 0 ORDER BY bucket DESC LIMIT %s
) AS r
ORDER BY 1, 2, 3
"""
NEWEST = """
SELECT r.patient, r.device, r.metric, extract(epoch FROM r.observed_at)::numeric, extract(epoch FROM r.received_at)
    ::numeric, r.value, r.unit, r.flags, r.site
FROM unnest(%s::uuid[]) AS p (patient) CROSS JOIN unnest(%s::smallint[]) AS m (metric)
CROSS JOIN LATERAL (
    SELECT * FROM vigil.readings AS s WHERE s.patient = p.patient AND s.metric = m.metric ORDER BY e DESC LIMIT 1
) AS r
"""


POLICIES = """
SELECT (extract(epoch FROM from_at) * 1000000)::bigint, policy::text FROM vigil.policies
WHERE patient = %s AND from_at < %s ORDER BY log, v_offset, version
"""


class Stored(NamedTuple):
    """The newest stored reading of a patient and metric, as in its row; times µs."""

    patient: UUID
    device: UUID
    metric: int
    observed_at: int
    received_at: int
    value: float
    unit: int
    flags: int
    site: int


def instant(at_us: int) -> datetime:
    """A time (µs UTC) for the database."""
    return _EPOCH + timedelta(microseconds=at_us)


async def policies(connection: AsyncConnection, patient: UUID, end: int) -> list[tuple[int, Policy]]:
    """The policies of a patient that began before ``end`` (µs), in the order of the log: (from µs, policy)."""
    cursor = await connection.execute(POLICIES, [patient, instant(end)])
    return [(from_at, Policy.model_validate_json(body)) for from_at, body in await cursor.fetchall()]


async def raw_series(
    connection: AsyncConnection, patient: UUID, metric: int, span: tuple[int, int], limit: int
) -> tuple[int, bytes]:
    """The readings of a span [begin, end) µs of event time, at most ``limit``: how many, and as `series.RAW` rows."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(RAW_SERIES, [patient, metric, *map(instant, span), limit])
    row = await cursor.fetchone()
    return (int(row[0]), bytes(row[1])) if row else (0, b"")


async def rolled_series(
    connection: AsyncConnection, patient: UUID, metric: int, span: tuple[int, int], width_s: int
) -> bytes:
    """The stored roll-ups of ``width_s`` that begin in a span [begin, end) µs, as `dashboards.series.ROLLUP` rows."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(ROLLED_SERIES, [patient, metric, width_s, *map(instant, span)])
    row = await cursor.fetchone()
    return bytes(row[0]) if row else b""


async def sparks(
    connection: AsyncConnection, patients: Sequence[UUID], metrics: Sequence[int], points: int
) -> list[tuple[UUID, int, int, float]]:
    """The newest ``points`` five minutes of each patient and metric: (patient, metric, time µs, last value)."""
    cursor = await connection.execute(SPARKS, [list(patients), list(metrics), points])
    return [(patient, metric, round(at * 1_000_000), last) for patient, metric, at, last in await cursor.fetchall()]


async def newest(connection: AsyncConnection, patients: Sequence[UUID], metrics: Sequence[int]) -> list[Stored]:
    """The newest stored reading of each patient and metric."""
    cursor = await connection.execute(NEWEST, [list(patients), list(metrics)])
    return [
        Stored(patient, device, metric, int(seen * 1_000_000), int(came * 1_000_000), value, unit, flags, site)
        for patient, device, metric, seen, came, value, unit, flags, site in await cursor.fetchall()
    ]
