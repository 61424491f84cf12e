"""Patients out of service (in the shower, at a scan, between two sensors): nothing of theirs calls for a while; pure.

Except for a high physiological alert, which always calls. It ends at an instant, twelve hours away at most, and then
whatever is active calls. Times are µs UTC of the site's clock.
"""

from __future__ import annotations

from dataclasses import replace

from alerts.tracking import Now, Tracked, changed, freed
from vitals.alerts import Refusal, Service, Version
from vitals.journal import Command
from vitals.metrics import MINUTE_US
from vitals.protocol import SERVICE_MINUTES_MAX

LONGEST_US = SERVICE_MINUTES_MAX * MINUTE_US


def refusal(command: Command, *, is_out: bool) -> Refusal:
    """Why a patient cannot go out of service, or come back; or the empty string."""
    if command.patient is None:
        return "unknown_patient"
    if command.action == "in_service":
        return "" if is_out else "not_possible"
    if command.duration_us is None or command.duration_us <= 0:
        return "not_possible"
    return "too_long" if command.duration_us > LONGEST_US else ""


def begun(command: Command, version: Version, now: Now) -> Service:
    """The time out of service of an accepted command; an earlier one of the same patient is replaced."""
    assert command.patient is not None, "without a patient it was refused"
    assert command.duration_us is not None, "without an end it was refused"
    return Service(
        version=version,
        patient=command.patient,
        label=command.label,
        site=command.site,
        since=now.at,
        until=now.at + command.duration_us,
        by=command.by,
        reason=command.reason,
    )


def left(tracked: Tracked, version: Version, now: Now) -> Tracked:
    """An alert of a patient who goes out of service, written again if that changes its response.

    The alert in the answer is the very one that was given where it goes on as before.
    """
    gone = replace(tracked, out=True)
    if tracked.alert.condition == "over":
        return gone
    written = changed(gone, "reassert", version, now.at, now)
    return gone if written.alert.response == tracked.alert.response else written


def back(tracked: Tracked, version: Version, at: int, now: Now) -> Tracked:
    """An alert of a patient who is back in service: it calls, or will as soon as it is active."""
    returned = replace(tracked, out=False)
    if tracked.alert.response != "out_of_service" or tracked.alert.condition == "over":
        return returned
    return freed(returned, "service_end", version, at, now)
