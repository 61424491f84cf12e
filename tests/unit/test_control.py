"""Control records: what processors are told in the log itself."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.logs import worn
from vitals.control import PatientControl, SiteControl, decode
from vitals.errors import StateError
from vitals.policies import DEFAULT, HEART_RATES
from vitals.readings import LAYOUT_VERSION
from vitals.topics import patient_id


def test_a_control_record_says_which_layout_the_rows_have():
    """Rows have no header of their own; a log of another layout would be read as other fields."""
    assert decode(SiteControl(number=1, name="ward-a").encode()).layout == LAYOUT_VERSION


def test_a_log_of_another_layout_is_refused_in_one_line():
    """Going on would make numbers out of somebody else's bytes, and alarms out of those numbers."""
    foreign = SiteControl(number=1, name="ward-a", layout=LAYOUT_VERSION + 1).encode()
    with pytest.raises(StateError, match=r"layout 2, not 1: vitals\.readings \(update Vigil\)"):
        decode(foreign)


LONG = "x" * 65
RULE = HEART_RATES[0]


@pytest.mark.parametrize(
    "more",
    [
        {"label": LONG}, {"bed": "b" * 33}, {"policy": DEFAULT.model_copy(update={"windows": (RULE,) * 33})},
        {"policy": DEFAULT.model_copy(update={"windows": (RULE.model_copy(update={"name": LONG}),)})},
        {"worn": (worn("ann", "band-1", "ward", 0).model_copy(update={"name": LONG}),)},
    ],
)  # fmt: skip
def test_a_control_record_with_a_name_that_no_message_could_carry_is_none(more: dict[str, object]):
    """It stands in every episode of the patient: of a megabyte, Kafka would take none, and the processor would stop."""
    fields = {"patient": patient_id("ann"), "label": "ann", "site": 1, "version": 1, "worn": (), "policy": DEFAULT}
    good = PatientControl.model_validate(fields)
    assert decode(good.encode()) == good
    with pytest.raises(ValidationError):
        decode(good.model_copy(update=more).encode())
