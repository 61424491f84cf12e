"""How a producer closes when the brokers are gone; the rest of it is tested on a real Kafka."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from runtime.kafka import KafkaStalled, Producer
from runtime.kafka import producer as module
from runtime.settings import Settings


async def test_a_batch_that_comes_back_during_the_close_hides_no_error(monkeypatch: pytest.MonkeyPatch):
    """The service would end as if by a fault of ours, with aiokafka's traceback instead of one line about Kafka."""

    async def never() -> None:
        await asyncio.Event().wait()

    async def done() -> None:
        """Closed."""

    async def lost_batch() -> None:
        raise KeyError("batch")

    failed: list[Exception] = []
    native = SimpleNamespace(
        stop=never,
        client=SimpleNamespace(close=done),
        _message_accumulator=SimpleNamespace(fail_all=failed.append),
        _sender=SimpleNamespace(close=lost_batch),
    )
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 0.0)
    producer = Producer(Settings(), "test")
    producer._producer = native
    with pytest.raises(KafkaStalled, match="what ended us"):
        await _leave(producer)
    assert [type(error) for error in failed] == [KafkaStalled]


async def _leave(producer: Producer) -> None:
    try:
        raise KafkaStalled("what ended us", "a write")
    finally:
        await producer.__aexit__(None, None, None)
