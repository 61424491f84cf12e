"""Day and night as the oracle sees them: the zone's clock, looked at from UTC; imports neither stream nor `nights`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from tests.oracle_series import NEVER_TICKED
from vitals.policies import Policy

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo | None:
    """A zone of the package tzdata."""
    if name not in resources.files("tzdata").joinpath("zones").read_text().split():
        return None
    with resources.files("tzdata").joinpath("zoneinfo", name).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def is_night(policy: Policy, clock: int) -> bool:
    """Whether the night of a policy holds at the clock of a site."""
    night = policy.night
    return night is not None and clock != NEVER_TICKED and shows(night.zone, night.begins, night.ends, clock)


def shows(name: str, begins: str, ends: str, clock: int) -> bool:
    """Whether a zone's clock shows a time in [begins, ends)."""
    zone = zone_of(name)
    if zone is None:
        return False
    instant = EPOCH + timedelta(microseconds=clock)
    while instant.astimezone(zone).fold:  # the hour comes again: the clock stands at its last minute before
        instant = instant.replace(second=0, microsecond=0) - timedelta(minutes=1)
    shown = instant.astimezone(zone).strftime("%H:%M")
    if begins < ends:
        return begins <= shown < ends
    return shown >= begins or shown < ends


def in_force(policy: Policy, clock: int) -> Policy:
    """The rules that hold at the clock of a site, under the version of the whole."""
    if policy.night is None or not is_night(policy, clock):
        return policy.model_copy(update={"night": None})
    night = policy.night
    thresholds = {rule.name: rule for rule in night.thresholds}
    windows = {rule.name: rule for rule in night.windows}
    signals = {rule.metric: rule for rule in night.signals}
    glucose = {
        kind: tuple(
            {rule.name: rule for rule in getattr(night, kind)}.get(rule.name, rule) for rule in getattr(policy, kind)
        )
        for kind in ("sustained", "rates", "forecasts")
    }
    return policy.model_copy(
        update={
            **glucose,
            "thresholds": tuple(thresholds.get(rule.name, rule) for rule in policy.thresholds),
            "windows": tuple(windows.get(rule.name, rule) for rule in policy.windows),
            "signals": tuple(signals.get(rule.metric, rule) for rule in policy.signals),
        }
    )
