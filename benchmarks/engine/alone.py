"""The processor's ``step`` without Kafka over a whole log: twelve partitions in one process, in polls as the runner
cuts them; what a reading costs by the number of patients, and what a patient takes of memory.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from benchmarks.compare import Turn
from benchmarks.engine import logs
from benchmarks.engine.logs import PARTITIONS, Shape
from benchmarks.frame import CLOCK, own_cpu, pss_kib
from runtime.kafka import Out
from runtime.runner import STEP_RECORDS_MAX
from stream.processor import Processor
from vitals.errors import ProtocolError
from vitals.metrics import HEART_RATE
from vitals.steps import Records
from vitals.topics import READINGS


class Log(NamedTuple):
    """A log in the steps of a backlog: control records, which are a processor's start, and all the rest."""

    controls: list[Records]
    rest: list[Records]


def log_of(shape: Shape) -> Log:
    """The log of all partitions, one after the other."""
    found = Log([], [])
    for partition in range(PARTITIONS):
        records = logs.whole(shape, partition)
        count = 1 + len(logs.members(shape, partition))
        found.controls.extend(_polls(islice(records, count), partition, 0))
        found.rest.extend(_polls(records, partition, count))
    return found


def _polls(records: Iterator[Out], partition: int, first: int) -> Iterator[Records]:
    while part := list(islice(records, STEP_RECORDS_MAX)):
        offsets = list(range(first, first + len(part)))
        first += len(part)
        keys, values = [each.key for each in part], [each.value for each in part]
        yield Records(READINGS, partition, offsets, keys, values, [each.headers for each in part])


def begun(log: Log) -> list[Processor]:
    """Processors that know their patients."""
    steps = [Processor(partition, PARTITIONS) for partition in range(PARTITIONS)]
    for poll in log.controls:
        steps[poll.partition].step(poll)
    return steps


def step(shape: Shape, log: Log) -> Turn:
    """Step over all but the control records."""
    steps = begun(log)
    began, cpu = CLOCK.monotonic(), own_cpu()
    for poll in log.rest:
        steps[poll.partition].step(poll)
    turn = Turn(shape.readings, own_cpu() - cpu, CLOCK.monotonic() - began)
    readings = sum(each.counters.readings for each in steps)
    if readings != shape.readings:
        raise ProtocolError(f"the processors took {readings} readings, not {shape.readings}")
    return turn


def kib_per_patient(patients: int) -> float:
    """What a patient takes with a full ring of heart rates: pages that the system gave while the processors filled.

    Rings are made with room for more patients and for both metrics; what of them is never written takes no memory.
    """
    log = log_of(Shape(patients, 60, HEART_RATE.panes))
    gc.collect()
    before = pss_kib(os.getpid())
    steps = begun(log)
    for poll in log.rest:
        steps[poll.partition].step(poll)
    gc.collect()
    return (pss_kib(os.getpid()) - before) / patients
