"""Rules by column, and what machines of one level have in common: what is open, what it shows, when it is lost.

A column is a rule's name: it is there while a patient has a rule of that name, or an open episode of one, and another
name may have it then. Who has no such rule any more has nothing left in its column, so what is kept depends on the
rules alone, not on how often they were changed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np

from stream.kinds import Kinds
from stream.rules import ACTIVE, OVER, RETURNING, UNKNOWN
from stream.series import NEVER, Ints, Slots, Table
from stream.verdicts import NO_DATA, Moved, Shown
from vitals.policies import PRIORITY_RANK, ForecastRule, GlucoseRule, RateRule, SustainedRule, WindowRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from vitals.codecs.state import State
    from vitals.journal import EpisodeChange

KINDS: dict[str, type[WindowRule | GlucoseRule]] = {
    "windows": WindowRule,
    "sustained": SustainedRule,
    "rates": RateRule,
    "forecasts": ForecastRule,
}
"""Rules of one level, by their fields in `vitals.policies.Rules`."""
FIELDS: dict[type, str] = {kind: field for field, kind in KINDS.items()}
Rule = TypeVar("Rule", bound=WindowRule | GlucoseRule)
Value = TypeVar("Value")


class Taken(NamedTuple, Generic[Rule]):
    """What a policy did to a column of a slot: the rule that was in force, and the one that is; None is none."""

    column: int
    was: Rule | None
    now: Rule | None


class Place(NamedTuple):
    """An open episode, as a snapshot names it: by the slot's new number and the new column; and by the old ones."""

    number: int
    column: int
    key: tuple[int, int]


class Columns(Table, ABC, Generic[Rule]):
    """Rules and episodes of one metric; arrays are [slot, column]."""

    BY_COLUMN: ClassVar[tuple[str, ...]] = ("kind", "level", "condition")
    """Every array that has a column for each name."""

    def __init__(self) -> None:
        self.kinds: Kinds[Rule] = Kinds()
        self.names: Kinds[str] = Kinds()
        """Those of all kinds; a name's column is its number less one."""
        self.columns: list[int] = []
        """Those of all names, by name; a list that is never changed."""
        self.shown: dict[tuple[int, int], Shown] = {}
        self.reasons: dict[tuple[int, int], str] = {}
        """Why an episode is unknown; only while it is."""
        self.kind: NDArray[np.int32] = np.zeros((self.capacity, 0), np.int32)
        """Number of the rule in ``kinds``; 0 none; negative: gone, while its episode is open."""
        self.level: NDArray[np.int8] = np.zeros((self.capacity, 0), np.int8)
        self.condition: NDArray[np.int8] = np.zeros((self.capacity, 0), np.int8)

    @abstractmethod
    def due(self, slots: Slots) -> Ints:
        """When what was judged last is too long ago (µs), of known open episodes; shape (n, columns)."""

    # ---- rules

    def take(self, slot: int, rules: Iterable[Rule]) -> list[Taken[Rule]]:
        """Take a patient's rules, of two with one name the last; what that did to each column of theirs.

        A rule that is gone stays while its episode is open.
        """
        self._narrow()
        mine, taken = {rule.name: rule for rule in rules}, list[Taken[Rule]]()
        if not mine and not self.columns:
            return taken
        for name, rule in mine.items():
            kinds, number = len(self.kinds), self.kinds.use(rule)
            if len(self.kinds) > kinds:
                self.names.use(name)
                self._order()
            column = self.names.numbers()[name] - 1
            before = int(self.kind[slot, column])
            taken.append(Taken(column, self.kinds[before] if before > 0 else None, self.kinds[number]))
            self.kind[slot, column] = number
            if before:
                self._leave(abs(before))
        for column, number in enumerate(self.kind[slot].tolist()):
            if number <= 0 or self.kinds[number].name in mine:
                continue
            taken.append(Taken(column, self.kinds[number], None))
            if self.level[slot, column]:
                self.kind[slot, column] = -number
            else:
                self._clear(slot, column)
        return taken

    def rule(self, slot: int, column: int) -> Rule:
        """The rule of a machine that has, or had, one."""
        return self.kinds[abs(int(self.kind[slot, column]))]

    def _clear(self, slot: int, column: int) -> None:
        """Nobody asks for this rule here any more."""
        number = abs(int(self.kind[slot, column]))
        for name in self.BY_COLUMN:
            getattr(self, name)[slot, column] = self.FILL.get(name, 0)
        self._leave(number)

    def _leave(self, number: int) -> None:
        kinds, name = len(self.kinds), self.kinds[number].name
        self.kinds.leave(number)
        if len(self.kinds) < kinds:
            self.names.leave(self.names.numbers()[name])
            self._order()

    def _order(self) -> None:
        """Have the columns that there are names for."""
        if len(self.names) == len(self.columns):
            return  # the very same: only one name comes or goes at a time
        columns = self.names.numbers()
        self.columns = [columns[name] - 1 for name in sorted(columns)]
        for _ in range(self.kind.shape[1], len(columns)):
            for name in self.BY_COLUMN:
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, self._rows(name, len(old), old.dtype, (1,))], axis=1))

    def _narrow(self) -> None:
        """Give up the columns behind the last that has a name: at a control record, when nobody goes through them."""
        width = max(self.columns, default=-1) + 1
        if width < self.kind.shape[1]:
            for name in self.BY_COLUMN:
                setattr(self, name, getattr(self, name)[:, :width].copy())

    # ---- what is open

    def rank(self, slot: int) -> int:
        """The highest priority rank (1 low to 3 high) of a slot's open episodes; 0 where none is open."""
        columns = self.level[slot].nonzero()[0].tolist()
        return max((PRIORITY_RANK[self.rule(slot, column).priority] for column in columns), default=0)

    def lost_at(self, slots: Slots) -> Ints:
        """When each known open episode turns unknown, NEVER where none is; shape (n, columns)."""
        known = (self.level[slots] > 0) & (self.condition[slots] != UNKNOWN)
        return np.where(known, self.due(slots), NEVER)

    def overdue(self, slot: int, column: int, clock: int) -> bool:
        """Whether what was judged last is too long ago at ``clock`` (µs)."""
        return bool(self.due(np.array([slot]))[0, column] <= clock)

    def forget(self, slot: int, column: int, at: int) -> Moved | None:
        """An open episode has not been judged for too long."""
        return self.lose(slot, column, NO_DATA, at)

    def lose(self, slot: int, column: int, reason: str, at: int) -> Moved | None:
        """An open episode turns unknown, or is unknown for another reason; None where nothing changes."""
        if not self.level[slot, column] or self.reasons.get((slot, column)) == reason:
            return None
        known = self.condition[slot, column] != UNKNOWN
        self.condition[slot, column] = UNKNOWN
        self.reasons[slot, column] = reason
        return self.moved(slot, column, "unknown" if known else "reason", at, reason)

    def regain(self, slot: int, column: int, at: int) -> Moved | None:
        """An unknown episode is known again by what was judged last."""
        if self.condition[slot, column] != UNKNOWN:
            return None
        self.condition[slot, column] = ACTIVE if self.shown[slot, column].beyond else RETURNING
        del self.reasons[slot, column]
        return self.moved(slot, column, "known", at)

    def close(self, slot: int, column: int, reason: str, at: int) -> Moved:
        """An open episode ends without being judged: somebody closed it, or its rule is gone."""
        self.level[slot, column], self.condition[slot, column] = 0, OVER
        self.reasons.pop((slot, column), None)
        moved = self.moved(slot, column, "clear", at, reason)
        self.over(slot, column)
        return moved

    def over(self, slot: int, column: int) -> None:
        """An episode has ended, and with it a rule that is gone."""
        del self.shown[slot, column]
        if self.kind[slot, column] < 0:
            self._clear(slot, column)

    def now(self, slot: int, column: int) -> Shown:
        """What an open episode shows, by the rule that is in force now."""
        return self.shown[slot, column]._replace(rule=self.rule(slot, column))

    def moved(self, slot: int, column: int, change: EpisodeChange, at: int, reason: str = "") -> Moved:
        """A change of a machine as it is now, at ``at`` (µs)."""
        level, condition = int(self.level[slot, column]), int(self.condition[slot, column])
        return Moved(slot, column, change, level, condition, at, at, self.now(slot, column), reason)

    # ---- snapshots

    def state(self, order: Slots) -> State:
        """The machines of these slots by their new numbers, the columns by name, the rules as they come first."""
        rows, columns, places = self.rows(order), self.used(order), self.places(order)
        for name in self.BY_COLUMN:
            rows[name] = rows[name][:, columns]
        kinds, rows["kind"] = self.kinds.counted(rows["kind"])
        return {
            "kinds": [(FIELDS[type(rule)], rule) for rule in kinds],
            "rows": rows,
            "shown": [(number, column, *self.shown[key][1:]) for number, column, key in places],
            "reasons": written(self.reasons, places),
        }

    def places(self, order: Slots) -> list[Place]:
        """The open episodes of these slots."""
        columns = self.used(order)
        found = np.argwhere(self.level.take(order, axis=0)[:, columns] != 0).tolist()
        return [Place(number, column, (int(order[number]), columns[column])) for number, column in found]

    def used(self, order: Slots) -> list[int]:
        """Columns of rules that these slots have, by name."""
        used = set(self.kind.take(order, axis=0).nonzero()[1].tolist())
        return [column for column in self.columns if column in used]

    def restore(self, state: State) -> None:
        """Take the machines of a snapshot; of none before."""
        kinds: list[Any] = [KINDS[field].model_validate(rule) for field, rule in state["kinds"]]
        self.kinds.restore(kinds, state["rows"]["kind"])
        for name in sorted(rule.name for rule in kinds):
            self.names.use(name)
        self._order()
        self.put(state["rows"])
        self.shown = {(slot, column): Shown(self.rule(slot, column), *shown) for slot, column, *shown in state["shown"]}
        self.reasons = read(state["reasons"])


def written(found: Mapping[tuple[int, int], Value], places: Iterable[Place]) -> list[tuple[int, int, Value]]:
    """What is known by slot and column of the episodes at ``places``, for a snapshot; `read` reads it."""
    return [(number, column, found[key]) for number, column, key in places if key in found]


def read(state: Iterable[tuple[int, int, Value]]) -> dict[tuple[int, int], Value]:
    """What was `written`."""
    return {(slot, column): value for slot, column, value in state}
