"""The SQL behind the history: changes of alerts, of shelves and of times out of service.

A scope is a list of site numbers, None for every site.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from dashboards.chart_queries import instant
from runtime.database import AsyncConnection
from vitals import alerts
from vitals.alerts import Alert, Service, Shelf
from vitals.proof import RULE


class Row(NamedTuple):
    """One stored change: its place in the order of all changes, and the whole thing after it."""

    at_us: int
    log: int
    partition: int
    offset: int
    ordinal: int
    what: Alert | Shelf | Service


_PLACE = "(extract(epoch FROM at) * 1000000)::bigint, log, partition, v_offset, v_ordinal, body::text"
_NEWEST = "ORDER BY at DESC, log DESC, partition DESC, v_offset DESC, v_ordinal DESC LIMIT %(limit)s"
_NEWEST_ASIDE = _NEWEST.replace("BY at", "BY changed_at")
_ALERT = "SELECT at, log, partition, v_offset, v_ordinal, body FROM vigil.alert_changes AS c"
_ASIDE = "SELECT changed_at, log, partition, v_offset, v_ordinal, body FROM vigil.set_aside"
PATIENT_CHANGES = f"""
SELECT {_PLACE} FROM (
    ({_ALERT}
    WHERE patient = %(patient)s AND at >= %(begin)s AND at < %(end)s AND body ->> 'rule' <> '{RULE}' {_NEWEST})
    UNION ALL
    ({_ASIDE} WHERE patient = %(patient)s AND changed_at >= %(begin)s AND changed_at < %(end)s {_NEWEST_ASIDE})
) AS found (at, log, partition, v_offset, v_ordinal, body) {_NEWEST}
"""  # noqa: S608  names of our own columns
PATIENT_ALERTS = f"""
SELECT body::text FROM vigil.alerts
WHERE patient = %s AND opened_at < %s AND rule <> '{RULE}'
    AND (NOT closed OR (body ->> 'at')::bigint >= %s)
ORDER BY opened_at DESC, id DESC LIMIT %s
"""  # noqa: S608  a constant of our own
_IN_SCOPE = "(%(sites)s::int[] IS NULL OR site = ANY(%(sites)s))"
_BEFORE = "(%(at)s::timestamptz, %(log)s, %(partition)s, %(offset)s, %(ordinal)s)"
CHANGES = f"""
SELECT {_PLACE} FROM (
    ({_ALERT}
    WHERE at >= %(begin)s AND at < %(end)s AND {_IN_SCOPE} AND body ->> 'rule' <> '{RULE}'
        AND (at, log, partition, v_offset, v_ordinal) < {_BEFORE}
        AND (%(open)s::bool IS NULL
            OR EXISTS (SELECT 1 FROM vigil.alerts AS a WHERE a.id = c.alert AND a.closed <> %(open)s)) {_NEWEST})
    UNION ALL
    ({_ASIDE} WHERE changed_at >= %(begin)s AND changed_at < %(end)s AND {_IN_SCOPE} AND %(open)s::bool IS NULL
        AND (changed_at, log, partition, v_offset, v_ordinal) < {_BEFORE} {_NEWEST_ASIDE})
) AS found (at, log, partition, v_offset, v_ordinal, body) {_NEWEST}
"""  # noqa: S608  names of our own columns
SET_ASIDE = """
SELECT body::text FROM (
    SELECT DISTINCT ON (kind, body ->> 'id') * FROM vigil.set_aside
    WHERE patient = %s ORDER BY kind, body ->> 'id', log DESC, v_offset DESC, v_ordinal DESC
) AS latest
WHERE NOT ended AND until > %s
"""

Place = tuple[int, int, int, int, int]
"""Where a change stands in the order of all: time µs, log, partition, offset, ordinal."""


async def patient_changes(connection: AsyncConnection, patient: UUID, begin: int, end: int, limit: int) -> list[Row]:
    """A patient's changes in [begin, end) µs, the newest of them where they are too many, newest first."""
    values = {"patient": patient, "begin": instant(begin), "end": instant(end), "limit": limit}
    return await _changes(connection, PATIENT_CHANGES, values)


async def patient_alerts(connection: AsyncConnection, patient: UUID, begin: int, end: int, limit: int) -> list[Alert]:
    """A patient's alerts that were there at some time in [begin, end) µs, as they are now, the last opened first."""
    cursor = await connection.execute(PATIENT_ALERTS.encode(), [patient, instant(end), begin, limit])
    return [Alert.model_validate_json(body) for (body,) in await cursor.fetchall()]


async def changes(
    connection: AsyncConnection,
    sites: Sequence[int] | None,
    span: tuple[int, int],
    before: Place,
    limit: int,
    *,
    is_open: bool | None = None,
) -> list[Row]:
    """Changes in a scope and span of time that come before a place, newest first; ``is_open``: only of such alerts."""
    at, log, partition, offset, ordinal = before
    values = {
        "begin": instant(span[0]), "end": instant(span[1]), "sites": None if sites is None else list(sites),
        "at": instant(at), "log": log, "partition": partition, "offset": offset, "ordinal": ordinal,
        "open": is_open, "limit": limit,
    }  # fmt: skip
    return await _changes(connection, CHANGES, values)


async def set_aside(connection: AsyncConnection, patient: UUID, now_us: int) -> tuple[Service | None, list[Shelf]]:
    """Whether a patient is out of service at a time, and which of their rules are shelved."""
    cursor = await connection.execute(SET_ASIDE, [patient, instant(now_us)])
    found = [alerts.decode(body.encode()) for (body,) in await cursor.fetchall()]
    services = [each for each in found if isinstance(each, Service)]
    return (services[0] if services else None), [each for each in found if isinstance(each, Shelf)]


async def _changes(connection: AsyncConnection, statement: str, values: dict[str, Any]) -> list[Row]:
    cursor = await connection.execute(statement.encode(), values)
    return [
        Row(at, log, partition, offset, ordinal, what)
        for at, log, partition, offset, ordinal, body in await cursor.fetchall()
        if isinstance(what := alerts.decode(body.encode()), Alert | Shelf | Service)
    ]
