"""One rule of two metrics: a glucose that falls while the heart is fast at rest (RULES)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream.processor import Processor
from tests.logs import T0, Log, episodes, row, worn
from vitals.bounds import GLUCOSE_BELOW, violation
from vitals.devices import DEVICE_TYPES
from vitals.journal import Episode
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, GLUCOSE_MARGIN, HEART_RATE_GLUCOSE, Policy
from vitals.policy_edits import edited
from vitals.policy_text import facts
from vitals.readings import Flag

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"
RULE = "heart_rate_glucose"


def both(**changes: Any) -> Policy:
    """Heart rate over a minute > 100 and glucose < 80, no rest asked."""
    update: dict[str, Any] = {"width_us": MINUTE_US, "rest_at_most": None}
    rule = HEART_RATE_GLUCOSE.model_copy(update=update | changes)
    return DEFAULT.model_copy(update={"windows": (rule,)})


class Wearer:
    """A log of one person with heart rate each second and glucose when told; seconds count from T0."""

    def __init__(self, policy: Policy | None = None, until: int | None = None) -> None:
        self.log, self.second = Log(), 0
        self.log.site(1)
        self.log.patient("ann", worn("ann", "ward-1", "ward", T0, until), policy=policy or both())
        self.log.tick(T0)

    def sugar(self, at: int, value: float, *, flags: int = 0) -> None:
        """A reading of glucose."""
        self.log.readings(row("ann", value, T0 + at * SECOND_US, flags=flags))

    def live(self, until: int, rate: float, *, steps: float | None = None) -> None:
        """Heart rates up to a second, steps each minute where there are any, a tick after each ten seconds."""
        for end in range(self.second + 10, until + 1, 10):
            rows = [row("ann", rate, T0 + at * SECOND_US, metric="heart_rate") for at in range(end - 9, end + 1)]
            if steps is not None and end % 60 == 0:
                rows.append(row("ann", steps, T0 + end * SECOND_US, metric="steps"))
            self.log.readings(*rows)
            self.log.tick(T0 + (end + 2) * SECOND_US)
            self.second = end

    def episodes(self) -> list[Episode]:
        return episodes(self.log.run(Processor(0, 1)), RULE)

    def said(self) -> list[tuple[float, str, str]]:
        """(seconds, change, reason)."""
        return [((each.at - T0) / SECOND_US, each.change, each.reason) for each in self.episodes()]


def test_it_opens_when_glucose_falls_below_and_the_heart_is_fast() -> None:
    """One episode says both values; neither a low nor a high heart rate would call here."""
    ann = Wearer()
    ann.sugar(1, 84)
    ann.live(70, 101)
    ann.sugar(61, 79)
    ann.live(100, 101)
    (episode,) = ann.episodes()
    assert ((episode.at - T0) / SECOND_US, episode.value, episode.limit, episode.unit) == (80, 101, 100, "/min")
    assert (episode.reason, episode.priority, episode.metric) == ("glucose 79 mg/dL", "low", "heart_rate")


@pytest.mark.parametrize(
    ("before", "value", "rate", "opens"),
    [(84, 80, 101, False), (84, 79.4, 101, True), (84, 79.5, 101, False), (84, 79, 100, False), (79, 79, 101, False),
     (78, 79, 101, False), (79.5, 79, 101, True), (79.4, 79, 101, False)],
)  # fmt: skip
def test_both_have_to_be_beyond_and_glucose_has_to_fall(before: float, value: float, rate: float, opens: bool) -> None:
    """Whole mg/dL as in every rule: 79.4 and 79 are the same."""
    ann = Wearer()
    ann.sugar(1, before)
    ann.sugar(61, value)
    ann.live(100, rate)
    assert bool(ann.said()) is opens


def test_a_first_reading_does_not_fall_nor_one_after_a_gap() -> None:
    """Nothing is guessed across a gap: G is 11 min for a sensor of one minute."""
    lone, near, far = Wearer(), Wearer(), Wearer()
    lone.sugar(61, 70)
    near.sugar(1, 90)
    near.sugar(661, 70)
    far.sugar(1, 90)
    far.sugar(662, 70)
    for ann in (lone, near, far):
        ann.live(720, 110)
    assert lone.said() == far.said() == []
    assert [each[1] for each in near.said()] == ["open"]


def test_once_open_it_stays_while_low_and_ends_five_above_or_with_a_calm_heart() -> None:
    """A glucose that has stopped falling at 70 is no recovery."""
    ann = Wearer()
    ann.sugar(1, 90)
    ann.sugar(11, 75)
    ann.live(100, 110)
    ann.sugar(101, 76)
    ann.live(160, 110)
    ann.sugar(161, 81)
    ann.live(200, 110)
    ann.sugar(201, 79)
    ann.live(230, 110)
    ann.sugar(261, 85)
    ann.live(300, 110)
    assert ann.said() == [
        (50, "open", "glucose 75 mg/dL"),
        (170, "returning", "glucose 81 mg/dL"),
        (210, "active", "glucose 79 mg/dL"),
        (240, "clear", "glucose 85 mg/dL"),
    ]
    bob = Wearer()
    bob.sugar(1, 90)
    bob.sugar(11, 75)
    bob.live(60, 110)
    bob.live(200, 97)
    assert [each[1] for each in bob.said()] == ["open", "clear"]


def test_without_recent_glucose_it_is_unknown_and_says_so() -> None:
    """T <= e + G: eleven minutes after the last reading nobody knows."""
    ann = Wearer()
    ann.sugar(1, 90)
    ann.sugar(10, 75)
    ann.live(800, 110)
    assert ann.said() == [(50, "open", "glucose 75 mg/dL"), (670 + 62, "unknown", "no glucose data")]


def test_a_censored_glucose_is_told_as_a_word() -> None:
    """39 is no number that the sensor measured."""
    ann = Wearer()
    ann.sugar(1, 90)
    ann.sugar(11, 38, flags=int(Flag.CENSORED_LOW))
    ann.live(60, 110)
    assert ann.said() == [(50, "open", "glucose LOW")]


def test_who_walks_is_not_judged_and_moving_comes_before_missing() -> None:
    """A fast heart while walking says nothing of the glucose."""
    policy = both(rest_at_most=0, width_us=3 * MINUTE_US)
    sits, walks, lost = Wearer(policy), Wearer(policy), Wearer(policy)
    for ann in (sits, walks, lost):
        ann.sugar(1, 90)
        ann.sugar(11, 75)
    sits.live(240, 110, steps=0)
    walks.live(240, 110, steps=60)
    lost.live(240, 110, steps=0)
    lost.live(900, 110, steps=60)
    assert [each[1] for each in sits.said()] == ["open"]
    assert walks.said() == []
    assert lost.said()[1][1:] == ("unknown", "moving")


def test_a_glucose_sensor_taken_off_is_no_glucose() -> None:
    """Nobody wears what it said."""
    ann = Wearer(until=T0 + 40 * SECOND_US)
    ann.sugar(1, 90)
    ann.sugar(11, 75)
    ann.live(100, 110)
    assert ann.said() == []


def test_the_rule_is_its_row_of_the_page_and_off_by_default() -> None:
    """It needs two devices or one that measures all."""
    (line,) = [each for each in PAGE.read_text().splitlines() if each.startswith("| falling glucose and heart rate")]
    name, on, off, priority, repeat, hold, _ = (cell.strip() for cell in line.strip("| ").split("|"))
    rule = HEART_RATE_GLUCOSE
    assert f"W {rule.width_us // MINUTE_US} min, no steps" in name
    assert (rule.rest_at_most, repeat, rule.response.repeat_us) == (0, "-", None)
    assert on == f"> {rule.on_above:g}, glucose < {rule.glucose_below:g}"
    assert rule.glucose_below is not None
    assert off == f"<= {rule.off_at_most:g}, or glucose >= {rule.glucose_below + GLUCOSE_MARGIN:g}"
    assert (priority, hold) == (rule.priority, f"{rule.response.hold_us // MINUTE_US} min")
    assert rule.name not in [each.name for each in DEFAULT.windows]
    assert DEVICE_TYPES["ward"].stream("steps") is not None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([f"{RULE}=on", f"{RULE}.glucose=59"], f"{RULE} glucose_below is 59: give 60 to 100 mg/dL, a whole number"),
        ([f"{RULE}=on", f"{RULE}.above=160"], f"{RULE} on_above is 160: give 90 to 150 /min"),
        ([f"{RULE}=on", f"{RULE}.glucose=90", f"{RULE}.steps=none"], ""),
    ],
)
def test_a_policy_says_which_glucose(changes: list[str], told: str) -> None:
    """As a clinician says it, within the page's bounds."""
    policy = edited(DEFAULT, changes)
    assert (violation(policy) or "").startswith(told)
    assert told or facts(policy)[RULE, "glucose"] == "< 90 mg/dL and falling"
    assert told or violation(policy) is None
    assert f"Glucose is below {GLUCOSE_BELOW.least} to {GLUCOSE_BELOW.most} mg/dL" in PAGE.read_text()


def test_only_this_rule_is_about_glucose_and_it_must_be() -> None:
    """A high heart rate that waited for a low glucose would be another rule under a known name."""
    high = DEFAULT.windows[0].model_copy(update={"glucose_below": 80})
    bare = HEART_RATE_GLUCOSE.model_copy(update={"glucose_below": None})
    said = [violation(DEFAULT.model_copy(update={"windows": (each,)})) for each in (high, bare)]
    assert said == [
        "heart_rate_high glucose_below is 80: leave it out, this rule is about the heart rate alone",
        f"{RULE} glucose_below is missing: give 60 to 100 mg/dL",
    ]
