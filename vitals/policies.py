"""Policies: the rules that hold for one patient, as data. The numbers are RULES' table.

Limits are whole canonical units; times µs. ``beyond`` is v < limit on the low side, v > limit on the high side.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import Field

from vitals.messages import Message, Name
from vitals.metrics import MINUTE_US
from vitals.numbers import COUNT_MAX, Ahead, Quantity, Small, Span, Width

Priority = Literal["high", "medium", "low"]
RULES_MAX = 32
"""Of one kind in a policy: each name is a column for every patient of the processor."""
_Rule = TypeVar("_Rule")
Few = Annotated[tuple[_Rule, ...], Field(max_length=RULES_MAX)]
PRIORITY_RANK: dict[Priority, int] = {"low": 1, "medium": 2, "high": 3}
PRIORITY_OF_RANK: dict[int, Priority] = {rank: priority for priority, rank in PRIORITY_RANK.items()}


class Response(Message):
    """How people are asked to answer at one level: repeat while unacknowledged, hold of an acknowledgement,
    escalation to the lead and to all; None where the step does not exist.
    """

    repeat_us: Span | None
    hold_us: Span
    lead_us: Span | None
    all_us: Span | None


class Level(Message):
    """One level of a two-level rule: when it turns on and off (RULES, *Low glucose*)."""

    number: Literal[1, 2]
    limit: Quantity
    on_span_us: Span
    """Least span of the bad run; 0 turns on at once."""
    quick_limit: Quantity
    """An ok run of ``quick_span_us`` ends the level when the value is at or within this one."""
    quick_span_us: Span = 4 * MINUTE_US
    slow_span_us: Span = 15 * MINUTE_US
    priority: Priority
    response: Response
    prolonged_us: Span | None = None
    """Level 1: after how long at this level the episode calls as level 2 does; None never (RULES, *Prolonged*)."""


class ThresholdRule(Message):
    """A low or high rule of one metric with its two levels, the milder first."""

    name: Name
    metric: Name
    side: Literal["low", "high"]
    levels: tuple[Level, Level]


TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class UsualRate(Message):
    """What is usual for somebody at rest at night, and how far above it a rule turns on (RULES, *Above the usual*)."""

    above: Quantity
    zone: str = Field(default="Etc/UTC", max_length=64)
    """The patient's time zone, by its IANA name."""
    begins: str = Field(default="02:00", pattern=TIME_OF_DAY)
    ends: str = Field(default="07:00", pattern=TIME_OF_DAY)
    least_us: Span = 60 * MINUTE_US
    """So much rest a night must have to count."""
    nights: Small = 3
    """So many nights must be known, of the last 14."""


class WindowRule(Message):
    """A rule on the median of the window (T - width, T] at each whole 10 s T (RULES, *Heart rate*).

    On: median > ``on_above``, < ``on_below`` or <= ``on_at_most``, at ``successive`` T in a row. Off: median <=
    ``off_at_most`` and >= ``off_at_least``, likewise. None is no such limit.
    """

    name: Name
    metric: Name
    width_us: Width
    on_above: Quantity | None = None
    on_below: Quantity | None = None
    on_at_most: Quantity | None = None
    off_at_most: Quantity | None = None
    off_at_least: Quantity | None = None
    successive: Small = 1
    rest_at_most: Quantity | None = None
    """Steps per minute up to which a T counts (RULES, *Heart rate at rest*); None asks for no rest."""
    glucose_below: Quantity | None = None
    """The glucose (mg/dL) that must be below and falling, too (RULES, *Falling glucose with a fast heart*)."""
    usual: UsualRate | None = None
    """In place of limits: how far above the usual rate."""
    artefact_hold_us: Span = 0
    """How long at most an opening is held while its window is mostly suspect (RULES, *Artefact hold*); 0 never."""
    priority: Priority
    response: Response

    @property
    def always(self) -> bool:
        """Whether the rule judges every evaluation, whatever else is known."""
        return self.rest_at_most is None and self.glucose_below is None and self.usual is None

    def applies(self, interval_us: int) -> bool:
        """Whether the rule says anything about a device of this nominal interval i: W >= 2 i."""
        return self.width_us >= 2 * interval_us


class SignalRule(Message):
    """Silence of one metric: low priority, medium after ``medium_after_us``, never below an open episode's."""

    metric: Name
    medium_after_us: Span = 60 * MINUTE_US
    hold_us: Span = 60 * MINUTE_US
    recover_span_us: Span
    """Span of deciding readings that ends the silence; 0 is one reading."""
    recover_interval_us: Span = 30_000_000
    """Devices with at least this interval need one reading only."""


class GlucoseRule(Message):
    """What rules that judge glucose readings one by one have in common (RULES, *More rules for glucose*).

    On: the reading is beyond, at the end of a run beyond of ``on_span_us``. Off: an ok run of ``quick_span_us`` whose
    last reading is well within, or one of ``slow_span_us``.
    """

    name: Name
    metric: Literal["glucose"] = "glucose"
    on_span_us: Span = 0
    quick_span_us: Span = 0
    slow_span_us: Span = 15 * MINUTE_US
    priority: Priority
    response: Response


class SustainedRule(GlucoseRule):
    """Beyond a limit for long; well within at or within ``quick_limit``."""

    side: Literal["low", "high"]
    limit: Quantity
    quick_limit: Quantity
    quick_span_us: Span = 4 * MINUTE_US


class RateRule(GlucoseRule):
    """Falling below a gate, or rising above it, faster than ``rate`` (mg/dL/min); well within at ``off_rate``."""

    direction: Literal["falling", "rising"]
    rate: Quantity
    off_rate: Quantity
    gate: Quantity


class ForecastRule(GlucoseRule):
    """A forecast below ``limit`` within ``horizon_us``; well within at ``off_limit``."""

    forecast: Literal["ar2", "ar2-line"] = "ar2-line"
    horizon_us: Ahead = 20 * MINUTE_US
    limit: Quantity
    off_limit: Quantity


class Rules(Message):
    """Rules of every kind (`vitals.policy_kinds`); what is not there is off."""

    thresholds: Few[ThresholdRule] = ()
    windows: Few[WindowRule] = ()
    signals: Few[SignalRule] = ()
    sustained: Few[SustainedRule] = ()
    rates: Few[RateRule] = ()
    forecasts: Few[ForecastRule] = ()


class Night(Rules):
    """Rules that hold by night in place of the day's rules of their names (`vitals.nights`)."""

    zone: str = Field(max_length=64)
    """The patient's time zone, by its IANA name."""
    begins: str = Field(pattern=TIME_OF_DAY)
    ends: str = Field(pattern=TIME_OF_DAY)
    """Times on the clock of the zone, ``22:00``."""


class Policy(Rules):
    """The rules in force for one patient; ``version`` grows with every change."""

    version: int = Field(ge=1, le=COUNT_MAX)
    thresholds: Few[ThresholdRule]
    signals: Few[SignalRule]
    night: Night | None = None

    @property
    def all_windows(self) -> tuple[WindowRule, ...]:
        """The window rules of day and night."""
        return self.windows if self.night is None else (*self.windows, *self.night.windows)


def _response(repeat: int | None, hold: int, lead: int | None, everyone: int | None = None) -> Response:
    def us(minutes: int | None) -> int | None:
        return None if minutes is None else minutes * MINUTE_US

    return Response(repeat_us=us(repeat), hold_us=hold * MINUTE_US, lead_us=us(lead), all_us=us(everyone))


SIGNAL_RESPONSES: dict[Priority, Response] = {
    "low": _response(None, 60, None),
    "medium": _response(15, 60, 15),
    "high": _response(5, 60, 3, 6),
}
"""The signal rule's response follows its priority; its acknowledgement always holds 60 min."""

LOW = ThresholdRule(
    name="low",
    metric="glucose",
    side="low",
    levels=(
        Level(
            number=1,
            limit=70,
            on_span_us=4 * MINUTE_US,
            quick_limit=75,
            priority="medium",
            response=_response(15, 30, 15),
        ),
        Level(number=2, limit=54, on_span_us=0, quick_limit=59, priority="high", response=_response(5, 15, 3, 6)),
    ),
)
HIGH = ThresholdRule(
    name="high",
    metric="glucose",
    side="high",
    levels=(
        Level(
            number=1,
            limit=250,
            on_span_us=15 * MINUTE_US,
            quick_limit=240,
            priority="low",
            response=_response(None, 120, None),
        ),
        Level(
            number=2,
            limit=399,
            on_span_us=4 * MINUTE_US,
            quick_limit=389,
            priority="medium",
            response=_response(30, 120, 30),
        ),
    ),
)

HEART_RATES = (
    WindowRule(
        name="heart_rate_high",
        metric="heart_rate",
        width_us=10 * MINUTE_US,
        on_above=130,
        off_at_most=127,
        priority="medium",
        response=_response(15, 30, 15),
    ),
    WindowRule(
        name="heart_rate_low",
        metric="heart_rate",
        width_us=10 * MINUTE_US,
        on_at_most=40,
        off_at_least=43,
        priority="medium",
        response=_response(15, 30, 15),
    ),
    WindowRule(
        name="heart_rate_extreme",
        metric="heart_rate",
        width_us=MINUTE_US,
        on_above=150,
        on_below=35,
        off_at_most=147,
        off_at_least=38,
        successive=6,
        priority="medium",
        response=_response(5, 15, 15),
    ),
)
"""Wrist heart rate is never high priority."""

HEART_RATE_REST = WindowRule(
    name="heart_rate_rest",
    metric="heart_rate",
    width_us=10 * MINUTE_US,
    on_above=120,
    off_at_most=117,
    rest_at_most=0,
    priority="low",
    response=_response(None, 120, None),
)
"""Off in `DEFAULT`: it says something of those only whose device counts steps."""

HEART_RATE_GLUCOSE = WindowRule(
    name="heart_rate_glucose",
    metric="heart_rate",
    width_us=5 * MINUTE_US,
    on_above=100,
    off_at_most=97,
    rest_at_most=0,
    glucose_below=80,
    priority="low",
    response=_response(None, 60, None),
)
"""Off in `DEFAULT`: it says something of those only who wear a sensor of glucose and a counter of steps."""
GLUCOSE_MARGIN = 5
"""So much above ``glucose_below`` (mg/dL) it is off."""

HEART_RATE_USUAL = WindowRule(
    name="heart_rate_usual",
    metric="heart_rate",
    width_us=10 * MINUTE_US,
    rest_at_most=0,
    usual=UsualRate(above=30),
    priority="low",
    response=_response(None, 120, None),
)
"""Off in `DEFAULT`: 30 above what is usual for somebody at rest at night."""
USUAL_MARGIN = 3
"""So much below its limit (/min) it is off."""

HEART_RATE_NEWS2 = WindowRule(
    name="heart_rate_news2",
    metric="heart_rate",
    width_us=10 * MINUTE_US,
    on_above=130,
    on_at_most=40,
    off_at_most=127,
    off_at_least=43,
    priority="medium",
    response=_response(15, 30, 15),
)
"""Off in `DEFAULT`: a NEWS2 pulse sub-score of 3 (`vitals.news2`), which the high and low rules say as well."""

OPTIONAL_HEART_RATES = (HEART_RATE_REST, HEART_RATE_USUAL, HEART_RATE_GLUCOSE, HEART_RATE_NEWS2)
"""Rules that are off until somebody switches them on."""

DEFAULT = Policy(
    version=1,
    thresholds=(LOW, HIGH),
    signals=(
        SignalRule(metric="glucose", recover_span_us=0),
        SignalRule(metric="heart_rate", recover_span_us=30_000_000),
    ),
    windows=HEART_RATES,
)
"""The policy of a patient for whom nobody set another: RULES' table."""
