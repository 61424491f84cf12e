"""Alerts in words, for people at a terminal; pure. ``zone`` is the time zone in which times are shown."""

from __future__ import annotations

from datetime import datetime, tzinfo

from alerts.view import FeedView
from vitals.alerts import Alert, AlertChange, Service, Shelf
from vitals.policies import Priority
from vitals.protocol import CommandAnswer, CommandReason, Heartbeat
from vitals.readings import OBSERVED_MAX_US, OBSERVED_MIN_US

SIGN: dict[Priority, str] = {"high": "***", "medium": "**", "low": "*"}
CHANGES: dict[AlertChange, str] = {
    "open": "NEW",
    "rise": "WORSE",
    "repeat": "STILL OPEN",
    "run_out": "CALLS AGAIN",
    "escalate": "NOBODY CAME",
    "not_delivered": "NOT SHOWN",
    "recheck": "LOOK AGAIN",
    "shelf_end": "OFF THE SHELF",
    "service_end": "IN SERVICE",
    "lower": "milder",
    "active": "active",
    "returning": "returning",
    "unknown": "no data",
    "known": "data again",
    "reason": "reason",
    "acknowledge": "acknowledged",
    "going": "going",
    "treated": "treated",
    "release": "let go",
    "shelve": "shelved",
    "unshelve": "unshelved",
    "undo": "taken back",
    "note": "note",
    "seen": "seen",
    "delivered": "shown",
    "reassert": "open",
    "clear": "cleared",
    "expire": "expired",
}
REFUSALS: dict[CommandReason, str] = {
    "": "",
    "worsened": "it worsened: look again",
    "cleared": "it is over",
    "unknown_alert": "no such alert",
    "unknown_version": "no such version of it: look again",
    "too_long": "that is longer than allowed",
    "not_shelved": "it is not shelved",
    "not_possible": "not possible as it stands now",
    "too_late": "too late to take it back",
    "not_yours": "somebody else has it",
    "unknown_patient": "no such patient",
    "not_allowed": "your role does not do that",
    "too_many": "too many commands",
}


def local(at: int, zone: tzinfo) -> datetime:
    """An instant (µs UTC) in a zone, moved into the calendar where it lies beyond: the list goes on."""
    return datetime.fromtimestamp(min(max(at, OBSERVED_MIN_US), OBSERVED_MAX_US) / 1e6, zone)


def time_text(at: int | None, zone: tzinfo) -> str:
    """An instant (µs UTC) as date and time of ``zone``; a dash for none."""
    if at is None:
        return "-"
    return f"{local(at, zone):%Y-%m-%d %H:%M:%S}"


def clock_text(at: int | None, zone: tzinfo) -> str:
    """An instant (µs UTC) as the time of day in ``zone``; a dash for none."""
    return "-" if at is None else f"{local(at, zone):%H:%M}"


def what(alert: Alert) -> str:
    """What is wrong, with the value: ``glucose low 48 mg/dL``, ``heart rate extreme 168 /min``, ``glucose signal``."""
    words = [_subject(alert.metric, alert.rule)]
    if alert.value is not None:
        edge = {"low": "< ", "high": "> ", None: ""}[alert.censored]
        inner = alert.value + {"low": 1, "high": -1, None: 0}[alert.censored]
        words.append(f"{edge}{inner:g} {alert.unit}")
    return " ".join(words)


def _subject(metric: str | None, rule: str) -> str:
    """Metric and rule in words; most rules of heart rate have the metric in their name."""
    first, second = ((name or "").replace("_", " ") for name in (metric, rule))
    return second if second.startswith(first) else f"{first} {second}"


def response(alert: Alert, zone: tzinfo) -> str:
    """Who has it and until when, or when it calls again."""
    match alert.response:
        case "acknowledged" if alert.owner and alert.recheck_at:
            return f"{alert.owner} treated it, look again {clock_text(alert.recheck_at, zone)}"
        case "acknowledged":
            has = f"{alert.owner} is going" if alert.owner else str(alert.acknowledged_by)
            return f"{has} until {clock_text(alert.acknowledged_until, zone)}"
        case "shelved":
            return f"shelved by {alert.shelved_by} until {clock_text(alert.shelved_until, zone)}"
        case "out_of_service":
            return "out of service"
        case _:
            return _calls(alert, zone)


def _calls(alert: Alert, zone: tzinfo) -> str:
    words = []
    if alert.unseen:
        words.append("over, nobody saw it")
    if alert.undelivered:
        words.append("on no screen")
    if alert.escalation:
        words.append("called the lead" if alert.escalation == 1 else "called all")
    times = (("repeats", alert.repeat_at or alert.next_at), ("lead", alert.lead_at), ("all", alert.all_at))
    words += [f"{word} {clock_text(at, zone)}" for word, at in times if at is not None]
    return ", ".join(words) or "unacknowledged"


def shelf_line(shelf: Shelf, zone: tzinfo) -> str:
    """A shelf in one line."""
    subject = shelf.label or f"site {shelf.site}"
    what_for = _subject(shelf.metric, shelf.rule)
    if shelf.ended:
        return f"{subject}  {what_for}  no longer shelved"
    reason = f"  ({shelf.reason})" if shelf.reason else ""
    return f"{subject}  {what_for}  shelved by {shelf.by} until {time_text(shelf.until, zone)}{reason}"


def service_line(service: Service, zone: tzinfo) -> str:
    """A patient's time out of service in one line."""
    if service.ended:
        return f"{service.label}  in service again"
    reason = f"  ({service.reason})" if service.reason else ""
    return f"{service.label}  out of service by {service.by} until {time_text(service.until, zone)}{reason}"


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


def unwatched(alert: Alert, heartbeat: Heartbeat | None) -> str:
    """Of the alert of a silent site how many lie there: ``14 patients not watched``; empty where that is not known."""
    found = None if heartbeat is None else next((one for one in heartbeat.unwatched if one.alert == alert.id), None)
    if found is None:
        return ""
    return f"{found.count} {'patient' if found.count == 1 else 'patients'} not watched"


def named(heartbeat: Heartbeat | None, alert: Alert) -> list[str]:
    """Who lies at the silent site of an alert, a dozen to a line."""
    found = () if heartbeat is None else [one for one in heartbeat.unwatched if one.alert == alert.id]
    lines = []
    for one in found:
        labels = [label for _, label in one.patients]
        lines = [", ".join(labels[first : first + 12]) for first in range(0, len(labels), 12)]
        if (more := one.count - len(labels)) > 0:
            lines.append(f"and {more} more")
    return lines


def answer_line(answer: CommandAnswer | None) -> str:
    """What became of a command."""
    if answer is None:
        return "not confirmed: no answer, try again"
    return "accepted" if answer.outcome == "accepted" else f"refused: {REFUSALS[answer.reason]}"


def counts(view: FeedView) -> str:
    """How many alerts, shelves and patients out of service there are: ``3 open, 1 shelf, 2 out of service``."""
    shelves, away = len(view.shelves), len(view.services)
    words = [f"{len(view.alerts)} open"]
    words += [f"{shelves} {'shelf' if shelves == 1 else 'shelves'}"] if shelves else []
    words += [f"{away} out of service"] if away else []
    return ", ".join(words)


def proof(heartbeat: Heartbeat | None) -> str:
    """The proof of life of the site that has waited longest: ``proved 4 s ago``; empty where nothing is proved.

    It counts from the reading: an alarm that came five minutes late proves nothing about the last five minutes.
    """
    if heartbeat is None or not heartbeat.proofs:
        return ""
    never = [str(each.site) for each in heartbeat.proofs if each.age_ms is None]
    if never:
        return f"never proved: site {', '.join(never)}"
    oldest_ms = max((each.age_ms or 0) + (each.took_ms or 0) for each in heartbeat.proofs)
    return f"proved {oldest_ms // 1000} s ago"


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
