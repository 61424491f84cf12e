"""Whom the drills kill, and in which order: by their seed, and everybody."""

from __future__ import annotations

from itertools import chain

from compose.drills import engine, killing, stop, unruly
from compose.drills.kill import plan
from compose.stack import Options
from runtime.kafka.consumer import SESSION_TIMEOUT_S
from vitals.bounds import violation
from vitals.metrics import METRIC_BY_NAME, SECOND_US


def test_every_service_is_killed_once_alone_and_once_in_a_pair():
    """A service that no seed kills is one that nobody knows to come back."""
    for seed in range(20):
        found = plan(seed)
        alone, paired = found[: len(killing.ALL)], found[len(killing.ALL) :]
        assert sorted(chain(*alone)) == sorted(killing.ALL)
        assert sorted(chain(*paired)) == sorted(killing.ALL)
        assert all(len(set(pair)) == 2 for pair in paired)


def test_a_seed_gives_one_plan():
    """What failed once can be run again."""
    assert plan(3) == plan(3)
    assert plan(3) != plan(4)


def test_every_service_is_stopped_once():
    """Those through which an alert goes are stopped alone, so that it is clear whose end it was."""
    assert sorted(chain(*stop.GROUPS)) == sorted(killing.ALL)
    assert all((name,) in stop.GROUPS for name in stop.IN_THE_WAY)


def test_the_engine_drill_stops_a_processor_for_longer_than_its_group_waits_and_the_supervisor_does():
    """Only then has another one the partitions while the first wakes and goes on writing."""
    assert SESSION_TIMEOUT_S < engine.ZOMBIE_S < engine.PATIENCE_S - 10
    assert Options.__dataclass_fields__["processors"].default == 1
    assert engine.NAMES == ("process", "process-1", "process-2")


def test_the_unruly_ward_does_what_it_says():
    """A policy that the registry refuses ends the drill; a reading that is not late, or older than the ring, tests
    something else.
    """
    assert [violation(policy) for policy in unruly.POLICIES] == [None] * len(unruly.POLICIES)
    for metric, (least, most) in unruly.LATE_S.items():
        known = METRIC_BY_NAME[metric]
        assert known.late_after_us(unruly.EVERY_S[metric] * SECOND_US) < least * SECOND_US
        assert most * SECOND_US < known.panes * known.pane_us
