"""The ward's fold: what stands on a tile, one state at a time, and what a screen is told."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from dashboards import api, tiles
from dashboards.tiles import TilesFrame, Vital, WardFrame, decode_server
from dashboards.ward import Ward
from tests.integration.storage_data import window
from tests.logs import row
from vitals.control import PatientControl
from vitals.devices import DEVICE_TYPES, Binding, Device, Site
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.policies import DEFAULT
from vitals.policy_edits import edited
from vitals.readings import OBSERVED_MAX_US, Flag, Invalid, tick_rows
from vitals.topics import device_id, patient_id
from vitals.windows import ARROW_UNKNOWN, IS_DIRTY

T0 = 1_700_000_000_000_000
NOW = T0 + 60 * MINUTE_US
DAY_US = 24 * 60 * MINUTE_US
SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def everywhere(_site: int) -> bool:
    """The scope of who sees every site."""
    return True


def wear(ward: Ward, label: str, *bindings: tuple[int, int | None], site: int = 1, device: str = "") -> None:
    """A ward device ``dev-LABEL`` on a patient, from and until."""
    name = device or f"dev-{label}"
    bound = tuple(
        Binding(patient=patient_id(label), label=label, since=since, until=until) for since, until in bindings
    )
    worn = Device(
        name=name, id=device_id(name), type=DEVICE_TYPES["ward"], site=site, site_name=f"ward-{site}", bindings=bound
    )
    ward.roster.take(f"site:ward-{site}".encode(), Site(name=f"ward-{site}", number=site).encode())
    ward.roster.take(f"device:{name}".encode(), worn.encode())
    ward.refresh(NOW)


def glucose(ward: Ward, label: str = "p-1") -> Vital:
    """The glucose on a patient's tile."""
    person = ward.person(patient_id(label), everywhere)
    assert person is not None
    vital = ward.vital(person, GLUCOSE)
    assert vital is not None
    return vital


@pytest.fixture
def ward() -> Ward:
    """A ward with one patient."""
    ward = Ward()
    wear(ward, "p-1", (T0, None))
    return ward


def test_before_the_first_reading_a_tile_waits(ward: Ward):
    """Waiting is not silence, and neither is zero."""
    vital = glucose(ward)
    assert (vital.state, vital.value, vital.at, vital.last_good) == ("waiting", None, None, None)
    assert (vital.interval_us, vital.stale_after_us) == (MINUTE_US, 11 * MINUTE_US)


def test_the_newest_reading_by_event_time_stands_on_the_tile(ward: Ward):
    """A backlog that comes late must not put an hour-old value over the present one."""
    ward.readings(row("p-1", 5.0, T0 + MINUTE_US, unit="mmol/L"))
    ward.readings(row("p-1", 180, T0, flags=int(Flag.LATE)))
    vital = glucose(ward)
    assert (vital.value, vital.at, vital.state) == (90.1, T0 + MINUTE_US, "ok")


@pytest.mark.parametrize(
    ("flags", "invalid", "state", "value"),
    [
        (Flag.CENSORED_LOW, Invalid.VALID, "low", 39),
        (Flag.CENSORED_HIGH, Invalid.VALID, "high", 39),
        (Flag.WARM_UP, Invalid.VALID, "warm_up", 39),
        (0, Invalid.SENSOR_ERROR, "invalid", None),
        (Flag.CONTACT_LOST, Invalid.CONTACT_LOST, "contact_lost", None),
    ],
)
def test_what_is_no_plain_value_has_its_state_and_the_last_good_one(
    ward: Ward, flags: int, invalid: Invalid, state: str, value: float | None
):
    """Dashes alone ask a question; "last 104 at 22:59" answers it."""
    ward.readings(row("p-1", 104, T0 + MINUTE_US))
    ward.readings(row("p-1", 39, T0 + 2 * MINUTE_US, flags=int(flags), invalid=invalid))
    vital = glucose(ward)
    assert (vital.state, vital.value) == (state, value)
    assert (vital.last_good is None) == (state in {"low", "high"})
    assert vital.last_good is None or (vital.last_good.value, vital.last_good.at) == (104, T0 + MINUTE_US)


def test_control_solution_is_nobodys_glucose(ward: Ward):
    """A meter's check at the desk must not look like a patient in danger."""
    ward.readings(row("p-1", 300, T0 + MINUTE_US, flags=int(Flag.CONTROL_SOLUTION)))
    assert glucose(ward).state == "waiting"


def test_a_new_device_waits_and_a_device_taken_off_is_removed(ward: Ward):
    """The old sensor's last value is not the new one's first."""
    ward.readings(row("p-1", 104, T0 + MINUTE_US))
    wear(ward, "p-1", (T0, T0 + 5 * MINUTE_US))
    assert (glucose(ward).state, glucose(ward).value) == ("removed", None)
    wear(ward, "p-1", (T0 + 10 * MINUTE_US, None), device="dev-new")
    vital = glucose(ward)
    assert (vital.state, vital.value) == ("waiting", None)
    assert vital.last_good is not None
    assert vital.last_good.value == 104


def test_a_patient_leaves_the_ward_a_day_after_the_last_device(ward: Ward):
    """For a day somebody may look for them where they lay; then the place is free."""
    wear(ward, "p-1", (T0, NOW - MINUTE_US))
    assert len(ward.people(everywhere)) == 1
    shape = ward.shape
    ward.refresh(NOW + 24 * 60 * MINUTE_US)
    assert ward.people(everywhere) == []
    assert ward.shape > shape


def test_the_arrow_of_the_window_stands_with_a_present_value_only(ward: Ward):
    """An arrow beside a value of an hour later is from another story."""
    rows = window(15, 1, 100.0, slope=1.5)
    rows["arrow"] = 2
    ward.windows(rows)
    ward.readings(row("p-1", 100, T0 + 16 * MINUTE_US))
    assert (glucose(ward).arrow, glucose(ward).slope) == (2, 1.5)
    rows["end"], rows["arrow"] = T0 + 10 * MINUTE_US, -3
    ward.windows(rows)
    assert glucose(ward).arrow == 2
    ward.readings(row("p-1", 100, T0 + 60 * MINUTE_US))
    assert (glucose(ward).arrow, glucose(ward).slope) == (None, None)
    rows["end"], rows["arrow"] = T0 + 60 * MINUTE_US, ARROW_UNKNOWN
    ward.windows(rows)
    assert glucose(ward).arrow is None


def test_the_arrow_is_that_of_the_quarter_of_an_hour(ward: Ward):
    """Windows of an hour and of five minutes close at the same instant, and dirty marks stand among them."""
    quarter, hour = window(15, 1, 100.0, slope=1.5), window(15, 1, 100.0, slope=-0.5)
    quarter["arrow"], hour["arrow"], hour["window"] = 2, -1, 7
    mark = window(20, 1, 0.0)
    mark["flags"] = IS_DIRTY
    ward.windows(np.concatenate([quarter, hour, mark]))
    ward.readings(row("p-1", 100, T0 + 16 * MINUTE_US))
    assert (glucose(ward).arrow, glucose(ward).slope) == (2, 1.5)


def test_a_spark_keeps_the_last_of_each_five_minutes_and_six_hours(ward: Ward):
    """Enough to see where it goes; what the database adds never covers what came live."""
    for minute in range(0, 500, 2):
        ward.readings(row("p-1", 100 + minute / 10, T0 + minute * MINUTE_US))
    ward.remember(patient_id("p-1"), GLUCOSE.code, [(T0 + 498 * MINUTE_US, 1.0)])
    (person,) = ward.people(everywhere)
    points = ward.spark(person).glucose
    assert len(points) == tiles.SPARK_POINTS_MAX
    assert points[-1] == (T0 + 498 * MINUTE_US, 149.8)
    assert [b[0] - a[0] for a, b in pairwise(points)].count(4 * MINUTE_US) > 10


def test_a_screen_is_told_what_changed_after_what_it_knows():
    """A slow screen skips what is over, and never misses how it is now."""
    ward = Ward()
    for label in ("p-1", "p-2", "p-3"):
        wear(ward, label, (T0, None), site=2 if label == "p-3" else 1)
    whole = decode_server(ward.ward_frame(NOW, everywhere))
    assert isinstance(whole, WardFrame)
    assert [each.label for each in whole.patients] == ["p-1", "p-2", "p-3"]
    told = ward.seq
    ward.readings(row("p-1", 70, T0, metric="heart_rate"))
    ward.readings(row("p-1", 71, T0 + SECOND_US, metric="heart_rate"))
    between = ward.seq
    ward.readings(row("p-3", 90, T0, metric="heart_rate"))

    def labels(after: int, site: int | None = None) -> list[str]:
        count, frame = ward.tiles_frame(NOW, after, lambda number: site in {None, number})
        found = decode_server(frame)
        assert isinstance(found, TilesFrame)
        assert count == len(found.tiles)
        return [tile.label for tile in found.tiles]

    assert labels(told) == ["p-1", "p-3"]
    assert labels(told, site=1) == ["p-1"]
    assert labels(between) == ["p-3"]
    assert labels(ward.seq) == []


def test_a_reading_that_changes_nothing_on_a_tile_tells_nobody(ward: Ward):
    """A backlog of a day would otherwise redraw every tile for every late row."""
    ward.readings(row("p-1", 104, T0 + MINUTE_US))
    told = ward.seq
    ward.readings(row("p-1", 99, T0, flags=int(Flag.LATE)))
    ward.readings(tick_rows([1], NOW))
    assert ward.seq == told
    assert ward.clock == {1: NOW}


def test_limits_come_from_the_patients_own_policy(ward: Ward):
    """The line on the chart is the line at which it alarms, or it is a lie."""
    low, *others = DEFAULT.thresholds
    mild, severe = low.levels
    changed = low.model_copy(update={"levels": (mild.model_copy(update={"limit": 80}), severe)})
    policy = DEFAULT.model_copy(update={"version": 2, "thresholds": (changed, *others)})
    control = PatientControl(patient=patient_id("p-1"), label="p-1", site=1, version=1, worn=(), policy=policy, bed="7")
    ward.roster.take(b"patient:p-1", control.encode())
    ward.refresh(NOW)
    limits = glucose(ward).limits
    assert isinstance(limits, tiles.GlucoseLimits)
    assert (limits.low1, limits.low2, limits.high1, limits.high2) == (80, 54, 250, 399)
    (person,) = ward.people(everywhere)
    assert person.bed == "7"


def test_the_limits_of_a_tile_are_those_of_the_part_that_holds(ward: Ward):
    """By night, on the clock of the patient's site, the line is the night's; a screen left open changes itself."""
    policy = edited(DEFAULT, ["zone=Etc/UTC", "night=22:00-07:00", "night.low.1.limit=80"])
    control = PatientControl(patient=patient_id("p-1"), label="p-1", site=1, version=1, worn=(), policy=policy)
    ward.roster.take(b"patient:p-1", control.encode())
    midnight = NOW // DAY_US * DAY_US
    found = []
    for hour in (21, 22, 30, 31):
        shape = ward.shape
        ward.readings(tick_rows([1], midnight + DAY_US + hour * 60 * MINUTE_US))
        ward.refresh(NOW)
        limits = glucose(ward).limits
        assert isinstance(limits, tiles.GlucoseLimits)
        (person,) = ward.people(everywhere)
        found.append((limits.low1, person.night, ward.shape > shape))
    assert found == [(70, False, True), (80, True, True), (80, True, False), (70, False, True)]


def test_a_rule_that_does_not_apply_to_a_device_draws_no_limit():
    """A wrist that sends every five minutes has no median of one minute; the page must not promise one."""
    often, seldom = (tiles.limits_of(DEFAULT, HEART_RATE.name, us) for us in (SECOND_US, 5 * MINUTE_US))
    assert isinstance(often, tiles.HeartRateLimits)
    assert isinstance(seldom, tiles.HeartRateLimits)
    assert (often.low, often.high, often.extreme_low, often.extreme_high, often.applies) == (40, 130, 35, 150, True)
    assert (seldom.low, seldom.high, seldom.extreme_low, seldom.extreme_high) == (40, 130, None, None)
    never = tiles.limits_of(DEFAULT, HEART_RATE.name, 60 * MINUTE_US)
    assert isinstance(never, tiles.HeartRateLimits)
    assert not never.applies


def test_what_cannot_be_read_is_counted_and_stops_nothing(ward: Ward):
    """One bad record in the registry must not darken a ward."""
    ward.roster.take(b"device:x", b"{}")
    ward.roster.take(b"future:x", b"{}")
    ward.roster.take(None, None)
    assert ward.roster.unreadable == 1
    assert len(ward.people(everywhere)) == 1


@pytest.mark.parametrize("at", [1 << 62, (1 << 63) - 1, OBSERVED_MAX_US + 1])
def test_what_no_calendar_has_is_not_the_newest_for_ever(ward: Ward, at: int):
    """Rules and database leave such a row out; a tile that kept it would show its value over each that comes."""
    ward.readings(row("p-1", 400, at, received=T0))
    ward.readings(row("p-1", 400, T0, received=at, flags=int(Flag.CLOCK_SUSPECT)))
    ward.readings(tick_rows([1], at))
    trend = window(15, 3, 97.0)
    trend["patient"], trend["end"], trend["arrow"] = np.void(patient_id("p-1").bytes), at, -3
    ward.windows(trend)
    ward.readings(row("p-1", 100, T0 + MINUTE_US))
    ward.readings(tick_rows([1], T0 + MINUTE_US))
    vital = glucose(ward)
    assert (vital.value, vital.at, vital.arrow, ward.clock) == (100, T0 + MINUTE_US, None, {1: T0 + MINUTE_US})


def test_the_published_schemas_are_those_of_the_models(ward: Ward):
    """The page's types are made from them. When this fails: ``python -m dashboards schemas docs/schemas``."""
    wanted = tiles.schemas() | {"openapi.json": api.openapi()}
    assert {name: json.loads((SCHEMAS / name).read_text()) for name in wanted} == json.loads(json.dumps(wanted))
    frame = json.loads(ward.ward_frame(NOW, everywhere))
    jsonschema.validate(frame, tiles.schemas()["live-server.json"])


def test_the_pulse_sub_score_is_that_of_the_newest_covered_median(ward: Ward):
    """One part of NEWS2 beside the heart rate it is of; of half a window, or of an hour ago, there is none."""

    def score(minute: int, median: float, coverage: float = 1.0) -> int | None:
        rows = window(minute, 1, median)
        rows["metric"], rows["window"], rows["median"], rows["coverage"] = HEART_RATE.code, 5, median, coverage
        rows["end"] = T0 + minute * MINUTE_US
        ward.windows(rows)
        ward.readings(row("p-1", 99, T0 + minute * MINUTE_US + 5_000_000, metric="heart_rate"))
        vital = ward.vital(ward.people(everywhere)[0], HEART_RATE)
        assert vital is not None
        return vital.news2_pulse

    assert [score(20, 115), score(21, 80), score(22, 131), score(23, 131, 0.69)] == [2, 0, 3, None]
    assert score(22, 40) is None, "an older window"
    assert score(24, 95, 0.7) == 1
    ward.readings(row("p-1", 99, T0 + 40 * MINUTE_US, metric="heart_rate"))
    vital = ward.vital(ward.people(everywhere)[0], HEART_RATE)
    assert vital is not None
    assert vital.news2_pulse is None
