"""What a replay publishes when, and how far ahead of the log it may run."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.pacing import Lead, LogView, slots, step_us
from vitals.readings import Reading, tick_rows, to_row
from vitals.topics import device_id, patient_id

S = 1_000_000
MINUTE = 60 * S


def all_slots(times: list[int], clock: int | None = None, end: int = 0, step: int = MINUTE) -> list[tuple[int, ...]]:
    return [tuple(slot) for slot in slots(np.array(times, np.int64), clock, end, step)]


def test_a_tick_comes_before_the_readings_of_its_minute():
    """They are received at that tick; behind the next one they would look a minute older than they are."""
    assert all_slots([65 * S, 119 * S, 120 * S]) == [(60 * S, 0, 2), (120 * S, 2, 3)]


def test_holes_have_ticks_too():
    """Otherwise time would jump over a silence, and its alarm would come when the device is back."""
    assert [slot[0] // S for slot in all_slots([0, 300 * S])] == [0, 60, 120, 180, 240, 300]


def test_the_last_tick_is_not_before_the_end():
    """Ticks behind the last reading let the silence after it be noticed."""
    assert all_slots([0], end=90 * S)[-1] == (120 * S, 1, 1)


def test_ticks_go_on_where_the_log_stops():
    """Ticks never go back: what lies behind the clock comes in the clock's own slot."""
    found = all_slots([10 * S, 70 * S, 200 * S], clock=130 * S)
    assert found == [(130 * S, 0, 2), (180 * S, 2, 3), (240 * S, 3, 3)]


def test_a_replay_of_what_is_in_the_log_still_ends_the_time():
    """With nothing left to send, a replay that was cut off in its tail goes on to its end."""
    assert all_slots([], clock=60 * S, end=150 * S) == [(60 * S, 0, 0), (120 * S, 0, 0), (180 * S, 0, 0)]
    assert all_slots([]) == []


@pytest.mark.parametrize(("speed", "seconds"), [(None, 60), (0.5, 1), (1, 1), (30, 30), (600, 60)])
def test_ticks_are_a_second_of_real_time_apart_at_most(speed: float | None, seconds: int):
    """At the speed of life a tick a minute would show the data as a minute old."""
    assert step_us(speed) == seconds * S


def test_the_publisher_waits_when_it_is_too_far_ahead():
    """Bounds what the broker queues, and so what a crash can repeat."""
    lead = Lead(3)
    lead.tick(0)
    lead.readings(1)
    assert (lead.full, lead.ahead) == (False, 2)
    lead.tick(60)
    assert (lead.full, lead.ahead) == (True, 3)
    lead.seen(0)
    assert (lead.full, lead.ahead) == (False, 2)


def test_a_minute_larger_than_the_bound_does_not_block():
    """With its tick in the log nothing more can be waited for."""
    lead = Lead(3)
    lead.tick(0)
    lead.readings(10)
    assert (lead.full, lead.ahead) == (True, 11)
    lead.seen(0)
    assert (lead.full, lead.ahead) == (False, 10)


def reading(at: int, value: float = 5.0, device: str = "glucose-1") -> bytes:
    return to_row(
        Reading(
            patient=patient_id("p1"),
            device=device_id(device),
            metric="glucose",
            value=value,
            unit="mmol/L",
            observed_at=at,
            received_at=at,
            site=1,
        )
    ).tobytes()


def view() -> LogView:
    return LogView(2, [device_id("glucose-1")])


def test_the_logs_clock_is_its_slowest_partition():
    """A tick counts as written when every partition has it."""
    log = view()
    log.take(0, [tick_rows([1], 120 * S).tobytes()], [()])
    assert log.clock is None
    log.take(1, [tick_rows([1], 60 * S).tobytes()], [()])
    assert log.clock == 60 * S


def test_the_log_knows_which_readings_it_holds():
    """A second replay sends only the rest."""
    log = view()
    log.take(0, [reading(7), reading(8) + reading(8, 6.0), reading(9, device="glucose-2")], [(), (), ()])
    assert [log.count(device_id("glucose-1"), "glucose", at) for at in (7, 8, 9)] == [1, 2, 0]
    assert (log.rows, log.repeats) == (3, 1)


def test_control_records_are_not_rows():
    """They share the topic, and their JSON is no multiple of 64 bytes."""
    log = view()
    log.take(0, [b"{}"], [(("control", b"1"),)])
    assert log.clock is None
