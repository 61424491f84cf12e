"""The processor at its edges: clocks that stand still, sites that come back, snapshots of others, and why."""

from __future__ import annotations

import pytest

from stream.processor import Processor, factory
from tests.logs import T0, Log, episodes, row, said, worn
from vitals.alerts import SITE_SILENT
from vitals.errors import CodecError
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT
from vitals.policy_edits import edited

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
