"""Rules that artefact may hold: for how long, by what, and that nothing is lost by it (RULES, *Artefact hold*)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from stream.processor import Processor
from tests.logs import T0, Log, episodes, owners, row, worn
from vitals.bounds import ARTEFACT_SECONDS, violation
from vitals.codecs.state import decode, encode
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, HEART_RATES, Night, Policy
from vitals.policy_edits import edited
from vitals.policy_text import facts
from vitals.readings import Flag
from vitals.topics import patient_id

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"
SHAKES = int(Flag.ARTEFACT)


def held(seconds: int = 60, **changes: object) -> Policy:
    """High heart rate over a minute, > 100, held for so long at most."""
    update = {"width_us": MINUTE_US, "on_above": 100, "off_at_most": 98, "artefact_hold_us": seconds * SECOND_US}
    rule = HEART_RATES[0].model_copy(update=update | changes)
    return DEFAULT.model_copy(update={"windows": (rule,)})


class Wrist:
    """A log of one person with a reading each second; seconds count from T0."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.log, self.second, self.version = Log(), 0, 1
        self.log.site(1)
        self.log.patient("ann", worn("ann", "wrist-1", "wrist", T0), policy=policy or held())
        self.log.tick(T0)

    def rule(self, policy: Policy, device: str = "wrist-1", since: int = 0) -> None:
        """Another policy, or another device."""
        self.version += 1
        item = worn("ann", device, "wrist", T0 + since * SECOND_US)
        self.log.patient("ann", item, policy=policy, version=self.version)

    def live(self, until: int, rate: Callable[[int], float] | float, doubted: Iterable[int] = ()) -> None:
        """Readings up to a second, with those that the device doubts, and a tick after each ten seconds."""
        doubts = set(doubted)
        for end in range(self.second + 10, until + 1, 10):
            rows = [
                row("ann", rate(at) if callable(rate) else rate, T0 + at * SECOND_US, metric="heart_rate",
                    device="wrist-1", flags=SHAKES if at in doubts else 0)
                for at in range(end - 9, end + 1)
            ]  # fmt: skip
            self.log.readings(*rows)
            self.log.tick(T0 + (end + 2) * SECOND_US)
            self.second = end

    def silent(self, until: int) -> None:
        """Only ticks, each second."""
        for at in range(self.second + 3, until + 1):
            self.log.tick(T0 + at * SECOND_US)
        self.second = until

    def said(self) -> list[tuple[float, str, float | None]]:
        """(seconds, change, value) of the rule's episodes, in order."""
        found = episodes(self.log.run(Processor(0, 1)), "heart_rate_high")
        return [((each.at - T0) / SECOND_US, each.change, each.value) for each in found]


def jumping(step: float, base: float = 120) -> Callable[[int], float]:
    """A rate that jumps by so much at each second."""
    return lambda at: base + step * (at % 2)


def test_without_a_hold_the_rule_opens_at_once() -> None:
    """The default policy has none: nothing of it changes."""
    ann = Wrist(held(0))
    ann.live(80, 120, range(1, 81))
    assert ann.said() == [(50, "open", 120)]


def test_a_window_that_is_mostly_doubted_is_held_for_a_minute_at_most() -> None:
    """From the first T at which it would open; the hard bound is the policy's, not the artefact's."""
    for seconds, opens in ((60, 110), (10, 60), (30, 80)):
        ann = Wrist(held(seconds))
        ann.live(140, 120, range(1, 141))
        assert ann.said() == [(opens, "open", 120)]


def test_what_is_held_at_one_site_stops_none_where_nobody_wears_a_band() -> None:
    """A ward of glucose sensors alone ticks meanwhile: there is nobody whose heart rate could be looked at."""
    ann = Wrist()
    ann.log.site(2)
    ann.log.patient("bob", worn("bob", "cgm-1", "t1d-uom-5min", T0), site=2)
    ann.log.tick(T0, [2])
    ann.log.readings(row("bob", 100, T0 + 60 * SECOND_US, site=2))
    ann.live(300, lambda at: 120 if at > 250 else 70, range(251, 301))
    ann.log.tick(T0 + 310 * SECOND_US, [2])
    closed = len(ann.log.records().offsets) - 1
    ann.live(400, 120, range(301, 401))
    outputs = ann.log.run(Processor(0, 1))
    assert [(each.at - T0) // SECOND_US for each in episodes(outputs, "heart_rate_high")] == [350]
    assert owners(each for each in outputs if each.cause.offset == 100 + 3 * closed) == {patient_id("bob").bytes}


def test_half_is_not_most() -> None:
    """25 of 50 readings at T = 50; one more is more than half."""
    for count, opens in ((25, 50), (26, 60)):
        ann = Wrist()
        ann.live(80, 120, range(1, count + 1))
        assert ann.said() == [(opens, "open", 120)]


def test_a_jump_of_more_than_forty_from_one_second_to_the_next_is_suspect() -> None:
    """DOMAIN: no heart does that; 40 itself some might."""
    for step, opens in ((40, 50), (40.001, 110)):
        ann = Wrist()
        ann.live(140, jumping(step))
        assert ann.said()[0][:2] == (opens, "open")


def test_a_jump_across_a_missing_second_is_none() -> None:
    """Between readings two seconds apart a heart may change that much."""
    ann = Wrist()
    for end in range(10, 150, 10):
        rows = [
            row("ann", 120 if at % 4 < 2 else 170, T0 + at * SECOND_US, metric="heart_rate")
            for at in range(end - 9, end + 1)
            if at % 4 != 1
        ]
        ann.log.readings(*rows)
        ann.log.tick(T0 + (end + 2) * SECOND_US)
    assert ann.said()[0][:2] == (60, "open"), "two of three differ, one of three within a second"


def test_it_opens_when_the_artefact_has_left_most_of_the_window() -> None:
    """At T = 90 thirty of sixty are doubted: that is half."""
    ann = Wrist()
    ann.live(140, 120, range(1, 61))
    assert ann.said() == [(90, "open", 120)]


def test_a_heart_that_calms_down_meanwhile_calls_nobody() -> None:
    """That is what a hold is for; and the next one counts anew."""
    ann = Wrist()
    ann.live(60, 140, range(1, 61))
    ann.live(300, 80, range(281, 301))
    ann.live(400, 140, range(301, 401))
    assert ann.said() == [(390, "open", 140)], "held at 330, the first T with a median beyond"


def test_artefact_and_then_silence_calls_all_the_same() -> None:
    """A band that slips off a racing heart: at the bound by the site's clock, then unknown as any other."""
    ann = Wrist()
    ann.live(50, 120, range(1, 51))
    ann.silent(111)
    assert ann.said() == []
    ann.silent(140)
    assert ann.said() == [(110, "open", 120), (122, "unknown", 120)]


def test_a_jump_of_the_clock_releases_what_is_due() -> None:
    """All that it passed is evaluated first; what nothing opened or ended opens at its own instant."""
    ann = Wrist()
    ann.live(50, 120, range(1, 51))
    ann.log.tick(T0 + 900 * SECOND_US)
    assert ann.said() == [(110, "open", 120), (122, "unknown", 120)]
    calm = Wrist()
    calm.live(50, 120, range(1, 51))
    calm.log.readings(*(row("ann", 70, T0 + at * SECOND_US, metric="heart_rate") for at in range(51, 131)))
    calm.log.tick(T0 + 132 * SECOND_US)
    assert calm.said() == []


def test_another_device_and_no_rule_end_a_hold() -> None:
    """What is held is of who wore what, by a rule that there is."""
    for policy, device, since in ((held(), "wrist-2", 55), (DEFAULT.model_copy(update={"windows": ()}), "wrist-1", 0)):
        ann = Wrist()
        ann.live(50, 120, range(1, 51))
        ann.rule(policy, device, since)
        ann.silent(200)
        assert ann.said() == []


def test_a_policy_that_changes_the_rule_moves_no_bound() -> None:
    """Else a change, or a nightfall, would hold a racing heart for two minutes, and two changes for three."""
    for changes in ({"priority": "low"}, {"on_above": 110, "off_at_most": 105}, {"width_us": 2 * MINUTE_US}):
        ann = Wrist()
        ann.live(90, 120, range(1, 91))
        ann.rule(held(**changes))
        ann.live(200, 120, range(91, 201))
        assert ann.said() == [(110, "open", 120)]


def test_a_longer_hold_is_for_the_next_opening_and_a_shorter_one_for_this() -> None:
    """A bound never moves away from what is held."""
    for first, then, opens in ((30, 60, 80), (60, 30, 80), (60, 10, 70), (60, 0, 70)):
        ann = Wrist(held(first))
        ann.live(60, 120, range(1, 61))
        ann.rule(held(then))
        ann.live(140, 120, range(61, 141))
        assert ann.said() == [(opens, "open", 120)]


def test_a_night_that_falls_into_a_hold_moves_no_bound() -> None:
    """22:15 is a nightfall as any other: what artefact holds at 22:14:50 calls by 22:15:50."""
    hour = (T0 // (60 * MINUTE_US)) % 24
    quiet = held(priority="low")
    night = Night(zone="Etc/UTC", begins=f"{hour:02}:16", ends="23:59", windows=quiet.windows)
    ann = Wrist(held().model_copy(update={"night": night}))
    assert T0 % (60 * MINUTE_US) == 15 * MINUTE_US
    ann.live(200, 120, range(1, 201))
    assert ann.said() == [(110, "open", 120)]
    assert episodes(ann.log.run(Processor(0, 1)), "heart_rate_high")[0].priority == "low"


def test_what_is_held_calls_after_a_change_and_silence_if_the_new_limit_is_crossed() -> None:
    """With the new limit and priority, by the window that was seen; a value that is fine now calls nobody."""
    ann = Wrist()
    ann.live(50, 120, range(1, 51))
    ann.rule(held(on_above=110, off_at_most=108, width_us=2 * MINUTE_US, priority="low"))
    ann.silent(111)
    assert ann.said() == []
    ann.silent(140)
    assert ann.said() == [(110, "open", 120), (112, "unknown", 120)]
    opened = episodes(ann.log.run(Processor(0, 1)), "heart_rate_high")[0]
    assert (opened.limit, opened.priority, opened.level) == (110, "low", 1)
    assert opened.evidence is not None
    assert opened.evidence.window is not None
    assert opened.evidence.window.end - opened.evidence.window.begin == MINUTE_US
    calm = Wrist()
    calm.live(50, 120, range(1, 51))
    calm.rule(held(on_above=130, off_at_most=128))
    calm.silent(200)
    assert calm.said() == []


def test_a_record_that_changes_nothing_of_the_rule_leaves_the_hold() -> None:
    """Somebody moved to another bed: the bound still counts from the first T."""
    ann = Wrist()
    ann.live(70, 120, range(1, 71))
    ann.rule(held())
    ann.live(140, 120, range(71, 141))
    assert ann.said() == [(110, "open", 120)]


def test_flags_are_kept_from_the_rule_on() -> None:
    """900 bytes for who needs them: what came before counts as not doubted."""
    ann = Wrist(held(0, on_above=200, off_at_most=198))
    ann.live(60, 120, range(1, 61))
    ann.rule(held())
    ann.live(80, 120, range(61, 81))
    assert ann.said() == [(70, "open", 120)]


def test_of_two_readings_in_one_second_the_first_decides_about_the_flag() -> None:
    """As about the value: the second is in no window."""
    for first, opens in ((SHAKES, 60), (0, 50)):
        ann = Wrist(held(10))
        for at in range(1, 81):
            for flags in (first, SHAKES - first):
                observed = T0 + at * SECOND_US - (500_000 if flags == first else 0)
                ann.log.readings(row("ann", 120, observed, metric="heart_rate", flags=flags))
            if at % 10 == 0:
                ann.log.tick(T0 + (at + 2) * SECOND_US)
        assert ann.said() == [(opens, "open", 120)]


def test_a_snapshot_keeps_what_is_held_and_what_is_doubted() -> None:
    """A restart in the middle neither calls sooner nor later."""
    ann = Wrist()
    ann.live(50, 120, range(1, 51))
    cut = len(ann.log.keys)
    ann.live(80, 120, range(51, 81))
    ann.silent(160)
    first, second = Processor(0, 1), Processor(0, 1)
    ann.log.run(first, last=cut)
    second.restore(decode(b"".join(encode(first.state()))))
    found = episodes(ann.log.run(second, first=cut), "heart_rate_high")
    assert [((each.at - T0) / SECOND_US, each.change) for each in found] == [(110, "open"), (152, "unknown")]


def test_a_policy_says_how_long_artefact_may_hold() -> None:
    """As a clinician says it, within the page's bounds."""
    policy = edited(DEFAULT, ["heart_rate_high.artefact=0.5"])
    assert violation(policy) is None
    assert policy.windows[0].artefact_hold_us == 30 * SECOND_US
    assert facts(policy)["heart_rate_high", "held in artefact"] == "at most 30 s"
    assert ("heart_rate_high", "held in artefact") not in facts(DEFAULT)
    assert edited(policy, ["heart_rate_high.artefact=none"]) == DEFAULT
    least, most = ARTEFACT_SECONDS
    assert f"An artefact hold is none, or {least} to {most} s in whole steps of 10 s" in PAGE.read_text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("heart_rate_high.artefact=1.5", "heart_rate_high artefact_hold_us is 90 s: give 10 to 60 s (µs in a file)"),
        ("heart_rate_high.artefact=0.25", "heart_rate_high artefact_hold_us is 15 s: give 0, or whole steps of 10 s"),
        ("heart_rate_extreme.artefact=0.5",
         "heart_rate_extreme artefact_hold_us is there: leave it out, this rule may not wait for artefact to end"),
    ],
)  # fmt: skip
def test_what_nobody_may_ask_of_a_hold(change: str, told: str) -> None:
    """An extreme heart rate is never held, and nothing for longer than a minute."""
    assert (violation(edited(DEFAULT, [change])) or "").startswith(told)
