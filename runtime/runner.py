"""The one loop of processor, manager and registry: log -> step -> outputs with their cause.

It recovers by replaying the whole partition into a fresh step, and writes only what is later than the last
cause that it finds in each output partition: a crash in mid-replay, a repeat and a zombie are all harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from runtime.kafka import Assigned, GroupConsumer, Out, Producer, Reader, Revoked, last_headers
from vitals import causes
from vitals.errors import StateError
from vitals.steps import Output, Records, Step

if TYPE_CHECKING:
    from runtime.settings import Settings

log = structlog.get_logger()
COMMIT_SECONDS = 1.0
"""Positions are committed this often at most; they only show progress, recovery does not use them."""

STEP_RECORDS_MAX = 500
"""Records per step while there is a backlog; outputs do not depend on it."""

S = TypeVar("S", bound=Step)


@dataclass(frozen=True, slots=True)
class RunnerSpec(Generic[S]):
    """What one service runs.

    ``tails`` are the topics whose last own cause, in the input's partition, says what is already written.
    Outputs to another topic are judged by the first of them (the registry's answers come last of all).
    """

    input_topic: str
    group: str
    make: Callable[[int], S]
    tails: tuple[str, ...]


@dataclass(slots=True)
class _Owned(Generic[S]):
    step: S
    written: dict[str, causes.Cause]
    recovered_at: int
    position: int = 0

    @property
    def recovered(self) -> bool:
        return self.position >= self.recovered_at


class Runner(Generic[S]):
    """Runs one step per assigned partition until it is cancelled or fails.

    ``on_batch(partition, step, records)`` is called after a batch is durable, for metrics.
    """

    def __init__(
        self,
        settings: Settings,
        spec: RunnerSpec[S],
        *,
        monotonic: Callable[[], float],
        on_batch: Callable[[int, S, Records], None] = lambda *_: None,
    ) -> None:
        self._settings = settings
        self._spec = spec
        self._monotonic = monotonic
        self._on_batch = on_batch
        self._owned: dict[int, _Owned[S]] = {}
        self._committed_at = 0.0

    @property
    def steps(self) -> Mapping[int, S]:
        """The steps of the owned partitions that have caught up with the log as it was at their assignment."""
        return {partition: owned.step for partition, owned in self._owned.items() if owned.recovered}

    @property
    def recovered(self) -> bool:
        """Whether partitions are owned and all of them have caught up."""
        return bool(self._owned) and all(owned.recovered for owned in self._owned.values())

    @property
    def positions(self) -> Mapping[int, int]:
        """The next offset of each owned partition: what comes before it is stepped over, its outputs durable."""
        return {partition: owned.position for partition, owned in self._owned.items()}

    async def run(self, consumer: GroupConsumer, producer: Producer) -> None:
        """Take, step, make durable, commit; for ever."""
        while True:
            taken: list[Records] = []
            for event in await consumer.poll(1.0):
                if isinstance(event, Assigned):
                    await self._assign(consumer, event)
                elif isinstance(event, Revoked):
                    self._revoke(event)
                else:
                    taken.append(event)
            for parts in zip_longest(*map(_parts, taken)):
                await self._advance(producer, [part for part in parts if part is not None])
            await self._commit(consumer, taken)

    async def _advance(self, producer: Producer, parts: list[Records]) -> None:
        await self._write(producer, [output for part in parts for output in self._step(part)])
        for part in parts:
            self._owned[part.partition].position = part.offsets[-1] + 1
        await asyncio.sleep(0)  # a long backlog must not keep the group's heartbeat waiting

    async def _assign(self, consumer: GroupConsumer, event: Assigned) -> None:
        if not event.partitions:
            return
        async with Reader(self._settings, event.partitions) as reader:
            firsts = await reader.beginning_offsets()
            ends = await reader.end_offsets()
        taken: dict[int, _Owned[S]] = {}
        for topic, partition in event.partitions:
            first, end = firsts[topic, partition], ends[topic, partition]
            if first > 0:
                raise StateError(
                    "a log has lost its beginning",
                    f"{topic}/{partition} starts at offset {first}",
                    "restore the topic, or start with an empty data folder",
                )
            written = {name: await self._last_cause(name, partition) for name in self._spec.tails}
            taken[partition] = _Owned(self._spec.make(partition), written, recovered_at=end)
            consumer.seek(topic, partition, 0)
            log.info("partition taken", topic=topic, partition=partition, replay_to=end)
        # All at once: with only the first of them taken, `recovered` would be true too early.
        self._owned.update(taken)

    async def _last_cause(self, name: str, partition: int) -> causes.Cause:
        header = await last_headers(self._settings, name, partition, causes.HEADER)
        return causes.NONE if header is None else causes.unpack(header)

    def _revoke(self, event: Revoked) -> None:
        for topic, partition in event.partitions:
            self._owned.pop(partition, None)
            log.info("partition given back", topic=topic, partition=partition)

    def _step(self, records: Records) -> list[Output]:
        owned = self._owned[records.partition]
        outputs = owned.step.step(records)
        first = self._spec.tails[0]
        return [output for output in outputs if output.cause > owned.written.get(output.topic, owned.written[first])]

    async def _write(self, producer: Producer, outputs: list[Output]) -> None:
        for stage in sorted({output.stage for output in outputs}):
            await producer.send([self._out(output) for output in outputs if output.stage == stage])

    def _out(self, output: Output) -> Out:
        headers = (*output.headers, (causes.HEADER, output.cause.pack()))
        return Out(output.topic, output.partition, output.key, output.value, headers)

    async def _commit(self, consumer: GroupConsumer, taken: list[Records]) -> None:
        for records in taken:
            self._on_batch(records.partition, self._owned[records.partition].step, records)
        if self._owned and self._monotonic() - self._committed_at >= COMMIT_SECONDS:
            self._committed_at = self._monotonic()
            await consumer.commit(
                {(self._spec.input_topic, partition): owned.position for partition, owned in self._owned.items()}
            )


def _parts(records: Records) -> Iterator[Records]:
    for first in range(0, len(records.offsets), STEP_RECORDS_MAX):
        part = slice(first, first + STEP_RECORDS_MAX)
        yield records._replace(
            offsets=records.offsets[part],
            keys=records.keys[part],
            values=records.values[part],
            headers=records.headers[part],
            timestamps=records.timestamps[part],
        )
