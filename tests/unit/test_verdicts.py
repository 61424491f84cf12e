"""What a median says to a window rule, and what an open episode of one shows; RULES, *Heart rate*."""

from __future__ import annotations

import numpy as np
import pytest

from stream.panes import COLD
from stream.verdicts import NEITHER, OFF, ON, Shown, calm, limit_of, says_to, seen
from tests.logs import T0
from vitals.metrics import SECOND_US
from vitals.policies import HEART_RATES, WindowRule

HIGH, LOW, EXTREME = HEART_RATES
AT, SINCE = T0 + 90 * SECOND_US, T0 + 40 * SECOND_US


def limits(**fields: float | None) -> WindowRule:
    """A rule with these limits only."""
    none = dict.fromkeys(("on_above", "on_below", "on_at_most", "off_at_most", "off_at_least"))
    return HIGH.model_copy(update=none | fields)


@pytest.mark.parametrize(
    ("rule", "value", "limit"),
    [
        (HIGH, 130.5, 130),
        (HIGH, 130, None),
        (LOW, 40, 40),
        (LOW, 40.5, None),
        (EXTREME, 150.5, 150),
        (EXTREME, 150, None),
        (EXTREME, 34.5, 35),
        (EXTREME, 35, None),
        (limits(on_above=100, on_below=90, on_at_most=80), 80, 90),
        (limits(on_above=100, on_at_most=80), 80, 80),
        (limits(), 300, None),
    ],
)
def test_a_median_crosses_the_limit_that_turned_the_rule_on(rule: WindowRule, value: float, limit: float | None):
    """Above 130 and below 35 are beyond, 40 itself is: an alarm that shows a limit must not be on its right side."""
    assert limit_of(rule, value) == limit


@pytest.mark.parametrize(
    ("rule", "values", "words"),
    [
        (HIGH, [130.5, 130, 127.5, 127, 30], [ON, NEITHER, NEITHER, OFF, OFF]),
        (LOW, [39.5, 40, 40.5, 42.5, 43, 200], [ON, ON, NEITHER, NEITHER, OFF, OFF]),
        (
            EXTREME,
            [150.5, 150, 147.5, 147, 100, 38, 37.5, 35, 34.5],
            [ON, NEITHER, NEITHER, OFF, OFF, OFF, NEITHER, NEITHER, ON],
        ),
        (limits(), [0, 300], [OFF, OFF]),
        (None, [0, 300], [OFF, OFF]),
        (limits(on_above=100, off_at_most=120), [110], [ON]),
        (limits(on_above=130, on_below=50, on_at_most=60), [131, 100, 60, 49], [ON, OFF, ON, ON]),
    ],
)
def test_a_median_says_on_off_or_neither(rule: WindowRule | None, values: list[float], words: list[int]):
    """Between on and off an episode stays as it is; a rule that is gone, or has no limit, is off at any value."""
    found = says_to(rule, np.array(values, np.float64))
    assert (found.tolist(), found.dtype) == (words, np.dtype(np.int8))


def test_the_words_are_told_apart():
    """Snapshots hold them as numbers."""
    assert (NEITHER, ON, OFF) == (0, 1, 2)


def test_a_median_is_calm_where_every_rule_is_off():
    """Whoever is calm is not looked at: 43 to 127 for the rules of RULES' table, a thousandth inside at the least."""
    assert calm(list(HEART_RATES)) == (43_002, 127_000)
    assert calm([HIGH]) == (0, 127_000)
    assert calm([LOW]) == (43_002, COLD)
    assert calm([EXTREME]) == (38_002, 147_000)


def test_without_rules_every_median_is_calm():
    """A device too slow for any of them: nobody looks at its ring."""
    assert calm([]) == calm([limits()]) == (0, COLD)


@pytest.mark.parametrize(
    ("rule", "cells"),
    [
        (limits(on_above=99.5), (0, 99_500)),
        (limits(on_above=99.0004), (0, 99_000)),
        (limits(off_at_most=90, on_above=99), (0, 90_000)),
        (limits(on_below=50), (50_002, COLD)),
        (limits(on_at_most=50.0001), (50_003, COLD)),
        (limits(on_below=40, off_at_least=45.5), (45_502, COLD)),
        (limits(on_below=45, on_at_most=46, off_at_least=40), (46_002, COLD)),
        (limits(on_above=1e9), (0, COLD)),
        (limits(on_above=-5), (0, 0)),
        (limits(on_below=-5), (0, COLD)),
    ],
)
def test_no_limit_lies_in_the_calm_zone(rule: WindowRule, cells: tuple[int, int]):
    """Each limit counts, the innermost decides, and a cell is a thousandth and one more; none is below 0."""
    assert calm([rule]) == cells


def test_an_episode_opens_at_its_evaluation_and_is_since_the_first_of_its_row():
    """Six T in a row open an extreme: people ask since when, and how far beyond."""
    assert seen(None, EXTREME, 151.5, (AT, SINCE), 150) == Shown(EXTREME, AT, SINCE, 151.5, AT, 150, beyond=True)


def test_an_open_episode_keeps_when_it_opened_and_shows_the_last_median():
    """Within the limit it still shows the one that was crossed last; beyond another one, that one."""
    open_now = Shown(EXTREME, T0, T0 - 5, 151.5, T0, 150, beyond=True)
    assert seen(open_now, EXTREME, 149, (AT, SINCE), None) == Shown(EXTREME, T0, T0 - 5, 149, AT, 150, beyond=False)
    assert seen(open_now, EXTREME, 34, (AT, SINCE), 35) == Shown(EXTREME, T0, T0 - 5, 34, AT, 35, beyond=True)


def test_an_episode_shows_the_rule_in_force_and_the_last_one_where_it_is_gone():
    """A priority changed meanwhile is that of the next change; of a rule dropped nobody knows another."""
    open_now = Shown(HIGH, T0, T0, 131, T0, 130, beyond=True)
    other = HIGH.model_copy(update={"priority": "low"})
    assert seen(open_now, other, 131, (AT, SINCE), 130).rule == other
    assert seen(open_now, None, 131, (AT, SINCE), None).rule == HIGH


def test_nothing_opens_without_a_rule_or_within_its_limits():
    """Mistakes of ours, told before an alarm without a reason goes out."""
    with pytest.raises(AssertionError, match=r"^a rule that is gone opens nothing"):
        seen(None, None, 131, (AT, SINCE), 130)
    with pytest.raises(AssertionError, match=r"^an episode opens beyond a limit"):
        seen(None, HIGH, 131, (AT, SINCE), None)
