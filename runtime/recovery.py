"""Where a step begins in its partition: at the newest whole snapshot, where it was left, or at the log's beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import structlog

from runtime.kafka import Partition, Reader
from runtime.snapshots import intact
from vitals.errors import CodecError, StateError
from vitals.steps import Step

if TYPE_CHECKING:
    from runtime.settings import Settings

log = structlog.get_logger()
S = TypeVar("S", bound=Step)


class Begun(NamedTuple, Generic[S]):
    """A step after every record before ``position``; ``size`` in bytes of the snapshot that it is from, else 0."""

    step: S
    position: int
    size: int = 0


async def begun(
    settings: Settings, place: Partition, make: Callable[[], S], left: Begun[S] | None, positions: range
) -> Begun[S]:
    """The step that is furthest on within ``positions``, those that the log has; ``place`` is where snapshots are.

    A step that was ``left`` is as good as a snapshot: it is the fold of the records before its position, whoever had
    the partition meanwhile.
    """
    found = left if left is not None and left.position in positions else Begun(make(), 0)
    usable = range(max(found.position + 1, positions.start), positions.stop)
    # a reader of its own: on one that has read another partition a fetch of that is still under way, for 0.8 s
    async with Reader(settings, []) as reader, aclosing(intact(reader, place, found.step.FORMAT, usable)) as snapshots:
        async for snapshot in snapshots:
            step = make()
            try:
                await asyncio.to_thread(step.restore, snapshot.state)
            except CodecError as error:
                log.warning("snapshot passed over", topic=place[0], partition=place[1], error=str(error))
            else:
                return Begun(step, snapshot.offset, snapshot.size)
    return found


def check(place: Partition, snapshots: str, position: int, positions: range) -> None:
    """Refuse to begin at a position that the log does not have.

    Raises:
        StateError: the log has lost its beginning, and no snapshot reaches beyond that.
    """
    if position not in positions:
        begins = f"{place[0]}/{place[1]} starts at offset {positions.start}"
        raise StateError(
            "a log has lost its beginning",
            f"{begins}, and no snapshot in {snapshots} reaches beyond",
            "restore the topics, or start with an empty data folder",
        )
