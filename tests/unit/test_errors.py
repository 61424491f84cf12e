"""Errors as people read them."""

from __future__ import annotations

import pytest

from vitals.errors import InputError
from vitals.policies import DEFAULT
from vitals.policy_edits import edited


def test_what_somebody_gave_breaks_no_line_and_commands_no_terminal() -> None:
    """Otherwise a change with a line's end in it looks like two errors, and one with an escape clears the screen."""
    with pytest.raises(InputError) as caught:
        edited(DEFAULT, ["low.1\nx=3\x1b[2J"])
    assert "low.1\\nx=3\\x1b[2J" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["Zoë, 5 µs", "ward\\bed 7", "5\u00a0min", "\u0645\u06cc\u200c\u062e\u0648", "\u0915\u094d\u200d\u0937"],
)
def test_what_can_be_shown_stays_as_it_is(text: str) -> None:
    """Names are of any language, and paths may have backslashes."""
    assert str(InputError("unknown", text, "give another")) == f"unknown: {text} (give another)"
