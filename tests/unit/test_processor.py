"""The processor as a step: causes, order, broken records, control records, and what it counts."""

from __future__ import annotations

import numpy as np
import pytest

from stream.processor import DELAY_MIN_US, Processor, factory
from stream.series import Slots
from stream.sites import Site
from stream.turns import deciding, turns
from tests.logs import LATE, T0, Log, episodes, row, said, windows, worn
from vitals.causes import Cause
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, LOW
from vitals.readings import READING, Flag, Invalid, tick_rows
from vitals.topics import JOURNAL, TICK_KEY, WINDOWS, patient_id

CGM = "t1d-uom-5min"


def ward(*names: str) -> Log:
    """A log whose clock runs, with patients on five-minute sensors."""
    log = Log()
    log.site(1)
    for name in names or ("ann",):
        log.patient(name, worn(name, f"cgm-{name}", CGM, T0 - MINUTE_US))
    log.tick(T0)
    return log


def test_a_cause_is_the_records_offset_and_a_count_within_it() -> None:
    """The runner compares them with the last one written; a gap or a repeat would lose or double an alarm."""
    log = ward()
    log.readings(row("ann", 50, T0), row("ann", 100, T0 + 5 * MINUTE_US), row("ann", 100, T0 + 10 * MINUTE_US))
    outputs = [output for output in log.run(Processor(0, 1)) if output.key != b"mark"]
    offset = log.records().offsets[-1]
    assert [output.cause for output in outputs] == [Cause(offset, ordinal) for ordinal in range(3)]
    assert [output.stage for output in outputs] == [0, 0, 0]


def test_outputs_go_to_the_processors_own_partition_and_episodes_have_the_patients_key() -> None:
    """All patient topics have the same partitions, so one process owns a patient end to end."""
    log = ward()
    log.readings(row("ann", 50, T0 + MINUTE_US))
    log.tick(T0 + 6 * MINUTE_US)
    outputs = [output for output in log.run(factory(4)(3)) if output.key != b"mark"]
    keys = {JOURNAL: patient_id("ann").bytes, WINDOWS: None}
    assert {output.topic for output in outputs} == keys.keys()
    assert {(output.partition, output.key) for output in outputs} == {(3, key) for key in keys.values()}
    assert {output.key for output in outputs if output.topic == JOURNAL} == {keys[JOURNAL]}


def test_outputs_of_one_tick_are_ordered_by_instant_then_patient() -> None:
    """Not by where a patient's row happens to lie in memory, which a restart may change."""
    names = [f"p{number}" for number in range(8)]
    log = ward(*names)
    log.tick(T0 + 300 * MINUTE_US)
    found = episodes(log.run(Processor(0, 1)), "signal")
    order = [(each.at, each.patient.bytes) for each in found if each.patient is not None]
    assert len(order) == 16
    assert order == sorted(order)


def test_slots_do_not_show_in_the_output() -> None:
    """The same patients bound in another order: the same words at every later record."""
    one, other = ward("ann", "bob", "cyd"), ward("cyd", "ann", "bob")
    for log in (one, other):
        log.readings(row("bob", 50, T0 + MINUTE_US))
        log.tick(T0 + 100 * MINUTE_US)
    assert one.run(Processor(0, 1)) == other.run(Processor(0, 1))


def test_broken_records_are_counted_and_stop_nothing() -> None:
    """One bad record in a log that is kept for ever would stop every replay for ever."""
    log = ward()
    log.raw(patient_id("ann").bytes, b"x" * 65)
    log.raw(b"tick", b"half a tick")
    log.raw(None, b"")
    log.raw(patient_id("ann").bytes, b"not json", (("control", b"1"),))
    log.raw(b"site:9", b'{"kind":"site"}', (("control", b"1"),))
    log.readings(row("ann", 50, T0 + MINUTE_US))
    processor = Processor(0, 1)
    assert [each.change for each in said(log.run(processor))] == ["open"]
    assert processor.counters.broken == 4


def test_rows_that_no_control_record_covers_are_counted() -> None:
    """They stay in the log and in the database; without a binding no rule knows their interval."""
    log = ward()
    log.readings(row("nobody", 50, T0))
    log.readings(row("ann", 60, T0, metric="heart_rate"))
    odd = row("ann", 60, T0)
    odd["metric"] = 77
    log.readings(odd)
    processor = Processor(0, 1)
    assert said(log.run(processor)) == []
    assert (processor.counters.unbound, processor.counters.readings) == (3, 3)


def test_values_that_are_no_numbers_decide_nothing() -> None:
    """The bridge rejects them; should one slip through it must not become a level."""
    log = ward()
    log.readings(
        row("ann", float("nan"), T0),
        row("ann", float("inf"), T0 + 1),
        row("ann", -1e300, T0, invalid=Invalid.BELOW_RANGE),
    )
    log.tick(T0 + 6 * MINUTE_US)
    outputs = log.run(Processor(0, 1))
    assert said(outputs) == []
    assert not len(windows(outputs))


def test_tick_rows_among_readings_move_no_clock() -> None:
    """Only tick records are time: a reading's record is of one patient and could come from anyone."""
    log = ward()
    tick = np.zeros(1, READING)
    tick["site"], tick["observed_at"] = 1, T0 + 600 * MINUTE_US
    log.raw(patient_id("ann").bytes, tick.tobytes())
    processor = Processor(0, 1)
    log.run(processor)
    assert processor.clocks == {1: T0}


def test_a_control_record_holds_from_its_offset_on() -> None:
    """A limit changed between two readings of one poll judges only the second."""
    log = ward()
    strict = LOW.model_copy(
        update={"levels": (LOW.levels[0], LOW.levels[1].model_copy(update={"limit": 65.0, "quick_limit": 68.0}))}
    )
    policy = DEFAULT.model_copy(update={"version": 2, "thresholds": (strict,)})
    log.readings(row("ann", 64, T0))
    log.patient("ann", worn("ann", "cgm-ann", CGM, T0 - MINUTE_US), version=2, policy=policy)
    log.readings(row("ann", 64, T0 + MINUTE_US))
    (episode,) = episodes(log.run(Processor(0, 1)))
    assert (episode.at, episode.level, episode.limit, episode.policy) == (T0 + MINUTE_US, 2, 65, 2)


def test_a_deadline_set_by_a_reading_before_a_tick_of_the_same_poll_fires_at_that_tick() -> None:
    """A tick may only be passed over if no reading still waiting to be looked at could set a deadline below it."""
    log = ward()
    log.readings(row("ann", 50, T0 + MINUTE_US))
    log.tick(T0 + 13 * MINUTE_US)
    found = said(log.run(Processor(0, 1)), "low")
    assert [(each.at, each.change) for each in found] == [
        (T0 + MINUTE_US, "open"),
        (T0 + 12 * MINUTE_US, "unknown"),
    ]
    assert DELAY_MIN_US <= 11 * MINUTE_US


def test_many_patients_make_room_for_themselves() -> None:
    """Tables grow in the middle of a log, and nobody's state moves."""
    names = [f"p{number}" for number in range(100)]
    log = ward("ann")
    log.readings(row("ann", 50, T0))
    for name in names:
        log.patient(name, worn(name, f"cgm-{name}", CGM, T0 - MINUTE_US))
        log.readings(row(name, 50, T0))
    log.readings(row("ann", 45, T0 + MINUTE_US), row("ann", 90, T0 + 6 * MINUTE_US))
    found = episodes(log.run(Processor(0, 1)), "low")
    assert len(found) == 102
    assert [each.change for each in found if each.label == "ann"] == ["open", "returning"]


def test_a_control_record_costs_no_look_at_the_other_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them looked at all deadlines of its site once: to register 5,000 patients took half a minute, in which
    no clock moved and nobody was told anything.
    """
    log = ward(*(f"p{number}" for number in range(300)))
    looks: list[int] = []
    look_ahead = Processor._look_ahead

    def counted(self: Processor, site: Site, slots: Slots) -> None:
        looks.append(len(slots))
        look_ahead(self, site, slots)

    monkeypatch.setattr(Processor, "_look_ahead", counted)
    log.run(Processor(0, 1))
    assert len(looks) <= 1


def test_a_suspect_clock_counts_at_arrival() -> None:
    """A device in 2099 must not silence its series until then."""
    log = ward()
    far = row("ann", 50, T0 + 10**15, received=T0 + MINUTE_US, flags=int(Flag.CLOCK_SUSPECT))
    log.readings(far)
    log.readings(row("ann", 48, T0 + 6 * MINUTE_US))
    found = episodes(log.run(Processor(0, 1)), "low")
    assert [(each.value_at, each.value) for each in found] == [(T0 + MINUTE_US, 50)]


def test_the_counters_add_up() -> None:
    """`vigil status` shows them; what they do not count looks lost."""
    log = ward()
    log.readings(row("ann", 50, T0), row("ann", 50, T0 - MINUTE_US, flags=LATE))
    log.tick(T0 + 6 * MINUTE_US)
    processor = Processor(0, 1)
    log.run(processor)
    counters = processor.counters
    assert (counters.readings, counters.late, counters.episodes, counters.windows, counters.marks) == (2, 1, 1, 5, 2)


def test_deciding_is_later_than_every_earlier_usable_reading() -> None:
    """Unusable and late rows: only usable ones raise the bar, and late ones raise it too."""
    slots = np.array([0, 1, 0, 0, 1, 0, 0])
    events = np.array([10, 10, 9, 20, 11, 15, 30]) * SECOND_US
    usable = np.array([True, True, True, False, True, True, True])
    late = np.array([False, False, False, False, True, False, False])
    newest = np.array([9 * SECOND_US, 10 * SECOND_US])
    found = deciding(slots, events, usable, late, newest)
    assert found.tolist() == [True, False, False, False, False, True, True]


def test_turns_count_what_matters_before_each_row_of_a_series() -> None:
    """Turn k takes each series' rows up to its k-th that matters, and none behind it."""
    slots = np.array([0, 1, 0, 0, 1, 0])
    matter = np.array([False, True, True, True, True, False])
    assert turns(slots, matter).tolist() == [0, 0, 0, 1, 1, 2]


def test_readings_of_strangers_are_counted_however_the_log_is_cut() -> None:
    """One sensor that nobody has registered must not stop the alarms of everybody in its partition."""
    log = Log()
    log.readings(row("stranger", 60, T0, metric="heart_rate", device="x"))
    log.readings(row("stranger", 60, T0, device="y"))
    log.site(1)
    log.patient("ann", worn("ann", "wrist-ann", "wrist", T0 - MINUTE_US))
    log.tick(T0)
    for second in range(1, 20):
        log.readings(row("ann", 60, T0 + second * SECOND_US, metric="heart_rate", device="wrist-ann"))
        log.readings(row("stranger", 60, T0 + second * SECOND_US, metric="heart_rate", device="x"))
        log.tick(T0 + second * SECOND_US)
    whole, piecewise = Processor(0, 1), Processor(0, 1)
    assert log.run(piecewise, range(len(log.keys))) == log.run(whole)
    assert piecewise.counters == whole.counters
    assert whole.counters.unbound == 21


def test_readings_that_wait_for_more_change_no_output_and_are_counted_at_once() -> None:
    """Heart rates of polls of one row are taken together, before anything that could tell the difference."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "wrist-ann", "wrist", T0 - MINUTE_US))
    log.tick(T0)
    for second in range(1, 700):
        log.readings(row("ann", 150, T0 + second * SECOND_US, metric="heart_rate", device="wrist-ann"))
        if second == 650:
            log.tick(T0 + second * SECOND_US)
    log.patient("ann", worn("ann", "wrist-ann", "wrist", T0 - MINUTE_US, until=T0 + 700 * SECOND_US), version=2)
    log.tick(T0 + 1100 * SECOND_US)
    whole, piecewise = Processor(0, 1), Processor(0, 1)
    assert log.run(piecewise, range(len(log.keys))) == log.run(whole)
    assert episodes(log.run(Processor(0, 1)))
    assert piecewise.counters == whole.counters
    half = Processor(0, 1)
    half.step(log.records(0, 103))
    assert half.counters.readings == 100


def test_late_rows_are_counted_however_many_and_a_ticks_flags_are_not() -> None:
    """A gateway's backlog comes late as a whole: an operator reads from the count how much nobody decided on."""
    log = ward()
    backlog = [row("ann", 100, T0 - at * SECOND_US, received=T0, flags=LATE) for at in range(300, 0, -1)]
    odd = [
        row("ann", 100, T0 + SECOND_US, flags=LATE | int(Flag.WARM_UP)),
        row("ann", 100, T0 + 2 * SECOND_US, flags=int(Flag.BACKFILL)),
        row("ann", 100, T0 + 3 * SECOND_US, metric="battery", flags=LATE),
        row("stranger", 100, T0, device="x", flags=LATE),
    ]
    log.readings(*backlog)
    for each in odd:
        log.readings(each)
    tick = tick_rows([1], T0 + 4 * SECOND_US)
    tick["flags"] = LATE
    log.raw(TICK_KEY, tick.tobytes())
    log.site(2)
    whole, piecewise = Processor(0, 1), Processor(0, 1)
    assert log.run(piecewise, range(len(log.keys))) == log.run(whole)
    assert piecewise.counters == whole.counters
    assert (whole.counters.readings, whole.counters.late, whole.counters.unbound) == (304, 303, 1)


def test_rules_that_come_later_do_not_judge_what_waited() -> None:
    """What a reading means is decided by the rules at its place in the log, not by those of when it was taken."""
    log = Log()
    log.site(1)
    lenient = DEFAULT.model_copy(update={"thresholds": ()})
    log.patient("ann", worn("ann", "cgm-ann", CGM, T0 - MINUTE_US), policy=lenient)
    log.tick(T0)
    for minute in (5, 10):
        log.readings(row("ann", 50, T0 + minute * MINUTE_US))
    log.patient("ann", worn("ann", "cgm-ann", CGM, T0 - MINUTE_US), version=2)
    log.readings(row("ann", 60, T0 + 15 * MINUTE_US))
    whole, piecewise = log.run(Processor(0, 1)), log.run(Processor(0, 1), range(len(log.keys)))
    assert piecewise == whole
    assert [(each.at, each.level, each.change) for each in said(whole)] == [(T0 + 15 * MINUTE_US, 1, "open")]
