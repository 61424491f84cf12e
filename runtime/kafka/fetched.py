"""Fetched records as aiokafka's decoder made them, a whole partition at a time.

Aiokafka copies each record into a Python dataclass and hands it through two generators; that was two thirds of what a
record of one reading costs before anybody looks at it. Its name for the class that does so is private: the version is
pinned, and ``tests/unit/test_fetched.py`` fails where it changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException

from vitals.steps import Headers

FIELDS = ("offset", "key", "value", "headers", "timestamp")
_OFFSETS, _KEYS, _VALUES, _HEADERS, _TIMESTAMPS = map(attrgetter, FIELDS)
Columns = tuple[list[int], list[bytes | None], list[bytes], list[Headers], list[int]]
_Stock: Any = fetcher.PartitionRecords


class PartitionRecords(_Stock):  # type: ignore[misc]  # aiokafka has no types
    """Records of one fetch of one partition; iterating decodes all of them, `__next__` one as aiokafka does."""

    next_fetch_offset: int

    def __iter__(self) -> Iterator[Any]:
        """All that is left, with an attribute for each of `FIELDS`. Nobody here asks for a part of a fetch.

        Raises:
            CorruptRecordException: a batch does not have the sum of its bytes.
        """
        rows: list[Any] = []
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if not batch.is_control_batch:
                some = list(batch)
                # a batch comes whole, though it was asked for from its middle
                if some and some[0].offset < self.next_fetch_offset:
                    some = [row for row in some if row.offset >= self.next_fetch_offset]
                rows += some
            self.next_fetch_offset = batch.next_offset
        return iter(rows)


def use_whole_fetches() -> None:
    """Have aiokafka's consumers of this process make these."""
    fetcher.PartitionRecords = PartitionRecords


def columns(rows: list[Any]) -> Columns:
    """Offsets, keys, values, headers and timestamps of records."""
    return (
        list(map(_OFFSETS, rows)),
        list(map(_KEYS, rows)),
        list(map(_VALUES, rows)),
        [tuple(headers) if headers else () for headers in map(_HEADERS, rows)],
        list(map(_TIMESTAMPS, rows)),
    )
