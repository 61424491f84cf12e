"""Each engine as a process that drains a log from cold: how it is started, when it is over, what it cost, whether it
was right.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from benchmarks.compare import Turn
from benchmarks.engine import job, logs, tools
from benchmarks.engine.logs import PARTITIONS, Shape
from benchmarks.frame import CLOCK, children_cpu, cpu_of, progress
from compose.errors import ProcessExited
from compose.process import Process, ProcessSpec, python, python_env
from runtime.kafka import Reader, delete_topics, ensure_topics
from runtime.settings import Settings
from vitals.errors import ServerStalled
from vitals.topics import JOURNAL, PROCESSOR_SNAPSHOTS, READINGS, WINDOWS, TopicSpec, kafka_topic

DRAIN_S = 300.0
POLL_S = 0.02
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one engine: topics by their full names, a folder of its own."""

    settings: Settings
    source: str
    sink: str
    name: str
    folder: Path
    shape: Shape


Command = Callable[[Run], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that does the job; ``ends`` says whether it does so by itself, else its output is counted."""

    command: Command
    ends: bool = True
    writes: bool = True


def ours(run: Run) -> tuple[str, ...]:
    """Vigil's pieces on that job."""
    given = run.settings.kafka, run.source, run.sink, str(PARTITIONS)
    return python("benchmarks.engine.pieces", *given)


def by_hand(what: str, run: Run) -> tuple[str, ...]:
    """Aiokafka and numpy by themselves, in our own environment."""
    given = what, run.settings.kafka, run.source, run.sink, str(PARTITIONS)
    return python("benchmarks.yardsticks.aiokafka_jobs", *given)


def streams(store: str, found: tools.Streams, run: Run) -> tuple[str, ...]:
    """Kafka Streams."""
    wanted = str(run.shape.readings + run.shape.patients)
    given = (
        run.settings.kafka,
        run.source,
        run.sink,
        run.name,
        str(run.folder),
        wanted,
        store,
        str(run.shape.per_record),
    )
    return (str(found.java), "-Xmx1g", "-XX:+UseSerialGC", "-cp", found.class_path, "TumblingJob", *given)


def script(name: str, program: Path, more: Callable[[Run], tuple[str, ...]], run: Run) -> tuple[str, ...]:
    """A Python engine in an environment of its own."""
    file = tools.YARDSTICKS / f"{name}.py"
    return (str(program), str(file), run.settings.kafka, run.source, run.sink, *more(run))


@dataclass(slots=True)
class Field:
    """Where engines run: Kafka with its logs, each written once."""

    root: Path
    settings: Settings
    _plain: set[Shape] = field(default_factory=set)
    _whole: dict[Shape, Settings] = field(default_factory=dict)

    async def log(self, shape: Shape) -> str:
        """The full name of the topic that holds a plain log."""
        topic = f"bench.{shape.name}"
        if shape not in self._plain:
            await ensure_topics(self.settings, [TopicSpec(topic, partitioned=True)])
            for partition in range(PARTITIONS):
                await logs.write(self.settings, logs.plain(topic, shape, partition))
            progress(f"engine   wrote a log of {shape.readings:,} readings, {shape.name}")
            self._plain.add(shape)
        return kafka_topic(self.settings.namespace, topic)

    async def whole(self, shape: Shape) -> Settings:
        """The settings with which the processor finds its log; nothing stands in its outputs yet."""
        made = (WINDOWS, JOURNAL, PROCESSOR_SNAPSHOTS)
        outputs = [TopicSpec(topic, partitioned=True) for topic in made]
        known = self._whole.get(shape)
        if known is None:
            known = self.settings.model_copy(update={"namespace": f"{self.settings.namespace}-{next(_NUMBERS)}"})
            await ensure_topics(known, [TopicSpec(READINGS, partitioned=True), *outputs])
            for partition in range(PARTITIONS):
                await logs.write(known, logs.whole(shape, partition))
            progress(f"engine   wrote a log of {shape.readings:,} readings with ticks, {shape.name}")
            self._whole[shape] = known
        else:
            await delete_topics(known, list(made))
            await ensure_topics(known, outputs)
        return known

    async def drain(self, engine: Engine, shape: Shape) -> Turn:
        """One run of an engine over a plain log; its output is checked.

        Raises:
            ProcessExited: it failed.
            ProtocolError: what it wrote is wrong.
            ServerStalled: it did not come to the end.
        """
        sink, name = f"bench.out-{next(_NUMBERS)}", f"{self.settings.namespace}-run-{next(_NUMBERS)}"
        source = await self.log(shape)
        await ensure_topics(self.settings, [TopicSpec(sink, partitioned=True)])
        folder = self.root / name
        folder.mkdir()
        run = Run(self.settings, source, kafka_topic(self.settings.namespace, sink), name, folder, shape)
        argv = engine.command(run)
        env = python_env() if argv[0] == sys.executable else {"PYTHONPATH": ""}
        spec = ProcessSpec(name, argv, folder / "log", env=env, stop_seconds=3.0)
        wanted = job.expected(shape)
        windows = sum(map(len, wanted.values()))
        partitions = [(sink, partition) for partition in range(PARTITIONS)]
        async with Reader(self.settings, partitions) as reader:

            async def over() -> bool:
                return sum((await reader.end_offsets()).values()) >= windows

            turn = await measured(spec, shape, None if engine.ends else over)
        if engine.writes:
            job.check(shape, wanted, await job.written(self.settings, sink))
        await delete_topics(self.settings, [sink])
        return turn

    async def process(self, shape: Shape) -> Turn:
        """One run of the processor over a whole log; its windows are counted."""
        settings = await self.whole(shape)
        argv = python("benchmarks.engine.drain", settings.kafka, settings.namespace)
        name = f"processor-{next(_NUMBERS)}"
        spec = ProcessSpec(name, argv, self.root / f"{name}.log", env=python_env())
        return await measured(spec, shape, None)


async def measured(spec: ProcessSpec, shape: Shape, over: Callable[[], Awaitable[bool]] | None) -> Turn:
    """Run a process from cold until it has drained its log: wall and CPU seconds of it and of all below it."""
    began, before = CLOCK.monotonic(), children_cpu()
    process = await Process.start(spec)
    try:
        while CLOCK.monotonic() - began < DRAIN_S:
            if process.returncode is not None and (process.returncode or over is not None):
                raise ProcessExited(spec.name, process.returncode, spec.log)
            if process.returncode is not None:
                return Turn(shape.readings, children_cpu() - before, CLOCK.monotonic() - began)
            if over is not None and await over():
                return Turn(shape.readings, cpu_of(process.pid), CLOCK.monotonic() - began)
            await CLOCK.sleep(POLL_S)
        raise ServerStalled("an engine did not drain its log", f"{spec.name}: {DRAIN_S:g} s", f"see {spec.log}")
    finally:
        await process.stop()
