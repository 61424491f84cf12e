"""One metric's lane with three patients, for tests of it by itself (`stream.part`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream.activity import Activity
from stream.outbox import Outbox, Where
from stream.part import Lane
from stream.rows import Part
from stream.series import Patients
from tests.logs import T0, row, worn
from vitals.control import WornDevice
from vitals.journal import Episode, decode
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, Metric
from vitals.policies import DEFAULT, Policy
from vitals.readings import Flag, Invalid, Rows
from vitals.topics import patient_id

NAMES = ("ann", "bob", "cyd")
ANN, BOB, CYD = range(3)
KINDS = {GLUCOSE: "t1d-uom-5min", HEART_RATE: "wrist"}
HERE = Where(0, 0, 0)
WARM_UP = int(Flag.WARM_UP)
FIRST = "waiting for the first reading"


class Told(NamedTuple):
    """What an episode says, where: its record and row count as they come."""

    patient: str
    rule: str
    change: str
    reason: str
    minutes: float


def lane(metric: Metric = GLUCOSE, policy: Policy = DEFAULT, worn_by: tuple[int, ...] = (ANN, BOB)) -> Lane:
    """Three patients, of whom these wear a device since T0."""
    patients = Patients()
    for name in NAMES:
        slot = patients.add(patient_id(name).bytes)
        patients.labels[slot], patients.site[slot] = name, 1
        patients.policies[slot] = policy
    made = Lane(metric, patients, Outbox(0), Activity())
    for slot in worn_by:
        made.wear(slot, (device(slot, metric),), T0, HERE)
    return made


def device(
    slot: int, metric: Metric = GLUCOSE, name: str = "dev", until: int | None = None, since: int = 0
) -> WornDevice:
    """A device of a slot, worn since so many minutes after T0."""
    return worn(NAMES[slot], name, KINDS[metric], T0 + since * MINUTE_US, until)


def read(
    slot: int, minute: float, value: float, metric: str = "glucose", *, flags: int = 0, invalid: int = 0,
    received: int | None = None,
) -> tuple[int, Rows]:  # fmt: skip
    """A row of a slot, received as observed unless told."""
    observed = T0 + round(minute * MINUTE_US)
    return slot, row(NAMES[slot], value, observed, metric=metric, device="dev", flags=flags, invalid=Invalid(invalid),
                     received=received)  # fmt: skip


def part(*rows: tuple[int, Rows], starts: list[int] | None = None) -> Part:
    """Rows in log order; one record unless told."""
    slots = np.array([slot for slot, _ in rows], np.intp)
    return Part(np.concatenate([each for _, each in rows]), slots, np.arange(len(rows)), starts or [0, len(rows)])


def told(made: Lane, records: int = 1) -> list[Told]:
    """What was said since somebody asked last, in order."""
    found = []
    for output in made.outbox.drain(list(range(100, 100 + records))):
        each = decode(output.value)
        assert isinstance(each, Episode)
        (name,) = (name for name in NAMES if patient_id(name).bytes == output.key)
        found.append(Told(name, each.rule, each.change, each.reason, (each.at - T0) / MINUTE_US))
    return found


def silent(made: Lane, *slots: int, at: float = 30) -> None:
    """These have gone silent."""
    for slot in slots:
        made.fall_silent(slot, Where(0, 0, T0 + round(at * MINUTE_US)))
    told(made)


def beats(slot: int, count: int = 1, second: int = 1) -> list[tuple[int, Rows]]:
    """So many heart rates of a slot, from a second on."""
    return [read(slot, (second + each) / 60, 70, "heart_rate") for each in range(count)]
