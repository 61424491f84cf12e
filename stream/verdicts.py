"""What a median says to a window rule, and what an open episode of one shows (RULES, *Heart rate*); pure functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.panes import COLD

if TYPE_CHECKING:
    from stream.series import Floats
    from vitals.journal import EpisodeChange
    from vitals.policies import GlucoseRule, WindowRule

NEITHER, ON, OFF = range(3)
NO_DATA = "no data"


class Shown(NamedTuple):
    """What an open episode of one level shows: its rule, times µs, the last value (a median, or what a reading said),
    and the limit last crossed; ``beyond`` says whether the last T, or reading, said on.
    """

    rule: WindowRule | GlucoseRule
    opened_at: int
    since: int
    value: float
    value_at: int
    limit: float
    beyond: bool
    censored: int = 0
    """Of a reading: 1 low, 2 high."""
    beside: str = ""
    """What another metric said at the same T, for a person."""


class Moved(NamedTuple):
    """One change of one machine at ``at`` (µs), made known at the instant ``known_at``."""

    slot: int
    column: int
    change: EpisodeChange
    level: int
    condition: int
    at: int
    known_at: int
    shown: Shown
    reason: str = ""
    exact: float = 0.0
    """Of a reading: its value (canonical), unrounded."""
    found: float | None = None
    """What a rule made of the reading: a slope, or the lowest of a forecast."""
    width_us: int = 0
    """Of the window of the median, where another policy made it: 0 where it is the rule's."""


def limit_of(rule: WindowRule, value: float) -> float | None:
    """The limit that a median crosses, None where it turns nothing on."""
    if rule.on_above is not None and value > rule.on_above:
        return rule.on_above
    if rule.on_below is not None and value < rule.on_below:
        return rule.on_below
    if rule.on_at_most is not None and value <= rule.on_at_most:
        return rule.on_at_most
    return None


def calm(rules: list[WindowRule]) -> tuple[int, int]:
    """Between these cells (thousandths plus one, both included) every one of the rules is off."""
    above = [each for rule in rules for each in (rule.on_above, rule.off_at_most) if each is not None]
    sides = ((rule.on_below, rule.on_at_most, rule.off_at_least) for rule in rules)
    below = [each for side in sides for each in side if each is not None]
    # a thousandth to spare on both sides: products are rounded, and at the limit itself rules differ
    least = math.ceil(max(below) * 1000) + 2 if below else 0
    most = math.floor(min(above) * 1000) if above else COLD
    return max(least, 0), max(0, min(most, COLD))


def seen(
    before: Shown | None, rule: WindowRule | None, value: float, times: tuple[int, int], limit: float | None
) -> Shown:
    """What an open episode shows after the T that is first of ``times``; the second is the first T of the run.

    ``limit`` is what the median crosses, None where it crosses nothing.
    """
    at, since = times
    if before is None:
        assert rule is not None, "a rule that is gone opens nothing"
        assert limit is not None, "an episode opens beyond a limit"
        return Shown(rule, at, since, value, at, limit, beyond=True)
    crossed = before.limit if limit is None else limit
    known = before.rule if rule is None else rule
    return Shown(known, before.opened_at, before.since, value, at, crossed, beyond=limit is not None)


def says_to(rule: WindowRule | None, values: Floats) -> NDArray[np.int8]:
    """What medians say to a rule: on, off or neither; shape of ``values``."""
    on, off = np.zeros(len(values), np.bool_), np.ones(len(values), np.bool_)
    if rule is not None:
        if rule.on_above is not None:
            on |= values > rule.on_above
        if rule.on_below is not None:
            on |= values < rule.on_below
        if rule.on_at_most is not None:
            on |= values <= rule.on_at_most
        if rule.off_at_most is not None:
            off &= values <= rule.off_at_most
        if rule.off_at_least is not None:
            off &= values >= rule.off_at_least
    return np.where(on, ON, np.where(off, OFF, NEITHER)).astype(np.int8)
