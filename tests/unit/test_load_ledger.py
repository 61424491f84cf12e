"""What a load test notes of log, database and feed as records pass, and what it makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from compose.load.logs import STAGES, Ledger
from compose.load.processes import Sampler, listening, machine
from compose.load.run import Moment, to_alert
from compose.load.sampling import Sample, Sampling, hops_of
from compose.load.show import line, table
from simulators.load.plan import Plan, crossings, messages, name_of
from vitals.readings import READING, tick_rows
from vitals.steps import Headers, Records
from vitals.topics import CONTROL_HEADER, READINGS, REJECTED, TICK_KEY, device_id

START = 1_700_000_000_000_000
PLAN = Plan(patients=20, rate_hz=2, duration_s=10, warm_up_s=2, crossings_hz=4)
FOUND = messages(PLAN)
LATE_US = 3_000


def ledger(plan: Plan = PLAN) -> Ledger:
    found = messages(plan)
    return Ledger(plan, found, crossings(found), START)


def log_of(plan: Plan = PLAN, *, took: int = LATE_US) -> Records:
    """Every message as a record of one partition, between a control record and a tick."""
    found = messages(plan)
    rows = np.zeros(len(found.at), READING)
    for index, device in enumerate(found.device.tolist()):
        rows["device"][index] = np.void(device_id(name_of(device)).bytes)
    rows["observed_at"] = START + found.at
    rows["received_at"] = START + found.at + took
    rows["seq"] = found.number
    rows["metric"] = 1
    values = [b"{}", *(row.tobytes() for row in rows), tick_rows([1], START).tobytes()]
    keys: list[bytes | None] = [b"site:1", *([b"p" * 16] * len(rows)), TICK_KEY]
    headers: list[Headers] = [((CONTROL_HEADER, b"1"),), *([()] * len(rows)), ()]
    return Records(READINGS, 0, list(range(len(values))), keys, values, headers)


def test_latencies_begin_at_the_intended_time_and_leave_the_warm_up_out():
    """Both are what the report's figures mean."""
    book = ledger()
    book.readings(log_of(), START + PLAN.length_us)
    book.digest()
    measured = int((FOUND.at >= PLAN.warm_us).sum())
    assert book.tally.logged == len(FOUND.at)
    assert book.to_bridge.count == book.to_log.count == measured
    assert book.to_bridge.at(99) == pytest.approx(LATE_US, rel=2e-3)
    assert book.to_log.at(100) == pytest.approx(PLAN.length_us - PLAN.warm_us, rel=0.05)


def test_a_row_is_stored_when_the_sinks_position_has_passed_its_record():
    """The position moves in the transaction that stores the rows: before it they are not there."""
    book = ledger()
    records = log_of()
    half = len(records.offsets) // 2
    for part in (slice(0, half), slice(half, None)):
        offsets, keys, values = records.offsets[part], records.keys[part], records.values[part]
        book.readings(Records(READINGS, 0, offsets, keys, values, records.headers[part]), START + PLAN.length_us)
    book.store(0, 0, START + PLAN.length_us)
    assert book.stored == 0
    book.store(0, half, START + PLAN.length_us)
    assert 0 < book.stored < book.tally.logged
    book.store(1, 10**9, START + PLAN.length_us)
    book.store(0, records.offsets[-1], START + PLAN.length_us)
    assert book.stored == book.tally.logged


def test_sense_made_of_many_records_at_once_is_that_made_of_each_as_it_came():
    """What is put off for the machine's sake must keep every moment, and every partition's order."""
    records = log_of()
    books = [ledger(), ledger()]
    for index in range(len(records.offsets)):
        keys, values, headers = [records.keys[index]], [records.values[index]], [records.headers[index]]
        one = Records(READINGS, index % 2, [records.offsets[index]], keys, values, headers)
        now = START + PLAN.length_us + 700 * index
        for book in books:
            book.readings(one, now)
        books[1].digest()
    for book in books:
        assert book.logged() == len(FOUND.at)
        for partition in (0, 1):
            book.store(partition, len(records.offsets) // 2, START + 2 * PLAN.length_us)
    late, prompt = books
    assert late.stored == prompt.stored > 0
    for stage in ("received", "log"):
        assert (late.times[stage] == prompt.times[stage]).all()
        assert (late.times[stage] > 0).all()
    for name in ("to_bridge", "to_log", "to_stored"):
        assert getattr(late, name).curve() == getattr(prompt, name).curve()


def test_readings_kept_during_an_outage_have_latencies_of_their_own():
    """Theirs is the outage's length, and would bury the others'."""
    plan = PLAN.model_copy(update={"shape": "outage"})
    book = ledger(plan)
    book.readings(log_of(plan), START + plan.length_us)
    book.digest()
    assert book.to_log.count > 0
    assert book.to_log_kept.count > 0
    assert book.to_log.count + book.to_log_kept.count == int((messages(plan).at >= plan.warm_us).sum())
    assert book.to_bridge.count == book.to_log.count


def test_an_alert_counts_when_it_was_first_seen_and_only_if_it_is_scripted():
    """A repeat, a snapshot after a reconnect, or the ward's own alert changes no figure."""
    book = ledger()
    ids = [each.alert(START) for each in book.crossings]
    for alert, crossing in zip(ids, book.crossings, strict=True):
        book.reached("socket", alert, START + crossing.at + 20_000)
        book.reached("socket", alert, START + crossing.at + 90_000)
    book.reached("socket", "somebody-elses", START)
    live, kept = to_alert(book)
    assert kept.count == 0
    assert live.count == sum(each.at >= PLAN.warm_us for each in book.crossings)
    assert live.at(100) == pytest.approx(20_000, rel=2e-3)


def test_only_rejections_of_our_own_devices_count():
    """A ward beside the load test has its own."""
    book = ledger()
    mine: Headers = (("topic", b"vigil/v1/load/load-00001/readings"), ("reason", b"not_bound"), ("readings", b"3"))
    other: Headers = (("topic", b"vigil/v1/ward-a/w-1/readings"), ("reason", b"not_bound"))
    book.reject(Records(REJECTED, 0, [0, 1], [None, None], [b"", b""], [mine, other]))
    assert book.rejected == 3
    assert book.reasons == {"not_bound": 3}


def test_the_parts_of_an_alerts_way_add_up_to_the_whole():
    """A verdict by hops rests on it; a reader of ours that was late makes no part negative."""
    book = ledger()
    book.left((each.device, each.number, START + each.at + 1_000) for each in book.crossings)
    steps = dict(zip(STAGES, (4_000, 10_000, 22_000, 50_000, 31_000), strict=True))
    for stage, took in steps.items():
        book.times[stage][:] = [START + each.at + took for each in book.crossings]
    hops = {hop.part: hop.p50 for hop in hops_of(book)}
    assert hops == {"offer": 1.0, "broker": 3.0, "bridge": 6.0, "processor": 12.0, "manager": 9.0, "gateway": 0.0}
    assert hops_of(ledger()) == ()


def sample(t: float, **changes: object) -> Sample:
    count = int(40 * t)
    names = ("planned", "sent", "acknowledged", "logged", "stored", "alerts", "journal", "feed")
    usual = dict.fromkeys(names, count) | {
        "t": t,
        "processor": 0,
        "blocked": 0,
        "busy": 0.5,
        "cpu": {"bridge": t / 4, "observer": t},
    }
    return Sample(**{**usual, **changes})  # type: ignore[arg-type]


def sampled(*samples: Sample) -> Sampling:
    found = Sampling(PLAN, FOUND, ledger(), [], Sampler({}), None)
    found.samples = list(samples)
    return found


def test_a_backlog_that_only_waves_is_no_growth():
    """Each second's count is of another moment of its batch."""
    steady = sampled(*(sample(t, logged=int(40 * t) - t % 2 * 20) for t in range(13)))
    assert set(steady.measured((), 1.0, 1.0).growth.values()) == {0.0}
    growing = sampled(*(sample(t, logged=20 * t) for t in range(13)))
    assert growing.measured((), 1.0, 1.0).growth["bridge"] == pytest.approx(20, abs=1)


def test_costs_are_of_the_measured_time_and_the_rest_is_other_programs():
    """A machine that others use must not be told as ours."""
    found = sampled(*(sample(t) for t in range(13)))
    costs = {each.name: each.share for each in found.processes()}
    assert costs["bridge"] == pytest.approx(0.25)
    assert costs["observer"] == pytest.approx(1.0)
    assert costs["others"] == pytest.approx(max(0.0, 0.5 * machine().cores - 1.25), abs=1e-6)
    assert "observer" not in found.measured((), 1.0, 1.0).busy


def test_a_run_too_short_to_sample_has_no_costs_and_no_rates():
    """Nothing measured is not nothing used."""
    assert sampled().processes() == ()
    assert sampled(sample(1)).series().t == ()


def test_a_moment_is_a_line_and_a_table():
    """Whoever waits for a minute wants to see that it runs, in a terminal and in a log."""
    latency = {"p50": 1.0, "p99": 2.0, "max": 3.0}
    moment = Moment(PLAN, sample(5), sample(4), connected=20, to_puback=latency, to_log=None, to_alert=latency)
    assert "40 readings/s" in line(moment)
    assert "p99 2.0 ms" in line(moment)
    assert table(moment).renderables


def test_a_port_nobody_listens_on_has_no_process():
    """A server on another machine, or another user's, is left out of the costs."""
    assert listening({"nobody": 1}) == {}
