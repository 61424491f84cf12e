"""Policies at the registry: what it takes, from whom, and what it refuses."""

from __future__ import annotations

import pytest

from tests.unit.test_registry import AT, HOUR, OWN, Log
from vitals import control
from vitals.control import PatientControl
from vitals.policies import DEFAULT, HEART_RATES, HIGH, LOW, WindowRule
from vitals.policy_edits import edited
from vitals.proof import POLICY as PROOF
from vitals.proof import patient_name
from vitals.registry import PolicySet
from vitals.topics import BINDINGS, COMMANDS, READINGS


@pytest.fixture
def log() -> Log:
    """A registry with a site and two sensors."""
    log = Log()
    assert log.site("ward-a") == log.add("cgm-1") == log.add("cgm-2") == ""
    return log


def test_a_policy_of_their_own_stays_with_the_patient(log: Log):
    """A new sensor must not put a patient back to rules that somebody changed for a reason."""
    assert log.bind("cgm-1", "p-1") == ""
    outputs = log.do(PolicySet(id=log.id(), patient="p-1", policy=OWN))
    assert [(output.topic, output.stage) for output in outputs] == [(READINGS, 0), (BINDINGS, 1), (COMMANDS, 2)]
    told = control.decode(outputs[0].value)
    assert isinstance(told, PatientControl)
    assert (told.version, told.policy) == (2, OWN.model_copy(update={"version": DEFAULT.version + 1}))
    assert log.unbind("cgm-1", AT + HOUR) == log.bind("cgm-2", "p-1", AT + HOUR) == ""
    assert log.patient("p-1").policy == told.policy
    assert log.policy("p-1", DEFAULT) == ""
    assert log.patient("p-1").policy == DEFAULT.model_copy(update={"version": DEFAULT.version + 2})


def test_the_same_policy_again_changes_nothing(log: Log):
    """The prover sets its policy at each start; a version for each start would say that somebody changed the rules."""
    assert log.bind("cgm-1", "p-1") == log.policy("p-1", OWN) == ""
    before = log.patient("p-1")
    assert [output.topic for output in log.do(PolicySet(id=log.id(), patient="p-1", policy=OWN))] == [COMMANDS]
    assert log.patient("p-1") == before


def test_a_policy_beyond_the_bounds_is_refused_whoever_writes_the_command(log: Log):
    """The command line checks too, but a log has other writers; what a processor cannot hold would end it for good."""
    assert log.policy("p-1", OWN) == "patient p-1 wears nothing yet; vigil device bind"
    assert log.bind("cgm-1", "p-1") == ""
    before = log.patient("p-1")
    stranger = LOW.model_copy(update={"metric": "temperature"})
    assert "about 'temperature'" in log.policy("p-1", DEFAULT.model_copy(update={"thresholds": (stranger,)}))
    no_low = DEFAULT.model_copy(update={"thresholds": (HIGH,)})
    assert log.policy("p-1", no_low) == "rule low is missing: high priority has no off switch"
    assert log.policy("p-1", edited(DEFAULT, ["low.2.limit=20"])).startswith("low 2 limit is 20: give 50 to 70 mg/dL")
    huge = log.policy("p-1", edited(DEFAULT, ["high=on"]).model_copy(update={"windows": (_endless(),)}))
    assert huge.startswith("not a command: policy_set.policy.windows.0.width_us Input should be less than")
    assert log.patient("p-1") == before


def _endless() -> WindowRule:
    return HEART_RATES[0].model_copy(update={"width_us": 10**400})


def test_a_policy_made_from_an_older_version_is_refused(log: Log):
    """Two people who change the same patient's rules at once must not undo each other unseen."""
    assert log.bind("cgm-1", "p-1") == log.policy("p-1", OWN, base=1) == ""
    assert log.policy("p-1", edited(DEFAULT, ["low.1.limit=80"]), base=1) == (
        "the policy of p-1 is at version 2, not 1; look at it again: vigil policy show p-1"
    )
    assert log.policy("p-1", edited(OWN, ["low.1.limit=80"]), base=2) == ""
    assert log.patient("p-1").policy.version == 3


def test_a_synthetic_patient_has_the_synthetic_policy_and_nobody_else(log: Log):
    """Under other rules the proof of life proves nothing; under these a person would have no alarm."""
    name = patient_name("ward-a")
    assert log.bind("cgm-1", name) == log.policy(name, PROOF) == log.bind("cgm-2", "p-1") == ""
    assert log.policy(name, DEFAULT) == f"patient {name} is synthetic and keeps its own policy"
    assert log.policy("p-1", PROOF).startswith("rule 'proof' is unknown")
