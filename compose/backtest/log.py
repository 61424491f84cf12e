"""One person's part of ``vitals.readings`` as the replay on simulated time would write it, in memory.

The registry's own step makes the control records; whose reading each is, and its flags, the bridge's own attribution
says. Ticks are a minute apart, numbered as if all of them were there; which are made is the feed's matter (`feed.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from ingest.attribution import attribute
from ingest.directory import Directory
from ingest.registry import RegistryStep
from simulators.exports import Export
from simulators.pacing import TICK_STEP_S_MAX, floor_to
from simulators.replay import SITE, TAIL_MINUTES, merged, not_worn, wearer
from vitals.codecs import Parsed, Rejected
from vitals.errors import InputError
from vitals.metrics import METRIC_BY_NAME, MINUTE_US, SECOND_US
from vitals.policies import Policy
from vitals.readings import Flag, Rows, decode
from vitals.registry import Answer, ClockSet, Command, DeviceAdd, DeviceBind, PolicySet, SiteAdd
from vitals.registry import decode as decode_answer
from vitals.steps import Output, Records
from vitals.topics import BINDINGS, COMMANDS, NAMESPACE, READINGS
from vitals.units import UNIT_BY_NAME

STEP_US = TICK_STEP_S_MAX * SECOND_US
TAIL_US = TAIL_MINUTES * MINUTE_US


@dataclass(frozen=True, slots=True)
class PersonLog:
    """A person's records. Row ``r`` is the record ``values[r]`` and lies behind tick number ``tick_of[r]``; tick ``k``
    is the time ``first_tick + k * STEP_US``, up to ``ticks`` of them; ``site`` is whose clock they are.
    """

    patient: str
    exports: tuple[Export, ...]
    controls: tuple[Output, ...]
    values: list[bytes]
    rows: Rows
    tick_of: NDArray[np.int64]
    first_tick: int
    ticks: int
    site: int
    rejected: dict[str, int]
    """Readings that the bridge would not take, by reason."""


def build(patient: str, exports: Sequence[Export], policy: Policy | None) -> PersonLog:
    """The log of one person's exports, one a metric, under the default policy or another.

    Raises:
        InputError: the registry refuses the policy, or a second device of one metric.
    """
    registry, directory = RegistryStep(1), Directory(1)
    controls: list[Output] = []
    for number, command in enumerate(commands(patient, exports, policy)):
        controls += _obeyed(registry, directory, number, command)
    devices = [directory.devices[export.device] for export in exports]
    metrics = [(METRIC_BY_NAME[export.metric], UNIT_BY_NAME[export.unit]) for export in exports]
    items = merged(exports)
    first_tick = floor_to(items[0].at, STEP_US)
    ticks = -(-(items[-1].at + TAIL_US - first_tick) // STEP_US) + 1
    values: list[bytes] = []
    tick_of: list[int] = []
    rejected: Counter[str] = Counter()
    for item in items:
        number = (item.at - first_tick) // STEP_US
        metric, unit = metrics[item.device]
        flags = int(Flag.CONTACT_LOST) if not_worn(exports[item.device], item) else 0
        reading = Parsed(0, metric, item.value, unit, item.at, item.sequence, flags)
        placed = attribute(devices[item.device], reading, [first_tick + number * STEP_US])
        if isinstance(placed, Rejected):
            rejected[placed.reason] += 1
        else:
            values.append(placed[1])
            tick_of.append(number)
    return PersonLog(
        patient=patient,
        exports=tuple(exports),
        controls=tuple(controls),
        values=values,
        rows=decode(values),
        tick_of=np.array(tick_of, np.int64),
        first_tick=first_tick,
        ticks=ticks,
        site=directory.sites[SITE],
        rejected=dict(rejected),
    )


def commands(patient: str, exports: Sequence[Export], policy: Policy | None) -> Iterator[Command]:
    """What the registry is asked, in order: clock, site, each export's device and its binding, and the policy."""

    def identity(what: str) -> UUID:
        return uuid5(NAMESPACE, f"backtest:{what}")

    yield ClockSet(id=identity("clock"), clock="simulated")
    yield SiteAdd(id=identity("site"), name=SITE)
    for export in exports:
        worn = wearer(export, STEP_US)
        yield DeviceAdd(id=identity(f"add:{worn.device}"), name=worn.device, site=SITE, type=worn.type)
        yield DeviceBind(id=identity(f"bind:{worn.device}"), device=worn.device, patient=patient, since=worn.since)
    if policy is not None:
        yield PolicySet(id=identity("policy"), patient=patient, policy=policy)


def _obeyed(registry: RegistryStep, directory: Directory, number: int, command: Command) -> list[Output]:
    """The control records of a command; the directory learns what bridges learn of it."""
    outputs = registry.step(Records(COMMANDS, 0, [number], [None], [command.encode()], [()]))
    answer = decode_answer(outputs[-1].value)
    if isinstance(answer, Answer) and answer.outcome == "refused":
        raise InputError("the registry refuses", answer.reason)
    bindings = [each for each in outputs if each.topic == BINDINGS]
    directory.take([directory.position + at for at in range(len(bindings))], [each.key for each in bindings],
                   [each.value for each in bindings])  # fmt: skip
    return [each for each in outputs if each.topic == READINGS]
