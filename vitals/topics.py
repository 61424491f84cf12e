"""Names and keys: Kafka topics, MQTT topics, ids, and the partitioner that Kafka's own clients use.

Test vectors of the partitioner stand in ``docs/wire-format.md``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID, uuid5

NAMESPACE = UUID("6f1d3c1e-5b0a-5c7e-9a55-7d0f4d8f2b11")
"""Namespace of every id that Vigil derives by ``uuid5``."""

READINGS = "vitals.readings"
REJECTED = "vitals.rejected"
WINDOWS = "vitals.windows"
JOURNAL = "alerts.journal"
FEED = "alerts.feed"
COMMANDS = "registry.commands"
BINDINGS = "registry.bindings"
PROCESSOR_SNAPSHOTS = "stream.snapshots"
MANAGER_SNAPSHOTS = "alerts.snapshots"
REGISTRY_SNAPSHOTS = "registry.snapshots"

TICK_KEY = b"tick"
MARK_KEY = b"mark"
CONTROL_HEADER = "control"

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
"""What a site, a device and a patient's pseudonym may be called: safe in topics, logs and file names."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How ``vigil migrate`` creates a topic; ``partitioned`` topics have the patient partitions' number."""

    name: str
    partitioned: bool
    compact: bool = False
    config: tuple[tuple[str, str], ...] = ()


_MIB = 1024 * 1024
_BY_SIZE = (("retention.bytes", str(128 * _MIB)), ("segment.bytes", str(32 * _MIB)))
"""Snapshots go by size: some are always there, however long nobody wrote one, and a partition holds 160 MiB at most.

A snapshot of 10,000 patients in one partition is 65 MB, 10 to 25 of them as Kafka has it, compressed.
"""

TOPICS = (
    TopicSpec(READINGS, partitioned=True),
    TopicSpec(REJECTED, partitioned=True),
    TopicSpec(WINDOWS, partitioned=True),
    TopicSpec(JOURNAL, partitioned=True),
    TopicSpec(FEED, partitioned=True),
    TopicSpec(COMMANDS, partitioned=False),
    TopicSpec(BINDINGS, partitioned=False, compact=True),
    TopicSpec(PROCESSOR_SNAPSHOTS, partitioned=True, config=_BY_SIZE),
    TopicSpec(MANAGER_SNAPSHOTS, partitioned=True, config=_BY_SIZE),
    TopicSpec(REGISTRY_SNAPSHOTS, partitioned=False, config=_BY_SIZE),
)


def kafka_topic(namespace: str, name: str) -> str:
    """A topic's full name; ``namespace`` isolates several Vigils on one Kafka."""
    return f"{namespace}.{name}" if namespace else name


def mqtt_root(namespace: str) -> str:
    """First levels of every MQTT topic: ``vigil/v1``, or ``NAMESPACE/vigil/v1``."""
    return f"{namespace}/vigil/v1" if namespace else "vigil/v1"


def readings_topic(namespace: str, site: str, device: str) -> str:
    """The MQTT topic on which a device publishes its readings."""
    return f"{mqtt_root(namespace)}/{site}/{device}/readings"


def ticks_topic(namespace: str, publisher: str) -> str:
    """The MQTT topic of a tick publisher (live: a bridge; simulated: the replay).

    Four levels below the root like a reading's topic, so one ``root/+/+/+`` subscription keeps both in order;
    no site can be called ``-ticks``: a `NAME` begins with a letter or a digit.
    """
    return f"{mqtt_root(namespace)}/-ticks/{publisher}/ticks"


GATEWAY = "-gateway"
"""Stands where a device's name stands in the topic of a site's own gateway; no device can be called so."""


def presence_topic(namespace: str, site: str) -> str:
    """The MQTT topic on which a site's gateway says that it is there (docs/wire-format.md, *Presence*)."""
    return f"{mqtt_root(namespace)}/{site}/{GATEWAY}/presence"


def device_id(name: str) -> UUID:
    """The id of a device in rows: ``uuid5`` of its name."""
    return uuid5(NAMESPACE, f"device:{name}")


def patient_id(pseudonym: str) -> UUID:
    """The id of a patient in rows and keys: ``uuid5`` of the pseudonym, never of an identity."""
    return uuid5(NAMESPACE, f"patient:{pseudonym}")


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 of ``data`` as an unsigned 32-bit integer.

    Source: org.apache.kafka.common.utils.Utils.murmur2 (seed 0x9747b28c).
    """
    mask, multiplier = 0xFFFFFFFF, 0x5BD1E995
    digest = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * multiplier & mask
        word = (word ^ (word >> 24)) * multiplier & mask
        digest = (digest * multiplier & mask) ^ word
    if tail := data[whole:]:
        digest = (digest ^ int.from_bytes(tail, "little")) * multiplier & mask
    digest = (digest ^ (digest >> 13)) * multiplier & mask
    return digest ^ (digest >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key among ``partitions``, as Kafka's default partitioner computes it."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
