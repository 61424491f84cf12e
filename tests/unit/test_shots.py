"""The input drill's payloads and their judge: whatever vanishes, appears from nowhere or leaks fails it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compose.drills.shots import Gun, Outcome, Rejected, Shot, digest, elements, judge
from vitals.codecs.json import decode

NOW = 1_700_000_000_000_000
GOOD = Shot("t/1", b'{"metric":"glucose"}', "valid", "stored")
BAD = Shot("t/2", b"{", "truncated", "rejected")
SILENT = Shot("t/3", b"[]", "tick", "silent")


@pytest.fixture
def outcome() -> Outcome:
    """One stored twice, one rejected, one of which nothing is kept."""
    rejected = [Rejected("t/2", "malformed", digest(b"{"), b"{", 1)]
    return Outcome([GOOD, GOOD, BAD, SILENT], {"t/1": 2}, 1, 1, 0, 1, 0, rejected)


def test_a_right_sum_passes(outcome: Outcome):
    """Stored, repeated, rejected: all of it is somewhere."""
    assert judge(outcome).differences == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stored": 0}, "sum of outcomes"),
        ({"logged": {"t/1": 1}}, "topics whose outcomes"),
        ({"logged": {"t/1": 2, "t/9": 1}}, "topics whose outcomes"),
        ({"rejected": []}, "not to be found"),
        ({"rejected": [Rejected("t/2", "malformed", "00", b"{", 1)]}, "never sent"),
        ({"rejected": [Rejected("t/2", "malformed", digest(b"{"), b"[", 1)]}, "other bytes"),
        ({"rejected": [Rejected("t/2", "malformed", digest(b"{"), b"{", 2)]}, "sum of outcomes"),
        ({"again": 0}, "not what the log has"),
        ({"stored": 0, "conflicts": 1}, "not what the log has"),
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
