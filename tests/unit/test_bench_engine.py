"""The benchmark of engines: the job's step, the check of what engines write, and the logs."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.engine import alone, job, logs, plan
from benchmarks.engine.logs import PARTITIONS, Shape
from benchmarks.engine.tumbling import RESULT, Tumbling
from tests.logs import windows
from vitals.errors import ProtocolError
from vitals.steps import Records
from vitals.topics import JOURNAL

SHAPES = (Shape(30, 1, 47), Shape(30, 60, 180))
Written = list[tuple[bytes, bytes]]


def stepped(shape: Shape, at_once: int) -> Written:
    """What the job's step writes for a plain log, so many records a poll."""
    found: Written = []
    for partition in range(PARTITIONS):
        step, records = Tumbling(), logs.plain("plain", shape, partition)
        while part := list(islice(records, at_once)):
            keys, values = [each.key for each in part], [each.value for each in part]
            found += step.step(Records("plain", partition, [0] * len(part), keys, values, [()] * len(part)))
    return found


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@pytest.mark.parametrize("at_once", [1, 7, 10_000])
def test_the_job_gives_the_windows_that_are_right_however_the_log_is_cut(shape: Shape, at_once: int) -> None:
    """Its figure counts only with the same output as the others'."""
    job.check(shape, job.expected(shape), stepped(shape, at_once))


def test_a_reading_behind_a_closed_window_is_counted_late() -> None:
    """Nothing vanishes, not even here."""
    shape = Shape(1, 1, 20)
    records = [each for partition in range(PARTITIONS) for each in logs.plain("plain", shape, partition)]
    records.append(records[0])
    step = Tumbling()
    keys, values = [each.key for each in records], [each.value for each in records]
    step.step(Records("plain", 0, [0] * len(keys), keys, values, [()] * len(keys)))
    assert step.late == 1


def changed(value: bytes, name: str, by: float) -> bytes:
    row: NDArray[np.void] = np.frombuffer(value, RESULT).copy()
    row[name] += by
    return row.tobytes()


@pytest.mark.parametrize(
    ("name", "by"), [("start", 10_000_000), ("count", 1), ("mean", 1e-6), ("min", 0.1), ("max", 0.1)]
)
def test_the_check_refuses_a_window_that_differs(name: str, by: float) -> None:
    """A check that cannot fail would let a wrong engine's figure count."""
    shape = SHAPES[0]
    written = stepped(shape, 1000)
    written[5] = written[5][0], changed(written[5][1], name, by)
    with pytest.raises(ProtocolError):
        job.check(shape, job.expected(shape), written)


def test_the_check_refuses_a_missing_window_and_another_patient() -> None:
    """As many readings in as many windows are not enough."""
    shape = SHAPES[0]
    written = stepped(shape, 1000)
    with pytest.raises(ProtocolError, match="windows were written"):
        job.check(shape, job.expected(shape), written[1:])
    with pytest.raises(ProtocolError, match="other patients"):
        job.check(shape, job.expected(shape), [(b"x" * 16, written[0][1]), *written[1:]])


def test_the_check_takes_the_last_word_on_a_window() -> None:
    """Kafka Streams writes updates; the last one says what the window came to."""
    shape = SHAPES[0]
    written = stepped(shape, 1000)
    update = written[0][0], changed(written[0][1], "count", -1)
    job.check(shape, job.expected(shape), [update, *written])
    with pytest.raises(ProtocolError):
        job.check(shape, job.expected(shape), [*written, update])


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_processor_takes_every_reading_of_a_whole_log(shape: Shape) -> None:
    """A log whose patients it does not know would cost it nothing."""
    log = alone.log_of(shape)
    alone.step(shape, log)
    steps = alone.begun(log)
    outputs = [output for poll in log.rest for output in steps[poll.partition].step(poll)]
    assert sum(each.counters.unbound + each.counters.broken for each in steps) == 0
    assert sum(each.counters.windows for each in steps) >= shape.patients * (shape.seconds // 10)
    assert sum(each.counters.episodes for each in steps) == 0
    assert sum(each.topic == JOURNAL for each in outputs) == sum(each.counters.marks for each in steps)
    assert len(windows(outputs)) == sum(each.counters.windows for each in steps)


def test_a_shorter_log_has_whole_records() -> None:
    """Else its end would be cut off."""
    assert plan.scaled(Shape(10, 60, 6000), 0.001) == Shape(10, 60, 60)
    assert plan.first(Shape(10, 60, 6000)).seconds == 60
    assert plan.first(Shape(10, 1, 6000)).seconds == plan.START_S
