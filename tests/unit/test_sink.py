"""What the sink makes of records, one case at a time."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from stream import copying, sink, sink_messages, sink_work
from stream.sink_work import Move, Stored
from tests.integration.storage_data import alert
from vitals.alerts import FeedMark
from vitals.proof import RULE
from vitals.readings import OBSERVED_MAX_US, OBSERVED_MIN_US, Reading, tick_rows, to_rows
from vitals.steps import Records
from vitals.topics import BINDINGS, FEED, MARK_KEY, READINGS, REJECTED, TICK_KEY, WINDOWS
from vitals.windows import WINDOW

T0 = 1_700_000_000_000_000


def reading(at: int, value: float = 5.2, unit: str = "mmol/L") -> Reading:
    return Reading(
        patient=UUID(int=1), device=UUID(int=2), metric="glucose", value=value, unit=unit, observed_at=at,
        received_at=T0, site=1,
    )  # fmt: skip


def records(topic: str, *given: tuple[bytes | None, Any, Any], first: int = 0) -> Records:
    keys, values, headers = [list(column) for column in zip(*given, strict=True)]
    return Records(topic, 0, list(range(first, first + len(given))), keys, values, headers)


def test_ticks_and_control_records_are_no_readings():
    """They share the topic so that they share its order; stored as rows they would be glucose of nobody."""
    row = to_rows([reading(T0)]).tobytes()
    poll = records(
        READINGS,
        (TICK_KEY, tick_rows([1, 2], T0).tobytes(), ()),
        (b"p", row + tick_rows([1], T0).tobytes(), ()),
        (b"p", b'{"kind":"site"}', (("control", b"1"), ("cause", bytes(12)))),
    )
    batch, broken = sink.read_readings([poll])
    assert broken == []
    assert batch.rows.tobytes() == row
    assert (batch.offset.tolist(), batch.ordinal.tolist()) == ([1], [0])


@pytest.mark.parametrize("value", [None, b"", bytes(63), bytes(65)])
def test_what_is_not_whole_rows_is_broken(value: bytes | None):
    """Half a row shifts all that follow: numpy would read a patient's id as glucose."""
    whole = to_rows([reading(T0)]).tobytes()
    batch, broken = sink.read_readings([records(READINGS, (b"p", value, ()), (b"p", whole, ()), first=8)])
    assert [(each.topic, each.partition, each.offset) for each in broken] == [(READINGS, 0, 8)]
    assert batch.offset.tolist() == [9]


def test_no_records_are_no_rows():
    """An empty batch goes through the same code as any other."""
    batch, broken = sink.read_readings([])
    found = sink.identities(batch.rows)
    nothing = np.zeros(0)
    stored = Stored(nothing.astype(np.intp), nothing, nothing.astype(np.int64))
    assert not broken
    assert len(sink_work.settle(batch, found, stored).new) == 0
    assert b"".join(sink.readings_copy(batch, numbered=False)) == copying.SIGNATURE + copying.TRAILER


def test_a_copy_in_pieces_is_one_copy():
    """The server takes rows while the next ones are made; a row's number must not begin anew with each piece."""
    count = 2 * sink.PIECE_ROWS + 1
    rows = to_rows([reading(T0 + number) for number in range(count)])
    batch, _ = sink.read_readings([records(READINGS, (b"p", rows.tobytes(), ()), first=4)])
    head, *pieces, tail = sink.readings_copy(batch, numbered=True)
    assert (head, tail) == (copying.SIGNATURE, copying.TRAILER)
    assert len(pieces) == 3
    found = np.frombuffer(b"".join(pieces), copying.layout(sink.NUMBERED_COLUMNS))
    assert found["n"].tolist() == list(range(count))
    assert (found["observed_at"] - found["observed_at"][0]).tolist() == list(range(count))


def test_a_conflict_says_both_values_and_where_it_stood():
    """Whoever reads it decides which is right, so both must be there, with the units as received."""
    batch, _ = sink.read_readings([records(READINGS, (b"p", to_rows([reading(T0, 6.1)]).tobytes(), ()), first=4)])
    refusal = sink.conflict(batch, 0, "cgm-1", 110.0, 2)
    headers = dict(refusal.headers)
    assert refusal.key == b"cgm-1"
    assert headers["reason"] == b"conflict"
    assert headers["detail"] == b"6.1 mmol/L, but 110 mg/dL came first"
    assert headers["source"] == b"vitals.readings/0/4/0"
    assert headers["received_at"] == str(T0).encode()
    assert int(headers["length"]) == len(refusal.value)
    assert json.loads(refusal.value) == {
        "device": "cgm-1", "metric": "glucose", "value": 6.1, "unit": "mmol/L", "observed_at": T0, "seq": 0,
    }  # fmt: skip


def test_a_time_beyond_the_calendar_is_not_storable():
    """It is refused with its number; bent to the calendar's edge, two such readings would be one identity."""
    times = [OBSERVED_MIN_US - 1, OBSERVED_MIN_US, OBSERVED_MAX_US, OBSERVED_MAX_US + 1]
    rows = to_rows([reading(at) for at in times]).tobytes()
    batch, _ = sink.read_readings([records(READINGS, (b"p", rows, ()))])
    assert sink.storable(batch).tolist() == [False, True, True, False]


def test_windows_that_are_none_are_broken():
    """A wrong length or a date that PostgreSQL refuses would fail the whole transaction, for ever."""
    undated = np.zeros(1, WINDOW)
    undated["end"] = 2**63 - 1
    good = np.zeros(2, WINDOW)
    good["window"] = 1, 2
    mixed = undated.tobytes() + good[1:].tobytes() + undated.tobytes()
    poll = records(WINDOWS, (None, b"?", ()), (None, undated.tobytes(), ()), (None, good[:1].tobytes(), ()),
                   (None, mixed, ()))  # fmt: skip
    rows, marks, broken = sink.read_windows([poll])
    assert rows["window"].tolist() == [1, 2], "one patient's bad row costs no other's"
    assert marks == []
    assert [(each.offset, each.why) for each in broken] == [
        (0, "1 bytes are no windows"), (1, "1 of 1 windows at no time"), (3, "2 of 3 windows at no time"),
    ]  # fmt: skip


def test_marks_of_the_feed_are_passed_over_and_nonsense_is_broken():
    """The manager says each second that it lives; as rows that would be the largest table."""
    mark = FeedMark(sites={1: T0}).encode()
    changes, _, broken = sink_messages.read_feed(
        [records(FEED, (MARK_KEY, mark, ()), (b"a", b'{"kind":"alert"}', ()), (b"a", None, ()))]
    )
    assert changes == []
    assert [each.offset for each in broken] == [1, 2]


def test_kinds_of_messages_to_come_are_no_fault():
    """A newer manager may write what this sink does not know; it must neither stop nor cry for each of them."""
    feed = records(FEED, (b"a", b'{"kind":"forecast","id":1}', ()))
    assert sink_messages.read_feed([feed]) == ([], [], [])
    found, broken = sink_messages.read_bindings([records(BINDINGS, (b"ward:x", b"{}", ()))])
    assert (found.devices, broken) == ({}, [])


def test_alarms_of_proof_are_nobodys_history():
    """Six a minute from every site would bury the alarms of patients."""
    assert sink_messages.read_feed([records(FEED, (b"a", alert((1, 0), rule=RULE).encode(), ()))]) == ([], [], [])


@pytest.mark.parametrize("changed", [{"site": 2**31}, {"level": -(2**40)}, {"version": (2**63, 0)}])
def test_an_alert_with_a_number_that_no_column_holds_is_broken(changed: dict[str, Any]):
    """The database would refuse the whole transaction, again and again, and nothing behind it would be stored."""
    message = alert((1, 0)).model_copy(update=changed).encode()
    changes, _, broken = sink_messages.read_feed([records(FEED, (b"a", message, ()))])
    assert changes == []
    assert f"alert.{next(iter(changed))}" in broken[0].why


def test_a_rejection_without_headers_is_still_kept():
    """What is in ``vitals.rejected`` was refused once; refusing it again would lose it."""
    (found,) = sink_messages.read_rejected([records(REJECTED, (None, b"?", ()))])
    assert found.reason == "unknown"
    assert found.payload == b"?"
    assert found.received_at is None


def test_a_deleted_binding_is_no_error_and_a_foreign_key_is():
    """A compacted topic holds deletions; a key without a kind is not ours."""
    found, broken = sink_messages.read_bindings(
        [records(BINDINGS, (b"device:x", None, ()), (b"person", b"{}", ()), (b"site:x", b"{}", ()))]
    )
    assert not found.devices
    assert [each.offset for each in broken] == [1, 2]


def test_a_move_begins_where_the_database_stands_and_ends_behind_the_last_record():
    """A compacted topic has holes: the first record's offset is not the position."""
    poll = records(BINDINGS, (b"device:x", None, ()), (b"device:x", None, ()), first=20)
    assert sink_work.gather([poll], {(BINDINGS, 0): 12}).moves == [Move(BINDINGS, 0, 12, 22)]


@pytest.mark.parametrize("early", [False, True])
def test_work_made_ahead_is_the_work_made_in_time(early: bool):
    """Each part begins where the one before it ends, also while that one is still being stored."""
    value = to_rows([reading(T0)]).tobytes()
    poll = records(READINGS, *[(b"p", value, ())] * 5, first=5)
    works = sink_work.Works([poll], {(READINGS, 0): 4}, 2 * len(value))
    found = []
    for work in works:
        if early:
            works.look_ahead()
            works.look_ahead()
        found.append((work.moves, work.batch.offset.tolist()))
    assert [offsets for _, offsets in found] == [[5, 6], [7, 8], [9]]
    assert [moves for moves, _ in found] == [[Move(READINGS, 0, *ends)] for ends in ((4, 7), (7, 9), (9, 10))]
