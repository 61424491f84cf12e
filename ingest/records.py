"""What a bridge wants written: one record of one partition."""

from __future__ import annotations

from typing import NamedTuple

from vitals.rejections import Rejection
from vitals.topics import REJECTED, partition_of


class Record(NamedTuple):
    """One record for an explicit partition of one of Vigil's topics."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def rejected(rejection: Rejection, partitions: int) -> Record:
    """The record of a rejection, in its device's partition."""
    partition = partition_of(rejection.key, partitions)
    return Record(REJECTED, partition, rejection.key, rejection.value, rejection.headers())
