"""Changes of a policy's night: its hours and zone, and what the day's changes are to it (see `vitals.policy_edits`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from vitals.errors import InputError
from vitals.nights import known
from vitals.policies import Night, Policy
from vitals.policy_kinds import Kind

FORM = "say both: night=22:00-07:00 and zone=Europe/Berlin"
_HOURS = re.compile(r"([0-9]{2}:[0-9]{2})-([0-9]{2}:[0-9]{2})")


def with_hours(policy: Policy, said: Mapping[str, tuple[str, str]]) -> Policy:
    """The policy with other hours (``night``, ``off`` for no night) or another ``zone``: what was said, and its value.

    Raises:
        InputError: hours or zones that are none, or only one of both where there is no night yet.
    """
    hours, zone = said.get("night"), said.get("zone")
    if hours is not None and hours[1] == "off":
        return policy.model_copy(update={"night": None})
    update = {} if hours is None else _hours(*hours)
    if zone is not None:
        if not known(zone[1]):
            raise InputError("no time zone", zone[0][:80], "give its IANA name, as zone=Europe/Berlin")
        update["zone"] = zone[1]
    if not update:
        return policy
    if policy.night is not None:
        return policy.model_copy(update={"night": policy.night.model_copy(update=update)})
    if len(said) < 2:
        raise InputError("half a night", next(iter(said.values()))[0][:80], FORM)
    return policy.model_copy(update={"night": Night(**update)})


def _hours(change: str, value: str) -> dict[str, str]:
    found = _HOURS.fullmatch(value)
    times = found.groups() if found else ()
    if not times or any(int(hour) > 23 or int(minute) > 59 for hour, minute in (each.split(":") for each in times)):
        raise InputError("no hours of a night", change[:80], "write them like night=22:00-07:00, or night=off")
    return dict(zip(("begins", "ends"), times, strict=True))


def put(policy: Policy, kind: Kind, name: str, rule: Any) -> Policy:
    """The policy with a rule's numbers by night; those of the day are none of its own."""
    assert policy.night is not None, "only a night has numbers"
    if rule == kind.rules(policy).get(name):
        return as_by_day(policy, kind, name)
    own = kind.rules(policy.night) | {name: rule}
    return policy.model_copy(update={"night": kind.put(policy.night, own)})


def as_by_day(policy: Policy, kind: Kind, name: str) -> Policy:
    """The policy with a rule that is by night as by day."""
    if policy.night is None or name not in (own := kind.rules(policy.night)):
        return policy
    del own[name]
    return policy.model_copy(update={"night": kind.put(policy.night, own)})


def followed(policy: Policy, kind: Kind, before: Any, after: Any) -> Policy:
    """The policy whose rule is ``after`` by day now: by night what was as by day before is so still."""
    name = kind.name(after)
    own = None if policy.night is None else kind.rules(policy.night).get(name)
    if own is None:
        return policy
    merged = _merged(own.model_dump(), before.model_dump(), after.model_dump())
    try:
        rule = type(after).model_validate(merged)
    except ValidationError:  # no message can carry such a number: it is the day's, where the bounds name it
        return policy
    return put(policy, kind, name, rule)


def _merged(own: Any, before: Any, after: Any) -> Any:
    """Three ways, leaf by leaf: what is its own stays, what was as before becomes as after."""
    if own == before:
        return after
    if isinstance(own, dict):
        return {name: _merged(value, before[name], after[name]) for name, value in own.items()}
    if isinstance(own, list | tuple) and len(own) == len(before) == len(after):
        return tuple(_merged(*each) for each in zip(own, before, after, strict=True))
    return own
