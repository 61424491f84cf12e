"""A lively ward on the fake servers, to look at: ``python -m tests.browser.look [scenario] [patients] [port]``."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from dashboards.tiles import Vitals, WardTile
from tests.browser import fixtures
from tests.browser.fake import CLOCK, Fake, run
from tests.browser.fixtures import ACKNOWLEDGED, HEART, MEDIUM, SIGNAL, alert, patient_id, tile, vital
from vitals.alerts import SITE_SILENT, Alert, Service, Shelf, shelf_id
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.protocol import Place


def ward(now: int, patients: int) -> list[WardTile]:
    """Patients in every state that a tile knows."""
    tiles = [tile(number, now, patients) for number in range(1, patients + 1)]
    if patients < 10:
        return tiles
    ago = now - 17 * MINUTE_US
    states = {
        2: (vital("heart_rate", 112, now), vital("glucose", 48, now - 30 * SECOND_US, slope=-2.1)),
        3: (vital("heart_rate", 88, now - 20 * SECOND_US), vital("glucose", 104, now - 5 * MINUTE_US)),
        4: (vital("heart_rate", None, ago, state="contact_lost", last_good=(71, ago)), vital("glucose", 132, ago)),
        5: (vital("heart_rate", None, None, state="waiting"), vital("glucose", None, None, state="waiting")),
        6: (vital("heart_rate", 138, now), vital("glucose", 160, now, slope=0.2)),
        7: (vital("heart_rate", 70, now), vital("glucose", 39, now, state="low", slope=-3.4)),
        8: (None, vital("glucose", None, ago, state="warm_up", last_good=(98, ago))),
        9: (vital("heart_rate", 64, now), vital("glucose", 64, now, slope=-1.2)),
    }
    for number, (rate, glucose) in states.items():
        tiles[number - 1] = tiles[number - 1].model_copy(
            update={"vitals": Vitals(heart_rate=rate, glucose=glucose), "battery": 12.0 if number == 3 else 71.0}
        )
    return tiles


def open_alerts(now: int) -> list[Alert]:
    """Alerts in every state that a card knows."""
    before = now - 20 * MINUTE_US
    over = {"condition": "over", "unseen": True, "change": "clear", "announced": False, "response": "unacknowledged"}
    return [
        alert(2, now, escalation=1),
        alert(2, now, **HEART, announced_at=now),
        alert(7, now, value=39.0, censored="low", announced_at=now - MINUTE_US),
        alert(9, now, **MEDIUM, **ACKNOWLEDGED, acknowledged_until=now + 24 * MINUTE_US),
        alert(6, now, **HEART, **ACKNOWLEDGED, owner="Mia", owner_at=now, acknowledged_until=now + 12 * MINUTE_US),
        alert(4, now, **SIGNAL, since=before, opened_at=before),
        alert(11, now, **MEDIUM, condition="unknown", value_at=now - 12 * MINUTE_US, since=before),
        alert(12, now, **(MEDIUM | over), since=before, opened_at=before),
        alert(14, now, **MEDIUM, **ACKNOWLEDGED, owner="Jonas", treated_at=now, recheck_at=now + 4 * MINUTE_US, site=2),
        alert(15, now, **(MEDIUM | {"condition": "returning", "value": 71.0}), site=2),
        alert(16, now, **shelved(16, now), site=2),
    ]


def shelved(number: int, now: int) -> dict[str, Any]:
    """Makes `alert` one that Mia has put on a shelf for 15 min."""
    shelf = shelf_id(str(patient_id(number)), "glucose", "low")
    by = {"shelved_by": "Mia", "shelved_until": now + 15 * MINUTE_US, "shelved_reason": "treatment takes time"}
    return by | {"response": "shelved", "shelf": shelf, "change": "shelve", "announced": False}


def shelf_of(one: Alert) -> Shelf:
    """The shelf that a shelved alert lies on."""
    assert one.shelf is not None
    assert one.shelved_until is not None
    return Shelf(
        id=one.shelf, version=one.version, patient=one.patient, label=one.label, site=one.site, metric=one.metric,
        rule=one.rule, level=one.level, priority=one.priority, since=one.at, until=one.shelved_until,
        by=one.shelved_by or "", reason=one.shelved_reason,
    )  # fmt: skip


async def fill(fake: Fake, scenario: str, patients: int) -> None:
    """Set the scene: ward, lost, stalled, empty, quiet, simulated, burst."""
    now = fake.now()
    fake.tiles = {each.patient: each for each in ward(now, patients)} if scenario != "empty" else {}
    if scenario not in {"empty", "quiet"}:
        fake.alerts = {each.id: each for each in open_alerts(now)}
        fake.shelves = {one.shelf: shelf_of(one) for one in fake.alerts.values() if one.shelf}
        shelf = shelf_id("x", "glucose", "high")
        fake.shelves[shelf] = Shelf(
            id=shelf, version=(1, 0), patient=patient_id(17), label="P-017", site=2, metric="glucose", rule="high",
            level=1, priority="low", since=now, until=now + 95 * MINUTE_US, by="Mia", reason="treatment takes time",
        )  # fmt: skip
        fake.services[patient_id(10)] = Service(
            version=(2, 0), patient=patient_id(10), label="P-010", site=1, since=now, until=now + 25 * MINUTE_US,
            by="Jonas", reason="examination",
        )  # fmt: skip
    if scenario == "stalled":
        fake.state, fake.age_ms = "stalled", 48_000
        fake.where = (Place(partition=2, site=2, age_ms=48_000),)
        fake.proof_age_ms = 48_000
        site = SIGNAL | {
            "patient": None,
            "label": "",
            "site": 2,
            "priority": "high",
            "metric": None,
            "rule": SITE_SILENT,
        }
        fault = alert(99, now, **site, since=now - 48 * SECOND_US)
        fake.alerts[fault.id] = fault
    if scenario == "simulated":
        fake.clock, fake.clock_at = "simulated", now


async def live(fake: Fake, scenario: str) -> None:
    """Values move once a second, for ever."""
    turn = 0
    while True:
        await CLOCK.sleep(1.0)
        turn += 1
        if fake.clock_at is not None:
            fake.clock_at += 60 * SECOND_US
        now = fake.clock_at or fake.now()
        changed = []
        for each in fake.tiles.values():
            rate = each.vitals.heart_rate
            if rate is None or rate.value is None or rate.at is None or now - rate.at > 300 * SECOND_US:
                continue
            value = rate.value + (1 if turn % 2 else -1)
            beat = rate.model_copy(update={"value": value, "at": now, "received_at": now})
            changed.append(each.model_copy(update={"vitals": each.vitals.model_copy(update={"heart_rate": beat})}))
        await fake.set_tiles(*changed)
        if scenario == "burst" and turn % 10 == 5:
            for number in range(100, 600):
                await fake.put(alert(number, now, version=fake.next_version(), announced_at=now))
        if scenario == "lost" and turn == 6:
            fake.faults.silent = True


async def main(scenario: str = "ward", patients: int = 20, port: int = 0) -> None:
    """Serve until interrupted; the addresses are written to standard output."""
    fake = Fake()
    fake.sites = fixtures.SITES
    await fill(fake, scenario, patients)
    async with run(fake, port):
        sys.stdout.write(f"{fake.url()}\n{fake.url('wall-token')}\n")
        sys.stdout.flush()
        await live(fake, scenario)


if __name__ == "__main__":
    scene, count, at = [*sys.argv[1:], *["ward", "20", "0"][len(sys.argv) - 1 :]]
    asyncio.run(main(scene, int(count), int(at)))
