"""The processor's ``step`` alone, without Kafka: rows per second of CPU by the shape of a batch, and its memory.

Every shape has 1,000 patients, and two ticks after each record of all of them. The yardstick is a bare look at the
rows: ``numpy.frombuffer`` of each record and the greatest of its times, which any processor has to do.
"""

from __future__ import annotations

import gc
import os
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks.compare import Target, Turn
from benchmarks.frame import CLOCK, Result, alternate, in_new_process, own_cpu, pss_kib
from stream.processor import Processor
from vitals.control import PatientControl, WornDevice
from vitals.devices import DEVICE_TYPES, Binding
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US, Metric
from vitals.policies import DEFAULT
from vitals.readings import READING, tick_rows
from vitals.steps import Headers, Records
from vitals.topics import CONTROL_HEADER, READINGS, TICK_KEY, device_id, patient_id

START_US = 1_700_000_100_000_000
KEYS = [patient_id(f"p{number}").bytes for number in range(1000)]


def control(number: int) -> bytes:
    """A patient with the combined wearable."""
    name = f"p{number}"
    binding = Binding(patient=patient_id(name), label=name, since=START_US - MINUTE_US)
    worn = WornDevice(device=device_id(name), name=f"d{number}", type=DEVICE_TYPES["ward"], binding=binding)
    patient = patient_id(name)
    return PatientControl(patient=patient, label=name, site=1, version=1, worn=(worn,), policy=DEFAULT).encode()


def rows(key: bytes, metric: Metric, values: np.ndarray, first: int, step: int) -> bytes:
    """One patient's rows, a ``step`` (µs) apart."""
    block = np.zeros(len(values), READING)
    block["patient"] = np.void(key)
    block["observed_at"] = block["received_at"] = first + step * np.arange(len(values))
    block["value"], block["site"], block["metric"], block["unit"] = values, 1, metric.code, metric.unit
    return block.tobytes()


def poll(keys: list[bytes | None], values: list[bytes], headers: Headers = ()) -> Records:
    """Records in one poll."""
    return Records(READINGS, 0, list(range(len(keys))), keys, values, [headers] * len(keys))


def fresh() -> Processor:
    """A processor with 1,000 patients whose clock runs."""
    step = Processor(0, 1)
    step.step(poll(list(KEYS), [control(number) for number in range(1000)], ((CONTROL_HEADER, b"1"),)))
    step.step(poll([TICK_KEY], [tick_rows([1], START_US).tobytes()]))
    return step


class Shape(NamedTuple):
    """One metric, so many rows in a record and records of each patient; a share ``beyond`` is at ``value``."""

    metric: Metric
    per_record: int
    records: int
    beyond: float = 0.0
    value: float = 60.0


SHAPES = {
    "heart rate, 1 row a record": Shape(HEART_RATE, 1, 20),
    "heart rate, 60 rows a record": Shape(HEART_RATE, 60, 4),
    "heart rate, 60 rows, 10 min of it, none beyond": Shape(HEART_RATE, 60, 12),
    "heart rate, 60 rows, 10 min of it, all beyond": Shape(HEART_RATE, 60, 12, beyond=1, value=140),
    "glucose, 1 row a record, a tenth low": Shape(GLUCOSE, 1, 20, beyond=0.1),
    "glucose, 60 rows a record, a tenth low": Shape(GLUCOSE, 60, 2, beyond=0.1),
}
LOOK = "bare look at 1 row a record"


def records_of(shape: Shape) -> list[Records]:
    """What comes in one poll after the other."""
    random = np.random.default_rng(1)
    interval = SECOND_US if shape.metric is HEART_RATE else MINUTE_US
    polls = []
    at = START_US
    for _ in range(shape.records):
        values = np.where(random.random((1000, shape.per_record)) < shape.beyond, shape.value, 100.0)
        blocks = [rows(key, shape.metric, values[number], at + interval, interval) for number, key in enumerate(KEYS)]
        at += shape.per_record * interval
        ticks = [tick_rows([1], at).tobytes()] * 2
        polls.append(poll([*KEYS, TICK_KEY, TICK_KEY], blocks + ticks))
    return polls


async def _step(shape: Shape, polls: list[Records]) -> Turn:
    step = fresh()
    cpu, began = own_cpu(), CLOCK.monotonic()
    for each in polls:
        step.step(each)
    return Turn(1000 * shape.per_record * shape.records, own_cpu() - cpu, CLOCK.monotonic() - began)


async def _look(shape: Shape, polls: list[Records]) -> Turn:
    cpu, began = own_cpu(), CLOCK.monotonic()
    for each in polls:
        for value in each.values:
            np.frombuffer(value, READING)["observed_at"].max()
    return Turn(1000 * shape.per_record * shape.records, own_cpu() - cpu, CLOCK.monotonic() - began)


def full() -> Processor:
    """A processor whose rings of heart rate and glucose are full."""
    step = fresh()
    for metric, interval in ((HEART_RATE, SECOND_US), (GLUCOSE, MINUTE_US)):
        values = np.full(metric.panes, 100.0)
        for key in KEYS:
            step.step(poll([key], [rows(key, metric, values, START_US, interval)]))
    return step


def memory() -> float:
    """KiB per patient of `full`: what the system gave for a second, beside a first that loads what both use."""
    first = full()
    gc.collect()
    before = pss_kib(os.getpid())
    second = full()
    gc.collect()
    used = pss_kib(os.getpid()) - before
    del first, second
    return used / len(KEYS)


async def run(turns: int) -> Result:
    """Measure."""
    first, *_ = SHAPES
    result = Result(
        name="step",
        what="the processor's step alone, 1,000 patients",
        work="rows",
        command="make bench ARGS=step",
        targets=[Target(first, LOOK, "cpu")],
    )
    result.figures["KiB per patient, rings of heart rate and glucose full"] = round(in_new_process(memory), 1)
    made = {name: records_of(shape) for name, shape in SHAPES.items()}
    sides = {name: partial(_step, shape, made[name]) for name, shape in SHAPES.items()}
    sides[LOOK] = partial(_look, SHAPES[first], made[first])
    await alternate(result, sides, turns)
    return result
