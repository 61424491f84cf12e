"""Units: one constant, and rounding before any comparison."""

from __future__ import annotations

import numpy as np
import pytest

from vitals.metrics import GLUCOSE, METRICS
from vitals.units import UNIT_BY_NAME, UNIT_NAME, Unit, canonical, canonical_scalar, whole_mg_dl


@pytest.mark.parametrize(
    ("mmol", "mg"),
    [
        (10.0, 180),  # 180.18: in range, although it exceeds 180
        (13.9, 250),  # 250.45: does not exceed 250
        (3.9, 70),  # 70.27: not below 70
        (3.8, 68),
        (3.0, 54),  # 54.05: not below 54
        (2.9, 52),
        (2.2, 40),  # 39.64: within a sensor's range of 40 to 400
        (22.2, 400),
        (0.1, 2),
    ],
)
def test_limits_in_mmol_fall_on_the_side_that_clinicians_mean(mmol: float, mg: int):
    """The edge trap: compared before rounding, 10.0 mmol/L would be above 180 mg/dL."""
    assert whole_mg_dl(mmol, Unit.MMOL_L) == mg


@pytest.mark.parametrize(("value", "whole"), [(69.5, 70), (69.49, 69), (180.5, 181), (0.5, 1), (-5.0, -5)])
def test_halves_round_up(value: float, whole: int):
    """Banker's rounding would put 70.5 and 71.5 on the same number, and other programs on another."""
    assert whole_mg_dl(value, Unit.MG_DL) == whole


def test_arrays_and_scalars_convert_with_the_same_arithmetic():
    """The oracle works on scalars and the processor on arrays; they must agree to the bit."""
    values = np.linspace(0.1, 33.3, 997)
    units = np.full(len(values), Unit.MMOL_L, np.uint8)
    assert canonical(values, units).tolist() == [canonical_scalar(float(value), Unit.MMOL_L) for value in values]


def test_other_units_are_canonical_already():
    """A factor other than one on /min or mg/dL would be a second constant somewhere."""
    for unit in (Unit.NONE, Unit.PER_MINUTE, Unit.MG_DL):
        assert canonical_scalar(97.3, unit) == 97.3


def test_every_unit_is_written_as_it_may_be_read():
    """What Vigil writes into a feed or an export must come back through its own edge."""
    for unit in Unit:
        if unit is not Unit.NONE:
            assert UNIT_BY_NAME[UNIT_NAME[unit]] is unit


def test_every_metric_accepts_its_own_unit():
    """A reading without a unit is read in the canonical one."""
    for metric in METRICS:
        assert metric.unit in metric.units


def test_age_gap_and_silence_grow_with_the_interval():
    """A 15-minute sensor would be late, broken and silent for ever by the numbers of a 5-minute one."""
    minute = 60_000_000
    assert GLUCOSE.late_after_us(5 * minute) == 10 * minute
    assert GLUCOSE.late_after_us(15 * minute) == 18 * minute
    assert GLUCOSE.gap_of_us(5 * minute) == 11 * minute
    assert GLUCOSE.gap_of_us(15 * minute) == 33 * minute
    assert GLUCOSE.silent_after_us(minute) == 20 * minute
