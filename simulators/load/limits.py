"""What bounds a run: the part of the flow that its figures point at, with sentences that say why. Pure.

An alert's way is cut into hops, each from the moment the one before had it. The hop in which the slowest alerts spend
most of their time is where one looks first; a process near a whole core, or a backlog that grows, says the same of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from vitals.messages import Message

Part = Literal["offer", "broker", "bridge", "processor", "manager", "gateway", "store"]
HOPS: tuple[Part, ...] = ("offer", "broker", "bridge", "processor", "manager", "gateway")
"""Parts on an alert's way, in its order; the store is on none."""
LABELS: Mapping[Part, str] = {
    "offer": "the devices themselves, from the intended time to the socket's write",
    "broker": "the broker, from the device's write to the bridge's read",
    "bridge": "the bridge, from its read to the row in the log",
    "processor": "the processor, from the row to the episode in the journal",
    "manager": "the manager, from the episode to the alert in the feed's log",
    "gateway": "the gateway, from the feed's log to the client's socket",
    "store": "the sink and its database",
}
PROGRAMS: Mapping[Part, tuple[str, ...]] = {
    "offer": ("workers",),
    "broker": ("broker",),
    "bridge": ("bridge",),
    "processor": ("process",),
    "manager": ("manage",),
    "gateway": ("gateway",),
    "store": ("sink", "database"),
}
"""Which processes are which part."""
BUSY = 0.85
"""A single-threaded process with more than this share of a core has no room."""
OFFER_LATE_MS = 50.0
GROWTH = 0.05
"""A backlog that grows by more than this share of what is offered is no wave."""
MACHINE_BUSY = 0.75
OTHERS = "others"


class Measured(Message):
    """What the verdict is made of. ``tail_ms`` is how long the slowest hundredth of the alerts spent in each hop, on
    average; ``busy`` the share of a core of each process; ``growth`` how much each part's backlog grew, in readings
    (or alerts) per second; ``offered_hz`` what was planned, ``sent_hz`` what the devices gave away, what waits for
    PUBACKs of others included.
    """

    offered_hz: float
    sent_hz: float
    late_p99_ms: float | None
    """p99 from the intended time to the write."""
    alert_p99_ms: float | None
    tail_ms: dict[Part, float]
    busy: dict[str, float]
    growth: dict[Part, float]
    cores: int
    machine_busy: float
    """Share of all cores, of all processes of the machine."""


class Limit(Message):
    """The verdict: ``part`` is what limits first, None where nothing does; ``evidence`` in sentences."""

    part: Part | None
    sentence: str
    evidence: tuple[str, ...]


def verdict(found: Measured, *, p99_ms_max: float) -> Limit:
    """What bounds, of a run whose alerts should be on the socket within ``p99_ms_max`` ms at p99."""
    evidence = [*_hops(found), *_busy(found), *_growth(found), *_machine(found)]
    slow = found.alert_p99_ms is not None and found.alert_p99_ms > p99_ms_max
    part, why = _part(found, slow=slow)
    if part is None:
        p99 = "no alert was measured" if found.alert_p99_ms is None else f"p99 is {found.alert_p99_ms:.0f} ms"
        sentence = f"Nothing limits at {found.offered_hz:.0f} readings a second: {p99}, and no backlog grows."
    else:
        sentence = f"The first limit is the {part}: {why}."
    return Limit(part=part, sentence=sentence, evidence=tuple(evidence))


def _part(found: Measured, *, slow: bool) -> tuple[Part | None, str]:
    late = found.late_p99_ms or 0.0
    if found.sent_hz < (1 - GROWTH) * found.offered_hz:
        return "offer", f"{found.sent_hz:.0f} of {found.offered_hz:.0f} readings a second left the devices"
    growing = [part for part in HOPS if _grows(found, part)]
    if growing:
        part = max(growing, key=lambda each: found.growth[each])
        return part, f"what waits for it grows by {found.growth[part]:.0f} a second"
    if slow and found.tail_ms:
        return _slowest(found)
    if slow and late > OFFER_LATE_MS:
        return "offer", f"the devices send {late:.0f} ms late at p99"
    if _grows(found, "store"):
        return "store", f"what waits for it grows by {found.growth['store']:.0f} a second; no alert waits for it"
    return None, ""


def _slowest(found: Measured) -> tuple[Part, str]:
    """Where the slowest alerts spend most of their time."""
    part = max(found.tail_ms, key=lambda each: found.tail_ms[each])
    spent, total = found.tail_ms[part], sum(found.tail_ms.values())
    of = f"{spent:.0f} of {total:.0f} ms"
    if part == "broker" and (busy := found.busy.get("bridge", 0.0)) > BUSY:
        # the broker's part ends with the bridge's read, so what waits for a full bridge is counted there
        return "bridge", f"it is at {busy:.0%} of its core, and the slowest alerts wait {of} to be read by it"
    share = spent / total if total else 0.0
    return part, f"the slowest alerts spend {of} there ({share:.0%})"


def _grows(found: Measured, part: Part) -> bool:
    return found.growth.get(part, 0.0) > max(1.0, GROWTH * found.offered_hz)


def _hops(found: Measured) -> Sequence[str]:
    parts = [f"{part} {found.tail_ms[part]:.0f} ms" for part in HOPS if part in found.tail_ms]
    return [f"The slowest hundredth of the alerts spend: {', '.join(parts)}."] if parts else []


def _busy(found: Measured) -> Sequence[str]:
    known = {name: share for name, share in found.busy.items() if name != OTHERS}
    top = sorted(known.items(), key=lambda each: -each[1])[:3]
    lines = [f"Most CPU: {', '.join(f'{name} {share:.0%}' for name, share in top)} of a core."] if top else []
    full = [
        f"{name} has no room left: {found.busy[name]:.0%} of the one core that it can use ({part})."
        for part, names in PROGRAMS.items()
        for name in names
        if found.busy.get(name, 0.0) > BUSY and name not in {"workers", "database"}
    ]
    return [*lines, *full]


def _growth(found: Measured) -> Sequence[str]:
    return [
        f"What waits for {LABELS[part]} grows by {found.growth[part]:.0f} a second."
        for part in (*HOPS, "store")
        if _grows(found, part)
    ]


def _machine(found: Measured) -> Sequence[str]:
    others = found.busy.get(OTHERS, 0.0)
    share = (
        f"{found.machine_busy:.0%} of the machine's {found.cores} cores were in use, devices and observer included, "
        f"{others:.0%} of one core by other programs"
    )
    return [f"{share}{'.' if found.machine_busy < MACHINE_BUSY else ': everything waits for a core, too.'}"]
