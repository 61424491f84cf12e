"""What many have in common, kept once and by number for as long as anybody has it: policies, rules, names of rules.

Nothing here grows with the number of changes: who takes another leaves what they had, and a number that nobody has is
given again. Numbers say nothing of any order; in a snapshot they are counted anew.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from numpy.typing import NDArray

T = TypeVar("T", bound="Hashable")


class Kinds(Generic[T]):
    """Things by number, from 1 on; the least number that is free is given first."""

    def __init__(self) -> None:
        self._things: dict[int, T] = {}
        self._number: dict[T, int] = {}
        self._users: dict[int, int] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._things)

    def __iter__(self) -> Iterator[T]:
        return iter(self._things.values())

    def __getitem__(self, number: int) -> T:
        return self._things[number]

    def numbers(self) -> dict[T, int]:
        """The number of each; not to be changed."""
        return self._number

    def use(self, thing: T) -> int:
        """The number of something equal, for one more who has it."""
        number = self._number.get(thing)
        if number is None:
            number = heappop(self._free) if self._free else len(self._things) + 1
            self._things[number], self._number[thing], self._users[number] = thing, number, 0
        self._users[number] += 1
        return number

    def leave(self, number: int) -> None:
        """One who had this has it no more; who was the last frees the number."""
        self._users[number] -= 1
        if not self._users[number]:
            del self._number[self._things.pop(number)], self._users[number]
            heappush(self._free, number)

    # ---- snapshots

    def counted(self, numbers: NDArray[np.int32]) -> tuple[list[T], NDArray[np.int32]]:
        """What these numbers stand for, and the numbers by that list: 1 is what comes first, 2 what comes next.

        0 stands for nothing and stays; the sign of a number stays. Any shape, which is that of the result.
        """
        used, first, which = np.unique(np.abs(numbers), return_index=True, return_inverse=True)
        order = [at for at in np.argsort(first).tolist() if used[at]]
        anew = np.zeros(len(used), np.int32)
        anew[order] = np.arange(1, len(order) + 1)
        things = [self._things[int(used[at])] for at in order]
        return things, np.sign(numbers) * anew[which]

    def restore(self, things: Sequence[T], numbers: NDArray[np.integer[Any]]) -> None:
        """Take what was `counted`; of none before.

        Raises:
            ValueError: somebody has what is not there, or nobody has what is.
        """
        users = np.bincount(np.abs(numbers).ravel())[1:].tolist()
        if len(users) != len(things) or 0 in users:
            raise ValueError(f"{len(things)} kinds are had by {users}")
        for number, thing in enumerate(things, 1):
            self._things[number], self._number[thing], self._users[number] = thing, number, users[number - 1]
