"""The accounts of a ward under load: what was sent, and what log, database and socket have of it; pure.

`judge` takes an `Account` and says, a line each, what was lost, doubled, re-ordered, wrong or late. It knows nothing
of how the records were taken, so a test gives it records made by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

from vitals.alerts import Alert, Version
from vitals.metrics import METRIC_BY_CODE, SECOND_US

NEXT_ALERT_S = 5.0
"""The next right alert after a fault comes within so long, in every partition."""
NOTICED_S = 1.0
"""That something is back is noticed by looking at it: the first alerts may be so much ahead of the fault's instant."""
SHOWN_MAX = 5
"""Examples that a difference names."""


class Identity(NamedTuple):
    """What makes a reading the same reading: device, metric code, observed_at (µs UTC)."""

    device: UUID
    metric: int
    observed_at: int

    def __str__(self) -> str:
        metric = METRIC_BY_CODE.get(self.metric)
        return f"{metric.name if metric else self.metric} of {self.device} at {self.observed_at}"


@dataclass(slots=True)
class Sent:
    """A reading that a device has sent; ``acknowledged`` once its PUBACK came."""

    identity: Identity
    acknowledged: bool = False


class Crossing(NamedTuple):
    """A reading below the limit, at the instant ``at`` (µs UTC) at which it was to leave, and the alert that it opens:
    with ``level`` and ``priority``, by default those of `bedside.LOW_VALUE`.

    With ``clears`` the reading that ends the alert was sent too.
    """

    alert: UUID
    partition: int
    at: int
    clears: bool = True
    level: int = 2
    priority: str = "high"


class Told(NamedTuple):
    """One change of an alert as a socket or the database has it; ``at`` is when it arrived (µs UTC), 0 in a table.

    ``digest`` stands for all of the alert, also for what this record does not name; '' where nobody took it.
    """

    alert: UUID
    version: Version
    change: str
    at: int = 0
    digest: str = ""
    level: int | None = None
    priority: str = ""

    @classmethod
    def of(cls, alert: Alert, at: int = 0) -> Self:
        """The record of a whole alert."""
        return cls(alert.id, alert.version, alert.change, at, digest_of(alert), alert.level, alert.priority)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something cruel. ``at`` (µs UTC) is from when alerts are timed: its instant, or the end of what lasts.

    ``since`` (µs UTC) is when it began; None where the drill does not say, as if it began just before ``at``, but then
    nobody can tell who was already late from who was held up by it. ``told`` is what the drill has seen of it.
    """

    what: str
    at: int
    within_s: float = NEXT_ALERT_S
    since: int | None = None
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def within_us(self) -> int:
        """``within_s`` in the unit of the instants."""
        return round(self.within_s * SECOND_US)

    @property
    def began(self) -> int:
        """An alert that was due later than this (µs UTC) may be late by this fault."""
        return self.at - round(NOTICED_S * SECOND_US) if self.since is None else self.since


@dataclass(slots=True)
class Waits:
    """How long alerts took that a fault may have held up, in seconds.

    ``after`` has those whose reading left after it, from that reading on; ``through`` those whose reading had left and
    that it held up, from the fault's instant on; ``never`` counts those that never came.
    """

    fault: Fault
    after: list[float] = field(default_factory=list)
    through: list[float] = field(default_factory=list)
    never: int = 0


@dataclass(slots=True)
class Account:
    """Everything that is known once all has settled.

    ``sent`` and ``logged`` are by device, in the order of sending and of the log (repeats included); ``stored`` are
    the rows of the database; ``heard`` and ``kept`` the changes on the socket and in the database, repeats included.
    ``gaps`` counts connections on which the gateway could not promise that nothing was missed.
    """

    sent: Mapping[UUID, Sequence[Sent]]
    logged: Mapping[UUID, Sequence[Identity]]
    stored: Sequence[Identity]
    crossings: Sequence[Crossing] = ()
    heard: Sequence[Told] = ()
    kept: Sequence[Told] = ()
    faults: Sequence[Fault] = ()
    rejected: int = 0
    gaps: int = 0


@dataclass(slots=True)
class Finding:
    """``figures`` as printed, ``differences`` a line each."""

    figures: dict[str, Any] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def none_of(self, what: str, found: Iterable[object]) -> int:
        """Note a difference unless there is nothing of this kind; returns how many there are."""
        lines = sorted(str(each) for each in found)
        if lines:
            more = ", ..." if len(lines) > SHOWN_MAX else ""
            self.differences.append(f"{what}: {len(lines)} ({', '.join(lines[:SHOWN_MAX])}{more})")
        return len(lines)


def judge(account: Account, *, repeats_max: int) -> Finding:
    """Compare everything with everything; ``repeats_max`` is how many repeats the log may hold."""
    finding = Finding()
    _readings(account, finding, repeats_max)
    _alerts(account, finding)
    _faults(account, finding)
    return finding


def repeats(account: Account) -> int:
    """How many readings the log holds beyond the first of each."""
    return sum(len(rows) - len(set(rows)) for rows in account.logged.values())


def reordered(sent: Sequence[Identity], logged: Sequence[Identity]) -> list[Identity]:
    """Readings whose first place in the log lies behind that of one sent after them."""
    place = {identity: number for number, identity in enumerate(sent)}
    found, furthest = [], -1
    for identity in dict.fromkeys(logged):
        if identity not in place:
            continue
        if place[identity] < furthest:
            found.append(identity)
        furthest = max(furthest, place[identity])
    return found


def delays_ms(account: Account, since: int = 0, until: int | None = None) -> list[float]:
    """Intended sending to the arrival of the opening, for crossings in [since, until) (µs UTC), in their order."""
    first = _first_openings(account.heard)
    return [
        (first[each.alert] - each.at) / 1000
        for each in account.crossings
        if each.alert in first and since <= each.at and (until is None or each.at < until)
    ]


def next_alerts(crossings: Iterable[Crossing], heard: Sequence[Told], fault: Fault) -> dict[int, float | None]:
    """Seconds from a fault until the first opening of a crossing sent after it, by partition; None: never."""
    first = _first_openings(heard)
    crossings = list(crossings)
    found: dict[int, float | None] = {each.partition: None for each in crossings}
    for each in crossings:
        if each.at < fault.at or each.alert not in first:
            continue
        after = (first[each.alert] - fault.at) / SECOND_US
        known = found[each.partition]
        found[each.partition] = after if known is None else min(known, after)
    return found


def waits(crossings: Iterable[Crossing], heard: Sequence[Told], faults: Sequence[Fault]) -> list[Waits]:
    """Every crossing's wait, with the last fault that may have held it up, in the order of the faults.

    One fast alert proves little: behind it, or in the same partition, others may still stand. Whoever was already late
    when a fault began stays with the fault before, so that no kill excuses the kill before it.
    """
    first = _first_openings(heard)
    found = [Waits(fault) for fault in sorted(faults, key=lambda one: one.at)]
    for each in crossings:
        arrived = first.get(each.alert)
        whose, start, due = None, 0, 0
        for one in found:
            fault = one.fault
            if fault.at <= each.at:
                whose, start = one, each.at
            elif whose is not None and fault.since is not None and due < fault.since:
                break
            elif arrived is None or arrived > (fault.at if whose is None or arrived <= due else fault.began):
                whose, start = one, fault.at
            due = start if whose is None else start + whose.fault.within_us
        if whose is not None and arrived is None:
            whose.never += 1
        elif whose is not None and arrived is not None:
            seconds = (arrived - start) / SECOND_US
            (whose.after if whose.fault.at <= each.at else whose.through).append(seconds)
    return found


def digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of an alert's JSON in canonical form: two of them are equal where everything in them is."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(alert: Alert) -> str:
    """The digest of a whole alert."""
    return digest(alert.model_dump(mode="json"))


def _first_openings(told: Sequence[Told]) -> dict[UUID, int]:
    found: dict[UUID, int] = {}
    for each in told:
        if each.change == "open":
            found[each.alert] = min(each.at, found.get(each.alert, each.at))
    return found


def _readings(account: Account, finding: Finding, repeats_max: int) -> None:
    sent = [each for device in account.sent.values() for each in device]
    known = {each.identity for each in sent}
    acknowledged = {each.identity for each in sent if each.acknowledged}
    logged = {identity for rows in account.logged.values() for identity in rows}
    stored = Counter(account.stored)
    again = repeats(account)
    finding.figures |= {
        "sent": len(sent),
        "acknowledged": len(acknowledged),
        "in_log": len(logged),
        "in_database": len(stored),
        "repeats_in_log": again,
        "rejected": account.rejected,
    }
    figures = finding.figures
    if not sent:
        finding.differences.append("nothing was sent: the verdict says nothing")
    finding.none_of("sent twice by the drill itself", (each for each, n in _counted(sent).items() if n > 1))
    finding.none_of("never acknowledged to the device", known - acknowledged)
    figures["lost"] = finding.none_of("acknowledged and not in the log", acknowledged - logged)
    figures["lost"] += finding.none_of("in the log and not in the database", logged - stored.keys())
    figures["doubled"] = finding.none_of("twice in the database", (each for each, n in stored.items() if n > 1))
    finding.none_of("in the log, but never sent", logged - known)
    finding.none_of("in the database, but not in the log", stored.keys() - logged)
    out_of_order = [
        each
        for device, readings in account.sent.items()
        for each in reordered([one.identity for one in readings], account.logged.get(device, ()))
    ]
    figures["reordered"] = finding.none_of("out of their device's order in the log", out_of_order)
    if again > repeats_max:
        finding.differences.append(f"repeats in the log: {again}, expected at most {repeats_max}")
    if account.rejected:
        finding.differences.append(f"rejected: {account.rejected}, expected 0")


def _counted(sent: Sequence[Sent]) -> Counter[Identity]:
    return Counter(each.identity for each in sent)


def _alerts(account: Account, finding: Finding) -> None:
    finding.figures["crossings"] = len(account.crossings)
    finding.figures["changes_on_socket"] = len(account.heard)
    finding.figures["changes_in_database"] = len(account.kept)
    finding.none_of("two crossings of one alert", _twice(each.alert for each in account.crossings))
    _once(account.crossings, account.heard, "on the socket", finding)
    _once(account.crossings, account.kept, "in the database", finding)
    heard, kept = ({(each.alert, each.version): each for each in told} for told in (account.heard, account.kept))
    finding.none_of("changes only on the socket", (_line(heard[key]) for key in heard.keys() - kept.keys()))
    finding.none_of("changes only in the database", (_line(kept[key]) for key in kept.keys() - heard.keys()))
    both = heard.keys() & kept.keys()
    finding.figures["bodies_compared"] = sum(bool(heard[key].digest and kept[key].digest) for key in both)
    other = [_line(heard[key]) for key in both if not same(heard[key], kept[key])]
    finding.none_of("changes that are not the same on the socket and in the database", other)
    if account.gaps:
        finding.differences.append(f"connections that missed something: {account.gaps}, expected 0")


def _once(crossings: Sequence[Crossing], told: Sequence[Told], where: str, finding: Finding) -> None:
    """Every crossing's alert opens once and, where that was sent, clears once; nothing else opens; no change twice."""
    wanted = {"open": {each.alert for each in crossings}, "clear": {each.alert for each in crossings if each.clears}}
    for change, alerts in wanted.items():
        found = Counter(each.alert for each in told if each.change == change)
        finding.none_of(f"alerts without their {change} {where}", alerts - found.keys())
        finding.none_of(f"alerts with more than one {change} {where}", (each for each, n in found.items() if n > 1))
        finding.none_of(f"{change} of an alert that no crossing explains {where}", found.keys() - alerts)
    finding.none_of(f"changes twice {where}", _twice((each.alert, each.version) for each in told))
    opens = {each.alert: (each.level, each.priority) for each in crossings}
    known = [each for each in told if each.change == "open" and each.alert in opens and each.level is not None]
    wrong = (each for each in known if (each.level, each.priority) != opens[each.alert])
    lines = (f"{each.alert} with level {each.level}, {each.priority}" for each in wrong)
    finding.none_of(f"alerts that open with another level or priority {where}", lines)


def same(one: Told, other: Told) -> bool:
    """Whether two records tell of the same change of the same alert, whenever it arrived."""
    return one._replace(at=0) == other._replace(at=0)


def _twice(values: Iterable[object]) -> list[object]:
    return [each for each, count in Counter(values).items() if count > 1]


def _line(told: Told) -> str:
    return f"{told.change} of {told.alert} version {told.version[0]}.{told.version[1]}"


def _faults(account: Account, finding: Finding) -> None:
    told = finding.figures["next_alert_s"] = {}
    listed = finding.figures["faults"] = []
    began = min((one.identity.observed_at for sent in account.sent.values() for one in sent), default=None)
    for wait in waits(account.crossings, account.heard, account.faults):
        fault = wait.fault
        found = next_alerts(account.crossings, account.heard, fault)
        never = [partition for partition, seconds in found.items() if seconds is None]
        worst = max((seconds for seconds in found.values() if seconds is not None), default=None)
        told[fault.what] = None if worst is None or never else round(worst, 2)
        listed.append(_told(wait, began) | {"next_alert_s": told[fault.what]} | fault.told)
        if never or worst is None:
            where = ", ".join(str(each) for each in never) or "any"
            finding.differences.append(f"{fault.what}: no alert came after it in partition {where}")
        elif worst > fault.within_s:
            finding.differences.append(
                f"{fault.what}: the next right alert after {worst:.1f} s, expected at most {fault.within_s:g} s"
            )
        _late(wait, finding)


def _told(wait: Waits, began: int | None) -> dict[str, Any]:
    """A fault for the verdict: when it was, by the clock and by the load's, and how long alerts took after it."""
    fault = wait.fault
    return {
        "what": fault.what,
        "at": datetime.fromtimestamp(fault.at / SECOND_US, UTC).isoformat(timespec="milliseconds"),
        "at_s": None if began is None else round((fault.at - began) / SECOND_US, 2),
        "lasted_s": None if fault.since is None else round((fault.at - fault.since) / SECOND_US, 2),
        "within_s": fault.within_s,
        "alerts_after": len(wait.after),
        "slowest_after_s": _slowest(wait.after),
        "alerts_through": len(wait.through),
        "last_through_s": _slowest(wait.through),
        "alerts_never": wait.never,
    }


def _slowest(seconds: Sequence[float]) -> float | None:
    return round(max(seconds), 2) if seconds else None


def _late(wait: Waits, finding: Finding) -> None:
    """Those that never came are named where alerts are counted."""
    what, most = wait.fault.what, wait.fault.within_s
    for found, which in ((wait.after, "their reading, sent after it"), (wait.through, "it, which held them up")):
        if late := [seconds for seconds in found if seconds > most]:
            counted = f"{len(late)} of {len(found)} alerts later than {most:g} s after {which}"
            finding.differences.append(f"{what}: {counted}; the last after {max(late):.1f} s")
