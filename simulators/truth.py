"""The truth of a ward, known beforehand: what its patients' bodies and devices do, whatever was sent of it. Pure.

Glucose events are DOMAIN's for scoring: at least 15 min below 70 or 54, or above 250, until at least 15 min back; here
of the blood itself, stories included, without the sensor's lag and error. Heart rate events are at least 10 min beyond
130, or a story's tachycardia.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators import stories
from simulators.noise import Booleans
from simulators.physiology import faults, sensor
from simulators.physiology.course import Course
from simulators.physiology.people import DAY_US, people
from simulators.physiology.spells import Kind
from simulators.ward import WardSpec
from vitals.metrics import MINUTE_US

EVENT_MINUTES = 15
FAST_HEART_MINUTES = 10


@dataclass(frozen=True, slots=True)
class Label:
    """What is true from ``begin`` to ``end`` (µs UTC, end exclusive) of a patient (index) or, None, of a site.

    ``kind``: ``low 1``, ``low 2``, ``high 1``, ``fast heart``, ``silent``, ``hole``, ``no contact``,
    ``compression``, ``away`` or ``swap``.
    """

    kind: str
    patient: int | None
    begin: int
    end: int
    site: str | None = None


def labels(spec: WardSpec, begin: int, end: int, began_at: int | None = None) -> list[Label]:
    """All labels that reach into [begin, end), by beginning; events that run over its edges are cut there.

    ``began_at`` is when the ward's history began: with it comes the swap of a device.
    """
    found = [*events(spec, begin, end), *_faults(spec, begin, end), *_told(spec, begin, end)]
    if began_at is not None and (swap := stories.swap(began_at, end, spec.patients)) is not None:
        found.append(Label("swap", swap.patient, swap.off_at, swap.on_at))
    return sorted(found, key=lambda label: (label.begin, label.kind, -1 if label.patient is None else label.patient))


def events(spec: WardSpec, begin: int, end: int) -> list[Label]:
    """Glucose and heart rate events in [begin, end), to the minute."""
    first, last = -(-begin // MINUTE_US), -(-end // MINUTE_US)
    if last <= first:
        return []
    at, script = np.arange(first, last, dtype=np.int64) * MINUTE_US, spec.script
    state = Course(people(spec.seed, spec.patients)).minutes(first, last)
    found = []
    for patient in range(spec.patients):
        blood, heart = state.blood[patient], state.heart_rate[patient]
        if script is not None:
            who = np.full_like(at, patient)
            blood, heart = script.tell("glucose", who, at, blood)[0], script.tell("heart_rate", who, at, heart)[0]
        for kind, beyond, least in (
            ("low 1", blood < 70, EVENT_MINUTES),
            ("low 2", blood < 54, EVENT_MINUTES),
            ("high 1", blood > 250, EVENT_MINUTES),
            ("fast heart", heart > 130, FAST_HEART_MINUTES),
        ):
            spans = [(int(at[first]), int(at[last - 1]) + MINUTE_US) for first, last in runs(beyond, least)]
            found += [Label(kind, patient, *span) for span in spans]
    return found


def runs(beyond: Booleans, least: int) -> list[tuple[int, int]]:
    """Events [first, last) in a minute-by-minute condition: each begins with ``least`` minutes of it, and ends before
    as many without it.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], beyond, [False]]).astype(np.int8)))
    found: list[tuple[int, int]] = []
    for first, last in edges.reshape(-1, 2).tolist():
        if found and first - found[-1][1] < least:
            found[-1] = found[-1][0], last
        elif last - first >= least:
            found.append((first, last))
    return found


def _told(spec: WardSpec, begin: int, end: int) -> list[Label]:
    if (script := spec.script) is None:
        return []
    return [
        *(Label("silent", span.patient, span.begin, span.end) for span in script.silences(begin, end)),
        *(Label("away", None, span.begin, span.end, stories.AWAY_SITE) for span in script.absences(begin, end)),
    ]


def _faults(spec: WardSpec, begin: int, end: int) -> list[Label]:
    found: list[Label] = []
    for kind, spells in (("hole", faults.HOLE), ("no contact", faults.OFF), ("compression", sensor.PRESSED)):
        found += _spells(kind, spells, spec, begin, end)
    return found


def _spells(kind: str, spells: Kind, spec: WardSpec, begin: int, end: int) -> list[Label]:
    slots = np.arange(begin // spells.slot_us, (end - 1) // spells.slot_us + 1, dtype=np.int64)
    if kind == "compression":  # only at night
        slots = slots[slots * spells.slot_us % DAY_US == 0]
    index = np.arange(spec.patients, dtype=np.int64)[:, np.newaxis]
    drawn = spells.of_slot(spec.seed, index, slots)
    there = (drawn.length > 0) & (drawn.begin < end) & (drawn.begin + drawn.length > begin)
    rows, columns = np.nonzero(there)
    return [
        Label(kind, row, int(drawn.begin[row, column]), int(drawn.begin[row, column] + drawn.length[row, column]))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
