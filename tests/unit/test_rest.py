"""Rules that ask for rest: what counts as rest, what is not known, and what is said of both (RULES)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream.activity import Activity
from stream.processor import Processor
from tests.logs import LATE, T0, Log, episodes, row, worn
from vitals.bounds import REST_STEPS, violation
from vitals.codecs.state import decode, encode
from vitals.control import WornDevice
from vitals.journal import Episode
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, HEART_RATE_REST, HEART_RATES, Policy, WindowRule
from vitals.policy_edits import edited
from vitals.policy_text import facts
from vitals.readings import Flag

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"

RESTING = DEFAULT.model_copy(update={"windows": (*HEART_RATES, HEART_RATE_REST)})


def with_rule(**changes: Any) -> Policy:
    """The default and the rule of rest, changed."""
    rule = HEART_RATE_REST.model_copy(update=changes)
    return DEFAULT.model_copy(update={"windows": (*HEART_RATES, rule)})


def device(kind: str = "wrist-steps", *, steps: int = 60, until: int | None = None) -> WornDevice:
    """A device bound at T0 that counts steps each so many seconds, if its type does."""
    item = worn("ann", "wrist-1", kind, T0, until)
    streams = tuple(
        each.model_copy(update={"interval_us": steps * SECOND_US}) if each.metric == "steps" else each
        for each in item.type.streams
    )
    return item.model_copy(update={"type": item.type.model_copy(update={"streams": streams})})


class Sitter:
    """A log of one person, from T0 on; seconds count from there."""

    def __init__(self, policy: Policy = RESTING, item: WornDevice | None = None) -> None:
        self.log, self.second, self.version = Log(), 0, 1
        self.log.site(1)
        self.log.patient("ann", item or device(), policy=policy)
        self.log.tick(T0)

    def rule(self, policy: Policy, item: WornDevice | None = None) -> None:
        """Another policy, or another device."""
        self.version += 1
        self.log.patient("ann", item or device(), policy=policy, version=self.version)

    def live(self, until: int, rate: float, steps: float | Callable[[int], float | None] | None = 0) -> None:
        """A heart rate each second and steps each minute (None: none come), with a tick after each ten seconds."""
        for end in range(self.second + 10, until + 1, 10):
            rows = [row("ann", rate, T0 + at * SECOND_US, metric="heart_rate") for at in range(end - 9, end + 1)]
            count = steps(end) if callable(steps) else steps
            if end % 60 == 0 and count is not None:
                rows.append(row("ann", count, T0 + end * SECOND_US, metric="steps"))
            self.log.readings(*rows)
            self.log.tick(T0 + (end + 2) * SECOND_US)
            self.second = end

    def step(self, at: int, count: float, *, flags: int = 0) -> None:
        """One reading of steps."""
        self.log.readings(row("ann", count, T0 + at * SECOND_US, metric="steps", flags=flags))

    def episodes(self, rule: str = "heart_rate_rest") -> list[Episode]:
        return episodes(self.log.run(Processor(0, 1)), rule)

    def said(self, rule: str = "heart_rate_rest") -> list[tuple[float, str, str]]:
        """(seconds, change, reason) of a rule's episodes."""
        return [((each.at - T0) / SECOND_US, each.change, each.reason) for each in self.episodes(rule)]


def test_a_fast_heart_without_steps_opens_when_both_are_known() -> None:
    """Seven minutes of each; the steps of the seventh come with their own minute."""
    ann = Sitter()
    ann.live(440, 121)
    (episode,) = ann.episodes()
    assert (episode.at - T0) / SECOND_US == 420
    assert (episode.value, episode.limit, episode.unit, episode.priority) == (121, 120, "/min", "low")
    assert (episode.metric, episode.category) == ("heart_rate", "physiological")
    assert ann.said("heart_rate_high") == []


def test_the_limit_itself_is_no_fast_heart_and_the_bound_itself_is_rest() -> None:
    """> 120, at most B: signs are what two programs differ in."""
    ann, bob = Sitter(), Sitter(with_rule(rest_at_most=5))
    ann.live(440, 120)
    bob.live(440, 121, 5)
    assert (ann.said(), bob.said()) == ([], [(420, "open", "")])


@pytest.mark.parametrize(("count", "most", "opens"), [(1, 0, False), (0.0004, 0, True), (0.0006, 0, False),
                                                      (5.0004, 5, True), (5.001, 5, False)])  # fmt: skip
def test_one_reading_with_more_steps_is_no_rest(count: float, most: float, opens: bool) -> None:
    """In thousandths, as everything in the ring; a mean would call a minute's run a stroll."""
    ann = Sitter(with_rule(rest_at_most=most))
    ann.live(440, 130, lambda second: count if second == 240 else 0)
    assert bool(ann.said()) is opens


@pytest.mark.parametrize(("flag", "opens"), [(Flag.CENSORED_HIGH, False), (Flag.CENSORED_LOW, True)])
def test_a_count_beyond_the_devices_range_counts_as_its_edge(flag: Flag, opens: bool) -> None:
    """A device that says HIGH sends no number with it: somebody who runs is not at rest."""
    ann = Sitter()
    ann.live(170, 130)
    ann.step(175, 0, flags=int(flag))
    ann.live(440, 130)
    assert bool(ann.said()) is opens


def test_rest_begins_anew_when_the_last_steps_have_left_the_window() -> None:
    """(T - W, T]: steps counted at 240 are in the window until T = 830 and not at 840."""
    ann = Sitter()
    ann.live(900, 125, lambda second: 30 if second == 240 else 0)
    assert ann.said() == [(840, "open", "")]


def test_who_counts_no_steps_is_never_at_rest() -> None:
    """Not known is not still: a device without steps, one that sends none, and one that stopped."""
    plain, mute, lost = Sitter(item=device("wrist")), Sitter(), Sitter()
    plain.live(900, 131)
    mute.live(900, 131, None)
    lost.live(900, 125, lambda second: 0 if second <= 300 else None)
    assert [ann.said() for ann in (plain, mute, lost)] == [[], [], []]
    assert plain.said("heart_rate_high") == mute.said("heart_rate_high") == [(420, "open", "")]


def test_steps_must_fill_seven_tenths_of_the_window_and_be_fresh() -> None:
    """Seven of ten minutes, the newest within 72 s: else somebody could have walked unseen."""
    some, few, old = Sitter(), Sitter(), Sitter()
    some.live(620, 125, lambda second: None if second in (180, 240, 300) else 0)
    few.live(620, 125, lambda second: None if second in (180, 240, 300, 360) else 0)
    old.live(620, 125, lambda second: None if second in (420, 480, 540, 600) else 0)
    assert (some.said(), few.said(), old.said()) == ([(600, "open", "")], [], [])
    bare = Sitter()
    bare.live(540, 110)
    bare.live(620, 125, None)
    assert bare.said() == []
    bare = Sitter(with_rule(on_above=100, off_at_most=98, width_us=300 * SECOND_US))
    bare.live(240, 90)
    bare.live(620, 125, None)
    assert bare.said() == []


def test_a_late_reading_of_steps_is_known_but_not_fresh() -> None:
    """It can show that somebody walked, and never that somebody rests now."""
    ann = Sitter()
    ann.live(410, 125, None)
    for at in range(60, 420, 60):
        ann.step(at, 0, flags=LATE)
    ann.live(440, 125, lambda second: None if second == 420 else 0)
    assert ann.said() == []
    ann.step(420, 0)
    ann.live(450, 125)
    assert ann.said() == [(450, "open", "")]
    ann.step(421, 80, flags=LATE)
    ann.step(431, 80, flags=LATE)
    ann.live(530, 125)
    assert ann.said()[1:] == [(512, "unknown", "moving")]


def test_readings_of_one_pane_are_the_first_of_them() -> None:
    """A device that says more often than each ten seconds is heard once in ten."""
    ann = Sitter(item=device(steps=1))
    for end in range(10, 450, 10):
        ann.step(end - 9, 0)
        ann.step(end - 8, 90)
        ann.live(end, 125, None)
    assert ann.said() == [(420, "open", "")]


def test_a_device_that_counts_too_seldom_cannot_say_that_somebody_rests() -> None:
    """W >= 2 i, as for the heart rate: one count in the window is no course."""
    for steps, opens in ((300, True), (301, False)):
        ann = Sitter(item=device(steps=steps))
        ann.step(1, 0)
        ann.step(301, 0)
        ann.step(601, 0)
        ann.live(620, 125, None)
        assert bool(ann.said()) is opens


def test_who_gets_up_is_unknown_and_not_over() -> None:
    """A walk clears nothing: whether the heart would be calm at rest nobody knows. Sitting down again tells."""
    ann = Sitter()
    ann.live(480, 125)
    ann.live(840, 150, 70)
    ann.live(1400, 110, 0)
    assert ann.said() == [(420, "open", ""), (592, "unknown", "moving")]
    ann.live(1440, 110, 0)
    assert ann.said()[2:] == [(1440, "clear", "")]


def test_without_steps_an_open_episode_says_that_there_is_no_activity_data() -> None:
    """Whoever reads "no data" would look at the heart rate, which is there."""
    ann, bob = Sitter(), Sitter()
    ann.live(440, 125)
    ann.live(620, 125, None)
    bob.live(440, 125)
    bob.log.tick(T0 + 900 * SECOND_US)
    assert ann.said()[1][1:] == ("unknown", "no activity data")
    assert bob.said()[1][1:] == ("unknown", "no data")
    assert ann.said("signal") == []


def test_a_jump_of_the_clock_tells_what_was_unknown_meanwhile_and_why() -> None:
    """The reading that ends it came long after: what lay between must not look like one long rest."""
    ann = Sitter()
    ann.live(480, 125)
    rows = [row("ann", 125, T0 + at * SECOND_US, metric="heart_rate") for at in range(481, 781)]
    rows += [row("ann", 0 if at > 540 else 3, T0 + at * SECOND_US, metric="steps") for at in range(540, 781, 60)]
    ann.log.readings(*rows)
    ann.log.tick(T0 + 782 * SECOND_US)
    ann.second = 780
    ann.live(1200, 125)
    assert ann.said() == [(420, "open", ""), (592, "unknown", "moving"), (1140, "known", "")]


def test_walking_is_no_silence() -> None:
    """The heart rate is evaluated, whoever asks for rest: an alarm that a band has slipped would be a lie."""
    ann = Sitter(DEFAULT.model_copy(update={"windows": (HEART_RATE_REST,)}))
    ann.live(1200, 110, 80)
    assert ann.said("signal") == []


def test_steps_are_kept_from_the_rule_on() -> None:
    """Who has no such rule costs no memory; so nothing is known of the minutes before."""
    ann = Sitter(DEFAULT)
    ann.live(600, 125)
    ann.rule(RESTING)
    ann.live(1100, 125)
    assert ann.said() == [(1020, "open", "")]


def test_a_rule_dropped_ends_its_episode_though_its_patient_walks() -> None:
    """The policy decides that it is over; it needs no rest for that."""
    ann = Sitter()
    ann.live(480, 125)
    ann.live(600, 125, 60)
    ann.rule(DEFAULT)
    ann.live(620, 125, 60)
    assert ann.said()[-1] == (610, "clear", "")


def test_a_rule_that_comes_back_finds_the_steps_that_went_on_being_kept() -> None:
    """A place in the ring stays: what is known depends on the log, not on when somebody looked."""
    ann = Sitter()
    ann.live(300, 125)
    ann.rule(DEFAULT)
    ann.live(600, 125)
    ann.rule(RESTING)
    ann.live(620, 125)
    assert ann.said() == [(610, "open", "")]


def test_a_device_taken_off_says_nothing_of_rest() -> None:
    """Its last minutes are those of whoever wore it."""
    ann = Sitter()
    ann.live(400, 125)
    ann.rule(RESTING, device(until=T0 + 400 * SECOND_US))
    ann.live(440, 125)
    assert ann.said() == []


def test_nobody_without_such_a_rule_has_a_place() -> None:
    """8 KB a patient: fifteen minutes of steps are for those whose rules look at them."""
    ann, bob = Sitter(DEFAULT), Sitter()
    places = []
    for one in (ann, bob):
        one.live(120, 80)
        processor = Processor(0, 1)
        one.log.run(processor)
        state = processor.state()["activity"]
        places.append((len(state["numbers"]), state["ring"]["millis"].shape))
    assert places == [(0, (0, 90)), (1, (1, 90))]


def test_only_two_of_many_have_their_own_rows() -> None:
    """Places are dense while slots are not; a snapshot numbers both anew."""
    activity = Activity()
    activity.grow(100)
    for slot in (70, 3):
        activity.wear(slot, (device(),), RESTING)
    activity.series.waits_from[:2] = 5, 6
    state = activity.state(np.array([1, 3, 70]))
    assert state["numbers"].tolist() == [1, 2]
    assert state["series"]["rows"]["waits_from"].tolist() == [6, 5]
    other = Activity()
    other.grow(16)
    other.restore(decode(b"".join(encode(state))))
    assert other.place[:4].tolist() == [0, 1, 2, 0]
    assert other.series.waits_from[:2].tolist() == [6, 5]


def test_the_rule_is_its_row_of_the_page_and_off_by_default() -> None:
    """It says something of those only whose device counts steps."""
    (line,) = [each for each in PAGE.read_text().splitlines() if each.startswith("| heart rate at rest, ")]
    name, on, off, priority, repeat, hold, escalation = (cell.strip() for cell in line.strip("| ").split("|"))
    rule = HEART_RATE_REST
    assert f"W {rule.width_us // MINUTE_US} min, no steps" in name
    assert (rule.rest_at_most, rule.successive) == (0, 1)
    assert (f"> {rule.on_above:g}", f"<= {rule.off_at_most:g}", rule.priority) == (on, off, priority)
    assert (repeat, escalation, rule.response.repeat_us, rule.response.lead_us) == ("-", "-", None, None)
    assert f"{rule.response.hold_us // MINUTE_US} min" == hold
    assert rule.name not in [each.name for each in DEFAULT.windows]


def test_a_policy_says_who_rests() -> None:
    """As a clinician says it, within the page's bounds: a rule of rest without rest would be another rule."""
    policy = edited(DEFAULT, ["heart_rate_rest=on", "heart_rate_rest.above=110", "heart_rate_rest.steps=5"])
    assert violation(policy) is None
    assert policy.windows[:3] == DEFAULT.windows
    assert facts(policy)["heart_rate_rest", "at rest"] == "at most 5 steps a minute"
    assert facts(policy)["heart_rate_rest", "limit"] == "> 110 /min"
    assert ("heart_rate_high", "at rest") not in facts(policy)
    assert edited(policy, ["heart_rate_rest=off"]) == DEFAULT
    gated = edited(DEFAULT, ["heart_rate_high.steps=0"])
    assert violation(gated) is None
    assert facts(gated)["heart_rate_high", "at rest"] == "at most 0 steps a minute"
    assert edited(gated, ["heart_rate_high.steps=none"]) == DEFAULT
    assert f"Rest is at most {REST_STEPS.least} to {REST_STEPS.most} steps per minute" in PAGE.read_text()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["heart_rate_rest=on", "heart_rate_rest.steps=none"],
         "heart_rate_rest rest_at_most is missing: give 0 to 30 steps a minute"),
        (["heart_rate_rest=on", "heart_rate_rest.steps=31"],
         "heart_rate_rest rest_at_most is 31: give 0 to 30 steps a minute, a whole number"),
        (["heart_rate_high.steps=0.5"], "heart_rate_high rest_at_most is 0.5: give 0 to 30 steps a minute"),
        (["heart_rate_extreme.steps=0"],
         "heart_rate_extreme rest_at_most is 0: leave it out, this rule may not wait for rest"),
        (["heart_rate_rest=on", "heart_rate_rest.above=80"], "heart_rate_rest on_above is 80: give 90 to 160 /min"),
    ],
)  # fmt: skip
def test_what_nobody_may_ask_of_rest(changes: list[str], told: str) -> None:
    """An extreme heart rate calls whether somebody runs or not."""
    assert (violation(edited(DEFAULT, changes)) or "").startswith(told)


def test_an_old_policy_asks_for_no_rest() -> None:
    """A control record of before has no such field, and its rules are what they were."""
    old = HEART_RATES[0].model_dump_json(exclude={"rest_at_most"})
    assert WindowRule.model_validate_json(old) == HEART_RATES[0]
