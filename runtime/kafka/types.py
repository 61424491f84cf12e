"""What goes into Kafka and what comes out, and what can go wrong.

Topics are Vigil's own names (``vitals.readings``) in all that comes out of this package; it adds and takes off
the namespace. What goes in may be the own name or the full one (``vitals.topics.kafka_topic``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeAlias

from aiokafka.errors import KafkaConnectionError, KafkaError

from runtime.settings import Settings
from vitals.errors import ServerError, ServerStalled, ServerUnavailable
from vitals.steps import Headers
from vitals.topics import kafka_topic

Partition: TypeAlias = tuple[str, int]
"""A topic's own name and a partition number."""

# A tool that configures no logging must not show the library's own view of what our errors say in one line.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())

REQUEST_TIMEOUT_MS = 20_000
"""One request to a broker; shorter than every deadline of ours, so that its error is the one we see."""
START_GRACE_S = 0.5
"""How long a start that is cancelled may go on to finish the connection it is making."""
RECORD_BYTES_MAX = 4 * 1024 * 1024
"""The largest record; Kafka refuses larger ones (``max.message.bytes`` is set a little above)."""


class Out(NamedTuple):
    """One record to write, to an explicit partition."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: Headers = ()


class Assigned(NamedTuple):
    """Partitions are ours from here on; `GroupConsumer.seek` before the next poll decides where they begin."""

    partitions: tuple[Partition, ...]


class Revoked(NamedTuple):
    """Partitions are no longer ours; nothing of them follows until they are assigned again."""

    partitions: tuple[Partition, ...]


class KafkaUnavailable(ServerUnavailable):
    """No broker answers."""


class KafkaStalled(ServerStalled):
    """A broker was reached but did not do what was asked within the deadline: let the supervisor restart us."""


class KafkaFailed(ServerError):
    """A broker refused what was asked."""


def full_name(settings: Settings, topic: str) -> str:
    """The topic's name in Kafka."""
    if settings.namespace and topic.startswith(settings.namespace + "."):
        return topic
    return kafka_topic(settings.namespace, topic)


def own_name(settings: Settings, topic: str) -> str:
    """The topic's name in Vigil."""
    return topic.removeprefix(settings.namespace + ".") if settings.namespace else topic


def member_name(settings: Settings, name: str) -> str:
    """A group's or client's name in Kafka."""
    return f"{settings.namespace}.{name}" if settings.namespace else name


async def start_client(client: Any) -> None:
    """Start one of aiokafka's clients; a cancellation waits for the connection that is being made.

    aiokafka forgets the connection of a start that is cancelled, and nobody could close it any more.
    """
    starting = asyncio.create_task(client.start(), name="client's start")
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting}, timeout=START_GRACE_S)
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await starting
        raise


@asynccontextmanager
async def deadline(settings: Settings, seconds: float, doing: str) -> AsyncIterator[None]:
    """Run the body within ``seconds``; turn what goes wrong into one of ours.

    Raises:
        KafkaStalled: the deadline passed.
        KafkaUnavailable: no broker could be reached.
        KafkaFailed: any other error of Kafka's.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        remedy = "the supervisor restarts this process; look at Kafka's log"
        raise KafkaStalled(f"Kafka did not answer within {seconds:g} s", doing, remedy) from error
    except KafkaConnectionError as error:
        remedy = "start Kafka, or set VIGIL_KAFKA"
        raise KafkaUnavailable("Kafka cannot be reached", settings.kafka, remedy) from error
    except (KafkaError, AssertionError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise KafkaFailed("Kafka refused", f"{doing}: {text}", "run vigil migrate, look at Kafka's log") from error
