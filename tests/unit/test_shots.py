"""The input drill's payloads and their judge: whatever vanishes, appears from nowhere or leaks fails it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compose.drills.outcome import Outcome, Place, Rejected, Value, digest, judge, reading
from compose.drills.shots import Gun, Shot, elements
from vitals.codecs import Parsed
from vitals.codecs.json import decode

NOW = 1_700_000_000_000_000
GOOD = Shot("t/1", b'{"metric":"glucose","value":48,"observed_at":7}', "valid", "stored")
BAD = Shot("t/2", b"{", "truncated", "rejected")
SILENT = Shot("t/3", b"[]", "tick", "silent")
PLACE, VALUE = reading(GOOD)
OTHER_PLACE, OTHER_VALUE = Place("t/1", PLACE.metric, 8), Value(49, VALUE.unit)


@pytest.fixture
def outcome() -> Outcome:
    """One stored and repeated, one rejected, one of which nothing is kept."""
    rejected = [Rejected("t/2", "malformed", digest(b"{"), b"{", 1)]
    return Outcome([GOOD, GOOD, BAD, SILENT], {PLACE: [VALUE, VALUE]}, [(PLACE, VALUE)], 1, 0, rejected)


def test_a_right_sum_passes(outcome: Outcome):
    """Stored, repeated, rejected: all of it is somewhere."""
    assert judge(outcome).differences == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stored": []}, "sum of outcomes"),
        ({"stored": []}, "in the log and not in the database"),
        ({"stored": [(PLACE, VALUE), (PLACE, VALUE)]}, "twice in the database"),
        ({"stored": [(PLACE, VALUE), (OTHER_PLACE, VALUE)]}, "in the database, but not in the log"),
        ({"stored": [(PLACE, OTHER_VALUE)]}, "another value than came first"),
        ({"stored": [(PLACE, Value(48, VALUE.unit + 1))]}, "another value than came first"),
        ({"logged": {PLACE: [VALUE]}}, "topics whose outcomes"),
        ({"logged": {PLACE: [VALUE, VALUE], Place("t/9", 1, 7): [VALUE]}}, "topics whose outcomes"),
        ({"logged": {PLACE: [VALUE, OTHER_VALUE]}}, "with their value as often as sent"),
        ({"shots": [BAD, SILENT]}, "nothing valid was sent"),
        ({"rejected": []}, "not to be found"),
        ({"rejected": [Rejected("t/1", "malformed", digest(GOOD.payload), GOOD.payload, 1)]}, "valid and rejected"),
        ({"rejected": [Rejected("t/2", "malformed", "00", b"{", 1)]}, "never sent"),
        ({"rejected": [Rejected("t/2", "malformed", digest(b"{"), b"[", 1)]}, "other bytes"),
        ({"rejected": [Rejected("t/2", "malformed", digest(b"{"), b"{", 2)]}, "sum of outcomes"),
        ({"duplicates": 0}, "not what the log has"),
        ({"duplicates": 0, "conflicts": 1}, "not what the log has"),
        ({"oversized": 1}, "refused by the broker"),
        ({"leaks": ["bridge.log:7"]}, "log files"),
    ],
)
def test_a_wrong_sum_is_found(outcome: Outcome, change: dict[str, object], said: str):
    """Lost, invented, not kept, kept wrong, counted twice, or told to a log."""
    wrong = replace(outcome, **change)  # type: ignore[arg-type]
    assert said in str(judge(wrong).differences)


def test_a_seed_gives_the_same_payloads_of_every_kind():
    """What failed once can be run again, and no kind of attack is left out."""
    one, two = (list(Gun(seed, NOW).shots(3000)) for seed in (1, 1))
    assert one == two
    assert one != list(Gun(2, NOW).shots(3000))
    assert {shot.kind for shot in one} == {
        *("valid", "batch", "mutated", "truncated", "typed", "elsewhere", "unknown", "number", "text", "clock"),
        *("again", "conflict", "tick", "presence", "deep", "huge", "broad"),
    }


def test_elements_are_counted_as_the_codec_tells_them():
    """Two programs that share no parser agree on how many readings a payload has; where they differ, one loses some."""
    for shot in Gun(7, NOW).shots(1500):
        assert elements(shot.payload) == len(decode(shot.payload)), shot.payload[:200]


def test_a_valid_payload_names_its_reading_as_the_codec_does():
    """The judge looks for it under this name: another one would be missed, or never looked for."""
    valid = [shot for shot in Gun(3, NOW).shots(1500) if shot.fate == "stored"]
    assert valid
    for shot in valid:
        (element,) = decode(shot.payload)
        assert isinstance(element, Parsed)
        place, value = reading(shot)
        assert (place.topic, place.observed_at, value.value) == (shot.topic, element.observed_at, element.value)
