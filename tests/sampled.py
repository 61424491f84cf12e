"""Exports whose readings come each minute, made of one whose readings come less often."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from simulators.exports import ZONE, Export, parse
from vitals.metrics import GLUCOSE, MINUTE_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GAP_US = GLUCOSE.gap_us
Point = tuple[int, float]


def file_of(points: Iterable[Point]) -> bytes:
    """Times (µs UTC) and values (mmol/L) as a file, in its local time; values as devices give them, to one digit."""
    lines = (f"{_local(at):%d/%m/%Y %H:%M:%S},{value:.1f}" for at, value in points)
    return "\n".join(["bg_ts,value", *lines]).encode()


def each_minute(export: Export, kept: Callable[[int], bool] = lambda _: True) -> Export:
    """What a sensor of a minute would have written: between two readings without a gap the value goes straight from one
    to the other. ``kept`` says of a minute's number whether its reading came.
    """
    first: dict[int, float] = {}
    for sample in export.samples:
        first.setdefault(sample.at, sample.value)
    points = [point for number, point in enumerate(_filled(sorted(first.items()))) if kept(number)]
    return parse(f"{export.device}.csv", file_of(points))


def _filled(readings: list[Point]) -> Iterator[Point]:
    for (at, value), (then, after) in pairwise(readings):
        minutes = (then - at) // MINUTE_US if then - at <= GAP_US else 1
        yield at, value
        for minute in range(1, minutes):
            yield at + minute * MINUTE_US, value + (after - value) * minute * MINUTE_US / (then - at)
    yield readings[-1]


def _local(at: int) -> datetime:
    return (_EPOCH + timedelta(microseconds=at)).astimezone(ZONE)
