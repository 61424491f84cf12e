"""What is measured: the sides by name with the length of their logs, how each is got, and the targets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

from benchmarks.compare import Target
from benchmarks.engine import sides, tools
from benchmarks.engine.logs import PARTITIONS, Shape
from benchmarks.engine.sides import Engine
from benchmarks.frame import progress

ONE = Shape(1000, 1, 1200)
SIXTY = Shape(1000, 60, 6000)
OURS, OURS_60 = "vigil on that job x1", "vigil on that job x60"
SKETCH, SKETCH_60 = "numpy sketch x1", "numpy sketch x60"
BARE = "bare getmany x1"
ROCKS, MEMORY, MEMORY_60 = "kafka streams rocksdb x1", "kafka streams memory x1", "kafka streams memory x60"
BYTEWAX, FAUST, QUIX = "bytewax x1", "faust x1", "quix streams x1"
WHOLE, WHOLE_60 = "processor x1", "processor x60"
PROCESSORS = {
    WHOLE: Shape(1000, 1, 600),
    WHOLE_60: Shape(1000, 60, 6000),
    "processor x1 of 100 patients": Shape(100, 1, 1800),
    "processor x60 of 100 patients": Shape(100, 60, 6000),
    "processor x1 of 10000 patients": Shape(10_000, 1, 120),
    "processor x60 of 10000 patients": Shape(10_000, 60, 1800),
}
STEPS = {
    f"step alone x{per_record} of {patients} patients": Shape(patients, per_record, readings // patients)
    for per_record, readings in ((1, 300_000), (60, 900_000))
    for patients in (100, 10_000)
}
MEMORY_OF_ONE = "memory per patient"
COST_MOST = 1.10
KIB_MOST = 7.8
"""8,000 bytes."""
TARGETS = (
    Target(OURS, ROCKS, "cpu", 5.0),
    Target(OURS, MEMORY, "cpu", 5.0),
    Target(OURS, SKETCH, "cpu", 1.0),
    Target(OURS_60, SKETCH_60, "cpu", 1.0),
    Target(OURS, BARE, "cpu"),
    Target(OURS, BYTEWAX, "cpu"),
    Target(OURS, FAUST, "cpu"),
    Target(OURS, QUIX, "cpu"),
    Target(OURS_60, MEMORY_60, "cpu"),
    Target(WHOLE, ROCKS, "cpu", 1.5),
    Target(WHOLE, MEMORY, "cpu", 1.5),
    Target(OURS, ROCKS, "wall"),
    Target(OURS, MEMORY, "wall"),
)
START_S = 10
"""Seconds of a log from which an engine's start is known: its cost is told, and taken off for the rate in the long run.
"""
Tool = Callable[[], Awaitable[Mapping[str, tuple[Engine, Shape]]]]


def scaled(shape: Shape, scale: float) -> Shape:
    """A shorter log, of whole records."""
    return replace(shape, seconds=max(round(shape.seconds * scale / shape.per_record), 1) * shape.per_record)


def first(shape: Shape) -> Shape:
    """The shortest log of a shape."""
    return replace(shape, seconds=max(START_S, shape.per_record))


async def _by_hand() -> Mapping[str, tuple[Engine, Shape]]:
    drained = Engine(partial(sides.by_hand, "sketch"))
    bare = Engine(partial(sides.by_hand, "bare"), writes=False)
    return {SKETCH: (drained, ONE), BARE: (bare, ONE), SKETCH_60: (drained, SIXTY)}


async def _ours() -> Mapping[str, tuple[Engine, Shape]]:
    return {OURS: (Engine(sides.ours), ONE), OURS_60: (Engine(sides.ours), SIXTY)}


async def _streams() -> Mapping[str, tuple[Engine, Shape]]:
    found = await tools.streams(progress)
    memory = Engine(partial(sides.streams, "memory", found))
    rocks = Engine(partial(sides.streams, "rocksdb", found))
    return {ROCKS: (rocks, ONE), MEMORY: (memory, ONE), MEMORY_60: (memory, SIXTY)}


async def _bytewax() -> Mapping[str, tuple[Engine, Shape]]:
    program = await tools.environment(tools.BYTEWAX, progress)
    engine = Engine(partial(sides.script, "bytewax_job", program, lambda _: ()))
    return {BYTEWAX: (engine, replace(ONE, seconds=300))}


async def _faust() -> Mapping[str, tuple[Engine, Shape]]:
    program = await tools.environment(tools.FAUST, progress)
    more = lambda run: (run.name, str(run.folder), str(PARTITIONS))  # noqa: E731  it stands beside its use
    engine = Engine(partial(sides.script, "faust_job", program, more), ends=False)
    return {FAUST: (engine, replace(ONE, seconds=60))}


async def _quix() -> Mapping[str, tuple[Engine, Shape]]:
    program = await tools.environment(tools.QUIX, progress)
    engine = Engine(partial(sides.script, "quix_job", program, lambda run: (run.name, str(run.folder))), ends=False)
    return {QUIX: (engine, replace(ONE, seconds=40))}


TOOLS: Mapping[tuple[str, ...], Tool] = {
    (OURS, OURS_60): _ours,
    (SKETCH, BARE, SKETCH_60): _by_hand,
    (ROCKS, MEMORY, MEMORY_60): _streams,
    (BYTEWAX,): _bytewax,
    (FAUST,): _faust,
    (QUIX,): _quix,
}
NAMES = [*(name for names in TOOLS for name in names), *PROCESSORS, *STEPS, MEMORY_OF_ONE]
