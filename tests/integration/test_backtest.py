"""A backtest beside what it stands for: the same file through MQTT, bridge, Kafka, processor and manager."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from compose.backtest.fold import fold
from compose.backtest.log import STEP_US, build
from compose.wiring import RegistryClient
from runtime.clock import SystemClock
from runtime.settings import Settings
from simulators import replay
from simulators.exports import Export, parse
from simulators.registry import enrol
from simulators.replay import SITE, wearer
from tests.flow import MOSQUITTO, bridge, flow, on
from tests.sampled import file_of
from vitals.alerts import Alert
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT
from vitals.policy_edits import edited
from vitals.registry import PolicySet

pytestmark = pytest.mark.timeout(90)

T0 = 1_704_067_200_000_000
OWN = {"version", "risen", "id", "site"}
"""What a place in a log or in a registry decides."""


def lived() -> Export:
    """Seven hours each minute or so: falling and rising, some readings lost, two in one minute, and a hole."""
    drawn = np.random.default_rng(2)
    at = T0 + np.cumsum(drawn.integers(45, 76, 420)) * 1_000_000
    minutes = (at - T0) / MINUTE_US
    values = 5.4 + 2.6 * np.sin(minutes / 29) + 0.2 * np.sin(minutes / 5)
    kept = (drawn.random(420) > 0.03) & ((minutes < 200) | (minutes > 240))
    return parse("glucose-7.csv", file_of(zip(at[kept].tolist(), values[kept].tolist(), strict=True)))


def bodies(alerts: Sequence[Alert]) -> list[dict[str, Any]]:
    return [alert.model_dump(exclude=OWN) for alert in alerts]


@on(MOSQUITTO)
async def test_a_minutes_sensor_is_told_of_as_it_is_live(topics: Settings, mqtt: str, database_url: str):
    """The promise of a backtest: what would have called is what calls, to the reading, its evidence and its repeats."""
    assert (mqtt, database_url) == (topics.mqtt, topics.database_url.get_secret_value())
    settings = topics.model_copy(update={"clock": "simulated"})
    export = lived()
    rules = edited(DEFAULT, ["low_soon=on", "low_soon.limit=70", "glucose_falling=on", "glucose_falling.rate=1"])
    rules = rules.model_copy(update={"version": 2})
    registry = RegistryClient(settings)
    async with flow(settings) as ward, bridge(settings):
        await enrol(registry, SITE, [wearer(export, STEP_US)])
        await ward.do(PolicySet(id=uuid4(), patient=export.patient, policy=rules))
        report = await replay.run(settings, [export], replay.Options(), registry=registry, clock=SystemClock())
        assert report.clock is not None
        heard = [alert for alert in await ward.passed(report.clock) if alert.label == export.patient]
    said = fold(build(export.patient, [export], rules), rules).alerts
    assert export.type.name == "t1d-uom-1min"
    assert {alert.rule for alert in said} == {"low", "low_soon", "glucose_falling", "signal"}
    assert bodies(heard) == bodies(said)
