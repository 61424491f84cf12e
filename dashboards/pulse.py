"""Reads the ends of journal and feed for the operations page: a few records a second, far from where alarms run."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dashboards.settings import DashboardSettings
from runtime.clock import Clock
from runtime.kafka import Reader, Records
from vitals.errors import ServerError
from vitals.topics import FEED, JOURNAL

log = logging.getLogger("vigil.pulse")

RETRY_SECONDS = 5.0
LOOK_SECONDS = 1.0
"""Between two looks; the times that count stand in the records."""


async def follow(settings: DashboardSettings, clock: Clock, saw: Callable[[Records], None]) -> None:
    """Tell ``saw`` what comes from now on, for ever; again from its end after Kafka was away."""
    partitions = [(topic, number) for topic in (JOURNAL, FEED) for number in range(settings.partitions)]
    while True:
        try:
            async with Reader(settings, partitions) as reader:
                for (topic, number), end in (await reader.end_offsets()).items():
                    reader.seek(topic, number, end)
                while True:
                    for records in await reader.poll(1.0):
                        saw(records)
                    await clock.sleep(LOOK_SECONDS)
        except ServerError as error:
            log.warning("%s; latencies of journal and feed wait", error)
            await clock.sleep(RETRY_SECONDS)
