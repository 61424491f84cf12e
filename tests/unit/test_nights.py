"""Day and night (RULES) by the zone's clock: right in the hour that does not exist and in the hour that comes twice."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from dashboards.series import by_day_and_night, limits_then
from dashboards.tiles import limits_of
from stream.processor import Processor
from tests.logs import Log, episodes, row, said, worn
from tests.oracle import Oracle
from tests.oracle_bytes import outputs
from tests.oracle_nights import is_night
from vitals.codecs.state import decode, encode
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.nights import NEVER, in_force, part
from vitals.policies import DEFAULT, Night, Policy
from vitals.policy_edits import edited

BERLIN = "Europe/Berlin"
DAY_US = 24 * 60 * MINUTE_US


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_US


def hours(begins: str, ends: str, zone: str = BERLIN) -> Policy:
    return DEFAULT.model_copy(update={"night": Night(zone=zone, begins=begins, ends=ends)})


def switches(policy: Policy, begin: str, count: int) -> list[str]:
    """What begins after an instant, and when (UTC)."""
    found, at = [], utc(begin)
    for _ in range(count):
        at = part(policy, at).until
        found.append(f"{'night' if part(policy, at).night else 'day'} {datetime.fromtimestamp(at / 1e6, UTC):%d %H:%M}")
    return found


def test_a_night_follows_the_clock_on_the_wall():
    """In summer ten in the evening comes an hour earlier by UTC; nobody changes a policy for that."""
    assert switches(hours("22:00", "07:00"), "2026-03-28T12:00", 4) == [
        "night 28 21:00", "day 29 05:00", "night 29 20:00", "day 30 05:00",
    ]  # fmt: skip
    assert switches(hours("22:00", "07:00"), "2026-10-24T12:00", 4) == [
        "night 24 20:00", "day 25 06:00", "night 25 21:00", "day 26 06:00",
    ]  # fmt: skip


def test_a_time_that_the_clock_jumps_over_is_at_the_jump():
    """On 29 March 2026 no clock in Berlin shows 02:30: a night that ends then ends at 03:00 (01:00 UTC)."""
    assert switches(hours("22:00", "02:30"), "2026-03-28T22:00", 2) == ["day 29 01:00", "night 29 20:00"]
    assert switches(hours("02:30", "07:00"), "2026-03-28T12:00", 2) == ["night 29 01:00", "day 29 05:00"]
    inside = hours("02:10", "02:40")
    assert switches(inside, "2026-03-28T12:00", 2) == ["day 29 01:00", "night 30 00:10"]
    assert switches(hours("02:40", "02:10"), "2026-03-28T12:00", 2) == ["night 29 01:00", "day 30 00:10"]


def test_an_hour_that_comes_twice_is_not_slept_twice():
    """On 25 October 2026 Berlin's clocks show 02:00 to 03:00 twice; the first time counts, and nothing turns back."""
    assert switches(hours("02:30", "07:00"), "2026-10-24T12:00", 2) == ["night 25 00:30", "day 25 06:00"]
    assert switches(hours("22:00", "02:30"), "2026-10-24T22:00", 2) == ["day 25 00:30", "night 25 21:00"]
    assert switches(hours("02:10", "02:40"), "2026-10-24T12:00", 3) == [
        "night 25 00:10", "day 25 00:40", "night 26 01:10",
    ]  # fmt: skip
    assert switches(hours("22:00", "03:00"), "2026-10-24T22:00", 1) == ["day 25 02:00"]


ZONES = (BERLIN, "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Asia/Kathmandu")
CHANGES = (
    "2011-12-29",
    "2026-03-08",
    "2026-03-28",
    "2026-04-04",
    "2026-10-03",
    "2026-10-24",
    "2026-11-01",
    "2026-02-14",
)


@pytest.mark.parametrize("zone", ZONES)
def test_a_part_is_what_a_clock_that_never_goes_back_shows(zone: str):
    """Switches are found from the written times; looked at minute by minute from UTC the parts must be the same, also
    where half an hour is set back, and where a whole day was left out.
    """
    random = Random(zone)  # noqa: S311 - the same cases every time
    for _ in range(300):
        begins, ends = (f"{random.choice((0, 1, 2, 3, 22)):02}:{random.choice((0, 10, 30, 59)):02}" for _ in range(2))
        if begins == ends:
            continue
        policy = hours(begins, ends, zone)
        at = utc(random.choice(CHANGES)) + random.randrange(48 * 60) * MINUTE_US + random.choice((0, -1, 1))
        now = part(policy, at)
        assert now.night == is_night(policy, at), (policy.night, at)
        assert at < now.until <= at + 2 * DAY_US
        assert part(policy, now.until - 1).night == now.night


def test_without_a_night_or_with_a_zone_that_nobody_knows_it_is_day():
    """A log of a newer Vigil may name a zone that this one does not have: the day's rules hold, and nobody is lost."""
    assert part(DEFAULT, utc("2026-10-25T01:00")) == (False, NEVER)
    assert part(hours("00:00", "23:59", "Mars/Base"), utc("2026-10-25T01:00")) == (False, NEVER)
    assert in_force(DEFAULT, night=True) == in_force(DEFAULT, night=False) == DEFAULT


def ward(begin: str, *changes: str) -> tuple[Log, int]:
    """Ann at home in Berlin with a night from 22 to 7, heard since 40 minutes before an instant (UTC)."""
    at = utc(begin)
    log = Log()
    log.site(1)
    policy = edited(DEFAULT, [f"zone={BERLIN}", "night=22:00-07:00", *changes]).model_copy(update={"version": 4})
    log.tick(at - 40 * MINUTE_US)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", at - 600 * MINUTE_US), policy=policy)
    return log, at


def changes(log: Log, at: int, rule: str = "low") -> list[str]:
    """What the processor says, and that the oracle says the same."""
    found = log.run(Processor(0, 1))
    told = Oracle().read(log.records())
    assert [each.value for each in found] == [each.value for each in outputs(told)]
    return [f"{(each.at - at) // MINUTE_US} {each.change} {each.level}" for each in said(found, rule)]


def test_a_switch_is_judged_by_the_next_reading():
    """A limit of 80 by night: 75 is no low at 21:58, and is one with the reading at 22:03, by the run as it is then."""
    log, at = ward("2026-10-24T20:00", "night.low.1.limit=80")
    for minute in (-12, -7, -2, 3):
        log.tick(at + minute * MINUTE_US)
        log.readings(row("ann", 75, at + minute * MINUTE_US))
    assert changes(log, at) == ["3 open 1"]
    (first,) = episodes(log.run(Processor(0, 1)), "low")
    assert first.evidence is not None
    assert (first.policy, first.limit, first.evidence.night, first.evidence.count) == (4, 80, True, 4)
    assert first.since == at - 12 * MINUTE_US


@pytest.mark.parametrize(("day", "ends"), [("2026-03-29", "05:00"), ("2026-10-25", "06:00")])
def test_an_episode_in_course_goes_on_with_the_numbers_of_the_morning(day: str, ends: str):
    """On the days of both changes of the clock the night ends at seven on the wall, and what was a low by night only
    ends with the first reading of the day; the switch itself says nothing.
    """
    log, at = ward(f"{day}T{ends}", "night.low.1.limit=80")
    for minute in (-12, -7, -2, 3):
        log.tick(at + minute * MINUTE_US)
        log.readings(row("ann", 75, at + minute * MINUTE_US))
    assert changes(log, at) == ["-7 open 1", "3 clear 0"]


def test_a_clock_that_jumps_over_several_switches_ends_in_the_right_part():
    """A site that was cut off for two days and a night comes back at noon: it is day."""
    for days, part_of_day in ((0.2, "night"), (0.7, "day"), (1.2, "night"), (2.7, "day")):
        log, at = ward("2026-10-24T20:00", "night.low.1.limit=80")
        now = at + int(days * 24 * 60) * MINUTE_US
        log.tick(now)
        log.readings(row("ann", 75, now))
        log.readings(row("ann", 75, now + 5 * MINUTE_US))
        assert [each.split()[1] for each in changes(log, at)] == (["open"] if part_of_day == "night" else [])


def test_a_silence_rises_by_the_numbers_of_the_night():
    """Deadlines are of the part that holds: what would be medium after an hour by day waits for two by night."""
    log, at = ward("2026-10-24T20:00", "night.signal.glucose.medium_after=120")
    log.readings(row("ann", 100, at - 30 * MINUTE_US))
    for minute in range(-9, 125):
        log.tick(at + minute * MINUTE_US)
    assert changes(log, at, "signal")[-2:] == ["-10 open 1", "110 rise 2"]


def test_a_median_is_judged_by_the_part_that_holds_when_the_clock_passes_it():
    """A heart at 125 is high by night only, and the window looks back into the evening."""
    at = utc("2026-10-24T20:00")
    log = Log()
    log.site(1)
    policy = edited(DEFAULT, [f"zone={BERLIN}", "night=22:00-07:00", "night.heart_rate_high.above=120"])
    log.tick(at - 11 * MINUTE_US)
    log.patient("ann", worn("ann", "band-1", "wrist", at - 600 * MINUTE_US), policy=policy)
    for second in range(-11 * 60, 60):
        log.readings(row("ann", 125, at + second * SECOND_US, metric="heart_rate", device="band-1"))
        if second % 10 == 2:
            log.tick(at + second * SECOND_US)
    (first,) = episodes(log.run(Processor(0, 1)), "heart_rate_high")
    assert (first.change, (first.at - at) // SECOND_US, first.limit) == ("open", 0, 120)
    assert changes(log, at, "heart_rate_high") == ["0 open 1"]


def test_a_patient_who_moves_lives_by_the_clock_of_the_new_site():
    """Sites' clocks may differ by hours on simulated time; the part is that of the site where somebody lies."""
    log, at = ward("2026-10-24T20:00", "night.low.1.limit=80")
    log.site(2)
    log.tick(at + 600 * MINUTE_US, [2])
    policy = edited(DEFAULT, [f"zone={BERLIN}", "night=22:00-07:00", "night.low.1.limit=80"])
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", at - 600 * MINUTE_US), policy=policy, site=2, version=2)
    for minute in (-12, -7):
        log.readings(row("ann", 75, at + minute * MINUTE_US))
    assert changes(log, at) == []


def test_a_snapshot_goes_on_in_the_same_part():
    """A processor that takes over at night must not wake with the day's numbers."""
    log, at = ward("2026-10-24T20:00", "night.low.1.limit=80")
    log.tick(at + MINUTE_US)
    cut = len(log.values)
    for minute in (3, 8):
        log.readings(row("ann", 75, at + minute * MINUTE_US))
    whole = log.run(Processor(0, 1))
    one, other = Processor(0, 1), Processor(0, 1)
    first = one.step(log.records(0, cut))
    other.restore(decode(b"".join(encode(one.state()))))
    assert [*first, *other.step(log.records(cut))] == whole
    assert [each.change for each in episodes(whole, "low")] == ["open"]


def test_who_goes_on_from_a_snapshot_writes_the_snapshots_that_another_would():
    """At a nightfall rules get their numbers, whoever came first: slots are of one process, and say nothing."""
    log, names = Log(), ("ann", "bob", "cyd", "dan")
    log.site(1)
    begin = int(datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()) * SECOND_US
    for number, name in enumerate(names):
        changes = ["zone=Etc/UTC", "night=22:00-07:00", f"night.heart_rate_high.above={110 + number}"]
        log.patient(name, worn(name, f"wrist-{name}", "wrist", begin), policy=edited(DEFAULT, changes))
    log.tick(begin)
    cut = len(log.keys)
    log.tick(begin + 11 * 60 * MINUTE_US)
    first, second = Processor(0, 1), Processor(0, 1)
    log.run(first, last=cut)
    second.restore(decode(b"".join(encode(first.state()))))
    log.run(first, first=cut)
    log.run(second, first=cut)
    assert b"".join(encode(first.state())) == b"".join(encode(second.state()))


def test_a_chart_has_the_limits_of_each_part():
    """The line at which it would have alarmed that night, from the night's own hour on; a later policy ends them."""
    policy = edited(DEFAULT, [f"zone={BERLIN}", "night=22:00-07:00", "night.low.1.limit=80"])
    begin, end = utc("2026-10-24T12:00"), utc("2026-10-25T12:00")
    changed = begin + 16 * 60 * MINUTE_US
    for policies, told in (
        ([(begin - DAY_US, policy)], [(0, 70), (480, 80), (1080, 70)]),
        ([(begin - DAY_US, policy), (changed, DEFAULT)], [(0, 70), (480, 80), (960, 70)]),
        ([(begin - DAY_US, DEFAULT), (changed, policy)], [(0, 70), (960, 80), (1080, 70)]),
    ):
        parts = by_day_and_night(policies, begin, end)
        found = limits_then(parts, begin, lambda each: limits_of(each, "glucose", MINUTE_US))
        assert [((at - begin) // MINUTE_US, getattr(limits, "low1", None)) for at, limits in found] == told
