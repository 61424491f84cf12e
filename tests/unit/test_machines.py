"""The table of low and high machines by itself: many series at once against the oracle's plain machine, and edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream.panes import Ring
from stream.rules import ACTIVE, CONDITIONS, OVER, RETURNING, UNKNOWN, Change, Deciding, Machines
from tests import oracle_series as plain
from tests.columns import BYTE, FLOAT, LONG, WORD, columns
from tests.logs import T0, worn
from vitals.codecs.state import decode, encode
from vitals.metrics import GLUCOSE, MINUTE_US
from vitals.policies import DEFAULT, HIGH, LOW, Policy, ThresholdRule

G = 11 * MINUTE_US
SLOTS = 3
LASTING = LOW.model_copy(
    update={"levels": (LOW.levels[0].model_copy(update={"prolonged_us": 30 * MINUTE_US}), LOW.levels[1])}
)
"""The low rule, prolonged after 30 min."""


def policy(*rules: ThresholdRule) -> Policy:
    """The usual policy with these thresholds."""
    return DEFAULT.model_copy(update={"thresholds": rules})


def machines(*rules: ThresholdRule) -> Machines:
    """Machines of three patients who all have these rules."""
    made = Machines()
    for slot in range(SLOTS):
        made.set_policy(slot, policy(*rules), "glucose")
    return made


def read(made: Machines, ring: Ring, at: int, *values: tuple[int, float]) -> list[Change]:
    """Readings of slots, all at an event time (µs after T0)."""
    slots, readings = np.array([slot for slot, _ in values]), np.array([value for _, value in values])
    events = np.full(len(slots), T0 + at)
    ring.write(slots, events, readings, readings, np.zeros(len(slots), np.bool_))
    return made.step(ring, Deciding(slots, events, readings, np.full(len(slots), G)))


def alone(made: Machines, *readings: tuple[float, float]) -> list[tuple[str, int]]:
    """What slot 0 says to readings (minutes, mg/dL): each change, and the level before it."""
    ring = Ring(GLUCOSE, timed=True)
    said = [change for at, value in readings for change in read(made, ring, round(at * MINUTE_US), (0, float(value)))]
    return [(change.change, change.was) for change in said]


@pytest.mark.parametrize("seed", range(16))
def test_machines_move_as_the_plain_machine_does(seed: int):
    """All series of a poll move together: each must do what it would do alone, by RULES' words."""
    random = np.random.default_rng(seed)
    low = LASTING if seed % 2 else LOW
    made, ring = machines(low, HIGH), Ring(GLUCOSE, timed=True)
    series = [plain.Series(GLUCOSE, worn("p", "d", "t1d-uom-5min", T0)) for _ in range(SLOTS)]
    steps = [5, 5, 5, 5, 4, 11, 12, 1]
    at, values = [0] * SLOTS, random.choice([52.0, 68.0, 100.0, 255.0, 405.0], SLOTS)
    for _ in range(250):
        slots = random.permutation(SLOTS)[: random.integers(1, SLOTS + 1)]
        for slot in slots.tolist():
            at[slot] += int(random.choice(steps)) * MINUTE_US
            jump = [52.0, 53.0, 54.0, 59.0, 68.0, 70.0, 75.0, 100.0, 239.0, 240.0, 250.0, 255.0, 389.0, 399.0, 405.0]
            if random.random() < 0.4:
                values[slot] = random.choice(jump)
        events, rows = np.array([T0 + at[slot] for slot in slots]), values[slots]
        ring.write(slots, events, rows, rows, np.zeros(len(slots), np.bool_))
        changes = {
            (each.slot, each.side): (each.change, each.was)
            for each in made.step(ring, Deciding(slots, events, rows, np.full(len(slots), G)))
        }
        for slot in slots.tolist():
            mine, now, value = series[slot], T0 + at[slot], float(values[slot])
            last = plain.Deciding(now, now, value, None, millis=int(value * 1000))
            mine.fill(last.at, last.value, late=False)
            for side, rule in enumerate((low, HIGH)):
                machine = mine.machines[rule.side]
                was, before = machine.level, machine.condition
                mine.move(rule, last)
                if machine.level and not was:
                    machine.opened_at, machine.since = last.at, T0
                rises = mine.prolonged(rule, last, was)
                assert (made.level[slot, side], CONDITIONS[made.condition[slot, side]]) == (
                    machine.level,
                    machine.condition,
                )
                told = rises or (machine.level, machine.condition) != (was, before)
                assert ((slot, side) in changes) is told
                if told:
                    assert changes[slot, side][1] == was
                    assert (changes[slot, side][0] == "rise") == (rises or 0 < was < machine.level)
                if machine.level:
                    assert made.opened_at[slot, side] == machine.opened_at
                    assert made.entered[slot, side] == machine.entered
                    assert ((slot, side) in made.raised) == machine.raised
                else:
                    assert (slot, side) not in made.entered


def test_every_step_has_its_word():
    """People and the manager act on the word: a rise that is called active announces nothing."""
    said = alone(
        machines(LOW, HIGH),
        (0, 65), (5, 65), (10, 71), (15, 69), (20, 50), (25, 60), (30, 60), (35, 80), (40, 80), (45, 53),
    )  # fmt: skip
    assert said == [
        ("open", 0), ("returning", 1), ("active", 1), ("rise", 1), ("returning", 2), ("lower", 2),
        ("returning", 1), ("clear", 1), ("open", 0),
    ]  # fmt: skip


def test_an_episode_says_since_when_it_is_beyond():
    """Of level 1 from the beginning of its run, however long ago; where only level 2 has a limit, of that."""
    made = machines(LOW)
    alone(made, *((at, 69.5) for at in range(0, 60, 5)))
    assert (made.opened_at[0, 0] - T0, made.since[0, 0] - T0) == (5 * MINUTE_US, 0)
    for second, opened in (((15, 60), 15), ((11, 50), 11)):
        made = machines(LOW)
        alone(made, (0, 90), (5, 90), (10, 65), second)
        assert ((made.opened_at[0, 0] - T0) / MINUTE_US, (made.since[0, 0] - T0) / MINUTE_US) == (opened, 10)
    ring = Ring(GLUCOSE, timed=True)
    strange = LOW.model_copy(
        update={
            "levels": (
                LOW.levels[0].model_copy(update={"limit": 40, "quick_limit": 40}),
                LOW.levels[1].model_copy(update={"on_span_us": 10 * MINUTE_US}),
            )
        }
    )
    made = machines(strange)
    for at in (0, 5, 10):
        read(made, ring, at * MINUTE_US, (0, 50.0))
    assert (made.level[0, 0], made.since[0, 0] - T0) == (2, 0)


def test_a_reading_that_opens_nothing_writes_no_beginning():
    """A snapshot would hold one of an episode that never was."""
    made = machines(LOW)
    assert alone(made, (0, 65), (3, 65)) == []
    assert (made.opened_at[0].tolist(), made.since[0].tolist()) == ([0, 0], [0, 0])


def test_deciding_readings_are_picked_with_all_that_is_theirs():
    """A value of one patient with the time of another would be a third one's."""
    every = Deciding(np.array([4, 5, 6]), np.array([40, 50, 60]), np.array([0.4, 0.5, 0.6]), np.array([1, 2, 3]))
    assert [each.tolist() for each in every.some(np.array([2, 0]))] == [[6, 4], [60, 40], [0.6, 0.4], [3, 1]]


def test_a_rule_that_is_gone_ends_its_episode_with_the_next_reading():
    """At once: nothing is beyond a limit that nobody has; and the other side is not touched."""
    made, ring = machines(LOW, HIGH), Ring(GLUCOSE, timed=True)
    assert [each.change for each in read(made, ring, 0, (0, 50.0), (1, 50.0))] == ["open", "open"]
    made.set_policy(0, policy(HIGH), "glucose")
    assert made.rule(0, 0) == LOW
    assert read(made, ring, MINUTE_US, (0, 50.0), (1, 50.0)) == [Change(0, 0, "clear", 2)]
    assert read(made, ring, 2 * MINUTE_US, (0, 50.0)) == []
    for at in range(3, 20):
        read(made, ring, at * MINUTE_US, (0, 405.0))
    assert made.level[0].tolist() == [0, 2]
    made, ring = machines(LOW), Ring(GLUCOSE, timed=True)
    read(made, ring, 0, (0, 50.0))
    made.set_policy(0, policy(), "glucose")
    assert read(made, ring, 60 * MINUTE_US, (0, 50.0)) == [Change(0, 0, "clear", 2)], (
        "also where its run is itself alone"
    )


def test_only_rules_of_the_metric_count_and_of_one_side_the_last():
    """A policy names rules of every metric."""
    other = LOW.model_copy(update={"metric": "heart_rate"})
    milder = LOW.model_copy(update={"name": "milder"})
    made = Machines()
    made.set_policy(0, policy(other), "glucose")
    assert np.isneginf(made.outer[0]).all()
    assert made.kind[0].tolist() == [0, 0]
    made.set_policy(0, policy(LOW, milder, HIGH, other), "glucose")
    assert (made.rule(0, 0), made.rule(0, 1)) == (milder, HIGH)
    assert list(made.kinds) == [milder, HIGH]
    made.set_policy(1, policy(HIGH, milder), "glucose")
    assert list(made.kinds) == [milder, HIGH]
    assert made.kind[:2].tolist() == [[1, 2], [1, 2]]
    assert (made.span_max, made.prolongs) == (15 * MINUTE_US, False)
    made.set_policy(2, policy(LASTING), "glucose")
    assert made.prolongs
    made.set_policy(2, policy(LOW), "glucose")
    assert made.prolongs, "an open episode may still be of the rule that was"


@pytest.mark.parametrize("name", ["on_span_us", "quick_span_us", "slow_span_us"])
def test_runs_are_looked_for_as_far_back_as_any_span_is_long(name: str):
    """A rule of two hours would else never see its run, however long it is."""
    level = LOW.levels[1].model_copy(update={name: 90 * MINUTE_US})
    made = machines(HIGH, LOW.model_copy(update={"levels": (LOW.levels[0], level)}))
    assert made.span_max == 90 * MINUTE_US


def test_a_run_is_looked_for_a_gap_further_back_than_its_span():
    """The reading that makes it long enough may lie as far before the others as a gap allows."""
    assert alone(machines(HIGH), (0, 260), (11, 260), (14.9, 260), (25.9, 260)) == [("open", 0)]
    assert alone(machines(HIGH), (0, 260), (11.1, 260), (14.9, 260), (25.9, 260)) == []


def test_a_value_is_beyond_a_limit_of_either_side():
    """At the limit it is not: below 70 and above 250 are what opens."""
    made = machines(LOW, HIGH)
    values = np.array([69.9, 70.0, 250.0, 250.1])
    assert made.beyond_any(np.array([0, 1, 2, 0]), values).tolist() == [True, False, False, True]
    nobody = Machines().beyond_any(np.array([0, 1]), np.array([10.0, 500.0]))
    assert (nobody.tolist(), nobody.dtype) == ([False, False], np.dtype(np.bool_))
    for slot in range(made.capacity):
        made.set_policy(slot, policy(LOW, HIGH), "glucose")
    assert made.beyond_any(np.array([0, 1]), np.array([69.9, 70.0])).tolist() == [True, False], (
        "also where all have one"
    )
    some = Machines()
    some.set_policy(1, policy(HIGH), "glucose")
    assert some.beyond_any(np.array([0, 1]), np.array([500.0, 500.0])).tolist() == [False, True]


def test_an_episode_is_open_on_either_side():
    """Its patient's readings are looked at whatever they are."""
    made = machines(LOW, HIGH)
    assert made.open(np.array([0, 1, 2])).tolist() == [False] * 3
    read(made, Ring(GLUCOSE, timed=True), 0, (1, 50.0))
    made.level[2, 1] = 1
    assert made.open(np.array([2, 1, 0])).tolist() == [True, True, False]


def test_the_rank_is_that_of_the_most_urgent_open_episode():
    """Silence is never below it."""
    made = machines(LASTING, HIGH)
    assert made.rank(0) == 0
    for levels, rank in (((1, 0), 2), ((2, 0), 3), ((0, 1), 1), ((0, 2), 2), ((1, 2), 2), ((1, 1), 2)):
        made.level[0] = levels
        assert made.rank(0) == rank
    made.level[0] = (1, 0)
    made.raised.add((0, 0))
    assert made.rank(0) == 3
    assert made.asks(0, 0) == LASTING.levels[1]


def test_what_has_ended_asks_for_what_it_asked_last():
    """Its last message goes to whom the alert went."""
    made = machines(LASTING, HIGH)
    assert (made.asks(0, 0, 1), made.asks(0, 0, 2)) == LASTING.levels
    assert made.asks(0, 1, 2) == HIGH.levels[1]
    made.level[0, 0] = 2
    assert made.asks(0, 0, 1) == LASTING.levels[1]


def test_a_low_rises_once_when_it_has_lasted_and_not_a_moment_before():
    """Thirty minutes at level 1 from the reading that brought it there, and beyond the limit at that moment."""
    said = alone(machines(LASTING), *((at, 65) for at in range(0, 80, 5)))
    assert said == [("open", 0), ("rise", 1)]
    made = machines(LASTING)
    assert alone(made, (0, 65), (5, 65), (14, 65), (24, 65), (34, 65)) == [("open", 0)]
    made = machines(LASTING)
    assert alone(made, (0, 65), (5, 65), (15, 65), (25, 65), (35, 65))[1:] == [("rise", 1)]
    assert (made.raised, made.entered) == ({(0, 0)}, {(0, 0): T0 + 5 * MINUTE_US})
    other = machines(LASTING, HIGH)
    assert alone(other, *((at, 260) for at in range(0, 200, 5))) == [("open", 0)]


def test_one_patients_low_that_lasts_hides_no_others():
    """One has risen already, one has no such rule, and the third rises now."""
    made, ring = machines(LASTING), Ring(GLUCOSE, timed=True)
    made.set_policy(1, policy(LOW), "glucose")
    for at in range(0, 40, 5):
        read(made, ring, at * MINUTE_US, (0, 65.0), (1, 65.0), *([(2, 65.0)] if at else []))
    assert made.raised == {(0, 0)}
    assert read(made, ring, 40 * MINUTE_US, (0, 65.0), (1, 65.0), (2, 65.0)) == [Change(2, 0, "rise", 1)]


def test_an_episode_is_lost_once_for_a_reason_and_known_again():
    """The same reason twice is no news; another one is."""
    made, ring = machines(LOW, HIGH), Ring(GLUCOSE, timed=True)
    assert made.lose(0, 0, "no data") is None
    assert made.regain(0, 0, 50.0) is None
    read(made, ring, 0, (0, 50.0))
    assert made.regain(0, 0, 50.0) is None
    assert made.lose(0, 1, "no data") is None
    assert made.lose(0, 0, "no data") == Change(0, 0, "unknown", 2)
    assert made.lose(0, 0, "no data") is None
    assert made.lose(0, 0, "site silent") == Change(0, 0, "reason", 2)
    assert (made.condition[0, 0], made.reasons) == (UNKNOWN, {(0, 0): "site silent"})
    assert made.regain(0, 0, 54.0) == Change(0, 0, "known", 2)
    assert (made.condition[0, 0], made.reasons) == (RETURNING, {})
    made.lose(0, 0, "no data")
    made.regain(0, 0, 53.9)
    assert made.condition[0, 0] == ACTIVE
    made.lose(0, 0, "no data")
    assert read(made, ring, 5 * MINUTE_US, (0, 53.0)) == [Change(0, 0, "known", 2)]
    assert made.reasons == {}


def test_a_high_is_known_again_by_its_own_side():
    """Limits of the high side are kept negated."""
    made = machines(LOW, HIGH)
    made.level[0, 1], made.condition[0, 1] = 1, UNKNOWN
    made.regain(0, 1, 250.0)
    assert made.condition[0, 1] == RETURNING
    made.condition[0, 1] = UNKNOWN
    made.regain(0, 1, 250.5)
    assert made.condition[0, 1] == ACTIVE


def test_a_closed_episode_leaves_nothing_behind():
    """The next one begins anew, and counts from its own beginning."""
    made, ring = machines(LASTING), Ring(GLUCOSE, timed=True)
    read(made, ring, 0, (0, 50.0))
    made.lose(0, 0, "no data")
    assert made.close(0, 0) == Change(0, 0, "clear", 2)
    assert (made.level[0, 0], made.condition[0, 0], made.reasons, made.entered) == (0, OVER, {}, {})
    assert made.close(0, 0) == Change(0, 0, "clear", 0)


def stored(state: Any) -> Any:
    """A state as it comes back from a snapshot."""
    return decode(b"".join(encode(state)))


def test_restored_machines_go_on_by_their_new_numbers():
    """What is unknown, since when each has its level, and what has risen: the rest stands in columns."""
    made, ring, again = machines(LASTING, HIGH), Ring(GLUCOSE, timed=True), Machines()
    made.set_policy(1, policy(LOW, HIGH), "glucose")
    for at in range(0, 45, 5):
        read(made, ring, at * MINUTE_US, (0, 65.0), (2, 405.0))
    made.lose(0, 0, "no data")
    assert made.raised == {(0, 0)}
    again.restore(stored(made.state(np.array([2, 1, 0]))))
    assert (list(again.kinds), again.span_max, again.prolongs) == ([LASTING, HIGH, LOW], 15 * MINUTE_US, True)
    assert (again.reasons, again.raised) == ({(2, 0): "no data"}, {(2, 0)})
    assert again.entered == {(0, 1): made.entered[2, 1], (2, 0): made.entered[0, 0]}
    assert again.level[:3].tolist() == [[0, 2], [0, 0], [1, 0]]
    assert [again.rule(slot, 0) for slot in range(3)] == [LASTING, LOW, LASTING]
    assert again.rank(2) == 3
    other = Machines()
    other.restore(stored(made.state(np.array([1, 2, 0]))))
    assert [other.rule(slot, 0) for slot in range(3)] == [LOW, LASTING, LASTING]
    assert list(other.kinds) == [LOW, HIGH, LASTING], "numbered anew, as they come"
    usual = Machines()
    usual.restore(stored(machines(LOW, HIGH).state(np.array([0]))))
    assert not usual.prolongs
    again.set_policy(5, policy(HIGH, LOW), "glucose")
    assert list(again.kinds) == [LASTING, HIGH, LOW]


def test_the_columns_of_machines_have_the_types_that_snapshots_hold():
    """A snapshot is read column by column: with another type, all that are kept could not be read any more."""
    none = FLOAT._replace(new=-np.inf)
    expected = dict.fromkeys(("limit", "quick_limit"), none._replace(row=(2, 2))) | {"outer": none._replace(row=(2,))}
    expected |= dict.fromkeys(("on_span", "quick_span", "slow_span"), LONG._replace(row=(2, 2)))
    expected |= dict.fromkeys(("opened_at", "since"), LONG._replace(row=(2,)))
    expected |= dict.fromkeys(("level", "condition"), BYTE._replace(row=(2,))) | {"kind": WORD._replace(row=(2,))}
    assert columns(Machines()) == expected
