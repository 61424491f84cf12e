"""The tiles socket on a real Kafka: what a ward's screen gets, in which scope, and who is cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.clock import SystemClock
from runtime.settings import Settings
from tests.boards import MINUTE, SECOND, dashboard, frame, measured, worn, write
from vitals.topics import patient_id

pytestmark = pytest.mark.timeout(60)


async def test_a_screen_gets_the_ward_and_then_only_what_changed(topics: Settings, tmp_path: Path):
    """Two hundred tiles once, then a few each second: so a screen stays cheap."""
    now = SystemClock().now_us()
    await write(topics, [*worn("p-1", 1, now - 600 * MINUTE), *worn("p-2", 1, now - 600 * MINUTE)])
    await write(topics, [measured("p-1", "heart_rate", 71, now), measured("p-1", "glucose", 104, now)])
    async with dashboard(topics, tmp_path) as board, board.tiles() as screen:
        found = await frame(screen)
        while found.type == "tiles" or not found.patients or found.patients[0].vitals.heart_rate.value is None:
            found = await frame(screen)
        first, second = found.patients
        assert (first.label, first.vitals.heart_rate.value, first.vitals.glucose.value) == ("p-1", 71, 104)
        assert first.spark.glucose == ((now, 104),)
        assert second.vitals.glucose.state == "waiting"
        await write(topics, [measured("p-2", "heart_rate", 80, now + SECOND)])
        changed = await frame(screen)
        while changed.type != "tiles" or not changed.tiles:
            changed = await frame(screen)
        assert [(tile.patient, tile.vitals.heart_rate.value) for tile in changed.tiles] == [(patient_id("p-2"), 80)]
