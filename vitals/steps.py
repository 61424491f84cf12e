"""What a step is: records of one partition in, outputs with their cause out; pure, and the same for any batching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from vitals.causes import Cause

Headers = tuple[tuple[str, bytes], ...]


class Records(NamedTuple):
    """Records of one partition in offset order, as parallel lists of one length."""

    topic: str
    partition: int
    offsets: list[int]
    keys: list[bytes | None]
    values: list[bytes]
    headers: list[Headers]
    timestamps: Sequence[int] = ()
    """Record timestamps, real time in ms; steps never look at them."""


class Output(NamedTuple):
    """One record that a step wants written; all of a lower ``stage`` is durable before a higher one is sent."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    cause: Cause
    stage: int = 0
    headers: Headers = ()


class Step(Protocol):
    """The fold of one input partition. Outputs come in the order of their causes."""

    def step(self, records: Records) -> list[Output]:
        """Take records in offset order, return what they cause."""
        ...
