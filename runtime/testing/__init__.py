"""Fakes that pass the same contract suites as the drivers, and can be as nasty as the servers.

`ManualClock` moves by hand. `MemoryKafka` is a Kafka in memory (pause, duplicate, fail in mid-send, crash,
rebalance, small polls); `MemoryBroker` an MQTT broker (drops connections, redelivers, forgets sessions, holds and
reorders PUBACKs, refuses). ``tests/contract`` runs one suite on them and on the real servers. `Proxy` is the network
before a real server: cut, mended, or silent.
"""

from runtime.testing.clock import ManualClock
from runtime.testing.kafka import MemoryGroupConsumer, MemoryKafka, MemoryProducer, MemoryReader
from runtime.testing.mqtt import MemoryBroker, MemoryConnection
from runtime.testing.proxy import Proxy

__all__ = [
    "ManualClock",
    "MemoryBroker",
    "MemoryConnection",
    "MemoryGroupConsumer",
    "MemoryKafka",
    "MemoryProducer",
    "MemoryReader",
    "Proxy",
]
