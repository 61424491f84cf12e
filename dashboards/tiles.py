"""Messages of the tiles socket: what a ward's screen gets of every patient; pure.

``docs/api.md`` tells how they follow.
Every frame is one JSON object; ``type`` says which. Times are µs UTC, values in the metric's canonical unit.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from vitals import news2
from vitals.messages import Message
from vitals.metrics import METRIC_BY_NAME, SECOND_US, Metric
from vitals.policies import Policy, WindowRule
from vitals.readings import INVALID_SHIFT, Flag, Invalid

HELLO_SECONDS_MAX = 5.0
TARGET = (70.0, 180.0)
"""The range in which glucose should be (International Consensus on Time in Range, 2019), mg/dL."""
SPARK_POINTS_MAX = 72
SPARK_US = 300 * SECOND_US
"""One point of a sparkline in 5 min: the last valid value in it."""

VitalState = Literal["ok", "low", "high", "invalid", "warm_up", "contact_lost", "waiting", "removed"]


class Good(Message):
    """The last valid reading."""

    value: float
    at: int


class GlucoseLimits(Message):
    """Limits in force, mg/dL: below ``low1`` and ``low2`` is low, above ``high1`` and ``high2`` high."""

    target: tuple[float, float] | None
    low1: float | None
    low2: float | None
    high1: float | None
    high2: float | None


class HeartRateLimits(Message):
    """Limits in force on the median of 10 min, extremes of 1 min. ``applies``: false, where the device sends too
    seldom for a rule; an extreme that is null has none.
    """

    low: float | None
    high: float | None
    extreme_low: float | None
    extreme_high: float | None
    applies: bool


Limits = GlucoseLimits | HeartRateLimits


class Vital(Message):
    """The newest reading of one metric. ``state``: *low* and *high* are beyond the device's range; *waiting*: nothing
    yet from this device; *removed*: no device is worn. ``value`` is null where there is none, and then, as in warm-up,
    ``last_good`` says what was valid last. Older than ``stale_after_us`` it is no longer how the patient is.
    """

    value: float | None
    unit: str
    at: int | None
    received_at: int | None
    state: VitalState
    interval_us: int
    stale_after_us: int
    arrow: int | None
    """-3 falling fastest to 3 rising fastest; null unknown."""
    slope: float | None
    """Canonical unit per minute."""
    last_good: Good | None
    limits: Limits | None
    news2_pulse: int | None = None
    """Of the heart rate: the NEWS2 pulse sub-score of the newest 10-minute median, 0 to 3. It is no NEWS2 score."""


class Vitals(Message):
    """The two signs of a tile; null where no device that sends it was ever worn."""

    heart_rate: Vital | None
    glucose: Vital | None


class Tile(Message):
    """One patient's tile; ``device`` is the one worn now, ``battery`` in per cent."""

    patient: UUID
    label: str
    site: int
    bed: str
    device: str | None
    battery: float | None
    vitals: Vitals


class Spark(Message):
    """The last hours as [time, value], at most 72 of each, oldest first."""

    glucose: tuple[tuple[int, float], ...] = ()
    heart_rate: tuple[tuple[int, float], ...] = ()


class WardTile(Tile):
    """A tile with its sparklines, as it stands in a ``ward`` frame."""

    spark: Spark


class WardSite(Message):
    """A site in scope."""

    number: int
    name: str


class TilesHello(Message):
    """The first message of a client, within 5 s."""

    type: Literal["hello"] = "hello"
    token: str = Field(min_length=1, max_length=512)


class WardFrame(Message):
    """Everybody in scope, whole: first, and again whenever patients come, go, or wear something else."""

    type: Literal["ward"] = "ward"
    at: int
    """What time it is: the wall's, on simulated time the newest site clock."""
    sites: tuple[WardSite, ...]
    patients: tuple[WardTile, ...]


class TilesFrame(Message):
    """The tiles that changed since the last frame; every 1 s where something did, else every 2 s and empty."""

    type: Literal["tiles"] = "tiles"
    at: int
    tiles: tuple[Tile, ...]


LiveServerMessage = Annotated[WardFrame | TilesFrame, Field(discriminator="type")]
_CLIENT: TypeAdapter[TilesHello] = TypeAdapter(TilesHello)
_SERVER: TypeAdapter[WardFrame | TilesFrame] = TypeAdapter(LiveServerMessage)


def decode_client(data: str) -> TilesHello:
    """A client's frame. Raises pydantic's ``ValidationError`` for anything else."""
    return _CLIENT.validate_json(data)


def decode_server(data: str) -> WardFrame | TilesFrame:
    """A server's frame. Raises pydantic's ``ValidationError`` for anything else."""
    return _SERVER.validate_json(data)


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schemas by file name (``docs/schemas``)."""
    draft = "https://json-schema.org/draft/2020-12/schema"
    found = {
        "live-client.json": ("What a client of the tiles socket sends", _CLIENT.json_schema(mode="validation")),
        "live-server.json": ("What the tiles socket sends", _SERVER.json_schema(mode="serialization")),
    }
    return {name: {"$schema": draft} | schema | {"title": title} for name, (title, schema) in found.items()}


def stale_after_us(metric: Metric, interval_us: int) -> int:
    """Age from which a value no longer says how the patient is: glucose 11 min, heart rate 30 s, or 2.2 intervals."""
    return max(metric.fresh_us, metric.gap_of_us(interval_us))


def state_of(flags: int) -> VitalState:
    """The state of a reading with these row flags."""
    invalid = flags >> INVALID_SHIFT
    if invalid == Invalid.CONTACT_LOST or flags & Flag.CONTACT_LOST:
        return "contact_lost"
    if invalid:
        return "invalid"
    if flags & Flag.WARM_UP:
        return "warm_up"
    return "low" if flags & Flag.CENSORED_LOW else "high" if flags & Flag.CENSORED_HIGH else "ok"


def limits_of(policy: Policy, metric: str, interval_us: int) -> Limits | None:
    """The limits of a metric in a policy, for a device that sends every ``interval_us``; None for other metrics."""
    if metric == METRIC_BY_NAME["glucose"].name:
        (low1, low2), (high1, high2) = _limits(policy, metric, "low"), _limits(policy, metric, "high")
        return GlucoseLimits(target=TARGET, low1=low1, low2=low2, high1=high1, high2=high2)
    if metric == METRIC_BY_NAME["heart_rate"].name:
        rules = [
            rule for rule in policy.windows if rule.metric == metric and _shown(rule) and rule.applies(interval_us)
        ]
        plain = [rule for rule in rules if rule.on_above is None or _lowest(rule) is None]
        extreme = [rule for rule in rules if rule not in plain]
        return HeartRateLimits(
            low=max((low for rule in plain if (low := _lowest(rule)) is not None), default=None),
            high=min((rule.on_above for rule in plain if rule.on_above is not None), default=None),
            extreme_low=max((low for rule in extreme if (low := _lowest(rule)) is not None), default=None),
            extreme_high=min((rule.on_above for rule in extreme if rule.on_above is not None), default=None),
            applies=bool(rules),
        )
    return None


def _shown(rule: WindowRule) -> bool:
    """Whether a rule's limits are those of the value itself: not of rest only, nor of a score."""
    return rule.always and rule.name != news2.RULE


def _lowest(rule: WindowRule) -> float | None:
    return rule.on_below if rule.on_below is not None else rule.on_at_most


def _limits(policy: Policy, metric: str, side: str) -> tuple[float | None, float | None]:
    for rule in policy.thresholds:
        if rule.metric == metric and rule.side == side:
            return rule.levels[0].limit, rule.levels[1].limit
    return None, None
