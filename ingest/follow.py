"""Keeping a directory in step with ``registry.bindings``."""

from __future__ import annotations

import asyncio

from ingest.directory import Directory, remedy
from runtime.kafka import KafkaStalled, Reader
from runtime.observe import get_logger
from vitals.topics import BINDINGS

POLL_S = 1.0
CATCH_UP_S = 20.0
"""Longer than any poll; the topic holds one record per device after compaction."""

log = get_logger("vigil.bridge")


class Follower:
    """Follows with ``reader``, which reads ``registry.bindings``; `run` is a task beside everything else.

    ``asker`` reads nothing and has a connection of its own: Kafka answers one connection in order, so on the reader's
    a question waits behind a fetch for which there are no records, for up to a quarter of a second.
    """

    def __init__(self, reader: Reader, asker: Reader, directory: Directory) -> None:
        self.directory = directory
        self._reader = reader
        self._asker = asker
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Fold what comes, for ever."""
        while True:
            for records in await self._reader.poll(POLL_S):
                before = dict(self.directory.unreadable)
                self.directory.take(records.offsets, records.keys, records.values)
                self._tell(before)
            self._moved.set()

    def _tell(self, before: dict[bytes, int]) -> None:
        """Log once per poll which records came that cannot be read; a bridge goes on without their devices."""
        fresh = {offset: key for key, offset in self.directory.unreadable.items() if before.get(key) != offset}
        if fresh:
            first = min(fresh)
            log.warning(
                "records of the registry cannot be read; readings of such devices are rejected, sites keep a number",
                count=len(fresh),
                topic=BINDINGS,
                partition=0,
                first_offset=first,
                first_key=ascii(fresh[first])[:80],
                remedy=remedy(fresh[first]),
            )

    async def catch_up(self) -> None:
        """Wait until the directory holds everything that is in the topic now; `run` must be running.

        Raises `KafkaStalled` when that takes too long.
        """
        try:
            async with asyncio.timeout(CATCH_UP_S):
                end = (await self._asker.end_offsets([(BINDINGS, 0)]))[BINDINGS, 0]
                while self.directory.position < end:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            what = f"offset {self.directory.position} of {BINDINGS}"
            raise KafkaStalled("the registry's bindings do not arrive", what, "the supervisor restarts us") from None
