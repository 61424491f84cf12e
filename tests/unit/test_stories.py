"""The engine drill's patients with a rule of their own: their logs hold what it asks for, by the plain program."""

from __future__ import annotations

import random
from itertools import chain

import pytest

from compose.drills import stories, unruly
from compose.drills.stories import STORIES, Story
from tests.logs import T0, Log, row
from tests.strategies.facts import Witness
from vitals import nights
from vitals.bounds import violation
from vitals.control import WornDevice
from vitals.devices import Binding
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.readings import Flag, Rows
from vitals.topics import device_id, patient_id

BEGAN = T0 + 17 * SECOND_US
SENT_S = int(stories.FACTS_FROM_S) + 40
"""So long the drill sends at least: beginning and end beside the cruelties."""


def lived(story: Story, chance: random.Random) -> Log:
    """A log of one such patient; each metric has its own place in the interval, as in the drill."""
    log = Log()
    log.site(1)
    binding = Binding(patient=patient_id("ann"), label="ann", since=BEGAN - unruly.LONG_BOUND_US)
    worn = WornDevice(device=device_id("band"), name="band", type=unruly.KIND, binding=binding)
    log.patient("ann", worn, policy=story.policy)
    log.tick(BEGAN)
    for second in story.past:
        log.readings(reading(story, "glucose", second, received=1.5))
    places = {metric: chance.random() * every for metric, every in unruly.EVERY_S.items()}
    turns = sorted(
        (places[metric] + every * turn, metric)
        for metric, every in unruly.EVERY_S.items()
        for turn in range(SENT_S // every + 1)
        if places[metric] + every * turn < SENT_S
    )
    for at, metric in turns:
        log.readings(reading(story, metric, at, received=at + 0.1))
        log.tick(BEGAN + round((at + 0.2) * SECOND_US))
    return log


def reading(story: Story, metric: str, at: float, received: float) -> Rows:
    """What the device says at a second, as it stands in the log."""
    flags = int(Flag.ARTEFACT) if metric == "heart_rate" and story.doubts(at) else 0
    times = (BEGAN + round(each * SECOND_US) for each in (at, received))
    observed, arrived = times
    value = getattr(story, metric)(at)
    return row("ann", value, observed, received=arrived, metric=metric, device="band", flags=flags)


def met(story: Story, seed: int) -> set[str]:
    """What the plain program meets in the log of such a patient."""
    witness = Witness()
    witness.read(lived(story, random.Random(seed)).records())  # noqa: S311 - no secret
    return witness.finish()


@pytest.mark.parametrize("seed", range(4))
def test_the_patients_of_a_log_make_all_that_the_drill_asks_for_and_nothing_that_none_may_have(seed: int):
    """A rule that is asked for and that no ward makes fails the drill of somebody who did nothing wrong; one that is
    there and never calls is not tried.
    """
    facts = set(chain.from_iterable(met(story, seed) for story in STORIES))
    assert set(stories.FACTS) - {"a switch of day and night"} <= facts
    assert not facts & set(stories.NEVER)


@pytest.mark.parametrize("second", [0, 1, 59])
def test_night_begins_in_the_next_minutes_and_ends_while_the_drill_lasts(second: int):
    """A switch that comes after the end is none."""
    now = T0 + 23 * 60 * MINUTE_US + second * SECOND_US
    policy = stories.nightly(now)
    assert violation(policy) is None
    parts = nights.parts(policy, now, now + SENT_S * SECOND_US)
    assert len(parts) == 3
    begins, ends = (at for at, _ in parts[1:])
    assert now + MINUTE_US <= begins < ends < now + (SENT_S - 60) * SECOND_US


def test_every_policy_of_a_story_is_one_that_the_registry_takes():
    """A policy that it refuses ends the drill."""
    assert [violation(each.policy) for each in STORIES] == [None] * len(STORIES)
    assert sum((unruly.STORY * len(STORIES), unruly.RESTLESS, unruly.RACING)) < 0.5
