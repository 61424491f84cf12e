"""An alert that nobody answers: whom it calls, when, and what stops it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.alerting import (
    SILENT,
    Journal,
    acknowledge,
    command,
    episode,
    mark,
    mild,
    minute,
    receipt,
    replayed,
    tick,
)
from vitals.alerts import Alert
from vitals.proof import RULE

SECOND = 1 / 60


def past() -> Journal:
    """A journal on simulated time: nobody waits for screens."""
    journal = Journal()
    journal.write(replayed(0))
    return journal


def story(alerts: list[Alert]) -> list[tuple[str, int, float]]:
    """What was announced: the change, whom it has called by then, and after how many minutes."""
    return [
        (alert.change, alert.escalation, (alert.announced_at - minute(0)) / 60e6) for alert in alerts if alert.announced
    ]


def minutes(journal: Journal, until: int, *, simulated: bool = True) -> list[Alert]:
    """A mark each minute."""
    return [alert for number in range(1, until + 1) for alert in journal.alerts(mark(number, simulated=simulated))]


def test_a_high_alert_calls_the_lead_after_three_minutes_and_all_after_six():
    """RULES' table; repeats keep their own rhythm of five minutes, so that "repeats 23:04" stays true."""
    journal = past()
    opened = journal.alert(episode())
    assert (opened.repeat_at, opened.lead_at, opened.all_at) == (minute(5), minute(3), minute(6))
    assert (opened.next_at, opened.unanswered_since) == (minute(3), minute(0))
    assert story(minutes(journal, 11)) == [
        ("escalate", 1, 3),
        ("repeat", 1, 5),
        ("escalate", 2, 6),
        ("repeat", 2, 10),
    ]


def test_a_medium_alert_calls_the_lead_once_and_never_all():
    """The lead and the first repeat are due at the same minute: that is one call, not two."""
    journal = past()
    journal.write(mild())
    assert story(minutes(journal, 45)) == [("escalate", 1, 15), ("repeat", 1, 30), ("repeat", 1, 45)]


@pytest.mark.parametrize("action", ["acknowledge", "going", "treated", "shelve"])
def test_an_answer_stops_escalation(action: Any):
    """Somebody has it: nobody else needs to come."""
    journal = past()
    journal.write(episode(), replayed(4))
    shown = journal.alert(replayed(5))
    answered = journal.alert(command(action, 1, shown, minutes=10))
    assert (answered.change, answered.escalation, answered.unanswered_since) == (action, 0, None)
    assert (answered.repeat_at, answered.lead_at, answered.all_at) == (None, None, None)
    assert story(minutes(journal, 14)) == []


def test_escalation_waits_while_it_gets_better_and_is_due_at_once_when_it_does_not():
    """What fell due meanwhile is due when it is beyond the limit again: lead and all are one call then."""
    journal = past()
    journal.write(episode(), episode("returning", 2, condition="returning"), replayed(8))
    again = journal.alert(episode("active", 9))
    assert (again.announced, again.lead_at, again.all_at, again.repeat_at) == (False, *[minute(9)] * 3)
    assert story(journal.alerts(replayed(9))) == [("escalate", 2, 9)]
    assert journal.manager.next_deadline() == minute(14)


def test_a_rise_starts_escalation_anew():
    """The worse thing has been announced to its first people only now."""
    journal = past()
    journal.write(mild(), replayed(15))
    risen = journal.alert(episode("rise", 16))
    assert (risen.escalation, risen.lead_at, risen.unanswered_since) == (0, minute(19), minute(16))


def test_a_run_out_starts_escalation_anew():
    """It calls again, as if it were new."""
    journal = past()
    journal.write(acknowledge(journal.alert(episode())))
    called = journal.alert(replayed(15))
    assert (called.change, called.escalation, called.lead_at) == ("run_out", 0, minute(18))


def test_an_unknown_alert_escalates_with_what_was_last_known():
    """RULES: "was 48 at 22:59, no data for 12 min"."""
    journal = past()
    journal.write(episode(), episode("unknown", 1, condition="unknown", value_at=minute(0)))
    assert journal.alert(replayed(3)).reason == "was 48 at 22:13 UTC, no data for 3 min"


def test_an_announcement_on_no_screen_for_ten_seconds_takes_the_next_step_at_once():
    """The step is the one that would have come: the lead, then all, each waited for in turn; then it is only said."""
    journal = Journal()
    journal.write(mark(0), episode())
    found = [journal.alerts(mark(SECOND * number)) for number in (9, 10, 19, 20, 30, 40, 50)]
    changes = [
        [(alert.change, alert.escalation, alert.announced, alert.undelivered) for alert in each] for each in found
    ]
    lead, everybody = ("not_delivered", 1, True, True), ("not_delivered", 2, True, True)
    assert changes == [[], [lead], [], [everybody], [], [], []]


def test_a_rule_without_a_next_step_only_says_that_it_was_not_delivered():
    """It is said once, and calls nobody: there is nobody further to call."""
    journal = Journal()
    journal.write(mark(0), mild(response=SILENT, priority="low"))
    said = journal.alert(mark(1))
    assert (said.change, said.announced, said.undelivered, said.announcements) == ("not_delivered", False, True, 1)
    assert journal.alerts(mark(2)) == []


def test_what_a_screen_has_had_is_not_judged():
    """The receipt stands on the alert, with how many of its calls it counts for."""
    journal = Journal()
    journal.write(mark(0))
    shown = journal.alert(episode())
    told = journal.alert(receipt(shown))
    assert (told.change, told.announced, told.delivered, told.delivered_at) == ("delivered", False, 1, minute(0))
    assert journal.alerts(mark(1)) == []


def test_a_receipt_that_comes_late_takes_the_mark_of_undelivered_away():
    """The screen is back; whoever reads the alert must not believe that it is still unheard."""
    journal = Journal()
    journal.write(mark(0), episode())
    judged = journal.alert(mark(SECOND * 10))
    assert journal.alert(receipt(judged)).undelivered is False
    assert story(journal.alerts(mark(SECOND * 30))) == []


def test_each_announcement_is_judged_by_itself():
    """A receipt of the first call says nothing about the screen at the second one."""
    journal = Journal()
    journal.write(mark(0))
    journal.write(receipt(journal.alert(episode())), mark(3))
    assert story(journal.alerts(mark(3 + SECOND * 10))) == [("not_delivered", 2, 3 + SECOND * 10)]


def test_whoever_answers_or_looks_has_had_it():
    """An acknowledged alert is not undelivered."""
    for action in ("acknowledge", "going", "treated", "seen"):
        journal = Journal()
        journal.write(mark(0))
        journal.write(command(action, 1, journal.alert(episode())))
        assert journal.alerts(mark(1)) == [], action


def test_on_simulated_time_nothing_is_judged_as_not_delivered():
    """A month in a minute: no screen could have shown it; and what was announced then is not judged later either."""
    journal = past()
    journal.write(episode(response=SILENT))
    assert journal.alerts(replayed(2), mark(3), mark(4)) == []


def test_the_managers_own_ticks_judge_and_escalate():
    """Processor and bridge are gone: exactly then an alert must not wait for them."""
    journal = Journal()
    journal.write(mark(0), episode())
    assert story(journal.alerts(tick(SECOND * 11, 1))) == [("not_delivered", 1, SECOND * 10)]
    assert story(journal.alerts(tick(4, 2))) == [], "the tick of another site"


def test_a_synthetic_alert_has_no_timer_and_leaves_no_memory():
    """Every ten seconds one per site: nobody is called for it, and it must not fill what is bounded."""
    journal = Journal(closed_max=1)
    journal.write(mark(0))
    shown = journal.alert(episode(response=SILENT))
    journal.write(command("seen", 1, shown), episode("clear", 1))
    proof = journal.alert(episode(rule=RULE, label="proof.ward-a", response=SILENT))
    assert (proof.announced, proof.next_at, journal.manager.next_deadline()) == (True, None, None)
    over = journal.alert(episode("clear", 1, rule=RULE, label="proof.ward-a"))
    assert (over.closed, over.unseen) == (True, False)
    assert journal.answer(acknowledge(shown, 2)).reason == "cleared"


def test_a_policy_with_a_repeat_of_nothing_stops_no_clock():
    """A mistake in one patient's policy must not make the manager of a whole partition call for ever."""
    journal = past()
    journal.write(episode(response=SILENT.model_copy(update={"repeat_us": 0, "lead_us": 0})))
    assert story(journal.alerts(replayed(1))) == [("escalate", 1, 0)]
