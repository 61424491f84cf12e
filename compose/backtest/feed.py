"""How a person's log is fed to the step: which of its ticks are made, and where it is cut into polls.

The step's outputs depend neither on the cuts nor on ticks that pass no deadline; a test compares with every minute's
tick. A year of minutes would be half a million records, of which a person with glucose alone needs a few at the holes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from compose.backtest.log import STEP_US, PersonLog
from stream.series import LONG_AGO
from stream.turns import deciding
from vitals.metrics import GLUCOSE, METRIC_BY_CODE
from vitals.policies import Policy
from vitals.readings import READING, Flag, Rows, event_time, late, tick_rows, usable
from vitals.steps import Headers, Records
from vitals.topics import READINGS, TICK_KEY
from vitals.units import canonical

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
Entry = tuple[bytes | None, bytes, Headers]

SPARSE_RULES = frozenset({"version", "thresholds", "signals", "windows", "sustained", "rates", "forecasts"})
"""Parts of a policy whose deadlines `needed` knows; with any other, every minute has its tick."""
POLL_ROWS_MAX = 4096


def deciding_rows(rows: Rows) -> Numbers:
    """Which rows of one series decide (RULES, *Fresh*), ascending."""
    slots, last = np.zeros(len(rows), np.intp), np.full(1, LONG_AGO, np.int64)
    decides = deciding(slots, event_time(rows), usable(rows), late(rows), last) if len(rows) else slots
    return np.flatnonzero(decides)


def rule_values(rows: Rows, low: float, high: float) -> Floats:
    """Glucose as rules see it (whole mg/dL), a censored one as one beyond the device's range; shape of ``rows``."""
    values = canonical(rows["value"], rows["unit"])
    below, above = (rows["flags"] & int(flag) != 0 for flag in (Flag.CENSORED_LOW, Flag.CENSORED_HIGH))
    return np.floor(np.where(below, low - 1, np.where(above, high + 1, values)) + 0.5)


def needed(log: PersonLog, policy: Policy) -> Numbers:
    """The numbers of the ticks that can pass a deadline, ascending; the first and the last are among them."""
    codes = set(np.unique(log.rows["metric"]).tolist())
    names = {METRIC_BY_CODE[code].name for code in codes}
    other = any(getattr(policy, name) for name in type(policy).model_fields if name not in SPARSE_RULES)
    if other or codes - {GLUCOSE.code} or any(rule.metric in names for rule in policy.windows):
        return np.arange(log.ticks)
    (export,) = log.exports
    stream = export.type.stream(GLUCOSE.name)
    assert stream is not None, "an export's device sends its metric"
    heard = log.rows["received_at"][deciding_rows(log.rows)]
    bases = np.concatenate([[log.first_tick + export.type.warm_up_us], heard])
    following = np.append(heard, log.first_tick + log.ticks * STEP_US)
    silent = GLUCOSE.silent_after_us(stream.interval_us)
    mediums = [silent + rule.medium_after_us for rule in policy.signals if rule.metric == GLUCOSE.name]
    found = [np.array([0, log.ticks - 1])]
    for after in (GLUCOSE.gap_of_us(stream.interval_us), silent, *mediums):
        numbers = -(-(bases + after - log.first_tick) // STEP_US)
        found.append(numbers[log.first_tick + numbers * STEP_US <= following])
    if policy.rates or policy.forecasts:  # readings may come that these cannot judge, and put nothing off
        found.append(-(-(heard + GLUCOSE.gap_of_us(stream.interval_us) - log.first_tick) // STEP_US))
    every = np.unique(np.concatenate(found))
    return every[(every >= 0) & (every < log.ticks)]


def hot(log: PersonLog, policy: Policy) -> NDArray[np.bool_]:
    """Which rows may find an episode of glucose open: beyond a limit, or within the time that ends it; a hole puts that
    off. Shape of the rows.
    """
    rows, found, calm = log.rows, np.zeros(len(log.rows), np.bool_), 0
    values = np.floor(canonical(rows["value"], rows["unit"]) + 0.5)
    for rule in policy.thresholds:
        for level in rule.levels if rule.metric == GLUCOSE.name else ():
            found |= values < level.limit if rule.side == "low" else values > level.limit
            calm = max(calm, level.slow_span_us)
    found &= rows["metric"] == GLUCOSE.code
    intervals = [stream.interval_us for export in log.exports for stream in export.type.streams]
    calm += max(map(GLUCOSE.gap_of_us, intervals)) + max(intervals)
    times = rows["received_at"]
    warm: NDArray[np.bool_] = times - np.maximum.accumulate(np.where(found, times, LONG_AGO)) <= calm
    for row in _behind_holes(log):
        if warm[row - 1]:
            warm[row : np.searchsorted(times, times[row] + calm, side="right")] = True
    return warm


def _behind_holes(log: PersonLog) -> list[int]:
    """The rows behind a hole of glucose, ascending."""
    step = min(stream.interval_us for export in log.exports for stream in export.type.streams)
    holes: list[int] = (np.flatnonzero(np.diff(log.rows["received_at"]) > GLUCOSE.gap_of_us(step)) + 1).tolist()
    return holes


def polls(log: PersonLog, ticks: Numbers, cuts: Numbers) -> Iterator[Records]:
    """The log's records with these ticks, cut before these rows; offsets are those that they have among all ticks."""
    first = len(log.controls)
    yield _records(range(first), [(each.key, each.value, each.headers) for each in log.controls])
    behind = np.searchsorted(log.tick_of, ticks, side="left")
    tick_offsets = first + ticks + behind
    row_offsets = first + log.tick_of + 1 + np.arange(len(log.rows))
    offsets = np.concatenate([tick_offsets, row_offsets])
    order = np.argsort(offsets)
    offsets = offsets[order]
    bounds = np.unique(np.searchsorted(offsets, [0, *row_offsets[cuts].tolist(), offsets[-1] + 1]))
    made = np.repeat(tick_rows([log.site], 0), len(ticks))
    made["observed_at"] = made["received_at"] = log.first_tick + ticks * STEP_US
    data, size = made.tobytes(), READING.itemsize
    key: bytes = log.rows["patient"][0].tobytes() if len(log.rows) else b""
    for begin, end in pairwise(bounds.tolist()):
        part: list[Entry] = [
            (TICK_KEY, data[at * size : (at + 1) * size], ())
            if at < len(ticks)
            else (key, log.values[at - len(ticks)], ())
            for at in order[begin:end].tolist()
        ]
        yield _records(offsets[begin:end].tolist(), part)


def cuts(log: PersonLog, policy: Policy) -> Numbers:
    """Where to cut: calm rows stay together, for they are taken in arrays. Of a poll that begins with an open episode,
    or with a silence that its first row ends, every row is taken in turn.
    """
    count, holes = len(log.rows), np.array(_behind_holes(log), np.int64)
    turns = np.flatnonzero(np.diff(hot(log, policy))) + 1
    found = np.unique(np.concatenate([turns, holes, holes + 1, np.arange(POLL_ROWS_MAX, count, POLL_ROWS_MAX)]))
    return found[found < count]


def _records(offsets: range | list[int], part: list[Entry]) -> Records:
    keys, values, headers = zip(*part, strict=True)
    return Records(READINGS, 0, list(offsets), list(keys), list(values), list(headers))
