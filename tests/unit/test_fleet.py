"""The fleet on a broker in memory and a clock that is moved by hand: a site that goes and comes back."""

from __future__ import annotations

import asyncio
import json

from runtime.settings import Settings
from runtime.testing import ManualClock, MemoryBroker
from runtime.testing.mqtt import Published
from simulators.fleet import Fleet, Options
from simulators.roll import first_site_patients, wearers
from simulators.ward import Ward, WardSpec

S = 1_000_000
NOW = 1_795_422_480_000_000
PATIENTS = 8


async def played(options: Options) -> tuple[list[Published], Fleet]:
    """Everything that a fleet published in its ``duration_s``."""
    broker, clock, settings = MemoryBroker(), ManualClock(NOW), Settings()
    worn = [wearer.device for wearer in wearers(options.patients, options.rate_hz, NOW)]
    async with broker.connection(settings, "one") as one, broker.connection(settings, "two") as two:
        fleet = Fleet(settings, options, [one, two], clock, worn=worn, start=NOW)
        playing = asyncio.ensure_future(fleet.play())
        while not playing.done():
            await clock.advance(0.1)
        await playing
    return broker.published, fleet


def times(published: list[Published], site: str) -> list[int]:
    """Event times of a site's readings in the order in which they were sent."""
    return [json.loads(each.payload)["observed_at"] for each in published if f"/{site}/wearable" in each.topic]


async def test_a_site_that_was_away_sends_what_it_kept_and_then_says_that_it_is_back():
    """Time must not go on for its patients before their readings are there: they would look silent."""
    options = Options(patients=PATIENTS, rate_hz=0.2, duration_s=40.0, resume_at=NOW, story_at=NOW - 52 * S)
    published, fleet = await played(options)
    said = [index for index, each in enumerate(published) if each.topic.endswith("/ward-b/-gateway/presence")]
    online = [json.loads(published[index].payload)["online"] for index in said]
    assert online == [True, False, True]
    gone, back = said[1], said[2]
    away = times(published[gone:back], "ward-b")
    began, ended = NOW + 8 * S, NOW + 33 * S
    assert all(began - S <= at < ended + S for at in away), "kept while away, with their own times"
    assert len(away) > 14
    assert all("/ward-b/wearable" in each.topic for each in published[back - len(away) : back]), "in one go, at its end"
    assert (
        published[gone:back][-len(away) :]
        == [each for each in published[gone:back] if "/ward-b/" in each.topic][-len(away) :]
    )
    assert len(times(published[gone:back], "ward-a")) > 15, "the other site went on"
    assert max(times(published[:gone], "ward-b")) <= began + S // 5
    due = Ward(WardSpec(PATIENTS, 0.2, 1, NOW - 52 * S)).due(NOW, NOW + 40 * S)
    assert sorted(times(published, "ward-a") + times(published, "ward-b")) == due.at.tolist()
    assert fleet.report.acked == fleet.report.sent == len(due.at)


async def test_a_load_test_has_no_gateways():
    """Presence is a story; without stories every reading leaves when it is due."""
    published, _ = await played(Options(patients=PATIENTS, rate_hz=1.0, duration_s=5.0, stories=False))
    assert not any("presence" in each.topic for each in published)
    sites = {each.topic.split("/")[2] for each in published}
    assert sites == {"ward-a", "ward-b"}
    assert first_site_patients(PATIENTS) == 5


async def test_a_ward_without_history_reports_itself_at_once():
    """A page that shows nothing for a minute looks broken; glucose comes once a minute only."""
    published, _ = await played(Options(patients=1, rate_hz=0.2, duration_s=0.2))
    metrics = [json.loads(each.payload)["metric"] for each in published[:4]]
    assert metrics == ["heart_rate", "glucose", "battery", "steps"]
    assert times(published[:4], "ward-a") == [NOW] * 4


async def test_a_ward_that_was_down_for_long_sends_what_its_devices_still_have():
    """A day of readings in one burst is a test of its own, not how a demonstration begins."""
    options = Options(patients=1, rate_hz=0.2, duration_s=1.0, resume_at=NOW - 3600 * S, stories=False)
    published, _ = await played(options)
    assert min(times(published, "ward-a")) >= NOW - 15 * 60 * S
