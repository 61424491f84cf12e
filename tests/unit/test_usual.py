"""What is usual for somebody at night, and the rule above it (RULES, *Above the usual*)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream.processor import Processor
from stream.series import LONG_AGO
from stream.usual import NIGHTS, REACH_US, Usual
from tests.logs import Log, episodes, row, worn
from vitals.bounds import USUAL_ABOVE, violation
from vitals.codecs.state import decode, encode
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, HEART_RATE_USUAL, USUAL_MARGIN, Policy, UsualRate
from vitals.policy_edits import edited
from vitals.policy_text import facts

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
MIDNIGHT = int(datetime(2026, 3, 20, tzinfo=UTC).timestamp()) * SECOND_US
NIGHT = UsualRate(above=30)
SHORT = UsualRate(above=30, begins="02:00", ends="02:05", least_us=2 * MINUTE_US, nights=1)
T_US = 10 * SECOND_US


def usual_of(*slots: int) -> Usual:
    """Nights of these slots."""
    found = Usual()
    found.grow(20)
    for slot in slots:
        found.make(slot)
    return found


def sleep(usual: Usual, begin: int, values: list[float], asked: UsualRate = NIGHT, slot: int = 3) -> None:
    """One T each ten seconds from ``begin`` on."""
    for number, value in enumerate(values):
        usual.add(asked, begin + number * T_US, np.array([slot]), np.array([value]))


def rate(usual: Usual, at: int, asked: UsualRate = NIGHT, slot: int = 3) -> float:
    usual.end(at, np.array([slot]))
    return float(usual.rate(asked, at, np.array([slot]))[0])


def night(day: int, hour: float = 2.5) -> int:
    """An instant of a day, UTC."""
    return MIDNIGHT + day * DAY_US + int(hour * HOUR_US)


def test_three_nights_of_an_hour_at_rest_make_a_usual_rate() -> None:
    """One night could be a fever; the median of three is somebody's own."""
    usual = usual_of(3)
    for day, value in enumerate((58.0, 70.0, 61.0)):
        assert np.isnan(rate(usual, night(day, 1)))
        sleep(usual, night(day), [value] * 360)
    assert np.isnan(rate(usual, night(2, 6.99))), "the third is not over"
    assert rate(usual, night(2, 7)) == 61


def test_a_night_of_less_than_an_hour_does_not_count() -> None:
    """359 T are ten seconds too few: somebody who lay awake says little of the usual."""
    usual = usual_of(3)
    for day, count in enumerate((360, 359, 360, 360)):
        sleep(usual, night(day), [60.0] * count)
        assert bool(np.isnan(rate(usual, night(day, 7)))) is (day < 3)
    assert rate(usual, night(3, 7)) == 60


def test_the_median_is_of_whole_beats_and_of_the_middle_two() -> None:
    """floor(m + 0.5), then means of two: quarters of a beat, exactly."""
    usual, asked = usual_of(3), NIGHT.model_copy(update={"nights": 2})
    sleep(usual, night(0), [59.5] * 180 + [61.49] * 180, asked)
    sleep(usual, night(1), [63.0] * 400 + [20.0], asked)
    assert rate(usual, night(1, 7), asked) == (60.5 + 63) / 2


def test_the_middle_of_a_night_is_not_a_third_of_it_and_beats_beyond_all_count_as_the_last() -> None:
    """Most of a night decides, whatever stands before it; 300 and 400 a minute are alike, and no slot is left out."""
    usual, asked = usual_of(3), NIGHT.model_copy(update={"nights": 1})
    sleep(usual, night(0), [50.0] * 130 + [60.0] * 230, asked)
    assert rate(usual, night(0, 7), asked) == 60
    sleep(usual, night(1), [60.0] * 180 + [50.0] * 180, asked)
    assert rate(usual, night(1, 7), asked) == (60 + 55) / 2
    fast = usual_of(3)
    sleep(fast, night(0), [50.0] * 10 + [400.0] * 350, asked)
    assert rate(fast, night(0, 7), asked) == 300


def test_each_has_as_many_nights_as_are_their_own() -> None:
    """Asked together: one of three nights, one of one, one of none; each is asked for two."""
    usual, asked = usual_of(3, 5, 7), NIGHT.model_copy(update={"nights": 2, "least_us": T_US})
    for day, value in enumerate((58.0, 70.0, 61.0)):
        sleep(usual, night(day), [value], asked, slot=3)
    sleep(usual, night(2), [90.0], asked, slot=5)
    usual.end(night(2, 7), np.array([5, 3, 7]))
    found = usual.rate(asked, night(2, 7), np.array([5, 3, 7]))
    assert [None if np.isnan(each) else each for each in found] == [None, 61, None]
    found = usual.rate(asked.model_copy(update={"nights": 1}), night(2, 7), np.array([3, 7, 5]))
    assert [None if np.isnan(each) else each for each in found] == [61, None, 90]


def test_only_who_has_such_a_rule_of_this_metric_has_nights() -> None:
    """900 bytes a patient."""
    usual = usual_of()
    policy = DEFAULT.model_copy(update={"windows": (HEART_RATE_USUAL,)})
    usual.ask(3, DEFAULT, "heart_rate")
    usual.ask(3, policy, "glucose")
    assert usual.count == 0
    usual.ask(3, policy, "heart_rate")
    assert usual.place[:4].tolist() == [0, 0, 0, 1]


def test_snapshots_hold_a_night_so() -> None:
    """A column of another type could not be read any more; a night that is over is none, and leaves nothing."""
    usual, asked = usual_of(3), NIGHT.model_copy(update={"least_us": 2 * T_US})
    sleep(usual, night(0), [60.0, 61.0], asked)
    rows = usual.state(np.array([3]))["nights"]
    assert {name: (column.dtype.str[1:], column.shape) for name, column in rows.items()} == {
        "counts": ("u2", (1, 301)), "until": ("i8", (1,)), "least": ("i4", (1,)),
        "ends": ("i8", (1, NIGHTS)), "twice": ("i2", (1, NIGHTS)),
    }  # fmt: skip
    assert (rows["until"].tolist(), rows["least"].tolist(), int(rows["counts"].sum())) == ([night(0, 7)], [2], 2)
    assert set(rows["ends"][0].tolist()) == {LONG_AGO}
    usual.make(5)
    sleep(usual, night(0), [60.0], asked, slot=5)
    usual.end(night(0, 7), np.array([3]))
    assert usual.state(np.array([5]))["nights"]["until"].tolist() == [night(0, 7)], "nobody asked for it"
    rows = usual.state(np.array([3]))["nights"]
    assert (rows["until"].tolist(), int(rows["counts"].sum())) == ([0], 0)
    assert (rows["ends"][0, :2].tolist(), rows["twice"][0, :2].tolist()) == ([night(0, 7), LONG_AGO], [121, 0])


def test_what_lies_outside_of_the_hours_is_no_night() -> None:
    """[02:00, 07:00) by the zone's clock: 07:00 itself is day."""
    usual, asked = usual_of(3), NIGHT.model_copy(update={"nights": 1, "least_us": T_US})
    for hour, known in ((1.999, False), (7, False), (2, True)):
        fresh = usual_of(3)
        sleep(fresh, night(0, hour), [60.0], asked)
        assert bool(np.isfinite(rate(fresh, night(1, 8), asked))) is known
    sleep(usual, night(0, 6.999), [60.0], asked)
    assert rate(usual, night(0, 7), asked) == 60


def test_the_hours_are_those_of_the_patients_zone() -> None:
    """02:30 in Kathmandu is 20:45 UTC; in summer time Berlin's night is an hour earlier by UTC."""
    for zone, hour in (("Asia/Kathmandu", 20.75), ("Europe/Berlin", 1.0), ("Nowhere/Known", 2.5)):
        usual = usual_of(3)
        asked = NIGHT.model_copy(update={"zone": zone, "nights": 1, "least_us": T_US})
        sleep(usual, night(0, hour), [60.0], asked)
        assert bool(np.isfinite(rate(usual, night(1, hour), asked))) is (zone != "Nowhere/Known")
    usual, asked = usual_of(3), NIGHT.model_copy(update={"zone": "Europe/Berlin", "nights": 1, "least_us": T_US})
    sleep(usual, night(12, 0.5), [60.0], asked)  # 1 April: 02:30 of summer time
    assert rate(usual, night(12, 5), asked) == 60
    assert np.isnan(rate(usual, night(12, 4.99), asked))


def test_only_the_last_fourteen_days_count_and_fourteen_nights_are_kept() -> None:
    """A usual rate of last month would be somebody else's."""
    usual, asked = usual_of(3), NIGHT.model_copy(update={"least_us": T_US})
    for day in range(20):
        sleep(usual, night(day), [50.0 + day], asked)
    assert rate(usual, night(19, 7), asked) == (50 * 2 + 19 + 6) / 2
    last = night(19, 7)
    assert rate(usual, last + REACH_US - 2 * DAY_US - 1, asked) == 68
    assert np.isnan(rate(usual, last + REACH_US - 2 * DAY_US, asked)), "two are too few"
    assert NIGHTS * DAY_US == REACH_US


def test_people_are_apart_and_a_snapshot_numbers_them_anew() -> None:
    """Who has no such rule has no row: the others' rows are dense."""
    usual, asked = usual_of(11, 3), NIGHT.model_copy(update={"nights": 1, "least_us": T_US})
    sleep(usual, night(0), [55.0], asked, slot=3)
    sleep(usual, night(0), [75.0], asked, slot=11)
    usual.end(night(1), np.array([3]))
    state = decode(b"".join(encode({"x": usual.state(np.array([2, 3, 11]))})))["x"]
    again = Usual()
    again.grow(20)
    again.restore(state)
    assert [rate(again, night(1), asked, slot=slot) for slot in (1, 2)] == [55, 75]
    assert again.place[:4].tolist() == [0, 1, 2, 0]


class Sleeper:
    """A log of one person without a count of steps, whose rule asks for no rest."""

    def __init__(self, **changes: Any) -> None:
        update: dict[str, Any] = {"usual": SHORT, "rest_at_most": None, "width_us": MINUTE_US}
        rule = HEART_RATE_USUAL.model_copy(update=update | changes)
        policy: Policy = DEFAULT.model_copy(update={"windows": (rule,)})
        self.log, self.now = Log(), MIDNIGHT + 2 * HOUR_US - MINUTE_US
        self.log.site(1)
        self.log.patient("ann", worn("ann", "wrist-1", "wrist", self.now), policy=policy)
        self.log.tick(self.now)

    def live(self, minutes: int, value: float) -> None:
        for _ in range(6 * minutes):
            self.now += T_US
            seconds = range(9, -1, -1)
            self.log.readings(*(row("ann", value, self.now - at * SECOND_US, metric="heart_rate") for at in seconds))
            self.log.tick(self.now + 2 * SECOND_US)

    def said(self) -> list[tuple[float, str, float | None, str]]:
        """(minutes from midnight, change, limit, reason)."""
        found = episodes(self.log.run(Processor(0, 1)), HEART_RATE_USUAL.name)
        return [((each.at - MIDNIGHT) / MINUTE_US, each.change, each.limit, each.reason) for each in found]


def test_thirty_above_the_usual_opens_and_three_less_ends_it() -> None:
    """The limit shown is the patient's own, and the reason tells what is usual."""
    ann = Sleeper()
    ann.live(7, 58)
    ann.live(3, 88)
    assert ann.said() == []
    ann.live(2, 88.5)
    ann.live(2, 86)
    ann.live(2, 85)
    said = ann.said()
    assert [each[1:] for each in said] == [
        ("open", 88, "usual 58 /min"), ("returning", 88, "usual 58 /min"), ("clear", 88, "usual 58 /min"),
    ]  # fmt: skip


def test_without_known_nights_nothing_is_above_the_usual() -> None:
    """A first night says nothing: silence of the rule, not of the device."""
    ann = Sleeper(usual=SHORT.model_copy(update={"nights": 2}))
    ann.live(7, 58)
    ann.live(8, 120)
    assert ann.said() == []
    assert episodes(ann.log.run(Processor(0, 1)), "signal") == []


def test_who_moves_at_night_has_no_usual_rate() -> None:
    """The rule asks for rest by its own words: without a count of steps there is none."""
    ann = Sleeper(rest_at_most=0)
    ann.live(7, 58)
    ann.live(5, 120)
    assert ann.said() == []


def test_an_episode_whose_nights_are_too_old_is_unknown() -> None:
    """Two weeks later the same rate may be usual; nobody knows."""
    ann = Sleeper()
    ann.live(7, 58)
    ann.live(3, 120)
    ann.now += REACH_US - 5 * MINUTE_US - 30 * SECOND_US  # 02:03:30: what is left of that night is too little
    ann.live(12, 120)
    assert [each[1] for each in ann.said()] == ["open", "unknown", "known", "unknown"]
    assert ann.said()[-1][3] == "no usual rate"


def test_a_restart_in_the_night_counts_it_once() -> None:
    """Half a night twice would be a whole one."""
    ann = Sleeper()
    ann.live(4, 58)
    cut = len(ann.log.keys)
    ann.live(3, 58)
    ann.live(2, 90)
    first, second = Processor(0, 1), Processor(0, 1)
    ann.log.run(first, last=cut)
    second.restore(decode(b"".join(encode(first.state()))))
    found = episodes(ann.log.run(second, first=cut), HEART_RATE_USUAL.name)
    assert [((each.at - MIDNIGHT) / MINUTE_US, each.change) for each in found] == [each[:2] for each in ann.said()]


def test_the_rule_is_its_row_of_the_page_and_off_by_default() -> None:
    """The numbers of a night stand in the text beside it."""
    text = PAGE.read_text()
    (line,) = [each for each in text.splitlines() if each.startswith("| heart rate above the usual")]
    name, on, off, priority, _, hold, _ = (cell.strip() for cell in line.strip("| ").split("|"))
    rule = HEART_RATE_USUAL
    assert rule.usual is not None
    assert (f"W {rule.width_us // MINUTE_US} min, no steps" in name, rule.rest_at_most) == (True, 0)
    assert (on, off) == (f"> usual + {rule.usual.above:g}", f"<= usual + {rule.usual.above - USUAL_MARGIN:g}")
    assert (priority, hold) == (rule.priority, f"{rule.response.hold_us // MINUTE_US} min")
    assert f"shows a time in [{rule.usual.begins}, {rule.usual.ends})" in text
    assert f"({rule.usual.least_us // MINUTE_US} min: {rule.usual.least_us // T_US} of them" in text
    assert f"if they are {rule.usual.nights} at least" in text
    assert rule.name not in [each.name for each in DEFAULT.windows]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["heart_rate_usual.above=14"], "heart_rate_usual usual above is 14: give 15 to 60 /min, a whole number"),
        (["heart_rate_usual.zone=Mars/Olympus"], "heart_rate_usual usual zone 'Mars/Olympus' is unknown"),
        (["heart_rate_usual.steps=none"], "heart_rate_usual rest_at_most is missing"),
        (["heart_rate_usual.above=25", "heart_rate_usual.zone=Europe/Berlin"], ""),
    ],
)
def test_a_policy_says_how_far_above_and_in_whose_nights(changes: list[str], told: str) -> None:
    """As a clinician says it, within the page's bounds."""
    policy = edited(DEFAULT, ["heart_rate_usual=on", *changes])
    assert (violation(policy) or "").startswith(told)
    if not told:
        assert violation(policy) is None
        assert facts(policy)["heart_rate_usual", "limit"] == "> usual + 25 /min"
        assert facts(policy)["heart_rate_usual", "nights"] == "02:00 to 07:00, Europe/Berlin"
    assert f"Above the usual by {USUAL_ABOVE.least} to {USUAL_ABOVE.most} /min" in PAGE.read_text()


def test_other_nights_and_other_rules_are_refused() -> None:
    """A night of a minute would call anything usual, and a high heart rate has its own limit."""
    short = HEART_RATE_USUAL.model_copy(update={"usual": SHORT})
    bare = HEART_RATE_USUAL.model_copy(update={"usual": None})
    high = DEFAULT.windows[0].model_copy(update={"usual": NIGHT})
    said = [violation(DEFAULT.model_copy(update={"windows": (each,)})) for each in (short, bare, high)]
    assert said == [
        "heart_rate_usual usual has other nights: leave begins, ends, least_us and nights out",
        "heart_rate_usual usual is missing: this rule has no other limit",
        "heart_rate_high usual is there: leave it out, this rule has limits of its own",
    ]
