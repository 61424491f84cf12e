"""What a stack has recorded, as files that a judge without a stack can read: topics of Kafka, tables of the database.

A partition of a topic is ``TOPIC-N.jsonl``, a record a line: offset, key, value and headers, bytes in hexadecimal. A
table is ``TABLE.jsonl``, a row a line with the names of its columns, times in µs UTC.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from runtime.database import AsyncConnection, connect
from runtime.kafka import Reader
from runtime.settings import Settings
from vitals.steps import Records
from vitals.topics import FEED, JOURNAL, READINGS, WINDOWS

TOPICS = (READINGS, JOURNAL, WINDOWS, FEED)
TABLES: Mapping[str, str] = {
    "readings": "SELECT count(*) FROM vigil.readings",
    "windows": """
        SELECT patient::text, metric, win, (extract(epoch FROM win_end) * 1000000)::bigint AS win_end, v_offset,
            v_ordinal, count, coverage, mean, sd, min, max, slope, arrow, median, theil_sen, gap
        FROM vigil.windows""",
    "alerts": "SELECT id::text, v_offset, v_ordinal, closed, body FROM vigil.alerts",
    "alert_changes": "SELECT partition, v_offset, v_ordinal, alert::text, change, body FROM vigil.alert_changes",
}


async def dump(settings: Settings, folder: Path) -> None:
    """Write everything into a new folder; topics to their present ends.

    Raises:
        ServerError: Kafka or the database is not there.
    """
    await asyncio.to_thread(folder.mkdir)
    for topic in TOPICS:
        for partition in range(settings.partitions):
            await _topic(settings, topic, partition, folder / f"{topic}-{partition}.jsonl")
    async with await connect(settings.database_url, autocommit=True, application="vigil drill") as connection:
        for name, question in TABLES.items():
            await _table(connection, question, folder / f"{name}.jsonl")


async def _topic(settings: Settings, topic: str, partition: int, path: Path) -> None:
    found: list[Records] = []
    async with Reader(settings, [(topic, partition)]) as reader:
        end = (await reader.end_offsets())[topic, partition]
        while await reader.position(topic, partition) < end:
            found += await reader.poll(1.0)
    await asyncio.to_thread(_write, path, (line for records in found for line in _lines(records)))


def _lines(records: Records) -> Iterable[Any]:
    columns = records.offsets, records.keys, records.values, records.headers
    for offset, key, value, headers in zip(*columns, strict=True):
        carried = [[name, data.hex()] for name, data in headers]
        yield [offset, None if key is None else key.hex(), value.hex(), carried]


async def _table(connection: AsyncConnection, question: str, path: Path) -> None:
    cursor = await connection.execute(question.encode())
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    rows = await cursor.fetchall()
    await asyncio.to_thread(_write, path, (dict(zip(names, row, strict=True)) for row in rows))


def _write(path: Path, lines: Iterable[Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
