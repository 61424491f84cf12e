"""What artefact holds back, as the oracle sees it: one machine, one T, plain Python (RULES, *Artefact hold*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.oracle_series import Held

if TYPE_CHECKING:
    from tests.oracle_series import MedianMachine, Series
    from vitals.policies import Policy


def suspect(series: Series, width: int, at: int) -> bool:
    """Whether more than half of what lies in (at - width, at] is."""
    pane = series.metric.pane_us
    inside = {number: cell[2] for number, cell in series.panes.items() if at - width < number * pane <= at}
    odd = [
        number
        for number, millis in inside.items()
        if number in series.doubted or abs(millis - inside.get(number - 1, millis)) > 40_000
    ]
    return 2 * len(odd) > len(inside)


def held_back(series: Series, machine: MedianMachine, at: int, median: float, limit: float | None) -> bool:
    """Whether the rule, which would open at T, does not yet; the machine keeps what it would show."""
    assert limit is not None, "it would open beyond a limit"
    before, rule = machine.held, machine.rule
    since = before.since if before is not None else at
    until = since + rule.artefact_hold_us if before is None else min(before.until, since + rule.artefact_hold_us)
    if at >= until or not suspect(series, rule.width_us, at):
        machine.held = None
        return False
    machine.held = Held(since, until, rule.width_us, machine.run_since, median, at, machine.beside)
    return True


def keep_doubts(series: Series, policy: Policy) -> None:
    """From the first policy on that may hold."""
    both = (*policy.windows, *(policy.night.windows if policy.night is not None else ()))
    mine = [rule for rule in both if rule.metric == series.metric.name]
    series.keeps_doubts |= any(rule.artefact_hold_us for rule in mine)
