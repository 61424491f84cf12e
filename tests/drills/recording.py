"""What the engine drill has recorded (see ``compose/drills/recorded.py``), read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vitals.causes import NONE, Cause, of_headers
from vitals.steps import Headers, Records


class Written(NamedTuple):
    """A record as somebody wrote it: its own offset, and the cause that it carries."""

    offset: int
    key: bytes | None
    value: bytes
    cause: Cause


def records(folder: Path, topic: str, partition: int) -> Records:
    """All records of a partition."""
    offsets: list[int] = []
    keys: list[bytes | None] = []
    values: list[bytes] = []
    headers: list[Headers] = []
    for offset, key, value, carried in _lines(folder / f"{topic}-{partition}.jsonl"):
        offsets.append(offset)
        keys.append(None if key is None else bytes.fromhex(key))
        values.append(bytes.fromhex(value))
        headers.append(tuple((name, bytes.fromhex(data)) for name, data in carried))
    return Records(topic, partition, offsets, keys, values, headers)


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    """All rows of a table."""
    return list(_lines(folder / f"{table}.jsonl"))


def written(found: Records) -> Iterator[Written]:
    """The records that carry a cause."""
    columns = found.offsets, found.keys, found.values, found.headers
    for offset, key, value, headers in zip(*columns, strict=True):
        cause = of_headers(headers)
        if cause is not None:
            yield Written(offset, key, value, cause)


def once(found: Iterable[Written]) -> tuple[list[Written], int]:
    """What a reader takes who accepts only a greater cause, and how many records that leaves out."""
    newest, taken, repeats = NONE, list[Written](), 0
    for each in found:
        if each.cause > newest:
            newest = each.cause
            taken.append(each)
        else:
            repeats += 1
    return taken, repeats


def _lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)
