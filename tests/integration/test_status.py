"""What ``vigil status`` and ``vigil cat`` tell of real servers."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from dashboards import queries
from dashboards.cat import cat
from dashboards.status import Status, render, status
from runtime.database import connect
from runtime.kafka import Out
from runtime.observe import HealthServer, Metrics, Readiness
from runtime.settings import Settings
from tests.integration.storage_data import (
    DEVICE,
    PATIENT,
    T0,
    alert,
    alert_out,
    bindings_out,
    reading,
    readings_out,
    running_sink,
    send,
    sink_settings,
    stored_to_the_end,
    window,
    window_out,
)
from vitals.errors import InputError, StateError
from vitals.readings import Flag, tick_rows
from vitals.topics import COMMANDS, JOURNAL, READINGS, REJECTED, TICK_KEY

REJECTION = Out(REJECTED, 1, b"cgm-9", b"{", (("topic", b"vigil/v1/a/b/readings"), ("reason", b"malformed")))


async def test_status_counts_what_is_stored_refused_open_and_behind(topics: Settings, database_url: str):
    """It is the first thing that anybody looks at when something seems lost: each number has one meaning."""
    assert topics.database_url.get_secret_value() == database_url
    await send(topics, [*bindings_out(), readings_out([reading(0, 5.2), reading(0, 5.2), reading(0, 6.0)]), REJECTION])
    await send(topics, [alert_out(alert((1, 0))), window_out(window(15, 3, 97.0))])
    async with running_sink(sink_settings(topics)):
        await stored_to_the_end(topics)
    await send(topics, [readings_out([reading(5, 5.0)])])

    found = await status(topics)
    assert found.problems == ()
    assert found.stored == {
        "readings": 1, "windows": 1, "alerts": 1, "alert_changes": 1, "rejected": 2, "patients": 1, "devices": 1,
        "sites": 1,
    }  # fmt: skip
    assert (found.duplicates, found.conflicts, found.broken) == (1, 1, 0)
    assert found.rejected == {"conflict": 1, "malformed": 1}
    assert found.alerts_open == {"medium": 1}
    assert found.lag == 1
    behind = [(each.topic, each.partition, each.position, each.end) for each in found.partitions if each.lag]
    assert behind == [(READINGS, 0, 1, 2)]
    assert Status.model_validate_json(found.model_dump_json()) == found
    assert "rejected    conflict 1, malformed 1" in render(found)


async def test_status_says_which_service_is_not_ready_and_why(topics: Settings, database_url: str):
    """A process that lives and does nothing is the case that a process list does not show."""
    assert database_url
    well, ill = Readiness(), Readiness("database")
    ill.set("database", False, "no connection")
    async with HealthServer(0, well, Metrics()) as first, HealthServer(0, ill, Metrics()) as second:
        ports = {"bridge": first.port, "sink": second.port}
        found = await status(topics, ports)
    gone = await status(topics, {"sink": ports["sink"]})
    assert [(each.name, each.alive, each.ready) for each in found.services] == [
        ("bridge", True, True),
        ("sink", True, False),
    ]
    assert found.services[1].reasons == {"database": "no connection"}
    assert not found.ok
    assert not gone.services[0].alive
    assert "service     sink: not ready (database: no connection)" in render(found)


async def test_status_answers_although_a_server_is_away(topics: Settings, database_url: str):
    """It is asked just then: what can still be told is told, and the rest is named in one line each."""
    assert database_url
    await send(topics, [readings_out([reading(0, 5.2)])])
    no_database = topics.model_copy(update={"database_url": SecretStr("postgresql://u:secret@127.0.0.1:1/x")})
    found = await status(no_database)
    assert len(found.problems) == 1
    assert "127.0.0.1:1" in found.problems[0]
    assert "secret" not in found.problems[0]
    found = await status(topics.model_copy(update={"kafka": "127.0.0.1:1"}))
    assert len(found.problems) == 1
    assert "127.0.0.1:1" in found.problems[0]
    assert found.stored["readings"] == 0


async def test_queries_give_the_open_alerts_by_urgency_and_the_latest_readings(topics: Settings, database_url: str):
    """A list that begins with the mildest hides what matters; a clock in 2099 must not be the latest for ever."""
    future = reading(0, 9.9, observed_at=4_070_908_800_000_000, flags=int(Flag.CLOCK_SUSPECT))
    high = alert((2, 0), id=DEVICE, priority="high")
    over = alert((3, 0), id=PATIENT, closed=True)
    outs = [alert_out(alert((1, 0))), alert_out(high), alert_out(over)]
    await send(topics, [*bindings_out(), readings_out([reading(0, 5.2), reading(5, 5.4), future]), *outs])
    async with running_sink(sink_settings(topics)):
        await stored_to_the_end(topics)
    async with await connect(database_url) as connection:
        assert [body["priority"] for body in await queries.open_alerts(connection, 10)] == ["high", "medium"]
        (latest,) = await queries.latest(connection, [1, 2], Flag.CLOCK_SUSPECT)
    assert (latest.label, latest.value, latest.device) == ("p-1", 5.4, DEVICE)


async def test_cat_prints_every_record_as_one_json_line(topics: Settings):
    """What stands in the log must be readable without our code: the log is the truth."""
    tick = Out(READINGS, 0, TICK_KEY, tick_rows([1, 2], T0).tobytes())
    control = Out(READINGS, 0, b"site:1", b'{"kind":"site","number":1}', (("control", b"1"), ("cause", bytes(12))))
    suspect = reading(1, 6.0, flags=int(Flag.CLOCK_SUSPECT | Flag.LATE), observed_at=2**62)
    await send(topics, [tick, control, readings_out([reading(0, 5.2), suspect]), Out(READINGS, 0, b"p", b"?")])
    await send(topics, [REJECTION, window_out(window(15, 3, 97.0)), alert_out(alert((4, 0))), *bindings_out()])
    await send(topics, [Out(JOURNAL, 0, b"mark", b'{"kind":"mark"}'), Out(COMMANDS, 0, b"ward-a", b"no json")])

    readings = await printed(topics, "readings")
    assert readings[:3] == [
        {"partition": 0, "offset": 0, "row": 0, "tick": "2023-11-14T22:13:20.000000Z", "site": 1},
        {"partition": 0, "offset": 0, "row": 1, "tick": "2023-11-14T22:13:20.000000Z", "site": 2},
        {"partition": 0, "offset": 1, "cause": [0, 0], "control": {"kind": "site", "number": 1}},
    ]
    assert readings[3]["value"] == 5.2
    assert readings[3]["patient"] == str(PATIENT)
    assert readings[4]["flags"] == ["clock_suspect", "late"]
    assert readings[4]["observed_at"] == 2**62
    assert readings[5]["broken"].startswith("a record is not whole 64-byte rows")
    (rejected,) = await printed(topics, "rejected")
    assert (rejected["device"], rejected["reason"], rejected["payload"]) == ("cgm-9", "malformed", "{")
    (found,) = await printed(topics, "windows")
    assert (found["mean"], found["slope"], found["arrow"], found["version"]) == (97.0, None, None, [3, 0])
    (feed,) = await printed(topics, "feed")
    assert (feed["cause"], feed["message"]["rule"]) == ([4, 0], "low")
    assert [line["key"] for line in await printed(topics, "bindings")] == ["site:ward-a", "device:cgm-1"]
    assert await printed(topics, "journal") == [
        {"partition": 0, "offset": 0, "key": "mark", "message": {"kind": "mark"}}
    ]
    assert "broken" in (await printed(topics, "commands"))[0]


async def test_cat_ends_at_its_limit_and_can_follow(topics: Settings):
    """``--limit`` also ends a ``--follow``, so that a script can wait for the next record."""
    await send(topics, [readings_out([reading(minute, 5.0) for minute in range(5)])])
    assert len(await printed(topics, "readings", limit=3)) == 3
    assert len(await printed(topics, "readings", limit=5, follow=True)) == 5
    assert await printed(topics, "readings", limit=0) == []


async def test_cat_names_what_it_cannot_show(topics: Settings):
    """One line with the remedy, for a word that is none of ours and for topics that were never made."""
    with pytest.raises(InputError, match="one of readings, rejected"):
        await printed(topics, "alarms")
    with pytest.raises(StateError, match="run vigil migrate"):
        await printed(topics.model_copy(update={"namespace": "nobody"}), "readings")


async def printed(settings: Settings, what: str, *, follow: bool = False, limit: int | None = None):
    lines: list[str] = []
    count = await cat(settings, what, lines.append, follow=follow, limit=limit)
    assert count == len(lines)
    return [json.loads(line) for line in lines]
