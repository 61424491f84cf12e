"""Which windows the database keeps: what says something new; how one gets the others; and a database of before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np
import pytest

from runtime.database import connect, migrate
from runtime.database_errors import UniqueViolation
from runtime.settings import Settings
from stream import sink_windows
from stream.processor import Processor
from stream.sink_windows import KeptWindows, Mark
from stream.store import Store
from tests.conftest import MIGRATIONS
from tests.integration.storage_data import rows
from tests.integration.test_dirty import CLUSTER, MARKS, nobody, said, stored, works
from tests.logs import LATE, T0, Log, row, windows, worn
from vitals.errors import StateError
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.topics import READINGS, WINDOWS, patient_id
from vitals.windows import WINDOW_BY_CODE, is_dirty
from vitals.windows import WINDOWS as KINDS

POSITIONS = [(READINGS, 0), (WINDOWS, 0)]
MINUTES = 40
BY_KIND = "SELECT win, count(*) FROM vigil.windows GROUP BY win ORDER BY win"


def lived(late: range = range(0)) -> Log:
    """A heart rate every 2 s for `MINUTES`; the seconds ``late`` come after the last, beyond the processor's ring."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "band-1", "ward", T0 - MINUTE_US))
    log.tick(T0)
    for second in range(2, 60 * MINUTES, 2):
        if second not in late:
            log.readings(pulse(second))
        if second % 10 == 2:
            log.tick(T0 + second * SECOND_US)
    for second in late:
        log.readings(pulse(second, LATE))
    log.tick(T0 + (60 * MINUTES + 10) * SECOND_US)
    return log


def pulse(second: int, flags: int = 0) -> np.ndarray:
    """The heart rate of a second."""
    return row("ann", 60 + second % 37, T0 + second * SECOND_US, metric="heart_rate", device="band-1", flags=flags)


async def written(url: str, log: Log, kept: KeptWindows | None = None) -> None:
    """Store a log's readings and windows, and work its marks off."""
    async with Store.open(url, CLUSTER, kept=kept) as store:
        await store.positions(POSITIONS)
        for work in works(log, said(log)):
            assert await store.write(work, nobody) is not None
        while (await store.recompute()).left:
            pass


def every(log: Log) -> set[tuple[int, int]]:
    """Kind and end of every window that a log comes to."""
    found = windows(said(log))
    return {(int(each["window"]), int(each["end"])) for each in found[~is_dirty(found)]}


async def test_ten_seconds_are_not_kept_and_of_the_overlapping_minutes_one_a_minute(
    settings: Settings, database_url: str
):
    """Six of seven rows said once more what a reading or another window says: most of what windows cost."""
    log = lived()
    await written(database_url, log)
    found = await stored(settings)
    each = every(log)
    assert set(found) == {(kind, end) for kind, end in each if kind in {4, 5} or (kind == 1 and end % MINUTE_US == 0)}
    assert 3 * len(found) < len(each)
    assert [kind for kind, _ in await rows(settings, BY_KIND)] == [1, 4, 5]


async def test_who_asks_for_all_of_them_gets_them_and_those_that_the_log_still_has(
    settings: Settings, database_url: str
):
    """A study may need them and come up after the data; the statements are those of operations.md."""
    fill, thin = statements()
    log = lived()
    await written(database_url, log)
    before = await stored(settings)
    await asked(database_url, fill)
    async with Store.open(database_url, CLUSTER, kept=KeptWindows(every=True)) as store:
        positions = await store.positions(POSITIONS)
        assert positions[WINDOWS, 0] == 0
        _, again = works(log, said(log))
        assert await store.write(again, nobody) is not None
    after = await stored(settings)
    assert set(after) == every(log)
    assert {key: after[key] for key in before} == before
    await asked(database_url, thin)
    assert await stored(settings) == before


@pytest.mark.parametrize("all_of_them", [False, True])
async def test_what_comes_long_after_revises_what_is_kept_and_leaves_no_mark(
    settings: Settings, database_url: str, *, all_of_them: bool
):
    """A window that was kept and not revised would be wrong for ever; a mark for none would wait for ever."""
    log, timely, kept = lived(range(100, 220, 2)), lived(), KeptWindows(all_of_them)
    assert is_dirty(windows(said(log))).any()
    await written(database_url, log, kept)
    late = await stored(settings)
    assert await rows(settings, MARKS) == [(0,)]
    await rows(settings, "DELETE FROM vigil.windows RETURNING 1")
    await rows(settings, "DELETE FROM vigil.sink_positions RETURNING 1")
    await written(database_url, timely, kept)
    assert late == await stored(settings)
    assert any(kind == 1 and T0 + 100 * SECOND_US < end < T0 + 220 * SECOND_US for kind, end in late)


async def test_a_mark_of_before_for_windows_that_are_not_kept_is_ended(settings: Settings, database_url: str):
    """Who upgrades, or asks for fewer, has such marks: work that nobody wants, first in the queue."""
    log = lived(range(100, 220, 2))
    readings, of_windows = works(log, said(log))
    async with Store.open(database_url, CLUSTER, kept=KeptWindows(every=True)) as store:
        await store.positions(POSITIONS)
        for work in (of_windows, readings):
            await store.write(work, nobody)
    waiting = "SELECT count(*) FROM vigil.dirty_windows WHERE win = 3"
    assert (await rows(settings, waiting))[0][0] > 0
    async with Store.open(database_url, CLUSTER) as store:
        while (await store.recompute()).left:
            pass
    assert await rows(settings, MARKS) == [(0,)]


def test_kept_ends_of_a_mark_begin_at_the_first_whole_minute():
    """A mark speaks of every end; from the first of them on each whole minute is computed, in parts."""
    mark = Mark(0, 1, 0, patient_id("ann"), 1, T0 + 10 * SECOND_US, T0 + 5 * MINUTE_US, SECOND_US, 29.0, 241.0, 0)
    ends = sink_windows.next_ends(mark, mark.first, KeptWindows().step_us(mark.spec))
    assert list(ends) == [T0 + minute * MINUTE_US for minute in range(1, 6)]
    late = mark._replace(first=T0 + 4 * MINUTE_US + SECOND_US, last=T0 + 4 * MINUTE_US + 50 * SECOND_US)
    assert not sink_windows.next_ends(late, late.first, MINUTE_US)
    assert not sink_windows.next_ends(mark, mark.first, KeptWindows().step_us(WINDOW_BY_CODE[3]))


def test_a_kind_that_this_sink_does_not_know_is_kept():
    """A newer processor may close others; what is dropped unknown is lost."""
    found = windows(Log.run(lived(), Processor(0, 1)))[:1].copy()
    found["window"], found["end"] = 99, T0 + 1
    assert len(KeptWindows().of(found)) == 1


async def test_the_database_says_which_kinds_there_are(settings: Settings, database_url: str):
    """Who reads rows with SQL needs the width that a row does not carry; a list of its own would go stale."""
    assert database_url
    found = await rows(settings, "SELECT win, name, metric, width, step, kept FROM vigil.window_kinds ORDER BY win")

    def interval(us: int) -> timedelta | None:
        return timedelta(microseconds=us) if us else None

    assert found == [
        (each.code, each.name, each.metric.code, *map(interval, (each.width_us, each.step_us, each.kept_step_us)))
        for each in KINDS
    ]


BEFORE = """
INSERT INTO vigil.windows (patient, metric, win, win_end, win_start, log, v_offset, v_ordinal, count, coverage, mean,
    sd, min, max, slope, arrow, flags, median, theil_sen, gap)
SELECT md5(p::text)::uuid, 1, win, e, e - interval '1 min', 1, 7, p, 60, 0.5, 70.5, 1.25, 60, 80, NULL, NULL, 0, 70,
    NULL, NULL
FROM generate_series(1, 3) AS p, unnest(ARRAY[1, 3, 5]) AS win,
    generate_series(timestamptz '2026-01-01 00:00:10Z', timestamptz '2026-01-20 00:00:10Z', interval '310 s') AS e
"""
FIGURES = "v_offset, v_ordinal, count, coverage, mean, sd, min, max, slope, arrow, median, theil_sen, gap"
EACH = f"SELECT patient, win, win_end, {FIGURES} FROM vigil.windows ORDER BY patient, win, win_end"  # noqa: S608
WHOLE = "extract(epoch FROM win_end)::bigint % 60 = 0"


async def old(url: str, folder: Path) -> None:
    """Make a database of before, with windows in it."""
    for path in sorted(MIGRATIONS.glob("*.sql")):
        if path.name < "0005":
            copy(path, folder)
    await migrate(url, folder)
    await asked(url, BEFORE)


async def test_a_database_of_before_keeps_what_is_kept_and_gives_the_room_back(empty_database_url: str, tmp_path: Path):
    """What is not kept is not revised any more: left there, it would be wrong without a sign."""
    await old(empty_database_url, tmp_path)
    size = "SELECT pg_database_size(current_database())"
    wanted = await asked(empty_database_url, EACH.replace("ORDER BY", f"WHERE win <> 3 AND {WHOLE} ORDER BY"))
    ((before,),) = await asked(empty_database_url, size)
    assert await migrate(empty_database_url, MIGRATIONS)
    found = await asked(empty_database_url, EACH)
    assert len(found) > 1000
    assert found == wanted
    ((after,),) = await asked(empty_database_url, size)
    assert after < before
    with pytest.raises(UniqueViolation):
        await asked(empty_database_url, BEFORE.replace("unnest(ARRAY[1, 3, 5])", "unnest(ARRAY[5])"))
    await asked(empty_database_url, BEFORE.replace("2026", "2027"))  # by a sink of before, until it is replaced


async def test_a_view_on_what_is_replaced_is_named_before_anything_is_copied(empty_database_url: str, tmp_path: Path):
    """Whoever made it must know its name, and that it can be made again; PostgreSQL says it after the copy."""
    await old(empty_database_url, tmp_path)
    view = 'CREATE VIEW public."Night shift" AS SELECT patient, mean FROM vigil.windows WHERE win = 1'
    await asked(empty_database_url, view)
    await asked(empty_database_url, "CREATE MATERIALIZED VIEW public.means AS SELECT avg(mean) FROM vigil.windows")
    await asked(empty_database_url, "CREATE VIEW others AS SELECT patient FROM vigil.readings")
    with pytest.raises(StateError) as caught:
        await migrate(empty_database_url, MIGRATIONS)
    assert str(caught.value) == (
        'views stand on a table that 0005_kept_windows.sql replaces: public."Night shift" on vigil.windows, '
        "public.means on vigil.windows (drop them, run vigil migrate, and create them again; nothing was changed)"
    )
    await asked(empty_database_url, 'DROP VIEW public."Night shift"; DROP MATERIALIZED VIEW public.means')
    assert await migrate(empty_database_url, MIGRATIONS) == ["0005_kept_windows.sql", "0006_marks_of_patients.sql"]
    await asked(empty_database_url, view)
    assert await asked(empty_database_url, 'SELECT count(*) > 0 FROM public."Night shift"') == [(True,)]


def statements() -> list[str]:
    """The statements of operations.md that fill in and take away what is not kept."""
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    part = page.split("### What a patient's day takes")[1].split("## On containers")[0]
    return [block.split("```")[0] for block in part.split("```sql")[1:]]


async def asked(url: str, statement: str) -> list[tuple[Any, ...]]:
    """What a statement gives, for good."""
    async with await connect(url, autocommit=True) as connection:
        cursor = await connection.execute(statement.encode())
        return await cursor.fetchall() if cursor.description else []
