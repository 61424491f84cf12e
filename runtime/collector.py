"""Python's collector of cycles, as a process that streams rows wants it."""

from __future__ import annotations

import gc

OBJECTS_MAX = 50_000
"""So many objects more than before make Python look for cycles among them. Its own number, 700, is below what one poll
brings: it looked at every record several times, and each twentieth of those looks went through all that lives."""
OUTPUTS_MAX = 400_000
"""The same where records become more outputs than they were: a poll of a backlog, in records of sixty readings, makes
some 36,000, each of five objects that go when they are sent."""


def spare_collections(objects_max: int = OBJECTS_MAX) -> None:
    """Have Python look for cycles after so many new objects, and never again among what is loaded now. Records and rows
    have none.

    A last look before would find a handful in 50,000 objects, for 26 to 43 ms of each start.
    """
    gc.freeze()
    gc.set_threshold(objects_max, 20, 20)
