"""Who is at rest, as the oracle sees it: one patient, one T, plain Python (RULES, *Heart rate at rest*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.oracle_sugar import known
from vitals.metrics import METRIC_BY_NAME
from vitals.metrics import SECOND_US as SECOND

if TYPE_CHECKING:
    from tests.oracle_series import MedianMachine
    from tests.oracle_told import Patient
    from vitals.control import PatientControl

STEPS = METRIC_BY_NAME["steps"]


def keeps_steps(patient: Patient, control: PatientControl) -> bool:
    """Whether steps are kept from this control record on: since an earlier one, or since now."""
    night = control.policy.night
    both = (*control.policy.windows, *(night.windows if night is not None else ()))
    asks = any(rule.rest_at_most is not None for rule in both)
    worn = any(stream.metric == "steps" for each in control.worn for stream in each.type.streams)
    return STEPS.code in patient.series or (asks and worn)


def why_not(patient: Patient, machine: MedianMachine, at: int) -> str:
    """Why T does not count for a rule, "" where it does."""
    if machine.gone:
        return ""
    sweet = machine.rule.glucose_below is None or known(patient, at) is not None
    return why_not_at_rest(patient, machine, at) or ("" if sweet else "no glucose data")


def why_not_at_rest(patient: Patient, machine: MedianMachine, at: int) -> str:
    """Why somebody is not at rest at T, "" where they are, or nobody asks."""
    rule, steps = machine.rule, patient.series.get(STEPS.code)
    if rule.rest_at_most is None:
        return ""
    if steps is None or not steps.bound or not steps.panes:
        return "no activity data"
    pane, i = STEPS.pane_us, max(STEPS.pane_us, steps.interval)
    first = at - rule.width_us
    if 2 * i > rule.width_us or first < (steps.head - STEPS.panes) * pane:
        return "no activity data"
    inside = {number * pane: cell for number, cell in steps.panes.items() if first < number * pane <= at}
    slots = rule.width_us // i
    filled = {(at - end) // i for end in inside} & set(range(slots))
    near = max(at - max(30 * SECOND, 12 * i // 10) + 1, steps.waits_from)
    fresh = any(end >= near and not late for end, (_, _, _, late) in inside.items())
    if not fresh or 10 * len(filled) < 7 * slots:
        return "no activity data"
    return "moving" if any(millis > rule.rest_at_most * 1000 for _, _, millis, _ in inside.values()) else ""
