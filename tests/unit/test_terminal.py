"""What a person at a terminal sees, and what a key may do to which alert."""

from __future__ import annotations

import io
from datetime import UTC
from typing import get_args

import pytest

from alerts import lines
from alerts.client import Lost
from alerts.terminal import Selection, asked, plain
from alerts.view import FeedView
from tests.alerting import Journal, acknowledge, episode, mild, minute, unknown_id
from vitals.alerts import Alert, AlertChange, Refusal, Service, Shelf
from vitals.policy_kinds import NAMES
from vitals.protocol import (
    Change,
    CommandAnswer,
    Heartbeat,
    Place,
    Proof,
    ServiceChange,
    ShelfChange,
    Snapshot,
    Undo,
    Welcome,
)


def alerts(*names: str) -> list[Alert]:
    """Open alerts, one for each name; a name that begins with ``m`` is of medium priority."""
    journal = Journal()
    return [journal.alert((mild if name[0] == "m" else episode)(label=name)) for name in names]


def chosen(selection: Selection) -> Alert | None:
    return selection.chosen


def beat(**fields: object) -> Heartbeat:
    values = {"cursor": "c", "at": 1, "state": "ok", "age_ms": 640, "where": ()}
    return Heartbeat.model_validate(values | fields)


def test_one_change_is_one_line_with_what_one_must_know():
    """Without a terminal the feed is a log: who, what, how bad, since when, and when it calls again."""
    (alert,) = alerts("p7")
    line = "2023-11-14 22:13:20  *** high    p7            NEW           glucose low 48 mg/dL  "
    assert plain(Change(cursor="c", alert=alert), UTC) == [line + "[repeats 22:18, lead 22:16, all 22:19]"]


def test_a_time_that_no_calendar_has_does_not_end_the_list():
    """One alert of somebody else's making, and nobody would see the others."""
    far = 1 << 62
    (alert,) = alerts("p7")
    (line,) = plain(Change(cursor="c", alert=alert.model_copy(update={"at": far, "repeat_at": -far})), UTC)
    assert line.startswith("9999-12-31 00:00:00  *** high    p7")
    assert "repeats 00:00" in line


def test_a_censored_value_is_shown_as_the_device_meant_it():
    """LOW is "below 40", not a measured 39."""
    journal = Journal()
    assert lines.what(journal.alert(episode(value=39.0, censored="low"))) == "glucose low < 40 mg/dL"
    assert lines.what(journal.alert(episode(label="p2", value=401.0, censored="high"))) == "glucose low > 400 mg/dL"
    assert lines.what(journal.alert(episode(label="p3", value=None, rule="signal"))) == "glucose signal"


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_is_said_in_words_once(name: str):
    """``heart_rate heart_rate_extreme 168 /min`` is for who wrote the code, not for who is called."""
    rule, _, metric = name.partition(".")
    metric = metric or ("heart_rate" if rule.startswith("heart_rate") else "glucose")
    said = lines.what(Journal().alert(episode(rule=rule, metric=metric, value=None)))
    assert "_" not in said
    words = said.split()
    assert len(words) == len(set(words)) or rule == "heart_rate_glucose"
    assert said.startswith(metric.replace("_", " "))


def test_who_has_it_is_shown_until_when():
    """Acknowledged is not solved: the line says when it will call again."""
    journal = Journal()
    held = journal.alert(acknowledge(journal.alert(episode())))
    assert lines.response(held, UTC) == "nurse until 22:28"
    assert "[" not in lines.line(journal.alert(episode("clear", 3)), UTC)


@pytest.mark.parametrize(
    ("heartbeat", "text"),
    [
        (None, "waiting for the first tick"),
        (beat(state="waiting for the first tick", age_ms=None), "waiting for the first tick"),
        (beat(), "data 0.6 s old"),
        (
            beat(
                state="stalled",
                age_ms=14_000,
                where=(
                    Place(partition=0, site=3, age_ms=14_000),
                    Place(partition=1, site=3, age_ms=13_000),
                    Place(partition=2, site=None, age_ms=12_000),
                ),
            ),
            "STALLED: data 14.0 s old (partition 2, site 3)",
        ),
    ],
)
def test_the_age_of_the_data_is_always_on_the_screen(heartbeat: Heartbeat | None, text: str):
    """A calm list over old data looks like a calm ward."""
    assert lines.health(heartbeat) == text


def test_the_answer_of_the_server_is_shown_and_not_a_hope():
    """Three different things: done, refused with the reason, not confirmed."""
    answer = CommandAnswer(id=unknown_id(), alert=unknown_id(), outcome="accepted", by="nurse", at=1)
    refused = answer.model_copy(update={"outcome": "refused", "reason": "worsened"})
    texts = [lines.answer_line(each) for each in (answer, refused, None)]
    assert texts == ["accepted", "refused: it worsened: look again", "not confirmed: no answer, try again"]


def test_the_worklist_begins_with_who_needs_somebody_first():
    """RULES: high before medium, acknowledged behind what nobody has."""
    view = FeedView()
    first, second, third = alerts("m1", "p2", "p3")
    held = third.model_copy(update={"response": "acknowledged"})
    view.take(Snapshot(cursor="c", more=False, alerts=(first, held, second)))
    assert [alert.label for alert in view.worklist()] == ["p2", "m1", "p3"]


def test_a_view_takes_each_change_once_and_forgets_what_is_closed():
    """After ``recovered: false`` an old change may come again; it must not reopen anything."""
    journal = Journal()
    view = FeedView()
    opened = journal.alert(episode(category="technical"))
    closed = journal.alert(episode("clear", 1, category="technical"))
    assert view.take(Change(cursor="1", alert=opened))
    assert view.take(Change(cursor="2", alert=closed))
    assert not view.take(Change(cursor="3", alert=opened))
    assert (view.alerts, view.cursor) == ({}, "3")


def test_a_snapshot_in_parts_replaces_everything_when_it_is_whole():
    """Half a snapshot is no state of the ward; a broken connection must not leave it on the screen."""
    one, two, three = alerts("p1", "p2", "p3")
    view = FeedView()
    view.take(Snapshot(cursor="1", more=False, alerts=(one,)))
    view.take(Snapshot(cursor=None, more=True, alerts=(two,)))
    assert (list(view.alerts), view.cursor) == ([one.id], "1")
    view.take(
        Welcome(
            protocol=1,
            server="s",
            name="n",
            role="wall",
            sites=None,
            recovered=False,
            cursor=None,
            heartbeat_seconds=2,
            clock="real",
        )
    )
    view.take(Snapshot(cursor="2", more=False, alerts=(three,)))
    assert (list(view.alerts), view.cursor) == ([three.id], "2")


def test_the_choice_stays_with_its_alert_when_a_worse_one_enters_above():
    """The list moves under the finger; the key must not hit another patient."""
    selection = Selection()
    one, two, three = alerts("p1", "p2", "p3")
    selection.keep([one, two])
    selection.move(1)
    selection.keep([three, one, two])
    assert selection.chosen == two


def test_when_the_chosen_alert_goes_nothing_is_chosen():
    """A key that was already on its way must not acknowledge the alert that moved up."""
    selection = Selection()
    one, two, three = alerts("p1", "p2", "p3")
    selection.keep([one, two, three])
    selection.move(1)
    selection.keep([one, three])
    assert chosen(selection) is None
    selection.move(1)
    assert chosen(selection) == three
    selection.keep([])
    selection.move(-1)
    assert chosen(selection) is None
    selection.keep([one])
    assert chosen(selection) == one


def test_the_chosen_alert_is_among_those_that_fit():
    """A small terminal scrolls."""
    selection = Selection()
    many = alerts(*(f"p{number}" for number in range(9)))
    selection.keep(many)
    for _ in range(9):
        selection.move(1)
    assert selection.chosen == many[-1]
    assert selection.around(3) == many[-3:]
    assert selection.around(20) == many


def test_a_lost_feed_is_a_loud_line():
    """Silence and a lost feed look the same, unless one says so."""
    out = io.StringIO()
    out.writelines(plain(Lost("the gateway stops", 0.7), UTC))
    assert out.getvalue() == "FEED LOST: the gateway stops; next try in 0.7 s"
    assert minute(0) == 1_700_000_000_000_000


def test_the_list_says_who_has_it_what_is_put_aside_and_whom_it_calls_next():
    """Three nurses look at the same list; the one who reads it last must not run too, nor stay."""
    alert = Journal().alert(episode())
    has = alert.model_copy(update={"response": "acknowledged", "owner": "ann", "acknowledged_until": minute(15)})
    treated = has.model_copy(update={"recheck_at": minute(20)})
    put = alert.model_copy(update={"response": "shelved", "shelved_by": "bob", "shelved_until": minute(10)})
    late = alert.model_copy(
        update={"escalation": 1, "undelivered": True, "repeat_at": minute(5), "lead_at": None, "all_at": minute(6)}
    )
    texts = [lines.response(each, UTC) for each in (has, treated, put, late)]
    assert texts == [
        "ann is going until 22:28",
        "ann treated it, look again 22:33",
        "shelved by bob until 22:23",
        "on no screen, called the lead, repeats 22:18, all 22:19",
    ]
    away = alert.model_copy(update={"response": "out_of_service"})
    assert lines.response(away, UTC) == "out of service"


def test_every_change_and_every_refusal_has_words():
    """A word that is missing would end the terminal in the middle of an alarm."""
    assert set(lines.CHANGES) == set(get_args(AlertChange))
    assert set(lines.REFUSALS) == set(get_args(Refusal)) | {"not_allowed", "too_many"}


def test_the_proof_of_life_that_is_oldest_is_shown():
    """One site that is not proved must not hide behind another that is."""
    first, second = (Proof(site=site, proved_at=1, age_ms=age, took_ms=9) for site, age in ((1, 4000), (2, 9000)))
    never = Proof(site=3, proved_at=None, age_ms=None, took_ms=None)
    assert lines.proof(beat(proofs=(first, second))) == "proved 9 s ago"
    assert lines.proof(beat(proofs=(first, never))) == "never proved: site 3"
    assert (lines.proof(beat()), lines.proof(None)) == ("", "")


def test_a_proof_of_life_that_came_late_is_as_old_as_its_reading():
    """A chain that delivers every alarm five minutes late would seem to be proved all the time."""
    late = Proof(site=1, proved_at=1, age_ms=3000, took_ms=300_000)
    assert lines.proof(beat(proofs=(late,))) == "proved 303 s ago"


def test_a_key_asks_about_the_chosen_alert_as_it_is_shown():
    """The server must know what the person saw: it may be worse by now."""
    (alert,) = alerts("p1")
    made = {key: asked(key, alert, None) for key in "agtsv"}
    kinds = [(key, request[1].type) for key, request in made.items() if request]
    assert kinds == [("a", "acknowledge"), ("g", "assign"), ("t", "assign"), ("s", "shelve"), ("v", "seen")]
    shelve = made["s"]
    assert shelve is not None
    assert shelve[1].alert == alert.id
    assert [asked(key, None, None) for key in "agtsvux"] == [None] * 7


def test_u_takes_back_what_was_asked_last():
    """A wrong key at 3 a.m. must cost a second, not a quarter of an hour of silence."""
    (alert,) = alerts("p1")
    made = asked("a", alert, None)
    assert made is not None
    undo = asked("u", None, made[1])
    assert undo is not None
    assert isinstance(undo[1], Undo)
    assert (undo[1].alert, undo[1].command) == (alert.id, made[1].id)


def test_the_view_keeps_shelves_and_services_until_they_end():
    """What is silent on purpose is listed, and no longer than it lasts."""
    view = FeedView()
    shelf = Shelf(id=unknown_id(), version=(2, 0), patient=None, label="", site=1, metric=None, rule="site", level=1,
                  since=1, until=minute(60), by="ann", reason="")  # fmt: skip
    service = Service(version=(2, 1), patient=unknown_id(), label="p1", site=1, since=1, until=minute(60), by="ann",
                      reason="bath")  # fmt: skip
    view.take(Snapshot(cursor=None, more=True, alerts=()))
    view.take(Snapshot(cursor="c", more=False, alerts=(), shelves=(shelf,), services=(service,)))
    assert lines.counts(view) == "0 open, 1 shelf, 1 out of service"
    changed = service.model_copy(update={"version": (3, 0), "until": minute(90)})
    assert view.take(ServiceChange(cursor="d", service=changed))
    assert not view.take(ServiceChange(cursor="d", service=service)), "an older one changes nothing"
    assert plain(ServiceChange(cursor="d", service=changed), UTC) == [
        "p1  out of service by ann until 2023-11-14 23:43:20  (bath)"
    ]
    ended = shelf.model_copy(update={"version": (4, 0), "ended": True})
    assert view.take(ShelfChange(cursor="e", shelf=ended))
    assert (view.shelves, list(view.services.values()), view.cursor) == ({}, [changed], "e")
