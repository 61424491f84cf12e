"""The outbox: one order of outputs whatever order they were put in, and each one's cause."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from stream.outbox import Outbox, Where
from tests.alerting import episode
from vitals.causes import Cause
from vitals.journal import Episode, Mark, decode
from vitals.steps import Output
from vitals.topics import JOURNAL, MARK_KEY, WINDOWS, patient_id
from vitals.windows import ROWS_MAX, WINDOW

OFFSETS = [100, 103, 200]
KEYS = sorted(patient_id(f"p{number}").bytes for number in range(8))


def put(outbox: Outbox, where: Where, **fields: Any) -> None:
    """Put in an episode; its text (``reason``) is what tests know it by."""
    made = episode(**fields)
    outbox.episode(where, made.label.encode(), made)


def texts(outputs: list[Output]) -> list[str]:
    """What the episodes among outputs say."""
    messages = [decode(output.value) for output in outputs if output.topic == JOURNAL]
    return [message.reason for message in messages if isinstance(message, Episode)]


def close(outbox: Outbox, where: Where, *ends: int) -> None:
    """A tick row closes windows with these ends, which tests know them by."""
    rows = np.zeros(len(ends), WINDOW)
    rows["end"] = ends
    outbox.close(where, rows)


def ends(output: Output) -> list[int]:
    """The ends of the windows in a record."""
    return list(map(int, np.frombuffer(output.value, WINDOW)["end"]))


FIELDS: tuple[tuple[str, Any, Any], ...] = (
    ("position", 1, 2),
    ("row", 3, 10),
    ("instant", 50, 60),
    ("patient", patient_id("p1"), patient_id("p2")),
    ("device", None, "CGM-1"),
    ("metric", None, "GLUCOSE"),
    ("rule", "high", "low"),
)
"""What outputs are ordered by, the first field that differs deciding; for each, a value and a greater one. None is
less than any name, however it is written.
"""
assert patient_id("p1").bytes < patient_id("p2").bytes


@pytest.mark.parametrize("level", range(len(FIELDS)))
@pytest.mark.parametrize("turned", [False, True])
def test_outputs_are_ordered_by_record_row_instant_patient_device_metric_and_rule(level: int, turned: bool):
    """The order is part of what a replay must repeat: arrays make outputs in whatever order their slots have."""
    outbox = Outbox(0)
    for less in (False, True) if turned else (True, False):
        # the field that decides is less, all that follow it are greater, and the other way round
        values = {name: low if less == (at <= level) else high for at, (name, low, high) in enumerate(FIELDS)}
        values |= {name: low for name, low, _ in FIELDS[:level]}
        where = Where(values.pop("position"), values.pop("row"), values.pop("instant"))
        put(outbox, where, reason="first" if less else "second", **values)
    assert texts(outbox.drain(OFFSETS)) == ["first", "second"]


def test_a_sites_episode_comes_before_those_of_patients():
    """It is of no patient: nobody's id decides about it."""
    outbox = Outbox(0)
    put(outbox, Where(0, 0, 0), reason="patient")
    put(outbox, Where(0, 0, 0), reason="site", patient=None, device=None, metric=None, rule="site_silent")
    assert texts(outbox.drain(OFFSETS)) == ["site", "patient"]


def test_what_one_machine_says_in_one_row_stays_in_the_order_it_said_it():
    """An episode that clears before it opens would stay open for ever."""
    outbox = Outbox(0)
    for number in range(12):
        put(outbox, Where(0, 0, 0), reason=str(number))
    assert texts(outbox.drain(OFFSETS)) == [str(number) for number in range(12)]


def test_a_cause_is_the_records_offset_and_counts_the_outputs_of_one_record_from_zero():
    """A gap or a repeat would lose or double an alarm after a crash; records without an output have no part in it."""
    outbox = Outbox(3)
    for position, count in ((1, 2), (2, 3)):
        for _ in range(count):
            put(outbox, Where(position, 0, 0))
    outputs = outbox.drain(OFFSETS)
    assert [output.cause for output in outputs] == [
        Cause(103, 0), Cause(103, 1), Cause(200, 0), Cause(200, 1), Cause(200, 2),
    ]  # fmt: skip
    assert {(output.topic, output.partition, output.key) for output in outputs} == {(JOURNAL, 3, b"p1")}


def test_windows_know_their_cause_in_their_own_rows():
    """The database keeps the highest version of a window, and reads it from the row."""
    outbox = Outbox(3)
    put(outbox, Where(0, 0, 5))
    close(outbox, Where(0, 0, 9), 7, 8)
    close(outbox, Where(2, 1, 0), 3)
    outputs = outbox.drain(OFFSETS)[1:]
    assert [(output.topic, output.partition, output.key) for output in outputs] == [(WINDOWS, 3, None)] * 2
    assert [output.cause for output in outputs] == [(100, 1), (200, 0)]
    assert {output[5:] for output in outputs} == {(0, ())}, "they wait for nothing else, and have no headers"
    assert [ends(output) for output in outputs] == [[7, 8], [3]]
    for output in outputs:
        for row in np.frombuffer(output.value, WINDOW):
            assert (int(row["offset"]), int(row["ordinal"])) == output.cause


@pytest.mark.parametrize("beyond", [0, 1])
def test_what_a_tick_says_of_many_windows_is_cut_into_records(beyond: int):
    """A ward of thousands would make one that no broker takes; each part has a version of its own."""
    outbox, count = Outbox(0), 2 * ROWS_MAX + beyond
    close(outbox, Where(0, 0, 0), *range(count))
    outputs = outbox.drain(OFFSETS)
    assert [len(ends(output)) for output in outputs] == [ROWS_MAX, ROWS_MAX, 1][: 2 + beyond]
    assert [each for output in outputs for each in ends(output)] == list(range(count))
    assert [output.cause for output in outputs] == [(100, at) for at in range(2 + beyond)]
    for output in outputs:
        assert set(np.frombuffer(output.value, WINDOW)["ordinal"].tolist()) == {output.cause.ordinal}
    assert outbox.windows == count


def test_windows_of_two_sites_in_one_tick_are_ordered_by_row():
    """Which site's tick comes first in the record decides, not which was looked at first."""
    for order in permutations(range(3)):
        outbox = Outbox(0)
        rows = [(Where(0, 4, 7), 1), (Where(0, 5, 7), 2), (Where(1, 0, 2), 3)]
        for number in order:
            where, end = rows[number]
            close(outbox, where, end)
        outputs = outbox.drain(OFFSETS)
        assert [ends(output) for output in outputs] == [[1], [2], [3]]
        assert [output.cause for output in outputs] == [(100, 0), (100, 1), (103, 0)]


def test_the_episodes_of_a_record_come_before_its_windows():
    """Whatever their rows and instants: an alarm is what somebody waits for."""
    outbox = Outbox(0)
    for row in (0, 1):
        close(outbox, Where(0, row, 5), row)
        put(outbox, Where(0, row, 9), reason=str(row))
    outputs = outbox.drain(OFFSETS)
    assert [output.topic for output in outputs] == [JOURNAL, JOURNAL, WINDOWS, WINDOWS]
    assert texts(outputs) == ["0", "1"]
    assert [output.cause.ordinal for output in outputs] == [0, 1, 2, 3]


def test_a_mark_is_the_last_of_its_record_whatever_its_row_and_instant():
    """Who acts on the time has then read everything that happened up to it."""
    outbox = Outbox(3)
    mark = Mark(sites={1: 5})
    outbox.mark(0, mark)
    outbox.mark(1, mark)
    put(outbox, Where(0, 60_000, 1 << 60))
    close(outbox, Where(0, 60_000, 1 << 60), 1)
    put(outbox, Where(1, 0, 0))
    outputs = outbox.drain(OFFSETS)
    assert [output.key == MARK_KEY for output in outputs] == [False, False, True, False, True]
    assert [output.cause for output in outputs] == [(100, 0), (100, 1), (100, 2), (103, 0), (103, 1)]
    assert (outputs[2].topic, outputs[2].partition, decode(outputs[2].value)) == (JOURNAL, 3, mark)


def test_an_outbox_is_empty_once_drained_and_goes_on_counting():
    """Counts are since the beginning of the log; outputs that came twice would be alarms that ring twice."""
    outbox = Outbox(0)
    for drained in range(1, 3):
        put(outbox, Where(0, 0, 0))
        put(outbox, Where(0, 0, 0))
        close(outbox, Where(0, 0, 0), 1, 2, 3)
        outbox.mark(0, Mark(sites={}))
        assert len(outbox.drain(OFFSETS)) == 4
        assert (outbox.episodes, outbox.windows, outbox.marks) == (2 * drained, 3 * drained, drained)
    assert outbox.drain(OFFSETS) == []
    fresh = Outbox(0)
    assert (fresh.episodes, fresh.windows, fresh.marks) == (0, 0, 0)
