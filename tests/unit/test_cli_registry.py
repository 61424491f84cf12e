"""``vigil device`` before it asks any server: a time that no message can carry is refused in one line."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from compose.cli import app

SERVERS = {
    "VIGIL_KAFKA": "127.0.0.1:1",
    "VIGIL_MQTT": "mqtt://127.0.0.1:1",
    "VIGIL_DATABASE_URL": "postgresql://vigil@127.0.0.1:1/vigil",
}
"""Nothing listens there: whoever asks them fails otherwise."""


@pytest.mark.parametrize(
    "arguments",
    [
        ["bind", "cgm-7", "--patient", "bed-12", "--from", "9999-12-31T23:00:00Z"],
        ["bind", "cgm-7", "--patient", "bed-12", "--from", "0001-01-01T00:00:00+14:00"],
        ["unbind", "cgm-7", "--until", "0001-01-01T00:00:00Z"],
    ],
)
def test_a_time_at_the_calendars_ends_is_one_line(arguments: list[str]):
    """Python's calendar is a day longer at either end than that of a message, which then cannot be made."""
    result = CliRunner().invoke(app, ["device", *arguments], env=SERVERS)
    what, remedy = f"{arguments[-2]} {arguments[-1]}", "give one between the years 2000 and 2100"
    assert (result.exit_code, result.output) == (1, f"vigil: a time beyond the calendar: {what} ({remedy})\n")
