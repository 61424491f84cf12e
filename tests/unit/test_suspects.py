"""Readings of a clock that runs ahead count once, however often they are brought."""

from __future__ import annotations

import numpy as np
import pytest

from stream.processor import Processor
from stream.suspects import Suspects
from tests.logs import T0, Log, row, said, worn
from tests.oracle import Oracle
from tests.oracle_bytes import outputs
from vitals.codecs.state import decode, encode
from vitals.metrics import MINUTE_US
from vitals.readings import Flag, Invalid, Rows
from vitals.snapshots import CHUNK_BYTES_MAX, chunks

HOUR_US = 60 * MINUTE_US
FAST = int(Flag.CLOCK_SUSPECT)


def fast(observed: int, received: int, *, value: float = 65, device: str = "cgm-1", flags: int = FAST) -> Rows:
    """A row of a clock that is an hour ahead, unless its flags say otherwise; minutes after `T0`."""
    at = T0 + observed * MINUTE_US + HOUR_US
    return row("ann", value, at, received=T0 + received * MINUTE_US, device=device, flags=flags)


def found(suspects: Suspects, *rows: Rows, slots: tuple[int, ...] | None = None) -> list[bool]:
    """Which of these rows are no duplicates; of one series unless told."""
    numbers = np.zeros(len(rows), np.intp) if slots is None else np.array(slots)
    return [bool(each) for each in suspects.new(numbers, np.concatenate(rows))]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_suspect_row_counts_where_its_clock_goes_on(at_once: bool):
    """What comes again comes with the old times; one microsecond more is another reading."""
    later = fast(5, 9)
    later["observed_at"] += 1
    rows = [fast(0, 0), fast(5, 5), fast(5, 6), fast(0, 7), fast(4, 8), later]
    suspects = Suspects()
    wanted = [True, True, False, False, False, True]
    assert (found(suspects, *rows) if at_once else [found(suspects, each)[0] for each in rows]) == wanted


def test_another_device_begins_anew():
    """Its clock may be ahead by less; after a swap everything it says would else be taken for a repeat."""
    suspects = Suspects()
    assert found(suspects, fast(30, 0), fast(5, 5, device="cgm-2"), fast(5, 6, device="cgm-2")) == [True, True, False]
    assert found(suspects, fast(10, 7)) == [True]


def test_series_are_told_apart_and_rows_without_the_flag_are_not_looked_at():
    """Two patients' sensors may be ahead alike; a right clock has times of its own."""
    suspects = Suspects()
    rows = [fast(5, 0), fast(5, 0), fast(5, 1), fast(0, 1, flags=0), fast(0, 1, flags=int(Flag.LATE))]
    assert found(suspects, *rows, slots=(0, 1, 1, 0, 1)) == [True, True, False, True, True]


def test_nobody_pays_before_the_first_suspect_row():
    """Ten thousand patients with right clocks are the rule."""
    suspects = Suspects()
    suspects.grow(10_000)
    assert found(suspects, fast(0, 0, flags=0)) == [True]
    assert suspects.observed.nbytes + suspects.device.nbytes == 0
    assert suspects.state(np.arange(3)) == {}
    assert found(suspects, fast(0, 0), slots=(9_999,)) == [True]
    assert (suspects.observed.dtype.str, suspects.device.dtype.str) == ("<i8", "|V16"), "as snapshots hold them"


def test_who_comes_later_has_a_row_as_well():
    """The ward grows: what is known stays, and a new patient's clock may be ahead too."""
    suspects = Suspects()
    assert found(suspects, fast(0, 0)) == [True]
    suspects.grow(40)
    assert found(suspects, fast(0, 1), fast(0, 1), slots=(0, 39)) == [False, True]


def ward(*records: tuple[Rows, ...]) -> Log:
    """A patient with a sensor of five minutes and these records."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - HOUR_US))
    log.tick(T0)
    for rows in records:
        log.readings(*rows)
    log.tick(T0 + 12 * MINUTE_US)
    return log


def agreed(log: Log) -> list[tuple[int, str]]:
    """What is said of lows, when, by the processor and by the plain program alike."""
    made = log.run(Processor(0, 1))
    assert made == outputs(Oracle().read(log.records()))
    return [(each.at, each.change) for each in said(made, "low")]


def test_a_reading_that_comes_again_makes_no_low_of_four_minutes():
    """One reading of 65, brought twice five minutes apart, is one reading below 70."""
    assert agreed(ward((fast(0, 0),), (fast(0, 5),))) == []
    assert agreed(ward((fast(0, 0),), (fast(5, 5),))) == [(T0 + 5 * MINUTE_US, "open")]


def test_a_row_that_counts_for_nothing_is_a_last_row_too():
    """An error of the sensor has an identity as any reading has."""
    error = fast(5, 1, flags=FAST | (Invalid.SENSOR_ERROR << 12))
    assert agreed(ward((error,), (fast(5, 2, value=45),), (fast(4, 3, value=45),))) == []
    assert agreed(ward((error,), (fast(6, 2, value=45),))) == [(T0 + 2 * MINUTE_US, "open")]


def test_what_was_the_last_row_is_known_after_a_restart():
    """A bridge's death is when readings come again, and the processor may have died with it."""
    log = ward((fast(0, 0),), (fast(0, 5),), (fast(5, 6, value=66),))
    whole = log.run(Processor(0, 1))
    for cut in range(1, len(log.keys)):
        first, second = Processor(0, 1), Processor(0, 1)
        before = log.run(first, last=cut)
        second.restore(decode(b"".join(chunks(encode(first.state()), CHUNK_BYTES_MAX))))
        assert before + log.run(second, first=cut) == whole
