"""The glucose beside a heart rate, as the oracle sees it: plain Python (RULES, *Falling glucose with a fast heart*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitals.metrics import METRIC_BY_NAME

if TYPE_CHECKING:
    from tests.oracle_series import Deciding, MedianMachine, Series
    from tests.oracle_told import Patient

CODE = METRIC_BY_NAME["glucose"].code


def known(patient: Patient, at: int) -> Deciding | None:
    """The last deciding reading, where it is not older than its gap at T."""
    series = patient.series.get(CODE)
    last = None if series is None or not series.bound else series.last
    return last if series is not None and last is not None and at <= last.at + series.gap else None


def falls(series: Series, last: Deciding) -> bool:
    """Whether a reading is lower than the usable one before it."""
    before = [(when, whole) for when, whole, _, _ in series.panes.values() if when < last.at]
    return bool(before) and last.at - max(before)[0] <= series.gap and max(before)[1] > last.value


def says(patient: Patient, machine: MedianMachine, at: int, heart: str) -> str:
    """What the rule says by both metrics, where the median alone says ``heart``."""
    below, last = machine.rule.glucose_below, known(patient, at)
    if below is None or machine.gone:
        return heart
    assert last is not None, "else T would not count"
    if heart == "on" and last.value < below and (machine.level or falls(patient.series[CODE], last)):
        return "on"
    return "off" if heart == "off" or last.value >= below + 5 else "neither"


def words(patient: Patient, machine: MedianMachine, at: int) -> str:
    """What T saw of the glucose, for a person."""
    last = known(patient, at)
    if machine.rule.glucose_below is None or machine.gone or last is None:
        return ""
    return f"glucose {last.censored.upper()}" if last.censored else f"glucose {last.value:g} mg/dL"
