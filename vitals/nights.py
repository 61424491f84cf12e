"""Day and night of a policy: which part is in force at an instant, and when that changes (RULES, *Day and night*).

It is night while the zone's clock shows a time in [begins, ends). That clock never goes back: in an hour that comes
twice it stands until it has caught up. So each written time of each day comes once, at the first instant at which the
clock shows it or a later one. Zones are those of the package ``tzdata``, whatever the system has: the same log must
give the same alerts everywhere.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

from vitals.metrics import SECOND_US
from vitals.policies import Policy
from vitals.policy_kinds import KINDS

NEVER = 1 << 62
"""No switch will come."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = range(-2, 3)
"""Days around an instant among whose switches are the last before it and the next: zones are a day off at most."""
_LAST_US = 253_370_764_800_000_000
"""The begin of the year 9999: later ones have no tomorrow."""


class Part(NamedTuple):
    """Whether it is night, and until when (µs UTC)."""

    night: bool
    until: int


def part(policy: Policy, at: int) -> Part:
    """The part of a policy that is in force at an instant (µs UTC), by the clock of its zone."""
    night = policy.night
    return Part(night=False, until=NEVER) if night is None else hours(night.zone, night.begins, night.ends, at)


def hours(zone: str, begins: str, ends: str, at: int) -> Part:
    """Whether a zone's clock shows a time in [begins, ends) at an instant (µs UTC), and until when; never where there
    is no such zone.
    """
    if not 0 <= at < _LAST_US or not known(zone):
        return Part(night=False, until=NEVER)
    return _part(zone, begins, ends, at)


def in_force(policy: Policy, *, night: bool) -> Policy:
    """The policy as it is by day, without its night, or as it is by night, with it. What a night leaves is the same."""
    if not night or policy.night is None:
        return policy.model_copy(update={"night": None})
    whole = policy
    for kind in KINDS:
        own = kind.rules(policy.night)
        mine = kind.rules(policy)
        if any(name in mine for name in own):
            whole = kind.put(whole, {name: own.get(name, rule) for name, rule in mine.items()})
    return whole


def parts(policy: Policy, begin: int, end: int) -> list[tuple[int, Policy]]:
    """What a policy is in [begin, end) (µs UTC): each part as it is in force, and from when on."""
    found, at = [], begin
    while at < end:
        now = part(policy, at)
        found.append((at, in_force(policy, night=now.night)))
        at = now.until
    return found


@lru_cache(maxsize=1024)
def known(zone: str) -> bool:
    """Whether there is such a zone."""
    return zone in _names()


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("utf-8").split())


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@lru_cache(maxsize=4096)
def _part(name: str, begins: str, ends: str, at: int) -> Part:
    zone = _zone(name)
    today = _local(zone, at // SECOND_US).date()
    switches = sorted(
        (_first(zone, wall), wall, night)
        for written, night in ((begins, True), (ends, False))
        for wall in (_wall(today + timedelta(days=day), written) for day in _DAYS)
    )
    # of two at one instant, which a jump of the zone's clock passes together, the one that is written later counts
    last = max(each for each in switches if each[0] * SECOND_US <= at)
    return Part(last[2], next(each[0] for each in switches if each[0] * SECOND_US > at) * SECOND_US)


def _wall(day: date, written: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(written))


def _local(zone: ZoneInfo, second: int) -> datetime:
    """What the zone's clock shows."""
    return (_EPOCH + timedelta(seconds=second)).astimezone(zone).replace(tzinfo=None)


def _first(zone: ZoneInfo, wall: datetime) -> int:
    """The first second (UTC) at which the zone's clock shows a time or a later one."""
    early, late = sorted(_second(wall.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    if _local(zone, early) == wall:
        return early
    while late - early > 1:  # the clock jumps over it somewhere in between
        middle = (early + late) // 2
        early, late = (early, middle) if _local(zone, middle) >= wall else (middle, late)
    return late


def _second(instant: datetime) -> int:
    return int((instant - _EPOCH).total_seconds())
