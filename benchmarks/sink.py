"""The sink's transaction, from log records to rows, beside psql's copy of the same rows into the same table.

The sink also keeps positions, rolls readings up for charts, and stores each reading once; psql only copies a file in
the table's own binary form, made beforehand. Most of the work of both is the server's, so a second counts for rows;
the CPU of the client and of the server stand beside it.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

import numpy as np

from benchmarks.compare import Target, Turn
from benchmarks.frame import CLOCK, Result, Turns, alternate, children_cpu, cpu_of, own_cpu, progress
from compose import servers
from compose.migrate import ensure_database
from compose.servers import cache
from runtime.database import connect, migrate
from stream import sink, sink_work
from stream.sink import Refusal
from stream.store import COPY_READINGS, Store
from vitals.readings import READING
from vitals.steps import Records
from vitals.topics import READINGS

MIGRATIONS = Path(__file__).parents[1] / "runtime" / "migrations"
ROWS = 100_000
DEVICES = 200
BATCH_RECORDS = 20_000
"""About what one poll of a busy partition brings; each record holds one reading, as a live device sends it."""
OURS, PSQL, SORTED = "sink", "psql copy", "psql copy, sorted as the sink sorts"
Copy = Callable[[], Awaitable[None]]


def polls(rows: int) -> list[Records]:
    """Heart rates of `DEVICES` devices at 1 Hz, in the order in which they come, one record each."""
    found = np.zeros(rows, READING)
    number = np.arange(rows)
    ids = np.frombuffer(b"".join(UUID(int=2**100 * (7 + 13 * each)).bytes for each in range(DEVICES)), "V16")
    found["patient"] = found["device"] = ids[number % DEVICES]
    found["observed_at"] = 1_700_000_000_000_000 + number // DEVICES * 1_000_000
    found["received_at"] = found["observed_at"] + 150_000
    found["value"], found["metric"], found["unit"], found["site"] = 60 + number % 37, 1, 1, 1
    values = [row.tobytes() for row in found]
    starts = range(0, rows, BATCH_RECORDS)
    return [
        Records(READINGS, 0, list(range(at, at + len(part))), [part[0][:16]] * len(part), part, [()] * len(part))
        for at in starts
        for part in (values[at : at + BATCH_RECORDS],)
    ]


async def by_sink(url: str, given: list[Records], log: str) -> None:
    """Store all of it in transactions of the sink, decoding and sorting included; ``log`` names the log."""
    async with Store.open(url, log) as store:
        works = sink_work.Works(given, await store.positions([(READINGS, 0)]), BATCH_RECORDS * READING.itemsize)
        for work in works:
            await store.write(work, _nowhere, works.look_ahead)


async def _nowhere(_refusals: list[Refusal]) -> None:
    return None


async def by_psql(url: str, file: Path) -> None:
    """Copy one file, psql's start included."""
    statement = COPY_READINGS.replace("COPY", "\\copy", 1).replace("STDIN", f"'{file}'")
    child = await asyncio.create_subprocess_exec("psql", url, "-qc", statement)
    if code := await child.wait():
        raise ChildProcessError(f"psql ended with {code}")


async def _turn(server: int, copy: Copy) -> Turn:
    cpu, behind, began = own_cpu() + children_cpu(), cpu_of(server), CLOCK.monotonic()
    await copy()
    wall = CLOCK.monotonic() - began
    cost, served = own_cpu() + children_cpu() - cpu, cpu_of(server) - behind
    return Turn(ROWS, cost, wall, {"server_us_each": served / ROWS * 1e6, "all_us_each": (served + cost) / ROWS * 1e6})


async def _emptied(url: str, server: int, copy: Copy) -> Turn:
    async with await connect(url, autocommit=True) as connection:
        await connection.execute("TRUNCATE vigil.readings, vigil.rollups")
        await connection.execute("CHECKPOINT")
    return await _turn(server, copy)


async def run(turns: int) -> Result:
    """Measure."""
    result = Result(
        name="sink",
        what=f"{ROWS:,} readings into an empty table",
        work="rows",
        command="make bench ARGS=sink",
        targets=[Target(OURS, PSQL, "wall", 0.9), Target(OURS, SORTED, "wall"), Target(OURS, PSQL, "cpu")],
    )
    given = polls(ROWS)
    batch, _ = sink.read_readings(given)
    with tempfile.TemporaryDirectory(prefix="vigil-bench-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "rows.bin"
        file.write_bytes(b"".join(sink.readings_copy(batch, numbered=False)))
        sorted_file = Path(folder) / "sorted.bin"
        heads = sink.take(batch, sink.identities(batch.rows).first)
        sorted_file.write_bytes(b"".join(sink.readings_copy(heads, numbered=False)))
        async with _database(Path(folder)) as (url, server):
            numbers = iter(range(1000))

            async def ours() -> None:
                await by_sink(url, given, f"log {next(numbers)}")

            sides: dict[str, Turns] = {OURS: partial(_emptied, url, server, ours)}
            if shutil.which("psql"):
                sides[PSQL] = partial(_emptied, url, server, partial(by_psql, url, file))
                sides[SORTED] = partial(_emptied, url, server, partial(by_psql, url, sorted_file))
            else:
                result.absent[PSQL] = "Debian: apt-get install postgresql-client"
            await alternate(result, sides, turns)
            repeats = await _turn(server, ours)  # over the rows of the last turn
            result.figures["rows / s when every row is there already"] = round(repeats.rate("wall"))
            for name in sides:
                for figure, what in (("server_us_each", "the server's"), ("all_us_each", "all")):
                    each = [turn.more[figure] for turn in result.sides[name]]
                    result.figures[f"µs of {what} CPU a row, {name}"] = round(statistics.median(each), 2)
    return result


@asynccontextmanager
async def _database(root: Path) -> AsyncIterator[tuple[str, int]]:
    """A server of its own, as durable as a user's, a migrated database, and the server's process."""
    async with servers.start(root / "servers", cache.folder(), progress=progress, want=["postgres"]) as running:
        url = await ensure_database(running.addresses["postgres"], "bench")
        await migrate(url, MIGRATIONS)
        yield url, running.processes["postgres"].pid
