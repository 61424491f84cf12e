"""A patient with open episodes in one metric's tables, set by hand, and what is told of her (`stream.standing`)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from stream.activity import Activity
from stream.outbox import Outbox, Where
from stream.rules import ACTIVE, RETURNING, UNKNOWN
from stream.series import Patients
from stream.standing import Standing
from stream.verdicts import Shown
from tests.logs import T0, worn
from vitals.journal import Episode, decode, episode_id
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US, Metric
from vitals.policies import DEFAULT, Policy
from vitals.policy_edits import edited
from vitals.topics import patient_id

ANN, BOB = 1, 2
"""Their slots; nobody of interest has the first."""
AT = Where(0, 4, T0 + 60 * MINUTE_US)
"""Where something happens: an hour after T0."""
LOW, HIGH = 0, 1
MORE = edited(DEFAULT, ["high_sustained=on", "glucose_falling=on"])
BY_NIGHT = edited(DEFAULT, ["zone=Etc/UTC", "night=22:00-07:00"]).model_copy(update={"version": 9})
KINDS = {GLUCOSE: "t1d-uom-5min", HEART_RATE: "wrist"}


class Told(NamedTuple):
    """What an episode says, in short."""

    rule: str
    change: str
    level: int
    condition: str
    reason: str
    at: int


def standing(metric: Metric = GLUCOSE, policy: Policy = MORE, kind: str = "") -> Standing:
    """Three patients of site 3 with a policy and a device since T0, of a kind; of none anything was heard."""
    patients, kind = Patients(), kind or KINDS[metric]
    made = Standing(metric, patients, Outbox(0), Activity())
    for name in ("zoe", "ann", "bob"):
        slot = patients.add(patient_id(name).bytes)
        patients.take(slot, policy)
        patients.labels[slot], patients.site[slot] = f"bed of {name}", 3
        made.series.wear(slot, (worn(name, f"{kind} of {name}", kind, T0),))
        made.machines.set_policy(slot, policy, metric.name)
        for family in made.families:
            family.set_policy(slot, policy)
        made.signals.set_policy(slot, policy)
    return made


def told(made: Standing, patient: str = "ann") -> list[Told]:
    """What was said since somebody asked last, all of it of one patient, at the row of `AT`."""
    found = []
    for output in made.outbox.drain([100]):
        episode = decode(output.value)
        assert isinstance(episode, Episode)
        assert (output.key, episode.patient) == (patient_id(patient).bytes, patient_id(patient))
        found.append(
            Told(episode.rule, episode.change, episode.level, episode.condition, episode.reason, episode.at - T0)
        )
    return found


def opened(made: Standing, side: int = LOW, level: int = 1, condition: int = ACTIVE, reason: str = "") -> None:
    """Ann's low or high is open, and perhaps unknown for a reason; her last reading came half an hour after T0."""
    table = made.machines
    table.level[ANN, side], table.condition[ANN, side] = level, condition
    table.opened_at[ANN, side] = table.since[ANN, side] = T0
    table.entered[ANN, side] = T0
    heard(made)
    if reason:
        table.condition[ANN, side] = UNKNOWN
        table.reasons[ANN, side] = reason


def heard(made: Standing, minute: int = 30, value: float = 60) -> None:
    """Ann's last deciding reading came so many minutes after T0."""
    made.series.dec_e[ANN] = made.series.dec_rx[ANN] = T0 + minute * MINUTE_US
    made.series.dec_value[ANN] = value


def opened_by(made: Standing, column: int, minute: int = 30, reason: str = "", *, beyond: bool = True) -> None:
    """An episode of Ann's of one level is open in a column; it was judged last so many minutes after T0."""
    family = made.glucose if made.metric is GLUCOSE else made.medians
    assert len(family.names) > column
    at = T0 + minute * MINUTE_US
    rule = family.rule(ANN, column)
    family.shown[ANN, column] = Shown(rule, T0, T0, 200.0, at, 100.0, beyond)
    family.level[ANN, column], family.condition[ANN, column] = 1, ACTIVE if beyond else RETURNING
    last = made.glucose.judged_rx if made.metric is GLUCOSE else made.medians.eval_at
    last[ANN, column] = at
    if reason:
        family.condition[ANN, column] = UNKNOWN
        family.reasons[ANN, column] = reason


def hold(made: Standing, column: int, since: int) -> None:
    """An opening of Ann's is held since an instant, for a minute at most."""
    value, limit = [(150.0, 130.0), (40.0, 50.0), (150.0, 130.0)][column]
    shown = Shown(made.medians.rule(ANN, column), since, since, value, since, limit, beyond=True)
    width_us = made.medians.rule(ANN, column).width_us
    made.medians.holds.put_off(ANN, column, shown, width_us=width_us, hold_us=MINUTE_US, suspect=True)


def beats(made: Standing, slot: int, first: int, last: int, value: float = 160) -> None:
    """Heart rates of each second from one to another after T0."""
    events = T0 + np.arange(first, last + 1) * SECOND_US
    slots, values = np.full(len(events), slot), np.full(len(events), float(value))
    made.ring.write(slots, events, values, values, np.zeros(len(events), np.bool_))


def reads(made: Standing, *readings: tuple[float, float]) -> None:
    """Readings of Ann (minutes after T0, value); the last is the deciding one."""
    for at, value in readings:
        one, event = np.array([float(value)]), np.array([T0 + round(at * MINUTE_US)])
        made.ring.write(np.array([ANN]), event, one, np.floor(one + 0.5), np.zeros(1, np.bool_))
        made.series.dec_e[ANN], made.series.dec_rx[ANN], made.series.dec_value[ANN] = event[0], event[0] + 7, value


def common(rule: str, opened_at: int, metric: Metric = GLUCOSE) -> dict[str, Any]:
    """What every episode of Ann has."""
    ann = patient_id("ann")
    return {
        "id": episode_id(str(ann), metric.name, rule, opened_at),
        "patient": ann,
        "label": "bed of ann",
        "site": 3,
        "device": f"{KINDS[metric]} of ann",
        "metric": metric.name,
        "rule": rule,
        "opened_at": opened_at,
        "unit": {GLUCOSE: "mg/dL", HEART_RATE: "/min"}[metric],
    }
