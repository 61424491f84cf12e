"""Whose reading it is and how good: the flags that everybody downstream only reads."""

from __future__ import annotations

import pytest

from ingest.attribution import attribute
from ingest.directory import Known, known
from vitals.codecs import Parsed, Rejected
from vitals.codecs.json import decode
from vitals.devices import DEVICE_TYPES, Binding, Device, DeviceType, Stream
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US, Metric
from vitals.readings import Flag, Invalid, Reading, from_row
from vitals.readings import decode as rows_of
from vitals.topics import device_id, patient_id
from vitals.units import Unit

NOW = 1_699_228_860_000_000
HOUR_US = 60 * MINUTE_US
SINCE = NOW - 100 * HOUR_US
PARTITIONS = 4


def device(kind: DeviceType, *bindings: tuple[str, int, int | None], name: str = "cgm-1") -> Device:
    worn = tuple(
        Binding(patient=patient_id(label), label=label, since=since, until=until) for label, since, until in bindings
    )
    return Device(name=name, id=device_id(name), type=kind, site=7, site_name="ward-a", bindings=worn)


def laid_out(kind: DeviceType = DEVICE_TYPES["dexcom"], *bindings: tuple[str, int, int | None]) -> Known:
    return known(device(kind, *(bindings or (("p-1", SINCE, None),))), PARTITIONS)


def reading(
    value: float | None = 100.0, at: int = NOW, metric: Metric = GLUCOSE, flags: int = 0, unit: Unit | None = None
) -> Parsed:
    return Parsed(0, metric, value, metric.unit if unit is None else unit, at, flags=flags)


def row(of: Known, item: Parsed, now: int = NOW) -> Reading:
    placed = attribute(of, item, [now] * PARTITIONS)
    assert not isinstance(placed, Rejected), placed
    return from_row(rows_of([placed[1]])[0])


def refusal(of: Known, item: Parsed, now: int = NOW) -> str:
    placed = attribute(of, item, [now] * PARTITIONS)
    assert isinstance(placed, Rejected)
    return placed.reason


# Whose


def test_a_reading_belongs_to_who_wore_the_device_then():
    """A sensor moves to another patient while a phone still holds an hour of readings: they stay put."""
    sensor = laid_out(DEVICE_TYPES["meter"], ("p-1", SINCE, NOW - HOUR_US), ("p-2", NOW - HOUR_US, None))
    assert row(sensor, reading(at=NOW - HOUR_US - 1)).patient == patient_id("p-1")
    assert row(sensor, reading(at=NOW - HOUR_US)).patient == patient_id("p-2")


@pytest.mark.parametrize("at", [SINCE - 1, NOW - 2 * HOUR_US, NOW - HOUR_US - 1, 0, -(2**63) + 1])
def test_nobody_wore_it_means_not_bound(at: int):
    """A guess would put one patient's low into another's chart. 1970 lies before every binding."""
    sensor = laid_out(DEVICE_TYPES["meter"], ("p-1", SINCE, NOW - 2 * HOUR_US), ("p-2", NOW - HOUR_US, None))
    assert refusal(sensor, reading(at=at)) == "not_bound"


def test_a_device_that_was_never_bound_is_not_bound():
    """Registered is not worn."""
    assert refusal(known(device(DEVICE_TYPES["dexcom"]), PARTITIONS), reading()) == "not_bound"


def test_a_metric_that_the_type_does_not_send_is_a_mismatch():
    """Its ranges, interval and silence are not defined."""
    assert refusal(laid_out(), reading(metric=HEART_RATE)) == "metric_mismatch"


def test_a_clock_two_minutes_ahead_is_believed_and_one_further_ahead_is_suspect():
    """Drift is normal; a date in 2099 is not, and its reading counts when it came."""
    edge = row(laid_out(), reading(at=NOW + 2 * MINUTE_US))
    assert (edge.flags, edge.observed_at) == (0, NOW + 2 * MINUTE_US)
    beyond = row(laid_out(), reading(at=NOW + 2 * MINUTE_US + 1))
    assert (beyond.flags, beyond.observed_at) == (Flag.CLOCK_SUSPECT, NOW + 2 * MINUTE_US + 1)


def test_a_suspect_reading_belongs_to_who_wears_the_device_when_it_comes():
    """Its own time is no evidence; neither a binding that lies ahead nor one that is over may claim it."""
    sensor = laid_out(DEVICE_TYPES["meter"], ("p-1", SINCE, NOW + HOUR_US), ("p-2", NOW + HOUR_US, None))
    assert row(sensor, reading(at=NOW + 50 * HOUR_US)).patient == patient_id("p-1")
    over = laid_out(DEVICE_TYPES["meter"], ("p-1", SINCE, NOW))
    assert refusal(over, reading(at=NOW + 50 * HOUR_US)) == "not_bound"


# How late, how warm


@pytest.mark.parametrize(
    ("kind", "metric", "limit"),
    [
        ("dexcom", GLUCOSE, 10 * MINUTE_US),
        ("libre-history", GLUCOSE, 18 * MINUTE_US),
        ("wrist", HEART_RATE, 30 * SECOND_US),
        ("wrist-5min", HEART_RATE, 30 * SECOND_US),
    ],
)
def test_a_reading_is_late_beyond_its_metrics_age(kind: str, metric: Metric, limit: int):
    """What happened long ago must not page as if it happened now; the limit is of the metric and interval."""
    sensor = laid_out(DEVICE_TYPES[kind], ("p-1", SINCE, None))
    assert row(sensor, reading(metric=metric, at=NOW - limit)).flags & Flag.LATE == 0
    assert row(sensor, reading(metric=metric, at=NOW - limit - 1)).flags & Flag.LATE


def test_what_a_device_brings_after_it_was_taken_off_is_late():
    """It stays with who wore it, and moves nothing: an episode of theirs waits for the next device, and what this one
    still held in its buffer would otherwise end it.
    """
    off = NOW - MINUTE_US
    sensor = laid_out(DEVICE_TYPES["meter"], ("p-1", SINCE, off), ("p-2", off, None))
    held = row(sensor, reading(at=off - 1))
    assert (held.patient, held.flags) == (patient_id("p-1"), Flag.LATE)
    assert row(sensor, reading(at=off - 1), now=off - 1).flags == 0
    assert row(sensor, reading(at=off - 1), now=off).flags == Flag.LATE
    assert row(sensor, reading(at=off)).flags == 0
    ends_later = laid_out(DEVICE_TYPES["meter"], ("p-1", SINCE, NOW + HOUR_US))
    assert row(ends_later, reading(at=NOW)).flags == 0


def test_a_suspect_reading_decides_nothing_just_after_its_device_changed_its_wearer():
    """Brought again it counts at its second arrival, which is the next patient's: one's low would page for another."""
    kind, ahead = DEVICE_TYPES["meter"], NOW + HOUR_US
    handed_on = laid_out(kind, ("p-1", SINCE, NOW - MINUTE_US), ("p-2", NOW - MINUTE_US, None))
    found = row(handed_on, reading(at=ahead))
    assert (found.patient, found.flags) == (patient_id("p-2"), Flag.CLOCK_SUSPECT | Flag.LATE)
    assert row(handed_on, reading(at=ahead), now=NOW + 9 * MINUTE_US).flags == Flag.CLOCK_SUSPECT
    assert row(handed_on, reading(at=NOW)).flags == 0
    again = laid_out(kind, ("p-1", SINCE, NOW - MINUTE_US), ("p-1", NOW - MINUTE_US, None))
    assert row(again, reading(at=ahead)).flags == Flag.CLOCK_SUSPECT
    first = laid_out(kind, ("p-1", NOW - MINUTE_US, None))
    assert row(first, reading(at=ahead)).flags == Flag.CLOCK_SUSPECT


def test_a_bridge_that_is_behind_knows_that_a_device_was_taken_off():
    """It came before the device was off and is taken after; the patient's log says already that the device is off."""
    off = NOW - MINUTE_US
    sensor = laid_out(DEVICE_TYPES["meter"], ("p-1", SINCE, off))
    behind = attribute(sensor, reading(at=off - 2), [off - 1] * PARTITIONS, [NOW] * PARTITIONS)
    assert not isinstance(behind, Rejected)
    found = from_row(rows_of([behind[1]])[0])
    assert (found.received_at, found.flags) == (off - 1, Flag.LATE)


def test_a_device_is_not_late_for_a_binding_that_began_after_the_last_tick():
    """On simulated time a reading comes up to a minute before its own time, and the first ones of a binding count."""
    sensor = laid_out(DEVICE_TYPES["meter"], ("p-1", NOW, None))
    assert row(sensor, reading(at=NOW + 30 * SECOND_US), now=NOW - 30 * SECOND_US).flags == 0


def test_a_new_sensor_is_warming_up_after_each_binding():
    """Its first two hours are not to be acted on, whenever it was last worn."""
    warm = 120 * MINUTE_US
    sensor = laid_out(DEVICE_TYPES["dexcom"], ("p-1", SINCE, NOW - warm), ("p-1", NOW - warm, None))
    assert row(sensor, reading(at=NOW - 1)).flags & Flag.WARM_UP
    assert row(sensor, reading(at=NOW)).flags & Flag.WARM_UP == 0


# How good


def glucose(low: float = 40, high: float = 400, **changes: object) -> DeviceType:
    stream = Stream.model_validate(
        {"metric": "glucose", "interval_us": 5 * MINUTE_US, "low": low, "high": high} | changes
    )
    return DeviceType(name="test", streams=(stream,))


@pytest.mark.parametrize(
    ("value", "unit", "flags", "invalid"),
    [
        (40, Unit.MG_DL, 0, 0),
        (39.5, Unit.MG_DL, 0, 0),
        (39.49, Unit.MG_DL, Flag.CENSORED_LOW, 0),
        (39, Unit.MG_DL, Flag.CENSORED_LOW, 0),
        (2.2, Unit.MMOL_L, 0, 0),
        (0.1, Unit.MMOL_L, Flag.CENSORED_LOW, 0),
        (400.4, Unit.MG_DL, 0, 0),
        (401, Unit.MG_DL, Flag.CENSORED_HIGH, 0),
        (1000, Unit.MG_DL, Flag.CENSORED_HIGH, 0),
        (1000.1, Unit.MG_DL, 0, Invalid.ABOVE_RANGE),
        (100, Unit.MMOL_L, 0, Invalid.ABOVE_RANGE),
        (0, Unit.MG_DL, 0, Invalid.BELOW_RANGE),
        (-5, Unit.MG_DL, 0, Invalid.BELOW_RANGE),
        (1e308, Unit.MMOL_L, 0, Invalid.ABOVE_RANGE),
    ],
)
def test_glucose_is_judged_by_the_devices_range(value: float, unit: Unit, flags: int, invalid: int):
    """Sentinels are the most dangerous readings and stay; impossible numbers stay too, marked and without say."""
    found = row(laid_out(glucose()), reading(float(value), unit=unit))
    assert (found.flags, found.invalid) == (flags, invalid)
    assert (found.value, found.unit) == (value, "mmol/L" if unit is Unit.MMOL_L else "mg/dL")


@pytest.mark.parametrize(
    ("value", "flags", "invalid"),
    [(39, Flag.CENSORED_LOW, 0), (38, 0, Invalid.SENSOR_ERROR), (5, 0, Invalid.SENSOR_ERROR), (40, 0, 0)],
)
def test_a_type_may_call_numbers_below_its_range_error_codes(value: float, flags: int, invalid: int):
    """Nightscout sends a 5 for a sensor that failed and a 39 for LOW: one must not alarm, the other must."""
    found = row(laid_out(glucose(below_range="error", low_code=39)), reading(float(value)))
    assert (found.flags, found.invalid) == (flags, invalid)


@pytest.mark.parametrize(
    ("flag", "value"), [(Flag.CENSORED_LOW, 39.0), (Flag.CENSORED_HIGH, 401.0)], ids=["LOW", "HIGH"]
)
@pytest.mark.parametrize("below", ["censored", "error"])
def test_a_word_stands_one_beyond_the_ranges_edge(flag: Flag, value: float, below: str):
    """LOW alarms at its severity: rules need a number, and this is the one they would use."""
    found = row(laid_out(glucose(below_range=below)), reading(None, flags=int(flag), unit=Unit.MMOL_L))
    assert (found.value, found.unit, found.flags, found.invalid) == (value, "mg/dL", flag, 0)


@pytest.mark.parametrize(
    ("value", "flags", "invalid"),
    [
        (20.0, 0, 0),
        (300.0, 0, 0),
        (19.9, 0, Invalid.BELOW_RANGE),
        (300.1, 0, Invalid.ABOVE_RANGE),
        (0.0, Flag.CONTACT_LOST, Invalid.CONTACT_LOST),
        (-1.0, 0, Invalid.BELOW_RANGE),
    ],
)
def test_a_heart_rate_is_valid_from_20_to_300_and_zero_is_lost_contact(value: float, flags: int, invalid: int):
    """A zero is a loose strap, not a stopped heart; it must neither alarm nor look like a calm patient."""
    wrist = laid_out(DEVICE_TYPES["wrist"], ("p-1", SINCE, None))
    found = row(wrist, reading(value, metric=HEART_RATE))
    assert (found.flags, found.invalid, found.value) == (flags, invalid, value)


@pytest.mark.parametrize("value", [None, 72.0])
def test_lost_contact_makes_any_value_invalid(value: float | None):
    """What the sensor sees without skin is no pulse."""
    wrist = laid_out(DEVICE_TYPES["wrist"], ("p-1", SINCE, None))
    found = row(wrist, reading(value, metric=HEART_RATE, flags=int(Flag.CONTACT_LOST)))
    assert (found.flags, found.invalid) == (Flag.CONTACT_LOST, Invalid.CONTACT_LOST)


def test_marks_of_the_device_stay_in_the_row():
    """Control solution must never alarm; nobody after the edge can know of it again."""
    marks = int(Flag.CONTROL_SOLUTION | Flag.BACKFILL | Flag.ARTEFACT)
    assert row(laid_out(), reading(flags=marks)).flags == marks


def test_the_codec_and_the_bridge_agree_on_a_whole_message():
    """The example of the wire format, end to end in memory."""
    item = decode(b'{"metric":"glucose","value":5.2,"unit":"mmol/L","observed_at":"2023-11-06T00:01:00Z"}')[0]
    assert isinstance(item, Parsed)
    found = row(laid_out(), item)
    assert (found.value, found.unit, found.observed_at, found.site) == (5.2, "mmol/L", NOW, 7)
