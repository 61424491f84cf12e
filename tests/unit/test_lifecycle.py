"""Transitions of one alert: who is called, when again, and by what an acknowledgement ends."""

from __future__ import annotations

from typing import Any

import pytest

from alerts import answers, escalation, lifecycle
from alerts.escalation import Due
from alerts.tracking import REASSERT_US, Now, Tracked
from tests.alerting import REPEATING, SILENT, acknowledge, episode, mild, minute
from vitals.causes import Cause

V = [Cause(offset, 0) for offset in range(10)]


def at(number: float, *, real: bool = False) -> Now:
    """An instant of simulated time, so many minutes after the start."""
    return Now(minute(number), real)


def opened(**fields: Any) -> Tracked:
    return lifecycle.opened(episode(**{"response": REPEATING} | fields), V[0], at(0))


def acknowledged(tracked: Tracked, number: float) -> Tracked:
    return answers.answered(tracked, acknowledge(tracked.alert), V[1], at(number))


def fired(tracked: Tracked, number: float, version: Cause = V[2]) -> Tracked:
    """The alert after the timer that is due by then."""
    timer = escalation.due(tracked, minute(number))
    assert timer is not None
    return escalation.timed(tracked, timer, version, at(number))


def test_an_episode_opens_an_announced_alert_that_tells_when_it_calls_again():
    """``next_at`` is what a nurse reads as "repeats 23:04"; it must not be a surprise."""
    alert = opened().alert
    assert (alert.change, alert.announced, alert.announcements, alert.risen) == ("open", True, 1, V[0])
    assert alert.next_at == minute(5)


def test_a_late_reading_announces_now_and_not_in_the_past():
    """Counted from its event time, its repeat would be due in the same second."""
    tracked = lifecycle.opened(episode(at=0, response=REPEATING), V[0], at(9))
    assert (tracked.alert.at, tracked.alert.announced_at) == (minute(0), minute(9))
    assert tracked.alert.next_at == minute(14)


def test_an_episode_first_seen_over_calls_nobody():
    """Nobody can do anything about it any more; it is closed at once, and kept."""
    alert = lifecycle.opened(episode("clear"), V[0], at(0)).alert
    assert (alert.change, alert.announced, alert.closed, alert.next_at) == ("clear", False, True, None)


@pytest.mark.parametrize("change", ["lower", "active", "returning", "unknown", "known", "reason"])
def test_what_does_not_get_worse_is_silent(change: str):
    """A page for a change that asks nothing of anyone teaches people to ignore pages."""
    condition = change if change in {"returning", "unknown"} else "active"
    alert = lifecycle.followed(opened(), episode(change, 1, condition=condition), V[1], at(1)).alert
    assert (alert.change, alert.announced, alert.announcements, alert.risen) == (change, False, 1, V[0])


def test_a_rise_announces_and_ends_an_acknowledgement():
    """What somebody took on was the milder thing."""
    mild_one = acknowledged(lifecycle.opened(mild(), V[0], at(0)), 1)
    assert mild_one.alert.acknowledged_until == minute(31)
    alert = lifecycle.followed(mild_one, episode("rise", 2, response=REPEATING), V[2], at(2)).alert
    assert (alert.change, alert.announced, alert.response, alert.acknowledged_by) == (
        "rise",
        True,
        "unacknowledged",
        None,
    )
    assert (alert.risen, alert.next_at) == (V[2], minute(7))


def test_a_worse_priority_announces_whatever_the_change_is_called():
    """A worse severity always announces (DOMAIN); a mislabelled one must not be the exception."""
    tracked = lifecycle.opened(mild(), V[0], at(0))
    alert = lifecycle.followed(tracked, episode("reason", 1), V[1], at(1)).alert
    assert (alert.change, alert.announced) == ("rise", True)


def test_a_lower_level_keeps_the_acknowledgement_and_repeats_at_its_own_pace():
    """2 to 1 is silent and lowers the priority; the milder level repeats every 15 minutes."""
    alert = lifecycle.followed(opened(), mild("lower", 3), V[1], at(3)).alert
    assert (alert.priority, alert.level, alert.next_at) == ("medium", 1, minute(15))
    held = lifecycle.followed(acknowledged(opened(), 1), mild("lower", 3), V[2], at(3)).alert
    assert (held.response, held.acknowledged_until) == ("acknowledged", minute(16))


def test_returning_does_not_repeat_and_active_again_repeats_from_then():
    """A repeat that fell due while it was returning must not carry an instant at which it was not active."""
    tracked = lifecycle.followed(opened(), episode("returning", 3, condition="returning"), V[1], at(3))
    assert tracked.alert.next_at is None
    again = lifecycle.followed(tracked, episode("active", 8, response=REPEATING), V[2], at(8))
    assert (again.alert.announced, again.alert.next_at) == (False, minute(8))


def test_an_unknown_unacknowledged_alert_repeats_with_what_was_last_known():
    """Silence after a low is no reason to stop calling; it says what is known and how old that is."""
    silent = episode("unknown", 4, condition="unknown", value_at=minute(-7), response=REPEATING)
    alert = fired(lifecycle.followed(opened(), silent, V[1], at(4)), 5).alert
    assert (alert.change, alert.announced, alert.announced_at) == ("repeat", True, minute(5))
    assert alert.reason == "was 48 at 22:06 UTC, no data for 12 min"


def test_a_technical_alert_keeps_its_own_reason_when_it_repeats():
    """There is no last value to tell; "contact lost" stays "contact lost"."""
    tracked = opened(value=None, value_at=None, condition="unknown", reason="device removed", category="technical")
    assert fired(tracked, 5).alert.reason == "device removed"


def test_a_jump_of_time_announces_once_and_keeps_the_rhythm():
    """A laptop that slept for eight hours must not call a hundred times for one alert."""
    alert = fired(opened(), 8 * 60 + 2).alert
    assert (alert.at, alert.announcements, alert.next_at) == (minute(8 * 60), 2, minute(8 * 60 + 5))


def test_an_acknowledgement_that_runs_out_while_active_announces_again():
    """Acknowledging is not resolving."""
    tracked = acknowledged(opened(), 1)
    assert (tracked.alert.next_at, escalation.due(tracked, minute(15))) == (minute(16), None)
    assert escalation.due(tracked, minute(16)) == Due(minute(16), "run_out")
    alert = fired(tracked, 16).alert
    assert (alert.response, alert.announced, alert.announcements) == ("unacknowledged", True, 2)
    assert (alert.acknowledged_until, alert.next_at) == (None, minute(21))


@pytest.mark.parametrize("condition", ["unknown", "returning"])
def test_an_acknowledgement_that_runs_out_while_not_active_waits(condition: str):
    """No acknowledged alert announces without data or while it gets better; the next active reading calls."""
    change = episode(condition, 5, condition=condition)
    tracked = lifecycle.followed(acknowledged(opened(), 1), change, V[2], at(5))
    assert tracked.alert.next_at is None
    assert escalation.due(tracked, minute(60)) is None
    early = lifecycle.followed(tracked, episode("active", 10), V[3], at(10))
    assert lifecycle.owed(early, minute(10)) is None
    assert early.alert.next_at == minute(16)
    late = lifecycle.followed(tracked, episode("active", 60), V[3], at(60))
    assert not late.alert.announced
    assert lifecycle.owed(late, minute(60)) == "run_out"


def test_an_alert_without_a_repeat_never_calls_again_by_itself():
    """Low priority has no repeat: the dash in RULES is None, not zero."""
    alert = lifecycle.opened(mild(response=SILENT, priority="low"), V[0], at(0)).alert
    assert alert.next_at is None


def test_a_cleared_alert_is_closed_and_has_no_timer():
    """A timer that outlives its alert would call people to a patient who is well."""
    tracked = lifecycle.followed(opened(), episode("clear", 9), V[1], at(9))
    assert (tracked.alert.closed, tracked.alert.condition, tracked.alert.next_at) == (True, "over", None)
    assert tracked.deadline is None


def test_an_open_alert_is_written_again_after_a_day():
    """A gateway begins 25 h back; what it does not find there it cannot show."""
    tracked = lifecycle.opened(mild(response=SILENT, priority="low"), V[0], at(0))
    assert tracked.deadline == minute(0) + REASSERT_US
    again = fired(tracked, 24 * 60)
    assert again.alert.change == "reassert"
    assert (again.alert.announced, again.alert.at) == (False, minute(0))
    assert again.deadline == minute(0) + 2 * REASSERT_US
