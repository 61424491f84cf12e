"""The bridge's loop: take, decide, make durable, acknowledge.

A PUBACK leaves after Kafka has the rows (or the rejection); whatever fails in between ends the process, and the
broker delivers again what was not acknowledged. So nothing is lost, and a repeat is a duplicate that everybody
downstream knows by its identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from ingest.bridge import Bridge, Decision
from ingest.follow import Follower
from ingest.ticks import Underway
from runtime.clock import Clock
from runtime.kafka import Out, Producer
from runtime.mqtt import Connection, Message
from runtime.observe import Metrics
from vitals.codecs import Reason

CAUGHT_UP_MESSAGES = 64
"""A turn with fewer messages than this has caught up, and may linger."""


class Forwarder:
    """The loop over its drivers. ``ticked_at`` is when the last tick became durable, in ``clock.monotonic()``
    seconds; None before the first. The metrics count what is durable.
    ``linger_s`` is the pause after a small turn.
    """

    def __init__(
        self,
        connection: Connection,
        producer: Producer,
        bridge: Bridge,
        follower: Follower,
        underway: Underway,
        *,
        clock: Clock,
        metrics: Metrics,
        linger_s: float,
    ) -> None:
        self.ticked_at: float | None = None
        self._connection = connection
        self._producer = producer
        self._bridge = bridge
        self._follower = follower
        self._underway = underway
        self._clock = clock
        self._linger_s = linger_s
        self._messages = metrics.counter("bridge_messages", "MQTT messages whose records Kafka has")
        self._readings = metrics.counter("bridge_readings", "Readings written to vitals.readings")
        self._rejected = metrics.counter("bridge_rejected", "Readings or payloads in vitals.rejected", ["reason"])
        for reason in get_args(Reason):
            self._rejected.labels(reason)  # a counter that is there from the start shows its first step
        waiting = metrics.gauge("bridge_waiting_messages", "MQTT messages at hand that Kafka does not have yet")
        waiting.set_function(lambda: self._at_hand)
        self._at_hand = 0
        self._ticks = metrics.counter("bridge_ticks", "Ticks written to every partition")

    async def run(self) -> None:
        """Forward for ever. Raises what Kafka or MQTT raise, with the messages at hand not acknowledged."""
        while True:
            messages = await self._connection.take()
            self._at_hand = len(messages)
            decisions = await self._decide(messages)
            await self._producer.send([Out(*record) for decision in decisions for record in decision.records])
            self._connection.ack(messages)
            self._at_hand = 0
            self._count(decisions)
            if self._linger_s and len(messages) < CAUGHT_UP_MESSAGES:
                await self._clock.sleep(self._linger_s)

    async def _decide(self, messages: Sequence[Message]) -> list[Decision]:
        """Decide in arrival order; what names an unknown thing only after the registry's present end is read.

        Once for all messages at hand is enough: all of them came before. Each counts as arrived when the broker had it
        at the latest: else the end of a backlog, taken a minute after it came, would be late, and its wearer silent.
        """
        now, caught_up = self._clock.now_us(), False
        decisions = []
        for message in messages:
            arrived = self._underway.arrived(now, message.generation)
            decision = self._bridge.decide(message.topic, message.payload, now, arrived)
            if decision.unknown and not caught_up:
                await self._follower.catch_up()
                caught_up = True
                decision = self._bridge.decide(message.topic, message.payload, now, arrived)
            if decision.time is not None:
                self._underway.back(decision.time)
            decisions.append(decision)
        return decisions

    def _count(self, decisions: list[Decision]) -> None:
        self._messages.inc(len(decisions))
        self._readings.inc(sum(decision.readings for decision in decisions))
        for reason, count in (pair for decision in decisions for pair in decision.rejected):
            self._rejected.labels(reason).inc(count)
        if ticks := sum(decision.ticks for decision in decisions):
            self._ticks.inc(ticks)
            self.ticked_at = self._clock.monotonic()
