"""One metric of one partition as it takes rows: which may wait, which matter, and in which order they are looked at."""

from __future__ import annotations

import numpy as np
import pytest

from stream.part import DEVICE_REMOVED
from stream.rows import NONE, WAITING_MAX, Part
from tests.lanes import ANN, BOB, CYD, FIRST, HERE, WARM_UP, Told, beats, device, lane, part, read, silent, told
from tests.logs import LATE, T0
from vitals.codecs.state import decode as decode_state
from vitals.codecs.state import encode
from vitals.journal import Episode, decode
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.policies import DEFAULT
from vitals.policy_edits import edited
from vitals.readings import Flag
from vitals.topics import patient_id

# ---- who waits


def test_rows_that_can_change_no_alarm_wait_together() -> None:
    """Heart rates of people who are heard: they are in the ring when a deadline comes, or another part takes them."""
    made = lane(HEART_RATE)
    assert made.wait(part(*beats(ANN, 2), *beats(BOB)))
    assert made.wait(NONE)
    assert (len(made.waiting), int(made.series.dec_e[ANN])) == (3, int(lane(HEART_RATE).series.dec_e[ANN]))
    decided = made.take(part(*beats(ANN, 1, 7)))
    assert sorted(decided.tolist()) == [ANN, ANN, ANN, BOB]
    assert (len(made.waiting), int(made.series.dec_e[ANN])) == (0, T0 + 7 * SECOND_US)
    assert made.wait(part(*beats(BOB, 1, 8)))
    assert made.settle().tolist() == [BOB]
    assert made.ring.window(np.array([BOB]), T0 + 10 * SECOND_US, 10 * SECOND_US)[1].sum() == 2


def test_no_more_rows_wait_than_hold_up_a_tick_for_a_millisecond() -> None:
    """The last that fits waits, the next does not."""
    made = lane(HEART_RATE)
    many = part(*beats(ANN, WAITING_MAX))
    assert not made.wait(part(*beats(ANN, WAITING_MAX + 1)))
    assert made.wait(many)
    assert not made.wait(part(*beats(BOB)))
    assert len(made.waiting) == WAITING_MAX


def test_rows_that_could_say_something_do_not_wait() -> None:
    """Of glucose, of somebody silent, of nobody, or of a unit that is none: their part is taken now, all of it."""
    assert not lane(GLUCOSE).wait(part(read(ANN, 1, 100)))
    rates = edited(DEFAULT, ["glucose_rising=on"]).model_copy(update={"thresholds": ()})
    assert not lane(GLUCOSE, rates).wait(part(read(ANN, 1, 100)))
    made = lane(HEART_RATE)
    silent(made, BOB)
    odd = beats(ANN)
    odd[0][1]["unit"] = 4
    edge = beats(ANN)
    edge[0][1]["unit"] = 3
    for rows, waits in ((beats(ANN), True), (beats(BOB), False), (beats(CYD), False), (odd, False), (edge, True),
                        ([*beats(ANN), *beats(CYD)], False)):  # fmt: skip
        assert made.wait(part(*rows)) is waits
    assert len(made.waiting) == 2


def test_a_metric_without_rules_on_single_readings_may_wait() -> None:
    """Which is what a policy can make of glucose: only then is nobody called by one."""
    assert lane(GLUCOSE, DEFAULT.model_copy(update={"thresholds": ()})).wait(part(read(ANN, 1, 100)))


def test_no_snapshot_is_taken_of_rows_that_wait() -> None:
    """They would be lost: the log is read on behind them."""
    made = lane(HEART_RATE)
    made.wait(part(*beats(ANN)))
    with pytest.raises(AssertionError, match=r"^what waits was taken$"):
        made.state(np.array([ANN]))


# ---- who is known


def test_rows_of_nobody_are_counted_and_left() -> None:
    """No control record has bound a device of this metric; a unit of another metric is none of ours."""
    made = lane()
    odd = read(BOB, 1, 100)
    odd[1]["unit"] = 4
    assert made.take(part(read(CYD, 1, 50), read(ANN, 1, 50), odd)).tolist() == [ANN]
    assert (made.unbound, told(made)) == (2, [Told("ann", "low", "open", "", 1)])
    assert made.take(part(read(CYD, 2, 50))).tolist() == []
    assert made.take(NONE).tolist() == []
    assert (made.unbound, told(made)) == (3, [])


def test_only_rows_that_decide_are_given_back_and_remembered() -> None:
    """Late, invalid, older than what was there: none of them moves what is known last."""
    made = lane()
    decided = made.take(part(
        read(ANN, 5, 100), read(ANN, 4, 200), read(ANN, 6, 210, flags=LATE), read(ANN, 7, 220, invalid=4),
        read(BOB, 5, 38, flags=int(Flag.CENSORED_LOW)),
    ))  # fmt: skip
    assert decided.tolist() == [ANN, BOB]
    series = made.series
    assert [(int(series.dec_e[slot]) - T0) // MINUTE_US for slot in (ANN, BOB)] == [5, 5]
    assert (series.dec_value[[ANN, BOB]].tolist(), series.dec_censored[[ANN, BOB]].tolist()) == ([100, 39], [0, 1])
    assert [(int(series.last_e[slot]) - T0) // MINUTE_US for slot in (ANN, BOB)] == [6, 5]


def test_the_arrival_is_remembered_beside_the_event() -> None:
    """Silence counts from when somebody was heard, not from when they were measured."""
    made = lane()
    made.take(part(read(ANN, 5, 100, received=T0 + 9 * MINUTE_US)))
    assert (int(made.series.dec_e[ANN]), int(made.series.dec_rx[ANN])) == (T0 + 5 * MINUTE_US, T0 + 9 * MINUTE_US)


# ---- in which order


@pytest.mark.parametrize("cut", [True, False])
def test_each_reading_is_judged_by_what_the_log_had_said_by_then(cut: bool) -> None:
    """Opened by the second, over by the fourth, whatever else came in the same poll; and the same for any cut of it."""
    made = lane()
    rows = [
        read(ANN, 5, 50), read(BOB, 5, 100), read(ANN, 10, 80), read(BOB, 10, 50), read(ANN, 15, 80), read(BOB, 15, 52),
        read(ANN, 20, 50),
    ]  # fmt: skip
    for each in [part(one) for one in rows] if cut else [part(*rows)]:
        made.take(each)
    expected = [
        Told("ann", "low", "open", "", 5), Told("ann", "low", "returning", "", 10), Told("bob", "low", "open", "", 10),
        Told("ann", "low", "clear", "", 15), Told("ann", "low", "open", "", 20),
    ]  # fmt: skip
    found = told(made)
    assert sorted(found) == sorted(expected)
    assert cut or found == expected


def test_a_late_row_joins_a_run_only_for_what_comes_after_it() -> None:
    """Three at 65 in five minutes of which the middle one came last: it opens with the next reading, not before."""
    made = lane()
    made.take(
        part(read(ANN, 0, 65), read(ANN, 5, 80), read(ANN, 10, 65), read(ANN, 7, 65, flags=LATE), read(ANN, 15, 65))
    )
    assert told(made) == [Told("ann", "low", "open", "", 15)]
    quick = lane()
    quick.take(part(read(ANN, 3, 65), read(ANN, 5, 65, flags=LATE), read(ANN, 6, 100), read(ANN, 8, 50)))
    assert [each.minutes for each in told(quick)] == [8]


def test_of_many_rows_in_one_pane_the_first_in_the_log_counts_whoever_else_matters() -> None:
    """A burst of one patient between two readings of a low one: its rows stay in their order."""
    made = lane()
    rows = [read(ANN, 5 + at, 50) if at % 4 == 0 else read(BOB, 99.1 + at % 20, 100 + at) for at in range(1, 101)]
    made.take(part(*rows))
    assert [each.minutes for each in told(made)] == [9]
    found = [whole - 100 for _, whole, _ in made.ring.before(BOB, T0 + 300 * MINUTE_US)]
    assert sorted(found) == [at for at in range(1, 21) if at % 4]


def test_causes_are_the_record_and_the_row_in_it() -> None:
    """Of rows in three records, of which one holds nothing of ours."""
    made = lane()
    made.take(part(read(ANN, 5, 100), read(BOB, 5, 50), read(ANN, 10, 50), starts=[0, 1, 1, 3]))
    outputs = made.outbox.drain([100, 101, 102])
    assert [output.cause.offset for output in outputs] == [102, 102]
    assert [output.key for output in outputs] == [patient_id(name).bytes for name in ("bob", "ann")]


def test_rules_that_judge_readings_are_asked_with_the_exact_value() -> None:
    """Their evidence names the reading as it came, and the words are those of the row that moved them."""
    policy = edited(DEFAULT, ["glucose_rising=on", "glucose_rising.gate=100"])
    made = lane(GLUCOSE, policy)
    rows = [read(ANN, 5 * at, 110.25 + 20 * at) for at in range(4)]
    made.take(part(*rows, read(BOB, 1, 100), starts=[0, 2, 5]))
    outputs = made.outbox.drain([100, 101])
    (episode,) = [decode(output.value) for output in outputs]
    assert isinstance(episode, Episode)
    assert (episode.rule, episode.change, episode.value, outputs[0].cause.offset) == (
        "glucose_rising",
        "open",
        150,
        101,
    )
    assert episode.evidence is not None
    assert episode.evidence.readings[-1] == (T0 + 10 * MINUTE_US, 150_250)


# ---- silence


def test_a_silent_series_that_is_heard_is_over_at_its_reading() -> None:
    """One reading of a five-minute sensor; the next one says nothing new."""
    made = lane()
    silent(made, ANN, BOB)
    made.take(part(read(ANN, 31, 100), read(ANN, 36, 100)))
    assert told(made) == [Told("ann", "signal", "clear", FIRST, 31)]
    assert made.signals.level[[ANN, BOB]].tolist() == [0, 1]
    assert int(made.signals.heard_at[ANN]) == T0 + 31 * MINUTE_US


def test_a_silent_series_says_why_once() -> None:
    """Contact lost, three times, then a sensor error; warm-up says nothing; what is not silent says nothing at all."""
    made = lane()
    silent(made, ANN)
    made.take(part(
        read(ANN, 31, 0, invalid=3), read(BOB, 31, 0, invalid=3), read(ANN, 32, 0, invalid=3),
        read(ANN, 33, 100, flags=WARM_UP), read(ANN, 34, 0, invalid=4), read(ANN, 35, 100, flags=WARM_UP),
    ))  # fmt: skip
    assert told(made) == [
        Told("ann", "signal", "reason", "contact lost", 31), Told("ann", "signal", "reason", "sensor error", 34),
    ]  # fmt: skip


def test_a_word_from_before_the_end_of_warm_up_is_none_of_this_device() -> None:
    """It came while nobody expected anything; at the end itself it counts."""
    made = lane()
    silent(made, ANN)
    made.series.waits_from[ANN] = T0 + 40 * MINUTE_US
    made.take(part(read(ANN, 39, 0, invalid=3)))
    assert (told(made), int(made.signals.why[ANN])) == ([], 0)
    made.take(part(read(ANN, 40, 0, invalid=3)))
    assert told(made) == [Told("ann", "signal", "reason", "contact lost", 40)]


def test_what_the_newest_row_said_is_kept_for_the_silence_to_come() -> None:
    """Of who is heard, too: contact lost, and then nothing."""
    made = lane()
    made.take(part(read(ANN, 1, 100), read(ANN, 2, 0, invalid=3), read(BOB, 1, 0, invalid=4), read(BOB, 2, 100)))
    assert made.signals.why[[ANN, BOB]].tolist() == [1, 0]
    made.take(part(read(ANN, 3, 100, flags=WARM_UP), read(BOB, 1, 90, flags=LATE)))
    assert made.signals.why[[ANN, BOB]].tolist() == [1, 2]


# ---- control records


def test_a_device_taken_off_leaves_what_is_open_unknown_at_its_end() -> None:
    """When it was taken off, as its binding says."""
    made = lane()
    made.take(part(read(ANN, 5, 50)))
    told(made)
    made.wear(ANN, (device(ANN, until=T0 + 7 * MINUTE_US),), T0 + 9 * MINUTE_US, HERE)
    assert told(made) == [Told("ann", "low", "unknown", DEVICE_REMOVED, 7)]
    made.wear(ANN, (device(ANN, until=T0 + 7 * MINUTE_US),), T0 + 10 * MINUTE_US, HERE)
    assert told(made) == []


def test_a_device_that_is_named_no_more_is_off_at_the_clock() -> None:
    """No binding says when: the site's clock does, but never before the binding began."""
    for clock, minutes in ((9, 9), (-5, 0)):
        made = lane()
        made.take(part(read(ANN, 5, 50)))
        told(made)
        made.wear(ANN, (), T0 + clock * MINUTE_US, HERE)
        assert told(made) == [Told("ann", "low", "unknown", DEVICE_REMOVED, minutes)]


def test_another_device_ends_a_silence_at_its_beginning() -> None:
    """Whoever puts on a new sensor has answered the alarm of the old one."""
    made = lane()
    silent(made, ANN)
    made.wear(ANN, (device(ANN, name="new", since=33),), T0 + 35 * MINUTE_US, HERE)
    assert told(made) == [Told("ann", "signal", "clear", FIRST, 33)]
    assert int(made.signals.level[ANN]) == 0


def test_a_policy_without_silence_ends_it_at_the_clock() -> None:
    """Never before it began; a policy that says the same leaves it."""
    for clock, minutes in ((40, 40), (20, 30)):
        made = lane()
        silent(made, ANN, at=30)
        made.wear(ANN, (device(ANN),), T0 + clock * MINUTE_US, HERE)
        assert told(made) == []
        made.patients.policies[ANN] = DEFAULT.model_copy(update={"signals": ()})
        made.wear(ANN, (device(ANN),), T0 + clock * MINUTE_US, HERE)
        assert told(made) == [Told("ann", "signal", "clear", FIRST, minutes)]


def test_who_never_wore_such_a_device_has_nothing_of_it() -> None:
    """A record of somebody with a wrist only makes no series of glucose."""
    made = lane()
    made.wear(CYD, (device(CYD, HEART_RATE),), T0, HERE)
    made.rule(CYD)
    assert not made.series.exists[CYD]
    assert not made.machines.kind[CYD].any()


def test_rules_of_another_part_of_the_day_are_taken_at_once() -> None:
    """And windows that are the same in both parts are not looked at again: what they are is there."""
    made = lane(HEART_RATE)
    narrow = made.medians.narrowest[ANN]
    other = DEFAULT.model_copy(update={"windows": DEFAULT.windows[:1]})
    made.patients.parts[ANN] = other
    made.rule(ANN, DEFAULT)
    assert narrow == MINUTE_US
    assert made.medians.narrowest[ANN] == 10 * MINUTE_US
    made.medians.narrowest[ANN] = 7
    made.rule(ANN, other)
    assert made.medians.narrowest[ANN] == 7
    made.rule(ANN)
    assert made.medians.narrowest[ANN] == 10 * MINUTE_US


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    """Every table of the metric: readings, rings, episodes, silence, clocks that ran ahead."""
    made = lane()
    suspect = int(Flag.CLOCK_SUSPECT)
    made.take(part(read(ANN, 5, 50), read(BOB, 60, 100, flags=suspect, received=T0 + 6 * MINUTE_US)))
    silent(made, BOB)
    state = decode_state(b"".join(encode(made.state(np.array([BOB, ANN])))))
    again = lane(worn_by=())
    again.patients.keys[:2] = again.patients.keys[1::-1]
    again.restore(state)
    told(made)
    for one, ann, bob in ((made, ANN, BOB), (again, 1, 0)):
        slots = np.array([bob, ann])
        rows = np.concatenate([read(BOB, 59, 50, flags=suspect, received=T0 + 33 * MINUTE_US)[1], read(ANN, 10, 52)[1]])
        decided = one.take(Part(rows, slots, np.arange(2), [0, 2]))
        assert decided.tolist() == [ann]
        assert told(one) == [Told("bob", "signal", "reason", "only old readings", 33)]
        assert one.signals.level[slots].tolist() == [1, 0]
        assert one.machines.level[ann, 0] == 2
