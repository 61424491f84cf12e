"""A ward's worth of alerts and tiles for the fake servers; deterministic, from the time that it is given."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid5

from dashboards.tiles import (
    TARGET,
    GlucoseLimits,
    Good,
    HeartRateLimits,
    Limits,
    Spark,
    Vital,
    Vitals,
    VitalState,
    WardSite,
    WardTile,
)
from vitals.alerts import SITE_SILENT, Alert
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.protocol import Unwatched
from vitals.topics import NAMESPACE

PATIENTS = 200
"""How many a large ward has."""
SITES = (WardSite(number=1, name="ward-a"), WardSite(number=2, name="ward-b"))
GLUCOSE_LIMITS = GlucoseLimits(target=TARGET, low1=70, low2=54, high1=250, high2=399)
HEART_RATE_LIMITS = HeartRateLimits(low=40, high=130, extreme_low=35, extreme_high=150, applies=True)
_SPARK_US = 5 * MINUTE_US


def patient_id(number: int) -> UUID:
    """The id of the ward's patient of this number, from 1."""
    return uuid5(NAMESPACE, f"fake patient {number}")


def label(number: int) -> str:
    """Its pseudonym."""
    return f"P-{number:03d}"


def vital(
    metric: str,
    value: float | None,
    at: int | None,
    *,
    state: VitalState = "ok",
    slope: float | None = None,
    last_good: tuple[float, int] | None = None,
) -> Vital:
    """One vital sign as it stands on a tile: ``value`` canonical, ``at`` in µs."""
    glucose = metric == "glucose"
    limits: Limits = GLUCOSE_LIMITS if glucose else HEART_RATE_LIMITS
    arrow = None if slope is None else max(-3, min(3, int(slope)))
    return Vital(
        value=value,
        unit="mg/dL" if glucose else "/min",
        at=at,
        received_at=at,
        state=state,
        interval_us=MINUTE_US if glucose else 5 * SECOND_US,
        stale_after_us=11 * MINUTE_US if glucose else 30 * SECOND_US,
        arrow=arrow,
        slope=slope,
        last_good=None if last_good is None else Good(value=last_good[0], at=last_good[1]),
        limits=limits,
    )


def tile(number: int, now: int, patients: int = 20) -> WardTile:
    """A calm patient with values as of ``now`` and six hours of sparkline."""
    site = 1 if number <= math.ceil(patients * 0.6) else 2
    phase = number * 1.7
    glucose = 120 + 35 * math.sin(phase)
    rate = 72 + 14 * math.sin(phase * 2)
    spark = Spark(
        glucose=tuple(
            (now - back * _SPARK_US, round(glucose + 28 * math.sin(phase + back / 9), 1)) for back in range(71, 0, -1)
        ),
        heart_rate=tuple(
            (now - back * _SPARK_US, round(rate + 9 * math.sin(phase + back / 3), 1)) for back in range(71, 0, -1)
        ),
    )
    return WardTile(
        patient=patient_id(number),
        label=label(number),
        site=site,
        bed=f"{'AB'[site - 1]}-{number:02d}",
        device=f"dev-{number:03d}",
        battery=float(20 + (number * 37) % 80),
        vitals=Vitals(
            heart_rate=vital("heart_rate", round(rate), now - SECOND_US),
            glucose=vital("glucose", round(glucose), now - 20 * SECOND_US, slope=round(math.sin(phase) * 1.4, 2)),
        ),
        spark=spark,
    )


def alert(number: int, now: int, *, version: int = 1, **changed: Any) -> Alert:
    """A low of level 2 that opened 4 min ago, unacknowledged; any field can be given another value."""
    opened = now - 4 * MINUTE_US
    rule = changed.get("rule", "low")
    values: dict[str, Any] = {
        "id": uuid5(NAMESPACE, f"fake alert {number} {rule}"),
        "version": (version, 0),
        "change": "open",
        "at": now,
        "announced": True,
        "patient": patient_id(number),
        "label": label(number),
        "site": 1,
        "device": f"dev-{number:03d}",
        "metric": "glucose",
        "rule": rule,
        "category": "physiological",
        "level": 2,
        "priority": "high",
        "condition": "active",
        "value": 48.0,
        "value_at": now - 20 * SECOND_US,
        "unit": "mg/dL",
        "limit": 54.0,
        "censored": None,
        "reason": "",
        "since": opened,
        "opened_at": opened,
        "policy": 1,
        "risen": (version, 0),
        "announced_at": opened,
        "announcements": 1,
        "response": "unacknowledged",
        "unanswered_since": opened,
        "repeat_at": opened + 5 * MINUTE_US,
        "lead_at": opened + 3 * MINUTE_US,
        "all_at": opened + 6 * MINUTE_US,
        "next_at": opened + 5 * MINUTE_US,
    }
    return Alert.model_validate(values | changed)


def unwatched(alerts: Iterable[Alert], tiles: Iterable[WardTile]) -> tuple[Unwatched, ...]:
    """Who lies at the silent sites among open alerts."""
    ward, found = list(tiles), []
    for silent in (each for each in alerts if each.rule == SITE_SILENT):
        there = tuple((tile.patient, tile.label) for tile in ward if tile.site == silent.site)
        found.append(
            Unwatched(site=silent.site, alert=silent.id, since=silent.since, count=len(there), patients=there[:100])
        )
    return tuple(found)


MEDIUM: dict[str, Any] = {"level": 1, "priority": "medium", "value": 64.0, "limit": 70.0, "all_at": None}
"""Makes `alert` a low of level 1."""
HEART: dict[str, Any] = {
    "metric": "heart_rate",
    "rule": "heart_rate_high",
    "level": 1,
    "priority": "medium",
    "value": 138.0,
    "unit": "/min",
    "limit": 130.0,
    "all_at": None,
}
"""Makes `alert` a heart rate above its limit."""
SIGNAL: dict[str, Any] = {
    "rule": "signal",
    "category": "technical",
    "level": 1,
    "priority": "low",
    "value": None,
    "value_at": None,
    "limit": None,
    "unit": "",
    "reason": "silent",
    "repeat_at": None,
    "lead_at": None,
    "all_at": None,
}
"""Makes `alert` a lost signal."""
ACKNOWLEDGED: dict[str, Any] = {
    "change": "acknowledge",
    "announced": False,
    "response": "acknowledged",
    "acknowledged_by": "Mia",
}
"""Makes `alert` an acknowledged one; say until when with ``acknowledged_until``."""
