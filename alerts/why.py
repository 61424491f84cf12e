"""Why an alert is there, in words: its evidence (RULES, *Why*) for people at a terminal; pure."""

from __future__ import annotations

import math
from datetime import tzinfo

from alerts.lines import local
from vitals.alerts import Alert
from vitals.evidence import Evidence, WindowSeen
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT

LEVELLED = frozenset(rule.name for rule in DEFAULT.thresholds)
"""Rules of more than one level."""
NAMED_MAX = 6
"""Readings that a sentence names: the latest."""


def why(alert: Alert, zone: tzinfo) -> str:
    """``below 54: 52 at 22:54, 49 at 22:59; rule low level 2, policy version 3``; empty where nothing is known."""
    evidence = alert.evidence
    if evidence is None:
        return ""
    if evidence.window is not None:
        found = _window(alert, evidence, evidence.window, zone)
    elif evidence.slope is not None or evidence.forecast is not None:
        found = f"{_going(evidence)}: {_readings(alert, evidence, zone)}"
    elif evidence.limit is not None:
        found = _run(alert, evidence, zone)
    else:
        found = _heard(alert, evidence, zone)
    level = f" level {evidence.level}" if alert.rule in LEVELLED and evidence.level else ""
    return (
        f"{found}; rule {alert.rule}{level}, policy version {evidence.policy}{', by night' if evidence.night else ''}"
    )


def _run(alert: Alert, evidence: Evidence, zone: tzinfo) -> str:
    assert evidence.limit is not None, "a run lies beyond a limit"
    side = "below" if evidence.readings[-1][1] < evidence.limit * 1000 else "above"
    return f"{side} {evidence.limit:g}: {_readings(alert, evidence, zone)}"


def _readings(alert: Alert, evidence: Evidence, zone: tzinfo) -> str:
    named = evidence.readings[-NAMED_MAX:]
    readings = ", ".join(f"{_number(alert, millis / 1000)} at {_clock(at, zone)}" for at, millis in named)
    more = evidence.count - len(named)
    return f"{readings}{f', and {more} before' if more else ''}"


def _going(evidence: Evidence) -> str:
    """Where the readings go: ``falling 3.25 mg/dL/min below 150``, ``forecast 54, below 55``."""
    if evidence.slope is None:
        return f"forecast {evidence.forecast:g}, below {evidence.limit:g}"
    way, side = ("falling", "below") if evidence.slope < 0 else ("rising", "above")
    return f"{way} {abs(evidence.slope):g} mg/dL/min {side} {evidence.limit:g}"


def _window(alert: Alert, evidence: Evidence, window: WindowSeen, zone: tzinfo) -> str:
    assert evidence.limit is not None, "a median lies beyond a limit"
    side = "at" if window.median == evidence.limit else "below" if window.median < evidence.limit else "above"
    minutes = (window.end - window.begin) / MINUTE_US
    row = len(window.instants)
    times = f" and {row - 1} {'time' if row == 2 else 'times'} before, every 10 s" if row > 1 else ""
    return (
        f"{side} {evidence.limit:g}: median {_number(alert, window.median)} of {minutes:g} min "
        f"at {_clock(window.end, zone, seconds=True)}{times}, "
        f"from {evidence.count} {'reading' if evidence.count == 1 else 'readings'} "
        f"in {window.filled} of {window.slots} slots"
    )


def _heard(alert: Alert, evidence: Evidence, zone: tzinfo) -> str:
    if not evidence.readings or evidence.heard_at is None:
        return "nothing was heard yet"
    ((at, millis),) = evidence.readings
    late = evidence.heard_at - at >= MINUTE_US
    came = f", which came at {_clock(evidence.heard_at, zone)}" if late else ""
    return f"heard last: {_number(alert, millis / 1000)} at {_clock(at, zone)}{came}"


def _number(alert: Alert, value: float) -> str:
    """Glucose as rules see it, whole; heart rate to a tenth where it has one."""
    return f"{math.floor(value + 0.5)}" if alert.metric == "glucose" else f"{round(value, 1):g}"


def _clock(at: int, zone: tzinfo, *, seconds: bool = False) -> str:
    return f"{local(at, zone):%H:%M:%S}" if seconds else f"{local(at, zone):%H:%M}"
