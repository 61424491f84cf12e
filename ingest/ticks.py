"""Ticks: time as a message. They travel over MQTT behind whatever was queued before them, so that a backlog is
digested before time moves; back here, one record with a row per site goes to every partition.

Live, each bridge takes the ticks that it published itself. On the simulated clock it takes the replay's and makes
none, and ``received_at`` is the last tick in the row's own partition.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from pydantic import ConfigDict, Field, ValidationError

from ingest.records import Record
from vitals import readings
from vitals.codecs import Rejected
from vitals.messages import Message
from vitals.metrics import MINUTE_US
from vitals.readings import SUSPECT_US
from vitals.topics import READINGS, TICK_KEY

TICK_S = 0.5
"""Real seconds between two ticks of a bridge."""
STEP_US_MAX = MINUTE_US
"""The simulated clock goes on by at most so much a tick (holes included), so that one message cannot age a ward."""
BEHIND_US_MAX = 5 * MINUTE_US
"""A bridge that is behind by more lets readings be late: what is old must not page as if it were fresh, and who was
not looked at for as long as a silence takes may be called silent.
"""
REPLAY = "replay"
"""The publisher of ticks on the simulated clock."""


class Tick(Message):
    """The payload of a tick: ``tick`` is the time in µs UTC, ``sites`` the names of the sites whose clock it is."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    tick: int = Field(ge=0, lt=2**62)
    sites: tuple[str, ...] = Field(max_length=0xFFFF)


def parse(payload: bytes, now: int | None) -> Tick | Rejected:
    """The tick of a payload, or why it is none. ``now`` is µs UTC on the real clock, None on the simulated one.

    A live tick that is ahead of the clock would age every patient at once, so it is none.
    """
    try:
        tick = Tick.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return Rejected(None, "malformed", f"not a tick: {where} {ascii(first['msg'])[1:-1]}"[:200])
    if now is not None and tick.tick > now + SUSPECT_US:
        return Rejected(None, "bad_timestamp", f"a tick at {tick.tick} µs, ahead of the clock; only bridges tick")
    return tick


def records(tick: Tick, numbers: Mapping[str, int], partitions: int) -> list[Record] | Rejected:
    """The tick for every partition, or a rejection that names a site which is not in ``numbers``."""
    unknown = [name for name in tick.sites if name not in numbers]
    if unknown:
        detail = f"a tick of {len(unknown)} unknown sites, {ascii(unknown[0])[:80]} first; vigil site add makes a site"
        return Rejected(None, "not_bound", detail)
    if not tick.sites:
        return []
    value = readings.tick_rows([numbers[name] for name in tick.sites], tick.tick).tobytes()
    return [Record(READINGS, partition, TICK_KEY, value) for partition in range(partitions)]


def time_of(value: bytes) -> int:
    """The time (µs UTC) of a tick record. Raises `CodecError` unless the value is whole rows."""
    return int(readings.decode([value])["received_at"][-1])


class Underway:
    """A bridge's own ticks that the broker has and that have not come back yet: what comes before one of them was in
    the broker before it was made, however long the bridge takes to get there. All times µs UTC.
    """

    def __init__(self) -> None:
        self._ticks: deque[int] = deque()
        self._generation = 0
        self._back = 0

    def sent(self, at: int, generation: int) -> None:
        """The broker has taken a tick over the connection of a ``generation``; those of an earlier one may be lost."""
        if generation != self._generation:
            self._ticks.clear()
            self._generation = generation
        if at > self._back:
            self._ticks.append(at)

    def back(self, at: int) -> None:
        """A tick has come back, and with it all before it."""
        self._back = max(self._back, at)
        while self._ticks and self._ticks[0] <= at:
            self._ticks.popleft()

    def arrived(self, now: int, generation: int) -> int:
        """When a message that is taken ``now``, over the connection of a ``generation``, was in the broker at the
        latest; not more than `BEHIND_US_MAX` ago.
        """
        if not self._ticks or generation != self._generation:
            return now
        return max(min(now, self._ticks[0]), now - BEHIND_US_MAX)


class PartitionClocks:
    """``received_at`` by partition: the wall's time on the real clock, the last tick's on the simulated one."""

    def __init__(self, partitions: int, *, simulated: bool, last: Sequence[int | None] = ()) -> None:
        self._partitions = partitions
        self._last = list(last) or [None] * partitions
        self.simulated = simulated

    def received(self, now: int) -> list[int | None]:
        """``received_at`` (µs UTC) by partition for a message taken at ``now``."""
        return self._last if self.simulated else [now] * self._partitions

    def refusal(self, at: int) -> Rejected | None:
        """Why a tick at ``at`` cannot be the next on the simulated clock, or None."""
        known = [last for last in self._last if last is not None]
        if self.simulated and known and at > max(known) + STEP_US_MAX:
            detail = f"a tick at {at} µs, more than a minute beyond the last; a replay steps through holes too"
            return Rejected(None, "bad_timestamp", detail)
        return None

    def advance(self, at: int) -> None:
        """A tick at ``at`` is being written to every partition."""
        self._last = [at] * self._partitions
