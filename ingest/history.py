"""What became of a patient's policy, from the log of ``registry.commands``, which is kept: pure.

A version is a policy that was accepted and differs from the one before, counted as the roster counts; the first is
RULES' table, from the first device on. What was accepted is what the log says, whatever would be accepted today.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from pydantic import ValidationError

from vitals.policies import DEFAULT, Policy
from vitals.registry import Answer, DeviceBind, PolicySet, decode
from vitals.steps import Records


class Version(NamedTuple):
    """A policy and since when it holds: the time of its command's record, real time, in ms UTC."""

    policy: Policy
    at_ms: int
    by: str


def versions(log: Iterable[Records], patient: str) -> list[Version]:
    """The versions of a patient's policy (pseudonym), the first one first; none for who never wore anything.

    ``log`` is all of ``registry.commands`` in order.
    """
    found: list[Version] = []
    for at_ms, command in _accepted(log, patient):
        if isinstance(command, DeviceBind):
            found = found or [Version(DEFAULT, at_ms, "")]
        elif found:
            last = found[-1].policy
            policy = command.policy.model_copy(update={"version": last.version + 1})
            if policy.model_copy(update={"version": last.version}) != last:
                found.append(Version(policy, at_ms, command.by))
    return found


def _accepted(log: Iterable[Records], patient: str) -> list[tuple[int, DeviceBind | PolicySet]]:
    """The commands about a patient that were done, each once, with the time (ms) of their record."""
    asked: dict[UUID, tuple[int, DeviceBind | PolicySet]] = {}
    done: set[UUID] = set()
    for records in log:
        for at_ms, value in zip(records.timestamps, records.values, strict=True):
            try:
                message = decode(value)
            except ValidationError:
                continue  # the registry has answered or counted it
            if isinstance(message, Answer):
                done |= {message.id} if message.outcome == "accepted" else set()
            elif isinstance(message, DeviceBind | PolicySet) and message.patient == patient:
                asked.setdefault(message.id, (at_ms, message))
    return [command for identity, command in asked.items() if identity in done]
