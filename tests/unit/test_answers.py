"""What people do to an alert: take it on, go, treat, look, write, take back; and what is refused with which reason."""

from __future__ import annotations

from typing import Any

import pytest

from tests.alerting import Journal, acknowledge, command, episode, mark, mild, minute, receipt, replayed, unknown_id
from vitals.alerts import NOTES_MAX, SEEN_MAX, Alert, Answer
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.proof import RULE

ANSWERS = ("acknowledge", "shelve", "going", "treated")


def past() -> Journal:
    """A journal on simulated time: nobody waits for screens, and what clears closes."""
    journal = Journal()
    journal.write(replayed(0))
    return journal


def live() -> Journal:
    """A journal on real time."""
    journal = Journal()
    journal.write(mark(0))
    return journal


def changes(journal: Journal, *messages: Any) -> list[tuple[str, bool]]:
    return [(alert.change, alert.announced) for alert in journal.alerts(*messages)]


def test_going_acknowledges_and_says_who_has_it():
    """One key, seen by all: nobody else needs to run."""
    journal = past()
    going = journal.alert(command("going", 1, journal.alert(episode()), by="anna"))
    assert (going.response, going.owner, going.owner_at, going.acknowledged_by) == (
        "acknowledged", "anna", minute(0), "anna",
    )  # fmt: skip
    assert going.acknowledged_until == minute(15)
    called = journal.alert(replayed(15))
    assert (called.change, called.owner, called.response) == ("run_out", None, "unacknowledged")


def test_treated_holds_until_the_recheck_and_then_calls():
    """Sugar takes fifteen minutes to work; somebody must look then, and not somebody else than the system remembers."""
    journal = past()
    treated = journal.alert(command("treated", 1, journal.alert(episode()), minutes=20, by="anna"))
    assert (treated.treated_at, treated.recheck_at, treated.next_at) == (minute(0), minute(20), minute(20))
    called = journal.alert(replayed(20))
    assert (called.change, called.announced, called.owner, called.recheck_at) == ("recheck", True, None, None)
    assert (called.treated_at, called.lead_at) == (minute(0), minute(23))


@pytest.mark.parametrize(("minutes", "holds"), [(None, 15), (1, 1), (60, 60), (500, 60)])
def test_a_recheck_is_bounded(minutes: int | None, holds: int):
    """An hour at most, a quarter where nobody said: a treated low is still a low."""
    journal = past()
    assert journal.alert(command("treated", 1, journal.alert(episode()), minutes=minutes)).recheck_at == minute(holds)


def test_a_recheck_of_what_gets_better_waits_until_it_does_not():
    """Like every acknowledgement: returning does not call."""
    journal = past()
    journal.write(command("treated", 1, journal.alert(episode()), minutes=10))
    assert changes(journal, episode("returning", 5, condition="returning"), replayed(30)) == [("returning", False)]
    assert changes(journal, episode("active", 31)) == [("active", False), ("recheck", True)]


def test_only_who_has_it_can_let_go_of_it():
    """The acknowledgement stays: it was heard, only nobody is on the way any more."""
    journal = past()
    shown = journal.alert(episode())
    assert journal.answer(command("release", 1, shown)).reason == "not_possible"
    journal.write(command("going", 2, shown, by="anna"))
    assert journal.answer(command("release", 3, shown, by="ben")).reason == "not_yours"
    free = journal.alert(command("release", 4, shown, by="anna"))
    assert (free.owner, free.response, free.acknowledged_until) == (None, "acknowledged", minute(15))


def test_a_rise_takes_the_alert_from_whoever_had_it():
    """What they took on was the milder thing; somebody must say it again."""
    journal = past()
    journal.write(command("treated", 1, journal.alert(mild())))
    risen = journal.alert(episode("rise", 1))
    assert (risen.owner, risen.recheck_at, risen.response) == (None, None, "unacknowledged")


def test_a_note_changes_nothing_else():
    """It is for the next person; timers, sound and acknowledgements are not its business."""
    journal = past()
    shown = journal.alert(episode())
    noted = journal.alert(command("note", 1, shown, text="juice given"))
    assert (noted.change, noted.announced, noted.next_at) == ("note", False, shown.next_at)
    assert [(note.by, note.at, note.text) for note in noted.notes] == [("nurse", minute(0), "juice given")]
    for number in range(NOTES_MAX):
        noted = journal.alert(command("note", 2 + number, shown, text=str(number)))
    assert [note.text for note in noted.notes] == [str(number) for number in range(NOTES_MAX)]


def test_who_has_seen_it_is_named_once():
    """A screen that says it each second must not fill the log."""
    journal = past()
    shown = journal.alert(episode())
    names = [f"nurse {number}" for number in range(SEEN_MAX + 1)]
    for number, name in enumerate(names):
        seen = journal.alert(command("seen", number, shown, by=name))
    assert (seen.change, seen.seen_by, seen.response) == ("seen", tuple(names[1:]), "unacknowledged")
    assert journal.alerts(command("seen", 100, shown, by=names[-1])) == []


@pytest.mark.parametrize("action", ["acknowledge", "going", "treated"])
def test_an_undo_goes_back_to_what_was(action: Any):
    """Within ten seconds a slip is taken back: response, owner, escalation, repeats; nobody is called."""
    journal = past()
    journal.write(episode(), replayed(4))
    before = journal.alert(replayed(5))
    given = command(action, 1, before)
    journal.write(given)
    after = journal.alert(command("undo", 2, before, undone=given.id))
    told = {"version", "change", "at", "announced"}
    assert after.model_dump(exclude=told) == before.model_dump(exclude=told)
    assert (after.change, after.announced) == ("undo", False)
    assert changes(journal, replayed(6)) == [("escalate", True)]


def test_what_fell_due_before_an_undo_is_due_at_it():
    """A call must not carry an instant at which somebody had it."""
    journal = past()
    given = command("acknowledge", 1, journal.alert(episode()))
    journal.write(replayed(2.95), given, replayed(3.05))
    undone = journal.alert(command("undo", 2, undone=given.id, alert=given.alert))
    assert (undone.lead_at, changes(journal, replayed(3.1))) == (minute(3.05), [("escalate", True)])


def test_an_undo_is_refused_when_it_is_not_ones_own_too_late_or_overtaken():
    """Nobody takes back somebody else's word, or one on which others have built."""
    journal = past()
    shown = journal.alert(episode())
    given = command("acknowledge", 1, shown)
    undo = command("undo", 2, shown, undone=given.id)

    def asked(number: int, **fields: Any) -> str:
        return journal.answer(undo.model_copy(update={"id": command("undo", number).id} | fields)).reason

    assert asked(10) == "not_possible"
    journal.write(given)
    assert asked(11, undone=unknown_id()) == "not_possible"
    assert asked(12, by="ben") == "not_yours"
    assert asked(13, at=given.at + 10 * SECOND_US + 1) == "too_late"
    journal.write(command("note", 3, shown, text="on my way"))
    assert asked(14) == "too_late"


def test_an_undo_is_done_once():
    """There is only one thing to go back to."""
    journal = past()
    shown = journal.alert(episode())
    given = command("acknowledge", 1, shown)
    journal.write(given, command("undo", 2, shown, undone=given.id))
    assert journal.answer(command("undo", 3, shown, undone=given.id)).reason == "not_possible"


@pytest.mark.parametrize("action", ANSWERS)
def test_answers_are_refused_with_the_reason(action: Any):
    """Whoever answers the milder alert did not see the worse one; whoever is late learns that it is over."""
    journal = past()
    shown = journal.alert(mild())
    risen = journal.alert(episode("rise", 2))
    assert journal.answer(command(action, 1, shown, minutes=5)).reason == "worsened"
    assert journal.answer(command(action, 2, risen, minutes=5, level=1)).reason == "worsened"
    assert journal.answer(command(action, 3, risen, minutes=5, version=(99, 0))).reason == "unknown_version"
    assert journal.answer(command(action, 4, risen, minutes=5, alert=unknown_id())).reason == "unknown_alert"
    journal.write(episode("clear", 9))
    assert journal.answer(command(action, 5, risen, minutes=5)).reason == "cleared"


def test_a_silent_change_after_the_shown_version_does_not_refuse_the_answer():
    """An alert that changes every five minutes could otherwise hardly be acknowledged."""
    journal = past()
    shown = journal.alert(episode())
    journal.write(episode("active", 1, value=50.0), receipt(shown))
    assert journal.answer(acknowledge(shown)).outcome == "accepted"


def test_an_acknowledgement_never_ends_before_it_began():
    """On simulated time a reading may be ahead of the clock by a minute; the hold counts from the later one."""
    journal = past()
    held = journal.alert(acknowledge(journal.alert(episode(at=1))))
    assert held.acknowledged_until == minute(1) + 15 * MINUTE_US


def test_a_command_without_its_alert_is_refused():
    """A command that names nothing has no effect, and says so."""
    journal = past()
    journal.write(episode())
    assert journal.answer(command("acknowledge", 1)).reason == "unknown_alert"


def test_what_is_over_and_nobody_has_seen_stays_until_somebody_does():
    """At the change of shift somebody must learn that there was a low at three; then it may go."""
    journal = live()
    journal.write(episode())
    over = journal.alert(episode("clear", 1))
    assert (over.change, over.condition, over.unseen, over.closed, over.next_at) == ("clear", "over", True, False, None)
    assert journal.answer(acknowledge(over, 1)).reason == "cleared"
    assert journal.alerts(mark(30), episode("rise", 31)) == []
    seen = journal.alert(command("seen", 2, over))
    assert (seen.change, seen.closed, seen.seen_by) == ("seen", True, ("nurse",))
    assert journal.answer(command("seen", 3, over)).reason == "cleared"


def test_a_new_episode_leaves_the_unseen_one_as_it_is():
    """Two lows in a night are two things to know."""
    journal = live()
    journal.write(episode())
    over = journal.alert(episode("clear", 1))
    opened = journal.alert(episode(opened=2, at=2))
    assert (opened.id != over.id, opened.announced) == (True, True)
    assert journal.alert(command("seen", 1, over)).closed is True


def test_an_unseen_alert_goes_after_a_day():
    """A list that only grows is not read."""
    journal = live()
    journal.write(episode(), episode("clear", 1))
    assert journal.alerts(mark(24 * 60)) == []
    gone = journal.alert(mark(24 * 60 + 1))
    assert (gone.change, gone.closed, gone.announced, gone.at) == ("expire", True, False, minute(24 * 60 + 1))


@pytest.mark.parametrize("action", [*ANSWERS, "seen"])
def test_what_somebody_has_answered_or_seen_closes_when_it_is_over(action: Any):
    """They know; nobody needs to be told again."""
    journal = live()
    journal.write(command(action, 1, journal.alert(episode()), minutes=5))
    assert journal.alert(episode("clear", 1)).closed is True


@pytest.mark.parametrize("fields", [{"category": "technical"}, {"rule": RULE}])
def test_technical_and_synthetic_alerts_close_when_they_are_over(fields: dict[str, Any]):
    """A sensor that came back is no news of a patient."""
    journal = live()
    journal.write(episode(**fields))
    assert journal.alert(episode("clear", 1, **fields)).closed is True


def test_on_simulated_time_everything_closes_when_it_is_over():
    """Nobody was there to see it."""
    journal = past()
    journal.write(episode())
    assert journal.alert(episode("clear", 1)).closed is True


def test_a_receipt_is_never_answered_and_counts_once():
    """There is one per screen and call; who would wait for two hundred answers?"""
    journal = live()
    shown = journal.alert(episode())
    (told,) = journal.write(receipt(shown))
    assert isinstance(told, Alert)
    assert told.delivered == 1
    assert journal.write(receipt(shown), receipt(shown, 2), receipt(shown, 0)) == [], "had already, or never called"
    assert journal.write(receipt(shown).model_copy(update={"alert": unknown_id()})) == []


def test_every_command_is_answered_also_when_it_changed_nothing():
    """No answer means "not confirmed", and that would be a lie."""
    journal = past()
    shown = journal.alert(episode())
    for number in (1, 2):
        answers = [each for each in journal.write(command("seen", number, shown)) if isinstance(each, Answer)]
        assert [answer.outcome for answer in answers] == ["accepted"]


def test_looking_at_an_alert_that_owes_a_call_does_not_settle_it():
    """A shelf ended while there was no data; whoever looked then has not answered what comes after."""
    journal = past()
    journal.write(command("shelve", 1, journal.alert(mild()), minutes=5))
    journal.write(mild("unknown", 1, condition="unknown"))
    waiting = journal.alert(replayed(5))
    journal.write(command("seen", 2, waiting))
    assert changes(journal, mild("known", 6)) == [("known", False), ("shelf_end", True)]
