"""Kafka, as Vigil uses it: explicit partitions, deadlines on everything, groups as events.

`Producer` writes, `GroupConsumer` reads as a member of a group, `Reader` reads without one; `ensure_topics`,
`describe` and `cluster_id` ask about the cluster. This package is the only importer of aiokafka.
"""

from runtime.kafka.admin import check_partitions, cluster_id, delete_records, delete_topics, describe, ensure_topics
from runtime.kafka.cluster import Cluster, Disk, cluster_state
from runtime.kafka.consumer import Event, GroupConsumer
from runtime.kafka.producer import Producer
from runtime.kafka.reader import Reader, last_headers
from runtime.kafka.types import (
    Assigned,
    KafkaFailed,
    KafkaStalled,
    KafkaUnavailable,
    Out,
    Partition,
    Revoked,
)
from vitals.steps import Headers, Records

__all__ = [
    "Assigned",
    "Cluster",
    "Disk",
    "Event",
    "GroupConsumer",
    "Headers",
    "KafkaFailed",
    "KafkaStalled",
    "KafkaUnavailable",
    "Out",
    "Partition",
    "Producer",
    "Reader",
    "Records",
    "Revoked",
    "check_partitions",
    "cluster_id",
    "cluster_state",
    "delete_records",
    "delete_topics",
    "describe",
    "ensure_topics",
    "last_headers",
]
