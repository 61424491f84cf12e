"""The heart-rate rules: medians at each whole ten seconds, from a log to the words of an episode."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import pytest

from stream.evaluations import due, last_due
from stream.processor import Processor
from stream.verdicts import calm, limit_of
from tests.logs import LATE, T0, Log, episodes, row, worn
from vitals.control import WornDevice
from vitals.devices import DEVICE_TYPES
from vitals.journal import Episode, Mark
from vitals.journal import decode as decode_journal
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, HEART_RATES
from vitals.topics import JOURNAL

HIGH, LOW, EXTREME = HEART_RATES


def wrist(interval: int = 1, until: int | None = None) -> WornDevice:
    """A wrist device that sends each so many seconds, bound at T0."""
    item = worn("ann", "wrist-1", "wrist", T0, until)
    stream = item.type.streams[0].model_copy(update={"interval_us": interval * SECOND_US})
    return item.model_copy(update={"type": item.type.model_copy(update={"streams": (stream,)})})


class Person:
    """A log of one person; seconds count from T0."""

    def __init__(self, interval: int = 1) -> None:
        self.log, self.interval = Log(), interval
        self.log.site(1)
        self.log.patient("ann", wrist(interval))
        self.log.tick(T0)

    def beat(self, first: int, last: int, value: float, *, every: int | None = None, flags: int = 0) -> None:
        """Readings after ``first`` up to ``last``, and after each ten seconds the tick that evaluates them."""
        step = every or self.interval
        for end in range(first, last, 10):
            seconds = [at for at in range(end + 1, min(end + 10, last) + 1) if at % step == 0]
            self.read(seconds, value, flags=flags)
            self.tick(min(end + 10, last) + 2)

    def read(self, seconds: Iterable[int], value: float, *, flags: int = 0) -> None:
        """Readings at these seconds, in one record."""
        rows = [row("ann", value, T0 + at * SECOND_US, metric="heart_rate", flags=flags) for at in seconds]
        if rows:
            self.log.readings(*rows)

    def tick(self, second: int) -> None:
        self.log.tick(T0 + second * SECOND_US)

    def said(self, rule: str) -> list[tuple[float, str, str, float | None]]:
        """(seconds, change, condition, value) of a rule's episodes."""
        found = episodes(self.log.run(Processor(0, 1)), rule)
        return [((each.at - T0) / SECOND_US, each.change, each.condition, each.value) for each in found]

    def episodes(self, rule: str) -> list[Episode]:
        return episodes(self.log.run(Processor(0, 1)), rule)


def test_a_high_heart_rate_opens_at_the_first_ten_seconds_with_seven_minutes() -> None:
    """70 % of ten minutes; the median of a fast heart is beyond the limit from there on."""
    ann = Person()
    ann.beat(0, 440, 131)
    (episode,) = ann.episodes("heart_rate_high")
    at = T0 + 420 * SECOND_US
    assert (episode.at, episode.value_at, episode.since, episode.opened_at) == (at, at, at, at)
    assert (episode.value, episode.limit, episode.level, episode.unit) == (131, 130, 1, "/min")
    assert (episode.category, episode.priority, episode.response) == ("physiological", "medium", HIGH.response)
    assert episode.device == "wrist-1"


def test_the_limit_itself_is_not_beyond() -> None:
    """> 130, <= 40: the table's signs."""
    for value, rule, opens in ((130, "heart_rate_high", False), (40, "heart_rate_low", True)):
        ann = Person()
        ann.beat(0, 440, value)
        assert bool(ann.said(rule)) is opens


def test_the_median_of_an_even_count_is_the_mean_of_the_middle_two() -> None:
    """RULES, *Heart rate*; with the lower of both a heart at 120 and 142 by turns would never alarm."""
    ann = Person()
    for end in range(0, 430, 10):
        ann.read(range(end + 1, end + 6), 120)
        ann.read(range(end + 6, end + 11), 142)
        ann.tick(end + 12)
    assert ann.said("heart_rate_high")[0] == (420, "open", "active", 131)


def test_between_the_limits_it_returns_and_beyond_again_it_is_active() -> None:
    """The band between on and off ends chatter at the edge; only off is over."""
    ann = Person()
    ann.beat(0, 430, 140)
    ann.beat(430, 1000, 129)
    ann.beat(1000, 1400, 135)
    ann.beat(1400, 2100, 127)
    assert [each[1:3] for each in ann.said("heart_rate_high")] == [
        ("open", "active"),
        ("returning", "returning"),
        ("active", "active"),
        ("clear", "over"),
    ]


def test_an_extreme_heart_rate_needs_six_evaluations_in_a_row() -> None:
    """One minute of artefact is not an emergency; ``since`` is the first of them."""
    ann = Person()
    ann.beat(0, 100, 70)
    ann.beat(100, 300, 170)
    (episode,) = ann.episodes("heart_rate_extreme")
    assert ((episode.at - T0) / SECOND_US, (episode.since - T0) / SECOND_US) == (190, 140)
    assert (episode.limit, episode.value) == (150, 170)


def test_an_evaluation_that_is_missing_breaks_the_row() -> None:
    """Six successive T are six, not five and one a minute later."""
    ann = Person()
    ann.beat(0, 80, 170)  # 70 % of a minute at 50, 60 ... 90: five
    ann.tick(152)
    ann.beat(150, 230, 170)
    ann.beat(230, 260, 170)
    assert ann.said("heart_rate_extreme")[0][:2] == (250, "open")


@pytest.mark.parametrize(("off", "opens"), [(None, 100), (45, 100), (75, 130), (101, 150), (105, 100)])
def test_a_rule_that_was_off_for_a_moment_begins_its_row_anew(off: int | None, opens: int) -> None:
    """Nobody asked for it meanwhile; what it had counted is gone with it, whoever else has a rule of that name."""
    without = DEFAULT.model_copy(update={"windows": (HIGH, LOW), "version": 2})
    for others in ((), ("bob",)):
        ann = Person()
        for name in others:
            ann.log.patient(name, worn(name, f"{name}-wrist", "wrist", T0))
        for end in range(10, 160, 10):
            if off is not None and end - 10 <= off - 2 < end:
                ann.log.patient("ann", wrist(), version=2, policy=without)
                ann.log.patient("ann", wrist(), version=3, policy=DEFAULT.model_copy(update={"version": 3}))
            ann.beat(end - 10, end, 160)
        assert [each[:2] for each in ann.said("heart_rate_extreme")][:1] == [(opens, "open")]


def test_an_extreme_that_swings_from_too_fast_to_too_slow_shows_the_limit_last_crossed() -> None:
    """One episode: what is wrong is the same heart; the number shown must fit the limit beside it."""
    ann = Person()
    ann.beat(0, 200, 170)
    ann.beat(200, 300, 30)
    ann.beat(300, 400, 36)
    found = ann.episodes("heart_rate_extreme")
    assert [(each.change, each.limit, each.value) for each in found] == [
        ("open", 150, 170),
        ("returning", 150, 100),
        ("active", 35, 30),
        ("returning", 35, 36),
    ]


def test_an_extreme_is_over_after_six_evaluations_within() -> None:
    """38 to 147 at six T; until then it is returning and nobody is called again."""
    ann = Person()
    ann.beat(0, 150, 170)
    ann.beat(150, 300, 100)
    found = ann.said("heart_rate_extreme")
    assert [each[:3] for each in found] == [
        (100, "open", "active"),
        (180, "returning", "returning"),
        (230, "clear", "over"),
    ]


def test_a_minute_without_an_evaluation_is_unknown() -> None:
    """Nothing clears: the last median stays on the screen with its age. The next evaluation ends it."""
    ann = Person()
    ann.beat(0, 430, 140)
    ann.tick(560)
    ann.beat(560, 700, 140)
    found = ann.said("heart_rate_high")
    assert [each[1:] for each in found] == [
        ("open", "active", 140),
        ("unknown", "unknown", 140),
        ("known", "active", 140),
    ]
    # readings up to 430: a fresh one lies within 30 s of every T before 460
    assert found[1][0] == 450 + 62
    assert found[2][0] == 570, "ten minutes are still 70 % full"


def test_a_jump_of_the_clock_tells_the_unknown_minute_that_it_passed() -> None:
    """A site that ticks again after its readings came through looks no calmer than one that ticked all along."""
    ann = Person()
    ann.beat(0, 430, 140)
    ann.read(range(560, 700), 140)
    ann.tick(702)
    assert [each[:2] for each in ann.said("heart_rate_high")] == [(420, "open"), (512, "unknown"), (560, "known")]


def test_only_late_readings_move_nothing() -> None:
    """Last hour's tachycardia, sent in one burst, must not page as if it were now."""
    ann = Person()
    ann.beat(0, 700, 170, flags=LATE)
    assert ann.said("heart_rate_high") == []
    ann.beat(700, 710, 60)
    assert ann.said("heart_rate_high")[0][1:3] == ("open", "active"), "they count in a window that is now"


@pytest.mark.parametrize(("interval", "opens"), [(1, 420), (5, 420), (7, 420), (60, 420), (300, 600)])
def test_seventy_per_cent_of_the_slots_of_the_devices_own_interval(interval: int, opens: int) -> None:
    """A device of five minutes fills ten minutes with two readings; one of a second needs 420 of them."""
    ann = Person(interval)
    ann.beat(0, 700, 140)
    assert ann.said("heart_rate_high")[0][0] == pytest.approx(opens, abs=10)


def test_two_readings_in_one_slot_fill_one() -> None:
    """A burst of a device of five seconds is not seven minutes of data."""
    ann = Person(5)
    for end in range(0, 600, 20):
        ann.read(range(end + 1, end + 6), 140)
        ann.tick(end + 12)
        ann.tick(end + 22)
    assert ann.said("heart_rate_high") == []


def test_a_rule_applies_where_its_window_holds_two_intervals() -> None:
    """One reading is no median; the page says that the rule does not apply."""
    assert [EXTREME.applies(seconds * SECOND_US) for seconds in (1, 30, 31)] == [True, True, False]
    assert [HIGH.applies(minutes * MINUTE_US) for minutes in (5, 6)] == [True, False]
    ann = Person(40)
    ann.beat(0, 900, 170)
    assert ann.said("heart_rate_extreme") == []
    assert ann.said("heart_rate_high") != []


def test_a_removed_device_leaves_the_episode_unknown_until_a_new_one_decides() -> None:
    """The readings of the old one are still in the window; they are not of whoever wears the new one."""
    ann = Person()
    ann.beat(0, 430, 140)
    ann.log.patient("ann", wrist(until=T0 + 431 * SECOND_US), version=2)
    ann.beat(431, 499, 140)
    again = worn("ann", "wrist-2", "wrist", T0 + 500 * SECOND_US)
    ann.log.patient("ann", again, version=3)
    ann.tick(512)
    found = ann.episodes("heart_rate_high")
    assert [(each.change, each.reason) for each in found] == [("open", ""), ("unknown", "device removed")]
    ann.beat(510, 520, 140)
    assert ann.said("heart_rate_high")[-1][:2] == (520, "known")


def test_somebody_may_close_what_a_removed_device_left_open() -> None:
    """No evaluation will ever end it; a rule that is gone meanwhile goes with it."""
    ann = Person()
    ann.beat(0, 430, 140)
    off = wrist(until=T0 + 431 * SECOND_US)
    ann.log.patient("ann", off, version=2)
    ann.tick(440)
    bare = DEFAULT.model_copy(update={"version": 2, "windows": ()})
    ann.log.patient("ann", off, version=3, policy=bare, closings=1)
    ann.log.patient("ann", worn("ann", "wrist-2", "wrist", T0 + 450 * SECOND_US), version=4, policy=bare, closings=1)
    ann.tick(600)
    found = ann.episodes("heart_rate_high")
    assert [(each.change, each.reason) for each in found] == [
        ("open", ""),
        ("unknown", "device removed"),
        ("clear", "closed"),
    ]
    assert (found[-1].at - T0) // SECOND_US == 440


def test_a_rule_that_a_policy_drops_ends_its_episode() -> None:
    """Else it could never end; the rules that stay go on."""
    ann = Person()
    ann.beat(0, 430, 140)
    policy = DEFAULT.model_copy(update={"version": 2, "windows": (EXTREME,)})
    ann.log.patient("ann", wrist(), version=2, policy=policy)
    ann.beat(430, 900, 140)
    assert [each[:2] for each in ann.said("heart_rate_high")] == [(420, "open"), (440, "clear")]


def test_a_change_of_rules_shows_with_the_next_change_whatever_that_is() -> None:
    """A rule made more urgent while an episode of it is open calls so when the band slips off, too: silence and the
    minute without an evaluation look at no median that would bring the new rule.
    """
    ann = Person()
    ann.beat(0, 430, 140)
    urgent = HIGH.model_copy(update={"priority": "low", "response": EXTREME.response})
    policy = DEFAULT.model_copy(update={"version": 2, "windows": (urgent,)})
    ann.log.patient("ann", wrist(), version=2, policy=policy)
    for second in range(432, 800, 10):
        ann.tick(second)
    opened, unknown = ann.episodes("heart_rate_high")
    assert (opened.change, opened.priority, opened.policy) == ("open", "medium", 1)
    assert (unknown.change, unknown.priority, unknown.policy) == ("unknown", "low", 2)
    assert unknown.response == EXTREME.response
    (silence,) = ann.episodes("signal")
    assert silence.priority == "low", "never below an open episode's, which is low now"


def test_silence_is_never_below_an_open_heart_rate_episode() -> None:
    """No data while the last minute was at 170 is as urgent as that was."""
    ann = Person()
    ann.beat(0, 150, 170)
    ann.tick(1000)
    (signal,) = ann.episodes("signal")
    assert (signal.change, signal.priority) == ("open", "medium")


def test_a_jump_of_days_evaluates_no_more_than_the_rings_hold() -> None:
    """A replay with a hole of a month would else stand still for its group's patience."""
    month = 30 * 24 * 60 * MINUTE_US
    first, last = np.array([T0, T0 + month // 2]), np.array([T0 + 15 * MINUTE_US, T0 + month // 2 + 15 * MINUTE_US])
    assert len(due(T0, T0 + month, first, last)) == 90 + 91
    assert due(T0, T0 + month, last[:0], last[:0]) == []
    assert due(T0, T0 + 13 * SECOND_US, first, last) == [T0 + 10 * SECOND_US]
    assert last_due(T0 + 12 * SECOND_US - 1) == T0


def test_no_median_between_the_calm_limits_turns_any_rule_on() -> None:
    """Medians of calm rings are not even computed: a limit outside the calm zone would hide an alarm."""
    least, most = calm([HIGH, LOW, EXTREME])
    assert ((least - 1) / 1000, (most - 1) / 1000) == pytest.approx((43, 127), abs=0.002)
    assert all(limit_of(rule, (cell - 1) / 1000) is None for rule in HEART_RATES for cell in (least, most))
    assert calm([]) == (0, np.iinfo(np.int32).max)


def test_marks_say_whose_time_it_is() -> None:
    """A simulated hour must not count as a screen that was too slow; without a word it is real."""
    log = Log()
    log.site(1)
    clocks: tuple[Literal["real", "simulated"] | None, ...] = (None, "simulated", None, "real")
    for at, clock in enumerate(clocks):
        if clock is not None:
            log.clock(clock)
        log.tick(T0 + at * SECOND_US)
    outputs = [each for each in log.run(Processor(0, 1)) if each.topic == JOURNAL]
    marks = [mark for mark in (decode_journal(each.value) for each in outputs) if isinstance(mark, Mark)]
    assert [mark.simulated for mark in marks] == [False, True, True, False]


def test_a_battery_is_stored_and_judged_by_nobody() -> None:
    """No rule, no window, no silence; it is not a row that nobody knows either."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "ward-1", "ward", T0))
    log.tick(T0)
    log.readings(row("ann", 3, T0 + SECOND_US, metric="battery"))
    log.tick(T0 + MINUTE_US)
    processor = Processor(0, 1)
    assert {each.key for each in log.run(processor)} == {b"mark"}
    assert (processor.counters.readings, processor.counters.unbound) == (1, 0)
    assert DEVICE_TYPES["ward"].stream("battery") is not None
