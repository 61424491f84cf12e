"""Alerts in words, for people at a terminal; pure. ``zone`` is the time zone in which times are shown."""

from __future__ import annotations

from datetime import datetime, tzinfo

from vitals.alerts import Alert
from vitals.policies import Priority
from vitals.protocol import CommandAnswer, Heartbeat

SIGN: dict[Priority, str] = {"high": "***", "medium": "**", "low": "*"}
CHANGES = {
    "open": "NEW",
    "rise": "WORSE",
    "repeat": "STILL OPEN",
    "run_out": "CALLS AGAIN",
    "lower": "milder",
    "active": "active",
    "returning": "returning",
    "unknown": "no data",
    "known": "data again",
    "reason": "reason",
    "acknowledge": "acknowledged",
    "reassert": "open",
    "clear": "cleared",
}
REFUSALS = {
    "worsened": "it worsened: look again",
    "cleared": "it is over",
    "unknown_alert": "no such alert",
    "unknown_version": "no such version of it: look again",
    "not_allowed": "your role does not acknowledge",
    "too_many": "too many commands",
}


def time_text(at: int | None, zone: tzinfo) -> str:
    """An instant (µs UTC) as date and time of ``zone``; a dash for none."""
    if at is None:
        return "-"
    return f"{datetime.fromtimestamp(at / 1e6, zone):%Y-%m-%d %H:%M:%S}"


def clock_text(at: int | None, zone: tzinfo) -> str:
    """An instant (µs UTC) as the time of day in ``zone``; a dash for none."""
    return "-" if at is None else f"{datetime.fromtimestamp(at / 1e6, zone):%H:%M}"


def what(alert: Alert) -> str:
    """What is wrong, with the value: ``glucose low 48 mg/dL``, ``glucose high > 400 mg/dL``, ``glucose signal``."""
    words = [alert.metric or "", alert.rule]
    if alert.value is not None:
        edge = {"low": "< ", "high": "> ", None: ""}[alert.censored]
        inner = alert.value + {"low": 1, "high": -1, None: 0}[alert.censored]
        words.append(f"{edge}{inner:g} {alert.unit}")
    return " ".join(word for word in words if word)


def response(alert: Alert, zone: tzinfo) -> str:
    """Who has it and until when, or when it calls again."""
    if alert.response == "acknowledged":
        return f"{alert.acknowledged_by} until {clock_text(alert.acknowledged_until, zone)}"
    return f"repeats {clock_text(alert.next_at, zone)}" if alert.next_at else "unacknowledged"


def line(alert: Alert, zone: tzinfo) -> str:
    """One change in one line."""
    parts = [
        time_text(alert.at, zone),
        f"{SIGN[alert.priority]:<3} {alert.priority:<6}",
        f"{alert.label or 'site ' + str(alert.site):<12}",
        f"{CHANGES[alert.change]:<12}",
        what(alert),
    ]
    if alert.reason:
        parts.append(f"({alert.reason})")
    if not alert.closed:
        parts.append(f"[{response(alert, zone)}]")
    return "  ".join(parts)


def answer_line(answer: CommandAnswer | None) -> str:
    """What became of a command."""
    if answer is None:
        return "not confirmed: no answer, try again"
    return "acknowledged" if answer.outcome == "accepted" else f"refused: {REFUSALS.get(answer.reason, answer.reason)}"


def health(heartbeat: Heartbeat | None) -> str:
    """State and age of the data: ``data 0.6 s old``, ``STALLED: data 14 s old (site 1)``."""
    if heartbeat is None or heartbeat.age_ms is None:
        return "waiting for the first tick"
    age = f"data {heartbeat.age_ms / 1000:.1f} s old"
    if heartbeat.state != "stalled":
        return age
    names = {
        f"partition {place.partition}" if place.site is None else f"site {place.site}" for place in heartbeat.where
    }
    return f"STALLED: {age} ({', '.join(sorted(names))})"
