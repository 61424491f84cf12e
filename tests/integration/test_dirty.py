"""Late readings and the database: windows revised in place, and those that only stored readings still tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from dashboards.status import status
from runtime.database import connect
from runtime.kafka import Out
from runtime.settings import Settings
from runtime.testing.waiting import until
from stream import sink_windows, sink_work
from stream.processor import Processor
from stream.sink_work import Work
from stream.store import Store
from tests.integration.storage_data import rows, running_sink, send, sink_settings
from tests.logs import LATE, T0, Log, row, windows, worn
from vitals.errors import StateError
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.steps import Output, Records
from vitals.topics import READINGS, WINDOWS, patient_id
from vitals.windows import ARROW_UNKNOWN, is_dirty

pytestmark = pytest.mark.usefixtures("database_url")
CLUSTER = "cluster"
FIGURES = ("count", "gap", "mean", "sd", "min", "max", "slope", "median", "theil_sen", "arrow", "coverage")
STORED = """
SELECT patient, win, (extract(epoch FROM win_end) * 1000000)::bigint, count, gap, mean, sd, min, max, slope, median,
    theil_sen, arrow, coverage::float8
FROM vigil.windows
"""
"""The same; ``coverage`` is of single precision: as text it would be rounded."""
MARKS = "SELECT count(*) FROM vigil.dirty_windows"
LOW = 1
"""The flag of a reading below the device's range."""


def lived(late: Iterable[int], kind: str = "dexcom", hours: int = 6, names: Sequence[str] = ("ann",)) -> Log:
    """A log of five-minute sensors; readings of the minutes ``late`` come after the last, most of them stale."""
    log = Log()
    log.site(1)
    for name in names:
        log.patient(name, worn(name, f"cgm-{name}", kind, T0 - 60 * MINUTE_US))
    log.tick(T0)
    away = set(late)
    for at in range(5, 60 * hours, 5):
        if at not in away:
            for name in names:
                log.readings(reading(at, name))
        log.tick(T0 + at * MINUTE_US + 2 * SECOND_US)
    for at in sorted(away):
        for name in names:
            log.readings(reading(at, name, flags=LATE))
    log.tick(T0 + 60 * hours * MINUTE_US + 2 * SECOND_US)
    return log


def reading(at: int, name: str = "ann", flags: int = 0) -> np.ndarray:
    """The reading of a minute: a curve with a censored hour in it, higher by one for each letter of the name."""
    censored = LOW if 40 <= at < 60 else 0
    value = 39 if censored else 117 + len(name) + at % 55 - at / 9
    return row(name, value, T0 + at * MINUTE_US, device=f"cgm-{name}", flags=flags | censored)


def said(log: Log) -> list[Output]:
    """The windows' records that the processor writes."""
    return [each for each in log.run(Processor(0, 1)) if each.topic == WINDOWS]


def works(log: Log, outputs: Sequence[Output]) -> tuple[Work, Work]:
    """What the sink makes of the log of readings, and of the windows' records."""
    keys, values = [each.key for each in outputs], [each.value for each in outputs]
    records = Records(WINDOWS, 0, list(range(len(outputs))), list(keys), values, [()] * len(outputs))
    return sink_work.gather([log.records()], {(READINGS, 0): 0}), sink_work.gather([records], {(WINDOWS, 0): 0})


async def nobody(_: object) -> None:
    """Publishes nothing: there are no conflicts."""
    raise AssertionError


async def stored(settings: Settings, name: str = "ann") -> dict[tuple[int, int], tuple[Any, ...]]:
    """What the database says of each window of a patient."""
    found = await rows(settings, STORED)
    return {(win, end): tuple(figures) for patient, win, end, *figures in found if patient == patient_id(name)}


def newest(outputs: Sequence[Output], name: str = "ann") -> dict[tuple[int, int], tuple[Any, ...]]:
    """What the last version of each window of a patient says, in the database's words."""
    found = windows(outputs)
    mine = found[~is_dirty(found) & (found["patient"] == np.void(patient_id(name).bytes))]
    return {
        (int(each["window"]), int(each["end"])): tuple(_plain(figure, each[figure].item()) for figure in FIGURES)
        for each in mine
    }


def _plain(name: str, value: float) -> float | None:
    return None if value != value or (name == "arrow" and value == ARROW_UNKNOWN) else value  # noqa: PLR0124


async def test_a_reading_40_minutes_late_revises_its_windows_in_place(settings: Settings, database_url: str):
    """A chart that reads windows shows what was measured, and each window once."""
    log, timely = lived({320}), lived(())
    outputs = said(log)
    assert not is_dirty(windows(outputs)).any()
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([(READINGS, 0), (WINDOWS, 0)])
        for work in works(log, outputs):
            assert await store.write(work, nobody) is not None
        assert (await store.recompute()).left == 0
    found = await stored(settings)
    assert found == newest(said(timely))
    versions = "SELECT win, count(*) FROM vigil.windows WHERE v_offset = (SELECT max(v_offset) FROM vigil.windows)"
    revised = dict(await rows(settings, f"{versions} GROUP BY win"))
    assert revised == {2: 7, 6: 4, 7: 9}, (
        "those that look at the reading and were closed, and the ones that closed then"
    )


async def test_beyond_the_ring_the_sink_says_what_the_processor_would_have_said(settings: Settings, database_url: str):
    """A backfill of the morning must make the morning's windows whole, to the byte, whoever computes them."""
    late = [*range(30, 80, 5), 120, 300, 340]
    log, timely = lived(late), lived(())
    outputs = said(log)
    assert is_dirty(windows(outputs)).any()
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([(READINGS, 0), (WINDOWS, 0)])
        readings, of_windows = works(log, outputs)
        await store.write(of_windows, nobody)
        left = (await rows(settings, MARKS))[0][0]
        assert left > 0
        assert await store.recompute() == (None, left), "the readings are not stored yet"
        await store.write(readings, nobody)
        while (done := await store.recompute()).left:
            assert done.windows is not None
        assert await store.recompute() == (None, 0)
    assert await stored(settings) == newest(said(timely))


async def test_marks_of_many_patients_in_one_record_are_each_worked_off(settings: Settings, database_url: str):
    """A gateway that was away brings everybody's morning at once: the marks differ in nothing but whose they are."""
    names = ("ann", "bert", "cyril")
    log, timely = lived(range(30, 80, 5), names=names), lived((), names=names)
    outputs = said(log)
    marks = windows(outputs)[is_dirty(windows(outputs))]
    assert len({each.tobytes() for each in marks["patient"]}) == len(names)
    assert len(set(marks[["offset", "ordinal"]].tolist())) == 1, "one record has them all"
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([(READINGS, 0), (WINDOWS, 0)])
        for work in works(log, outputs):
            await store.write(work, nobody)
        assert await rows(settings, MARKS) == [(len(marks),)]
        while (await store.recompute()).left:
            pass
    for name in names:
        assert await stored(settings, name) == newest(said(timely), name)


async def test_a_database_of_before_refuses_marks_that_it_would_take_for_each_others(database_url: str):
    """Whoever forgot to migrate reads of it; silently most of a ward's marks were gone."""
    async with await connect(database_url, autocommit=True) as connection:
        await connection.execute("""
            ALTER TABLE vigil.dirty_windows DROP CONSTRAINT dirty_windows_pkey,
            ADD PRIMARY KEY (log, partition, v_offset, v_ordinal, win, first_end)
        """)
    log = lived(range(30, 80, 5))
    _, of_windows = works(log, said(log))
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([(READINGS, 0), (WINDOWS, 0)])
        with pytest.raises(StateError, match="earlier version"):
            await store.write(of_windows, nobody)


async def test_a_mark_is_worked_off_in_parts_and_goes_on_after_a_stop(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    """A day of heart rate in one transaction would hold up what is live; and what is computed twice is the same."""
    monkeypatch.setattr(sink_windows, "ENDS_MAX", 4)
    log, timely = lived(range(5, 120, 5)), lived(())
    for work in works(log, said(log)):
        async with Store.open(database_url, CLUSTER) as store:
            await store.positions([(READINGS, 0), (WINDOWS, 0)])
            await store.write(work, nobody)
    turns, left = 0, 1
    while left:
        async with Store.open(database_url, CLUSTER) as store:
            written, left = await store.recompute()
            turns += 1
            assert (written or 0) <= 4
    assert turns > 20
    assert await stored(settings) == newest(said(timely))


async def test_a_mark_overwrites_no_newer_version(settings: Settings, database_url: str):
    """The processor may have written a window again after the mark: it saw more than the mark speaks of."""
    log = lived([30, 35])
    async with Store.open(database_url, CLUSTER) as store:
        await store.positions([(READINGS, 0), (WINDOWS, 0)])
        for work in works(log, said(log)):
            await store.write(work, nobody)
        await rows(settings, "UPDATE vigil.windows SET v_offset = 1000000, mean = 1 WHERE win = 2 RETURNING 1")
        while (await store.recompute()).left:
            pass
    assert await rows(settings, "SELECT DISTINCT mean FROM vigil.windows WHERE v_offset = 1000000") == [(1,)]
    assert len(await rows(settings, "SELECT 1 FROM vigil.windows WHERE win = 7 AND v_offset < 1000000")) > 0


async def test_a_running_sink_works_marks_off_beside_the_log(topics: Settings):
    """Nobody has to ask for it, and who looks sees how much is left."""
    late = [*range(30, 80, 5), 340]
    log, timely = lived(late), lived(())
    records = log.records()
    everything = zip(records.keys, records.values, records.headers, strict=True)
    readings = [Out(READINGS, 0, key, value, headers) for key, value, headers in everything]
    outputs = said(log)
    # the offsets of the test's log are not those of the topic: as versions any order will do that this log keeps
    await send(topics, [Out(WINDOWS, 0, each.key, _dense(each.value), ()) for each in outputs])
    async with running_sink(sink_settings(topics)):
        await until(lambda: _marked(topics))
        assert (await status(topics)).dirty > 0
        await send(topics, readings)
        await until(lambda: _clean(topics), seconds=30)
    assert await stored(topics) == newest(said(timely))
    assert (await status(topics)).dirty == 0


def _dense(value: bytes) -> bytes:
    """Windows whose versions count the test's records from 0 on, as the topic does."""
    found = windows([Output(WINDOWS, 0, b"", value, (0, 0))]).copy()  # type: ignore[arg-type]
    found["offset"] = (found["offset"] - 100) // 3
    return found.tobytes()


async def _marked(settings: Settings) -> bool:
    return (await rows(settings, MARKS)) != [(0,)]


async def _clean(settings: Settings) -> bool:
    return (await rows(settings, MARKS)) == [(0,)]
