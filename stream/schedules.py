"""Who has a night, which part of their policy is in force, and until when (RULES, *Day and night*).

The part follows from the policy and the clock of the patient's site, so a snapshot need not hold it. Patients without
a night cost nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream.series import LONG_AGO, NEVER, Ints, Slots
from vitals import nights

if TYPE_CHECKING:
    from stream.series import Patients
    from vitals.policies import Policy


class Schedules:
    """The patients of one partition whose policy has a night."""

    def __init__(self, patients: Patients) -> None:
        self._patients = patients
        self._until: dict[int, int] = {}
        self._parts: dict[int, tuple[Policy, dict[bool, Policy]]] = {}
        """By the policy's number, which is given again when nobody has it: then the parts are those of another."""
        self._columns: tuple[Slots, Ints] | None = None

    def take(self, slot: int, clock: int) -> None:
        """A patient's policy is another, or their site's clock (µs): the part that is in force now."""
        policy = self._patients.whole(slot)
        if policy.night is None:
            if self._until.pop(slot, None) is not None:
                del self._patients.parts[slot]
                self._columns = None
            return
        now = nights.part(policy, clock)
        number = self._patients.kind[slot]
        known, parts = self._parts.get(number, (None, {}))
        if known is not policy:
            parts = {night: nights.in_force(policy, night=night) for night in (False, True)}
            self._parts[number] = policy, parts
        self._patients.parts[slot] = parts[now.night]
        self._until[slot] = now.until if clock > LONG_AGO else LONG_AGO  # by the site's first tick
        self._columns = None

    def due(self, site: int, clock: int) -> list[int]:
        """The patients of a site whose part is over at its clock, by slot."""
        slots, until = self._of(site)
        over: list[int] = slots[until <= clock].tolist()
        return over

    def next(self, site: int) -> int:
        """When the first part of a site's patients is over; NEVER where none is."""
        return int(self._of(site)[1].min(initial=NEVER))

    def _of(self, site: int) -> tuple[Slots, Ints]:
        if self._columns is None:
            self._columns = np.fromiter(self._until, np.intp), np.fromiter(self._until.values(), np.int64)
        slots, until = self._columns
        here = self._patients.site[slots] == site
        return slots[here], until[here]
