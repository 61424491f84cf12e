"""A processor's snapshot of 10,000 patients in one partition: to take it, to write it, and to go on from it.

Rings of heart rate and glucose are full; values walk in whole beats and mg/dL. The yardstick of a restore is to read
the same bytes from Kafka and do nothing with them.
"""

from __future__ import annotations

import gc
import os
import statistics
from functools import partial

import numpy as np

from benchmarks.compare import Target, Turn
from benchmarks.frame import CLOCK, Result, alternate, in_new_process, own_cpu, progress, pss_kib
from benchmarks.place import place
from benchmarks.step import START_US, control, poll, rows
from runtime.kafka import Partition, Producer, Reader
from runtime.settings import Settings
from runtime.snapshots import intact, write
from stream.processor import Processor
from vitals.codecs.state import State, decode, encode
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.readings import tick_rows
from vitals.snapshots import chunks
from vitals.topics import CONTROL_HEADER, PROCESSOR_SNAPSHOTS, TICK_KEY, patient_id

PATIENTS = 10_000
TOGETHER = 100
"""Patients in one poll while the rings are filled."""
PLACE: Partition = (PROCESSOR_SNAPSHOTS, 0)
TAKE, WRITE, RESTORE, READ = "take (the loop waits)", "encode and write", "read and restore", "bare read"
USABLE = range(1, 1 << 40)


def filled() -> Processor:
    """A processor whose rings are full."""
    step, random = Processor(0, 1), np.random.default_rng(1)
    keys = [patient_id(f"p{number}").bytes for number in range(PATIENTS)]
    for first in range(0, PATIENTS, TOGETHER):
        some = range(first, first + TOGETHER)
        mine = [keys[number] for number in some]
        step.step(poll(list(mine), [control(number) for number in some], ((CONTROL_HEADER, b"1"),)))
        for metric, interval, middle in ((HEART_RATE, SECOND_US, 90), (GLUCOSE, MINUTE_US, 120)):
            walks = np.clip(middle + np.cumsum(random.integers(-1, 2, (TOGETHER, metric.panes)), axis=1), 75, 125)
            blocks = [rows(key, metric, walk, START_US, interval) for key, walk in zip(mine, walks, strict=True)]
            step.step(poll(list(mine), blocks))
    step.step(poll([TICK_KEY], [tick_rows([1], START_US).tobytes()]))
    return step


async def _take(step: Processor) -> Turn:
    cpu, began = own_cpu(), CLOCK.monotonic()
    step.state()
    return Turn(PATIENTS, own_cpu() - cpu, CLOCK.monotonic() - began)


async def _write(settings: Settings, state: State) -> Turn:
    async with Producer(settings, "bench-snapshots") as producer:
        cpu, began = own_cpu(), CLOCK.monotonic()
        await write(producer, PLACE, Processor.FORMAT, 1, state)
        return Turn(PATIENTS, own_cpu() - cpu, CLOCK.monotonic() - began)


async def _restore(settings: Settings) -> Turn:
    cpu, began = own_cpu(), CLOCK.monotonic()
    async with Reader(settings, []) as reader:
        snapshots = intact(reader, PLACE, Processor.FORMAT, USABLE)
        Processor(0, 1).restore((await anext(snapshots)).state)
        await snapshots.aclose()
    return Turn(PATIENTS, own_cpu() - cpu, CLOCK.monotonic() - began)


async def _read(settings: Settings, records: int) -> Turn:
    cpu, began = own_cpu(), CLOCK.monotonic()
    async with Reader(settings, [PLACE]) as reader:
        end = (await reader.end_offsets())[PLACE]
        await reader.between(PLACE, end - records, end)
    return Turn(PATIENTS, own_cpu() - cpu, CLOCK.monotonic() - began)


def memory(data: bytes) -> float:
    """Bytes per patient of a processor made from a snapshot: what the system gave for a second, beside a first."""
    first = restored(data)
    gc.collect()
    before = pss_kib(os.getpid())
    second = restored(data)
    gc.collect()
    used = pss_kib(os.getpid()) - before
    del first, second
    return used * 1024 / PATIENTS


def restored(data: bytes) -> Processor:
    """A processor that goes on from a snapshot."""
    step = Processor(0, 1)
    step.restore(decode(data))
    return step


async def run(turns: int) -> Result:
    """Measure."""
    result = Result(
        name="restore",
        what=f"a snapshot of {PATIENTS:,} patients in one partition",
        work="patients",
        command="make bench ARGS=restore",
        targets=[Target(RESTORE, READ, "wall")],
    )
    progress("restore  filling the rings")
    step = filled()
    state = step.state()
    data = b"".join(pieces := list(chunks(encode(state))))
    result.figures["bytes of memory a patient"] = round(in_new_process(memory, data))
    result.figures["bytes of snapshot a patient"] = round(len(data) / PATIENTS)
    async with place("restore", ["kafka"]) as here:
        sides = {
            TAKE: partial(_take, step),
            WRITE: partial(_write, here.settings, state),
            RESTORE: partial(_restore, here.settings),
            READ: partial(_read, here.settings, len(pieces) + 1),
        }
        await alternate(result, sides, turns)
    for name in sides:
        seconds = statistics.median(turn.wall_s for turn in result.sides[name])
        result.figures[f"s to {name}" + (" (target: 3)" if name == RESTORE else "")] = round(seconds, 3)
    return result
