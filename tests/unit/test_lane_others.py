"""One metric's lane where several patients are in one part: what is open or said of one hides nothing of another."""

from __future__ import annotations

import numpy as np

from stream.activity import Activity
from stream.outbox import Outbox
from stream.part import Lane
from stream.series import Patients
from tests.lanes import ANN, BOB, HERE, Told, device, lane, part, read, silent, told
from tests.logs import T0
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, HEART_RATES
from vitals.policy_edits import edited
from vitals.readings import Flag
from vitals.units import Unit

HOLDS = DEFAULT.model_copy(
    update={"windows": (HEART_RATES[0].model_copy(update={"artefact_hold_us": 30 * SECOND_US}), *HEART_RATES[1:])}
)


def test_an_open_low_matters_beside_somebody_whose_low_begins() -> None:
    """Also before the first of the other's readings, of which there are two."""
    made = lane()
    made.take(part(read(ANN, 5, 50)))
    told(made)
    made.take(part(read(ANN, 10, 80), read(BOB, 5, 100), read(BOB, 10, 50)))
    assert told(made) == [Told("ann", "low", "returning", "", 10), Told("bob", "low", "open", "", 10)]


def test_an_open_low_matters_beside_somebody_with_other_rules() -> None:
    """Who has none of the rules that judge every reading has episodes all the same."""
    made = lane()
    made.glucose.set_policy(BOB, edited(DEFAULT, ["glucose_rising=on"]))
    made.take(part(read(ANN, 5, 50)))
    told(made)
    made.take(part(read(ANN, 10, 80), read(BOB, 5, 100)))
    assert told(made) == [Told("ann", "low", "returning", "", 10)]


def test_a_low_matters_beside_somebody_who_is_silent() -> None:
    """Whose rows say why, and who is heard no more for it."""
    made = lane()
    silent(made, BOB)
    made.take(part(read(BOB, 31, 0, invalid=3), read(ANN, 31, 50)))
    assert told(made) == [Told("bob", "signal", "reason", "contact lost", 31), Told("ann", "low", "open", "", 31)]


def test_a_new_device_leaves_what_is_open() -> None:
    """The first reading of the new one judges it; nobody is without a device."""
    made = lane()
    made.take(part(read(ANN, 5, 50)))
    told(made)
    made.wear(ANN, (device(ANN, name="new", since=7),), T0 + 8 * MINUTE_US, HERE)
    assert told(made) == []
    assert made.machines.level[ANN, 0] == 2


def test_glucose_comes_in_both_units() -> None:
    """2.8 mmol/L is 50 mg/dL."""
    made = lane()
    row = read(ANN, 5, 2.8)
    row[1]["unit"] = int(Unit.MMOL_L)
    assert made.take(part(row)).tolist() == [ANN]
    assert (told(made), made.unbound) == ([Told("ann", "low", "open", "", 5)], 0)


def test_what_a_row_says_counts_from_the_end_of_warm_up_on() -> None:
    """Also of who is not silent yet: at the end itself, not a moment before it."""
    made = lane()
    made.series.waits_from[ANN] = T0 + 40 * MINUTE_US
    made.take(part(read(ANN, 39, 0, invalid=3)))
    assert int(made.signals.why[ANN]) == 0
    made.take(part(read(ANN, 40, 0, invalid=3)))
    assert int(made.signals.why[ANN]) == 1


def test_what_the_device_doubts_is_kept_for_rules_that_hold() -> None:
    """Of the row that took the pane; whose rules ask for nothing keeps nothing."""
    made, other = lane(HEART_RATE, HOLDS), lane(HEART_RATE)
    doubt = int(Flag.ARTEFACT)
    rows = [
        *[read(ANN, second / 60, 70, "heart_rate", flags=doubt) for second in (1, 2)],
        read(BOB, 1 / 60, 70, "heart_rate"), read(BOB, 2 / 60, 70, "heart_rate", flags=doubt),
        read(ANN, 3 / 60, 70, "heart_rate"), read(ANN, 2.5 / 60, 70, "heart_rate", flags=doubt),
    ]  # fmt: skip
    for each in (made, other):
        each.take(part(*rows))
    assert made.artefacts.place[[ANN, BOB]].tolist() == [1, 2]
    assert made.artefacts.mostly(np.array([ANN, BOB]), T0 + 3 * SECOND_US, 3 * SECOND_US).tolist() == [True, False]
    assert made.artefacts.mostly(np.array([ANN, BOB]), T0 + 3 * SECOND_US, SECOND_US).tolist() == [False, False]
    assert other.artefacts.count == 0


def test_rules_of_rest_ask_the_partitions_steps() -> None:
    """All lanes have the one table of them."""
    activity = Activity()
    for metric in (GLUCOSE, HEART_RATE):
        assert Lane(metric, Patients(), Outbox(0), activity).medians.gates.activity is activity
