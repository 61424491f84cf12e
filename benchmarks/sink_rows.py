"""How fast the sink's transaction stores readings, beside ``psql copy`` of the same rows in the same binary form.

``python -m benchmarks.sink_rows URL [ROWS]``: URL is a superuser's database on a server to measure; a database is
made there, migrated and dropped. Prints one JSON object: rows per second of each, and their ratio.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import UUID

import numpy as np

from runtime.clock import SystemClock
from runtime.database import connect, migrate
from stream import sink, sink_work
from stream.sink import Refusal
from stream.store import COPY_READINGS, Store
from vitals.readings import READING
from vitals.steps import Records
from vitals.topics import READINGS

MIGRATIONS = Path(__file__).parents[1] / "runtime" / "migrations"
DATABASE = "vigil_benchmark"
DEVICES = 200
BATCH_RECORDS = 20_000
"""About what one poll of a busy partition brings; each record holds one reading, as a live device sends it."""


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


async def by_sink(url: str, given: list[Records], log: str) -> float:
    """Seconds for all transactions of the sink, decoding and sorting included."""
    clock = SystemClock()
    async with Store.open(url, log) as store:
        position = await store.positions([(READINGS, 0)])
        began = clock.monotonic()
        for records in given:
            await store.write(sink_work.gather([records], position), _nowhere)
            position = {(READINGS, 0): records.offsets[-1] + 1}
        return clock.monotonic() - began


async def _nowhere(_refusals: list[Refusal]) -> None:
    return None


def by_psql(url: str, given: list[Records]) -> float:
    """Seconds for psql's copy of one file with the same rows, psql's start included."""
    batch, _ = sink.read_readings(given)
    clock = SystemClock()
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(sink.readings_copy(batch, numbered=False))
        file.flush()
        statement = COPY_READINGS.replace("COPY", "\\copy", 1).replace("STDIN", f"'{file.name}'")
        began = clock.monotonic()
        subprocess.run(["psql", url, "-qc", statement], check=True)
        return clock.monotonic() - began


async def _measure(admin: str, rows: int) -> dict[str, float]:
    given = polls(rows)
    url = f"{admin.rpartition('/')[0]}/{DATABASE}"
    async with await connect(admin, autocommit=True) as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)".encode())
        await connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        try:
            await migrate(url, MIGRATIONS)
            sink_s, psql_s = [], []
            for turn in range(3):
                await _empty(url)
                psql_s.append(by_psql(url, given))
                await _empty(url)
                sink_s.append(await by_sink(url, given, f"turn {turn}"))
            repeats_s = await by_sink(url, given, "repeats")
        finally:
            await connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())
    best, psql = rows / min(sink_s), rows / min(psql_s)
    return {
        "rows": rows,
        "sink_rows_per_second": round(best),
        "psql_rows_per_second": round(psql),
        "ratio": round(best / psql, 2),
        "repeated_rows_per_second": round(rows / repeats_s),
    }


async def _empty(url: str) -> None:
    async with await connect(url, autocommit=True) as connection:
        await connection.execute("TRUNCATE vigil.readings")
        await connection.execute("CHECKPOINT")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_measure(sys.argv[1], int((sys.argv[2:] or ["200000"])[0])))) + "\n")
