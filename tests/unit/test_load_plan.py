"""The schedule of a load test: what is sent when, whatever the system does."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from simulators.load.plan import (
    HEART,
    LOW,
    NORMAL,
    Plan,
    Shape,
    buffered,
    crossings,
    messages,
    offered_hz,
    payload,
)
from vitals.journal import episode_id
from vitals.metrics import SECOND_US
from vitals.policies import LOW as LOW_RULE
from vitals.topics import patient_id

SHAPES: tuple[Shape, ...] = ("steady", "ramp", "spike", "storm", "outage")


def in_each_second(plan: Plan) -> np.ndarray:
    return np.bincount(messages(plan).at // SECOND_US, minlength=int(plan.length_us // SECOND_US))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_offer_is_the_profiles_rate_in_every_second(shape: Shape):
    """A schedule that offers something else than it says makes every figure about another load."""
    plan = Plan(shape=shape, patients=500, rate_hz=0.5, duration_s=30, warm_up_s=3)
    found = in_each_second(plan)
    wanted = [offered_hz(plan, second + 0.5) for second in range(len(found))]
    corners = {3 + 12, 3 + 18}
    for second, (count, rate) in enumerate(zip(found, wanted, strict=True)):
        if second not in corners:
            assert count == pytest.approx(rate, abs=5)


@pytest.mark.parametrize("shape", SHAPES)
def test_messages_come_in_order_and_each_device_counts_up(shape: Shape):
    """Whoever counts losses and disorder by number needs numbers without a hole."""
    found = messages(Plan(shape=shape, patients=40, rate_hz=1, duration_s=20))
    assert (np.diff(found.at) >= 0).all()
    for device in range(40):
        mine = found.device == device
        assert found.number[mine].tolist() == list(range(int(mine.sum())))
        assert (np.diff(found.at[mine]) > 0).all()


def test_the_same_plan_gives_the_same_messages_and_a_seed_moves_them():
    """A run that showed a fault must be run again as it was."""
    plan = Plan(patients=20, duration_s=10)
    first, again, other = messages(plan), messages(plan), messages(plan.model_copy(update={"seed": 2}))
    assert first.at.tolist() == again.at.tolist()
    assert first.kind.tolist() == again.kind.tolist()
    assert first.at.tolist() != other.at.tolist()


def test_every_low_stands_between_normals_of_its_device():
    """Else it would not open an alert of its own, and an alert that is missing would be the schedule's fault."""
    found = messages(Plan(patients=100, rate_hz=1, duration_s=60, crossings_hz=20))
    for device in range(100):
        kinds = [kind for kind in found.kind[found.device == device].tolist() if kind != HEART]
        assert kinds[0] == kinds[-1] == NORMAL
        assert all(not before == after == LOW for before, after in itertools.pairwise(kinds))


def test_crossings_come_as_often_as_asked():
    """The drill's percentiles rest on a thousand of them."""
    plan = Plan(patients=5000, rate_hz=0.2, duration_s=60, crossings_hz=25)
    measured = [each for each in crossings(messages(plan)) if each.at >= plan.warm_us]
    assert 1000 <= len(measured) <= 1600


@pytest.mark.parametrize(("patients", "rate_hz"), [(5000, 0.2), (200, 1.0), (1000, 3.3)])
def test_crossings_come_one_by_one_and_not_in_bursts(patients: int, rate_hz: float):
    """A hundred lows within a tenth of a second, and then none for five, measure the burst and not the load."""
    plan = Plan(patients=patients, rate_hz=rate_hz, duration_s=60, crossings_hz=25)
    at = np.array([each.at for each in crossings(messages(plan))])
    inner = at[(at > 10 * SECOND_US) & (at < 55 * SECOND_US)]
    tenths = np.bincount(inner // (SECOND_US // 10))
    seconds = np.bincount((inner - 10 * SECOND_US) // SECOND_US)
    assert tenths.max() <= 10
    assert seconds.min() >= 15


def test_no_crossings_where_none_are_asked_for():
    """Who wants to see the flow alone gets it."""
    assert crossings(messages(Plan(patients=10, duration_s=5, crossings_hz=0))) == []


def test_a_crossings_alert_is_the_episode_of_its_intended_time():
    """Only then is the alert on the socket known to be of this very reading."""
    (first, *_) = crossings(messages(Plan(patients=10, rate_hz=2, duration_s=20, crossings_hz=5)))
    start = 1_700_000_000_000_000
    name = f"load-{first.device + 1:05}"
    assert first.alert(start) == str(episode_id(str(patient_id(name)), "glucose", LOW_RULE.name, start + first.at))


def test_only_an_outage_keeps_readings():
    """Readings kept by script are told apart: their latency is the outage's length."""
    at = np.arange(0, 65 * SECOND_US, SECOND_US)
    away = buffered(Plan(shape="outage", duration_s=60, warm_up_s=5), at)
    assert at[away].min() == 23 * SECOND_US
    assert at[away].max() == 42 * SECOND_US
    assert not buffered(Plan(shape="storm", duration_s=60), at).any()


@pytest.mark.parametrize("kind", [HEART, NORMAL, LOW])
def test_a_payload_is_one_reading_of_vigils_json(kind: int):
    """A load of rejected readings would measure the wrong path."""
    found = json.loads(payload(kind, 7, 12, 1_700_000_000_000_000))
    assert found["observed_at"] == 1_700_000_000_000_000
    assert found["seq"] == 12
    assert (found["metric"] == "heart_rate") == (kind == HEART)
    assert (found["value"] < 54) == (kind == LOW)


def test_a_load_without_bounds_is_refused():
    """Numbers of a device must not meet twice, and a typing error must not fill the machine."""
    with pytest.raises(ValueError, match="messages of each"):
        messages(Plan(patients=20_000, rate_hz=10, duration_s=3600))
