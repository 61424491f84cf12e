"""The NEWS2 pulse sub-score: its bands, and the rule on it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from dashboards.tiles import limits_of
from stream.processor import Processor
from stream.verdicts import limit_of
from tests.logs import T0, Log, episodes, row, worn
from vitals import news2
from vitals.bounds import NEWS2_SUCCESSIVE, violation
from vitals.errors import InputError
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.news2 import pulse_score
from vitals.policies import DEFAULT, HEART_RATE_NEWS2, HEART_RATES
from vitals.policy_edits import edited
from vitals.policy_text import facts

DOCS = Path(__file__).resolve().parents[2] / "docs"
RULES, DOMAIN = (DOCS / "rules.md").read_text(), (DOCS / "domain.md").read_text()


def test_whole_rates_have_the_bands_of_the_college() -> None:
    """DOMAIN's line, each edge of it."""
    (line,) = [each for each in DOMAIN.splitlines() if each.startswith("- NEWS2 pulse sub-score")]
    bands = re.findall(r"(<= |>= |\d+-)(\d+): (\d)", line)
    assert len(bands) == 6
    for first, last, score in bands:
        edges = [int(last)] if first in {"<= ", ">= "} else [int(first[:-1]), int(last)]
        assert [pulse_score(edge) for edge in edges] == [int(score)] * len(edges)
    assert [pulse_score(rate) for rate in (0, 300)] == [3, 3]


@pytest.mark.parametrize(
    ("median", "score"), [(40.001, 1), (50.001, 0), (90.001, 1), (110.001, 2), (130.001, 3), (40, 3), (130, 2)]
)
def test_a_median_between_two_bands_lies_beyond_the_edge(median: float, score: int) -> None:
    """> 130 is the three-point edge of the rules of heart rate, too: one page has one edge."""
    assert pulse_score(median) == score
    for most, points in news2.BANDS:
        assert f"at most {most:g}: {points}" in RULES


def test_the_rule_turns_on_where_the_sub_score_is_reached() -> None:
    """The limits of the rule are the bands, for either sub-score and every rate."""
    for least in news2.ABOVE:
        rule = news2.with_score(HEART_RATE_NEWS2, least)
        assert news2.asked(rule) == least
        for rate in np.arange(20, 200, 0.5).tolist():
            assert (limit_of(rule, rate) is not None) == (pulse_score(rate) >= least)
    assert news2.asked(HEART_RATE_NEWS2.model_copy(update={"on_above": 120})) is None


def test_the_rule_is_its_row_of_the_page_and_off_by_default() -> None:
    """High and low say the same of most people: two calls for one heart would be one too many."""
    (line,) = [each for each in RULES.splitlines() if each.startswith("| NEWS2 pulse sub-score, ")]
    name, on, off, priority, repeat, hold, escalation = (cell.strip() for cell in line.strip("| ").split("|"))
    rule = HEART_RATE_NEWS2
    assert f"W {rule.width_us // MINUTE_US} min" in name
    assert f"> {rule.on_above:g} or <= {rule.on_at_most:g}" == on
    assert f"{rule.off_at_least:g}-{rule.off_at_most:g}" == off
    assert (rule.priority, rule.response) == (priority, HEART_RATES[0].response)
    assert (repeat, hold, escalation) == ("15 min", "30 min", "15 min / -")
    assert rule.name not in [each.name for each in DEFAULT.windows]


def test_a_sub_score_of_two_may_have_to_last() -> None:
    """``for`` is minutes of evaluations in a row; the limits are the sub-score's and cannot be set apart."""
    policy = edited(DEFAULT, ["heart_rate_news2=on", "heart_rate_news2.score=2", "heart_rate_news2.for=2"])
    (rule,) = [each for each in policy.windows if each.name == news2.RULE]
    assert violation(policy) is None
    assert (rule.on_above, rule.off_at_most, rule.on_at_most, rule.successive) == (110, 107, 40, 12)
    assert facts(policy)[news2.RULE, news2.NAME] == "from 2"
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "wrist-1", "wrist", T0), policy=policy)
    log.tick(T0)
    for end in range(10, 700, 10):
        seconds = range(end - 9, end + 1)
        log.readings(*(row("ann", 115, T0 + at * SECOND_US, metric="heart_rate") for at in seconds))
        log.tick(T0 + (end + 2) * SECOND_US)
    (episode,) = episodes(log.run(Processor(0, 1)), news2.RULE)
    assert ((episode.at - T0) / SECOND_US, (episode.since - T0) / SECOND_US) == (530, 420)
    assert (episode.value, episode.limit, pulse_score(115)) == (115, 110, 2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("heart_rate_news2.score=1", "no sub-score that a rule can ask for"),
        ("heart_rate_news2.score=2.5", "give 2 or 3"),
        ("heart_rate_news2.above=120", "heart_rate_news2 has score, for, steps, artefact, priority"),
    ],
)
def test_what_is_no_sub_score(change: str, told: str) -> None:
    """A rule called after the score must not turn on anywhere else."""
    with pytest.raises(InputError) as raised:
        edited(edited(DEFAULT, ["heart_rate_news2=on"]), [change])
    assert told in str(raised.value)


def test_bounds_know_the_edges_and_an_hour() -> None:
    """Whoever sends a whole policy gets the same answer as who changes a word of it."""

    def said(**changes: object) -> str:
        rule = HEART_RATE_NEWS2.model_copy(update=changes)
        return violation(DEFAULT.model_copy(update={"windows": (*HEART_RATES, rule)})) or ""

    assert said(successive=360) == said() == ""
    assert said(successive=361).startswith("heart_rate_news2 successive is beyond its bounds: give 1 to 360")
    assert said(on_above=120, off_at_most=117) == "heart_rate_news2 on_above is 120: give 110 or 130 /min"
    assert said(on_at_most=45, off_at_least=50).startswith("heart_rate_news2 on_at_most is 45: give 40 /min")
    least, most = NEWS2_SUCCESSIVE
    assert f"heart_rate_news2 for {least} to {most}" in RULES


def test_its_limits_are_not_drawn_as_those_of_the_heart_rate() -> None:
    """A tile's line at 110 would look like an alarm limit of the value, and a rule of rest like one while walking."""
    policy = edited(DEFAULT, ["heart_rate_news2=on", "heart_rate_news2.score=2", "heart_rate_rest=on"])
    assert limits_of(policy, "heart_rate", SECOND_US) == limits_of(DEFAULT, "heart_rate", SECOND_US)
