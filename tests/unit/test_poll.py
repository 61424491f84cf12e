"""Reading a poll: whose row each is, what is broken, which rows are time, and what of it is strange."""

from __future__ import annotations

import numpy as np

from stream.poll import Poll, is_control, read
from stream.series import TICK_SLOT, UNKNOWN_SLOT, Patients
from tests.logs import T0, row
from vitals.metrics import HEART_RATE, TICK
from vitals.readings import OBSERVED_MAX_US, OBSERVED_MIN_US, READING, tick_rows
from vitals.steps import Headers, Records
from vitals.topics import CONTROL_HEADER, READINGS, TICK_KEY, patient_id

ANN, BOB, EVE = (patient_id(name).bytes for name in ("ann", "bob", "eve"))
CONTROL: Headers = ((CONTROL_HEADER, b"1"),)
ONE = row("ann", 100, T0).tobytes()
"""A row; `read` looks at no more of it than its metric."""


def poll(*records: tuple[bytes | None, bytes] | tuple[bytes | None, bytes, Headers]) -> Poll:
    """Records of key, value and perhaps headers, read by somebody who knows Ann (slot 0) and Bob (slot 1)."""
    patients = Patients()
    assert [patients.add(key) for key in (ANN, BOB)] == [0, 1]
    whole = [(*record, ()) if len(record) == 2 else record for record in records]
    keys, values = [key for key, _, _ in whole], [value for _, value, _ in whole]
    headers = [each for _, _, each in whole]
    return read(Records(READINGS, 0, list(range(len(whole))), keys, values, headers), patients)


def test_each_row_has_the_slot_of_its_record():
    """A row in another's slot is another's glucose; records of one row each are what nearly every poll is."""
    found = poll((BOB, ONE), (ANN, ONE), (BOB, ONE))
    assert (found.slots.tolist(), found.starts) == ([1, 0, 1], [0, 1, 2, 3])
    assert (found.codes, found.strange, found.ticks, found.controls, found.broken) == (b"\2\2\2", False, {}, [], 0)
    found = poll((BOB, ONE * 2), (ANN, b""), (ANN, ONE * 3))
    assert (found.slots.tolist(), found.starts) == ([1, 1, 0, 0, 0], [0, 2, 2, 5])
    assert (len(found.rows), found.strange, found.broken) == (5, False, 0)


def test_rows_come_out_as_they_went_in():
    """Nothing is converted on the way: a buffer is read as rows."""
    beat = row("bob", 71.5, T0 + 5, metric="heart_rate")
    found = poll((ANN, ONE), (BOB, beat.tobytes()))
    assert found.rows.tobytes() == ONE + beat.tobytes()
    assert found.codes == bytes([2, HEART_RATE.code])


def test_a_record_that_is_not_whole_rows_has_none_and_is_counted():
    """One torn record must not shift the rows of all that follow it."""
    found = poll((BOB, ONE + b"x"), (ANN, ONE), (None, b"y"), (BOB, ONE[:-1]), (BOB, ONE * 2))
    assert (found.slots.tolist(), found.starts, found.broken) == ([0, 1, 1], [0, 0, 1, 1, 1, 3], 3)
    assert found.rows.tobytes() == ONE * 3


def test_a_control_record_is_no_row_and_gives_its_patient_a_slot():
    """One lookup per record: rows in the same poll, before or behind it, are the patient's already."""
    found = poll((EVE, ONE), (EVE, b"{}", CONTROL), (ANN, ONE, (("trace", b"1"),)), (b"site:1", b"x" * 64, CONTROL))
    assert (found.slots.tolist(), found.starts) == ([2, 0], [0, 1, 1, 2, 2])
    assert (found.controls, found.broken) == ([1, 3], 0)
    assert is_control((("trace", b""), *CONTROL))
    assert not is_control((("trace", b""),))


def test_only_a_patients_key_gets_a_slot():
    """A site's record and one without a key are of nobody; they must not make rows of nobody somebody's."""
    found = poll((None, b"{}", CONTROL), (b"site:7", b"{}", CONTROL), (b"site:7", ONE), (None, ONE))
    assert found.slots.tolist() == [UNKNOWN_SLOT, UNKNOWN_SLOT]
    assert (found.strange, found.controls) == (True, [0, 1])


def test_what_was_polled_is_left_as_it_was():
    """The caller still has the records: it takes the control records out of them."""
    values = [ONE, b"{}"]
    records = Records(READINGS, 0, [0, 1], [ANN, EVE], values, [(), CONTROL])
    read(records, Patients())
    assert values == [ONE, b"{}"]


def test_rows_of_strangers_are_strange_and_keep_their_place():
    """They are counted, and no rule sees them."""
    found = poll((ANN, ONE), (EVE, ONE), (ANN, ONE))
    assert (found.slots.tolist(), found.strange) == ([0, UNKNOWN_SLOT, 0], True)
    assert poll((EVE, ONE), (TICK_KEY, tick_rows([1], T0).tobytes())).strange


def test_ticks_are_told_by_record_site_and_time_in_order():
    """A tick record moves several clocks; each has its own place among the readings, and none is one of them."""
    two, late = tick_rows([3, 1], T0), tick_rows([7], T0 + 5)
    found = poll((ANN, ONE * 2), (TICK_KEY, two.tobytes()), (BOB, ONE), (TICK_KEY, late.tobytes()))
    assert found.ticks == {1: [(3, T0), (1, T0)], 3: [(7, T0 + 5)]}
    assert (found.slots.tolist(), found.starts) == ([0, 0, 1], [0, 2, 2, 3, 3])
    assert (found.strange, found.broken) == (False, 0)


def test_a_tick_belongs_to_its_own_record_behind_one_without_rows():
    """Records without rows begin where the next one does; the tick is of the last of them."""
    found = poll((ANN, b""), (ANN, b"torn"), (TICK_KEY, tick_rows([1], T0).tobytes()), (ANN, b""))
    assert found.ticks == {2: [(1, T0)]}


def test_a_reading_in_a_tick_record_moves_no_clock_and_is_strange():
    """Its observed_at is no site's time: a reading of 2099 there would close every window of the ward."""
    mixed = np.concatenate([tick_rows([1], T0), row("ann", 100, T0 + 9), tick_rows([2], T0 + 1)])
    found = poll((TICK_KEY, mixed.tobytes()))
    assert found.ticks == {0: [(1, T0), (2, T0 + 1)]}
    assert (found.slots.tolist(), found.strange) == ([TICK_SLOT] * 3, True)
    assert poll((TICK_KEY, ONE)).ticks == {}


def test_ticks_of_no_calendar_are_counted_with_what_is_broken_and_move_no_clock():
    """A clock never goes back: one that went beyond the calendar would close every window of its site for ever."""
    edges = [OBSERVED_MIN_US, OBSERVED_MAX_US]
    beyond = [OBSERVED_MIN_US - 1, OBSERVED_MAX_US + 1, 0x7FFF_FFFF_FFFF_FFFF]
    rows = np.concatenate([tick_rows([site], at) for site, at in enumerate([*edges, *beyond], 1)])
    found = poll((TICK_KEY, rows.tobytes()), (ANN, b"torn"))
    assert found.ticks == {0: list(enumerate(edges, 1))}
    assert (found.broken, found.strange) == (len(beyond) + 1, False)


def test_a_tick_row_among_readings_moves_no_clock():
    """Only tick records are time: a reading's record is of one patient and could come from anyone."""
    found = poll((ANN, tick_rows([1], T0).tobytes()), (TICK_KEY, tick_rows([1], T0 + 1).tobytes()))
    assert found.ticks == {1: [(1, T0 + 1)]}
    assert found.codes == bytes([TICK])


def test_a_poll_may_hold_nothing():
    """Only control records, or records of nothing: no row, and none is missed."""
    found = poll((EVE, b"{}", CONTROL), (ANN, b""))
    assert (len(found.rows), found.starts, found.slots.tolist(), found.codes) == (0, [0, 0, 0], [], b"")
    assert found.rows.dtype == READING
    nothing = poll()
    assert (len(nothing.rows), nothing.starts, nothing.ticks) == (0, [0], {})
    assert nothing.slots.dtype == np.dtype(np.intp)
