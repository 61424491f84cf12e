"""A person's log through the processor's step, and what that says through the manager's: episodes and announcements.

The manager's journal is the processor's, episodes and a mark for each minute's tick; of the marks it is given those
that pass a timer of its own and the last one before an episode. The others would only move its clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from alerts.manager import AlertManager
from compose.backtest import feed
from compose.backtest.log import STEP_US, PersonLog
from stream.counters import Counters
from stream.processor import Processor
from vitals.alerts import Alert
from vitals.alerts import decode as decode_feed
from vitals.journal import Episode, Mark
from vitals.journal import decode as decode_journal
from vitals.policies import Policy
from vitals.steps import Records
from vitals.topics import JOURNAL, MARK_KEY


@dataclass(frozen=True, slots=True)
class Folded:
    """What a log comes to: every version of every episode with the offset of its cause, every change of every alert."""

    episodes: tuple[tuple[int, Episode], ...]
    alerts: tuple[Alert, ...]
    counters: Counters


def fold(log: PersonLog, policy: Policy, *, every_tick: bool = False) -> Folded:
    """Both steps over a log; ``every_tick`` makes every tick and one poll of all: slower, and the same."""
    processor = Processor(0, 1, specs=())  # nobody reads windows here, and they were most of the time
    ticks = np.arange(log.ticks) if every_tick else feed.needed(log, policy)
    cuts = np.zeros(0, np.int64) if every_tick else feed.cuts(log, policy)
    found: list[tuple[int, Episode]] = []
    for records in feed.polls(log, ticks, cuts):
        for output in processor.step(records):
            if output.topic == JOURNAL and output.key != MARK_KEY:
                message = decode_journal(output.value)
                assert isinstance(message, Episode), "a processor writes episodes and marks"
                found.append((output.cause.offset, message))
    return Folded(tuple(found), tuple(_Manager(log, every_mark=every_tick).run(found)), processor.counters)


class _Manager:
    """The manager's step beside a clock of ticks."""

    def __init__(self, log: PersonLog, *, every_mark: bool) -> None:
        self._log = log
        self._every_mark = every_mark
        self._manager = AlertManager(0)
        self._tick = -1
        self._offset = 0
        first = len(log.controls)
        ticks = np.arange(log.ticks)
        self._offsets = first + ticks + np.searchsorted(log.tick_of, ticks, side="left")

    def run(self, episodes: list[tuple[int, Episode]]) -> Iterator[Alert]:
        """Every change of every alert."""
        for offset, episode in episodes:
            tick = int(np.searchsorted(self._offsets, offset, side="right")) - 1
            # a tick's mark stands behind the episodes that the tick causes
            caused_by_tick = tick >= 0 and self._offsets[tick] == offset
            yield from self._until(tick - 1 if caused_by_tick else tick)
            yield from self._step(episode.encode())
        yield from self._until(self._log.ticks - 1)

    def _until(self, last: int) -> Iterator[Alert]:
        """Move the clock to tick number ``last``."""
        while self._tick < last:
            due = self._manager.next_deadline()
            tick = last if due is None else -(-(due - self._log.first_tick) // STEP_US)
            self._tick = self._tick + 1 if self._every_mark else min(last, max(tick, self._tick + 1))
            at = self._log.first_tick + self._tick * STEP_US
            yield from self._step(Mark(sites={self._log.site: at}, simulated=True).encode())

    def _step(self, value: bytes) -> Iterator[Alert]:
        self._offset += 1
        for output in self._manager.step(Records(JOURNAL, 0, [self._offset], [None], [value], [()])):
            message = decode_feed(output.value)
            if isinstance(message, Alert):
                yield message
