"""Whom the drills kill, and in which order: by their seed, and everybody."""

from __future__ import annotations

from itertools import chain

from compose.drills import killing, stop
from compose.drills.kill import plan


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
