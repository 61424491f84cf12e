"""Takes the records of a ward on duty: its rows in the log, its rows and changes in the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from compose.drills.accounts import Identity, Told
from compose.drills.watching import stored
from runtime.clock import Clock
from runtime.database import connect
from runtime.kafka import Reader
from runtime.settings import Settings
from vitals.alerts import Alert
from vitals.readings import decode
from vitals.steps import Records
from vitals.topics import CONTROL_HEADER, READINGS

POLL_S = 0.1
Condition = Callable[[], bool]

STORED = """
SELECT device, metric, (extract(epoch FROM observed_at) * 1000000)::bigint FROM vigil.readings
WHERE device = ANY(%s::uuid[])
"""
CHANGES = "SELECT body FROM vigil.alert_changes WHERE patient = ANY(%s::uuid[])"
REJECTED = "SELECT count(*) FROM vigil.rejected"


class Kept(NamedTuple):
    """What the database holds: readings and changes of some devices and patients, and all that was rejected."""

    readings: list[Identity]
    changes: list[Told]
    rejected: int


async def within(seconds: float, done: Condition, clock: Clock) -> bool:
    """Wait for a condition; False where it does not hold after so many seconds."""
    deadline = clock.monotonic() + seconds
    while not done():
        if clock.monotonic() > deadline:
            return False
        await clock.sleep(POLL_S)
    return True


async def logged(
    settings: Settings, devices: set[UUID], wanted: set[Identity], clock: Clock, seconds: float
) -> dict[UUID, list[Identity]]:
    """Rows of some devices in the order of the log, read to its present end and on until all of ``wanted`` are there;
    what is not after so many seconds is missing.

    Raises:
        ServerError: Kafka does not answer.
    """
    found: dict[UUID, list[Identity]] = {device: [] for device in devices}
    missing = set(wanted)
    deadline = clock.monotonic() + seconds
    async with Reader(settings, [(READINGS, partition) for partition in range(settings.partitions)]) as reader:
        behind = {key: end for key, end in (await reader.end_offsets()).items() if end > 0}
        while (behind or missing) and clock.monotonic() < deadline:
            for records in await reader.poll(POLL_S):
                key = (records.topic, records.partition)
                for identity in _identities(records, devices):
                    found[identity.device].append(identity)
                    missing.discard(identity)
                if records.offsets[-1] + 1 >= behind.get(key, 0):
                    behind.pop(key, None)
    return found


def _identities(records: Records, devices: set[UUID]) -> list[Identity]:
    values = zip(records.values, records.headers, strict=True)
    rows = decode([value for value, headers in values if all(name != CONTROL_HEADER for name, _ in headers)])
    ids = [UUID(bytes=device.tobytes()) for device in rows["device"]]
    columns = zip(ids, rows["metric"].tolist(), rows["observed_at"].tolist(), strict=True)
    return [Identity(*each) for each in columns if each[0] in devices]


async def kept(settings: Settings, devices: set[UUID], patients: set[UUID], clock: Clock) -> Kept:
    """Wait until the sink has stored all that the log holds now, and read it.

    Raises:
        ServerStalled: the sink does not catch up.
        DatabaseUnavailable: the database cannot be reached.
    """
    async with await connect(settings.database_url, autocommit=True, application="vigil drill") as database:
        await stored(settings, database, clock)
        cursor = await database.execute(STORED, [[str(device) for device in devices]])
        readings = [Identity(*row) for row in await cursor.fetchall()]
        cursor = await database.execute(CHANGES, [[str(patient) for patient in patients]])
        alerts = [Alert.model_validate(body) for (body,) in await cursor.fetchall()]
        cursor = await database.execute(REJECTED)
        row = await cursor.fetchone()
    assert row is not None
    return Kept(readings, [Told.of(alert) for alert in alerts], row[0])
