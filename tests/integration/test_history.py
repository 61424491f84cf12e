"""Charts and history on real servers: what is drawn, within which limits, and who did what when."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from runtime.clock import SystemClock
from runtime.kafka import Out
from runtime.settings import Settings
from tests.boards import HOUR, MINUTE, SECOND, dashboard, knowing, measured, worn
from tests.integration.storage_data import alert, alert_out, stored
from vitals.alerts import Note, Service, Shelf
from vitals.causes import Cause
from vitals.control import PatientControl
from vitals.metrics import TICK
from vitals.policies import DEFAULT
from vitals.readings import READING, Flag, Invalid
from vitals.topics import CONTROL_HEADER, FEED, READINGS, TICK_KEY, patient_id

pytestmark = pytest.mark.timeout(90)
P1, P2 = patient_id("p-1"), patient_id("p-2")
NOW = SystemClock().now_us() // MINUTE * MINUTE
DAY = 24 * HOUR


async def test_a_chart_shows_late_censored_invalid_readings_and_gaps(
    topics: Settings, tmp_path: Path, database_url: str
):
    """What is drawn alike is taken for alike: a late low is no alarm that was missed, an error no value."""
    assert topics.database_url.get_secret_value() == database_url
    at = NOW - 2 * HOUR
    await stored(
        topics,
        [
            *worn("p-1", 1, NOW - 20 * DAY),
            measured("p-1", "glucose", 100, at),
            measured("p-1", "glucose", 39, at + MINUTE, flags=int(Flag.CENSORED_LOW)),
            measured("p-1", "glucose", 0, at + 2 * MINUTE, invalid=Invalid.SENSOR_ERROR),
            measured("p-1", "glucose", 52, at + 30 * MINUTE, flags=int(Flag.LATE)),
            measured("p-1", "glucose", 90, at + 31 * MINUTE, flags=int(Flag.CONTROL_SOLUTION)),
            measured("p-1", "glucose", 5.0, at + 32 * MINUTE, unit="mmol/L"),
        ],
    )
    async with dashboard(topics, tmp_path) as board:
        await knowing(board, "nurse", 1)
        found = (
            await board.get(f"/api/patients/{P1}/series", metric="glucose", from_=at - MINUTE, to=at + 40 * MINUTE)
        ).json
        assert (found["raw"], found["bucket_us"], found["unit"]) == (True, 0, "mg/dL")
        assert found["t"] == [at + minute * MINUTE for minute in (0, 1, 2, 30, 32)]
        assert found["min"] == found["max"] == found["last"] == [100, 39, None, 52, pytest.approx(90.091)]
        assert found["n"] == [1, 1, 0, 1, 1]
        assert found["flags"] == [0, 2, 8, 1, 0]
        assert found["gaps"] == [[at + MINUTE, at + 30 * MINUTE]]
        limits = {"target": [70, 180], "low1": 70, "low2": 54, "high1": 250, "high2": 399}
        assert found["limits"] == [[at - MINUTE, limits]]


async def test_a_chart_shows_the_limits_that_were_in_force_then(topics: Settings, tmp_path: Path, database_url: str):
    """A value that called nobody lies within the limits of its day, not of today."""
    assert topics.database_url.get_secret_value() == database_url
    begin, changed = NOW - 10 * HOUR, NOW - 4 * HOUR
    given = PatientControl(patient=P1, label="p-1", site=1, version=1, worn=(), policy=DEFAULT)
    low, high = DEFAULT.thresholds
    raised = tuple(each.model_copy(update={"limit": each.limit + 10}) for each in low.levels)
    policy = DEFAULT.model_copy(update={"version": 2, "thresholds": (low.model_copy(update={"levels": raised}), high)})
    after = given.model_copy(update={"version": 2, "policy": policy})
    again = after.model_copy(update={"version": 3})
    log = [
        tick(NOW - 20 * HOUR), control(given), tick(changed), control(after), tick(NOW - HOUR), control(again),
    ]  # fmt: skip
    await stored(topics, [*worn("p-1", 1, NOW - 20 * DAY), *log])
    async with dashboard(topics, tmp_path) as board:
        await knowing(board, "nurse", 1)
        query: dict[str, Any] = {"metric": "glucose", "to": NOW}
        found = (await board.get(f"/api/patients/{P1}/series", from_=begin, **query)).json["limits"]
        assert [(from_at, limits["low1"], limits["low2"]) for from_at, limits in found] == [
            (begin, 70, 54),
            (changed, 80, 64),
        ]
        later = (await board.get(f"/api/patients/{P1}/series", from_=NOW - HOUR, **query)).json["limits"]
        assert [(from_at, limits["low1"]) for from_at, limits in later] == [(NOW - HOUR, 80)]


def control(given: PatientControl) -> Out:
    """A control record in the log of readings."""
    return Out(READINGS, 0, given.patient.bytes, given.encode(), ((CONTROL_HEADER, b"1"),))


def tick(at: int) -> Out:
    """A tick of site 1."""
    row = np.zeros(1, READING)
    row["metric"], row["site"], row["observed_at"], row["received_at"] = TICK, 1, at, at
    return Out(READINGS, 0, TICK_KEY, row.tobytes())


async def test_fourteen_days_come_from_roll_ups_with_every_extreme(topics: Settings, tmp_path: Path, database_url: str):
    """The one low of a fortnight is what the fortnight is looked at for."""
    assert topics.database_url.get_secret_value() == database_url
    times = range(NOW - 14 * DAY, NOW, 12 * HOUR)
    values = {at: 100.0 + place for place, at in enumerate(times)}
    values[NOW - 5 * DAY + 7 * SECOND] = 41.0
    given = [measured("p-1", "glucose", value, at) for at, value in values.items()]
    await stored(topics, [*worn("p-1", 1, NOW - 20 * DAY), *given])
    async with dashboard(topics, tmp_path) as board:
        await knowing(board, "nurse", 1)
        query: dict[str, Any] = {"metric": "glucose", "from_": NOW - 14 * DAY, "to": NOW}
        found = (await board.get(f"/api/patients/{P1}/series", **query)).json
        assert (found["raw"], found["bucket_us"]) == (False, 1800 * SECOND)
        assert sum(found["n"]) == len(values)
        assert min(found["min"]) == 41
        assert max(found["max"]) == max(values.values())
        assert found["t"] == sorted({at // (1800 * SECOND) * (1800 * SECOND) for at in values})


async def test_the_history_of_alerts_is_told_in_scope_with_who_did_what(
    topics: Settings, tmp_path: Path, database_url: str
):
    """After the night somebody asks who knew what when; the answer is a list, not a memory."""
    assert topics.database_url.get_secret_value() == database_url
    opened = {"patient": P1, "opened_at": NOW - HOUR, "since": NOW - HOUR, "announced_at": NOW - HOUR, "label": "p-1"}
    note = Note(by="nurse", at=NOW - 20 * MINUTE, text="juice given")
    mine = [
        alert((1, 0), **opened, at=NOW - HOUR),
        alert((2, 0), **opened, at=NOW - 30 * MINUTE, change="acknowledge", acknowledged_by="nurse", announced=False),
        alert((3, 0), **opened, at=NOW - 20 * MINUTE, change="note", notes=(note,), announced=False),
    ]
    theirs = alert((4, 0), **(opened | {"patient": P2, "label": "p-2"}), at=NOW - MINUTE, site=2, id=UUID(int=8))
    away = Service(
        version=(5, 0), patient=P1, label="p-1", site=1, since=NOW - MINUTE, until=NOW + HOUR, by="nurse", reason="scan"
    )
    service = Out(FEED, 0, P1.bytes, away.encode(), (("cause", Cause(5, 0).pack()),))
    people = [*worn("p-1", 1, NOW - 20 * DAY), *worn("p-2", 2, NOW - 20 * DAY)]
    await stored(topics, [*people, *(alert_out(each) for each in (*mine, theirs)), service])
    async with dashboard(topics, tmp_path) as board:
        await knowing(board, "wall", 2)
        found = (await board.get(f"/api/patients/{P1}/alerts", from_=NOW - 2 * HOUR, to=NOW)).json
        assert [each["change"] for each in found["changes"]] == ["open", "acknowledge", "note", "out_of_service"]
        assert [(each["by"], each["text"]) for each in found["changes"][1:]] == [
            ("nurse", ""),
            ("nurse", "juice given"),
            ("nurse", "scan"),
        ]
        assert [each["version"] for each in found["alerts"]] == [[3, 0]]
        assert [each["label"] for each in (await board.get("/api/alerts", "other")).json["changes"]] == ["p-2"]
        first = (await board.get("/api/alerts", "ops", limit=4)).json
        assert [each["change"] for each in first["changes"]] == ["out_of_service", "open", "note", "acknowledge"]
        rest = (await board.get("/api/alerts", "ops", limit=4, before=first["next"])).json
        assert ([each["version"] for each in rest["changes"]], rest["next"]) == ([[1, 0]], None)
        assert (await board.get("/api/alerts", "ops", open="false")).json["changes"] == []
        for cursor in ("bm8", "WzFlNDAwLDEsMSwxLDFd"):  # no JSON; and a time of 1e400
            assert (await board.get("/api/alerts", "ops", before=cursor)).status == 422
        detail = (await board.get(f"/api/patients/{P1}")).json
        assert (detail["service"]["reason"], detail["known"], detail["policy"]["version"]) == ("scan", True, 1)


async def test_what_is_set_aside_stands_in_the_history_when_it_began_and_when_it_ended(
    topics: Settings, tmp_path: Path, database_url: str
):
    """Why did nobody come? Because the patient was out of service: that must be in the list where one looks."""
    assert topics.database_url.get_secret_value() == database_url
    service = Service(
        version=(1, 0), patient=P1, label="p-1", site=1, since=NOW - 2 * HOUR, until=NOW, by="nurse", reason="scan"
    )
    back = service.model_copy(update={"version": (4, 0), "until": NOW - HOUR, "ended": True})
    shelf = Shelf(
        id=UUID(int=5), version=(2, 0), patient=P1, label="p-1", site=1, metric="glucose", rule="low", level=1,
        since=NOW - 90 * MINUTE, until=NOW - 75 * MINUTE, by="nurse", reason="juice given",
    )  # fmt: skip
    over = shelf.model_copy(update={"version": (3, 0), "ended": True})
    theirs = service.model_copy(update={"version": (5, 0), "patient": P2, "label": "p-2", "site": 2})
    told = [
        Out(FEED, 0, UUID(int=9).bytes, each.encode(), (("cause", Cause(*each.version).pack()),))
        for each in (service, shelf, over, back, theirs)
    ]
    await stored(topics, [*worn("p-1", 1, NOW - DAY), *worn("p-2", 2, NOW - DAY), *told])
    async with dashboard(topics, tmp_path) as board:
        await knowing(board, "wall", 2)
        changes = (await board.get(f"/api/patients/{P1}/alerts")).json["changes"]
        assert [(each["change"], each["at"], each["until"], each["rule"]) for each in changes] == [
            ("out_of_service", NOW - 2 * HOUR, NOW, ""),
            ("shelf", NOW - 90 * MINUTE, NOW - 75 * MINUTE, "low"),
            ("shelf_over", NOW - 75 * MINUTE, NOW - 75 * MINUTE, "low"),
            ("in_service", NOW - HOUR, NOW - HOUR, ""),
        ]
        assert {each["alert"] for each in changes} == {None}
        pages: list[Any] = []
        before: dict[str, str] = {}
        while True:
            page = (await board.get("/api/alerts", limit=1, **before)).json
            pages += page["changes"]
            if page["next"] is None:
                break
            before = {"before": page["next"]}
        assert pages == changes[::-1]
        assert (await board.get("/api/alerts", open="true")).json["changes"] == []
        assert [each["label"] for each in (await board.get("/api/alerts", "other")).json["changes"]] == ["p-2"]


async def test_a_question_without_a_span_is_about_the_last_day(topics: Settings, tmp_path: Path, database_url: str):
    """The address that a person types has no microseconds in it."""
    assert topics.database_url.get_secret_value() == database_url
    opened = {"patient": P1, "label": "p-1", "closed": True}
    changes = [alert((1, 0), **opened, at=NOW - 25 * HOUR), alert((2, 0), **opened, at=NOW - HOUR)]
    readings = [measured("p-1", "glucose", value, NOW - hours * HOUR) for value, hours in ((90, 30), (100, 2))]
    await stored(topics, [*worn("p-1", 1, NOW - 2 * DAY), *readings, *(alert_out(each) for each in changes)])
    async with dashboard(topics, tmp_path) as board:
        await knowing(board, "nurse", 1)
        alerts = await board.get(f"/api/patients/{P1}/alerts")
        assert (alerts.status, [each["at"] for each in alerts.json["changes"]]) == (200, [NOW - HOUR])
        series = await board.get(f"/api/patients/{P1}/series", metric="glucose")
        assert (series.status, series.json["last"], series.json["to"] - series.json["from"]) == (200, [100], DAY)
        earlier = await board.get(f"/api/patients/{P1}/alerts", to=NOW - 20 * HOUR)
        assert [each["at"] for each in earlier.json["changes"]] == [NOW - 25 * HOUR]
