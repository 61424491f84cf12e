"""Keeping `alerts.patients.Patients` in step with ``registry.bindings``."""

from __future__ import annotations

import asyncio

from alerts.patients import Patients
from runtime.kafka import Reader
from vitals.errors import ServerStalled
from vitals.topics import BINDINGS

CATCH_UP_SECONDS_MAX = 60.0
"""The topic is compacted: a record for each site, device and patient."""


async def catch_up(reader: Reader, patients: Patients) -> None:
    """Read ``registry.bindings`` to its end as it is now.

    Raises:
        ServerStalled: it cannot be read to its end in time.
    """
    end = (await reader.end_offsets())[BINDINGS, 0]
    try:
        async with asyncio.timeout(CATCH_UP_SECONDS_MAX):
            while await reader.position(BINDINGS, 0) < end:
                for records in await reader.poll(0.5):
                    patients.take(records.keys, records.values)
    except TimeoutError:
        raise ServerStalled("the registry cannot be read to its end", BINDINGS, "look at Kafka's log") from None


async def follow(reader: Reader, patients: Patients) -> None:
    """Take what the registry says from now on, for ever."""
    while True:
        for records in await reader.poll(1.0):
            patients.take(records.keys, records.values)
