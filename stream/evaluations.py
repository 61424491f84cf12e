"""Which T of a site are due for evaluation: a jump of the clock costs no more than the rings are long.

T are whole multiples of 10 s of event time; T is evaluated when the site's clock has reached T + 2 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vitals.windows import EVALUATE_AFTER_US, EVALUATE_EVERY_US

if TYPE_CHECKING:
    from stream.series import Ints

FEW = 6
"""So many T are looked at one by one without asking which of them any series reaches."""


def last_due(clock: int) -> int:
    """The newest T (µs) that a site clock lets evaluate."""
    return (clock - EVALUATE_AFTER_US) // EVALUATE_EVERY_US * EVALUATE_EVERY_US


def due(evaluated: int, clock: int, first: Ints, last: Ints) -> list[int]:
    """T after ``evaluated`` (µs) that ``clock`` lets evaluate and that some series reaches, ascending; ``first`` and
    ``last`` are what each series reaches (whole T), none where first > last.
    """
    newest = last_due(clock)
    if newest - evaluated <= FEW * EVALUATE_EVERY_US:
        return list(range(evaluated + EVALUATE_EVERY_US, newest + 1, EVALUATE_EVERY_US))
    first, last = np.maximum(first, evaluated + EVALUATE_EVERY_US), np.minimum(last, newest)
    some = first <= last
    if not some.any():
        return []
    spans = np.unique(np.stack([first[some], last[some]], axis=1), axis=0)
    found = [np.arange(begin, end + 1, EVALUATE_EVERY_US) for begin, end in spans.tolist()]
    result: list[int] = np.unique(np.concatenate(found)).tolist()
    return result
