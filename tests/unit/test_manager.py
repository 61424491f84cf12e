"""The manager's step: order of timers, idempotent commands, zombies, and limits."""

from __future__ import annotations

from typing import Any

from alerts.manager_service import Ticker
from tests import alerting
from tests.alerting import REPEATING, Journal, acknowledge, mark, mild, minute, records, replayed, tick, unknown_id
from vitals.alerts import Alert, Answer, FeedMark
from vitals.causes import HEADER, NONE, Cause
from vitals.journal import Episode
from vitals.topics import FEED, MARK_KEY


def episode(change: str = "open", at: float = 0, **fields: Any) -> Episode:
    """A high episode that repeats and does not escalate: what is tested here is the order of things."""
    return alerting.episode(change, at, **{"response": REPEATING} | fields)


def past() -> Journal:
    """A journal on simulated time, where no screen is waited for."""
    journal = Journal()
    journal.write(replayed(0))
    return journal


def test_a_mark_is_passed_on_after_what_it_made_due():
    """Who reads the feed's clock as T must have seen every change up to T."""
    journal = past()
    journal.write(episode())
    alert, passed = journal.write(replayed(5))
    assert isinstance(alert, Alert)
    assert alert.change == "repeat"
    assert passed == FeedMark(sites={1: minute(5)}, simulated=True)
    assert journal.feed[-1].key == MARK_KEY


def test_outputs_carry_the_cause_and_the_alert_repeats_it():
    """The header is what readers order by, the JSON what clients send back with a command."""
    journal = Journal()
    alert = journal.alert(episode())
    assert journal.feed[0].cause == Cause(0, 0) == alert.version
    assert (journal.feed[0].topic, journal.feed[0].partition, journal.feed[0].key) == (FEED, 0, alert.id.bytes)


def test_a_zombie_processor_changes_nothing():
    """Two owners write the same episodes for a while; the second copy must not open, rise or clear anything."""
    journal = Journal()
    cause = ((HEADER, Cause(7, 0).pack()),)
    first = journal.manager.step(records([episode()], 0, [cause]))
    again = journal.manager.step(records([episode()], 1, [cause]))
    older = journal.manager.step(records([episode("clear", 1)], 2, [((HEADER, Cause(6, 5).pack()),)]))
    assert (len(first), again, older) == (1, [], [])


def test_timers_of_one_mark_fire_in_order_of_deadline_and_then_id():
    """Any order that depends on a dictionary would differ between two owners of the partition."""
    journal = past()
    names = ["p1", "p2", "p3", "p4"]
    for name in names:
        journal.write(episode(label=name, at=1 if name == "p3" else 0))
    fired = journal.alerts(replayed(6))
    assert [alert.at for alert in fired] == [minute(5)] * 3 + [minute(6)]
    assert [alert.id for alert in fired[:3]] == sorted(alert.id for alert in fired[:3])


def test_a_site_whose_clock_stands_still_has_no_timers_from_another_site():
    """A mark moves the clocks that it names; a backlog of one site must be digested before its time moves."""
    journal = past()
    journal.write(episode(), episode(label="p2", site=2))
    assert [alert.site for alert in journal.alerts(replayed(10, 2))] == [2]
    assert [alert.site for alert in journal.alerts(tick(10))] == [1]


def test_the_managers_own_tick_moves_every_site():
    """When processor or bridge are gone, an unacknowledged alert still calls."""
    journal = Journal()
    journal.write(replayed(0), episode(), episode(label="p2", site=2))
    assert sorted(alert.site for alert in journal.alerts(tick(5))) == [1, 2]
    assert (journal.manager.now(1), journal.manager.now(2)) == (minute(5), minute(5))


def test_time_never_goes_back():
    """A late tick or mark of a zombie must not fire anything again."""
    journal = past()
    journal.write(episode(), replayed(5))
    assert journal.alerts(replayed(4), tick(3), replayed(5)) == []


def test_timers_fire_before_the_message_that_follows_the_replayed():
    """The order in the log is the order of life: the repeat at 5 came before the acknowledgement."""
    journal = past()
    alert = journal.alert(episode())
    repeated = journal.alert(replayed(5))
    held = journal.alert(acknowledge(alert))
    assert (repeated.change, held.change, held.announcements) == ("repeat", "acknowledge", 2)


def test_an_accepted_command_changes_the_alert_and_then_answers():
    """Who gets the answer has already seen what it did; everybody else sees the change."""
    journal = Journal()
    alert = journal.alert(episode())
    change, answer = journal.write(acknowledge(alert))
    assert isinstance(change, Alert)
    assert (change.change, change.acknowledged_by, change.acknowledged_until) == ("acknowledge", "nurse", minute(15))
    assert isinstance(answer, Answer)
    assert (answer.outcome, answer.reason, answer.by) == ("accepted", "", "nurse")


def test_a_repeated_command_is_answered_again_and_done_once():
    """No answer in 5 s means: send it again. It must not extend the hold or acknowledge a later rise."""
    journal = past()
    command = acknowledge(journal.alert(mild()))
    first = journal.answer(command)
    journal.write(episode("rise", 2))
    assert journal.write(command) == [first]
    assert journal.manager.next_deadline() == minute(7)


def test_a_command_on_an_older_version_than_the_rise_is_refused():
    """The person must look again: what they saw was the milder thing."""
    journal = Journal()
    shown = journal.alert(mild())
    risen = journal.alert(episode("rise", 2))
    assert journal.answer(acknowledge(shown, 1)).reason == "worsened"
    assert journal.answer(acknowledge(risen, 2)).outcome == "accepted"


def test_commands_on_closed_and_on_unknown_alerts_are_told_apart():
    """One is good news, the other an error of somebody's."""
    journal = Journal()
    alert = journal.alert(episode())
    journal.write(episode("clear", 9))
    assert journal.answer(acknowledge(alert, 1)).reason == "cleared"
    assert journal.answer(acknowledge(alert, 2, alert=unknown_id())).reason == "unknown_alert"


def test_nothing_happens_to_a_closed_alert():
    """Closed alerts never change again: reports and clients rely on it."""
    journal = past()
    journal.write(episode(), episode("clear", 9))
    assert journal.alerts(episode("rise", 10), replayed(60), tick(24 * 60 * 3)) == []


def test_a_waiting_run_out_announces_behind_the_change_that_made_it_active():
    """First what the data said, then the call: two changes, two versions of one record."""
    journal = past()
    alert = journal.alert(episode())
    journal.write(acknowledge(alert), episode("unknown", 11, condition="unknown"))
    assert journal.alerts(replayed(40)) == []
    known, call = journal.alerts(episode("known", 41))
    assert (known.change, known.announced, call.change, call.announced) == ("known", False, "run_out", True)
    assert call.version > known.version
    assert call.next_at == minute(46)


def test_an_alert_is_written_again_after_a_day_without_a_change():
    """Readers begin 25 h before the end of the log."""
    journal = past()
    journal.write(mild(response={"repeat_us": None, "hold_us": 1, "lead_us": None, "all_us": None}, priority="low"))
    assert journal.alerts(replayed(24 * 60 - 1)) == []
    again = journal.alert(replayed(24 * 60))
    assert (again.change, again.announced) == ("reassert", False)


def test_an_unreadable_record_is_counted_and_stops_nothing():
    """One record that nobody can read must not take every alarm of a partition with it."""
    journal = Journal()
    journal.manager.step(records([b"{", b'{"kind":"shelve"}'], 0, [(), ()]))
    journal.offset = 2
    assert journal.manager.unreadable == 2
    assert journal.alert(episode()).change == "open"


def test_memory_of_commands_and_of_closed_alerts_is_bounded():
    """The loss is stated: the oldest command could be done again, the oldest closed alert is unknown."""
    journal = Journal(commands_max=1, closed_max=1)
    journal.write(replayed(0))
    first = journal.alert(episode())
    journal.write(episode("clear", 1), episode(label="p2"), episode("clear", 1, label="p2"))
    assert journal.answer(acknowledge(first, 1)).reason == "unknown_alert"
    second = journal.alert(episode(label="p3"))
    held = journal.alert(acknowledge(second, 2))
    journal.write(acknowledge(second, 3, alert=unknown_id()))
    assert journal.alert(acknowledge(held, 2)).change == "acknowledge"


def test_a_tick_is_wanted_only_when_a_timer_is_due_and_time_stands_still():
    """Marks are the better clock: they wait for the backlog. The wall is asked when they stop."""
    journal = Journal()
    ticker = Ticker(2.0)
    steps = {0: journal.manager}
    journal.write(replayed(0), episode(), replayed(1))
    assert ticker.due(steps, minute(6), 10.0) == []
    assert ticker.due(steps, minute(6), 11.0) == []
    assert ticker.due(steps, minute(4), 12.5) == [], "no timer is due"
    assert ticker.due(steps, minute(6), 12.5) == [(0, 1)]
    assert ticker.due(steps, minute(6), 13.0) == [], "the tick is on its way"
    journal.write(tick(6))
    assert ticker.due(steps, minute(6), 20.0) == [], "time moved"
    assert ticker.due({}, minute(60), 30.0) == []


def test_a_site_that_is_cut_off_is_ticked_while_the_others_go_on():
    """Its clock stands still with it; its unanswered alerts would else repeat and escalate only when it is back."""
    journal = past()
    ticker = Ticker(2.0)
    steps = {0: journal.manager}
    journal.write(replayed(0, 1, 2), episode(), episode(label="p2", site=2))
    for second in range(3):
        journal.write(mark(5 + second / 60, 2))
        places = ticker.due(steps, minute(5) + second * 1_000_000, 10.0 + second)
    assert places == [(0, 1)]
    assert [alert.site for alert in journal.alerts(tick(5.05, 1))] == [1]
    assert journal.manager.now(2) == minute(5 + 2 / 60)


def test_the_manager_begins_without_time():
    """Before the first mark there is no clock, and nothing is due."""
    journal = Journal()
    assert (journal.manager.now(1), journal.manager.next_deadline(), NONE) == (0, None, Cause(-1, -1))
