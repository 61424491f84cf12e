"""Devices that were away for a day: what each has kept, what it sends when it is back, and whether all of it arrived.

Pure. A seed and an instant give the same backlogs in every process, so the drill knows what its sender sends. Each has
a glucose every five minutes. Among those older than a quarter of an hour are lows, which may page nobody any more; the
newest of some devices is a low, which is as fresh as any other and has to.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from compose.drills.accounts import Finding, Identity
from compose.drills.bedside import LOW_VALUE, NORMAL_VALUE
from vitals.journal import episode_id
from vitals.metrics import GLUCOSE, MINUTE_US
from vitals.policies import LOW
from vitals.topics import device_id, patient_id

SITE = "ward-b"
STEP_US = 5 * MINUTE_US
FRESH_US = 15 * MINUTE_US
"""Readings younger than this are normal, but for the last: a late one is more than ten minutes old (RULES)."""
LOW_SHARE = 0.08
FRESH_LOW_EVERY = 10
"""The newest reading of every so-manieth device is a low."""
BATCH = 24
"""Readings in one payload of a device that sends batches: every other one does."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """A device and its readings as (observed_at, value) in order; ``marked`` says that it calls them backfill."""

    patient: str
    batches: bool
    marked: bool
    readings: tuple[tuple[int, int], ...]

    @property
    def device(self) -> str:
        """The device's name."""
        return f"away-{self.patient}"

    @property
    def identities(self) -> list[Identity]:
        """What the database has to hold."""
        device = device_id(self.device)
        return [Identity(device, GLUCOSE.code, at) for at, _ in self.readings]

    @property
    def alert(self) -> UUID | None:
        """The alert that its newest reading opens, where that is a low."""
        at, value = self.readings[-1]
        return episode_id(str(patient_id(self.patient)), GLUCOSE.name, LOW.name, at) if value == LOW_VALUE else None

    def payloads(self) -> list[bytes]:
        """What it publishes, in order."""
        mark = ',"backfill":true' if self.marked else ""
        unit = f'"metric":"{GLUCOSE.name}","unit":"mg/dL"'
        told = [
            f'{{{unit},"value":{value},"observed_at":{at},"seq":{seq}{mark}}}'
            for seq, (at, value) in enumerate(self.readings)
        ]
        if not self.batches:
            return [each.encode() for each in told]
        parts = [told[start : start + BATCH] for start in range(0, len(told), BATCH)]
        return [f'{{"device":"{self.device}","readings":[{",".join(part)}]}}'.encode() for part in parts]


def backlogs(seed: int, devices: int, hours: float, now: int) -> list[Backlog]:
    """What so many devices have kept when they come back at ``now`` (µs UTC), each on a phase of its own."""
    chance = random.Random(f"backlog {seed}")  # noqa: S311 - a drill that can be repeated, no secret
    count = round(hours * 12)
    found = []
    for number in range(devices):
        last = now - chance.randrange(STEP_US // 5)
        times = [last - STEP_US * back for back in reversed(range(count))]
        values = [_value(chance, at, now) for at in times]
        if number % FRESH_LOW_EVERY == 0:
            values[-1] = LOW_VALUE
        readings = tuple(zip(times, values, strict=True))
        found.append(Backlog(f"room-{number + 1:03}", number % 2 == 1, number % 3 == 0, readings))
    return found


def _value(chance: random.Random, at: int, now: int) -> int:
    low = chance.random() < LOW_SHARE
    return LOW_VALUE if low and now - at > FRESH_US else NORMAL_VALUE + chance.randrange(20)


class Opened(NamedTuple):
    """An alert of one of these patients as it opened: its id and when the reading behind it was measured (µs UTC)."""

    alert: UUID
    at: int


@dataclass(slots=True)
class Return:
    """What became of the backlogs: rows in the database (repeats included), how many readings had their PUBACK, and
    the openings of these patients on the socket and in the database (repeats included).
    """

    backlogs: Sequence[Backlog]
    acknowledged: int
    stored: Sequence[Identity]
    heard: Sequence[Opened]
    kept: Sequence[Opened]


def judge(found: Return) -> Finding:
    """Every reading once, every fresh low announced once, and no late one."""
    finding = Finding()
    sent = [identity for backlog in found.backlogs for identity in backlog.identities]
    stored = Counter(found.stored)
    wanted = {backlog.alert for backlog in found.backlogs if backlog.alert is not None}
    finding.figures |= {
        "buffered_sent": len(sent),
        "buffered_acknowledged": found.acknowledged,
        "buffered_stored": len(stored),
        "buffered_lows": sum(value == LOW_VALUE for backlog in found.backlogs for _, value in backlog.readings),
        "fresh_lows": len(wanted),
    }
    if found.acknowledged != len(sent):
        finding.differences.append(f"buffered readings with PUBACK: {found.acknowledged}, expected {len(sent)}")
    finding.figures["buffered_lost"] = finding.none_of("buffered and not stored", set(sent) - stored.keys())
    finding.none_of("stored, but never buffered", stored.keys() - set(sent))
    twice = (each for each, count in stored.items() if count > 1)
    finding.figures["buffered_doubled"] = finding.none_of("buffered and stored twice", twice)
    for where, opened in (("on the socket", found.heard), ("in the database", found.kept)):
        times = Counter(each.alert for each in opened)
        late = {each for each in opened if each.alert not in wanted}
        finding.figures[f"late_paged_{where.split()[-1]}"] = finding.none_of(
            f"late lows that paged as fresh {where}", (f"{each.alert} of {each.at}" for each in late)
        )
        finding.none_of(f"fresh lows that paged nobody {where}", wanted - times.keys())
        finding.none_of(f"fresh lows that paged twice {where}", (each for each, count in times.items() if count > 1))
    return finding


def expected(found: Iterable[Backlog]) -> Mapping[UUID, int]:
    """Alerts that the newest readings open, and when those were measured (µs UTC)."""
    return {backlog.alert: backlog.readings[-1][0] for backlog in found if backlog.alert is not None}
