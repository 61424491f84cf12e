"""What one reading of glucose says to each kind of rule; RULES, *More rules for glucose*."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from stream.panes import Ring
from stream.rules import Deciding, Machines
from stream.sayings import Says, View
from stream.series import Series
from tests.logs import T0, worn
from tests.sugar import KINDS
from vitals.metrics import GLUCOSE, MINUTE_US
from vitals.policies import DEFAULT, ForecastRule, GlucoseRule, RateRule, SustainedRule
from vitals.policy_edits import edited

G = 11 * MINUTE_US


def sustained(*changes: str) -> SustainedRule:
    """High for long, off by default; changed."""
    return edited(DEFAULT, ["high_sustained=on", *changes]).sustained[0]


def rate(name: str, *changes: str) -> RateRule:
    return edited(DEFAULT, [f"{name}=on", *changes]).rates[0]


def soon(*changes: str) -> ForecastRule:
    return edited(DEFAULT, ["low_soon=on", *changes]).forecasts[0]


LOW = sustained().model_copy(update={"name": "low_sustained", "side": "low", "limit": 80.0, "quick_limit": 85.0})
Points = Sequence[tuple[float, float]]
"""Minutes after T0, mg/dL."""


class Ward:
    """Patients in slots from 0 on, each with readings up to one instant, the last of which is the deciding one."""

    def __init__(self, *readings: Points, every: int = 5, since: int = -600) -> None:
        self.series, self.ring, self.machines = Series(GLUCOSE), Ring(GLUCOSE, timed=True), Machines()
        slots, events, values = [], [], []
        for slot, points in enumerate(readings):
            self.series.wear(slot, (worn("ann", "cgm-1", KINDS[every], T0 + since * MINUTE_US),))
            for minute, value in points:
                slots.append(slot)
                events.append(T0 + round(minute * MINUTE_US))
                values.append(float(value))
        where, exact = np.array(slots), np.array(values)
        times = np.array(events)
        self.ring.write(where, times, exact, np.floor(exact + 0.5), np.zeros(len(where), np.bool_))
        last = np.cumsum([len(points) for points in readings]) - 1
        gaps = self.series.gap[: len(readings)]
        readings_now = Deciding(np.arange(len(readings)), times[last], np.floor(exact[last] + 0.5), gaps)
        self.view = View(readings_now, self.series, self.ring, self.machines)

    def says(self, rule: GlucoseRule, rows: Sequence[int] = (), opened: Sequence[bool] = ()) -> Says:
        """What the readings of these patients say, of all unless told; nothing is open unless told."""
        chosen = np.array(rows or range(len(self.view.readings.slots)))
        open_now = np.array(opened) if opened else np.zeros(len(chosen), np.bool_)
        return self.view.says(rule, chosen, open_now=open_now)


def begins(says: Says) -> list[float]:
    """When runs begin, minutes after T0."""
    assert says.starts is not None
    return [(start - T0) / MINUTE_US for start in says.starts.tolist()]


def longer(says: Says) -> list[bool]:
    assert says.longer is not None
    return [bool(each) for each in says.longer]


@pytest.mark.parametrize(
    ("rule", "value", "beyond", "well"),
    [
        (sustained(), 181, True, False),
        (sustained(), 180, False, False),
        (sustained(), sustained().quick_limit + 1, False, False),
        (sustained(), sustained().quick_limit, False, True),
        (LOW, 79, True, False),
        (LOW, 80, False, False),
        (LOW, 84, False, False),
        (LOW, 85, False, True),
    ],
)
def test_a_sustained_rule_is_beyond_past_its_limit_and_well_at_its_quick_limit(
    rule: SustainedRule, value: float, beyond: bool, well: bool
):
    """On either side: at the limit itself nothing is beyond, and between the two an episode stays as it is."""
    found = Ward([(0, value)]).says(rule)
    assert (found.beyond.tolist(), found.well.tolist()) == ([beyond], [well])
    assert (found.judged.tolist(), found.reached.tolist(), found.found) == ([True], [False], None)
    assert found.longer is not None
    assert {each.dtype for each in (*found[:4], found.longer)} == {np.dtype(np.bool_)}, "masks, not numbers"


@pytest.mark.parametrize(("rule", "bad", "good"), [(sustained(), 200, 100), (LOW, 70, 100)])
def test_a_sustained_run_is_that_of_the_ring(rule: SustainedRule, bad: float, good: float):
    """It ends at a reading within the limit and at a gap; where the ring holds nothing before it, it may be longer."""
    ward = Ward(
        [(0, good), (5, bad), (10, bad), (15, bad)],
        [(0, bad), (5, bad), (15, bad)],
        [(0, bad), (12, bad), (15, bad)],
        [(10, bad), (15, good)],
    )
    found = ward.says(rule)
    assert (begins(found), longer(found)) == ([5, 0, 12, 15], [False, True, False, False])
    assert found.beyond.tolist() == [True, True, True, False]
    assert found.judged.all()
    assert not found.reached.any()


def test_an_ok_run_matters_to_an_open_episode_only():
    """Nobody asks how long somebody has been well who was not ill; and to look costs a walk over the ring."""
    points = [(0, 200), (5, 150), (10, 140)]
    found = Ward(points, points, [(0, 150), (10, 140)]).says(sustained(), opened=[True, False, True])
    assert (begins(found), longer(found)) == ([5, 10, 0], [False, False, True])


def test_a_run_as_long_as_the_ring_may_be_longer():
    """180 minutes are what it holds: whoever has been high for five hours must not begin anew each time."""
    every = [(minute, 200) for minute in range(0, 241, 5)]
    found = Ward(every).says(sustained())
    assert (begins(found), longer(found)) == ([65], [True])


def test_rules_are_asked_about_some_patients():
    """Each rule is of those who have it: the others' readings are neither theirs to judge nor in their order."""
    ward = Ward([(0, 100), (5, 200)], [(0, 200), (5, 200)], [(0, 200), (5, 300)])
    found = ward.says(sustained(), rows=[2, 0])
    assert (begins(found), longer(found)) == ([0, 5], [True, False])
    falls = Ward([(0, 120), (5, 110), (10, 100)], [(0, 100), (5, 100), (10, 100)], [(0, 90), (5, 85), (10, 80)])
    assert falls.says(rate("glucose_falling"), rows=[2, 0]).found == pytest.approx([-1, -2])
    assert falls.says(soon(), rows=[2, 1]).found == pytest.approx([74, 100])
    all_of_them = falls.says(soon()).found
    assert all_of_them is not None
    assert falls.says(soon(), rows=[2, 1]).found == pytest.approx(all_of_them[[2, 1]])


def test_some_of_what_is_said_is_of_those_readings():
    """Those that can be judged go on together: a run or a slope of another would be shown as theirs."""
    masks = [np.array([bool(number >> bit & 1) for bit in range(3)]) for number in (1, 2, 4, 7)]
    starts, slopes = np.array([3, 4, 5]), np.array([0.5, 0.25, 0.125])
    judged, beyond, well, reached = masks
    without = Says(judged, beyond, well, reached)
    longer_than = np.array([True, False, True])
    some = without._replace(starts=starts, longer=longer_than, found=slopes).some(np.array([2, 0]))
    assert [each.tolist() for each in some[:4]] == [[False, True], [False, False], [True, False], [True, True]]
    assert longer(some) == [True, True]
    assert some.starts is not None
    assert some.found is not None
    assert (some.starts.tolist(), some.found.tolist()) == ([5, 3], [0.125, 0.5])
    without = without.some(np.array([1]))
    assert (without.starts, without.longer, without.found) == (None, None, None)
    assert [each.tolist() for each in without[:4]] == [[False], [True], [False], [True]]


def steep(now: float, slope: float) -> Points:
    """Three readings, five minutes apart, of a slope in mg/dL/min."""
    return [(0, now - 10 * slope), (5, now - 5 * slope), (10, now)]


FALLING, RISING = rate("glucose_falling"), rate("glucose_rising")


@pytest.mark.parametrize(
    ("rule", "now", "slope", "beyond", "well"),
    [
        (FALLING, 149, -FALLING.rate - 0.2, True, False),
        (FALLING, 149, -FALLING.rate, False, False),
        (FALLING, 150, -FALLING.rate - 0.2, False, False),
        (FALLING, 159, -FALLING.rate - 0.2, False, False),
        (FALLING, 160, -FALLING.rate - 0.2, False, True),
        (FALLING, 100, -FALLING.off_rate, False, True),
        (FALLING, 100, -FALLING.off_rate - 0.2, False, False),
        (FALLING, 100, FALLING.rate + 1, False, True),
        (RISING, RISING.gate + 1, RISING.rate + 0.2, True, False),
        (RISING, RISING.gate + 1, RISING.rate, False, False),
        (RISING, RISING.gate, RISING.rate + 0.2, False, False),
        (RISING, RISING.gate - 9, RISING.rate + 0.2, False, False),
        (RISING, RISING.gate - 10, RISING.rate + 0.2, False, True),
        (RISING, RISING.gate + 50, RISING.off_rate, False, True),
        (RISING, RISING.gate + 50, RISING.off_rate + 0.2, False, False),
        (RISING, RISING.gate + 50, -RISING.rate - 1, False, True),
    ],
)
def test_a_rate_is_beyond_on_its_side_of_the_gate_and_over_ten_beyond_it(
    rule: RateRule, now: float, slope: float, beyond: bool, well: bool
):
    """Fast is above the rate, not at it; slow enough, or far on the other side of the gate, it is over."""
    found = Ward(steep(now, slope)).says(rule)
    assert (found.beyond.tolist(), found.well.tolist()) == ([beyond], [well])
    assert (found.judged.tolist(), found.reached.tolist()) == ([True], [False])
    assert (found.starts, found.longer) == (None, None)
    assert found.found == pytest.approx([slope])
    assert {each.dtype for each in found[:4]} == {np.dtype(np.bool_)}, "masks, not numbers"


def test_a_slope_that_is_not_known_or_not_plausible_is_not_judged():
    """No body is faster than 10 mg/dL/min: a sensor that fell off is no falling glucose. At 10 it may be one."""
    ward = Ward(steep(100, -10), steep(100, -10.2), steep(140, 10.2), [(0, 100), (10, 60)])
    found = ward.says(FALLING)
    assert found.judged.tolist() == [True, False, False, False]
    assert found.beyond.tolist() == [True, False, False, False]
    assert found.found == pytest.approx([-10, 0, 0, 0])
    assert ward.says(RISING).judged.tolist() == [True, False, False, False]


def test_a_slope_is_made_of_the_readings_of_the_device_worn_now():
    """Another sensor stands elsewhere by 20 mg/dL: from one to the other nothing falls."""
    points = [(0, 150), (5, 140), (10, 130)]
    assert Ward(points, since=0).says(FALLING).judged.tolist() == [True]
    assert Ward(points, since=1).says(FALLING).judged.tolist() == [False]
    waits = Ward(points, since=-600)
    waits.series.waits_from[0] = T0 + 1
    assert waits.says(FALLING).judged.tolist() == [False]


def test_the_past_reaches_as_far_back_as_forecasts_of_the_slowest_device_look():
    """A quarter-hour sensor's slope is of 45 minutes; a fast one beside it keeps its own 15."""
    ward = Ward([(0, 150), (15, 105), (30, 60)], every=15)
    assert ward.view.past.filled.shape == (1, 49)
    assert ward.view.past.intervals.tolist() == [15 * MINUTE_US]
    assert ward.says(FALLING).found == pytest.approx([-3])
    assert Ward([(0, 100)]).view.past.filled.shape == (1, 17)


def test_the_past_holds_thousandths_and_nothing_where_nothing_is():
    """A forecast of empty panes would be one of zero."""
    past = Ward([(0, 99.5), (1, 98.25)]).view.past
    assert past.filled[0].tolist() == [False] * 15 + [True] * 2
    assert past.millis[0].tolist() == [0] * 15 + [99_500, 98_250]
    assert (past.millis.dtype, past.pane_us) == (np.dtype(np.int64), MINUTE_US)


def test_the_panes_of_a_slow_device_are_no_more_than_the_ring_holds():
    """An hour's interval would look back for five: what the ring has is all there is."""
    ward = Ward([(0, 100)])
    ward.series.interval[0] = 120 * MINUTE_US
    assert ward.view.past.filled.shape == (1, ward.ring.size)


def test_a_forecast_below_its_limit_is_beyond():
    """By AR2 or by the straight line, whichever is lower, within 20 minutes; at the limit it is not below it."""
    falls, rests = Ward(steep(80, -4)).says(soon()), Ward(steep(120, 0)).says(soon())
    assert (falls.judged.tolist(), falls.beyond.tolist(), falls.well.tolist()) == ([True], [True], [False])
    assert (rests.judged.tolist(), rests.beyond.tolist(), rests.well.tolist()) == ([True], [False], [True])
    assert (falls.reached.tolist(), falls.starts, falls.longer) == ([False], None, None)
    assert falls.found is not None
    least = float(falls.found[0])
    assert (least, least < soon().limit) == (54, True)
    edges = [soon().model_copy(update={"limit": limit, "off_limit": limit + 1}) for limit in (54.0, 55.0, 53.0)]
    said = [Ward(steep(80, -4)).says(rule) for rule in edges]
    assert [each.beyond.tolist() for each in said] == [[False], [True], [False]]
    assert [each.well.tolist() for each in said] == [[False], [False], [True]]


def test_a_forecast_looks_as_far_as_its_horizon():
    """By the straight line 60 in five minutes, which is when the next reading comes; then AR2 falls on."""
    found = [Ward(steep(80, -4)).says(soon(f"low_soon.horizon={minutes}")).found for minutes in (5, 10, 15, 20)]
    assert [each.tolist() for each in found if each is not None] == [[60], [60], [57], [54]]
    between = soon().model_copy(update={"horizon_us": 19 * MINUTE_US})
    assert Ward(steep(80, -4)).says(between).found == [57], "a step that ends beyond it is none of its"


def test_below_the_limit_it_has_come_where_low_is_open():
    """The warning ends when low itself calls; until then it holds, whatever the forecast says: nobody falls between."""
    points: list[Points] = [steep(54, -2)] * 3 + [steep(60, -3)] * 3 + [steep(54, 3)]
    ward = Ward(*points)
    ward.machines.level[:7, 0] = [0, 1, 2, 0, 1, 2, 0]
    ward.machines.level[:7, 1] = [2, 0, 0, 0, 0, 0, 0]
    found = ward.says(soon())
    assert found.reached.tolist() == [False, True, True, False, False, True, False]
    assert found.beyond.tolist() == [True, False, False, True, True, False, True]
    assert found.well.tolist() == [False, True, True, False, False, True, True]
    assert found.judged.all()
    at_the_limit = Ward(steep(soon().limit, -2))
    at_the_limit.machines.level[0, 0] = 1
    assert at_the_limit.says(soon()).reached.tolist() == [False]


def test_where_nothing_can_be_forecast_only_what_has_come_is_judged():
    """Two readings know no slope; but a low that is open has come, whoever foretold it."""
    ward = Ward([(0, 60), (5, 50)], [(0, 60), (5, 50)], [(0, 90), (5, 80)])
    ward.machines.level[:3, 0] = [0, 1, 0]
    found = ward.says(soon())
    assert found.judged.tolist() == [False, True, False]
    assert found.reached.tolist() == [False, True, False]
    assert found.beyond.tolist() == [True, False, False]
    assert found.found is not None
    assert [math.isnan(each) for each in found.found] == [True, True, True]


def test_a_rule_of_no_known_kind_is_a_mistake_of_ours():
    """It is told, not passed over: a rule that nobody judges would call nobody."""
    rule = GlucoseRule(name="x", priority="low", response=FALLING.response)
    with pytest.raises(AssertionError, match=r"name='x'"):
        Ward([(0, 100)]).says(rule)
