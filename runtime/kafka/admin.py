"""Topics: making them once, and checking that they are what this process needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import TopicAlreadyExistsError, for_code

from runtime.kafka.types import (
    RECORD_BYTES_MAX,
    REQUEST_TIMEOUT_MS,
    KafkaFailed,
    Partition,
    deadline,
    full_name,
    own_name,
    start_client,
)
from runtime.settings import Settings
from vitals.errors import StateError
from vitals.topics import TopicSpec

ADMIN_TIMEOUT_S = 60.0
BASE_CONFIG = {"max.message.bytes": str(RECORD_BYTES_MAX + 256 * 1024), "retention.ms": "-1"}


async def ensure_topics(settings: Settings, specs: Sequence[TopicSpec], *, replication: int = 1) -> list[str]:
    """Create the topics that are missing and wait for their leaders; the names of those created.

    Raises:
        StateError: a topic exists with another number of partitions.
        KafkaUnavailable, KafkaStalled, KafkaFailed: Kafka's own troubles.
    """
    async with _admin(settings, "topics") as client:
        found = await _partitions(client)
        missing = [spec for spec in specs if full_name(settings, spec.name) not in found]
        if missing:
            wanted = [_new_topic(settings, spec, replication) for spec in missing]
            response = await client.create_topics(wanted, timeout_ms=REQUEST_TIMEOUT_MS)
            for topic, code, *text in response.topic_errors:
                if code not in {0, TopicAlreadyExistsError.errno}:
                    raise KafkaFailed("topic cannot be created", f"{topic}: {for_code(code).__name__} {text}")
        while True:
            found = await _partitions(client)
            if all(full_name(settings, spec.name) in found for spec in specs):
                break
            await asyncio.sleep(0.05)
    check_partitions(settings, specs, {own_name(settings, name): count for name, count in found.items()})
    return [spec.name for spec in missing]


def check_partitions(settings: Settings, specs: Sequence[TopicSpec], found: dict[str, int]) -> None:
    """Raise StateError for the first topic that is missing or has another number of partitions than ours."""
    for spec in specs:
        wanted = settings.partitions if spec.partitioned else 1
        if spec.name not in found:
            raise StateError("topic is missing", spec.name, "run vigil migrate")
        if found[spec.name] != wanted:
            what = f"{spec.name} has {found[spec.name]} partitions, VIGIL_PARTITIONS asks for {wanted}"
            raise StateError("partitions are fixed when the topics are made", what, "set VIGIL_PARTITIONS back")


async def describe(settings: Settings) -> dict[str, int]:
    """Number of partitions of every topic of our namespace, by the topic's own name."""
    async with _admin(settings, "description of topics") as client:
        found = await _partitions(client)
    prefix = f"{settings.namespace}." if settings.namespace else ""
    return {own_name(settings, name): count for name, count in found.items() if name.startswith(prefix)}


async def describe_partitions(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """The partitions of every topic of our namespace, by the topic's own name: ``partition``, ``leader``, ``replicas``
    and ``isr`` (numbers of brokers) of each.
    """
    async with _admin(settings, "description of partitions") as client:
        topics = await client.describe_topics()
    prefix = f"{settings.namespace}." if settings.namespace else ""
    return {
        own_name(settings, topic["topic"]): topic["partitions"]
        for topic in topics
        if topic["error_code"] == 0 and not topic["is_internal"] and topic["topic"].startswith(prefix)
    }


async def cluster_id(settings: Settings) -> str:
    """The id that Kafka gave its cluster when its storage was formatted."""
    async with _admin(settings, "cluster id") as client:
        return str((await client.describe_cluster())["cluster_id"])


async def delete_topics(settings: Settings, names: Sequence[str]) -> None:
    """Remove topics by their own names and wait until no broker shows them; for tests and who starts over."""
    gone = {full_name(settings, name) for name in names}
    async with _admin(settings, "removal of topics") as client:
        await client.delete_topics(sorted(gone), timeout_ms=REQUEST_TIMEOUT_MS)
        # the controller answers before the broker has heard: who made them anew at once would find them still there
        while True:
            if gone.isdisjoint(await _partitions(client)):
                break
            await asyncio.sleep(0.05)


async def delete_records(settings: Settings, before: Mapping[Partition, int]) -> None:
    """Let partitions begin at these offsets; what lies before is gone for good."""
    native = {
        TopicPartition(full_name(settings, topic), partition): RecordsToDelete(before_offset=offset)
        for (topic, partition), offset in before.items()
    }
    async with _admin(settings, "removal of records") as client:
        await client.delete_records(native, timeout_ms=REQUEST_TIMEOUT_MS)


@asynccontextmanager
async def _admin(settings: Settings, doing: str) -> AsyncIterator[Any]:
    async with deadline(settings, ADMIN_TIMEOUT_S, doing):
        client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka, request_timeout_ms=REQUEST_TIMEOUT_MS)
        try:
            await start_client(client)
            yield client
        finally:
            await client.close()


async def _partitions(client: Any) -> dict[str, int]:
    """Topics whose partitions all have a leader."""
    found = {}
    for topic in await client.describe_topics():
        partitions = topic["partitions"]
        if topic["error_code"] == 0 and all(part["leader"] >= 0 for part in partitions):
            found[topic["topic"]] = len(partitions)
    return found


def _new_topic(settings: Settings, spec: TopicSpec, replication: int) -> Any:
    config = BASE_CONFIG | ({"cleanup.policy": "compact"} if spec.compact else {}) | dict(spec.config)
    return NewTopic(
        full_name(settings, spec.name),
        num_partitions=settings.partitions if spec.partitioned else 1,
        replication_factor=replication,
        topic_configs=config,
    )
