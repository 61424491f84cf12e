"""The low and high machines, reading by reading, against RULES' sentences and the vectors it asks for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stream.processor import Processor
from tests import oracle_bytes
from tests.logs import LATE, T0, Log, Said, episodes, row, said, worn
from tests.oracle import Oracle
from vitals.devices import DEVICE_TYPES
from vitals.journal import Episode
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT, LOW
from vitals.policy_edits import edited
from vitals.readings import Flag
from vitals.steps import Output

KINDS = {1: "libre", 5: "t1d-uom-5min", 15: "t1d-uom-15min"}
Reading = tuple[int, float]


def outputs(readings: Sequence[Reading], every: int = 5, *, together: bool = False, flags: int = 0) -> list[Output]:
    """What the processor says to readings (minutes after T0, mg/dL) of a sensor that sends ``every`` so many."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", KINDS[every], T0 - 600 * MINUTE_US))
    log.tick(T0 - MINUTE_US)
    rows = [row("ann", value, T0 + at * MINUTE_US, flags=flags) for at, value in readings]
    for part in [rows] if together else [[each] for each in rows]:
        log.readings(*part)
    return log.run(Processor(0, 1))


def changes(readings: Sequence[Reading], every: int = 5, rule: str = "low", *, together: bool = False) -> list[str]:
    """Changes in short: ``minute change level condition``."""
    found = said(outputs(readings, every, together=together), rule)
    return [f"{(each.at - T0) // MINUTE_US} {each.change} {each.level} {each.condition}" for each in found]


def test_level_two_opens_at_once() -> None:
    """Below 54 nobody waits for a second reading."""
    assert changes([(0, 100), (5, 53)]) == ["5 open 2 active"]


@pytest.mark.parametrize(("every", "opens"), [(1, 4), (5, 5), (15, 15)])
def test_level_one_opens_when_the_run_spans_four_minutes(every: int, opens: int) -> None:
    """The fifth reading of a one-minute sensor, the second of a slower one."""
    readings = [(0, 100.0)] + [(every * at, 65.0) for at in range(1, 8)]
    assert changes(readings, every)[0] == f"{every + opens} open 1 active"


def test_level_one_rises_to_two_and_comes_back_silently() -> None:
    """A rise announces; two to one is a lowering that says nothing to a person, but lowers the priority."""
    readings = [(0, 65), (5, 65), (10, 53), (15, 60), (20, 61)]
    assert changes(readings) == ["5 open 1 active", "10 rise 2 active", "15 returning 2 returning", "20 lower 1 active"]
    assert [each.priority for each in episodes(outputs(readings), "low")] == ["medium", "high", "high", "medium"]


def test_an_episode_ends_quickly_five_above_the_limit() -> None:
    """OK span of four minutes with the value at 75 or more."""
    assert changes([(0, 65), (5, 65), (10, 74), (15, 75)])[-1] == "15 clear 0 over"
    assert changes([(0, 65), (5, 65), (10, 80), (15, 74)])[-1] == "10 returning 1 returning"


def test_an_episode_ends_slowly_just_within_the_limit() -> None:
    """Fifteen minutes at 70 are enough; ten are not."""
    assert changes([(0, 65), (5, 65)] + [(at, 70) for at in (10, 15, 20)])[-1] == "10 returning 1 returning"
    assert changes([(0, 65), (5, 65)] + [(at, 70) for at in (10, 15, 20, 25)])[-1] == "25 clear 0 over"


def test_level_two_may_end_straight_in_normal() -> None:
    """After a hole filled with good readings both levels end at one reading: one clear, no lowering before it."""
    assert changes([(0, 50), (5, 80), (10, 90)]) == ["0 open 2 active", "5 returning 2 returning", "10 clear 0 over"]


def test_chatter_at_53_and_59_is_one_episode() -> None:
    """The hysteresis of RULES: 59 alone does not end level 2, so 53 again is no new announcement."""
    readings = [(5 * at, 53.0 if at % 2 else 59.0) for at in range(12)]
    assert [each.split()[1] for each in changes(readings)][:1] == ["open"]
    assert {each.split()[1] for each in changes(readings)[1:]} == {"active", "returning"}


def test_a_gap_breaks_the_bad_run() -> None:
    """Two lows 12 minutes apart are not "low for four minutes": nobody knows what lies between."""
    assert changes([(0, 65), (12, 65)]) == []
    assert changes([(0, 65), (11, 65)]) == ["11 open 1 active"]


def test_a_gap_inside_an_episode_restarts_the_ok_run() -> None:
    """Good readings before a hole do not count towards the end."""
    readings = [(0, 65), (5, 65), (10, 80), (25, 80), (30, 80)]
    assert [each for each in changes(readings) if "clear" in each] == ["30 clear 0 over"]


def test_the_gap_of_a_slow_sensor_is_longer() -> None:
    """G = 2.2 intervals: a lost reading of a 15-minute sensor is no gap yet."""
    assert changes([(0, 65), (30, 65)], every=15) == ["30 open 1 active"]
    assert changes([(0, 65), (34, 65)], every=15) == []


def test_mmol_is_rounded_before_it_is_compared() -> None:
    """13.9 mmol/L is 250.45, rounds to 250 and is not beyond 250; 3.9 is 70.27 and is not below 70."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US))
    for at in range(8):
        log.readings(row("ann", 13.9 if at < 4 else 3.9, T0 + 5 * at * MINUTE_US, unit="mmol/L"))
    assert said(log.run(Processor(0, 1))) == []


def test_high_mirrors_low() -> None:
    """Above 250 for 15 min, ended at 240 or by 15 min at 250; 400 is level 2 after four minutes."""
    readings = [(at, 260) for at in (0, 5, 10, 15)] + [(20, 250), (25, 240)]
    assert changes(readings, rule="high") == ["15 open 1 active", "20 returning 1 returning", "25 clear 0 over"]
    assert changes([(0, 400), (5, 400)], rule="high") == ["5 open 2 active"]
    assert changes([(0, 399), (5, 399)], rule="high") == []


def test_a_censored_low_counts_as_one_below_the_range() -> None:
    """LOW is a value: 39 on a Dexcom, and it says that it was censored."""
    (episode,) = episodes(outputs([(0, 10)], flags=int(Flag.CENSORED_LOW)), "low")
    assert (episode.value, episode.censored, episode.level) == (DEVICE_TYPES["dexcom"].streams[0].low - 1, "low", 2)


def test_a_censored_high_opens_level_two() -> None:
    """HIGH for four minutes, whatever number came with it."""
    found = episodes(outputs([(0, 500), (5, 500)], flags=int(Flag.CENSORED_HIGH)), "high")
    assert [(each.value, each.censored, each.level) for each in found] == [(401, "high", 2)]


def test_a_late_low_triggers_nothing() -> None:
    """Backfill of yesterday's low must not page anybody today."""
    assert said(outputs([(0, 45), (5, 45)], flags=LATE), "low") == []


def test_a_late_low_joins_the_run_of_a_fresh_one() -> None:
    """The newest of a late batch pages if it is fresh: with the run that arrived late before it."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US))
    late = [row("ann", 65, T0 + at * MINUTE_US, flags=LATE, received=T0 + 30 * MINUTE_US) for at in (10, 15, 20)]
    log.readings(*late, row("ann", 65, T0 + 25 * MINUTE_US, received=T0 + 30 * MINUTE_US))
    (episode,) = episodes(log.run(Processor(0, 1)), "low")
    assert (episode.at, episode.since, episode.level) == (T0 + 25 * MINUTE_US, T0 + 10 * MINUTE_US, 1)


def test_a_late_good_reading_breaks_the_run_only_for_what_follows() -> None:
    """Runs are as known at the reading: an alarm that was right when it was raised is not taken back."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US))
    low = [row("ann", 65, T0 + at * MINUTE_US) for at in (0, 5)]
    log.readings(*low, row("ann", 90, T0 + 3 * MINUTE_US, flags=LATE))
    assert [each.change for each in said(log.run(Processor(0, 1)))] == ["open"]
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US))
    log.readings(low[0], row("ann", 90, T0 + 3 * MINUTE_US, flags=0), low[1])
    assert said(log.run(Processor(0, 1))) == []


def test_a_duplicate_is_never_a_second_reading() -> None:
    """Two copies of one low are not a run of four minutes, and another value under the same time changes nothing."""
    assert changes([(0, 65), (0, 65), (0, 40)]) == []


def test_a_reading_behind_the_newest_decides_nothing() -> None:
    """Only time that moves on moves a condition."""
    assert changes([(10, 100), (5, 45)]) == []


def test_a_burst_in_one_record_says_what_single_records_say() -> None:
    """A reconnect delivers an hour at once; each reading still moves the machine in its turn."""
    readings = [(5 * at, value) for at, value in enumerate((100, 65, 66, 52, 58, 61, 72, 76, 80, 69, 68, 53))]
    assert changes(readings, together=True) == changes(readings)
    assert len(changes(readings)) > 5


def test_an_episode_is_unknown_after_the_gap_and_known_with_the_next_reading() -> None:
    """Silence clears nothing; the page says "was 60, no data"."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US))
    log.readings(row("ann", 60, T0), row("ann", 60, T0 + 5 * MINUTE_US))
    for minute in (15, 16, 17):
        log.tick(T0 + minute * MINUTE_US)
    log.readings(row("ann", 60, T0 + 18 * MINUTE_US))
    found = said(log.run(Processor(0, 1)), "low")
    assert found[1:] == [
        Said(T0 + 16 * MINUTE_US, "low", "unknown", 1, "unknown"),
        Said(T0 + 18 * MINUTE_US, "low", "known", 1, "active"),
    ]


def test_an_opening_reading_ends_unknown_without_a_word_of_its_own() -> None:
    """A rise out of unknown is a rise: one message, or it would announce twice."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US))
    log.readings(row("ann", 60, T0), row("ann", 60, T0 + 5 * MINUTE_US))
    log.tick(T0 + 17 * MINUTE_US)
    log.readings(row("ann", 50, T0 + 18 * MINUTE_US))
    assert [each.change for each in said(log.run(Processor(0, 1)), "low")] == ["open", "unknown", "rise"]


def test_a_removed_device_leaves_its_episode_unknown_until_a_new_one_decides() -> None:
    """An open low must not vanish because somebody took the sensor off, nor through the next one's warm-up."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US))
    log.readings(row("ann", 50, T0))
    end = T0 + 5 * MINUTE_US
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US, end), version=2)
    log.tick(T0 + 60 * MINUTE_US)
    both = (worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US, end), worn("ann", "cgm-2", "dexcom", end))
    log.patient("ann", *both, version=3)
    warm = int(Flag.WARM_UP)
    log.readings(row("ann", 90, T0 + 60 * MINUTE_US, device="cgm-2", flags=warm))
    log.readings(row("ann", 90, T0 + 130 * MINUTE_US, device="cgm-2"))
    found = episodes(log.run(Processor(0, 1)), "low")
    assert [(each.change, each.reason, each.device) for each in found] == [
        ("open", "", "cgm-1"),
        ("unknown", "device removed", "cgm-1"),
        ("known", "", "cgm-2"),
    ]
    assert found[1].at == end


def test_somebody_may_close_what_a_removed_device_left_open() -> None:
    """Nobody will wear the next sensor. What opens later is a new episode, also for a sensor that comes after all."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US))
    log.readings(row("ann", 50, T0))
    off = worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US, T0 + 5 * MINUTE_US)
    log.patient("ann", off, version=2)
    log.tick(T0 + 60 * MINUTE_US)
    log.patient("ann", off, version=3, closings=1)
    log.patient("ann", off, version=4, closings=1)
    log.patient("ann", off, worn("ann", "cgm-2", "t1d-uom-5min", T0 + 65 * MINUTE_US), version=5, closings=1)
    log.readings(row("ann", 50, T0 + 66 * MINUTE_US, device="cgm-2"))
    found = episodes(log.run(Processor(0, 1)), "low")
    assert [(each.change, each.reason, (each.at - T0) // MINUTE_US) for each in found] == [
        ("open", "", 0),
        ("unknown", "device removed", 5),
        ("clear", "closed", 60),
        ("open", "", 66),
    ]
    assert found[0].id == found[2].id != found[3].id


def test_closing_ends_only_what_waits_for_a_device() -> None:
    """A patient whose sensor is on, or silent, is watched: that is not for a record of bindings to end."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US))
    log.readings(row("ann", 50, T0))
    log.tick(T0 + 12 * MINUTE_US)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US), version=2, closings=1)
    assert [each.change for each in said(log.run(Processor(0, 1)), "low")] == ["open", "unknown"]


def test_an_episode_names_its_patient_policy_and_answer() -> None:
    """The manager and the page work from this message alone."""
    (episode,) = episodes(outputs([(0, 50)]), "low")
    assert (episode.label, episode.site, episode.device, episode.unit) == ("ann", 1, "cgm-1", "mg/dL")
    assert (episode.limit, episode.value, episode.value_at, episode.policy) == (54, 50, T0, 1)
    assert (episode.response.repeat_us, episode.category) == (5 * MINUTE_US, "physiological")


def prolonged(readings: Sequence[Reading], *rules: str, every: int = 5) -> list[Episode]:
    """The episodes of a patient for whom a low of level 1 is prolonged after 30 min, and what the oracle says."""
    log = Log()
    log.site(1)
    policy = edited(DEFAULT, ["low.1.prolonged=30", *rules])
    log.patient("ann", worn("ann", "cgm-1", KINDS[every], T0 - 600 * MINUTE_US), policy=policy)
    log.tick(T0 - MINUTE_US)
    for at, value in readings:
        log.readings(row("ann", value, T0 + at * MINUTE_US))
    found = log.run(Processor(0, 1))
    assert [each.value for each in found] == [each.value for each in oracle_bytes.outputs(Oracle().read(log.records()))]
    return episodes(found, "low")


def short(found: list[Episode]) -> list[str]:
    return [f"{(each.at - T0) // MINUTE_US} {each.change} {each.level} {each.priority}" for each in found]


def test_a_low_that_lasts_rises_within_its_level() -> None:
    """Somebody at 65 for two hours needs another answer than somebody at 65 for five minutes; the limit is the same."""
    found = prolonged([(at, 65) for at in range(0, 50, 5)] + [(50, 76), (55, 76)])
    assert short(found) == [
        "5 open 1 medium", "35 rise 1 high", "50 returning 1 high", "55 clear 0 high",
    ]  # fmt: skip
    assert [each.reason for each in found] == ["", "prolonged", "prolonged", "prolonged"]
    assert [(each.limit, each.response) for each in found[1:3]] == [(70, LOW.levels[1].response)] * 2
    assert found[1].evidence is not None
    assert (found[1].evidence.level, found[1].evidence.count) == (1, 8)


def test_the_time_counts_from_the_level_not_from_the_episode() -> None:
    """Who came up from 50 to 60 is getting better: half an hour at level 1 is counted from there."""
    low = [(0, 50), *[(at, 60) for at in range(5, 60, 5)]]
    assert short(prolonged(low)) == [
        "0 open 2 high", "5 returning 2 high", "10 lower 1 medium", "40 rise 1 high",
    ]  # fmt: skip


def test_what_is_getting_better_at_that_moment_does_not_rise() -> None:
    """Within the limit there is nothing to hurry for; beyond it again there is."""
    readings = [(at, 65) for at in range(0, 35, 5)] + [(35, 71), (40, 72), (45, 69), (50, 69)]
    assert short(prolonged(readings)) == [
        "5 open 1 medium", "35 returning 1 medium", "45 rise 1 high",
    ]  # fmt: skip


def test_a_rise_to_level_two_and_back_begins_anew() -> None:
    """At level 2 all has been asked for; level 1 after it is milder until it lasts again."""
    readings = [(at, 65) for at in range(0, 45, 5)] + [(45, 50), *[(at, 61) for at in range(50, 95, 5)]]
    assert short(prolonged(readings)) == [
        "5 open 1 medium", "35 rise 1 high", "45 rise 2 high",
        "50 returning 2 high", "55 lower 1 medium", "85 rise 1 high",
    ]  # fmt: skip


def test_the_usual_low_never_rises_by_lasting() -> None:
    """Off by default: the table's announcements are what they were."""
    assert short(prolonged([(at, 65) for at in range(0, 300, 5)], "low.1.prolonged=none")) == ["5 open 1 medium"]


def test_a_gap_keeps_what_has_risen_and_the_next_reading_calls_as_it_did() -> None:
    """Unknown clears nothing, neither the episode nor that it lasts."""
    found = prolonged([*[(at, 65) for at in range(0, 40, 5)], (120, 65)])
    assert short(found) == ["5 open 1 medium", "35 rise 1 high"]
    late = prolonged([(0, 65), (5, 65), (120, 65)])
    assert short(late) == ["5 open 1 medium", "120 rise 1 high"]
