"""The SQL that writes, on both databases, without Kafka: positions, identities, versions, and bad input."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

import pytest

from runtime.database import connect
from runtime.settings import Settings
from stream import sink_work
from stream.sink import Refusal
from stream.sink_work import Tally, Work
from stream.store import Store
from tests.conftest import MIGRATIONS
from tests.integration.storage_data import (
    MINUTE,
    PATIENT,
    T0,
    alert,
    alert_out,
    bindings_out,
    reading,
    readings_out,
    rows,
    window,
    window_out,
)
from vitals.alerts import Shelf
from vitals.causes import Cause
from vitals.control import PatientControl
from vitals.errors import StateError
from vitals.policies import DEFAULT
from vitals.readings import Flag, Invalid, Reading
from vitals.steps import Headers, Records
from vitals.topics import BINDINGS, FEED, READINGS, REJECTED, WINDOWS

CLUSTER = "cluster"
KEY = (READINGS, 0)


def work_of(readings: list[Reading], position: int, partition: int = 0) -> Work:
    """The work of one record of readings at ``position``."""
    out = readings_out(readings, partition)
    records = Records(READINGS, partition, [position], [out.key], [out.value], [()])
    return sink_work.gather([records], {(READINGS, partition): position})


def messages_of(topic: str, outs: Sequence[tuple[bytes | None, bytes, Headers]], at: int) -> Work:
    """The work of some records of one other topic from position ``at`` on."""
    keys, values, headers = [list(column) for column in zip(*outs, strict=True)]
    records = Records(topic, 0, list(range(at, at + len(outs))), keys, values, headers)
    return sink_work.gather([records], {(topic, 0): at})


class Published:
    """Stands for the producer: keeps what is published; ``fail`` makes it crash after that."""

    def __init__(self, *, fail: bool = False) -> None:
        self.refusals: list[Refusal] = []
        self.fail = fail

    async def __call__(self, refusals: list[Refusal]) -> None:
        self.refusals += refusals
        if self.fail:
            raise ConnectionResetError


async def test_nothing_is_written_where_another_process_has_moved_the_position(settings: Settings, database_url: str):
    """A zombie that wakes up must not store what its successor has stored: the position is the lock."""
    async with Store.open(database_url, CLUSTER) as first, Store.open(database_url, CLUSTER) as second:
        assert await first.positions([KEY]) == await second.positions([KEY]) == {KEY: 0}
        assert await first.write(work_of([reading(0, 5.2)], 0), Published()) == {KEY: Tally(stored=1)}
        assert await second.write(work_of([reading(0, 5.2), reading(5, 5.0)], 0), Published()) is None
        assert await second.positions([KEY]) == {KEY: 1}
    assert await rows(settings, "SELECT value FROM vigil.readings") == [(5.2,)]


async def test_two_logs_do_not_share_positions(database_url: str):
    """A Kafka made anew begins at offset 0; under the old cluster's positions its records would be skipped."""
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([KEY])
        await store.write(work_of([reading(0, 5.2)], 0), Published())
    async with Store.open(database_url, "another") as store:
        assert await store.positions([KEY]) == {KEY: 0}


async def test_a_crash_between_the_conflict_and_the_commit_repeats_the_same_source(
    settings: Settings, database_url: str
):
    """The record is in Kafka and the transaction is not: the repeat must be known as the same conflict."""
    published = Published(fail=True)
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([KEY])
        await store.write(work_of([reading(0, 5.2)], 0), Published())
        with pytest.raises(ConnectionResetError):
            await store.write(work_of([reading(0, 7.7), reading(5, 5.0)], 1), published)
        assert await store.positions([KEY]) == {KEY: 1}
        assert len(await rows(settings, "SELECT 1 FROM vigil.readings")) == 1
        published.fail = False
        await store.write(work_of([reading(0, 7.7), reading(5, 5.0)], 1), published)
        assert published.refusals[0] == published.refusals[1]
        await store.positions([(REJECTED, 0)])
        outs = [(each.key, each.value, each.headers) for each in published.refusals]
        await store.write(messages_of(REJECTED, outs, 0), Published())
    assert await rows(settings, "SELECT log_offset, source FROM vigil.rejected") == [(0, "vitals.readings/0/1/0")]
    assert await rows(settings, "SELECT sum(stored), sum(conflicts) FROM vigil.sink_positions") == [(2, 1)]


async def test_within_a_batch_the_first_in_the_log_wins(settings: Settings, database_url: str):
    """COPY has no order of its own: were the batch not made unique, the database would refuse or choose."""
    batch = [reading(5, 5.0), reading(0, 5.2), reading(0, 9.9), reading(5, 5.0), reading(0, 5.2)]
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([KEY])
        tallies = await store.write(work_of(batch, 0), Published())
    assert tallies == {KEY: Tally(stored=2, duplicates=2, conflicts=1)}
    assert await rows(settings, "SELECT value FROM vigil.readings ORDER BY observed_at") == [(5.2,), (5.0,)]


async def test_a_batch_is_judged_by_what_is_stored_and_not_by_its_own_first_row(settings: Settings, database_url: str):
    """Stored 5.2, then 9.9 and 5.2 again: the second is a repeat of the first word, not a conflict with 9.9."""
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([KEY])
        await store.write(work_of([reading(0, 5.2)], 0), Published())
        tallies = await store.write(work_of([reading(0, 9.9), reading(0, 5.2), reading(0, 9.9)], 1), Published())
    assert tallies == {KEY: Tally(duplicates=1, conflicts=2)}
    assert await rows(settings, "SELECT value, log_offset FROM vigil.readings") == [(5.2, 0)]


async def test_the_same_number_in_another_unit_is_a_conflict(database_url: str):
    """5.2 mg/dL is not 5.2 mmol/L."""
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([KEY])
        await store.write(work_of([reading(0, 5.2)], 0), Published())
        published = Published()
        await store.write(work_of([reading(0, 5.2, unit="mg/dL")], 1), published)
    assert dict(published.refusals[0].headers)["detail"] == b"5.2 mg/dL, but 5.2 mmol/L came first"


@pytest.mark.parametrize(
    ("at", "stored"),
    [
        (0, True),
        (4_070_908_800_000_000, True),
        (-62_135_510_400_000_000, True),
        (253_402_214_400_000_000, True),
        (-(2**63), False),
        (2**63 - 1, False),
    ],
    ids=["1970", "2099", "first", "last", "least", "greatest"],
)
async def test_a_device_clock_anywhere_in_64_bits_stops_nothing(
    settings: Settings, database_url: str, at: int, *, stored: bool
):
    """1970 and 2099 are rows; a time that no calendar has is refused with its number, not bent into one."""
    batch = [reading(0, 5.2), reading(0, 6.0, observed_at=at)]
    published = Published()
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([KEY])
        tallies = await store.write(work_of(batch, 0), published)
    assert tallies == {KEY: Tally(stored=1 + stored, broken=not stored)}
    assert len(await rows(settings, "SELECT observed_at FROM vigil.readings")) == 1 + stored
    reasons = [dict(each.headers)["reason"] for each in published.refusals]
    assert reasons == ([] if stored else [b"bad_timestamp"])


async def test_a_window_is_replaced_by_a_higher_version_only(settings: Settings, database_url: str):
    """A replay writes old versions again; the newest must stand, in whatever order they come."""
    key = (WINDOWS, 0)
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([key])
        for at, (offset, mean) in enumerate([(5, 97.0), (9, 99.0), (7, 98.0)]):
            value = window_out(window(15, offset, mean)).value
            assert await store.write(messages_of(WINDOWS, [(None, value, ())], at), Published()) is not None
    assert await rows(settings, "SELECT v_offset, mean FROM vigil.windows") == [(9, 99.0)]


async def test_an_alert_keeps_its_highest_version_and_all_of_its_changes(settings: Settings, database_url: str):
    """The list shows where an alert stands; an inquiry asks for every step that led there."""
    changes = [alert((1, 0)), alert((6, 1), change="clear", closed=True), alert((6, 0), change="rise", level=2)]
    outs = [(out.key, out.value, out.headers) for out in map(alert_out, changes)]
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([(FEED, 0)])
        await store.write(messages_of(FEED, outs[:2], 0), Published())
        await store.write(messages_of(FEED, outs, 2), Published())
    assert await rows(settings, "SELECT level, closed FROM vigil.alerts") == [(1, True)]
    found = await rows(settings, "SELECT v_offset, v_ordinal, change FROM vigil.alert_changes ORDER BY 1, 2")
    assert found == [(1, 0, "open"), (6, 0, "rise"), (6, 1, "clear")]


async def test_text_from_outside_cannot_break_a_statement(settings: Settings, database_url: str):
    """PostgreSQL refuses NUL in text and in jsonb: a name with one would otherwise stop the sink for ever."""
    message = alert((1, 0), acknowledged_by="a\0b", reason="\\u0000 \0", at=2**62)
    out = alert_out(message)
    headers = (("topic", b"x\0y"), ("reason", b"\xff"), ("received_at", b"9" * 30), ("length", b"many"))
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([(FEED, 0), (REJECTED, 0)])
        await store.write(messages_of(FEED, [(out.key, out.value, out.headers)], 0), Published())
        await store.write(messages_of(REJECTED, [(b"\0", b"\0", headers)], 0), Published())
    found = await rows(settings, "SELECT body->>'acknowledged_by', body->>'reason' FROM vigil.alerts")
    assert found == [("a\ufffdb", "\\u0000 \ufffd")]
    found = await rows(settings, "SELECT topic, reason, received_at, length, device FROM vigil.rejected")
    assert found == [("x\ufffdy", "\ufffd", None, None, "\ufffd")]


async def test_the_latest_record_of_a_device_stands(settings: Settings, database_url: str):
    """A compacted topic is read from its beginning again by a new sink; an old record must not undo a new one."""
    first, second = ([(out.key, out.value, out.headers) for out in bindings_out(label)] for label in ("p-1", "p-2"))
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([(BINDINGS, 0)])
        await store.write(messages_of(BINDINGS, [*first, *second], 0), Published())
    found = await rows(settings, "SELECT v_offset, body->'bindings'->0->>'label' FROM vigil.devices")
    assert found == [(3, "p-2")]
    assert await rows(settings, "SELECT label, v_offset FROM vigil.patients ORDER BY 1") == [("p-1", 1), ("p-2", 3)]


async def test_a_database_without_the_schema_is_named_in_one_line(empty_database_url: str):
    """The remedy is one command, so the line says it."""
    with pytest.raises(StateError, match="run vigil migrate"):
        async with Store.open(empty_database_url, CLUSTER):
            pass


async def test_two_writers_of_one_identity_both_come_to_an_end(settings: Settings, database_url: str):
    """A device that changes patients has its rows in two partitions, which two sinks may store at once."""
    async with Store.open(database_url, CLUSTER) as one, Store.open(database_url, CLUSTER) as two:
        await one.positions([(READINGS, 0), (READINGS, 1)])
        batch = [reading(minute, 5.0) for minute in range(200)]
        other = [each.model_copy(update={"patient": uuid.UUID(int=1)}) for each in batch]
        tallies = await asyncio.gather(
            one.write(work_of(batch, 0), Published()), two.write(work_of(other, 0, partition=1), Published())
        )
    counts = [tally for each in tallies if each for tally in each.values()]
    assert sorted(counts) == [Tally(duplicates=200), Tally(stored=200)]
    assert await rows(settings, "SELECT count(*), count(DISTINCT patient) FROM vigil.readings") == [(200, 1)]


ROLLED = """
SELECT width, extract(epoch FROM bucket)::bigint, min, max, last, n, marks,
    CASE WHEN n = 0 THEN NULL ELSE extract(epoch FROM first_at)::bigint END,
    CASE WHEN n = 0 THEN NULL ELSE extract(epoch FROM last_at)::bigint END
FROM vigil.rollups ORDER BY width, bucket
"""


async def test_roll_ups_are_what_is_stored_whatever_came_late_twice_or_wrong(settings: Settings, database_url: str):
    """A chart of weeks reads nothing else: a low that is missing here is missing for everybody."""
    mgdl = {"unit": "mg/dL"}
    batches = [
        [reading(0, 5.0), reading(0, 5.0), reading(1, 120, **mgdl)],
        [reading(1, 130, **mgdl), reading(3, 60, **mgdl, flags=int(Flag.LATE)), reading(3, 60, **mgdl)],
        [reading(2, 0, **mgdl, invalid=Invalid.SENSOR_ERROR), reading(4, 500, **mgdl, flags=int(Flag.CENSORED_HIGH))],
        [reading(9, 99, **mgdl, flags=int(Flag.CONTROL_SOLUTION)), reading(7, 1, **mgdl, invalid=Invalid.BELOW_RANGE)],
    ]
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([KEY])
        for position, batch in enumerate(batches):
            await store.write(work_of(batch, position), Published())
    kept = await rows(settings, ROLLED)
    five = [row for row in kept if row[0] == 300]
    begin = T0 // 300_000_000 * 300
    start, minute = T0 // 1_000_000, 60
    infinity = float("inf")
    assert [row[1] for row in five] == [begin, begin + 300, begin + 600]
    assert [(row[5], row[6]) for row in kept if row[0] == 60] == [(1, 0), (1, 0), (0, 8), (1, 1), (1, 4), (0, 8)]
    assert five[0][2:7] == (pytest.approx(90.091), 120, 120, 2, 0)
    assert (five[0][7], five[0][8]) == (start, start + minute)
    assert five[1][2:7] == (60, 500, 500, 2, 13)
    assert five[2][2:7] == (infinity, -infinity, -infinity, 0, 8)


async def test_a_database_of_before_gets_the_same_roll_ups_as_the_sink_makes(settings: Settings, database_url: str):
    """Who upgrades sees the weeks before the upgrade too."""
    given = [reading(minute, 4.0 + minute / 10) for minute in range(30)]
    given += [
        reading(31, 50, unit="mg/dL", flags=int(Flag.LATE | Flag.WARM_UP)),
        reading(32, 39, unit="mg/dL", flags=int(Flag.CENSORED_LOW | Flag.CLOCK_SUSPECT)),
        reading(33, 39, unit="mg/dL", flags=int(Flag.CENSORED_HIGH | Flag.BACKFILL)),
        reading(40, 0, invalid=Invalid.SENSOR_ERROR),
        reading(50, 7.0, flags=int(Flag.CONTROL_SOLUTION)),
    ]
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([KEY])
        await store.write(work_of(given, 0), Published())
    kept = await rows(settings, ROLLED)
    fill = (MIGRATIONS / "0002_charts.sql").read_text().split("INSERT INTO")[1].split(";")[0]
    async with await connect(database_url, autocommit=True) as connection:
        await connection.execute("DELETE FROM vigil.rollups")
        await connection.execute(f"INSERT INTO {fill}".encode())
    assert await rows(settings, ROLLED) == kept


async def test_shelves_services_beds_and_policies_are_kept(settings: Settings, database_url: str):
    """Who put what aside, and for how long, is asked after every incident."""
    shelf = Shelf(
        id=uuid.UUID(int=5), version=(1, 0), patient=PATIENT, label="p-1", site=1, metric="glucose", rule="low",
        level=1, since=T0, until=T0 + MINUTE, by="nurse\0", reason="eats",
    )  # fmt: skip
    ended = shelf.model_copy(update={"version": (2, 0), "ended": True})
    control = PatientControl(patient=PATIENT, label="p-1", site=1, version=3, worn=(), policy=DEFAULT, bed="7b")
    device = bindings_out()[1]
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([(FEED, 0), (BINDINGS, 0)])
        outs = [(b"s", each.encode(), (("cause", Cause(*each.version).pack()),)) for each in (shelf, ended, ended)]
        await store.write(messages_of(FEED, outs, 0), Published())
        registered = [(b"patient:p-1", control.encode(), ()), (device.key, device.value, ())]
        await store.write(messages_of(BINDINGS, registered, 0), Published())
        await store.write(messages_of(BINDINGS, [(device.key, device.value, ())], 2), Published())
    found = await rows(
        settings, "SELECT kind, patient, ended, body ->> 'reason' FROM vigil.set_aside ORDER BY v_offset"
    )
    assert found == [("shelf", PATIENT, False, "eats"), ("shelf", PATIENT, True, "eats")]
    found = await rows(settings, "SELECT label, bed, control -> 'version', v_offset FROM vigil.patients")
    assert found == [("p-1", "7b", 3, 2)]
