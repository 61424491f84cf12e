"""Lets a log lose its beginning: what is older than it has to be kept, and lies before the snapshots of who reads it.

Kafka's own retention knows no snapshots. A stack that was away for longer than it lasts would find its log cut behind
its last snapshot, and could never start again; so topics keep everything, and who owns a partition shortens it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import structlog

from runtime.kafka import Partition, Reader, delete_records
from vitals.errors import ServerError

if TYPE_CHECKING:
    from asyncio import TaskGroup

    from runtime.settings import Settings

log = structlog.get_logger()
LOOK_SECONDS = 600.0
"""How often a log is looked at; a day more or less is no matter."""
DAY_MS = 24 * 3600 * 1000


class Reach(NamedTuple):
    """How much of a partition is behind us: the snapshots reach ``covered``; ``newest_ms`` is the last timestamp."""

    covered: int
    newest_ms: int


class Trimmer:
    """Shortens partitions of ``topic`` to the last ``days`` (0 keeps everything), now and then."""

    def __init__(self, settings: Settings, topic: str, days: float, monotonic: Callable[[], float]) -> None:
        self._settings, self._topic, self._days, self._monotonic = settings, topic, days, monotonic
        self._looked_at = -LOOK_SECONDS
        self._busy = False

    def start(self, tasks: TaskGroup, reached: Callable[[], dict[int, Reach]]) -> None:
        """Begin to look, if it is time and nothing is under way; ``reached`` tells it of the owned partitions."""
        if not self._days or self._busy or self._monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = self._monotonic()
        self._busy = True
        tasks.create_task(self._trim(reached()), name=f"shortens {self._topic}")

    async def _trim(self, reached: Mapping[int, Reach]) -> None:
        try:
            cuts = await self._cuts(reached)
            if cuts:
                await delete_records(self._settings, cuts)
                shown = {str(partition): offset for (_, partition), offset in sorted(cuts.items())}
                log.info("log shortened", topic=self._topic, begins=shown, days=self._days)
        except ServerError as error:
            log.warning("log not shortened", topic=self._topic, error=str(error))  # no alarm waits for it
        finally:
            self._busy = False

    async def _cuts(self, reached: Mapping[int, Reach]) -> dict[Partition, int]:
        """Where partitions can begin, those that would lose something."""
        places = {partition: (self._topic, partition) for partition in reached}
        found: dict[Partition, int] = {}
        async with Reader(self._settings, []) as reader:
            firsts = await reader.beginning_offsets(places.values())
            for partition, (covered, newest_ms) in reached.items():
                place = places[partition]
                old = await reader.offset_for_time(place, newest_ms - round(self._days * DAY_MS))
                cut = covered if old is None else min(covered, old)
                if cut > firsts[place]:
                    found[place] = cut
        return found
