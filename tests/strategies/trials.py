"""One trial: a generated log through the processor, cut into any polls, through crashes, against the oracle."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from stream.processor import Processor
from tests.logs import Log
from tests.oracle_bytes import WINDOW_BYTES, outputs
from tests.strategies.acts import lived
from tests.strategies.facts import Witness
from tests.strategies.wards import Plan
from vitals.causes import NONE
from vitals.codecs.state import decode, encode
from vitals.snapshots import CHUNK_BYTES_MAX, chunks
from vitals.steps import Output
from vitals.topics import JOURNAL, WINDOWS

ACTS = (2, 3, 4, 5, 6, 8, 10, 16)
"""How many acts a log has; each number as often as it stands here."""


class Crash(NamedTuple):
    """The processor dies before the record at ``at``; of what its last poll caused, such a part of each topic's
    records was written (0 to 1).
    """

    at: int
    journal: float
    windows: float


class Trial(NamedTuple):
    """What came of one log: what it contains, how many records it has, and what differs, None where nothing does."""

    facts: set[str]
    records: int
    outputs: int
    difference: str | None


def plan(seed: int) -> Plan:
    """The plan of a seed."""
    random = Random(~seed)  # noqa: S311 - the same log from the same seed
    return Plan(seed, tuple(range(random.choice(ACTS))))


def polls(random: Random, first: int, last: int) -> list[int]:
    """Where a log is cut into polls between two places: into single records, a few, or none at all."""
    length = last - first
    if length < 2:
        return []
    kind = random.random()
    if kind < 0.1:
        return list(range(first + 1, last))
    return sorted({random.randrange(first + 1, last) for _ in range(random.choice((0, 1, 2, 5)))})


def recovered(log: Log, crash: Crash, random: Random, *, partition: int, partitions: int) -> list[Output]:
    """What stands in the topics, in the order of its causes, when a processor has died and another has taken over.

    The second goes on from a snapshot, where the first had written one, else from the beginning. In each topic it finds
    the last cause and writes only later ones.
    """
    cuts = polls(random, 0, crash.at)
    first = Processor(partition, partitions)
    before, last = cuts[-1] if cuts else 0, crash.at
    anywhere = random.randint(0, before)
    saved = random.choice((0, before, before, before, anywhere, anywhere))  # what lies after it is read twice
    written = log.run(first, (cut for cut in cuts[:-1] if cut < saved), last=saved)
    snapshot = b"".join(chunks(encode(first.state()), CHUNK_BYTES_MAX))
    written += log.run(first, (cut for cut in cuts[:-1] if cut > saved), first=saved, last=before)
    caused = log.run(first, [], first=before, last=last)
    for topic, share in ((JOURNAL, crash.journal), (WINDOWS, crash.windows)):
        some = [each for each in caused if each.topic == topic]
        written += some[: round(share * len(some))]
    ends = {topic: max((e.cause for e in written if e.topic == topic), default=NONE) for topic in (JOURNAL, WINDOWS)}
    second = Processor(partition, partitions)
    if saved:
        second.restore(decode(snapshot))
    again = log.run(second, polls(random, saved, len(log.keys)), first=saved)
    written += [each for each in again if each.cause > ends[each.topic]]
    return sorted(written, key=lambda each: each.cause)


def tried(plan: Plan) -> Trial:
    """Run one plan."""
    ward = lived(plan)
    log = ward.log
    random = Random(plan.seed ^ 0x5EED)  # noqa: S311 - the same log from the same seed
    partitions = random.choice((1, 1, 2))
    partition = random.randrange(partitions)
    places = [*ward.crashes, random.randint(1, len(log.keys))]
    crash = Crash(random.choice(places), random.random(), random.random())
    oracle = Witness(partition, partitions)
    oracle.read(log.records(0, crash.at))
    oracle.crash()
    oracle.read(log.records(crash.at))
    expected = outputs(oracle.told, partition)
    found = recovered(log, crash, random, partition=partition, partitions=partitions)
    return Trial(oracle.finish(), len(log.keys), len(expected), difference(expected, found))


def difference(expected: list[Output], found: list[Output]) -> str | None:
    """The first output that is not as expected, in words; None where there is none."""
    for one, other in zip(expected, found, strict=False):
        if one != other:
            return f"expected {shown(one)}\n   found {shown(other)}"
    if len(expected) == len(found):
        return None
    rest = max(expected, found, key=len)[min(len(expected), len(found))]
    return f"{'missing' if len(expected) > len(found) else 'too much'}: {shown(rest)}"


def shown(output: Output) -> str:
    """An output for people: its cause, and what it says."""
    what = output.value.decode() if output.topic == JOURNAL else [*WINDOW_BYTES.iter_unpack(output.value)]
    return f"{output.cause.offset}.{output.cause.ordinal} of {output.topic}/{output.partition}, {output.key!r}: {what}"
