"""What the API says of the fake ward: readings, records, changes and a pipeline at work; or that it is away."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID, uuid5

from dashboards.api_models import AlertsOut, ChangeOut, PatientAlertsOut, PatientDetail, SeriesOut, SystemOut, problem
from dashboards.tiles import WardTile
from tests.browser.fake import Fake
from tests.browser.fixtures import GLUCOSE_LIMITS, HEART_RATE_LIMITS, patient_id
from vitals.alerts import Alert
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT
from vitals.topics import NAMESPACE

STEP_US = 5 * MINUTE_US
HOUR_US = 60 * MINUTE_US
SERVICES = ("registry", "sink", "process", "manage", "gateway", "bridge", "dashboard", "prove")
WALKERS = frozenset({patient_id(2), patient_id(4)})
"""Whose devices count steps."""
WALK = (0, 0, 12, 64, 90, 30, 0, 0, 0, 6, 0)
"""Steps a minute, each five minutes."""
Answer = tuple[int, Any]
AWAY: Answer = (503, problem("unavailable", "the database does not answer", "look at its log"))


def remember(fake: Fake) -> None:
    """Let the fake's API answer everything that a screen asks."""
    fake.api["/api/patients/"] = lambda path, query: _patient(fake, path, query)
    fake.api["/api/alerts"] = lambda _path, _query: _alerts(fake)
    fake.api["/api/system"] = lambda _path, _query: (200, _system(fake.now()))


def forget(fake: Fake) -> None:
    """The database is away: what needs it answers 503."""
    for prefix in ("/api/patients/", "/api/alerts"):
        fake.api[prefix] = lambda _path, _query: AWAY


def _patient(fake: Fake, path: str, query: str) -> Answer:
    _, _, _, name, *rest = path.split("/")
    tile = fake.tiles.get(UUID(name))
    if tile is None:
        return 404, problem("not_found", "there is no such patient", "")
    asked = {key: values[0] for key, values in parse_qs(query).items()}
    match rest:
        case ["series"]:
            begin, end = int(asked["from"]), int(asked["to"])
            if asked["metric"] == "steps":
                return 200, _steps(begin, end, counted=tile.patient in WALKERS)
            return 200, _series(asked["metric"], begin, end)
        case ["alerts"]:
            alerts = tuple(each for each in fake.alerts.values() if each.patient == tile.patient)
            changes = tuple(change_of(each, place) for place, each in enumerate(alerts))
            return 200, PatientAlertsOut(alerts=alerts, changes=changes, more=False).model_dump(mode="json")
        case _:
            return 200, _detail(tile, fake.now())


def _detail(tile: WardTile, now: int) -> Any:
    device = {"name": tile.device or "", "type": "ward", "metrics": ("heart_rate", "glucose"), "until": None}
    return PatientDetail.model_validate(
        {
            "id": tile.patient,
            "label": tile.label,
            "site": tile.site,
            "site_name": f"ward-{'ab'[tile.site - 1]}",
            "bed": tile.bed,
            "devices": (device | {"since": now - 30 * HOUR_US},),
            "latest": {},
            "limits": {"glucose": GLUCOSE_LIMITS, "heart_rate": HEART_RATE_LIMITS},
            "policy": DEFAULT,
            "night": False,
            "service": None,
            "shelves": (),
            "known": True,
        }
    ).model_dump(mode="json")


def _series(metric: str, start: int, end: int) -> Any:
    """One value each five minutes; a gap of an hour, and an hour that came late."""
    glucose = metric == "glucose"
    times = [
        at
        for at in range(start - start % STEP_US + STEP_US, end, STEP_US)
        if not end - 4 * HOUR_US < at < end - 3 * HOUR_US
    ]
    middle, swing = (118.0, 40.0) if glucose else (74.0, 9.0)
    values = tuple(round(middle + swing * math.sin(at / HOUR_US), 1) for at in times)
    late = tuple(int(end - 6 * HOUR_US < at < end - 5 * HOUR_US) for at in times)
    gap = (end - 4 * HOUR_US, end - 3 * HOUR_US)
    given = {
        "metric": metric,
        "unit": "mg/dL" if glucose else "/min",
        "from": start,
        "to": end,
        "interval_us": MINUTE_US if glucose else 5 * SECOND_US,
        "bucket_us": STEP_US,
        "raw": False,
        "t": times,
        "min": [value - 2 for value in values],
        "max": [value + 2 for value in values],
        "last": values,
        "n": [5] * len(times),
        "flags": late,
        "gaps": [gap] if start < gap[0] else [],
        "limits": [(start, GLUCOSE_LIMITS if glucose else HEART_RATE_LIMITS)],
    }
    return SeriesOut.model_validate(given).model_dump(mode="json", by_alias=True)


def _steps(start: int, end: int, *, counted: bool) -> Any:
    """Of who is counted, a walk now and then, and the last hour unknown; of others nothing at all."""
    times = range(start - start % STEP_US + STEP_US, end - HOUR_US, STEP_US) if counted else ()
    values = tuple(WALK[at // STEP_US % len(WALK)] for at in times)
    given = {
        "metric": "steps",
        "unit": "{steps}/min",
        "from": start,
        "to": end,
        "interval_us": MINUTE_US,
        "bucket_us": STEP_US,
        "raw": False,
        "t": tuple(times),
        "n": [5] * len(times),
        "flags": [0] * len(times),
        "min": [0] * len(times),
        "max": values,
        "last": [0] * len(times),
        "gaps": [],
        "limits": [],
    }
    return SeriesOut.model_validate(given).model_dump(mode="json", by_alias=True)


def change_of(alert: Alert, place: int) -> ChangeOut:
    """The alert as one line of history."""
    same = ChangeOut.model_fields.keys() & Alert.model_fields.keys()
    values = {name: getattr(alert, name) for name in same}
    return ChangeOut.model_validate(values | {"cursor": str(place), "alert": alert.id, "by": None, "text": ""})


def _alerts(fake: Fake) -> Answer:
    now = fake.now()
    found = [change_of(each, place) for place, each in enumerate(fake.alerts.values())]
    for number in range(40):
        like = found[number % len(found)] if found else None
        if like is not None:
            old = {
                "at": now - (number + 1) * 7 * MINUTE_US,
                "alert": uuid5(NAMESPACE, f"old {number}"),
                "announced": False,
            }
            found.append(like.model_copy(update=old | {"change": "clear", "closed": True, "cursor": f"old {number}"}))
    return 200, AlertsOut(changes=tuple(found), next=None).model_dump(mode="json")


def _system(now: int) -> Any:
    services = [{"name": name, "alive": True, "ready": True, "reasons": {}} for name in SERVICES]
    services[1] |= {"ready": False, "reasons": {"database": "does not answer since 20 s"}}
    hops = [
        {"name": name, "per_second": 4.2, "lag": lag, "age_ms": 300 + lag, "p50_ms": 12, "p99_ms": 80, "why": {}}
        for name, lag in (("readings", 0), ("journal", 2), ("feed", 0))
    ]
    hops.insert(0, hops[0] | {"name": "broker", "lag": None, "why": {"lag": "MQTT does not tell"}})
    return SystemOut.model_validate(
        {
            "at": now,
            "services": services,
            "hops": hops,
            "partitions": [{"topic": "vitals.readings", "partition": 0, "end": 48_120, "stored": 48_102}],
            "rejected": {"conflict": 3, "unbound": 1},
            "stored": {"readings": 48_102, "alerts": 210},
            "clients": {"feed": 2, "tiles": 2},
            "metrics": {"sink": {"vigil_stored_total": 48_102.0}},
            "versions": {"vigil": "0.1.0", "python": "3.11.7"},
            "problems": ["the database does not answer"],
        }
    ).model_dump(mode="json")
