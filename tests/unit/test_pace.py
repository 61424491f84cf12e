"""A processor that falls behind its log says so, and says it once."""

from __future__ import annotations

import logging

import pytest

from stream.service import BEHIND_RECORDS_MAX, BEHIND_SECONDS, Pace

MANY = BEHIND_RECORDS_MAX + 1


def test_a_backlog_that_is_soon_digested_is_no_falling_behind():
    """A device that comes back brings thousands at once: whoever is woken by that stops listening."""
    pace = Pace()
    assert [pace.verdict(MANY, at) for at in (100.0, 100.0 + BEHIND_SECONDS - 0.1)] == [(True, "")] * 2
    assert pace.verdict(BEHIND_RECORDS_MAX, 110) == (True, "")
    assert pace.verdict(MANY, 111) == (True, "")


def test_who_stays_behind_is_not_ready_until_it_has_caught_up(caplog: pytest.LogCaptureFixture):
    """Alerts come late then, and nothing else would say why."""
    pace = Pace()
    with caplog.at_level(logging.INFO):
        for at in range(100, 103 + int(BEHIND_SECONDS)):
            told = pace.verdict(MANY + at, at)
        assert told == (False, f"behind: {MANY + at} records of the log are not judged yet")
        assert pace.verdict(3, 200) == (True, "")
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.records[0].getMessage().startswith("falls behind: ")
