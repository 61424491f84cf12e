"""The evidence of an episode as the oracle writes it (RULES, *Why*); imports nothing of stream."""

from __future__ import annotations

import math

from tests.oracle_series import Deciding, MedianMachine, Series, beyond
from vitals.evidence import Evidence, WindowSeen
from vitals.metrics import SECOND_US as SECOND
from vitals.policies import Policy, ThresholdRule

CALLS = ("open", "rise")


def of_run(series: Series, rule: ThresholdRule, level: int, last: Deciding, policy: Policy) -> Evidence:
    """The run beyond the limit of a level that ends at the last deciding reading."""
    begin = series.run(last.at, last.value, beyond(rule, level))
    earlier = [(at, millis) for at, _, millis, _ in sorted(series.panes.values()) if begin <= at < last.at]
    found = [*earlier, (last.at, last.millis)]
    limit = rule.levels[level - 1].limit
    return Evidence(
        policy=policy.version,
        night=policy.night is not None,
        level=level,
        limit=limit,
        count=len(found),
        readings=tuple(found[-12:]),
    )


def of_window(series: Series, machine: MedianMachine, policy: Policy) -> Evidence:
    """The window of the median that turned a rule on."""
    end, width, pane = machine.value_at, machine.width, series.metric.pane_us
    inside = [number * pane for number in series.panes if end - width < number * pane <= end]
    interval = max(series.interval, pane)
    slots = width // interval
    filled = {(end - at) // interval for at in inside} & set(range(slots))
    instants = tuple(range(machine.since, end + 1, 10 * SECOND))[-12:]
    seen = WindowSeen(
        median=machine.value, begin=end - width, end=end, filled=len(filled), slots=slots, instants=instants
    )
    return Evidence(
        policy=policy.version,
        night=policy.night is not None,
        level=machine.level,
        limit=machine.limit,
        count=len(inside),
        window=seen,
    )


def of_silence(series: Series, policy: Policy) -> Evidence:
    """What was heard of a series before it fell silent."""
    last, level = series.last, series.signal.rank
    if last is None:
        return Evidence(
            policy=policy.version,
            night=policy.night is not None,
            level=level,
            limit=None,
            count=0,
            evaluated_at=series.evaluated,
        )
    return Evidence(
        policy=policy.version, night=policy.night is not None, level=level, limit=None, count=1,
        readings=((last.at, math.floor(last.value * 1000 + 0.5)),),
        heard_at=last.arrival, evaluated_at=series.evaluated,
    )  # fmt: skip
