"""Days as strips: a clinician must see what was there, when by the clock on the wall, and where nothing is known."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from compose.backtest.report import Mark, Spell
from compose.backtest.strips import days, place, x, y
from simulators.exports import Export, Sample
from vitals.devices import DEVICE_TYPES
from vitals.metrics import MINUTE_US


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def export(*points: tuple[str, float]) -> Export:
    samples = tuple(Sample(at(when), value, line) for line, (when, value) in enumerate(points, 2))
    return Export("glucose-7", "p7", "glucose", "mg/dL", DEVICE_TYPES["t1d-uom-5min"], samples)


def lines(drawn: str) -> list[int]:
    """How many points each line of glucose has."""
    return [path.count("L") + 1 for path in re.findall(r'class="glucose" d="([^"]*)"', drawn)]


def test_an_instant_stands_at_its_local_time():
    """Noon in July is 11:00 UTC; whoever asks what happened at lunch looks at 12."""
    assert place(at("2023-07-01T11:00")) == (date(2023, 7, 1), 0.5)
    assert place(at("2023-12-01T12:00")) == (date(2023, 12, 1), 0.5)


def test_a_line_breaks_at_a_gap():
    """A line across an hour without data would show what nobody measured."""
    found = export(
        ("2023-12-01T10:00", 100), ("2023-12-01T10:05", 101), ("2023-12-01T11:05", 90), ("2023-12-01T11:15", 91)
    )
    assert lines(days(found, (), ())) == [2, 2]


def test_a_line_breaks_where_the_clock_goes_back():
    """In October an hour comes twice: drawn on, the line would run backwards across the strip."""
    clock = ("00:50", "00:55", "01:00", "01:05")  # UTC; at 01:00 the clock goes back from 02:00 to 01:00
    assert lines(days(export(*((f"2023-10-29T{time}", 100) for time in clock)), (), ())) == [2, 2]


def test_days_without_readings_are_counted_and_not_drawn():
    """Three empty strips say less than one line."""
    drawn = days(export(("2023-12-01T10:00", 100), ("2023-12-05T10:00", 100)), (), ())
    assert drawn.count('role="img"') == 2
    assert "3 days without readings" in drawn


def test_an_event_over_midnight_lies_on_both_days():
    """The night's low must not end at the edge of the paper."""
    found = export(
        ("2023-12-01T23:50", 60), ("2023-12-01T23:55", 60), ("2023-12-02T00:00", 60), ("2023-12-02T00:05", 90)
    )
    spell = Spell(target="below 70", begin=at("2023-12-01T23:50"), end=at("2023-12-02T00:03"))
    drawn = days(found, (), (spell,))
    assert drawn.count('class="below70"') == 2
    assert "below 70 for 13 min from 23:50" in drawn


def test_values_beyond_the_scale_lie_at_its_edge():
    """HIGH and LOW stay on the paper."""
    assert y(1000) == y(420) < y(180) < y(70) < y(54) < y(36) == y(1)
    assert x(0.0) < x(1.0)


def test_every_alarm_says_when_and_what_it_was():
    """By shape and by words: colour alone says nothing to some."""
    found = export(*((f"2023-12-01T10:{minute:02}", 60) for minute in range(0, 60, 5)))
    ten = at("2023-12-01T10:00")
    marks = (
        Mark(at=ten, alarm="low", priority="high"),
        Mark(at=ten + 5 * MINUTE_US, alarm="predicted ar2-line", target="below 70", verdict="hit"),
        Mark(at=ten + 5 * MINUTE_US, alarm="predicted ar2", target="below 70", verdict="hit"),
    )
    drawn = days(found, marks, ())
    assert re.findall(r"<title>([^<]*)</title>", drawn) == ["10:00 low, high priority", "10:05 predicted low: hit"]
