"""Exports of real devices as samples: the T1D-UOM files (DOI 10.5281/zenodo.15169263, CC BY 4.0).

Their traps, and what is done about each:

- Dates are DD/MM/YYYY in local time of Europe/London without a zone, some files begin with a BOM.
- In October an hour happens twice, in March one does not exist, yet some files have rows in it: `local_times.py`. Of
  two values under one instant the first in the log wins and the other is kept as a conflict, like any device's.
- Exact duplicates and two values at one time are sent as they stand: the log decides, not the parser.
- 0.1 mmol/L says LOW; the device type's range makes that of it. A wrist's 0 means not worn.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import PurePath
from statistics import median
from typing import NamedTuple
from zoneinfo import ZoneInfo

from simulators.local_times import Guess, instants
from simulators.spacing import spacing
from vitals.devices import DEVICE_TYPES, DeviceType
from vitals.errors import InputError
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.units import MG_DL_PER_MMOL_L, UNIT_NAME, Unit

ZONE = ZoneInfo("Europe/London")
YEARS = range(2000, 2100)
MMOL_L_MAX = 40.0
"""720 mg/dL; nobody's median is above it, so such a file is in mg/dL."""
HOLE_YEARS_MAX = 5
"""A longer one is a slip in a date: to fold the minutes of a century takes a quarter of an hour, and says nothing."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHEN = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d):(\d\d)(?::(\d\d))?\Z")
_NAME = re.compile(r"(glucose|wrist)-([a-z0-9][a-z0-9._-]*)\.csv\Z", re.IGNORECASE)


class Sample(NamedTuple):
    """One row of an export: event time (µs UTC), the value as it stands in the file, the file's line, and why the time
    is a guess; None where it is none.
    """

    at: int
    value: float
    line: int
    guess: Guess | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """One file: a device of one type with its samples in file order."""

    device: str
    """Name of the device, the file's own: ``glucose-2307``."""
    patient: str
    """Pseudonym: ``p2307``."""
    metric: str
    unit: str
    type: DeviceType
    samples: tuple[Sample, ...]
    odd_days: Counter[float] = field(default_factory=Counter)
    """Days by their interval in min, where that is not the type's (`spacing.py`)."""

    @property
    def distinct(self) -> int:
        """Number of distinct readings: instants, for there is one device and one metric."""
        return len({sample.at for sample in self.samples})

    @property
    def guessed(self) -> Counter[Guess]:
        """Number of rows whose time is a guess, by reason."""
        return Counter(sample.guess for sample in self.samples if sample.guess is not None)


@dataclass(frozen=True, slots=True)
class _Kind:
    time_column: str
    value_column: str
    metric: str
    unit: str


_KINDS = {
    "glucose": _Kind("bg_ts", "value", "glucose", UNIT_NAME[Unit.MMOL_L]),
    "wrist": _Kind("sleep_ts", "heart_rate", "heart_rate", UNIT_NAME[Unit.PER_MINUTE]),
}


def parse(path: str, data: bytes) -> Export:
    """The export in a file's bytes; ``path`` gives kind and person (``glucose-2307.csv``).

    Raises:
        InputError: another name or header, no rows, or a line that cannot be read, with file and line.
    """
    name = PurePath(path).name
    match = _NAME.match(name)
    if match is None:
        raise InputError("not an export that Vigil knows", name, "glucose-PERSON.csv or wrist-PERSON.csv is")
    kind, person = _KINDS[match[1].lower()], match[2].lower()
    rows = [
        (_local(name, line, when), _value(name, line, value), line) for line, when, value in _rows(name, kind, data)
    ]
    if not rows:
        raise InputError("an export without rows", name, "there is nothing but its header")
    found = instants([local for local, _, _ in rows])
    samples = [Sample(at, value, line, guess) for (at, guess), (_, value, line) in zip(found, rows, strict=True)]
    _check_unit(name, kind, samples)
    _check_holes(name, samples)
    device = f"{match[1].lower()}-{person}"
    kind_of_device, odd = _type(name, kind, samples)
    return Export(device, f"p{person}", kind.metric, kind.unit, kind_of_device, tuple(samples), odd)


def _rows(name: str, kind: _Kind, data: bytes) -> Iterator[tuple[int, str, str]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("not UTF-8", f"{name}:{line}", "save the file as UTF-8") from None
    rows = _lines(name, text)
    _, header = next(rows, (1, []))
    try:
        when, value = header.index(kind.time_column), header.index(kind.value_column)
    except ValueError:
        wanted = f"columns {kind.time_column} and {kind.value_column} are needed"
        raise InputError("wrong header", f"{name}:1", wanted) from None
    for line, row in rows:
        if not row:
            continue
        if len(row) <= max(when, value):
            raise InputError("a line is cut short", f"{name}:{line}", f"{len(header)} columns are needed")
        yield line, row[when], row[value]


def _lines(name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Each line's number and cells."""
    rows = csv.reader(text.splitlines())
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise InputError("no CSV", f"{name}:{rows.line_num}", str(error)) from None


def _local(name: str, line: int, when: str) -> datetime:
    match = _WHEN.match(when)
    try:
        if match is None:
            raise ValueError  # noqa: TRY301 - one message for both ways to be wrong
        day, month, year, hour, minute, second = (int(part or 0) for part in match.groups())
        if year not in YEARS:
            raise ValueError  # noqa: TRY301 - as above
        return datetime(year, month, day, hour, minute, second, tzinfo=ZONE)
    except ValueError:
        raise InputError(
            "not a time", f"{name}:{line}: {when[:40]!r}", "DD/MM/YYYY HH:MM from 2000 to 2099 is needed"
        ) from None


def _value(name: str, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError("not a number", f"{name}:{line}: {text[:40]!r}", "a decimal number is needed")
    return value


def _check_unit(name: str, kind: _Kind, samples: Sequence[Sample]) -> None:
    middle = median(sample.value for sample in samples)
    if kind.unit == UNIT_NAME[Unit.MMOL_L] and middle > MMOL_L_MAX:
        remedy = f"values are read as mmol/L: divide by {MG_DL_PER_MMOL_L:g}"
        raise InputError("glucose in mg/dL, as it seems", f"{name}: median {middle:g}", remedy)


def _check_holes(name: str, samples: Sequence[Sample]) -> None:
    for before, after in pairwise(sorted(samples)):
        years = (after.at - before.at) / (365 * 24 * 60 * MINUTE_US)
        if years > HOLE_YEARS_MAX:
            where = f"{name}:{before.line} and {name}:{after.line}"
            raise InputError(f"{years:.0f} years without a row", where, "is one of the dates a slip?")


def _type(name: str, kind: _Kind, samples: Sequence[Sample]) -> tuple[DeviceType, Counter[float]]:
    """The device type of the file's interval, and its days of another one."""
    if kind.metric == "heart_rate":
        return DEVICE_TYPES["wrist-5min"], Counter()
    found = spacing(name, [sample.at for sample in samples], [sample.line for sample in samples])
    return DEVICE_TYPES[f"t1d-uom-{found.minutes}min"], found.odd_days


def day_start(text: str) -> int:
    """Instant (µs UTC) of local midnight of a date ``YYYY-MM-DD``, or of a local time ``YYYY-MM-DDTHH:MM``.

    Raises:
        InputError: anything else.
    """
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise InputError("not a date", text[:40], "YYYY-MM-DD is needed") from None
    if local.tzinfo is None:
        local = local.replace(tzinfo=ZONE)
    return int((local - _EPOCH) / timedelta(seconds=1)) * SECOND_US


def local_minute(at: int) -> str:
    """An instant (µs UTC) as the file's own local time to the minute: ``2023-11-16T15:49``."""
    moment = _EPOCH + timedelta(microseconds=at)
    return moment.astimezone(ZONE).strftime("%Y-%m-%dT%H:%M")
