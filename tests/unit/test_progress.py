"""A partition that does not move although its log has more is noticed, and no other."""

from __future__ import annotations

from runtime.progress import LOOK_SECONDS_MAX, STALLED_SECONDS, Progress

LOOKS = int(STALLED_SECONDS / LOOK_SECONDS_MAX)


def test_only_what_stands_behind_its_log_for_long_is_stuck() -> None:
    """A quiet partition stands too, and a slow one moves; neither is helped by a restart."""
    progress = Progress()
    ends = {0: 9, 1: 5, 2: 99}
    for look in range(LOOKS):
        assert progress.stuck({0: 5, 1: 5, 2: look}, ends, look * LOOK_SECONDS_MAX) == []
    assert progress.stuck({0: 5, 1: 5, 2: LOOKS}, ends, STALLED_SECONDS) == [0]
    assert progress.stuck({0: 6, 1: 5, 2: LOOKS}, ends, STALLED_SECONDS + 1) == []


def test_what_was_away_or_at_its_end_meanwhile_begins_anew() -> None:
    """A night without a record is no stall in its first second afterwards; nor is another owner's time ours."""
    progress = Progress()
    for look in range(LOOKS):
        progress.stuck({0: 5, 1: 5}, {0: 9, 1: 9}, look * LOOK_SECONDS_MAX)
    assert progress.stuck({0: 5}, {0: 5}, STALLED_SECONDS) == []
    assert progress.stuck({0: 5, 1: 5}, {0: 9, 1: 9}, STALLED_SECONDS + LOOK_SECONDS_MAX) == []


def test_a_process_that_was_stopped_itself_has_seen_nothing_stand() -> None:
    """Ten minutes asleep are one look: else whoever wakes up would end at once instead of going on."""
    progress = Progress()
    progress.stuck({0: 5}, {0: 9}, 0.0)
    assert progress.stuck({0: 5}, {0: 9}, 600.0) == []
    for look in range(1, LOOKS - 1):
        assert progress.stuck({0: 5}, {0: 9}, 600.0 + look * LOOK_SECONDS_MAX) == []
    assert progress.stuck({0: 5}, {0: 9}, 600.0 + STALLED_SECONDS) == [0]
