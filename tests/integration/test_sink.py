"""The sink on a real Kafka and both databases: every record stored once, whatever stops in between."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit, urlunsplit

import pytest
from pydantic import SecretStr

from runtime.database import DatabaseUnavailable, connect
from runtime.kafka import Out, cluster_id
from runtime.observe import Readiness
from runtime.settings import Settings
from runtime.testing.proxy import Proxy
from runtime.testing.waiting import until
from stream import sink_service
from stream.store import Store
from tests.integration.storage_data import (
    DEVICE,
    PATIENT,
    T0,
    alert,
    alert_out,
    bindings_out,
    reading,
    readings_out,
    rows,
    running_sink,
    send,
    sink_settings,
    stored_to_the_end,
    window,
    window_out,
)
from vitals.errors import StateError
from vitals.readings import tick_rows
from vitals.topics import READINGS, REJECTED, TICK_KEY

pytestmark = pytest.mark.usefixtures("database_url")


async def test_what_every_topic_holds_is_stored_with_its_place_in_the_log(topics: Settings):
    """The database is a fold of the log: whoever doubts a row finds the record that it came from."""
    tick = Out(READINGS, 0, TICK_KEY, tick_rows([1], T0).tobytes())
    control = Out(READINGS, 0, b"site:1", b'{"kind":"site","number":1,"name":"ward-a"}', (("control", b"1"),))
    rejected = Out(REJECTED, 2, b"cgm-9", b"\x00not json", (("topic", b"vigil/v1/x"), ("reason", b"malformed")))
    records = [
        tick, control, readings_out([reading(0, 5.2), reading(5, 5.4)]), tick, readings_out([reading(10, 5.6)], 1),
        window_out(window(15, 3, 97.0)), alert_out(alert((4, 0))), rejected, *bindings_out(),
    ]  # fmt: skip
    await send(topics, records)
    async with running_sink(sink_settings(topics)):
        await stored_to_the_end(topics)

    found = await rows(
        topics,
        "SELECT patient, device, metric, value, unit, e = observed_at, log_partition, log_offset FROM vigil.readings"
        " ORDER BY observed_at",
    )
    assert found == [
        (PATIENT, DEVICE, 2, 5.2, 3, True, 0, 2),
        (PATIENT, DEVICE, 2, 5.4, 3, True, 0, 2),
        (PATIENT, DEVICE, 2, 5.6, 3, True, 1, 0),
    ]
    windows = await rows(topics, "SELECT v_offset, count, mean, slope, arrow FROM vigil.windows")
    assert windows == [(3, 3, 97.0, None, None)]
    assert await rows(topics, "SELECT v_offset, change, announced FROM vigil.alert_changes") == [(4, "open", True)]
    assert await rows(topics, "SELECT priority, closed, body->>'rule' FROM vigil.alerts") == [("medium", False, "low")]
    found = await rows(topics, "SELECT log_partition, device, topic, reason, payload FROM vigil.rejected")
    assert found == [(2, "cgm-9", "vigil/v1/x", "malformed", b"\x00not json")]
    assert await rows(topics, "SELECT name, type, site FROM vigil.devices") == [("cgm-1", "dexcom", 1)]
    assert await rows(topics, "SELECT number, name FROM vigil.sites") == [(1, "ward-a")]
    assert await rows(topics, "SELECT id, label FROM vigil.patients") == [(PATIENT, "p-1")]


async def test_a_repeat_is_counted_and_another_value_becomes_a_conflict(topics: Settings):
    """Both would vanish in a DO NOTHING; a conflict may be the sensor's better word, so somebody must see it."""
    await send(topics, [*bindings_out(), readings_out([reading(0, 5.2), reading(0, 5.2), reading(5, 5.4)])])
    async with running_sink(sink_settings(topics)):
        await stored_to_the_end(topics)
        await send(topics, [readings_out([reading(5, 5.4), reading(0, 9.9), reading(0, 5.2), reading(10, 5.6)])])
        await stored_to_the_end(topics)

    values = await rows(topics, "SELECT value FROM vigil.readings ORDER BY observed_at")
    assert values == [(5.2,), (5.4,), (5.6,)]
    counted = "SELECT sum(stored), sum(duplicates), sum(conflicts) FROM vigil.sink_positions"
    assert await rows(topics, counted) == [(3, 3, 1)]
    found = await rows(topics, "SELECT device, reason, detail, source FROM vigil.rejected")
    assert found == [("cgm-1", "conflict", "9.9 mmol/L, but 5.2 mmol/L came first", "vitals.readings/0/1/1")]


async def test_a_broken_record_is_skipped_counted_and_named(topics: Settings, caplog: pytest.LogCaptureFixture):
    """One bad record must not stop the stream behind it, nor disappear."""
    await send(topics, [Out(READINGS, 0, PATIENT.bytes, b"short"), readings_out([reading(0, 5.2)])])
    async with running_sink(sink_settings(topics)):
        await stored_to_the_end(topics)
    assert await rows(topics, "SELECT sum(stored), sum(broken) FROM vigil.sink_positions") == [(1, 1)]
    assert [record.message for record in caplog.records if "skipped" in record.message] == [
        "vitals.readings/0/0 is skipped: 5 bytes are not whole rows"
    ]


async def test_a_sink_that_starts_again_stores_nothing_twice(topics: Settings):
    """Its position is the database's, so a restart needs no commit in Kafka and repeats nothing."""
    await send(topics, [readings_out([reading(0, 5.2)])])
    async with running_sink(sink_settings(topics)):
        await stored_to_the_end(topics)
    await send(topics, [readings_out([reading(5, 5.4)])])
    async with running_sink(sink_settings(topics)):
        await stored_to_the_end(topics)
    assert await rows(topics, "SELECT sum(stored), sum(duplicates) FROM vigil.sink_positions") == [(2, 0)]


async def test_a_database_that_goes_away_and_comes_back_loses_nothing(topics: Settings):
    """An outage may last a night; the sink stays in its group, says that it is not ready, and goes on."""
    address = urlsplit(topics.database_url.get_secret_value())
    readiness = Readiness("kafka", "database")
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        through = address._replace(netloc=f"{address.username}:{address.password}@127.0.0.1:{proxy.port}")
        url = SecretStr(urlunsplit(through))
        settings = sink_settings(topics, database_url=url, sink_retry_seconds_max=0.1)
        async with running_sink(settings, readiness):
            await send(topics, [readings_out([reading(0, 5.2)])])
            await stored_to_the_end(topics)
            assert readiness.ok
            proxy.cut()
            await send(topics, [readings_out([reading(minute, 6.0)]) for minute in range(1, 50)])
            await proxy.refused_one()
            assert "database" in readiness.reasons
            proxy.mend()
            await stored_to_the_end(topics)
            assert readiness.ok
    assert await rows(topics, "SELECT sum(stored), sum(duplicates) FROM vigil.sink_positions") == [(50, 0)]


async def test_a_database_that_hangs_is_given_up(topics: Settings):
    """A stopped process keeps its connections open and answers nothing, not even a request to cancel."""
    address = urlsplit(topics.database_url.get_secret_value())
    readiness = Readiness("kafka", "database")
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        through = address._replace(netloc=f"{address.username}:{address.password}@127.0.0.1:{proxy.port}")
        url = SecretStr(urlunsplit(through))
        limits = {"sink_retry_seconds_max": 0.1, "sink_transaction_seconds_max": 2.0}
        async with running_sink(sink_settings(topics, database_url=url, **limits), readiness):
            await send(topics, [readings_out([reading(0, 5.2)])])
            await stored_to_the_end(topics)
            proxy.stall()
            await send(topics, [readings_out([reading(minute, 6.0)]) for minute in range(1, 50)])
            await proxy.accepted_one()
            assert "database" in readiness.reasons
            proxy.cut()
            proxy.mend()
            await stored_to_the_end(topics)
    assert await rows(topics, "SELECT sum(stored), sum(duplicates) FROM vigil.sink_positions") == [(50, 0)]


async def test_a_transaction_that_takes_long_is_seen(topics: Settings, monkeypatch: pytest.MonkeyPatch):
    """Somebody holds a lock, or a disk stands still: the connection lives, and all the while nothing is stored."""
    monkeypatch.setattr(sink_service, "HANGS_SECONDS", 0.1)
    readiness = Readiness("kafka", "database")
    async with running_sink(sink_settings(topics), readiness):
        await stored_to_the_end(topics)
        async with await connect(topics.database_url) as holder:
            await holder.execute("LOCK TABLE vigil.readings")
            await send(topics, [readings_out([reading(0, 5.2)])])
            await until(lambda: "a transaction has taken" in readiness.reasons.get("database", ""))
        await stored_to_the_end(topics)
        await until(lambda: readiness.ok)


async def test_a_backlog_is_stored_in_parts(topics: Settings):
    """One transaction for a night's backlog would outlast its deadline, be given up, and begin again, for ever."""
    await send(topics, [readings_out([reading(minute, 5.0)], minute % 2) for minute in range(100)])
    async with running_sink(sink_settings(topics, sink_transaction_bytes_max=200)):
        await stored_to_the_end(topics)
    assert await rows(topics, "SELECT sum(stored), count(*) FILTER (WHERE stored = 50) FROM vigil.sink_positions") == [
        (100, 2)
    ]


@pytest.mark.parametrize("wrong", ["database", "password"])
async def test_a_wrong_address_ends_the_start_with_one_line(topics: Settings, wrong: str):
    """Waiting mends no typing error: a sink that retries for ever hides it."""
    address = urlsplit(topics.database_url.get_secret_value())
    url = urlunsplit(address._replace(path="/nobody_made_this"))
    if wrong == "password":
        url = urlunsplit(address._replace(netloc=f"{address.username}:wrong@{address.hostname}:{address.port}"))
    with pytest.raises(ExceptionGroup) as raised:
        async with running_sink(sink_settings(topics, database_url=SecretStr(url))):
            await asyncio.get_running_loop().create_future()
    error = raised.value.exceptions[0]
    assert isinstance(error, DatabaseUnavailable)
    assert "\n" not in str(error)
    assert "wrong" not in str(error)


async def test_a_database_that_knows_more_than_the_log_is_refused(topics: Settings):
    """Kafka lost records that are stored: going on would skip the new records under the old offsets, silently."""
    async with Store.open(topics.database_url, f"{await cluster_id(topics)}/{topics.namespace}") as store:
        await store.positions([(READINGS, 0)])
    await rows(topics, "UPDATE vigil.sink_positions SET position = 9 RETURNING 1")
    with pytest.raises(ExceptionGroup) as raised:
        async with running_sink(sink_settings(topics)):
            await asyncio.get_running_loop().create_future()
    error = raised.value.exceptions[0]
    assert isinstance(error, StateError)
    assert "vitals.readings/0 is stored to 9, the log ends at 0" in str(error)
