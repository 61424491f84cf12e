"""Evaluations of what is open in one metric, and its silences: as urgent as what is open, and ended once."""

from __future__ import annotations

import numpy as np
import pytest

from stream.signal import CONTACT_LOST
from tests.alerting import episode
from tests.logs import T0
from tests.standing import ANN, AT, BOB, HIGH, LOW, Told, beats, opened, opened_by, standing, told
from vitals.journal import Episode, decode
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.windows import EVALUATE_AFTER_US


def test_an_evaluation_moves_the_machines_at_its_own_instant():
    """Six T in a row open an extreme: it is told when the last of them was known, at T."""
    made = standing(HEART_RATE)
    beats(made, ANN, 1, 120)
    both = np.array([0, ANN])
    for second in range(60, 121, 10):
        at = T0 + second * SECOND_US
        assert made.evaluate(at, both, AT._replace(instant=at + EVALUATE_AFTER_US)).tolist() == [ANN]
    known_at = T0 + 110 * SECOND_US + EVALUATE_AFTER_US
    for beside, reason in ((1, "after"), (-1, "before")):
        made.outbox.episode(AT._replace(instant=known_at + beside), b"", episode(reason=reason))
    found = [decode(output.value) for output in made.outbox.drain([100])]
    assert [(each.rule, each.at - T0) for each in found[1:-1] if isinstance(each, Episode)] == [
        ("heart_rate_extreme", 110 * SECOND_US)
    ]
    assert [each.reason for each in found if isinstance(each, Episode)] == ["before", "", "after"]


def test_an_evaluation_ends_the_silence_of_who_was_heard_for_long_enough():
    """A wrist needs thirty seconds of readings and an evaluation; who is not silent has nothing to end."""
    made = standing(HEART_RATE)
    for slot in (ANN, BOB):
        beats(made, slot, 1, 60, 70)
    beats(made, 0, 1, 60, 70)
    made.signals.open(ANN, T0, 1)
    made.signals.open(BOB, T0, 2)
    made.signals.why[0] = CONTACT_LOST
    assert len(made.outbox.drain([100])) == 0
    for slot, since in ((0, 30), (ANN, 30), (BOB, 31)):
        made.signals.run_start[slot], made.signals.run_last[slot] = T0 + since * SECOND_US, T0 + 60 * SECOND_US
    at = T0 + MINUTE_US
    every = np.arange(3)
    assert made.evaluate(at, every, AT._replace(instant=at + 2)).tolist() == [0, ANN, BOB]
    assert told(made) == [Told("signal", "clear", 0, "over", "waiting for the first reading", MINUTE_US + 2)]
    assert made.signals.level[:3].tolist() == [0, 0, 2]
    assert made.signals.heard_at[ANN] == at + 2
    assert made.signals.why[0] == CONTACT_LOST, "why somebody may fall silent soon"


@pytest.mark.parametrize(
    ("side", "level", "rank", "priority"),
    [(None, 0, 1, "low"), (LOW, 1, 2, "medium"), (LOW, 2, 3, "high"), (HIGH, 1, 1, "low")],
)
def test_silence_opens_as_urgent_as_what_is_open(side: int | None, level: int, rank: int, priority: str):
    """No data while someone is at 48 is as urgent as the 48 was; beside a slow high it is low."""
    made = standing()
    if side is not None:
        opened(made, side, level)
    made.fall_silent(ANN, AT)
    assert made.signals.level[ANN] == rank
    (found,) = (decode(output.value) for output in made.outbox.drain([100]))
    assert isinstance(found, Episode)
    assert (found.rule, found.change, found.priority, found.at) == ("signal", "open", priority, AT.instant)
    assert (found.opened_at, found.level) == (AT.instant, rank)


def test_silence_is_never_below_an_episode_of_one_level():
    """Whichever family it is of: a heart rate's medium, or a falling glucose."""
    for metric, column, rank in ((HEART_RATE, 0, 2), (GLUCOSE, 0, None), (GLUCOSE, 1, None)):
        made = standing(metric)
        opened_by(made, column)
        family = made.glucose if metric is GLUCOSE else made.medians
        wanted = family.rank(ANN)
        assert wanted >= 1
        assert rank is None or wanted == rank
        made.fall_silent(ANN, AT)
        assert made.signals.level[ANN] == wanted
        made.fall_silent(BOB, AT)
        assert made.signals.level[BOB] == 1


@pytest.mark.parametrize(("level", "rank"), [(0, 2), (1, 2), (2, 3)])
def test_a_silence_that_stays_is_medium_or_as_urgent_as_what_is_open(level: int, rank: int):
    """For an hour somebody should look; never below an open episode."""
    made = standing()
    made.fall_silent(ANN, AT)
    assert [each.change for each in told(made)] == ["open"]
    if level:
        opened(made, LOW, level)
    made.stay_silent(ANN, AT._replace(instant=AT.instant + 5))
    reason = "silent" if level else "waiting for the first reading"
    assert told(made)[0]._replace(reason=reason) == Told("signal", "rise", rank, "active", reason, 60 * MINUTE_US + 5)
    assert made.signals.level[ANN] == rank


def test_a_silence_ends_once_and_what_was_none_ends_in_silence():
    """A binding that has ended ends it too; of who was never silent nothing is told."""
    made = standing()
    made.end_silence(ANN, AT)
    assert told(made) == []
    made.signals.open(ANN, T0, 2)
    made.signals.why[ANN] = 3
    made.end_silence(ANN, AT)
    (found,) = (decode(output.value) for output in made.outbox.drain([100]))
    assert isinstance(found, Episode)
    assert (found.change, found.level, found.priority, found.at) == ("clear", 0, "medium", AT.instant)
    assert made.signals.heard_at[ANN] == AT.instant
    assert made.signals.why[ANN] == 0, "also where it was not silent the reason begins anew"
