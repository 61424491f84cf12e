"""The SQL that writes alerts, rejections, devices, sites and patients: one statement per table and batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime.database import AsyncConnection
from stream.sink_messages import Aside, Change, PolicyVersion, Registered, Rejected, clamp, clean, latest_alerts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ADD_CHANGES = """
INSERT INTO vigil.alert_changes (log, partition, v_offset, v_ordinal, alert, change, at, announced, patient, site, body)
SELECT %s, * FROM unnest(%s::int[], %s::bigint[], %s::int[], %s::uuid[], %s::text[], %s::timestamptz[], %s::bool[],
    %s::uuid[], %s::int[], %s::jsonb[])
ON CONFLICT DO NOTHING
"""
MERGE_ALERTS = """
INSERT INTO vigil.alerts AS t (log, id, v_offset, v_ordinal, patient, label, site, metric, rule, category, level,
    priority, condition, response, opened_at, announced_at, closed, body)
SELECT %s, * FROM unnest(%s::uuid[], %s::bigint[], %s::int[], %s::uuid[], %s::text[], %s::int[], %s::text[], %s::text[],
    %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bool[],
    %s::jsonb[])
ON CONFLICT (id) DO UPDATE SET log = excluded.log, v_offset = excluded.v_offset, v_ordinal = excluded.v_ordinal,
    patient = excluded.patient, label = excluded.label, site = excluded.site, metric = excluded.metric,
    rule = excluded.rule, category = excluded.category, level = excluded.level, priority = excluded.priority,
    condition = excluded.condition, response = excluded.response, opened_at = excluded.opened_at,
    announced_at = excluded.announced_at, closed = excluded.closed, body = excluded.body
WHERE excluded.log <> t.log OR (excluded.v_offset, excluded.v_ordinal) > (t.v_offset, t.v_ordinal)
"""
ADD_SET_ASIDE = """
INSERT INTO vigil.set_aside (log, partition, v_offset, v_ordinal, kind, patient, site, at, until, ended, by, body)
SELECT %s, * FROM unnest(%s::int[], %s::bigint[], %s::int[], %s::text[], %s::uuid[], %s::int[], %s::timestamptz[],
    %s::timestamptz[], %s::bool[], %s::text[], %s::jsonb[])
ON CONFLICT DO NOTHING
"""
ADD_POLICIES = """
INSERT INTO vigil.policies (log, partition, v_offset, patient, version, from_at, policy)
SELECT %s, * FROM unnest(%s::int[], %s::bigint[], %s::uuid[], %s::int[], %s::timestamptz[], %s::jsonb[])
ON CONFLICT DO NOTHING
"""
ADD_REJECTED = """
INSERT INTO vigil.rejected (log, log_partition, log_offset, received_at, device, topic, reason, detail, length, digest,
    payload, source)
SELECT %s, * FROM unnest(%s::int[], %s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::bigint[], %s::text[], %b::bytea[], %s::text[])
ON CONFLICT DO NOTHING
"""
MERGE_SITES = """
INSERT INTO vigil.sites AS t (log, number, v_offset, name)
SELECT %s, * FROM unnest(%s::int[], %s::bigint[], %s::text[])
ON CONFLICT (number) DO UPDATE SET log = excluded.log, v_offset = excluded.v_offset, name = excluded.name
WHERE excluded.log <> t.log OR excluded.v_offset > t.v_offset
"""
MERGE_DEVICES = """
INSERT INTO vigil.devices AS t (log, id, v_offset, name, type, site, body)
SELECT %s, * FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::int[], %s::jsonb[])
ON CONFLICT (id) DO UPDATE SET log = excluded.log, v_offset = excluded.v_offset, name = excluded.name,
    type = excluded.type, site = excluded.site, body = excluded.body
WHERE excluded.log <> t.log OR excluded.v_offset > t.v_offset
"""
MERGE_PATIENTS = """
INSERT INTO vigil.patients AS t (log, v_offset, id, label, site, bed, control)
SELECT %s, * FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::int[], %s::text[], %s::jsonb[])
ON CONFLICT (id) DO UPDATE SET log = excluded.log, v_offset = excluded.v_offset, label = excluded.label,
    site = excluded.site, bed = CASE WHEN excluded.control IS NULL THEN t.bed ELSE excluded.bed END,
    control = coalesce(excluded.control, t.control)
WHERE excluded.log <> t.log OR excluded.v_offset > t.v_offset
"""


async def write_changes(connection: AsyncConnection, log: int, changes: Sequence[Change]) -> None:
    """Add every change of alerts once, and bring the alerts to their latest version."""
    rows = [
        (change.partition, *change.version, alert.id, alert.change, instant(alert.at), alert.announced, alert.patient,
         alert.site, change.body)
        for change in changes for alert in (change.alert,)
    ]  # fmt: skip
    await _insert(connection, ADD_CHANGES, log, rows)
    latest = [
        (alert.id, *change.version, alert.patient, clean(alert.label), alert.site, _clean(alert.metric),
         clean(alert.rule), alert.category, alert.level, alert.priority, alert.condition, alert.response,
         instant(alert.opened_at), instant(alert.announced_at), alert.closed, change.body)
        for change in latest_alerts(changes) for alert in (change.alert,)
    ]  # fmt: skip
    await _insert(connection, MERGE_ALERTS, log, latest)


async def write_set_aside(connection: AsyncConnection, log: int, set_aside: Sequence[Aside]) -> None:
    """Add every change of a shelf or of a time out of service once."""
    rows = [
        (each.partition, *each.version, each.what.kind, each.what.patient, each.what.site, instant(each.what.since),
         instant(each.what.until), each.what.ended, clean(each.what.by), each.body)
        for each in set_aside
    ]  # fmt: skip
    await _insert(connection, ADD_SET_ASIDE, log, rows)


async def write_policies(connection: AsyncConnection, log: int, policies: Sequence[PolicyVersion]) -> None:
    """Add every version of a patient's policy once."""
    rows = [
        (each.partition, each.offset, each.patient, each.version, instant(each.from_at), each.body)
        for each in sorted(policies, key=lambda each: (each.patient, each.version))
    ]
    await _insert(connection, ADD_POLICIES, log, rows)


async def write_rejected(connection: AsyncConnection, log: int, rejected: Sequence[Rejected]) -> None:
    """Add every rejection once: by its place in the log, and by its source where it has one."""
    rows = [each._replace(received_at=None) for each in rejected]
    times = [None if each.received_at is None else instant(each.received_at) for each in rejected]
    with_times = [(*row[:2], time, *row[3:]) for row, time in zip(rows, times, strict=True)]
    await _insert(connection, ADD_REJECTED, log, with_times)


async def write_registered(connection: AsyncConnection, log: int, found: Registered) -> None:
    """Bring sites, devices and patients to their latest version."""
    sites = [(number, offset, site.name) for number, (offset, site) in sorted(found.sites.items())]
    await _insert(connection, MERGE_SITES, log, sites)
    devices = [
        (key, version.offset, clean(version.device.name), clean(version.device.type.name), version.device.site,
         version.body)
        for key, version in sorted(found.devices.items())
    ]  # fmt: skip
    await _insert(connection, MERGE_DEVICES, log, devices)
    patients = [
        (each.offset, each.id, clean(each.label), each.site, clean(each.bed), each.control)
        for _, each in sorted(found.patients.items())
    ]
    await _insert(connection, MERGE_PATIENTS, log, patients)


async def _insert(connection: AsyncConnection, statement: str, log: int, rows: Iterable[tuple[Any, ...]]) -> None:
    if columns := [list(column) for column in zip(*rows, strict=True)]:
        await connection.execute(statement.encode(), [log, *columns])


def instant(at_us: int) -> datetime:
    """The time (µs UTC) for a ``timestamptz`` column, moved into the calendar where it lies beyond."""
    return _EPOCH + timedelta(microseconds=clamp(at_us))


def _clean(text: str | None) -> str | None:
    return None if text is None else clean(text)
