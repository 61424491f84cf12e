"""The one loop of processor, manager and registry: log -> step -> outputs with their cause.

It recovers from the newest whole snapshot of a partition, or without one from the log's beginning, by replaying what
follows, and writes only what is later than the last cause that it finds in each output partition: a crash in
mid-replay, a repeat and a zombie are all harmless.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog

from runtime.kafka import (
    Assigned,
    GroupConsumer,
    KafkaStalled,
    Out,
    Partition,
    Producer,
    Reader,
    Revoked,
    last_headers,
)
from runtime.observe import Metrics
from runtime.progress import Progress
from runtime.recovery import Begun, begun, check
from runtime.saver import Saver
from runtime.trimming import Reach, Trimmer
from vitals import causes
from vitals.steps import Output, Records, Step

if TYPE_CHECKING:
    from runtime.settings import Settings

log = structlog.get_logger()
COMMIT_SECONDS = 1.0
"""Positions are committed this often at most; they only show progress, recovery does not use them."""

WATCH_SECONDS = 10.0
"""How often positions are compared with the log's ends."""

STEP_RECORDS_MAX = 500
"""Records per step while there is a backlog; outputs do not depend on it."""

# the constructor of a named tuple is Python, and thousands of windows go out at a time
_OUT: Callable[[tuple[Any, ...]], Out] = partial(tuple.__new__, Out)
S = TypeVar("S", bound=Step)


@dataclass(frozen=True, slots=True)
class RunnerSpec(Generic[S]):
    """What one service runs.

    ``tails`` are the topics whose last own cause, in the input's partition, says what is already written.
    Outputs to another topic are judged by the first of them (the registry's answers come last of all).
    ``snapshots`` is the topic of the step's snapshots, in the input's partition. ``keep_days`` of the input are kept,
    and whatever its snapshots do not reach; 0 is all of it.
    """

    input_topic: str
    group: str
    make: Callable[[int], S]
    tails: tuple[str, ...]
    snapshots: str
    keep_days: float = 0.0


@dataclass(slots=True)
class _Owned(Generic[S]):
    step: S
    written: dict[str, causes.Cause]
    recovered_at: int
    position: int
    newest_ms: int | None = None
    """The timestamp of the last record that was stepped over."""

    @property
    def recovered(self) -> bool:
        return self.position >= self.recovered_at


class Runner(Generic[S]):
    """Runs one step per assigned partition until it is cancelled or fails.

    ``on_batch(partition, step, records)`` is called after a batch is durable, for metrics; ``metrics`` shows the
    snapshots.
    """

    def __init__(
        self,
        settings: Settings,
        spec: RunnerSpec[S],
        *,
        monotonic: Callable[[], float],
        on_batch: Callable[[int, S, Records], None] = lambda *_: None,
        metrics: Metrics | None = None,
    ) -> None:
        self._settings = settings
        self._spec = spec
        self._monotonic = monotonic
        self._on_batch = on_batch
        self._metrics = metrics = metrics or Metrics()
        self._restored_offset = metrics.gauge("snapshot_restored_offset", "Where the replay began", ["partition"])
        self._restore_seconds = metrics.gauge("snapshot_restore_seconds", "How long the restore took", ["partition"])
        self._differences = metrics.counter("replay_differences", "Last outputs that their input record does not cause")
        self._owned: dict[int, _Owned[S]] = {}
        self._parked: dict[int, _Owned[S]] = {}
        """Partitions between their revocation and the next assignment, which may give them back."""
        self._progress = Progress()
        self._committed_at = self._watched_at = 0.0

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
        """Take, step, make durable, commit; for ever.

        Raises:
            KafkaStalled: a partition does not move although its log has more; or a write, a read took too long.
            StateError: a log has lost its beginning, and no snapshot reaches beyond that.
        """
        name = f"{self._spec.group}-snapshots-{self._settings.instance}"
        async with Producer(self._settings, name) as own, asyncio.TaskGroup() as tasks:
            seconds = self._settings.snapshot_seconds
            saver = Saver(own, self._spec.snapshots, seconds, self._monotonic, self._metrics)
            trimmer = Trimmer(self._settings, self._spec.input_topic, self._spec.keep_days, self._monotonic)
            while True:
                taken: list[Records] = []
                for event in await consumer.poll(1.0):
                    if isinstance(event, Assigned):
                        await self._assign(consumer, saver, event)
                    elif isinstance(event, Revoked):
                        await self._revoke(saver, event)
                    else:
                        taken.append(event)
                for parts in zip_longest(*map(_parts, taken)):
                    await self._advance(producer, [part for part in parts if part is not None])
                await self._commit(consumer, taken)
                saver.start(tasks, {each: (owned.step, owned.position) for each, owned in self._owned.items()})
                trimmer.start(tasks, lambda: self._reached(saver))
                await self._watch(consumer)

    def _reached(self, saver: Saver) -> dict[int, Reach]:
        """What of our partitions nobody needs to start from."""
        known = ((each, owned.newest_ms) for each, owned in self._owned.items())
        return {each: Reach(saver.covered(each), at) for each, at in known if at is not None}

    async def _advance(self, producer: Producer, parts: list[Records]) -> None:
        stages: defaultdict[int, list[Out]] = defaultdict(list)
        for part in parts:
            _add(stages, self._step(part))
        for stage in sorted(stages):
            await producer.send(stages[stage])
        for part in parts:
            owned = self._owned[part.partition]
            owned.position = part.offsets[-1] + 1
            owned.newest_ms = part.timestamps[-1] if part.timestamps else owned.newest_ms
        await asyncio.sleep(0)  # a long backlog must not keep the group's heartbeat waiting

    async def _assign(self, consumer: GroupConsumer, saver: Saver, event: Assigned) -> None:
        async with Reader(self._settings, []) as reader:
            firsts = await reader.beginning_offsets(event.partitions)
            ends = await reader.end_offsets(event.partitions)
        taken: dict[int, _Owned[S]] = {}
        for place in event.partitions:
            owned = await self._take(saver, place, range(firsts[place], ends[place] + 1))
            taken[place[1]] = owned
            consumer.seek(*place, owned.position)
        self._parked.clear()
        # All at once: with only the first of them taken, `recovered` would be true too early.
        self._owned.update(taken)

    async def _take(self, saver: Saver, place: Partition, positions: range) -> _Owned[S]:
        """A partition of ours, as far on as a snapshot or an earlier ownership brings it; its log has ``positions``."""
        topic, partition = place
        snapshots, since = self._spec.snapshots, self._monotonic()
        left = self._parked.get(partition)
        parked = None if left is None else Begun(left.step, left.position)
        made = partial(self._spec.make, partition)
        step, position, size = await begun(self._settings, (snapshots, partition), made, parked, positions)
        check(place, snapshots, position, positions)
        seconds = self._monotonic() - since
        self._restored_offset.labels(str(partition)).set(position)
        self._restore_seconds.labels(str(partition)).set(seconds)
        saver.took(partition, position, size)
        written = {name: await self._last_cause(name, partition) for name in self._spec.tails}
        told = {"replay_from": position, "replay_to": positions.stop - 1, "snapshot_bytes": size}
        log.info("partition taken", topic=topic, partition=partition, **told, seconds=round(seconds, 3))
        return _Owned(step, written, recovered_at=positions.stop - 1, position=position)

    async def _last_cause(self, name: str, partition: int) -> causes.Cause:
        header = await last_headers(self._settings, name, partition, causes.HEADER)
        return causes.NONE if header is None else causes.unpack(header)

    async def _revoke(self, saver: Saver, event: Revoked) -> None:
        gone = {partition: self._owned.pop(partition) for _, partition in event.partitions if partition in self._owned}
        self._parked |= gone
        await saver.hand_over({partition: (owned.step, owned.position) for partition, owned in gone.items()})
        for gauge in (self._restored_offset, self._restore_seconds):
            for partition in gone:
                gauge.remove(str(partition))
        for topic, partition in event.partitions:
            log.info("partition given back", topic=topic, partition=partition)

    async def _watch(self, consumer: GroupConsumer) -> None:
        """Leave to the supervisor what does not move: aiokafka has known ways to stop fetching one partition."""
        now = self._monotonic()
        if now - self._watched_at < WATCH_SECONDS:
            return
        self._watched_at = now
        ends = await consumer.end_offsets([(self._spec.input_topic, partition) for partition in self._owned])
        stuck = self._progress.stuck(self.positions, {each: end for (_, each), end in ends.items()}, now)
        if stuck:
            where = ", ".join(f"{self._spec.input_topic}/{partition}" for partition in stuck)
            raise KafkaStalled("no progress although the log has more", where, "the supervisor restarts this process")

    def _step(self, records: Records) -> list[Output]:
        owned = self._owned[records.partition]
        outputs = owned.step.step(records)
        if all(cause.offset < records.offsets[0] for cause in owned.written.values()):
            return outputs  # nothing that these records cause is written: beyond a replay it is always so
        self._compare(records, outputs, owned.written)
        first = self._spec.tails[0]
        return [output for output in outputs if output.cause > owned.written.get(output.topic, owned.written[first])]

    def _compare(self, records: Records, outputs: list[Output], written: Mapping[str, causes.Cause]) -> None:
        """Tell of a last output that these records do not cause: another version wrote it, and may have died before
        the rest of what its record caused, which nobody can tell from what it has written.
        """
        for topic, last in written.items():
            known = {output.cause for output in outputs if output.topic == topic}
            if records.offsets[0] <= last.offset <= records.offsets[-1] and last not in known:
                self._differences.inc()
                log.error(
                    "the last output is none that its input record causes: others of that record may be lost",
                    topic=topic,
                    partition=records.partition,
                    input_offset=last.offset,
                    ordinal=last.ordinal,
                    remedy="docs/operations.md, Upgrades",
                )

    async def _commit(self, consumer: GroupConsumer, taken: list[Records]) -> None:
        for records in taken:
            self._on_batch(records.partition, self._owned[records.partition].step, records)
        if self._owned and self._monotonic() - self._committed_at >= COMMIT_SECONDS:
            self._committed_at = self._monotonic()
            await consumer.commit(
                {(self._spec.input_topic, partition): owned.position for partition, owned in self._owned.items()}
            )


def _add(stages: defaultdict[int, list[Out]], outputs: list[Output]) -> None:
    """Add outputs, each to those of its stage, as the records that they become."""
    for stage in {output.stage for output in outputs}:
        stages[stage] += [
            _OUT((topic, partition, key, value, (*headers, (causes.HEADER, causes.pack(*cause)))))
            for topic, partition, key, value, cause, its, headers in outputs
            if its == stage
        ]


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
