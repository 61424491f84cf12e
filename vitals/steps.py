"""What a step is: records of one partition in, outputs with their cause out; pure, and the same for any batching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

from vitals.causes import Cause
from vitals.codecs.state import State
from vitals.snapshots import Format

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
    """The fold of one input partition. Outputs come in the order of their causes.

    A step made anew that is given the state of another goes on as that one would have.
    """

    FORMAT: ClassVar[Format]
    """Of its state; the version grows whenever a state of before cannot be read any more."""

    def step(self, records: Records) -> list[Output]:
        """Take records in offset order, return what they cause; no cause is a record of an earlier call."""
        ...

    def state(self) -> State:
        """Everything that decides about later outputs, as plain data that changes no more. It depends on the log
        alone: not on how it was batched, nor on whether this step was itself restored.
        """
        ...

    def restore(self, state: State) -> None:
        """Become the step that gave this state; of a step that has taken nothing yet.

        Raises:
            CodecError: the state does not hold what it should; then this step is of no use any more.
        """
        ...
