"""What a window rule asks for beside the median: rest, glucose, the rate that is usual; and what it says by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream.usual import Usual
from stream.verdicts import NEITHER, OFF, ON, limit_of, says_to
from vitals.policies import USUAL_MARGIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream.activity import Activity
    from stream.series import Bools, Floats, Slots
    from stream.sugar import Sugar
    from vitals.policies import WindowRule

MOVING, NO_ACTIVITY, NO_GLUCOSE, NO_USUAL = "moving", "no activity data", "no glucose data", "no usual rate"


class Counted(NamedTuple):
    """Of some series: whether T counts for a rule, and why not; and whether it does but for the nights, which are
    not known yet; all shape (n,).
    """

    counts: Bools
    why: NDArray[np.str_]
    rests: Bools


class Gates:
    """What one metric's rules ask beside its medians."""

    def __init__(self, activity: Activity) -> None:
        self.activity = activity
        self.usual = Usual()
        self.sugar: Sugar | None = None
        """The glucose of the same slots, where this is the heart rate."""

    def end_nights(self, rule: WindowRule, at: int, slots: Slots) -> None:
        """Before T = ``at`` (µs) is judged: nights that are over count from now on."""
        if rule.usual is not None:
            self.usual.end(at, slots)

    def counts(self, rule: WindowRule, at: int, slots: Slots) -> Counted:
        """Whether T = ``at`` (µs) counts for a rule; nothing changes by it."""
        counts, why = np.ones(len(slots), np.bool_), np.full(len(slots), NO_USUAL)
        if rule.glucose_below is not None and self.sugar is not None:
            known = self.sugar.known(slots, at)
            counts, why = known, np.where(known, why, NO_GLUCOSE)
        if rule.rest_at_most is not None:
            rest = self.activity.rest(slots, at, rule.width_us, rule.rest_at_most)
            why = np.where(rest.still, why, np.where(rest.known, MOVING, NO_ACTIVITY))
            counts = counts & rest.still
        if rule.usual is None:
            return Counted(counts, why, counts)
        return Counted(counts & np.isfinite(self.usual.rate(rule.usual, at, slots)), why, counts)

    def keep_night(self, rule: WindowRule, at: int, slots: Slots, values: Floats) -> None:
        """After T: the night of each slot takes its median, for those who rest; once for each T and rule."""
        if rule.usual is not None:
            self.usual.add(rule.usual, at, slots, values)

    def says(self, rule: WindowRule | None, at: int, slots: Slots, values: Floats, opened: Bools) -> NDArray[np.int8]:
        """What medians at a T that counts say to a rule (None: one that is gone); all shape (n,)."""
        if rule is None or rule.always:
            return says_to(rule, values)
        says = says_to(rule, values)
        if rule.usual is not None:
            limits = self.usual.rate(rule.usual, at, slots) + rule.usual.above
            off = np.where(values <= limits - USUAL_MARGIN, OFF, NEITHER)
            says = np.where(values > limits, ON, off).astype(np.int8)
        if rule.glucose_below is not None and self.sugar is not None:
            says = self.sugar.says(rule.glucose_below, says, slots, opened)
        return says

    def limit(self, rule: WindowRule | None, at: int, slot: int, value: float) -> float | None:
        """The limit that a median crosses, None where it turns nothing on."""
        if rule is None or rule.usual is None:
            return None if rule is None else limit_of(rule, value)
        limit = float(self.usual.rate(rule.usual, at, np.array([slot]))[0]) + rule.usual.above
        return limit if value > limit else None

    def beside(self, rule: WindowRule | None, at: int, slot: int) -> str:
        """What T saw beside the median, for a person."""
        if rule is not None and rule.usual is not None:
            return f"usual {float(self.usual.rate(rule.usual, at, np.array([slot]))[0]):g} /min"
        if rule is None or rule.glucose_below is None or self.sugar is None:
            return ""
        return self.sugar.words(slot)
