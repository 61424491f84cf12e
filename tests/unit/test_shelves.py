"""What is put aside: a rule on a shelf, a patient out of service. Bounded, listed, and never hiding anything worse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.alerting import (
    SILENT,
    Journal,
    acknowledge,
    command,
    episode,
    mild,
    minute,
    replayed,
    service,
    unknown_id,
)
from vitals.alerts import Alert, Service, Shelf
from vitals.metrics import MINUTE_US

TIMERS = ("repeat_at", "lead_at", "all_at")


def past() -> Journal:
    """A journal on simulated time: nobody waits for screens, and what clears closes."""
    journal = Journal()
    journal.write(replayed(0))
    return journal


def shelve(journal: Journal, shown: Alert, minutes: float, number: int = 1, **fields: Any) -> tuple[Shelf, Alert]:
    """An accepted shelf, and the alert on it."""
    shelf, alert, answer = journal.write(command("shelve", number, shown, minutes=minutes, **fields))
    assert isinstance(shelf, Shelf)
    assert isinstance(alert, Alert)
    assert (answer.kind, answer.kind == "answer" and answer.outcome) == ("answer", "accepted")
    return shelf, alert


def changes(journal: Journal, *messages: Any) -> list[tuple[str, bool]]:
    return [(alert.change, alert.announced) for alert in journal.alerts(*messages)]


def ends(journal: Journal, *messages: Any) -> list[Shelf | Service]:
    return [message for message in journal.write(*messages) if isinstance(message, Shelf | Service)]


def test_a_shelved_alert_is_silent_until_its_end_and_then_calls():
    """The feed shows the shelf by itself, so that everybody sees what is put aside, by whom, why and until when."""
    journal = past()
    shelf, alert = shelve(journal, journal.alert(mild()), 60, reason="sensor hurts")
    assert (shelf.rule, shelf.level, shelf.priority, shelf.until, shelf.by, shelf.reason, shelf.ended) == (
        "low", 1, "medium", minute(60), "nurse", "sensor hurts", False,
    )  # fmt: skip
    assert (alert.response, alert.shelf, alert.shelved_until, alert.announced) == (
        "shelved", shelf.id, minute(60), False,
    )  # fmt: skip
    assert (alert.next_at, [getattr(alert, name) for name in TIMERS]) == (minute(60), [None] * 3)
    assert changes(journal, replayed(59)) == []
    over, called, _ = journal.write(replayed(60))
    assert isinstance(over, Shelf)
    assert isinstance(called, Alert)
    assert (over.id, over.ended, over.version < called.version) == (shelf.id, True, True)
    assert (called.change, called.announced, called.response, called.shelf) == (
        "shelf_end",
        True,
        "unacknowledged",
        None,
    )
    assert (called.lead_at, called.unanswered_since) == (minute(75), minute(60))


@pytest.mark.parametrize(
    ("make", "minutes", "reason"),
    [(episode, 15, ""), (episode, 16, "too_long"), (mild, 240, ""), (mild, 241, "too_long"), (mild, 0, "not_possible")],
)
def test_a_shelf_is_bounded_by_the_priority(make: Any, minutes: int, reason: str):
    """High priority has no off switch: fifteen minutes, and then a person must look again."""
    journal = past()
    assert journal.answer(command("shelve", 1, journal.alert(make()), minutes=minutes)).reason == reason


def test_a_shelf_without_an_end_is_refused():
    """Every shelf ends."""
    journal = past()
    assert journal.answer(command("shelve", 1, journal.alert(mild()))).reason == "not_possible"


def test_a_rise_ends_a_shelf_and_calls():
    """What was put aside was the milder thing."""
    journal = past()
    shelf, _ = shelve(journal, journal.alert(mild()), 60)
    risen, over, _ = journal.write(episode("rise", 5), replayed(5))
    assert isinstance(risen, Alert)
    assert isinstance(over, Shelf)
    assert (risen.change, risen.announced, risen.shelf, over.id, over.ended) == ("rise", True, None, shelf.id, True)
    assert ends(journal, replayed(60)) == []


def test_a_shelf_outlives_its_episode():
    """Whoever shelved a chattering alert is not called by the next of it; but by its end, if it is still there."""
    journal = past()
    shelf, _ = shelve(journal, journal.alert(mild()), 60)
    assert changes(journal, episode("clear", 5, level=1, priority="medium")) == [("clear", False)]
    again = journal.alert(mild(opened=10, at=10))
    assert (again.change, again.announced, again.response, again.shelf) == ("open", False, "shelved", shelf.id)
    assert (again.announcements, again.next_at) == (0, minute(60))
    assert changes(journal, replayed(60)) == [("shelf_end", True)]


@pytest.mark.parametrize("worse", [{"level": 2}, {"priority": "high"}])
def test_an_alert_that_opens_worse_than_its_shelf_ends_it_and_calls(worse: dict[str, Any]):
    """A worse severity always announces (DOMAIN), however it is worse."""
    journal = past()
    shelve(journal, journal.alert(mild()), 240)
    journal.write(mild("clear", 5))
    opened, over = journal.write(mild(opened=10, at=10, **worse))
    assert isinstance(opened, Alert)
    assert isinstance(over, Shelf)
    assert (opened.announced, opened.response, over.ended) == (True, "unacknowledged", True)


@pytest.mark.parametrize("other", [{"rule": "high"}, {"metric": "heart_rate"}, {"label": "p2"}])
def test_shelving_one_rule_hides_no_other(other: dict[str, Any]):
    """A shelved low hides no high, no other metric and no other patient."""
    journal = past()
    shelve(journal, journal.alert(mild()), 240)
    assert journal.alert(mild(opened=1, at=1, **other)).announced is True


@pytest.mark.parametrize("condition", ["returning", "unknown"])
def test_a_shelf_that_ends_while_nothing_is_known_to_be_wrong_calls_when_it_is_active(condition: str):
    """Like an acknowledgement that runs out; an alert that never called must not be forgotten this way."""
    journal = past()
    shelve(journal, journal.alert(mild(response=SILENT)), 10)
    journal.write(mild(condition, 5, condition=condition, response=SILENT))
    waiting = journal.alert(replayed(10))
    assert (waiting.change, waiting.announced, waiting.response, waiting.next_at) == (
        "shelf_end", False, "unacknowledged", None,
    )  # fmt: skip
    again = "active" if condition == "returning" else "known"
    assert changes(journal, replayed(30), mild(again, 31, response=SILENT)) == [(again, False), ("shelf_end", True)]


def test_shelving_again_replaces_the_end():
    """It is a new decision of somebody who looked, with its own bound."""
    journal = past()
    _, alert = shelve(journal, journal.alert(episode()), 15)
    journal.write(replayed(10))
    shelf, _ = shelve(journal, alert, 15, number=2)
    assert shelf.until == minute(25)
    assert changes(journal, replayed(24)) == []
    assert changes(journal, replayed(25)) == [("shelf_end", True)]


def test_unshelving_tells_who_did_it_and_then_calls():
    """What is taken off the shelf is open again for everybody, not only for whoever did it."""
    journal = past()
    shelf, _ = shelve(journal, journal.alert(mild()), 60)
    over, off, called, answer = journal.write(command("unshelve", 2, shelf=shelf.id))
    assert isinstance(over, Shelf)
    assert (over.ended, answer.kind == "answer" and answer.outcome) == (True, "accepted")
    assert isinstance(off, Alert)
    assert isinstance(called, Alert)
    assert [(off.change, off.announced), (called.change, called.announced)] == [
        ("unshelve", False),
        ("shelf_end", True),
    ]
    assert journal.answer(command("unshelve", 3, shelf=shelf.id)).reason == "not_shelved"
    assert journal.answer(command("unshelve", 4, shelf=unknown_id())).reason == "not_shelved"


def test_going_to_a_shelved_alert_holds_beyond_the_shelf():
    """Somebody has it now; the end of the shelf must not call everybody a minute later."""
    journal = past()
    shown = journal.alert(mild())
    shelve(journal, shown, 15)
    journal.write(replayed(14))
    going = journal.alert(command("going", 2, shown))
    assert (going.response, going.owner, going.acknowledged_until) == ("shelved", "nurse", minute(44))
    ended = journal.alert(replayed(15))
    assert (ended.change, ended.announced, ended.response) == ("shelf_end", False, "acknowledged")
    assert changes(journal, replayed(44)) == [("run_out", True)]


def test_an_undone_shelf_ends_and_nobody_is_called():
    """A slip of the finger must be no alarm; the timers go on as they were."""
    journal = past()
    shown = journal.alert(mild())
    shelve(journal, shown, 60)
    over, alert, _ = journal.write(command("undo", 2, shown, undone=command("shelve", 1).id))
    assert isinstance(over, Shelf)
    assert isinstance(alert, Alert)
    assert (over.ended, alert.change, alert.announced, alert.response) == (True, "undo", False, "unacknowledged")
    assert (alert.lead_at, alert.shelf) == (minute(15), None)
    assert journal.manager.next_deadline() == minute(15)


def test_an_undone_shelf_brings_back_the_one_that_it_replaced():
    """Else the first decision would be lost with the second."""
    journal = past()
    first, alert = shelve(journal, journal.alert(mild()), 60)
    shelve(journal, alert, 240, number=2)
    back, undone, _ = journal.write(command("undo", 3, alert, undone=command("shelve", 2).id))
    assert isinstance(back, Shelf)
    assert isinstance(undone, Alert)
    assert (back.until, undone.shelved_until, undone.response) == (first.until, minute(60), "shelved")
    assert changes(journal, replayed(60)) == [("shelf_end", True)]


def test_who_is_out_of_service_calls_nobody_but_for_a_high_physiological_alert():
    """A patient at a scan loses contact all the time; a hypoglycaemia there is one all the same."""
    journal = past()
    low = journal.alert(episode(rule="low"))
    contact = journal.alert(mild(rule="signal", category="technical"))
    begun, gone, _ = journal.write(service("out_of_service", 1, minutes=60, reason="scan"))
    assert isinstance(begun, Service)
    assert isinstance(gone, Alert)
    assert (begun.until, begun.by, begun.reason, begun.ended) == (minute(60), "nurse", "scan", False)
    assert (gone.id, gone.response, gone.announced, gone.next_at) == (contact.id, "out_of_service", False, None)
    fresh = journal.alert(mild(rule="heart_rate_high", metric="heart_rate", at=1, opened=1))
    assert (fresh.response, fresh.announced) == ("out_of_service", False)
    technical = journal.alert(episode(rule="signal", category="technical", at=2, opened=2, metric="heart_rate"))
    assert (technical.response, technical.announced) == ("out_of_service", False)
    assert {(alert.id, alert.change) for alert in journal.alerts(replayed(3))} == {(low.id, "escalate")}


def test_back_in_service_everything_active_calls():
    """At the time's end, and when somebody says so."""
    for words in ([replayed(60)], [replayed(20), service("in_service", 2)]):
        journal = past()
        journal.write(service("out_of_service", 1, minutes=60), mild(at=1), mild(at=1, rule="high", opened=1))
        journal.write(mild("returning", 2, condition="returning", rule="high", opened=1))
        found = [message for message in journal.write(*words) if isinstance(message, Alert | Service)]
        over, *alerts = found
        assert isinstance(over, Service)
        assert over.ended
        assert sorted((alert.rule, alert.change, alert.announced) for alert in alerts if isinstance(alert, Alert)) == [
            ("high", "service_end", False),
            ("low", "service_end", True),
        ]
        assert changes(journal, mild("active", 61, rule="high", opened=1)) == [("active", False), ("service_end", True)]


def test_an_alert_that_rises_to_high_calls_although_its_patient_is_out_of_service():
    """And is silent again when it is milder."""
    journal = past()
    journal.write(service("out_of_service", 1, minutes=60), mild())
    risen = journal.alert(episode("rise", 1))
    assert (risen.announced, risen.response, risen.lead_at) == (True, "unacknowledged", minute(4))
    lower = journal.alert(mild("lower", 2))
    assert (lower.announced, lower.response, lower.next_at) == (False, "out_of_service", None)


def test_an_acknowledgement_and_a_shelf_last_through_a_time_out_of_service():
    """They were given for so long; the end of something shorter is no reason to call."""
    journal = past()
    journal.write(acknowledge(journal.alert(mild()), 1))
    shelve(journal, journal.alert(mild(rule="high")), 40, number=2)
    assert [alert.response for alert in journal.alerts(service("out_of_service", 3, minutes=10))] == [
        "out_of_service"
    ] * 2
    back = journal.alerts(replayed(10))
    assert sorted((alert.rule, alert.response, alert.announced) for alert in back) == [
        ("high", "shelved", False),
        ("low", "acknowledged", False),
    ]
    assert changes(journal, replayed(30)) == [("run_out", True)]
    assert ("shelf_end", True) in changes(journal, replayed(40))


def test_an_acknowledgement_that_ran_out_meanwhile_calls_at_the_end():
    """While the patient is out of service its end is nothing to call about."""
    journal = past()
    journal.write(acknowledge(journal.alert(mild()), 1), service("out_of_service", 2, minutes=60))
    assert changes(journal, replayed(59)) == []
    assert changes(journal, replayed(60)) == [("service_end", True)]


def test_a_shelf_that_ends_while_its_patient_is_out_of_service_is_over_in_silence():
    """The end of the time out of service calls instead."""
    journal = past()
    shelve(journal, journal.alert(mild()), 10)
    journal.write(service("out_of_service", 2, minutes=60))
    assert changes(journal, replayed(10)) == [("shelf_end", False)]
    assert changes(journal, replayed(60)) == [("service_end", True)]


def test_an_undo_forgets_no_time_out_of_service():
    """It began after the answer and did not touch the high alert; the milder one must be silent all the same."""
    journal = past()
    shown = journal.alert(episode())
    given = acknowledge(shown)
    journal.write(given, service("out_of_service", 2, minutes=60), command("undo", 3, shown, undone=given.id))
    assert journal.alert(mild("lower", 1)).response == "out_of_service"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"minutes": 720}, ""), ({"minutes": 721}, "too_long"), ({}, "not_possible"), ({"minutes": 0}, "not_possible")],
)
def test_a_time_out_of_service_is_bounded(fields: dict[str, Any], reason: str):
    """Twelve hours: a shift that forgets a patient is found by the next."""
    assert past().answer(service("out_of_service", 1, **fields)).reason == reason


def test_a_time_out_of_service_needs_a_patient_and_an_end_needs_a_beginning():
    """A command that says nothing true must not be answered as if it did."""
    journal = past()
    assert journal.answer(service("out_of_service", 1, patient=None, minutes=5)).reason == "unknown_patient"
    assert journal.answer(service("in_service", 2)).reason == "not_possible"
    assert journal.answer(service("in_service", 3, label="p9")).reason == "not_possible"


def test_going_out_again_replaces_the_end():
    """One time out of service per patient; the list of them must not grow by pressing twice."""
    journal = past()
    journal.write(service("out_of_service", 1, minutes=60), replayed(30), service("out_of_service", 2, minutes=60))
    assert ends(journal, replayed(60)) == []
    (over,) = ends(journal, replayed(90))
    assert (over.kind, over.ended, over.until) == ("service", True, minute(90))
    assert journal.manager.next_deadline() is None


def test_a_site_that_is_cut_off_shortens_no_shelf():
    """Its clock stands still; on real time the others tell how late it is. Else a shelf would end at the first tick."""
    journal = Journal()
    journal.write(replayed(0, 1, 2))
    shown = journal.alert(mild(response=SILENT))
    marks = replayed(100, 2).model_copy(update={"simulated": False})
    journal.write(marks)
    (shelf,) = ends(journal, command("shelve", 1, shown, minutes=15))
    assert shelf.until == minute(100) + 15 * MINUTE_US
