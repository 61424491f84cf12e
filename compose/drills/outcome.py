"""What became of the payloads of the input drill, and its judge. Pure.

Per topic, the rows in the log and the rejected elements must be the elements that were sent; in the whole, rows in the
database, duplicates, conflicts and rejected ones must be. No payload may vanish: one that is surely rejected is found
by its SHA-256 and its bytes. Nor may a valid one be refused: the log has its value as often as it was sent, and the
database has what came first in the log.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from compose.drills.accounts import Finding
from compose.drills.shots import KEPT_BYTES_MAX, Shot, elements
from vitals.metrics import METRIC_BY_NAME


class Rejected(NamedTuple):
    """A row of ``vigil.rejected`` that came from the bridge: ``readings`` elements for one reason."""

    topic: str
    reason: str
    digest: str
    payload: bytes
    readings: int


class Place(NamedTuple):
    """What makes a reading the same reading: the topic of its device, metric code, observed_at (µs UTC)."""

    topic: str
    metric: int
    observed_at: int

    def __str__(self) -> str:
        return f"{self.topic[-40:]}, metric {self.metric} at {self.observed_at}"


class Value(NamedTuple):
    """A value and its unit's number, as a row has them."""

    value: float
    unit: int


def reading(shot: Shot) -> tuple[Place, Value]:
    """What has to be stored of a valid payload; it names no unit, so its metric's is meant."""
    data = json.loads(shot.payload)
    metric = METRIC_BY_NAME[data["metric"]]
    return Place(shot.topic, metric.code, data["observed_at"]), Value(data["value"], int(metric.unit))


@dataclass(slots=True)
class Outcome:
    """What became of all of it. ``logged`` are the values in the log by reading, in its order and with repeats;
    ``stored`` are the database's rows of these devices, ``duplicates`` and ``conflicts`` what its sink has counted;
    ``rejected`` those of the bridge. ``leaks`` are places in log files.
    """

    shots: Sequence[Shot]
    logged: Mapping[Place, Sequence[Value]]
    stored: Sequence[tuple[Place, Value]]
    duplicates: int
    conflicts: int
    rejected: Sequence[Rejected]
    refused_by_broker: int = 0
    oversized: int = 0
    leaks: Sequence[str] = ()

    @property
    def rows(self) -> Counter[str]:
        """Rows in the log by topic."""
        found: Counter[str] = Counter()
        for place, values in self.logged.items():
            found[place.topic] += len(values)
        return found

    @property
    def again(self) -> int:
        """Rows of the log that repeat the first of their reading with its value."""
        return sum(values.count(values[0]) - 1 for values in self.logged.values())

    @property
    def differing(self) -> int:
        """Rows of the log with another value than the first of their reading."""
        return sum(len(values) - values.count(values[0]) for values in self.logged.values())


def digest(payload: bytes) -> str:
    """SHA-256, as ``vitals.rejected`` has it."""
    return hashlib.sha256(payload).hexdigest()


def judge(found: Outcome) -> Finding:
    """The sum of outcomes is the sum of inputs, topic by topic and in the whole; what is valid is stored as it was
    sent, and what was rejected can be found.
    """
    finding = Finding()
    heard = [shot for shot in found.shots if shot.fate not in {"silent", "unheard"}]
    sizes = {shot.payload: 0 for shot in heard}
    sizes = {payload: elements(payload) for payload in sizes}
    sent: Counter[str] = Counter()
    for shot in heard:
        sent[shot.topic] += sizes[shot.payload]
    rejected: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for each in found.rejected:
        rejected[each.topic] += each.readings
        reasons[each.reason] += each.readings
    outcomes = len(found.stored) + found.duplicates + found.conflicts + sum(rejected.values())
    finding.figures |= {
        "payloads": len(found.shots) + found.oversized,
        "kinds": dict(Counter(shot.kind for shot in found.shots)),
        "elements": sum(sent.values()),
        "accepted": len(found.stored),
        "duplicates": found.duplicates,
        "conflicts": found.conflicts,
        "rejected_elements": sum(rejected.values()),
        "rejected_by_reason": dict(reasons.most_common()),
        "ticks_of_others": sum(shot.fate == "silent" for shot in found.shots),
        "topics_nobody_reads": sum(shot.fate == "unheard" for shot in found.shots),
        "refused_by_broker": found.refused_by_broker,
        "outcomes": outcomes,
    }
    if outcomes != sum(sent.values()):
        finding.differences.append(f"sum of outcomes: {outcomes}, sum of inputs: {sum(sent.values())}")
    rows = found.rows
    wrong = [
        f"{topic[:60]}: {sent[topic]} sent, {rows[topic]} rows, {rejected[topic]} rejected"
        for topic in sent.keys() | rows.keys() | rejected.keys()
        if sent[topic] != rows[topic] + rejected[topic]
    ]
    finding.none_of("topics whose outcomes are not their inputs", wrong)
    pairs = ((found.duplicates, found.again, "duplicates"), (found.conflicts, found.differing, "conflicts"))
    finding.none_of(
        "not what the log has", (f"{what}: {said}, {known} in the log" for said, known, what in pairs if said != known)
    )
    if found.refused_by_broker != found.oversized:
        finding.differences.append(f"refused by the broker: {found.refused_by_broker}, expected {found.oversized}")
    _as_sent(found, finding)
    _findable(found, finding)
    finding.none_of("payloads or pseudonyms in log files", found.leaks)
    return finding


def _as_sent(found: Outcome, finding: Finding) -> None:
    """Every valid payload is in the log as often as it was sent, and the database has what came first there.

    A changed payload may have become the same reading with another value and have come first: so the value of a valid
    one is looked for among all that the log has of its reading.
    """
    valid = Counter(shot for shot in found.shots if shot.fate == "stored")
    wanted = {reading(shot): count for shot, count in valid.items()}
    places = {place for place, _ in wanted}
    stored = Counter(place for place, _ in found.stored)
    finding.figures["surely_stored"] = len(places)
    if not places:
        finding.differences.append("nothing valid was sent: the verdict says nothing")
    if len(stored) < len(places):
        finding.differences.append(f"accepted: {len(stored)}, expected at least {len(places)}")
    few = []
    for (place, value), count in wanted.items():
        known = found.logged.get(place, ()).count(value)
        if known < count:
            few.append(f"{place}: {value.value:g} is there {known} times, sent {count} times")
    finding.none_of("valid, and not in the log with their value as often as sent", few)
    finding.none_of("in the log and not in the database", found.logged.keys() - stored.keys())
    finding.none_of("in the database, but not in the log", stored.keys() - found.logged.keys())
    finding.none_of("twice in the database", (place for place, count in stored.items() if count > 1))
    other = [
        f"{place}: {value.value:g}, {found.logged[place][0].value:g} in the log"
        for place, value in found.stored
        if place in found.logged and value != found.logged[place][0]
    ]
    finding.none_of("stored with another value than came first in the log", other)


def _findable(found: Outcome, finding: Finding) -> None:
    """What is surely rejected is kept, with its bytes; nothing is kept that is valid, or that was not sent."""
    digests = {(shot.topic, digest(shot.payload)): shot for shot in found.shots}
    kept = {(each.topic, each.digest): each.payload for each in found.rejected}
    surely, valid = ({key for key, shot in digests.items() if shot.fate == fate} for fate in ("rejected", "stored"))
    finding.figures["surely_rejected"] = len(surely)
    finding.none_of(
        "rejected and not to be found", (f"{digests[key].kind} {key[1][:12]}" for key in surely - kept.keys())
    )
    finding.none_of("valid and rejected", (f"{digests[key].kind} {key[1][:12]}" for key in valid & kept.keys()))
    never = kept.keys() - digests.keys()
    finding.none_of("found, but never sent", (f"{topic[:40]} {value[:12]}" for topic, value in never))
    bytes_wrong = [
        key[1][:12]
        for key, payload in kept.items()
        if key in digests and payload != digests[key].payload[:KEPT_BYTES_MAX]
    ]
    finding.none_of("kept with other bytes than were sent", bytes_wrong)
