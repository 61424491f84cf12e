"""How the brokers do, as their own protocol tells it: how many there are, copies in step, room on their disks.

aiokafka has no request about disks; the three classes here are Kafka's DescribeLogDirs in its version 4, the first that
tells how large a disk is (Kafka 3.3).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

from runtime.kafka.admin import describe_partitions
from runtime.kafka.types import REQUEST_TIMEOUT_MS, deadline, start_client
from runtime.settings import Settings

log = logging.getLogger("vigil.kafka")

LOOK_TIMEOUT_S = 20.0
DISK_TIMEOUT_S = 5.0
"""For one broker: one that was stopped must not hide what the others say."""
_PARTITION = CompactArray(
    ("partition_index", Int32),
    ("partition_size", Int64),
    ("offset_lag", Int64),
    ("is_future_key", Boolean),
    ("tags", TaggedFields),
)
_TOPICS = CompactArray(("name", CompactString("utf-8")), ("partitions", _PARTITION), ("tags", TaggedFields))
_FOLDERS = CompactArray(
    ("error_code", Int16),
    ("log_dir", CompactString("utf-8")),
    ("topics", _TOPICS),
    ("total_bytes", Int64),
    ("usable_bytes", Int64),
    ("tags", TaggedFields),
)


class Disk(NamedTuple):
    """The disk below a broker's log, in bytes; of several the one with the least room."""

    free: int
    size: int


class Cluster(NamedTuple):
    """What the brokers say. ``short`` are partitions of ours with fewer copies in step than they were made with;
    ``disks`` are by the broker's number; a broker that does not tell is not among them.
    """

    brokers: int
    short: int
    disks: Mapping[int, Disk]


async def cluster_state(settings: Settings) -> Cluster:
    """Ask every broker how it does.

    Raises:
        KafkaUnavailable, KafkaStalled, KafkaFailed: Kafka's own troubles.
    """
    partitions = await describe_partitions(settings)
    short = sum(len(each["isr"]) < len(each["replicas"]) for found in partitions.values() for each in found)
    async with deadline(settings, LOOK_TIMEOUT_S, "look at the brokers"):
        client = AIOKafkaClient(bootstrap_servers=settings.kafka, request_timeout_ms=REQUEST_TIMEOUT_MS)
        try:
            await start_client(SimpleNamespace(start=client.bootstrap))
            numbers = sorted(broker.nodeId for broker in client.cluster.brokers())
            # one after the other: aiokafka connects to one at a time; one that hangs would cost the others theirs
            found = [await disk(client, number) for number in numbers]
        finally:
            await client.close()
    return Cluster(len(numbers), short, {number: each for number, each in zip(numbers, found, strict=True) if each})


async def disk(client: Any, number: int) -> Disk | None:
    """One broker's disk, through aiokafka's client. None where it does not tell: it is away, or stopped, which the
    copies show; is older than this request; or may not tell us.
    """
    try:
        async with asyncio.timeout(DISK_TIMEOUT_S):
            response = await client.send(number, _Ask())
    except (KafkaError, RuntimeError, TimeoutError) as error:  # RuntimeError: the broker does not know the request
        log.debug("broker %d does not tell of its disk: %r", number, error)
        return None
    if response.error_code:
        log.debug("broker %d does not tell of its disk: %s", number, for_code(response.error_code).__name__)
    return fullest(Disk(usable, total) for _, _, _, total, usable, _ in response.results)


def fullest(disks: Iterable[Disk]) -> Disk | None:
    """The disk with the least room for its size; None of none. A folder that is offline has no size."""
    return min((disk for disk in disks if disk.size > 0), key=lambda disk: disk.free / disk.size, default=None)


class _Answer(Response):  # type: ignore[misc, unused-ignore]  # aiokafka has no types
    API_KEY = 35
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("results", _FOLDERS),
        ("tags", TaggedFields),
    )


class _Wire(RequestStruct):  # type: ignore[misc, unused-ignore]
    FLEXIBLE_VERSION = True
    API_KEY = 35
    API_VERSION = 4
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(Int32)),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _Ask(Request[_Wire]):  # type: ignore[misc, unused-ignore]
    """Of no topic: the folders come all the same, without the sizes of thousands of partitions."""

    API_KEY = 35

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([], {})
