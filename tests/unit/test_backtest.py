"""The backtest: the log that a replay would write, the same decisions as with every tick, and what it reports."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compose import cli_backtest
from compose.backtest import feed
from compose.backtest.fold import Folded, fold
from compose.backtest.log import STEP_US, TAIL_US, PersonLog, build, commands
from compose.backtest.page import page
from compose.backtest.report import Report
from compose.backtest.run import run
from compose.drills.replay import SHARED
from compose.drills.verdict import announcements, expected_of
from ingest.bridge import Bridge
from ingest.directory import Directory
from ingest.records import Record
from ingest.registry import RegistryStep
from ingest.ticks import REPLAY, PartitionClocks
from runtime.clock import SystemClock
from simulators.exports import Export, Sample, parse
from simulators.pacing import slots
from simulators.replay import SITE, merged, payload
from vitals.devices import DEVICE_TYPES
from vitals.errors import InputError
from vitals.metrics import GLUCOSE, MINUTE_US
from vitals.policies import DEFAULT, Policy
from vitals.policy_edits import edited
from vitals.readings import READING, Flag
from vitals.steps import Records
from vitals.topics import BINDINGS, READINGS, readings_topic, ticks_topic

T0 = 1_700_006_400_000_000
VERSIONS = {"version", "risen"}
"""What an alert's place in the journal decides: a backtest's journal has fewer marks."""
KIND = {1: "libre", 5: "t1d-uom-5min", 15: "t1d-uom-15min"}


def export(points: Mapping[float, float] | Mapping[int, float], interval: int = 5, name: str = "7") -> Export:
    """Minutes from `T0` -> mg/dL, as they come in a file."""
    samples = tuple(
        Sample(T0 + round(at * MINUTE_US), value, line) for line, (at, value) in enumerate(points.items(), 2)
    )
    return Export(f"glucose-{name}", f"p{name}", "glucose", "mg/dL", DEVICE_TYPES[KIND[interval]], samples)


def regular(values: list[float], interval: int = 5) -> Export:
    return export({interval * at: value for at, value in enumerate(values)}, interval)


def folded(*exports: Export, policy: Policy = DEFAULT, every_tick: bool = False) -> Folded:
    log = build(exports[0].patient, exports, None if policy is DEFAULT else policy)
    return fold(log, policy, every_tick=every_tick)


def changes(found: Folded, rule: str = "low") -> list[tuple[int, str, int]]:
    """What alerts of a rule said when people were called, in minutes from `T0`."""
    return [
        ((alert.at - T0) // MINUTE_US, str(alert.change), alert.level)
        for alert in found.alerts
        if alert.rule == rule and alert.change in {"open", "rise", "unknown", "known", "clear"}
    ]


def same(*exports: Export, policy: Policy = DEFAULT) -> None:
    """Few ticks and many cuts say what every tick and one poll say."""
    sparse, dense = folded(*exports, policy=policy), folded(*exports, policy=policy, every_tick=True)
    assert sparse.episodes == dense.episodes
    bodies = [[alert.model_dump(exclude=VERSIONS) for alert in each.alerts] for each in (sparse, dense)]
    assert bodies[0] == bodies[1]


def published(*exports: Export) -> list[tuple[bytes | None, bytes]]:
    """The records of ticks and readings that a bridge makes of what a replay publishes, tick by tick."""
    registry, directory = RegistryStep(1), Directory(1)
    for number, command in enumerate(commands("p7", exports, None)):
        for output in registry.step(Records("registry.commands", 0, [number], [None], [command.encode()], [()])):
            if output.topic == BINDINGS:
                directory.take([directory.position], [output.key], [output.value])
    clocks = PartitionClocks(1, simulated=True)
    bridge = Bridge(namespace="", partitions=1, publisher=REPLAY, directory=directory, clocks=clocks)
    items = merged(exports)
    times = np.array([item.at for item in items], np.int64)
    records: list[Record] = []
    for slot in slots(times, None, items[-1].at + TAIL_US, STEP_US):
        tick = json.dumps({"tick": slot.tick, "sites": [SITE]}).encode()
        records += bridge.decide(ticks_topic("", REPLAY), tick, 0).records
        for item in items[slot.first : slot.last]:
            export = exports[item.device]
            text = payload(export, item).encode()
            records += bridge.decide(readings_topic("", SITE, export.device), text, 0).records
    return [(record.key, record.value) for record in records if record.topic == READINGS]


def records_of(log: PersonLog) -> list[tuple[bytes | None, bytes]]:
    """The records of a log with every tick, control records left out."""
    found = list(feed.polls(log, np.arange(log.ticks), np.zeros(0, np.int64)))
    offsets = [offset for records in found for offset in records.offsets]
    assert offsets == list(range(len(offsets))), "with every tick no offset is missing"
    pairs = [pair for records in found for pair in zip(records.keys, records.values, strict=True)]
    return pairs[len(log.controls) :]


MESSY = export({-0.4: 300, 4: 90, 4.0001: 95, 9: 39, 14: 0.1, 19: 0, 24: 2000, 24.5: 401, 200: 60, 205: 50, 206: 50})


WRIST = Export(
    "wrist-7",
    "p7",
    "heart_rate",
    "/min",
    DEVICE_TYPES["wrist-5min"],
    tuple(
        Sample(T0 + at * 5 * MINUTE_US + 1_000_000, float(value), at + 2)
        for at, value in enumerate([70] * 4 + [150] * 9 + [0, 500, 70])
    ),
)


def test_the_log_is_what_a_replay_writes_through_a_bridge():
    """Row by row: received_at, flags, order and ticks; else a backtest is of another system."""
    assert records_of(build("p7", [MESSY], None)) == published(MESSY)
    assert records_of(build("p7", [MESSY, WRIST], None)) == published(MESSY, WRIST)


def test_flags_are_the_bridges():
    """LOW, HIGH and impossible values are what the edge calls them; nothing is left out."""
    rows = np.frombuffer(b"".join(build("p7", [MESSY], None).values), READING)
    assert len(rows) == len(MESSY.samples)
    assert (rows["flags"] & int(Flag.CENSORED_LOW) != 0).sum() == 2
    assert (rows["flags"] & int(Flag.CENSORED_HIGH) != 0).sum() == 1
    assert (rows["flags"] >> 12 != 0).sum() == 2


def test_a_gap_inside_a_condition_makes_it_unknown_and_clears_nothing():
    """The low of before the hole is still open behind it, and the runs begin again."""
    found = folded(export({0: 90, 5: 65, 10: 65, 60: 65, 65: 80, 70: 80}))
    assert changes(found) == [(10, "open", 1), (21, "unknown", 1), (60, "known", 1), (70, "clear", 0)]


def test_a_one_minute_sensor_opens_at_the_fifth_reading():
    """Four minutes of it, whatever the interval; it warms up for an hour first."""
    values = {at: 90.0 if at < 65 else 65.0 for at in range(75)}
    assert changes(folded(export(values, interval=1))) == [(69, "open", 1), (85, "unknown", 1)]


def test_a_fifteen_minute_sensor_opens_at_the_second_reading_and_clears_at_once():
    """Its gap is 33 min, and two readings within are a quarter of an hour."""
    values = {0: 90.0, 15: 65.0, 30: 65.0, 45: 71.0, 60: 71.0, 75: 65.0}
    assert changes(folded(export(values, interval=15))) == [(30, "open", 1), (60, "clear", 0)]


def test_chatter_at_53_and_59_is_one_episode_with_one_rise():
    """59 lies within level 2's limit with room to spare, and one reading of it has no span."""
    found = changes(folded(regular([90, 53, 59, 53, 59, 53, 59, 59, 90, 90, 90])))
    assert [each[1:] for each in found] == [("open", 2), ("clear", 0)]


def test_the_end_of_the_file_is_noticed_as_silence():
    """Ticks go on for an hour behind the last reading."""
    assert changes(folded(regular([90] * 4)), "signal") == [(35, "open", 1)]


@pytest.mark.parametrize(
    "one",
    [
        MESSY,
        regular([90, 65, 65, 50, 50, 90, 90, 260, 260, 260, 260, 260, 410, 410, 100]),
        regular([53, 59] * 20, 5),
        export({0: 60, 15: 60, 30: 40, 300: 40, 1000: 40, 1015: 90, 3000: 260}, 15),
        export({at: 60.0 + at % 17 for at in range(200)} | {400: 50, 401: 50}, 1),
    ],
)
def test_few_ticks_decide_what_every_tick_decides(one: Export):
    """Only ticks that pass a deadline count; leaving out one that does would lose a silence, or move it."""
    same(one)


def test_a_person_with_a_wrist_is_told_of_both():
    """Two devices of a person are one log; one's polls are cut for the other's sake, and nothing else changes."""
    same(MESSY, WRIST)
    rules = {alert.rule for alert in folded(MESSY, WRIST).alerts}
    assert {"heart_rate_high", "low", "signal"} <= rules


POLICY = DEFAULT.model_copy(
    update={
        "signals": tuple(signal.model_copy(update={"medium_after_us": 13 * MINUTE_US}) for signal in DEFAULT.signals),
        "thresholds": DEFAULT.thresholds[:1],
    }
)


WATCHFUL = edited(
    DEFAULT,
    ["low_soon=on", "glucose_falling=on", "glucose_falling.rate=2", "glucose_rising=on", "low_sustained=on",
     "low_sustained.for=15", "high_sustained=on"],
)  # fmt: skip


@settings(max_examples=40)
@given(
    st.sampled_from([1, 5, 15]),
    st.lists(
        st.tuples(st.sampled_from([1, 1, 1, 1, 2, 3]), st.sampled_from([0, -1, -2.5, -3.5, -3.5, 2, 4, -12])),
        min_size=4,
        max_size=40,
    ),
)
def test_few_ticks_are_enough_for_rules_that_cannot_judge_every_reading(interval: int, drawn: list[tuple[int, float]]):
    """A rate is unknown G after the last reading that had a slope, while readings come."""
    at, value, points = 0, 170.0, dict[int, float]()
    for step, speed in drawn:
        at += step * interval
        value = min(max(value + speed * step * interval, 41), 399)
        points[at] = value
    same(export(points, interval), policy=WATCHFUL)


@settings(max_examples=60)
@given(
    st.sampled_from([1, 5, 15]),
    st.lists(
        st.tuples(st.sampled_from([0, 1, 1, 1, 1, 1, 2, 3, 5, 30]), st.integers(30, 420)), min_size=1, max_size=40
    ),
    st.sampled_from([DEFAULT, POLICY, WATCHFUL]),
)
def test_few_ticks_decide_what_every_tick_decides_for_any_readings(
    interval: int, drawn: list[tuple[int, int]], policy: Policy
):
    """Holes of every length, two values at one time, and a policy with deadlines of its own."""
    at, samples = T0, []
    for line, (step, value) in enumerate(drawn, 2):
        at += step * interval * MINUTE_US + (7_000_000 if value % 5 == 0 else 0)
        samples.append(Sample(at, float(value), line))
    kind = DEVICE_TYPES[KIND[interval]]
    same(Export("glucose-7", "p7", "glucose", "mg/dL", kind, tuple(samples)), policy=policy)


def test_a_policy_of_another_kind_gets_every_tick():
    """What `needed` does not know may be due at any minute."""
    windows = tuple(rule.model_copy(update={"metric": GLUCOSE.name}) for rule in DEFAULT.windows)
    log = build("p7", [regular([90] * 5)], None)
    assert len(feed.needed(log, DEFAULT.model_copy(update={"windows": windows}))) == log.ticks
    assert len(feed.needed(log, DEFAULT)) < 6


def test_a_forecast_rule_is_scored_as_the_forecasts_are():
    """The same lows, the same 45 minutes, the same half hour in which no second alarm counts."""
    rules = edited(DEFAULT, ["low_soon=on", "low_soon.limit=70"]).model_copy(update={"version": 2})
    person = report_of(course(10, 5), policy=rules).people[0]
    scores = {(score.target, score.alarm): score for score in person.scores}
    rule, predicted = scores["below 70", "rule low_soon"], scores["below 70", "predicted ar2-line"]
    assert (rule.events, rule.hits, rule.false, rule.lead_median) == (5, 5, 0, predicted.lead_median)
    assert ("low_soon", 1, 5) in {(each.rule, each.level, each.count) for each in person.episodes}


def test_two_devices_of_one_metric_are_refused():
    """Two sensors interleaved would be a series that neither measured."""
    with pytest.raises(InputError, match="wears glucose-7 for glucose"):
        report_of(regular([90] * 9), replace(export({0: 90}, name="8"), patient="p7"))


def report_of(*exports: Export, policy: Policy | None = None) -> Report:
    return run(exports, policy, seed=1, clock=SystemClock())


def course(days: int, lows: int) -> Export:
    """Days at 110 with so many lows, each falling for half an hour."""
    values = [110.0] * (288 * days)
    for low in range(lows):
        begin = 40 + low * 288 * days // lows
        values[begin : begin + 14] = [102, 94, 86, 78, 70, 62, 58, 58, 60, 64, 70, 80, 90, 100]
    return regular(values)


def test_a_report_says_what_is_in_the_file():
    """Events, alarms and leads of a course that one can follow with a pencil: 70, then 62 to 64, then 70."""
    person = report_of(course(10, 5)).people[0]
    assert (person.readings, person.deciding) == (2880, 2880)
    assert person.days == pytest.approx(10)
    scores = {(score.target, score.alarm): score for score in person.scores}
    rule, predicted = scores["below 70", "rule low"], scores["below 70", "predicted ar2"]
    assert (rule.events, rule.recall.value, rule.told, rule.told_after) == (5, 0.0, 1.0, 5.0)
    assert (predicted.events, predicted.recall.value, predicted.precision.value) == (5, 1.0, 1.0)
    assert predicted.lead_median == 10.0  # at 78: from 86 it turns back at 74
    assert scores["below 54", "predicted ar2"].events == 0
    assert {each.rule: each.count for each in person.episodes} == {"low": 5, "signal": 1}
    calls = {(each.rule, each.priority): (each.calls, each.repeats) for each in person.announced}
    assert calls == {("low", "medium"): (5, 5), ("signal", "low"): (1, 0)}


def test_a_policy_changes_what_the_rules_announce_and_no_forecast():
    """One tests a policy to see what it would have called; the events stay what they are."""
    low = DEFAULT.thresholds[0]
    levels = (low.levels[0].model_copy(update={"limit": 90, "quick_limit": 95}), low.levels[1])
    policy = DEFAULT.model_copy(update={"thresholds": (low.model_copy(update={"levels": levels}),)})
    score, default = (
        {(each.target, each.alarm): each for each in report_of(course(10, 5), policy=rules).people[0].scores}
        for rules in (policy, None)
    )
    assert score["below 70", "rule low"].recall.value == 1.0
    assert score["below 70", "predicted ar2"] == default["below 70", "predicted ar2"]
    assert ("above 250", "rule high") not in score


def test_populations_are_never_pooled_with_each_other():
    """A sensor of 15 min foresees less: one figure over both would be nobody's."""
    slow = export({15 * at: 110.0 for at in range(400)}, 15, name="9")
    found = report_of(course(10, 5), slow, export({5 * at: 110.0 for at in range(400)}, name="8"))
    assert {each.name: each.patients for each in found.populations} == {"t1d-uom-5min": ("p7", "p8")}
    both = {(score.target, score.alarm): score for score in found.populations[0].scores}
    alone = {(score.target, score.alarm): score for score in found.people[0].scores}
    assert both["below 70", "predicted ar2"].hits == alone["below 70", "predicted ar2"].hits
    assert both["below 70", "predicted ar2"].false_per_day.value == 0.0


def test_a_wrist_alone_has_no_scores():
    """DOMAIN scores a heart rate at rest, and nothing tells rest; calls are counted all the same."""
    samples = tuple(Sample(T0 + at * 5 * MINUTE_US, 150.0 if at > 6 else 70.0, at + 2) for at in range(24))
    wrist = Export("wrist-7", "p7", "heart_rate", "/min", DEVICE_TYPES["wrist-5min"], samples)
    person = report_of(wrist).people[0]
    assert (person.scores, person.rmse_30, person.glucose) == ((), {}, None)
    assert any(each.rule == "heart_rate_high" and each.calls for each in person.announced)


def test_the_page_needs_nothing_else_and_shows_every_day():
    """It is sent by mail to somebody without a network."""
    one = course(10, 5)
    drawn = page(report_of(one), [one])
    assert not re.search(r"https?://|<script|<link|url\(|@import", drawn)
    assert drawn.count('role="img"') == 10
    assert "predicted ar2-line" in drawn


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path):
    """A traceback tells a clinician nothing."""
    policy = tmp_path / "mine.json"
    for text, says in (("{", "no JSON"), ("[]", "no policy"), ('{"thresholds": []}', "signals Field required")):
        policy.write_text(text)
        with pytest.raises(InputError, match=says) as error:
            cli_backtest.backtest([tmp_path / "glucose-1.csv"], policy=policy)
        assert "\n" not in str(error.value)
        assert "mine.json" in str(error.value)
    for limit in (200, 2_000_000):
        with pytest.raises(InputError, match=rf"low 1 limit is {limit:g}: give 60 to 100 mg/dL".replace("+", r"\+")):
            cli_backtest.backtest([tmp_path / "glucose-1.csv"], rule=[f"low.1.limit={limit}"])
    with pytest.raises(InputError, match="cannot read the file"):
        cli_backtest.backtest([tmp_path / "glucose-1.csv"])
    with pytest.raises(InputError, match="its folder is not there"):
        cli_backtest.backtest([tmp_path / "glucose-1.csv"], plot=tmp_path / "nowhere" / "out.html")


def test_the_command_writes_json_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """What a script reads is what a person is shown."""
    file = tmp_path / "glucose-1.csv"
    rows = [f"01/01/2024 {hour:02}:{minute:02},5.5" for hour in range(3) for minute in range(0, 60, 5)]
    file.write_text("\n".join(["bg_ts,value", *rows]))
    cli_backtest.backtest([file], json_out=tmp_path / "out.json", plot=tmp_path / "out.html")
    assert "36 readings" in capsys.readouterr().out
    found = Report.model_validate_json((tmp_path / "out.json").read_bytes())
    assert found.people[0].patient == "p1"
    assert "<svg" in (tmp_path / "out.html").read_text()
    cli_backtest.backtest([file], json_out=Path("-"))
    assert json.loads(capsys.readouterr().out)["people"][0]["readings"] == 36
    cli_backtest.backtest([file], rule=["low_soon=on"], json_out=Path("-"))
    told = json.loads(capsys.readouterr().out)
    assert told["policy"] == 2
    assert "rule low_soon" in {each["alarm"] for each in told["people"][0]["scores"]}
    with pytest.raises(InputError, match="a change of nothing"):
        cli_backtest.backtest([file], rule=["low_now=on"])
    with pytest.raises(InputError, match="low_soon limit is 20"):
        cli_backtest.backtest([file], rule=["low_soon=on", "low_soon.limit=20"])


FILE, EXPECTED = SHARED / "data" / "t1d-uom" / "glucose-2307.csv", SHARED / "expected" / "low-2307.csv"


@pytest.mark.skipif(not (FILE.exists() and EXPECTED.exists()), reason=f"T1D-UOM is not at {SHARED}: set VIGIL_SHARED")
def test_the_low_rules_changes_over_a_real_month_are_the_published_ones():
    """An independent program made the list: where we differ, one of the two reads the rules wrongly."""
    one = parse(FILE.name, FILE.read_bytes())
    assert announcements(list(folded(one).alerts), "p2307") == expected_of(EXPECTED)
