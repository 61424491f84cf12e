"""What is open in one metric, and what time, sites and bindings do to it: deadlines, what is known, silence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from stream.activity import Activity
from stream.outbox import Outbox, Where
from stream.rules import ACTIVE, OVER, RETURNING, UNKNOWN
from stream.series import NEVER, Patients
from stream.signal import CONTACT_LOST
from stream.standing import Standing
from stream.verdicts import NO_DATA, Shown
from tests.logs import T0, worn
from vitals.journal import Episode, decode
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US, Metric
from vitals.policies import DEFAULT, Policy
from vitals.policy_edits import edited
from vitals.topics import patient_id
from vitals.windows import EVALUATE_AFTER_US, UNKNOWN_AFTER_US

ANN, BOB = 1, 2
"""Their slots; nobody of interest has the first."""
HERS = np.array([ANN])
AT = Where(0, 4, T0 + 60 * MINUTE_US)
"""Where something happens: an hour after T0."""
G = 11 * MINUTE_US
LOST = UNKNOWN_AFTER_US + EVALUATE_AFTER_US
MORE = edited(DEFAULT, ["high_sustained=on", "glucose_falling=on"])
LOW, HIGH = 0, 1


class Told(NamedTuple):
    """What an episode says, in short."""

    rule: str
    change: str
    level: int
    condition: str
    reason: str
    at: int


def standing(metric: Metric = GLUCOSE, policy: Policy = MORE) -> Standing:
    """Three patients with a policy and a device since T0; of none anything was heard."""
    patients, kind = Patients(), "t1d-uom-5min" if metric is GLUCOSE else "wrist"
    for name in ("zoe", "ann", "bob"):
        slot = patients.add(patient_id(name).bytes)
        patients.labels[slot], patients.site[slot], patients.policies[slot] = name, 1, policy
    made = Standing(metric, patients, Outbox(0), Activity())
    for slot in range(3):
        made.series.wear(slot, (worn("ann", "device", kind, T0),))
        made.machines.set_policy(slot, policy, metric.name)
        for family in made.families:
            family.set_policy(slot, policy)
        made.signals.set_policy(slot, policy)
    return made


def told(made: Standing, patient: str = "ann") -> list[Told]:
    """What was said since somebody asked last, all of it of one patient, at the row of `AT`."""
    found = []
    for output in made.outbox.drain([100]):
        episode = decode(output.value)
        assert isinstance(episode, Episode)
        assert (output.key, episode.patient) == (patient_id(patient).bytes, patient_id(patient))
        found.append(
            Told(episode.rule, episode.change, episode.level, episode.condition, episode.reason, episode.at - T0)
        )
    return found


def opened(made: Standing, side: int = LOW, level: int = 1, condition: int = ACTIVE, reason: str = "") -> None:
    """Ann's low or high is open, and perhaps unknown for a reason; her last reading came half an hour after T0."""
    table = made.machines
    table.level[ANN, side], table.condition[ANN, side] = level, condition
    table.opened_at[ANN, side] = table.since[ANN, side] = T0
    table.entered[ANN, side] = T0
    heard(made)
    if reason:
        table.condition[ANN, side] = UNKNOWN
        table.reasons[ANN, side] = reason


def heard(made: Standing, minute: int = 30, value: float = 60) -> None:
    """Ann's last deciding reading came so many minutes after T0."""
    made.series.dec_e[ANN] = made.series.dec_rx[ANN] = T0 + minute * MINUTE_US
    made.series.dec_value[ANN] = value


def judged(made: Standing, column: int, minute: int = 30, reason: str = "", *, beyond: bool = True) -> None:
    """An episode of Ann's of one level is open in a column; it was judged last so many minutes after T0."""
    family = made.glucose if made.metric is GLUCOSE else made.medians
    assert len(family.names) > column
    at = T0 + minute * MINUTE_US
    rule = family.rule(ANN, column)
    family.shown[ANN, column] = Shown(rule, T0, T0, 200.0, at, 100.0, beyond)
    family.level[ANN, column], family.condition[ANN, column] = 1, ACTIVE if beyond else RETURNING
    last = made.glucose.judged_rx if made.metric is GLUCOSE else made.medians.eval_at
    last[ANN, column] = at
    if reason:
        family.condition[ANN, column] = UNKNOWN
        family.reasons[ANN, column] = reason


# ---- deadlines


def test_all_tables_grow_together():
    """A patient without a row in one of them would stop the step."""
    made = standing(HEART_RATE)
    made.grow(40)
    holds, usual = made.medians.holds, made.medians.gates.usual
    tables = (made.series, made.ring, made.machines, made.artefacts, made.medians, made.glucose, made.signals)
    assert {table.capacity for table in (*tables, holds, usual)} == {40}
    assert len(made.series.bound) == len(made.signals.level) == len(made.medians.level) == len(holds.any) == 40
    assert len(made.glucose.level) == len(made.machines.level) == len(made.ring.head) == 40
    assert len(usual.place) == len(made.artefacts.place) == 40


def test_the_tables_of_a_metric_look_at_each_other():
    """A forecast's warning ends where low calls; medians ask for steps and doubts; all look at one ring."""
    for metric in (GLUCOSE, HEART_RATE):
        activity = Activity()
        made = Standing(metric, Patients(), Outbox(0), activity)
        assert made.ring.timed is metric.whole
        assert {id(each.ring) for each in (made.medians, made.glucose, made.artefacts, made.writer)} == {id(made.ring)}
        assert (made.glucose.machines, made.medians.artefacts) == (made.machines, made.artefacts)
        assert made.medians.gates.activity is activity


@pytest.mark.parametrize("side", [LOW, HIGH])
def test_what_is_open_and_known_turns_unknown_a_gap_after_the_last_arrival(side: int):
    """Nothing clears while nobody knows; what is unknown already, or over, has no such deadline."""
    made = standing()
    both = np.array([0, ANN])
    assert made.unknown_at(both).tolist() == [NEVER, NEVER]
    for condition in (ACTIVE, RETURNING):
        opened(made, side, condition=condition)
        assert made.unknown_at(both).tolist() == [NEVER, T0 + 30 * MINUTE_US + G]
    opened(made, side, reason=NO_DATA)
    assert made.unknown_at(both).tolist() == [NEVER, NEVER]
    opened(made, side, level=2)
    opened(made, 1 - side, reason=NO_DATA)
    assert made.unknown_at(HERS).tolist() == [T0 + 30 * MINUTE_US + G]


def test_the_first_of_several_is_forgotten_first():
    """Each rule of one level has its own last judgement."""
    for metric, after in ((GLUCOSE, G), (HEART_RATE, LOST)):
        made = standing(metric)
        assert made.forgotten_at(np.array([0, ANN])).tolist() == [NEVER, NEVER]
        judged(made, 0, 30)
        judged(made, 1, 20)
        assert made.forgotten_at(np.array([0, ANN])).tolist() == [NEVER, T0 + 20 * MINUTE_US + after]
        judged(made, 1, 20, NO_DATA)
        assert made.forgotten_at(np.array([0, ANN])).tolist() == [NEVER, T0 + 30 * MINUTE_US + after]
    assert standing(policy=DEFAULT).forgotten_at(HERS).tolist() == [NEVER]


def test_what_is_held_back_opens_in_time():
    """Artefact hold has a hard bound, by the clock."""
    made = standing(HEART_RATE)
    assert made.held_at(np.array([ANN, BOB])).tolist() == [NEVER, NEVER]
    hold(made, 0, T0 + MINUTE_US)
    assert made.held_at(np.array([0, ANN])).tolist() == [NEVER, T0 + 2 * MINUTE_US + EVALUATE_AFTER_US]


def hold(made: Standing, column: int, since: int) -> None:
    """An opening of Ann's is held since an instant, for a minute at most."""
    value, limit = [(150.0, 130.0), (40.0, 50.0), (150.0, 130.0)][column]
    shown = Shown(made.medians.rule(ANN, column), since, since, value, since, limit, beyond=True)
    made.medians.holds.put_off(ANN, column, shown, hold_us=MINUTE_US, suspect=True)


def test_the_deadline_of_a_series_is_its_first():
    """A clock that passes it looks at everything; one that is told too late would call too late."""
    made = standing()
    others = np.array([0, ANN])
    silent = T0 + 20 * MINUTE_US
    assert made.deadline(others).tolist() == [silent, silent]
    opened(made)
    assert made.deadline(others).tolist() == [silent, T0 + 30 * MINUTE_US + G]
    judged(made, 0, 15)
    assert made.deadline(others).tolist() == [silent, T0 + 15 * MINUTE_US + G]
    made.signals.open(0, T0 + 21 * MINUTE_US, 1)
    assert made.deadline(others).tolist() == [T0 + 81 * MINUTE_US, T0 + 15 * MINUTE_US + G]
    made = standing(HEART_RATE)
    assert made.deadline(others).tolist() == [T0 + 5 * MINUTE_US] * 2
    judged(made, 1, 1)
    assert made.deadline(others).tolist() == [T0 + 5 * MINUTE_US, T0 + MINUTE_US + LOST]
    hold(made, 0, T0)
    assert made.deadline(others).tolist() == [T0 + 5 * MINUTE_US, T0 + MINUTE_US + EVALUATE_AFTER_US]


# ---- what is known


def test_everything_open_is_lost_for_a_reason():
    """A site that is silent, a device that is gone: whatever stands open of the patient, on either side."""
    made = standing()
    opened(made, LOW)
    opened(made, HIGH, level=2)
    judged(made, 0)
    judged(made, 1)
    made.lose(ANN, "device removed", AT)
    an_hour = 60 * MINUTE_US
    assert told(made) == [
        Told("glucose_falling", "unknown", 1, "unknown", "device removed", an_hour),
        Told("high", "unknown", 2, "unknown", "device removed", an_hour),
        Told("high_sustained", "unknown", 1, "unknown", "device removed", an_hour),
        Told("low", "unknown", 1, "unknown", "device removed", an_hour),
    ]
    made.lose(ANN, "device removed", AT)
    made.lose(BOB, "device removed", AT)
    assert told(made) == []


def test_another_reason_is_told_unless_only_what_is_known_is_asked_for():
    """No data that becomes a device removed is news to whoever goes there; a silent site is none of nobody's data."""
    made = standing()
    for side in (LOW, HIGH):
        opened(made, side, reason=NO_DATA)
    for column in (0, 1):
        judged(made, column, reason=NO_DATA)
    made.lose(ANN, "site silent", AT, known_only=True)
    assert told(made) == []
    made.lose(ANN, "device removed", AT)
    assert [(each.rule, each.change, each.reason) for each in told(made)] == [
        (rule, "reason", "device removed") for rule in ("glucose_falling", "high", "high_sustained", "low")
    ]
    opened(made, HIGH)
    judged(made, 1)
    made.lose(ANN, "site silent", AT, known_only=True)
    assert [(each.rule, each.change) for each in told(made)] == [
        ("glucose_falling" if made.glucose.names[2] == "glucose_falling" else "high_sustained", "unknown"),
        ("high", "unknown"),
    ]


def test_what_was_not_judged_for_too_long_is_forgotten_at_its_own_instant():
    """A jump of the clock tells when nobody knew any more, not when the clock came back."""
    made = standing()
    made.series.gap[BOB] = 1
    judged(made, 0, 10)
    judged(made, 1, 20)
    clock = T0 + 20 * MINUTE_US + G - 1
    made.forget(ANN, clock, AT)
    first, second = made.glucose.names
    assert told(made) == [Told(first, "unknown", 1, "unknown", NO_DATA, 10 * MINUTE_US + G)]
    made.forget(ANN, clock + 1, AT)
    assert told(made) == [Told(second, "unknown", 1, "unknown", NO_DATA, 20 * MINUTE_US + G)]
    made.forget(ANN, NEVER - 1, AT)
    assert told(made) == []


def test_a_median_without_evaluations_is_forgotten_after_its_minute():
    """And two seconds, in which the last readings may still come."""
    made = standing(HEART_RATE)
    judged(made, 1, 10)
    made.forget(ANN, T0 + 10 * MINUTE_US + LOST - 1, AT)
    assert told(made) == []
    made.forget(ANN, T0 + 10 * MINUTE_US + LOST, AT)
    assert told(made) == [Told("heart_rate_low", "unknown", 1, "unknown", NO_DATA, 10 * MINUTE_US + LOST)]


def test_what_was_held_for_as_long_as_may_be_opens():
    """Every opening that is due, and none that is not."""
    made = standing(HEART_RATE)
    hold(made, 0, T0)
    hold(made, 1, T0 + 5)
    hold(made, 2, T0 + 6)
    made.release(ANN, T0 + MINUTE_US + EVALUATE_AFTER_US + 5, AT)
    assert told(made) == [
        Told("heart_rate_high", "open", 1, "active", "", MINUTE_US),
        Told("heart_rate_low", "open", 1, "active", "", MINUTE_US + 5),
    ]
    made.release(ANN, T0 + MINUTE_US + EVALUATE_AFTER_US + 5, AT)
    assert told(made) == []


def test_what_was_unknown_for_a_reason_is_known_again_by_its_last_value():
    """The site ticks again, and readings were not long ago: 60 is a low, 80 one on its way back."""
    for value, condition in ((60, "active"), (80, "returning")):
        made = standing()
        opened(made, LOW, reason="site silent")
        heard(made, 55, value)
        judged(made, 0, 55, "site silent", beyond=value < 70)
        judged(made, 1, 55, NO_DATA)
        made.regain(ANN, "site silent", NO_DATA, AT.instant, AT)
        name = made.glucose.names[1]
        assert sorted(told(made)) == sorted(
            [
                Told(name, "known", 1, condition, "", 60 * MINUTE_US),
                Told("low", "known", 1, condition, "", 60 * MINUTE_US),
            ]
        )
        made.regain(ANN, "site silent", NO_DATA, AT.instant, AT)
        assert told(made) == []


@pytest.mark.parametrize(("since", "known"), [(G - 1, True), (G, False)])
def test_what_had_no_data_meanwhile_is_unknown_for_that(since: int, known: bool):
    """The site is heard again, the device is not: G after its last reading nobody knows."""
    made = standing()
    for side in (LOW, HIGH):
        opened(made, side, reason="site silent")
    judged(made, 0, 30, "site silent")
    clock = T0 + 30 * MINUTE_US + since
    made.regain(ANN, "site silent", NO_DATA, clock, AT)
    found = told(made)
    assert len(found) == 3
    assert {each.change for each in found} == {"known" if known else "reason"}
    assert {each.reason for each in found} == {"" if known else NO_DATA}
    assert {each.at for each in found} == {60 * MINUTE_US}
    assert (UNKNOWN in made.machines.condition[ANN].tolist()) is not known
    assert (made.glucose.condition[ANN, 0] == UNKNOWN) is not known
    reasons = [*made.machines.reasons.values(), *made.glucose.reasons.values()]
    assert reasons == ([] if known else [NO_DATA] * 3)


def test_the_other_side_and_the_other_reasons_stay_as_they_are():
    """A high that was removed with its device is not known again because a site ticks."""
    made = standing()
    opened(made, LOW, reason="device removed")
    opened(made, HIGH, reason="site silent")
    heard(made, 55, 300)
    made.regain(ANN, "site silent", NO_DATA, AT.instant, AT)
    assert [(each.rule, each.condition) for each in told(made)] == [("high", "active")]
    made.regain(BOB, "site silent", NO_DATA, AT.instant, AT)
    assert told(made) == []


def test_an_episode_unknown_for_a_reason_is_closed_with_another():
    """Somebody closes what a removed device left open; what is unknown for no data goes on."""
    made = standing()
    opened(made, LOW, reason=NO_DATA)
    opened(made, HIGH, level=2, reason="device removed")
    judged(made, 0, reason="device removed")
    judged(made, 1, reason=NO_DATA)
    name = made.glucose.names[1]
    made.close(ANN, "device removed", "closed", AT)
    assert sorted(told(made)) == sorted(
        [
            Told("high", "clear", 0, "over", "closed", 60 * MINUTE_US),
            Told(name, "clear", 0, "over", "closed", 60 * MINUTE_US),
        ]
    )
    assert made.machines.level[ANN].tolist() == [1, 0]
    assert made.machines.condition[ANN].tolist() == [UNKNOWN, OVER]
    assert made.glucose.level[ANN].tolist() == [0, 1]
    made.close(ANN, NO_DATA, "closed", AT)
    assert len(told(made)) == 2


# ---- evaluations and silence


def beats(made: Standing, slot: int, first: int, last: int, value: float = 160) -> None:
    """Heart rates of each second from one to another after T0."""
    events = T0 + np.arange(first, last + 1) * SECOND_US
    slots, values = np.full(len(events), slot), np.full(len(events), float(value))
    made.ring.write(slots, events, values, values, np.zeros(len(events), np.bool_))


def test_an_evaluation_moves_the_machines_at_its_own_instant():
    """Six T in a row open an extreme: it is told when the last of them was known, at T."""
    made = standing(HEART_RATE)
    beats(made, ANN, 1, 120)
    both = np.array([0, ANN])
    for second in range(60, 121, 10):
        at = T0 + second * SECOND_US
        assert made.evaluate(at, both, AT._replace(instant=at + EVALUATE_AFTER_US)).tolist() == [ANN]
    episodes = made.outbox._records[AT.position].episodes
    assert [order[:2] for order, _, _ in episodes] == [(AT.row, T0 + 110 * SECOND_US + EVALUATE_AFTER_US)]
    assert told(made) == [Told("heart_rate_extreme", "open", 1, "active", "", 110 * SECOND_US)]


def test_an_evaluation_ends_the_silence_of_who_was_heard_for_long_enough():
    """A wrist needs thirty seconds of readings and an evaluation; who is not silent has nothing to end."""
    made = standing(HEART_RATE)
    for slot in (ANN, BOB):
        beats(made, slot, 1, 60, 70)
    beats(made, 0, 1, 60, 70)
    made.signals.open(ANN, T0, 1)
    made.signals.open(BOB, T0, 2)
    made.signals.why[0] = CONTACT_LOST
    assert len(made.outbox.drain([100])) == 0
    for slot, since in ((0, 30), (ANN, 30), (BOB, 31)):
        made.signals.run_start[slot], made.signals.run_last[slot] = T0 + since * SECOND_US, T0 + 60 * SECOND_US
    at = T0 + MINUTE_US
    every = np.arange(3)
    assert made.evaluate(at, every, AT._replace(instant=at + 2)).tolist() == [0, ANN, BOB]
    assert told(made) == [Told("signal", "clear", 0, "over", "waiting for the first reading", MINUTE_US + 2)]
    assert made.signals.level[:3].tolist() == [0, 0, 2]
    assert made.signals.heard_at[ANN] == at + 2
    assert made.signals.why[0] == CONTACT_LOST, "why somebody may fall silent soon"


@pytest.mark.parametrize(
    ("side", "level", "rank", "priority"),
    [(None, 0, 1, "low"), (LOW, 1, 2, "medium"), (LOW, 2, 3, "high"), (HIGH, 1, 1, "low")],
)
def test_silence_opens_as_urgent_as_what_is_open(side: int | None, level: int, rank: int, priority: str):
    """No data while someone is at 48 is as urgent as the 48 was; beside a slow high it is low."""
    made = standing()
    if side is not None:
        opened(made, side, level)
    made.fall_silent(ANN, AT)
    assert made.signals.level[ANN] == rank
    (found,) = (decode(output.value) for output in made.outbox.drain([100]))
    assert isinstance(found, Episode)
    assert (found.rule, found.change, found.priority, found.at) == ("signal", "open", priority, AT.instant)
    assert (found.opened_at, found.level) == (AT.instant, rank)


def test_silence_is_never_below_an_episode_of_one_level():
    """Whichever family it is of: a heart rate's medium, or a falling glucose."""
    for metric, column, rank in ((HEART_RATE, 0, 2), (GLUCOSE, 0, None), (GLUCOSE, 1, None)):
        made = standing(metric)
        judged(made, column)
        family = made.glucose if metric is GLUCOSE else made.medians
        wanted = family.rank(ANN)
        assert wanted >= 1
        assert rank is None or wanted == rank
        made.fall_silent(ANN, AT)
        assert made.signals.level[ANN] == wanted
        made.fall_silent(BOB, AT)
        assert made.signals.level[BOB] == 1


@pytest.mark.parametrize(("level", "rank"), [(0, 2), (1, 2), (2, 3)])
def test_a_silence_that_stays_is_medium_or_as_urgent_as_what_is_open(level: int, rank: int):
    """For an hour somebody should look; never below an open episode."""
    made = standing()
    made.fall_silent(ANN, AT)
    assert [each.change for each in told(made)] == ["open"]
    if level:
        opened(made, LOW, level)
    made.stay_silent(ANN, AT._replace(instant=AT.instant + 5))
    reason = "silent" if level else "waiting for the first reading"
    assert told(made)[0]._replace(reason=reason) == Told("signal", "rise", rank, "active", reason, 60 * MINUTE_US + 5)
    assert made.signals.level[ANN] == rank


def test_a_silence_ends_once_and_what_was_none_ends_in_silence():
    """A binding that has ended ends it too; of who was never silent nothing is told."""
    made = standing()
    made.end_silence(ANN, AT)
    assert told(made) == []
    made.signals.open(ANN, T0, 2)
    made.signals.why[ANN] = 3
    made.end_silence(ANN, AT)
    (found,) = (decode(output.value) for output in made.outbox.drain([100]))
    assert isinstance(found, Episode)
    assert (found.change, found.level, found.priority, found.at) == ("clear", 0, "medium", AT.instant)
    assert made.signals.heard_at[ANN] == AT.instant
    assert made.signals.why[ANN] == 0, "also where it was not silent the reason begins anew"
