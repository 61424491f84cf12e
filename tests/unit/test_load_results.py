"""What is made of a load test: counts, percentiles, the verdict, the search."""

from __future__ import annotations

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from simulators.load.histogram import DIGITS, HIGHEST_US, LOWEST_US, Latencies
from simulators.load.limits import Measured, Part, verdict
from simulators.load.plan import Messages, Plan, messages, name_of
from simulators.load.search import CLOSE, Search
from simulators.load.tally import Tally
from vitals.readings import READING, Rows
from vitals.topics import device_id

START = 1_700_000_000_000_000
PLAN = Plan(patients=6, rate_hz=2, duration_s=5, warm_up_s=0)


def rows_of(found: Messages) -> Rows:
    """The messages as rows of the log, in their order."""
    rows = np.zeros(len(found.at), READING)
    for index, device in enumerate(found.device.tolist()):
        rows["device"][index] = np.void(device_id(name_of(device)).bytes)
    rows["observed_at"] = START + found.at
    rows["seq"] = found.number
    return rows


# The tally


def test_a_log_as_sent_has_nothing_lost_doubled_or_out_of_order():
    """The rule from which everything else is a difference."""
    found = messages(PLAN)
    tally = Tally(PLAN, found, START)
    taken = tally.take(rows_of(found))
    assert taken.first.all()
    assert tally.outcome([]) == (len(found.at), 0, 0, 0)


def test_what_is_missing_is_lost_unless_it_was_never_acknowledged():
    """A reading without PUBACK is the device's to send again; one with it was promised."""
    found = messages(PLAN)
    tally = Tally(PLAN, found, START)
    tally.take(rows_of(found)[2:])
    missing = [(int(found.device[index]), int(found.number[index])) for index in (0, 1)]
    assert tally.outcome([]).lost == 2
    assert tally.outcome(missing[:1]).lost == 1
    assert tally.outcome(missing).lost == 0
    assert len(tally.lost([])) == 2


def test_a_row_that_comes_again_is_a_duplicate_and_not_out_of_order():
    """A redelivery after a crash is allowed in the log; disorder is not."""
    found = messages(PLAN)
    rows = rows_of(found)
    tally = Tally(PLAN, found, START)
    tally.take(rows)
    taken = tally.take(rows[:5])
    assert not taken.first.any()
    outcome = tally.outcome([])
    assert (outcome.duplicated, outcome.reordered, outcome.lost) == (5, 0, 0)


def test_a_row_behind_a_later_one_of_its_device_is_out_of_order():
    """Order per device is what every rule downstream stands on."""
    found = messages(PLAN)
    rows = rows_of(found)
    mine = np.flatnonzero(found.device == 3)
    rows[mine[[1, 2]]] = rows[mine[[2, 1]]]
    tally = Tally(PLAN, found, START)
    tally.take(rows)
    assert tally.outcome([]) == (len(found.at), 0, 0, 1)


def test_rows_of_others_and_of_other_runs_are_not_ours():
    """A load test on a stack with a ward must not count the ward."""
    found = messages(PLAN)
    rows = rows_of(found)
    rows["observed_at"] -= 10**12
    strangers = rows_of(found)
    strangers["device"] = np.void(device_id("somebody").bytes)
    tally = Tally(PLAN, found, START)
    assert not len(tally.take(np.concatenate([rows, strangers])).place)
    assert tally.logged == 0


@given(st.data())
def test_the_tally_agrees_with_a_plain_count(data: st.DataObject):
    """The vectorised count is the drill's judge: a dictionary is the judge's."""
    found = messages(PLAN)
    rows = rows_of(found)
    order = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=60))
    cut = data.draw(st.integers(0, len(order)))
    tally = Tally(PLAN, found, START)
    for part in (order[:cut], order[cut:]):
        if part:
            tally.take(rows[part])
    seen: set[tuple[int, int]] = set()
    highest: dict[int, int] = {}
    doubled = disorder = 0
    for index in order:
        who, which = int(found.device[index]), int(found.number[index])
        if (who, which) in seen:
            doubled += 1
        else:
            disorder += which < highest.get(who, -1)
        seen.add((who, which))
        highest[who] = max(which, highest.get(who, -1))
    assert tally.outcome([]) == (len(seen), len(found.at) - len(seen), doubled, disorder)


# Percentiles


@given(st.lists(st.integers(1, 3_600_000_000), min_size=1, max_size=200))
def test_percentiles_are_within_a_thousandth_of_the_exact_ones(values: list[int]):
    """Three significant digits, as the report says."""
    found = Latencies()
    found.record_all(np.array(values))
    exact = sorted(values)
    for percent in (50, 90, 99):
        wanted = exact[max(1, int(percent / 100 * len(exact) + 0.5)) - 1]  # HdrHistogram's rank is the nearest
        assert found.at(percent) == pytest.approx(wanted, rel=2e-3, abs=1)
    summary = found.summary_ms()
    assert summary is not None
    assert summary["max"] == pytest.approx(exact[-1] / 1000, rel=2e-3, abs=1e-3)


@given(st.lists(st.integers(-10, 4_000_000_000), min_size=1, max_size=200))
def test_noting_many_at_once_is_noting_each(values: list[int]):
    """Latencies are held and noted by the library's own steps: not one may fall into another of its counts."""
    found, exact = Latencies(), HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
    found.record_all(np.array(values[::2], np.int64))
    for value in values[1::2]:
        found.record(value)
    for value in values:
        exact.record_value(min(max(value, LOWEST_US), HIGHEST_US))
    ours = HdrHistogram.decode(found.encoded())
    assert list(ours.counts) == list(exact.counts)
    assert found.count == exact.get_total_count() == len(values)
    summary = found.summary_ms()
    assert summary is not None
    assert summary["max"] == exact.get_max_value() / 1000


def test_histograms_of_two_workers_merge_into_that_of_both():
    """Percentiles cannot be averaged: only their histograms add up."""
    whole, parts = Latencies(), [Latencies(), Latencies()]
    for value in range(1, 5000):
        whole.record(value * 17)
        parts[value % 2].record(value * 17)
    merged = Latencies.merged(Latencies.decoded(part.encoded()) for part in parts)
    assert merged.summary_ms() == whole.summary_ms()
    assert merged.curve() == whole.curve()


def test_no_latency_is_no_figure():
    """Nothing measured must not look like nothing waited."""
    assert Latencies().summary_ms() is None
    assert Latencies.decoded(Latencies().encoded()).count == 0


def test_what_is_out_of_range_counts_at_its_edge():
    """A clock that steps back must not make a reading vanish from the count."""
    found = Latencies()
    found.record(-5)
    found.record_all(np.array([-1, 10**12]))
    assert found.count == 3


# The verdict


def measured(**changes: object) -> Measured:
    usual = {
        "offered_hz": 1000.0,
        "sent_hz": 1000.0,
        "late_p99_ms": 2.0,
        "alert_p99_ms": 60.0,
        "tail_ms": {"offer": 1.0, "broker": 2.0, "bridge": 10.0, "processor": 20.0, "manager": 15.0, "gateway": 5.0},
        "busy": {"kafka": 0.3, "bridge": 0.2, "process": 0.25},
        "growth": {},
        "cores": 2,
        "machine_busy": 0.6,
    }
    return Measured.model_validate(usual | changes)


def test_a_run_that_keeps_up_has_no_limit():
    """A verdict that always names somebody is no verdict."""
    found = verdict(measured(), p99_ms_max=250)
    assert found.part is None
    assert "Nothing limits at 1000 readings a second" in found.sentence


@pytest.mark.parametrize("part", ["offer", "broker", "bridge", "processor", "manager", "gateway"])
def test_a_slow_run_is_limited_by_the_part_where_its_slowest_alerts_wait(part: Part):
    """That is where somebody who wants it faster has to look."""
    tail = {"offer": 1.0, "broker": 2.0, "bridge": 10.0, "processor": 20.0, "manager": 15.0, "gateway": 5.0}
    found = verdict(measured(alert_p99_ms=900.0, tail_ms=tail | {part: 800.0}), p99_ms_max=250)
    assert found.part == part
    assert "800 of" in found.sentence


def test_what_waits_for_a_full_bridge_is_the_bridges():
    """The broker's part ends with the bridge's read: a bridge without room would be told as a slow broker."""
    tail: dict[Part, float] = {"offer": 1.0, "broker": 800.0, "bridge": 30.0}
    found = verdict(measured(alert_p99_ms=900.0, tail_ms=tail, busy={"bridge": 0.99}), p99_ms_max=250)
    assert found.part == "bridge"
    assert "99% of its core" in found.sentence
    assert verdict(measured(alert_p99_ms=900.0, tail_ms=tail), p99_ms_max=250).part == "broker"


def test_an_offer_that_did_not_leave_is_the_limit_before_all_else():
    """Else the load generator's own limit would be told as the system's."""
    found = verdict(measured(sent_hz=700.0, alert_p99_ms=900.0), p99_ms_max=250)
    assert found.part == "offer"
    assert "700 of 1000" in found.sentence


@pytest.mark.parametrize("part", ["broker", "bridge", "processor", "manager", "gateway"])
def test_a_backlog_that_grows_is_a_limit_even_while_alerts_are_quick(part: Part):
    """It only needs more time to be slow."""
    assert verdict(measured(growth={part: 300.0}), p99_ms_max=250).part == part


def test_a_store_that_falls_behind_is_told_and_delays_no_alert():
    """A stopped database never delays an alert; but a chart that lags is worth a word."""
    found = verdict(measured(growth={"store": 200.0}), p99_ms_max=250)
    assert found.part == "store"
    assert "no alert waits for it" in found.sentence


def test_the_evidence_names_a_full_core_and_a_full_machine():
    """On a laptop everything waits for a core, and the reader must know."""
    said = " ".join(verdict(measured(busy={"process": 0.97}, machine_busy=0.99), p99_ms_max=250).evidence)
    assert "process has no room left: 97%" in said
    assert "everything waits for a core" in said


# The search


@given(st.floats(20, 50_000))
def test_the_search_ends_close_below_what_holds(truth: float):
    """Whatever the machine holds is found within a tenth, in a bounded number of tries."""
    search = Search(first=500, most=100_000)
    while (load := search.next) is not None:
        search.tell(holds=load <= truth)
        assert len(search.tries) < 60
    if truth >= 500 / 16 * 1.6:
        assert search.held is not None
        assert search.held <= truth <= search.held * CLOSE * 1.001


def test_one_bad_try_does_not_end_the_search():
    """Another program's busy second is not the system's limit."""
    search = Search(first=100, most=1000)
    search.tell(holds=False)
    assert search.next == 100
    search.tell(holds=True)
    assert search.held == 100
    assert search.failed is None


def test_one_good_try_is_not_the_answer():
    """What held for a moment is tried for longer, and less until it holds there too."""
    search = Search(first=100, most=100)
    search.tell(holds=True)
    assert (search.next, search.check) == (None, 100)
    search.confirm(holds=False)
    assert search.check == pytest.approx(100 / CLOSE)
    search.confirm(holds=True)
    assert search.check is None
    assert search.confirmed == pytest.approx(100 / CLOSE)


def test_a_stack_that_holds_nothing_ends_the_search():
    """Else it would lower the load for ever."""
    search = Search(first=100, most=100)
    search.tell(holds=True)
    while search.check is not None:
        search.confirm(holds=False)
        assert len(search.tries) < 60
    assert search.confirmed is None


def test_the_search_stops_at_the_most_that_can_be_offered():
    """Else it would ask for rates that the schedule refuses."""
    search = Search(first=500, most=600)
    search.tell(holds=True)
    assert search.next == 600
    search.tell(holds=True)
    assert search.next is None
