"""The signal rule: when silence turns on, why, and what ends it."""

from __future__ import annotations

import pytest

from stream.processor import Processor
from tests.logs import LATE, T0, Log, episodes, row, said, worn
from vitals.devices import DEVICE_TYPES
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.readings import Flag, Invalid, Rows


def bound(kind: str = "t1d-uom-5min", since: int = T0) -> Log:
    """A log with one patient bound at T0."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", kind, since))
    log.tick(T0)
    return log


def minutes(log: Log, rule: str = "signal") -> list[tuple[float, str, str]]:
    """(minutes after T0, change, reason) of the signal episodes."""
    found = episodes(log.run(Processor(0, 1)), rule)
    return [((each.at - T0) / MINUTE_US, each.change, each.reason) for each in found]


def test_a_device_that_never_speaks_is_silent_from_its_binding_on() -> None:
    """A series exists from its binding: a sensor that was never switched on must not look fine."""
    log = bound()
    log.tick(T0 + 19 * MINUTE_US)
    assert minutes(log) == []
    log.tick(T0 + 25 * MINUTE_US)
    assert minutes(log) == [(20, "open", "waiting for the first reading")]


def test_silence_counts_from_the_end_of_warm_up() -> None:
    """Two hours without a value are normal for a fresh Dexcom."""
    log = bound("dexcom")
    log.readings(row("ann", 100, T0 + 100 * MINUTE_US, flags=int(Flag.WARM_UP)))
    log.tick(T0 + 139 * MINUTE_US)
    assert minutes(log) == []
    log.tick(T0 + 140 * MINUTE_US)
    assert minutes(log) == [(140, "open", "waiting for the first reading")]


@pytest.mark.parametrize(("kind", "after"), [("libre-history", 33), ("t1d-uom-5min", 20)])
def test_a_slow_device_may_be_silent_longer(kind: str, after: int) -> None:
    """2.2 intervals, but at least 20 minutes, from the last deciding reading's arrival."""
    log = bound(kind)
    log.readings(row("ann", 100, T0 + 2 * MINUTE_US, received=T0 + 5 * MINUTE_US))
    log.tick(T0 + 60 * MINUTE_US)
    assert minutes(log) == [(5 + after, "open", "silent")]


def test_one_deciding_reading_ends_glucose_silence() -> None:
    """The alarm is about now; one fresh value is enough for a sensor of minutes."""
    log = bound()
    log.tick(T0 + 21 * MINUTE_US)
    log.readings(row("ann", 100, T0 + 22 * MINUTE_US))
    assert minutes(log)[1][:2] == (22, "clear")


def test_old_invalid_and_contactless_readings_say_why() -> None:
    """A slow clock, a broken sensor and a band that came off need different hands."""
    log = bound()
    log.tick(T0 + 21 * MINUTE_US)
    at = T0 + 22 * MINUTE_US
    log.readings(row("ann", 100, T0 - 60 * MINUTE_US, received=at, flags=LATE))
    log.readings(row("ann", 0, at, invalid=Invalid.SENSOR_ERROR))
    log.readings(row("ann", 0, at + 1, invalid=Invalid.CONTACT_LOST))
    log.readings(row("ann", 0, at + 2, invalid=Invalid.CONTACT_LOST))
    assert [each[2] for each in minutes(log)] == [
        "waiting for the first reading",
        "only old readings",
        "sensor error",
        "contact lost",
    ]


def test_a_duplicate_changes_the_reason_not_the_count() -> None:
    """A gateway that repeats its last message for ever hides a dead sensor."""
    log = bound()
    reading = row("ann", 100, T0 + MINUTE_US)
    log.readings(reading)
    for minute in (5, 10, 15, 20):
        reading["received_at"] = T0 + minute * MINUTE_US
        log.readings(reading)
    log.tick(T0 + 22 * MINUTE_US)
    assert minutes(log) == [(21, "open", "only old readings")]


def test_silence_rises_to_medium_after_an_hour() -> None:
    """A band off for a shower is low; for an hour somebody should look. Also when the clock jumps past both."""
    log = bound()
    log.tick(T0 + 300 * MINUTE_US)
    found = episodes(log.run(Processor(0, 1)), "signal")
    assert [((each.at - T0) // MINUTE_US, each.change, each.priority) for each in found] == [
        (20, "open", "low"),
        (80, "rise", "medium"),
    ]
    assert found[1].response.hold_us == 60 * MINUTE_US


def test_silence_is_never_below_an_open_episode() -> None:
    """No data while someone is at 48 is as urgent as the 48 was."""
    log = bound()
    log.readings(row("ann", 48, T0 + MINUTE_US))
    log.tick(T0 + 30 * MINUTE_US)
    log.tick(T0 + 120 * MINUTE_US)
    found = episodes(log.run(Processor(0, 1)), "signal")
    assert [(each.change, each.priority, each.level) for each in found] == [("open", "high", 3)]


def beats(*seconds: int, value: float = 70, flags: int = 0) -> list[Rows]:
    """Heart rates so many seconds after T0."""
    return [row("ann", value, T0 + at * SECOND_US, metric="heart_rate", flags=flags) for at in seconds]


def test_heart_rate_needs_thirty_seconds_and_an_evaluation_to_be_heard_again() -> None:
    """A band that slips gives single beats; each would else clear and raise the alarm."""
    log = bound("wrist")
    log.tick(T0 + 5 * MINUTE_US)
    log.readings(*beats(360, 371, 375, 385))
    assert [each[1:] for each in minutes(log)] == [
        ("open", "waiting for the first reading"),
        ("reason", "too few readings"),
    ]
    log.readings(*beats(*range(386, 420)))
    log.tick(T0 + 420 * SECOND_US)
    assert len(minutes(log)) == 2, "thirty seconds of readings, and 70 % of no minute yet"
    log.readings(*beats(*range(420, 431)))
    log.tick(T0 + 432 * SECOND_US)
    assert minutes(log)[-1][:2] == (432 / 60, "clear")


def test_a_slow_wrist_needs_one_reading_and_an_evaluation() -> None:
    """A device of five minutes cannot send thirty seconds of readings; two of them fill ten minutes."""
    log = bound("wrist-5min")
    log.tick(T0 + 12 * MINUTE_US)
    for minute in (13, 18):
        log.readings(*beats(minute * 60))
        log.tick(T0 + minute * MINUTE_US + 2 * SECOND_US)
    assert [each[:2] for each in minutes(log)] == [(11, "open"), (13, "reason"), (18 + 2 / 60, "clear")]


def test_a_device_so_slow_that_no_rule_applies_needs_no_evaluation() -> None:
    """None can ever be made; its alarm would stay for good."""
    log = bound("wrist-5min")
    stream = DEVICE_TYPES["wrist-5min"].streams[0].model_copy(update={"interval_us": 6 * MINUTE_US})
    kind = DEVICE_TYPES["wrist-5min"].model_copy(update={"streams": (stream,)})
    slow = worn("ann", "cgm-1", "wrist-5min", T0).model_copy(update={"type": kind})
    log.patient("ann", slow, version=2)
    log.tick(T0 + 14 * MINUTE_US)
    log.readings(*beats(15 * 60))
    log.tick(T0 + 25 * MINUTE_US)
    assert [each[:2] for each in minutes(log)] == [(13.2, "open"), (15, "clear")]


def test_too_few_readings_for_an_evaluation_are_a_silence_of_their_own() -> None:
    """Half of the beats never arrive: each would put the alarm off, and no rule ever saw a full minute."""
    log = bound("wrist")
    for minute in range(1, 8):
        log.readings(*beats(*range(60 * minute - 58, 60 * minute + 1, 2)))
        log.tick(T0 + minute * MINUTE_US + 2 * SECOND_US)
    assert minutes(log) == [(6, "open", "too few readings")]


def test_old_readings_make_no_evaluation() -> None:
    """A watch that is a minute slow fills every window, and says nothing about now."""
    log = bound("wrist")
    for minute in range(1, 8):
        log.readings(*beats(*range(60 * minute - 59, 60 * minute + 1), flags=LATE))
        log.readings(*beats(60 * minute))
        log.tick(T0 + minute * MINUTE_US + 2 * SECOND_US)
    assert minutes(log) == [(5, "open", "only old readings")]


def test_readings_that_come_now_and_then_among_old_ones_say_only_old_readings() -> None:
    """The newest word wins: a slow clock needs another hand than a loose band."""
    log = bound("wrist")
    for minute in range(1, 8):
        log.readings(*beats(60 * minute - 59), *beats(*range(60 * minute - 240, 60 * minute - 180), flags=LATE))
        log.tick(T0 + minute * MINUTE_US + 2 * SECOND_US)
    assert minutes(log)[0] == (6, "open", "only old readings")


def test_a_band_that_slips_at_every_beat_does_not_fill_the_journal() -> None:
    """Its reason could change twice a second for as long as nobody comes."""
    log = bound("wrist")
    for minute in range(1, 60):
        for second in range(60 * minute - 58, 60 * minute + 1, 2):
            log.readings(*beats(second))
            log.readings(
                row("ann", 0, T0 + (second + 1) * SECOND_US, metric="heart_rate", invalid=Invalid.CONTACT_LOST)
            )
        log.tick(T0 + minute * MINUTE_US + 2 * SECOND_US)
    assert [each[1:] for each in minutes(log)] == [
        ("open", "contact lost"),
        ("reason", "too few readings"),
        ("reason", "contact lost"),
    ]


def test_an_unbound_device_is_not_silent() -> None:
    """Nobody expects it to speak: an open alarm ends with its binding, and none opens."""
    log = bound()
    log.tick(T0 + 21 * MINUTE_US)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0, T0 + 22 * MINUTE_US), version=2)
    log.tick(T0 + 300 * MINUTE_US)
    assert [each[:2] for each in minutes(log)] == [(20, "open"), (22, "clear")]


def test_the_same_version_of_a_control_record_changes_nothing() -> None:
    """It is written again daily; it must neither end an alarm nor start its time again."""
    log = bound()
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 + 10 * MINUTE_US))
    log.tick(T0 + 20 * MINUTE_US)
    assert [each.at for each in said(log.run(Processor(0, 1)))] == [T0 + 20 * MINUTE_US]


def test_both_metrics_of_one_device_have_their_own_silence() -> None:
    """A combined wearable can lose one sensor and keep the other."""
    log = bound("ward")
    for minute in range(1, 22):
        log.readings(row("ann", 100, T0 + minute * MINUTE_US))
        log.tick(T0 + minute * MINUTE_US)
    found = episodes(log.run(Processor(0, 1)), "signal")
    assert [(each.metric, each.change, each.unit) for each in found] == [("heart_rate", "open", "/min")]
