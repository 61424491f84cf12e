"""The row and the model are one reading."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from vitals.errors import CodecError
from vitals.metrics import TICK
from vitals.readings import (
    READING,
    Flag,
    Invalid,
    Reading,
    decode,
    event_time,
    from_row,
    late,
    tick_rows,
    to_row,
    to_rows,
    usable,
)
from vitals.topics import device_id, patient_id

AT = 1_699_228_860_000_000


def reading(**changes: object) -> Reading:
    fields = {
        "patient": patient_id("p-1"),
        "device": device_id("cgm-1"),
        "metric": "glucose",
        "value": 5.2,
        "unit": "mmol/L",
        "observed_at": AT,
        "received_at": AT + 1,
        "site": 7,
        "seq": 3,
        "flags": int(Flag.BACKFILL | Flag.LATE),
        "invalid": Invalid.SENSOR_ERROR,
    }
    return Reading.model_validate(fields | changes)


def test_a_reading_survives_the_log():
    """The row is the only thing that is kept: whatever it lost would be lost for good."""
    assert from_row(to_row(reading())[0]) == reading()


def test_ids_keep_their_trailing_zeros():
    """Numpy strips NULs from S16: a patient whose id ends in one would become another."""
    padded = patient_id("p-1").bytes[:14] + b"\0\0"
    row = np.zeros(1, READING)
    row["patient"] = np.void(padded)
    assert decode([row.tobytes()])[0]["patient"].tobytes() == padded


@pytest.mark.parametrize(
    "changes",
    [
        {"value": float("nan")},
        {"value": float("inf")},
        {"site": 65_536},
        {"seq": -1},
        {"flags": 1 << 12},
        {"surname": "Doe"},
    ],
)
def test_a_reading_that_no_row_can_hold_is_none(changes: dict[str, object]):
    """It would be cut silently to what fits, or poison the sums of a window."""
    with pytest.raises(ValidationError):
        reading(**changes)


def test_records_of_many_rows_read_as_one_array():
    """A poll of thousands of records is one array, in order."""
    rows = to_rows([reading(seq=number) for number in range(5)])
    joined = decode([rows[:2].tobytes(), b"", rows[2:].tobytes()])
    assert joined["seq"].tolist() == [0, 1, 2, 3, 4]
    assert len(decode([])) == len(to_rows([])) == 0


@pytest.mark.parametrize("values", [[b"x"], [b"x" * 63], [b"x" * 32, b"x" * 32]])
def test_bytes_that_are_no_whole_rows_are_refused(values: list[bytes]):
    """Two halves that add up to a row are not one: all rows after them would be read askew."""
    with pytest.raises(CodecError, match="64-byte"):
        decode(values)


def test_a_tick_is_no_reading():
    """It has no patient; whoever asks for its model has mixed up the two."""
    rows = tick_rows([1, 9], AT)
    assert rows["site"].tolist() == [1, 9]
    assert set(rows["metric"]) == {TICK}
    assert set(rows["observed_at"]) == set(rows["received_at"]) == {AT}
    with pytest.raises(CodecError):
        from_row(rows[0])


def test_a_suspect_clock_counts_at_the_time_of_receipt():
    """A device in 2099 would otherwise be the latest reading for 75 years."""
    rows = to_rows([reading(), reading(flags=int(Flag.CLOCK_SUSPECT))])
    assert event_time(rows).tolist() == [AT, AT + 1]


def test_only_what_rules_may_use_is_usable():
    """Warm-up, control solution and invalid values must never decide; late and censored ones are still true."""
    flags = [Flag.WARM_UP, Flag.CONTROL_SOLUTION, Flag.LATE, Flag.CENSORED_LOW, Flag.ARTEFACT, Flag.BACKFILL]
    rows = to_rows([reading(flags=int(flag), invalid=0) for flag in flags] + [reading(flags=0, invalid=3)])
    assert usable(rows).tolist() == [False, False, True, True, True, True, False]
    assert late(rows).tolist() == [False, False, True, False, False, False, False]
