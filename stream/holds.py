"""Openings that artefact holds back, and until when (RULES, *Artefact hold*); of one metric, few at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream.series import NEVER, Bools, Ints, Slots, Table
from stream.verdicts import Shown
from vitals.windows import EVALUATE_AFTER_US

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vitals.codecs.state import State
    from vitals.policies import WindowRule


class Held(NamedTuple):
    """An opening: since which T it is held, until which it may be (µs), the width of its window, what it would show."""

    since: int
    until: int
    width_us: int
    shown: Shown


class Holds(Table):
    """Everything that is held, by slot and column of its rule."""

    def __init__(self) -> None:
        self.any: Bools = np.zeros(self.capacity, np.bool_)
        """Whether a slot has something that is held."""
        self.held: dict[tuple[int, int], Held] = {}

    def put_off(self, slot: int, column: int, shown: Shown, *, width_us: int, hold_us: int, suspect: bool) -> bool:
        """At a T at which a rule would open so: whether it does not yet, as it may for ``hold_us`` at most; with the
        width of its window.

        The policy may have changed since the first such T: then the shorter hold counts, from that T on.
        """
        before = self.held.get((slot, column))
        since = shown.opened_at if before is None else before.since
        until = since + hold_us if before is None else min(before.until, since + hold_us)
        if not suspect or shown.opened_at >= until:
            self.drop(slot, column)
            return False
        self.held[slot, column] = Held(since, until, width_us, shown)
        self.any[slot] = True
        return True

    def drop(self, slot: int, column: int | None = None) -> None:
        """What is held of one rule (None: of all) is held no longer, and opens nothing."""
        if not self.any[slot]:
            return
        mine = [place for place in self.held if place[0] == slot]
        gone = [place for place in mine if column in {None, place[1]}]
        for place in gone:
            del self.held[place]
        self.any[slot] = len(gone) < len(mine)

    def due_at(self, slots: Slots) -> Ints:
        """When the first of each slot opens by the clock, NEVER where nothing is held; shape of ``slots``."""
        if not self.held:
            return np.full(len(slots), NEVER)
        due = np.full(self.capacity, NEVER)
        for (slot, _), held in self.held.items():
            due[slot] = min(due[slot], held.until + EVALUATE_AFTER_US)
        return due[slots]

    def take(self, slot: int, clock: int) -> list[tuple[int, Held]]:
        """What is due of a slot at ``clock`` (µs), by column; it is held no longer."""
        due = [
            (column, held)
            for (mine, column), held in sorted(self.held.items())
            if mine == slot and held.until + EVALUATE_AFTER_US <= clock
        ]
        for column, _ in due:
            self.drop(slot, column)
        return due

    # ---- snapshots

    def state(self, order: Slots, columns: Sequence[int]) -> State:
        """What is held of these slots, by their new numbers; columns by where they stand in ``columns``."""
        places = self.any[order].nonzero()[0].tolist()
        number_of = {int(order[number]): number for number in places}
        found = [
            (number_of[slot], columns.index(column), held.since, held.until, held.width_us, *held.shown[1:])
            for (slot, column), held in self.held.items()
            if slot in number_of
        ]
        return {"held": sorted(found)}

    def restore(self, state: State, rule: Callable[[int, int], WindowRule]) -> None:
        """Take a snapshot; there is room for its slots. What is held is of the ``rule`` of a slot and a column."""
        for slot, column, since, until, width_us, *shown in state["held"]:
            self.held[slot, column] = Held(since, until, width_us, Shown(rule(slot, column), *shown))
            self.any[slot] = True
