"""Units as received and their conversion to the canonical unit of a metric.

Source of the glucose factor: molar mass of glucose, 1 mmol/L = 18.0182 mg/dL.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MG_DL_PER_MMOL_L = 18.0182
"""mg/dL in one mmol/L of glucose; the only such constant in Vigil."""


class Unit(IntEnum):
    """A unit as the device sent it; the number is the row's ``unit`` byte."""

    NONE = 0
    PER_MINUTE = 1
    MG_DL = 2
    MMOL_L = 3
    PERCENT = 4
    STEPS_PER_MINUTE = 5


UNIT_BY_NAME = {
    "/min": Unit.PER_MINUTE,
    "bpm": Unit.PER_MINUTE,
    "beats/min": Unit.PER_MINUTE,
    "mg/dL": Unit.MG_DL,
    "mmol/L": Unit.MMOL_L,
    "%": Unit.PERCENT,
    "{steps}/min": Unit.STEPS_PER_MINUTE,
    "steps/min": Unit.STEPS_PER_MINUTE,
}
"""Spellings accepted at the edge; the first of each unit is the UCUM one that Vigil writes."""

UNIT_NAME = {
    Unit.NONE: "",
    Unit.PER_MINUTE: "/min",
    Unit.MG_DL: "mg/dL",
    Unit.MMOL_L: "mmol/L",
    Unit.PERCENT: "%",
    Unit.STEPS_PER_MINUTE: "{steps}/min",
}
"""UCUM spelling of each unit."""

_FACTORS = np.array([1.0, 1.0, 1.0, MG_DL_PER_MMOL_L, 1.0, 1.0])


def canonical(values: NDArray[np.float64], units: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Values in the canonical unit of their metric (``/min``, ``mg/dL``).

    ``values`` and ``units`` have one shape, which the result has too. Unrounded: rules round with
    `rule_value`.
    """
    if np.count_nonzero(_FACTORS[units] != 1) == 0:
        return values.copy()
    with np.errstate(over="ignore"):  # beyond every range, which the edge has marked; no reason to warn
        result: NDArray[np.float64] = values * _FACTORS[units]
    return result


def canonical_scalar(value: float, unit: Unit) -> float:
    """One value in the canonical unit of its metric; the same arithmetic as `canonical`."""
    return value * float(_FACTORS[unit])


def whole_mg_dl(value: float, unit: Unit) -> int:
    """Glucose as rules and ranges see it: floor(mg/dL + 0.5).

    Rounding comes before any comparison: 10.0 mmol/L is 180.18 mg/dL and lies in range, 13.9 is 250.45
    and does not exceed 250.
    """
    return int(np.floor(canonical_scalar(value, unit) + 0.5))
