"""The processor at its edges: clocks that stand still, sites that come back, snapshots of others, and why."""

from __future__ import annotations

import pytest

from stream.episodes import site_key
from stream.processor import Processor, factory
from tests.logs import T0, Log, episodes, owners, row, said, worn
from vitals.alerts import SITE_SILENT
from vitals.codecs.state import decode, encode
from vitals.errors import CodecError
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, HEART_RATES
from vitals.policy_edits import edited
from vitals.topics import JOURNAL, patient_id

CGM = "t1d-uom-5min"


def two_sites() -> Log:
    """Ann at site 1 and Bob at site 2, both heard at T0, both low."""
    log = Log()
    for number, name in ((1, "ann"), (2, "bob")):
        log.site(number, f"ward-{number}")
        log.patient(name, worn(name, f"cgm-{name}", CGM, T0 - MINUTE_US), site=number)
    log.tick(T0, [1, 2])
    for number, name in ((1, "ann"), (2, "bob")):
        log.readings(row(name, 50, T0, device=f"cgm-{name}", site=number))
    return log


def found(log: Log, rule: str, partition: int = 0, partitions: int = 1) -> list[tuple[float, str, str, str]]:
    """Seconds after T0, change, condition, reason."""
    each = episodes(log.run(Processor(partition, partitions)), rule)
    return [((one.at - T0) / SECOND_US, one.change, one.condition, one.reason) for one in each]


def test_a_site_that_repeats_its_last_tick_is_not_heard() -> None:
    """A bridge that hangs on one time says nothing new: ten seconds of the other site's clock later it is silent."""
    log = two_sites()
    for second in range(1, 13):
        log.tick(T0 + second * SECOND_US, [2])
        log.tick(T0, [1])
    assert [each[:2] for each in found(log, SITE_SILENT)] == [(11, "open")]


def test_a_site_that_ticks_again_knows_its_patients_again() -> None:
    """As bad as they were, if their gap is not over; else there is no data, and nobody claims to know."""
    for minutes, change, condition, reason in ((10, "known", "active", ""), (11, "reason", "unknown", "no data")):
        log = two_sites()
        for second in range(1, 30):
            log.tick(T0 + second * SECOND_US, [1])
        log.tick(T0 + minutes * MINUTE_US, [1, 2])
        low = [each for each in episodes(log.run(Processor(0, 1)), "low") if each.device == "cgm-bob"]
        assert [(each.change, each.condition, each.reason) for each in low] == [
            ("open", "active", ""),
            ("unknown", "unknown", "site silent"),
            (change, condition, reason),
        ]
        assert low[-1].at == T0 + minutes * MINUTE_US


@pytest.mark.parametrize("partition", range(4))
def test_a_silent_site_is_told_in_one_partition_of_them_all(partition: int) -> None:
    """Site mod N: every partition knows of it, and a ward of four partitions has one alarm for one cable."""
    log = two_sites()
    for second in range(1, 30):
        log.tick(T0 + second * SECOND_US, [1])
    log.tick(T0 + 30 * SECOND_US, [1, 2])
    step = factory(4)(partition)
    told = [(each.rule, each.change) for each in said(log.run(step)) if each.rule == SITE_SILENT]
    assert told == ([(SITE_SILENT, "open"), (SITE_SILENT, "clear")] if partition == 2 else [])


def test_a_snapshot_of_another_partition_is_refused_in_words() -> None:
    """Its patients are somebody else's; who reads the line must see which one it was."""
    state = Processor(1, 4).state()
    for partition, partitions in ((0, 4), (1, 8)):
        with pytest.raises(CodecError, match=r"^a snapshot is of another partition: 1 of 4"):
            Processor(partition, partitions).restore(state)
    Processor(1, 4).restore(state)


def test_what_is_unknown_for_another_reason_stays_so_when_a_low_is_lost() -> None:
    """The new sensor has said one low value, and nothing of the rate that the old one was taken off with."""
    log = Log()
    log.site(1)
    policy = edited(DEFAULT, ["glucose_rising=on", "glucose_rising.gate=100"])
    log.patient("ann", worn("ann", "cgm-1", CGM, T0 - 600 * MINUTE_US), policy=policy)
    log.tick(T0 - MINUTE_US)
    for number, value in enumerate((120, 145, 170, 195)):
        log.readings(row("ann", value, T0 + 5 * number * MINUTE_US))
        log.tick(T0 + 5 * number * MINUTE_US)
    off = T0 + 16 * MINUTE_US
    log.patient("ann", worn("ann", "cgm-1", CGM, T0 - 600 * MINUTE_US, off), policy=policy, version=2)
    new = worn("ann", "cgm-2", CGM, off)
    log.patient("ann", worn("ann", "cgm-1", CGM, T0 - 600 * MINUTE_US, off), new, policy=policy, version=3)
    log.tick(T0 + 17 * MINUTE_US)
    log.readings(row("ann", 50, T0 + 18 * MINUTE_US, device="cgm-2"))
    for minute in range(18, 40):
        log.tick(T0 + minute * MINUTE_US)
    assert [each[1:] for each in found(log, "glucose_rising")] == [
        ("open", "active", ""), ("unknown", "unknown", "device removed"),
    ]  # fmt: skip
    assert [each[1:] for each in found(log, "low")] == [("open", "active", ""), ("unknown", "unknown", "no data")]


def ann(kind: str = CGM, **more: object) -> Log:
    """One patient whose clock has begun."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", kind, T0 - 600 * MINUTE_US), **more)  # type: ignore[arg-type]
    log.tick(T0)
    return log


def test_a_poll_of_two_metrics_gives_each_its_own_rows() -> None:
    """A heart rate of 50 is no glucose of 50."""
    log = ann("ward")
    log.readings(row("ann", 100, T0 + SECOND_US), row("ann", 50, T0 + 2 * SECOND_US, metric="heart_rate"))
    log.tick(T0 + 5 * MINUTE_US + 2 * SECOND_US)
    assert said(log.run(Processor(0, 1)), "low") == []


def test_rows_before_a_tick_are_taken_once_and_those_behind_it_by_their_own_record() -> None:
    """Counted twice, a stranger's row would be two; and a cause that is another record's would be written twice."""
    log = ann()
    log.readings(row("ann", 60, T0 + MINUTE_US, metric="heart_rate"), row("ann", 100, T0 + MINUTE_US))
    log.tick(T0 + 6 * MINUTE_US)
    log.readings(row("ann", 50, T0 + 7 * MINUTE_US))
    step = Processor(0, 1)
    outputs = [each for each in log.run(step) if each.topic == JOURNAL and b'"rule":"low"' in each.value]
    assert step.counters.unbound == 1
    assert [each.cause.offset for each in outputs] == [log.records().offsets[-1]]


def test_broken_records_are_counted_over_all_polls() -> None:
    """A poll without any takes nothing away."""
    log = ann()
    log.raw(patient_id("ann").bytes, b"x" * 65)
    step = Processor(0, 1)
    log.run(step)
    log.tick(T0 + SECOND_US)
    log.run(step, first=len(log.keys) - 1)
    assert step.counters.broken == 1


def test_after_a_jump_the_first_T_that_the_ring_holds_is_evaluated() -> None:  # noqa: N802 - RULES call it so
    """Fifteen minutes come at once: the window that begins with the ring is whole."""
    log = ann("wrist")
    log.readings(*(row("ann", 170, T0 + at * SECOND_US, metric="heart_rate") for at in range(1, 901)))
    log.tick(T0 + 902 * SECOND_US)
    (extreme,) = episodes(log.run(Processor(0, 1)), "heart_rate_extreme")
    assert ((extreme.since - T0) // SECOND_US, (extreme.at - T0) // SECOND_US) == (60, 110)


def test_night_falls_at_the_first_tick_that_reaches_it() -> None:
    """Not with the next window: T0 is a quarter past ten, and what is read a second after 22:20 is judged by night."""
    policy = edited(DEFAULT, ["night=22:20-07:00", "zone=UTC", "night.low.2.limit=60"])
    log = ann(policy=policy)
    log.readings(row("ann", 100, T0 + 240 * SECOND_US))
    for second in (241, 299, 300):
        log.tick(T0 + second * SECOND_US)
    log.readings(row("ann", 58, T0 + 301 * SECOND_US))
    assert [(each.change, each.level) for each in said(log.run(Processor(0, 1)), "low")] == [("open", 2)]


def test_what_a_removed_device_left_stays_so_when_its_site_is_silent() -> None:
    """Nobody hears the site; that the device is off is what somebody can do something about."""
    log = two_sites()
    off = worn("bob", "cgm-bob", CGM, T0 - MINUTE_US, T0 + SECOND_US)
    log.patient("bob", off, site=2, version=2)
    for second in range(1, 30):
        log.tick(T0 + second * SECOND_US, [1])
    low = [each for each in episodes(log.run(Processor(0, 1)), "low") if each.device == "cgm-bob"]
    assert [(each.change, each.reason) for each in low] == [("open", ""), ("unknown", "device removed")]


def test_a_site_has_a_key_of_its_own() -> None:
    """Its alarm is no patient's."""
    log = two_sites()
    for second in range(1, 30):
        log.tick(T0 + second * SECOND_US, [1])
    journal = [each for each in log.run(Processor(0, 1)) if each.topic == JOURNAL]
    keys = {each.key for each in journal if SITE_SILENT.encode() in each.value and b'"rule":"low"' not in each.value}
    assert keys == {site_key(2)}


def test_what_somebody_closes_ends_when_the_device_is_off() -> None:
    """The binding ends a minute ahead of the clock: nothing of it ends before."""
    for until, at in ((6, 6), (3, 5)):
        log = ann()
        log.readings(row("ann", 50, T0 + MINUTE_US))
        log.tick(T0 + 5 * MINUTE_US)
        off = worn("ann", "cgm-1", CGM, T0 - 600 * MINUTE_US, T0 + until * MINUTE_US)
        log.patient("ann", off, version=2)
        log.patient("ann", off, version=3, closings=1)
        last = episodes(log.run(Processor(0, 1)), "low")[-1]
        assert (last.change, last.reason, (last.at - T0) // MINUTE_US) == ("clear", "closed", at)


def test_what_somebody_closes_at_a_site_that_has_never_ticked_ends_when_the_next_device_came() -> None:
    """There is no clock to go by, and no time of nowhere may stand in the journal."""
    log = ann()
    log.site(2, "ward-2")
    log.readings(row("ann", 50, T0 + MINUTE_US))
    log.tick(T0 + 5 * MINUTE_US)
    log.patient("ann", worn("ann", "cgm-1", CGM, T0 - 600 * MINUTE_US, T0 + 6 * MINUTE_US), version=2)
    log.patient("ann", worn("ann", "cgm-2", CGM, T0 + 7 * MINUTE_US), version=3, site=2, closings=1)
    last = episodes(log.run(Processor(0, 1)), "low")[-1]
    assert (last.change, last.reason, (last.at - T0) // MINUTE_US) == ("clear", "closed", 7)


def test_a_snapshot_of_rows_that_wait_takes_them_first() -> None:
    """And whoever goes on behind it looks no later than they ask for."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "band", "wrist", T0 - MINUTE_US))  # not silent: what she says can wait
    log.tick(T0)
    log.readings(row("ann", 70, T0 + SECOND_US, metric="heart_rate"))
    step, again = Processor(0, 1), Processor(0, 1)
    log.run(step)
    again.restore(decode(b"".join(encode(step.state()))))
    before = len(log.keys)
    log.tick(T0 + 40 * MINUTE_US)
    assert log.run(step, first=before) == log.run(again, first=before)


def test_a_tick_of_two_sites_counts_for_the_one_that_it_moves() -> None:
    """The first of them is ahead already, which is no reason to leave the other's windows open."""
    log = two_sites()
    log.tick(T0 + 10 * MINUTE_US, [1])
    before = len(log.keys)
    log.tick(T0 + 5 * MINUTE_US + 2 * SECOND_US, [1, 2])
    step = Processor(0, 1)
    log.run(step, last=before)
    assert owners(log.run(step, first=before)) == {patient_id("bob").bytes}


@pytest.mark.parametrize("sites", [(1, 2), (2, 1)])
def test_what_window_rules_say_at_two_sites_is_in_the_order_of_the_ticks_rows(sites: tuple[int, int]) -> None:
    """At one instant of both; by patient it would be the same whichever site had ticked first."""
    log, names = Log(), {1: "ann", 2: "bob"}
    high = HEART_RATES[0].model_copy(update={"width_us": MINUTE_US, "on_above": 100, "off_at_most": 98})
    for number, name in names.items():
        log.site(number, f"ward-{number}")
        policy = DEFAULT.model_copy(update={"windows": (high,)})
        log.patient(name, worn(name, f"wrist-{name}", "wrist", T0), site=number, policy=policy)
    log.tick(T0, sites)
    for number, name in names.items():
        for at in range(1, 61):
            rate = row(name, 120, T0 + at * SECOND_US, metric="heart_rate", device=f"wrist-{name}", site=number)
            log.readings(rate)
    log.tick(T0 + 62 * SECOND_US, sites)
    opened = episodes(log.run(Processor(0, 1)), high.name)
    assert [each.label for each in opened] == [names[number] for number in sites]


def test_a_silent_site_stands_before_what_became_of_others_later() -> None:
    """One tick passes both: by instant, and by the name that its record gave it."""
    log = two_sites()
    log.tick(T0 + SECOND_US, [2])
    log.tick(T0 + 40 * MINUTE_US, [2])
    found = [each for each in episodes(log.run(Processor(0, 1))) if each.rule in {SITE_SILENT, "signal"}]
    assert [(each.rule, each.change) for each in found] == [(SITE_SILENT, "open"), ("signal", "open")]
    assert "ward-1" in found[0].model_dump_json()


def test_who_rests_is_known_by_the_steps_of_the_same_partition() -> None:
    """Rows of three metrics in one poll: whose are left out would be known to rest by nobody."""
    log = ann("ward", policy=edited(DEFAULT, ["heart_rate_rest=on", "heart_rate_rest.above=110"]))
    for minute in range(1, 11):
        at = T0 + minute * MINUTE_US
        beats = [row("ann", 125, at - back * SECOND_US, metric="heart_rate") for back in range(59, -1, -1)]
        log.readings(*beats, row("ann", 0, at, metric="steps"), row("ann", 100, at))
        log.tick(at + 2 * SECOND_US)
    assert [each.change for each in said(log.run(Processor(0, 1)), "heart_rate_rest")] == ["open"]
