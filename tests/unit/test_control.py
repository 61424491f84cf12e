"""Control records: what processors are told in the log itself."""

from __future__ import annotations

import pytest

from vitals.control import SiteControl, decode
from vitals.errors import StateError
from vitals.readings import LAYOUT_VERSION


def test_a_control_record_says_which_layout_the_rows_have():
    """Rows have no header of their own; a log of another layout would be read as other fields."""
    assert decode(SiteControl(number=1, name="ward-a").encode()).layout == LAYOUT_VERSION


def test_a_log_of_another_layout_is_refused_in_one_line():
    """Going on would make numbers out of somebody else's bytes, and alarms out of those numbers."""
    foreign = SiteControl(number=1, name="ward-a", layout=LAYOUT_VERSION + 1).encode()
    with pytest.raises(StateError, match=r"layout 2, not 1: vitals\.readings \(update Vigil\)"):
        decode(foreign)
