"""Records of Kafka as JSON lines for people and scripts: one line per row or message; pure.

Every line says where in the log it stands (``partition``, ``offset``, for rows ``row``). Times are ISO 8601 in UTC
with microseconds; one that no calendar has stays a number. What is unknown is ``null``. A record that cannot be read
is a line too, with ``broken``.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from vitals import causes, readings, windows
from vitals.errors import CodecError
from vitals.metrics import METRIC_BY_CODE, TICK
from vitals.readings import INVALID_SHIFT, Flag, Invalid
from vitals.steps import Headers, Records
from vitals.topics import BINDINGS, COMMANDS, CONTROL_HEADER, FEED, JOURNAL, READINGS, REJECTED, WINDOWS
from vitals.units import UNIT_NAME

Line = dict[str, Any]
TOPIC_OF = {
    "readings": READINGS,
    "rejected": REJECTED,
    "windows": WINDOWS,
    "journal": JOURNAL,
    "feed": FEED,
    "commands": COMMANDS,
    "bindings": BINDINGS,
}
"""What can be asked for, and the topic that holds it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {int(unit): name for unit, name in UNIT_NAME.items()}


def lines(records: Records) -> Iterator[str]:
    """The JSON lines of a poll, in log order."""
    parse = _PARSERS.get(records.topic, _message)
    for offset, key, value, headers in zip(records.offsets, records.keys, records.values, records.headers, strict=True):
        place = {"partition": records.partition, "offset": offset}
        try:
            found = [_line(place | line) for line in parse(key, value or b"", headers)]
        except (ValueError, RecursionError, CodecError) as error:
            found = [_line(place | {"broken": " ".join(str(error).split()), "bytes": len(value or b"")})]
        yield from found


def _line(line: Line) -> str:
    """Raises ValueError for a number that JSON does not have."""
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def time_of(at_us: int) -> str | int:
    """A time (µs UTC) in ISO 8601, or the number where no calendar has it."""
    try:
        return (_EPOCH + timedelta(microseconds=at_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except OverflowError:
        return at_us


def _readings(_key: bytes | None, value: bytes, headers: Headers) -> Iterator[Line]:
    if any(name == CONTROL_HEADER for name, _ in headers):
        yield _caused(headers) | {"control": json.loads(value)}
        return
    for number, row in enumerate(readings.decode([value])):
        yield {"row": number} | (_tick(row) if row["metric"] == TICK else _reading(row))


def _tick(row: np.void) -> Line:
    return {"tick": time_of(int(row["observed_at"])), "site": int(row["site"])}


def _reading(row: np.void) -> Line:
    metric, flags = METRIC_BY_CODE.get(int(row["metric"])), int(row["flags"])
    invalid = flags >> INVALID_SHIFT
    return {
        "patient": str(UUID(bytes=row["patient"].tobytes())),
        "device": str(UUID(bytes=row["device"].tobytes())),
        "metric": metric.name if metric else int(row["metric"]),
        "value": _number(row["value"]),
        "unit": _UNITS.get(int(row["unit"]), int(row["unit"])),
        "observed_at": time_of(int(row["observed_at"])),
        "received_at": time_of(int(row["received_at"])),
        "seq": int(row["seq"]),
        "site": int(row["site"]),
        "flags": [flag.name.lower() for flag in Flag if flags & flag and flag.name],
        "invalid": _invalid(invalid) if invalid else None,
    }


def _invalid(code: int) -> str | int:
    try:
        return Invalid(code).name.lower()
    except ValueError:
        return code


def _windows(_key: bytes | None, value: bytes, _headers: Headers) -> Iterator[Line]:
    rows, _ = windows.decode([value])
    if not len(rows):
        what = f"not whole {windows.WINDOW.itemsize}-byte rows"
        raise ValueError(what)
    for number, (row, mark) in enumerate(zip(rows, rows.view(windows.DIRTY), strict=True)):
        metric, kind = METRIC_BY_CODE.get(int(row["metric"])), windows.WINDOW_BY_CODE.get(int(row["window"]))
        yield {
            "row": number,
            "patient": str(UUID(bytes=row["patient"].tobytes())),
            "metric": metric.name if metric else int(row["metric"]),
            "window": kind.name if kind else int(row["window"]),
            "version": [int(row["offset"]), int(row["ordinal"])],
        } | (_dirty(mark) if row["flags"] & windows.IS_DIRTY else _result(row))


def _result(row: np.void) -> Line:
    floats = ("mean", "median", "sd", "min", "max", "slope", "theil_sen", "coverage")
    return {
        "start": time_of(int(row["start"])),
        "end": time_of(int(row["end"])),
        "count": int(row["count"]),
        "gap": int(row["gap"]),
        **{name: _number(row[name]) for name in floats},
        "arrow": None if row["arrow"] == windows.ARROW_UNKNOWN else int(row["arrow"]),
        "flags": int(row["flags"]),
    }


def _dirty(mark: np.void) -> Line:
    return {
        "dirty": True,
        "first_end": time_of(int(mark["start"])),
        "last_end": time_of(int(mark["end"])),
        "interval": int(mark["interval"]),
        "below": _number(mark["below"]),
        "above": _number(mark["above"]),
    }


def _rejected(key: bytes | None, value: bytes, headers: Headers) -> Iterator[Line]:
    said = {name: data.decode(errors="replace") for name, data in headers}
    received = said.pop("received_at", None)
    when = time_of(int(received)) if received is not None and received.lstrip("-").isdecimal() else received
    yield {"device": _text(key), **said, "received_at": when, "payload": value.decode(errors="replace")}


def _message(key: bytes | None, value: bytes, headers: Headers) -> Iterator[Line]:
    line = _caused(headers) | {"message": json.loads(value) if value else None}
    yield line if key is None or not key.isascii() or not key.decode().isprintable() else {"key": key.decode()} | line


def _caused(headers: Headers) -> Line:
    try:
        cause = causes.of_headers(headers)
    except struct.error as error:
        raise ValueError(str(error)) from None
    return {} if cause is None else {"cause": [cause.offset, cause.ordinal]}


def _number(value: np.floating[Any]) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="replace")


_PARSERS: dict[str, Callable[[bytes | None, bytes, Headers], Iterator[Line]]] = {
    READINGS: _readings,
    WINDOWS: _windows,
    REJECTED: _rejected,
}
