"""A ward's past, written into the database at once: what the sink would have stored of it, laid out as it would be.

Rows lie in the order of time, patients side by side, for the sink stores them as they come: a chart then finds its
rows on as many pages as it would after two weeks of a live ward. Roll-ups are made by the statement with which the
migration made them of readings that were there before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

from compose.drills.frame import Tell
from dashboards.chart_queries import instant
from runtime.database import AsyncConnection, read_migrations
from vitals.errors import StateError
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US, Metric
from vitals.topics import device_id

DAYS = 14
DAY_US = 24 * 60 * MINUTE_US
METRICS = (HEART_RATE, GLUCOSE)
GLUCOSE_EVERY_S = 300
HIGH = {HEART_RATE.name: 210, GLUCOSE.name: 350}
LOW = {HEART_RATE.name: 30, GLUCOSE.name: 45}
"""What each patient's one high and one low begin at; all else is between 50 and 110, and 70 and 180."""

MIGRATED = "INSERT INTO vigil.rollups"
FILL = """
INSERT INTO vigil.readings
    (patient, device, metric, observed_at, received_at, value, unit, flags, seq, site, e, log_partition, log_offset)
SELECT patient, device, metric, at, at + interval '200 ms', value, unit, 0, mod(s::bigint, 65536), site, at, 0, 0
FROM (
    SELECT p.*, m.metric, m.unit, s, at + place * interval '100 ms' AS at, CASE m.metric
        WHEN 1 THEN round(72 + mod(place, 9) + 10 * sin(s / 13751 + place) + 6 * sin(s / 207) + 4 * sin(s * 1.7))
        ELSE round(125 + 15 * sin(s / 13751 + place) + 35 * sin(s / 2292 + place) + 4 * sin(s / 111)) END AS value
    FROM unnest(%s::smallint[], %s::smallint[], %s::integer[]) AS m (metric, unit, every_s)
    CROSS JOIN LATERAL generate_series(%s::timestamptz, %s::timestamptz - interval '1 us', every_s * interval '1 s')
        AS t (at)
    CROSS JOIN LATERAL (SELECT extract(epoch FROM at)::float8) AS seconds (s)
    CROSS JOIN unnest(%s::uuid[], %s::uuid[], %s::integer[]) WITH ORDINALITY AS p (patient, device, site, place)
) AS r
ORDER BY at
"""
PLANT = """
INSERT INTO vigil.readings
    (patient, device, metric, observed_at, received_at, value, unit, flags, seq, site, e, log_partition, log_offset)
SELECT patient, device, metric, at, at + interval '200 ms', value, unit, 0, 0, site, at, 0, 0
FROM unnest(%s::uuid[], %s::uuid[], %s::smallint[], %s::timestamptz[], %s::float8[], %s::smallint[], %s::integer[])
    AS p (patient, device, metric, at, value, unit, site)
"""
COUNTS = """
SELECT (SELECT count(*) FROM vigil.readings WHERE patient = ANY(p)), count(*),
    coalesce(sum(n) FILTER (WHERE width = 60), 0), coalesce(sum(n) FILTER (WHERE width = 300), 0)
FROM (SELECT %s::uuid[] AS p) AS given LEFT JOIN vigil.rollups ON patient = ANY(p)
GROUP BY p
"""
KIND = """
SELECT split_part(current_setting('server_version'), ' ', 1),
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')
"""


@dataclass(frozen=True, slots=True)
class Bed:
    """A patient of the ward, and the device whose readings are written."""

    patient: UUID
    label: str
    device: str
    site: int


@dataclass(frozen=True, slots=True)
class Spike:
    """One reading far from all others; ``at`` is its event time, µs UTC."""

    bed: Bed
    metric: Metric
    at: int
    value: float
    high: bool


def spikes(beds: Sequence[Bed], begin: int, end: int) -> list[Spike]:
    """A high and a low of each metric for each patient, each at another moment within [begin, end) µs."""
    found = []
    for place, bed in enumerate(beds):
        part = (place + 0.5) / len(beds)
        for metric in METRICS:
            for high, share in ((True, 0.1 + 0.8 * part), (False, 0.9 - 0.7 * part)):
                # between two beats of the history, at a time that no other reading has
                at = begin + int((end - begin) * share) // SECOND_US * SECOND_US + 567_891
                value = (HIGH if high else LOW)[metric.name] + place % 20
                found.append(Spike(bed, metric, at, value, high))
    return found


async def write(
    connection: AsyncConnection, beds: Sequence[Bed], end: int, *, heart_rate_every_s: int, tell: Tell
) -> list[Spike]:
    """Write `DAYS` days that end at ``end`` (µs UTC), and their roll-ups; what was planted in them.

    Raises:
        StateError: the database holds readings already.
    """
    if (await counts(connection, beds))["readings"]:
        raise StateError("the database has readings of these patients", "", "give the drill an empty one")
    begin = end - DAYS * DAY_US
    metrics = [[each.code for each in METRICS], [each.unit for each in METRICS], [heart_rate_every_s, GLUCOSE_EVERY_S]]
    columns = [[bed.patient for bed in beds], [device_id(bed.device) for bed in beds], [bed.site for bed in beds]]
    for day in range(DAYS):
        span = [instant(begin + (day + more) * DAY_US) for more in (0, 1)]
        await connection.execute(FILL, [*metrics, *span, *columns])
        tell(f"day {day + 1} of {DAYS} is in the database")
    planted = spikes(beds, begin, end)
    await connection.execute(PLANT, _columns(planted))
    tell("rolling up")
    await connection.execute("SET work_mem = '256MB'")
    await connection.execute(_roll_up().encode())
    # what the database does by itself in the course of two weeks
    await connection.execute("VACUUM (ANALYZE) vigil.readings, vigil.rollups")
    return planted


async def counts(connection: AsyncConnection, beds: Sequence[Bed]) -> dict[str, int]:
    """How many rows these patients have, and how many readings their roll-ups of each width hold; at one moment."""
    found = map(int, await _one(connection, COUNTS, [bed.patient for bed in beds]))
    return dict(zip(("readings", "roll_ups", "readings_in_minutes", "readings_in_five_minutes"), found, strict=True))


async def kind(connection: AsyncConnection) -> str:
    """Which database this is."""
    version, timescale = await _one(connection, KIND)
    return f"PostgreSQL {version}, " + (f"TimescaleDB {timescale}" if timescale else "plain")


def _roll_up() -> str:
    migrations = read_migrations(Path(str(files("runtime") / "migrations")))
    text = next(each.text for each in migrations if MIGRATED in each.text)
    begin = text.index(MIGRATED)
    # what has come through the sink meanwhile, as proofs of life do, it has rolled up itself
    return text[begin : text.index(";", begin)] + "\nORDER BY bucket, width, patient, metric ON CONFLICT DO NOTHING"


def _columns(planted: Sequence[Spike]) -> list[list[Any]]:
    return [
        [each.bed.patient for each in planted],
        [device_id(each.bed.device) for each in planted],
        [each.metric.code for each in planted],
        [instant(each.at) for each in planted],
        [each.value for each in planted],
        [each.metric.unit for each in planted],
        [each.bed.site for each in planted],
    ]


async def _one(connection: AsyncConnection, sql: str, *values: object) -> tuple[Any, ...]:
    row = await (await connection.execute(sql.encode(), values)).fetchone()
    assert row is not None
    return row
