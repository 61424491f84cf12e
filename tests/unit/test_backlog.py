"""The storm drill's backlogs and their judge: every way in which a day of kept readings can go wrong fails it."""

from __future__ import annotations

import json

import pytest

from compose.drills.backlog import BATCH, FRESH_US, Opened, Return, backlogs, expected, judge
from compose.drills.bedside import LOW_VALUE
from vitals.codecs import Parsed
from vitals.codecs.json import decode

NOW = 1_700_000_000_000_000


@pytest.fixture
def good() -> Return:
    """Twenty devices back from two hours: all is stored, and the fresh lows called once."""
    found = backlogs(1, 20, 2.0, NOW)
    rows = [identity for backlog in found for identity in backlog.identities]
    opened = [Opened(alert, at) for alert, at in expected(found).items()]
    return Return(found, len(rows), rows, opened, list(opened))


def test_what_went_well_passes(good: Return):
    """A judge that always finds something is no judge either."""
    assert judge(good).differences == []


def test_a_lost_a_doubled_and_an_invented_reading_are_found(good: Return):
    """Each is a lie in the patient's chart."""
    lost, rest = good.stored[0], good.stored[1:]
    assert "not stored" in str(judge(Return(good.backlogs, 480, rest, good.heard, good.kept)).differences)
    doubled = [*good.stored, lost]
    assert "stored twice" in str(judge(Return(good.backlogs, 480, doubled, good.heard, good.kept)).differences)
    invented = [*good.stored, lost._replace(observed_at=1)]
    assert "never buffered" in str(judge(Return(good.backlogs, 480, invented, good.heard, good.kept)).differences)


def test_a_reading_without_its_puback_is_found(good: Return):
    """The device would keep it for ever."""
    good.acknowledged -= 1
    assert "with PUBACK" in str(judge(good).differences)


@pytest.mark.parametrize("where", ["heard", "kept"])
def test_a_late_low_that_pages_is_found(good: Return, where: str):
    """Somebody would run to a bed for what was over yesterday."""
    late = Opened(good.backlogs[1].identities[0].device, NOW - 10 * FRESH_US)
    setattr(good, where, [*getattr(good, where), late])
    assert "late lows that paged" in str(judge(good).differences)


@pytest.mark.parametrize("where", ["heard", "kept"])
def test_a_fresh_low_that_pages_nobody_or_twice_is_found(good: Return, where: str):
    """It stands at the end of a backlog, but it is now."""
    right = list(getattr(good, where))
    setattr(good, where, right[1:])
    assert "paged nobody" in str(judge(good).differences)
    setattr(good, where, [*right, right[0]])
    assert "paged twice" in str(judge(good).differences)


def test_a_backlog_is_what_its_devices_send():
    """What the drill expects and what its sender publishes are the same readings, alone and in batches."""
    found = backlogs(3, 10, 24.0, NOW)
    assert all(len(backlog.readings) == 288 for backlog in found)
    for backlog in found:
        items = [item for payload in backlog.payloads() for item in decode(payload)]
        assert all(isinstance(item, Parsed) for item in items)
        sent = [(item.observed_at, item.value) for item in items if isinstance(item, Parsed)]
        assert sent == list(backlog.readings)
    assert {len(json.loads(backlog.payloads()[0]).get("readings", [0])) for backlog in found} == {1, BATCH}


def test_lows_are_old_but_for_those_that_are_to_page():
    """Otherwise a low that pages could be right or wrong, and the drill could not tell."""
    for backlog in backlogs(2, 100, 24.0, NOW):
        young = [value for at, value in backlog.readings[:-1] if NOW - at <= FRESH_US]
        assert LOW_VALUE not in young
    assert len(expected(backlogs(2, 100, 24.0, NOW))) == 10
    assert backlogs(2, 5, 1.0, NOW) == backlogs(2, 5, 1.0, NOW) != backlogs(3, 5, 1.0, NOW)
