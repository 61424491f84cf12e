"""A policy changed while an episode is open: what the next reading does, and what nothing does before it."""

from __future__ import annotations

from stream.processor import Processor
from tests.logs import T0, Log, episodes, row, worn
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT, Policy
from vitals.policy_edits import edited

CGM = worn("ann", "cgm-1", "t1d-uom-5min", T0 - 10 * MINUTE_US)


class Person:
    """A patient with a sensor of five minutes; times in minutes after T0."""

    def __init__(self) -> None:
        self.log = Log()
        self.log.site(1)
        self.log.patient("ann", CGM)
        self.log.tick(T0 - MINUTE_US)
        self._version = 1

    def reads(self, at: int, *values: float) -> None:
        """Readings every five minutes from ``at`` on, each with its tick."""
        for number, value in enumerate(values):
            time = T0 + (at + 5 * number) * MINUTE_US
            self.log.readings(row("ann", value, time))
            self.log.tick(time)

    def rules(self, *changes: str) -> Policy:
        """A new version of the default with these changes."""
        self._version += 1
        policy = edited(DEFAULT, changes).model_copy(update={"version": self._version})
        self.log.patient("ann", CGM, version=self._version, policy=policy)
        return policy

    def said(self, rule: str = "low") -> list[str]:
        """Changes in short: ``minute change level condition limit version``."""
        found = episodes(self.log.run(Processor(0, 1)), rule)
        return [
            f"{(each.at - T0) // MINUTE_US} {each.change} {each.level} {each.condition} {each.limit or 0:g}"
            f" v{each.policy}"
            for each in found
        ]


def test_a_new_limit_says_nothing_until_the_next_reading() -> None:
    """A change of rules is no event of the patient's; what it means is known with the next value."""
    ann = Person()
    ann.reads(0, 75, 75)
    ann.rules("low.1.limit=80")
    ann.log.tick(T0 + 8 * MINUTE_US)
    assert ann.said() == []
    ann.reads(10, 75)
    assert ann.said() == ["10 open 1 active 80 v2"]
    (episode,) = episodes(ann.log.run(Processor(0, 1)), "low")
    assert episode.since == T0, "the run reaches back, as the new limit sees it"


def test_a_lower_limit_ends_an_episode_with_the_next_reading() -> None:
    """What the new rules call normal for long enough already needs no further quarter of an hour."""
    ann = Person()
    ann.reads(0, 66, 66, 66, 66)
    ann.rules("low.1.limit=60")
    ann.reads(20, 66)
    assert ann.said() == ["5 open 1 active 70 v1", "20 clear 0 over 60 v2"]


def test_a_higher_limit_raises_an_episode_with_the_next_reading() -> None:
    """A worse level always announces, whoever made it worse."""
    ann = Person()
    ann.reads(0, 60, 60)
    policy = ann.rules("low.2.limit=65")
    ann.reads(10, 60)
    found = episodes(ann.log.run(Processor(0, 1)), "low")
    assert [(each.change, each.level, each.priority) for each in found] == [("open", 1, "medium"), ("rise", 2, "high")]
    assert found[0].id == found[1].id
    assert found[1].response == policy.thresholds[0].levels[1].response


def test_an_unknown_episode_stays_unknown_under_new_rules() -> None:
    """Rules are no data: nobody knows more about a patient because a limit was moved."""
    ann = Person()
    ann.reads(0, 66, 66)
    ann.log.tick(T0 + 20 * MINUTE_US)
    ann.rules("low.1.limit=60")
    ann.log.tick(T0 + 60 * MINUTE_US)
    assert ann.said() == ["5 open 1 active 70 v1", "16 unknown 1 unknown 70 v1"]


def test_a_dropped_rule_ends_its_episode_with_the_next_reading() -> None:
    """It could never end by itself; the milder level's off-delay belonged to a rule that is gone."""
    ann = Person()
    ann.reads(0, 410, 410)
    ann.rules("high=off")
    ann.log.tick(T0 + 9 * MINUTE_US)
    ann.reads(10, 410, 410)
    assert ann.said("high") == ["5 open 2 active 399 v1", "10 clear 0 over 399 v2"]


def test_a_rule_that_comes_back_opens_anew() -> None:
    """Its old episode is over; the readings meanwhile count for the run."""
    ann = Person()
    ann.reads(0, 260, 260, 260, 260)
    ann.rules("high=off")
    ann.reads(20, 260)
    ann.rules()
    ann.reads(25, 260)
    found = episodes(ann.log.run(Processor(0, 1)), "high")
    assert [each.change for each in found] == ["open", "clear", "open"]
    assert found[0].id != found[2].id
    assert found[2].since == T0


def test_a_dropped_silence_rule_ends_its_silence_at_once() -> None:
    """No reading may ever come that could end it; and it must not rise to medium under a rule that is gone."""
    ann = Person()
    ann.reads(0, 100)
    ann.log.tick(T0 + 30 * MINUTE_US)
    ann.rules("signal.glucose=off")
    ann.log.tick(T0 + 180 * MINUTE_US)
    found = episodes(ann.log.run(Processor(0, 1)), "signal")
    assert [((each.at - T0) // MINUTE_US, each.change, each.level) for each in found] == [
        (20, "open", 1),
        (30, "clear", 0),
    ]


def test_silence_is_judged_again_when_its_rule_comes_back() -> None:
    """A device that has said nothing for hours is silent as soon as anybody asks."""
    ann = Person()
    ann.rules("signal.glucose=off")
    ann.log.tick(T0 + 180 * MINUTE_US)
    ann.rules()
    ann.log.tick(T0 + 181 * MINUTE_US)
    assert [each.change for each in episodes(ann.log.run(Processor(0, 1)), "signal")] == ["open", "rise"]
