"""A low that is forecast, at every edge of RULES, *More rules for glucose*."""

from __future__ import annotations

import numpy as np
import pytest

from stream.forecast import FORECASTS, HORIZON, falls_below, pasts
from stream.processor import Processor
from tests.logs import T0, episodes
from tests.sugar import Person, judged
from vitals.metrics import MINUTE_US


def test_a_forecast_of_fifty_five_calls_before_it_is_there():
    """The reason of the rule: somebody has twenty minutes, and an alert that says so."""
    person = Person("low_soon=on")
    person.reads(0, [120, 100, 80, 66, 53, 50])
    assert person.said("low_soon") == ["10 open active", "20 clear over reached"]
    assert person.said("low") == ["20 open active"]
    first, last = episodes(person.log.run(Processor(0, 1)), "low_soon")
    assert (first.value, first.limit, first.priority, last.value) == (80, 55, "medium", 53)


def test_the_rule_calls_where_the_forecast_of_the_backtest_does():
    """One forecast, written once: what the tables say about it holds for the rule."""
    rng = np.random.default_rng(5)
    steps = np.cumsum(rng.normal(0, 4, 400) + 4 * np.sin(np.arange(400) / 9))
    values = np.clip(np.floor(110 + steps - steps.mean()), 45, 300)
    events = T0 + np.arange(400) * 5 * MINUTE_US
    ((part, past),) = pasts(events, values, 5 * MINUTE_US)
    assert part == slice(0, 400)
    called = falls_below(values, FORECASTS["ar2-line"].build().ahead(past, HORIZON), 70)
    person = Person("low_soon=on", "low_soon.limit=70")
    person.reads(0, values.tolist())
    said = episodes(person.log.run(Processor(0, 1)), "low_soon")
    opened = {each.at for each in said if each.change == "open" and (each.value or 0) >= 70}
    assert len(opened) > 5
    assert opened <= set(events[called].tolist())
    ends = [each.at for each in said if each.change == "clear"]
    spans = list(zip([each.at for each in said if each.change == "open"], [*ends, int(events[-1]) + 1], strict=False))
    for first in events[called & ~np.concatenate([[False], called[:-1]])].tolist():
        assert any(since <= first < until for since, until in spans), "it calls, or has called"


def test_what_is_low_already_is_not_forecast():
    """Low at level 2 calls louder; low at level 1 does not say that it will be urgent."""
    person = Person("low_soon=on")
    person.reads(0, [100, 77, 53, 52, 51, 50])
    assert person.said("low_soon") == []
    person = Person("low_soon=on")
    person.reads(0, [69, 69, 68, 61])
    assert person.said("low")[0] == "5 open active"
    assert person.said("low_soon") == ["15 open active"]


def test_between_a_warning_and_its_low_there_is_no_gap():
    """Below the limit the low may be pending, or have a lower limit: a warning that ended would leave nothing."""
    person = Person("low_soon=on")
    person.reads(0, [100, 77, 54, 54])
    assert person.said("low_soon") == ["10 open active", "15 clear over reached"]
    assert person.said("low") == ["15 open active"]
    person = Person("low_soon=on", "low_soon.limit=70", "low.1.limit=60")
    person.reads(0, [100, 90, 80, 65, 64, 63, 62, 61, 59, 58])
    assert person.said("low_soon") == ["10 open active", "45 clear over reached"]
    assert person.said("low") == ["45 open active"]


def test_an_urgent_low_of_a_higher_limit_is_reached_too():
    """A policy whose level 2 lies above the forecast's limit has called when it opens."""
    person = Person("low_soon=on", "low.1.limit=80", "low.2.limit=70")
    person.reads(0, [120, 100, 80, 69])
    assert person.said("low_soon") == ["10 open active", "15 clear over reached"]


def test_a_forecast_ends_at_its_off_limit_or_after_fifteen_minutes():
    """Just above the limit it has returned; that it stays there ends it too."""
    fall = [120, 100, 80]
    assert judged("low_soon", [*fall, 80])[1:] == ["15 clear over"]
    assert judged("low_soon", [*fall, 72, 68, 67])[1:] == ["15 returning returning", "25 clear over"], "61, 64, 66"
    slow = [*fall, 72, 68, 65, 64]
    assert judged("low_soon", slow[:-1])[1:] == ["15 returning returning"]
    assert judged("low_soon", slow)[1:] == ["15 returning returning", "30 clear over"]


@pytest.mark.parametrize("forecast", ["ar2", "ar2-line"])
def test_a_fifteen_minute_sensor_has_the_line(forecast: str):
    """AR2 looks some fifteen minutes ahead at most: a slow sensor needs the line to its next reading."""
    said = judged("low_soon", [190, 150, 110], f"low_soon.forecast={forecast}", "low_soon.limit=74", every=15)
    assert said == (["30 open active"] if forecast == "ar2-line" else [])


def test_a_shorter_horizon_calls_later():
    """Five minutes ahead is the next reading."""
    fall = [120, 100, 80, 62]
    assert judged("low_soon", fall) == ["10 open active"]
    assert judged("low_soon", fall, "low_soon.horizon=5") == ["15 open active"]
