"""What a poll counts: its readings, the late ones, and those of nobody or of nothing that we know."""

from __future__ import annotations

import numpy as np
import pytest

from stream.counters import Counters
from stream.poll import Poll
from stream.series import TICK_SLOT, UNKNOWN_SLOT
from vitals.metrics import GLUCOSE, HEART_RATE, TICK
from vitals.readings import READING, Flag

LATE = int(Flag.LATE)
UNHEARD_OF = 77
"""The code of no metric."""


def poll(*rows: tuple[int, int, int], strange: bool | None = None) -> Poll:
    """A poll of rows of (metric, slot, flags)."""
    made = np.zeros(len(rows), READING)
    metrics, slots, flags = zip(*rows, strict=True) if rows else ((), (), ())
    made["metric"], made["flags"] = metrics, flags
    if strange is None:
        strange = UNKNOWN_SLOT in slots
    return Poll(made, bytes(metrics), np.array(slots, np.intp), [], strange, {}, [], 0)


def test_readings_add_up_over_polls_and_ticks_are_none():
    """An operator compares the count with what the gateways say they sent."""
    counters = Counters()
    assert counters.take(poll((GLUCOSE.code, 0, 0), (TICK, TICK_SLOT, 0), (HEART_RATE.code, 1, 0))) == 0
    assert counters.take(poll((GLUCOSE.code, 0, 0))) == 0
    assert counters.take(poll()) == 0
    assert (counters.readings, counters.late) == (3, 0)


def test_late_readings_add_up_and_late_ticks_are_no_readings():
    """Late is what was kept and decided nothing; other flags are not late."""
    counters = Counters()
    counters.take(poll((GLUCOSE.code, 0, LATE), (GLUCOSE.code, 0, LATE | int(Flag.BACKFILL)), (GLUCOSE.code, 0, 0)))
    counters.take(poll((GLUCOSE.code, 0, int(Flag.BACKFILL)), (TICK, TICK_SLOT, LATE), (HEART_RATE.code, 0, LATE)))
    assert (counters.readings, counters.late) == (5, 3)


@pytest.mark.parametrize("strange", [False, True])
def test_a_row_of_a_metric_that_we_do_not_know_is_of_nobody(strange: bool):
    """A gateway of next year sends what this year's processor has no rule for: it is kept, and counted."""
    rows = (UNHEARD_OF, 0, 0), (GLUCOSE.code, 0, 0), (HEART_RATE.code, 0, 0), (TICK, TICK_SLOT, 0)
    assert Counters().take(poll(*rows, strange=strange)) == 1


def test_a_row_of_nobody_counts_once_whatever_its_metric():
    """A stranger's unknown metric is one row, not two; and slot 0 is somebody."""
    known = (GLUCOSE.code, 0, 0), (HEART_RATE.code, 0, 0)
    rows = (GLUCOSE.code, UNKNOWN_SLOT, 0), (UNHEARD_OF, UNKNOWN_SLOT, 0), (UNHEARD_OF, 3, 0)
    assert Counters().take(poll(*rows, *known)) == 3


def test_a_reading_in_a_tick_record_is_of_nobody():
    """It has the tick's slot, which is no patient's."""
    assert Counters().take(poll((GLUCOSE.code, TICK_SLOT, 0), (TICK, TICK_SLOT, 0), strange=True)) == 1
