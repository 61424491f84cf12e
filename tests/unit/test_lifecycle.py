"""Transitions of one alert: who is called, when again, and by what an acknowledgement ends."""

from __future__ import annotations

from typing import Any

import pytest

from alerts import lifecycle
from alerts.lifecycle import REASSERT_US, Tracked
from tests.alerting import HIGH, SILENT, acknowledge, episode, mild, minute
from vitals.alerts import ANNOUNCING
from vitals.causes import Cause
from vitals.metrics import MINUTE_US

V = [Cause(offset, 0) for offset in range(10)]


def opened(**fields: Any) -> Tracked:
    return lifecycle.opened(episode(**fields), V[0], minute(0))


def acknowledged(tracked: Tracked, at: float) -> Tracked:
    return lifecycle.acknowledged(tracked, acknowledge(tracked.alert), V[1], minute(at))


def test_an_episode_opens_an_announced_alert_that_tells_when_it_calls_again():
    """``next_at`` is what a nurse reads as "repeats 23:04"; it must not be a surprise."""
    alert = opened().alert
    assert (alert.change, alert.announced, alert.announcements, alert.risen) == ("open", True, 1, V[0])
    assert alert.next_at == minute(5)


def test_a_late_reading_announces_now_and_not_in_the_past():
    """Counted from its event time, its repeat would be due in the same second."""
    tracked = lifecycle.opened(episode(at=0), V[0], minute(9))
    assert (tracked.alert.at, tracked.alert.announced_at) == (minute(0), minute(9))
    assert tracked.alert.next_at == minute(14)


def test_an_episode_first_seen_over_calls_nobody():
    """Nobody can do anything about it any more; it is closed at once, and kept."""
    alert = lifecycle.opened(episode("clear"), V[0], minute(0)).alert
    assert (alert.change, alert.announced, alert.closed, alert.next_at) == ("clear", False, True, None)


@pytest.mark.parametrize("change", ["lower", "active", "returning", "unknown", "known", "reason"])
def test_what_does_not_get_worse_is_silent(change: str):
    """A page for a change that asks nothing of anyone teaches people to ignore pages."""
    condition = change if change in {"returning", "unknown"} else "active"
    alert = lifecycle.followed(opened(), episode(change, 1, condition=condition), V[1], minute(1)).alert
    assert (alert.change, alert.announced, alert.announcements, alert.risen) == (change, False, 1, V[0])


def test_a_rise_announces_and_ends_an_acknowledgement():
    """What somebody took on was the milder thing."""
    mild_one = acknowledged(lifecycle.opened(mild(), V[0], minute(0)), 1)
    assert mild_one.alert.acknowledged_until == minute(31)
    alert = lifecycle.followed(mild_one, episode("rise", 2), V[2], minute(2)).alert
    assert (alert.change, alert.announced, alert.response, alert.acknowledged_by) == (
        "rise",
        True,
        "unacknowledged",
        None,
    )
    assert (alert.risen, alert.next_at) == (V[2], minute(7))


def test_a_worse_priority_announces_whatever_the_change_is_called():
    """A worse severity always announces (DOMAIN); a mislabelled one must not be the exception."""
    tracked = lifecycle.opened(mild(), V[0], minute(0))
    alert = lifecycle.followed(tracked, episode("reason", 1), V[1], minute(1)).alert
    assert (alert.change, alert.announced) == ("rise", True)


def test_a_lower_level_keeps_the_acknowledgement_and_repeats_at_its_own_pace():
    """2 to 1 is silent and lowers the priority; the milder level repeats every 15 minutes."""
    alert = lifecycle.followed(opened(), mild("lower", 3), V[1], minute(3)).alert
    assert (alert.priority, alert.level, alert.next_at) == ("medium", 1, minute(15))
    held = lifecycle.followed(acknowledged(opened(), 1), mild("lower", 3), V[2], minute(3)).alert
    assert (held.response, held.acknowledged_until) == ("acknowledged", minute(16))


def test_returning_does_not_repeat_and_active_again_repeats_from_then():
    """A repeat that fell due while it was returning must not carry an instant at which it was not active."""
    tracked = lifecycle.followed(opened(), episode("returning", 3, condition="returning"), V[1], minute(3))
    assert tracked.alert.next_at is None
    again = lifecycle.followed(tracked, episode("active", 8), V[2], minute(8))
    assert (again.alert.announced, again.alert.next_at) == (False, minute(8))


def test_an_unknown_unacknowledged_alert_repeats_with_what_was_last_known():
    """Silence after a low is no reason to stop calling; it says what is known and how old that is."""
    tracked = lifecycle.followed(
        opened(), episode("unknown", 11, condition="unknown", value_at=minute(-1)), V[1], minute(11)
    )
    alert = lifecycle.timed(tracked, "repeat", V[2], minute(11)).alert
    assert (alert.change, alert.announced, alert.announced_at) == ("repeat", True, minute(11))
    assert alert.reason == "was 48 at 22:12 UTC, no data for 12 min"


def test_a_technical_alert_keeps_its_own_reason_when_it_repeats():
    """There is no last value to tell; "contact lost" stays "contact lost"."""
    tracked = opened(value=None, value_at=None, condition="unknown", reason="device removed", category="technical")
    assert lifecycle.timed(tracked, "repeat", V[1], minute(5)).alert.reason == "device removed"


def test_a_jump_of_time_announces_once_and_keeps_the_rhythm():
    """A laptop that slept for eight hours must not call a hundred times for one alert."""
    alert = lifecycle.timed(opened(), "repeat", V[1], minute(8 * 60 + 2)).alert
    assert (alert.at, alert.announcements, alert.next_at) == (minute(8 * 60), 2, minute(8 * 60 + 5))


def test_an_acknowledgement_that_runs_out_while_active_announces_again():
    """Acknowledging is not resolving."""
    tracked = acknowledged(opened(), 1)
    assert (tracked.alert.next_at, lifecycle.due(tracked, minute(15))) == (minute(16), None)
    assert lifecycle.due(tracked, minute(16)) == "run_out"
    alert = lifecycle.timed(tracked, "run_out", V[2], minute(16)).alert
    assert (alert.response, alert.announced, alert.announcements) == ("unacknowledged", True, 2)
    assert (alert.acknowledged_until, alert.next_at) == (None, minute(21))


@pytest.mark.parametrize("condition", ["unknown", "returning"])
def test_an_acknowledgement_that_runs_out_while_not_active_waits(condition: str):
    """No acknowledged alert announces without data or while it gets better; the next active reading calls."""
    change = episode(condition, 5, condition=condition)
    tracked = lifecycle.followed(acknowledged(opened(), 1), change, V[2], minute(5))
    assert tracked.alert.next_at is None
    assert lifecycle.due(tracked, minute(60)) is None
    early = lifecycle.followed(tracked, episode("active", 10), V[3], minute(10))
    assert not lifecycle.waits_to_announce(early, minute(10))
    assert early.alert.next_at == minute(16)
    late = lifecycle.followed(tracked, episode("active", 60), V[3], minute(60))
    assert not late.alert.announced
    assert lifecycle.waits_to_announce(late, minute(60))


def test_an_alert_without_a_repeat_never_calls_again_by_itself():
    """Low priority has no repeat: the dash in RULES is None, not zero."""
    alert = lifecycle.opened(mild(response=SILENT, priority="low"), V[0], minute(0)).alert
    assert alert.next_at is None


def test_a_cleared_alert_is_closed_and_has_no_timer():
    """A timer that outlives its alert would call people to a patient who is well."""
    tracked = lifecycle.followed(opened(), episode("clear", 9), V[1], minute(9))
    assert (tracked.alert.closed, tracked.alert.condition, tracked.alert.next_at) == (True, "over", None)
    assert tracked.deadline is None


def test_an_open_alert_is_written_again_after_a_day():
    """A gateway begins 25 h back; what it does not find there it cannot show."""
    tracked = lifecycle.opened(mild(response=SILENT, priority="low"), V[0], minute(0))
    assert tracked.deadline == minute(0) + REASSERT_US
    assert lifecycle.due(tracked, minute(0) + REASSERT_US) == "reassert"
    again = lifecycle.timed(tracked, "reassert", V[1], minute(0) + REASSERT_US)
    assert (again.alert.announced, again.alert.at) == (False, minute(0))
    assert again.deadline == minute(0) + 2 * REASSERT_US


def test_commands_are_refused_with_the_reason():
    """Whoever acknowledged the milder alert did not see the worse one; whoever is late learns that it is over."""
    tracked = lifecycle.followed(lifecycle.opened(mild(), V[0], minute(0)), episode("rise", 2), V[2], minute(2))
    shown = acknowledge(tracked.alert)
    assert lifecycle.refusal(tracked, was_closed=False, command=shown) == ""
    assert lifecycle.refusal(tracked, False, acknowledge(tracked.alert, version=V[1])) == "worsened"
    assert lifecycle.refusal(tracked, False, acknowledge(tracked.alert, level=1)) == "worsened"
    assert lifecycle.refusal(tracked, False, acknowledge(tracked.alert, version=V[3])) == "unknown_version"
    assert lifecycle.refusal(None, True, shown) == "cleared"
    assert lifecycle.refusal(None, False, shown) == "unknown_alert"


def test_a_silent_change_after_the_shown_version_does_not_refuse_the_command():
    """An alert that changes every five minutes could otherwise hardly be acknowledged."""
    tracked = lifecycle.followed(opened(), episode("active", 1, value=50.0), V[3], minute(1))
    assert lifecycle.refusal(tracked, False, acknowledge(tracked.alert, version=V[0])) == ""


def test_an_acknowledgement_never_ends_before_it_began():
    """On simulated time a reading may be ahead of the clock by a minute; the hold counts from the later one."""
    tracked = lifecycle.opened(episode(at=1), V[0], minute(0))
    assert acknowledged(tracked, 0.5).alert.acknowledged_until == minute(1) + HIGH.hold_us


def test_only_calls_for_a_person_are_announced():
    """`ANNOUNCING` is what sounds and counts as an alarm; the flag and the list must agree."""
    assert {"open", "rise", "run_out", "repeat"} == ANNOUNCING
    assert lifecycle.last_known(48.0, minute(0), minute(0) + 90 * MINUTE_US).endswith("no data for 90 min")
