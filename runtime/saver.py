"""When snapshots are written: one at a time beside the loop, a partition's every so often, a last one at a hand-over.

What it costs the loop is the copy of a state (2.4 ms of CPU for 1,000 patients); encoding and digests are done in a
thread, and chunks go out over a producer of their own, one after the other, so that no output waits behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from runtime.kafka import Producer
from runtime.observe import Metrics
from runtime.snapshots import write
from vitals.codecs.state import State
from vitals.errors import ServerError
from vitals.snapshots import Format
from vitals.steps import Step

log = structlog.get_logger()
HAND_OVER_SECONDS = 1.0
"""So long the partitions that are gone keep this process from those that come."""
HAND_OVER_BYTES_MAX = 8 * 1024 * 1024
"""A larger snapshot would not be there in time for who takes over."""


@dataclass(slots=True)
class _Saved:
    """The newest snapshot of a partition: its offset, its bytes, when it was written or read, and the last try (s);
    and the offset of the one before it, 0 where there is none.
    """

    offset: int
    size: int
    at: float
    tried: float
    before: int = 0


class Saver:
    """Writes the snapshots of one service's partitions into ``topic``, every ``seconds`` where the position moved."""

    def __init__(
        self, producer: Producer, topic: str, seconds: float, monotonic: Callable[[], float], metrics: Metrics
    ) -> None:
        self._producer, self._topic, self._seconds, self._monotonic = producer, topic, seconds, monotonic
        self._saved: dict[int, _Saved] = {}
        self._busy = False
        age = metrics.gauge("snapshot_age_seconds", "Seconds since the last snapshot, in the partition with the oldest")
        age.set_function(lambda: max((monotonic() - saved.at for saved in self._saved.values()), default=0.0))
        size = metrics.gauge("snapshot_bytes", "Size of the last snapshots of the owned partitions together")
        size.set_function(lambda: sum(saved.size for saved in self._saved.values()))

    def took(self, partition: int, offset: int, size: int) -> None:
        """A partition is ours, and begins at ``offset`` from a snapshot of so many bytes, 0 without one."""
        now = self._monotonic()
        self._saved[partition] = _Saved(offset, size, at=now, tried=now)

    def covered(self, partition: int) -> int:
        """The offset before which nobody needs the log of a partition to start: two snapshots reach it, so that one
        that cannot be read is no loss.
        """
        return self._saved[partition].before

    def start(self, tasks: asyncio.TaskGroup, steps: Mapping[int, tuple[Step, int]]) -> None:
        """Begin the snapshot that is due the longest, if one is due and none is under way.

        ``steps`` are the steps and their positions by partition; the outputs before those are durable.
        """
        due = [(saved.tried, each) for each in steps if self._is_due(saved := self._saved[each], steps[each][1])]
        if due and not self._busy:
            partition = min(due)[1]
            step, offset = steps[partition]
            self._busy = True
            # the state is taken here: when the task begins the step may have gone on
            saving = self._save(self._saved[partition], partition, step.FORMAT, offset, step.state())
            tasks.create_task(saving, name=f"snapshot of partition {partition}")

    def _is_due(self, saved: _Saved, position: int) -> bool:
        return position > saved.offset and self._monotonic() - saved.tried >= self._seconds

    async def _save(self, saved: _Saved, partition: int, known: Format, offset: int, state: State) -> None:
        try:
            await self._write(saved, partition, known, offset, state)
        finally:
            self._busy = False

    async def hand_over(self, steps: Mapping[int, tuple[Step, int]]) -> None:
        """Partitions are gone: write the last snapshots of those that are small, while there is time.

        Also late it is true: it says what follows from the records before its offset, whoever writes it.
        """
        try:
            async with asyncio.timeout(HAND_OVER_SECONDS):
                for partition, (step, offset) in steps.items():
                    saved = self._saved[partition]
                    if offset > saved.offset and saved.size <= HAND_OVER_BYTES_MAX:
                        await self._write(saved, partition, step.FORMAT, offset, step.state())
        except TimeoutError:
            log.info("no time for the last snapshots", topic=self._topic, seconds=HAND_OVER_SECONDS)
        for partition in steps:
            del self._saved[partition]

    async def _write(self, saved: _Saved, partition: int, known: Format, offset: int, state: State) -> None:
        saved.tried = self._monotonic()
        try:
            size = await write(self._producer, (self._topic, partition), known, offset, state)
        except ServerError as error:
            # no alarm waits for a snapshot; a Kafka that is broken for good ends the outputs too
            log.warning("snapshot not written", topic=self._topic, partition=partition, error=str(error))
        else:
            saved.before = saved.offset if saved.size else 0  # without bytes it was no snapshot, only where it began
            saved.offset, saved.size, saved.at = offset, size, self._monotonic()
