"""What the HTTP API answers, as models: their schemas are ``docs/schemas/openapi.json``. Times µs UTC."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from dashboards.tiles import Limits, Vital
from vitals.alerts import Alert, Service, Shelf
from vitals.messages import Message
from vitals.people import Role
from vitals.policies import Policy


class Problem(Message):
    """Every answer that is not 2xx: which error, what is wrong, and what to do about it."""

    error: str
    what: str
    do: str


class SessionOut(Message):
    """Who one is, and where the two sockets are."""

    name: str
    role: Role
    lead: bool
    sites: tuple[int, ...] | None
    """Site numbers in scope, null for every site."""
    feed_url: str
    live_url: str
    clock: Literal["real", "simulated"]
    simulated_patients: bool
    """Nobody is ill: a simulator plays the ward, on whatever clock."""
    version: str


class DeviceOut(Message):
    """A device on a patient from ``since`` to ``until`` (null: worn now)."""

    name: str
    type: str
    metrics: tuple[str, ...]
    since: int
    until: int | None


class PatientOut(Message):
    """A patient on the ward."""

    id: UUID
    label: str
    site: int
    site_name: str
    bed: str
    devices: tuple[DeviceOut, ...]
    latest: dict[str, Vital]
    limits: dict[str, Limits]


class PatientsOut(Message):
    """The patients in scope, by site, bed and label."""

    patients: tuple[PatientOut, ...]


class PatientDetail(PatientOut):
    """A patient with the whole policy, and whether its ``night`` is in force; ``service`` while out of service and
    ``shelves`` while rules are put aside, as the database knows them (``known`` false: it did not answer).
    """

    policy: Policy
    night: bool
    service: Service | None
    shelves: tuple[Shelf, ...]
    known: bool


class SeriesOut(Message):
    """A series, down-sampled: arrays of one length, one entry for each bucket that holds readings.

    ``t`` is where the bucket begins, for raw readings (``raw``, ``bucket_us`` 0) their event time. ``min``, ``max`` and
    ``last`` are null where all of ``n`` = 0 are invalid. ``flags``: 1 late, 2 below, 4 above the device's range (the
    value is its edge - 1, + 1), 8 invalid, 16 clock suspect, 32 warm-up. ``gaps``: spans without a valid reading.
    ``limits``: what held in the span, each from its time on to the next; empty for a metric without rules.
    """

    metric: str
    unit: str
    from_: int = Field(alias="from")
    to: int
    interval_us: int
    bucket_us: int
    raw: bool
    t: tuple[int, ...]
    min: tuple[float | None, ...]
    max: tuple[float | None, ...]
    last: tuple[float | None, ...]
    n: tuple[int, ...]
    flags: tuple[int, ...]
    gaps: tuple[tuple[int, int], ...]
    limits: tuple[tuple[int, Limits], ...]


class ChangeOut(Message):
    """One change of an alert, of a shelf or of a time out of service (``kind``). ``by`` is who did it, where that is
    said; ``text`` a note or a reason.

    ``change`` is the alert's; of a shelf *shelf* or *shelf_over*, of a time out of service *out_of_service* or
    *in_service*. These have no ``alert``, but ``until``: when they end by themselves, or ended.
    ``cursor`` is where this change stands: the ``before`` of those that came before it.
    """

    cursor: str
    version: tuple[int, int]
    kind: Literal["alert", "shelf", "service"] = "alert"
    alert: UUID | None = None
    change: str
    at: int
    announced: bool = False
    by: str | None
    text: str
    until: int | None = None
    patient: UUID | None
    label: str
    site: int
    device: str | None = None
    metric: str | None = None
    rule: str = ""
    category: str = ""
    level: int = 0
    priority: str = ""
    condition: str = ""
    response: str = ""
    value: float | None = None
    value_at: int | None = None
    unit: str = ""
    limit: float | None = None
    censored: str | None = None
    reason: str = ""
    escalation: int = 0
    closed: bool = False


class PatientAlertsOut(Message):
    """A patient's alerts in a span, whole as they are now, and the changes in it; oldest first, the newest of them."""

    alerts: tuple[Alert, ...]
    changes: tuple[ChangeOut, ...]
    more: bool
    """Whether there are older ones that did not fit."""


class AlertsOut(Message):
    """Changes, newest first; ``next`` is the ``before`` of the next page, null at the end."""

    changes: tuple[ChangeOut, ...]
    next: str | None


class ServiceOut(Message):
    """One service: does its process answer, does it do its work, and if not, why."""

    name: str
    alive: bool
    ready: bool
    reasons: dict[str, str]


class HopOut(Message):
    """One hop of the way of a reading: records a second over the last 30 s, records not yet taken, age of the newest
    record in ms (of logs that the dashboard does not read itself: since when none came, as seen at the looks), and how
    long it took in the last minute: the median and the 99th percentile in ms. ``why``: of what is null, the reason.
    """

    name: str
    per_second: float | None
    lag: int | None
    age_ms: int | None
    p50_ms: int | None
    p99_ms: int | None
    why: dict[str, str]


class PartitionOut(Message):
    """One partition of a log: its end, and how far it is stored."""

    topic: str
    partition: int
    end: int
    stored: int | None


class SystemOut(Message):
    """The pipeline as it is; what could not be asked is empty and in ``problems``."""

    at: int
    services: tuple[ServiceOut, ...]
    hops: tuple[HopOut, ...]
    partitions: tuple[PartitionOut, ...]
    rejected: dict[str, int]
    stored: dict[str, int]
    clients: dict[str, int]
    metrics: dict[str, dict[str, float]]
    """Counters and gauges of each service, by their Prometheus name with labels."""
    versions: dict[str, str]
    problems: tuple[str, ...]


def problem(error: str, what: str, do: str) -> dict[str, Any]:
    """The JSON of a `Problem`."""
    return Problem(error=error, what=what, do=do).model_dump()
