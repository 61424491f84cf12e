"""What the database has of a load test: the sink's positions while it runs, and the rows themselves at its end."""

from __future__ import annotations

from typing import NamedTuple

from compose.load.logs import Ledger
from dashboards.chart_queries import instant
from runtime.clock import Clock
from runtime.database import AsyncConnection
from simulators.load.plan import name_of
from vitals.topics import READINGS, device_id

POLL_S = 0.05
"""How often positions are asked for, which is how exact ``to_stored`` is."""
POSITIONS = "SELECT partition, position FROM vigil.sink_positions WHERE topic = %s"
ROWS = """
SELECT count(*), count(DISTINCT (device, metric, observed_at)) FROM vigil.readings
WHERE device = ANY(%s::uuid[]) AND observed_at >= %s AND observed_at < %s
"""


class Stored(NamedTuple):
    """Rows of the run in the database, and how many of them are different readings."""

    rows: int
    distinct: int


async def watch(connection: AsyncConnection, ledger: Ledger, clock: Clock) -> None:
    """Follow the sink's positions, for ever; ``connection`` is in autocommit."""
    while True:
        cursor = await connection.execute(POSITIONS.encode(), [READINGS])
        found = await cursor.fetchall()
        now = clock.now_us()
        for partition, position in found:
            ledger.store(partition, position, now)
        await clock.sleep(POLL_S)


async def stored(connection: AsyncConnection, ledger: Ledger) -> Stored:
    """What the database has of the run."""
    ids = [device_id(name_of(index)) for index in range(ledger.plan.patients)]
    cursor = await connection.execute(
        ROWS.encode(), [ids, instant(ledger.start), instant(ledger.start + ledger.plan.length_us)]
    )
    row = await cursor.fetchone()
    assert row is not None
    return Stored(*row)
