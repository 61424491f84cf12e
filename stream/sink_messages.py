"""What the sink makes of the log's messages: alerts, rejections, devices, sites and patients; pure.

PostgreSQL's text holds no NUL, and its calendar ends: both are mended here, so that no message from outside can
stop the sink. What is no message of its topic at all is `Broken`.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from pydantic import ValidationError

from stream.sink import Broken
from vitals import alerts, causes, readings
from vitals import control as control_records
from vitals.alerts import Alert, Answer, FeedMark, Service, Shelf
from vitals.control import PatientControl
from vitals.devices import Device, Site
from vitals.errors import StateError
from vitals.proof import RULE, is_proof
from vitals.readings import OBSERVED_MAX_US, OBSERVED_MIN_US, READING
from vitals.steps import Headers, Records
from vitals.topics import CONTROL_HEADER, MARK_KEY, TICK_KEY

_ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
KINDS = frozenset(str(each.model_fields["kind"].default) for each in (Alert, Answer, FeedMark, Service, Shelf))
"""Kinds of messages of ``alerts.feed`` that this version knows."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Change(NamedTuple):
    """One change of an alert; its version is the cause of the record."""

    partition: int
    version: tuple[int, int]
    alert: Alert
    body: str
    """The whole alert as JSON that PostgreSQL takes."""


class Aside(NamedTuple):
    """A shelf or a time out of service at its begin, change or end; its version is the cause of the record."""

    partition: int
    version: tuple[int, int]
    what: Shelf | Service
    body: str


class Rejected(NamedTuple):
    """One record of ``vitals.rejected``; what a header does not say is None."""

    partition: int
    offset: int
    received_at: int | None
    device: str | None
    topic: str
    reason: str
    detail: str
    length: int | None
    digest: str | None
    payload: bytes
    source: str | None


class DeviceVersion(NamedTuple):
    """A device as written at an offset of ``registry.bindings``."""

    offset: int
    device: Device
    body: str


class Patient(NamedTuple):
    """A patient as the latest record of them, or of one of their devices, knows them."""

    offset: int
    id: UUID
    label: str
    site: int
    bed: str = ""
    control: str | None = None
    """The whole control record as JSON; None where only a device's record told of the patient."""


class PolicyVersion(NamedTuple):
    """A policy of a patient as the log of readings first holds it; ``from_at`` is the time there, µs UTC."""

    partition: int
    offset: int
    patient: UUID
    version: int
    from_at: int
    body: str


class Registered(NamedTuple):
    """The latest of everything in a stretch of ``registry.bindings``, by id or number."""

    sites: dict[int, tuple[int, Site]]
    devices: dict[UUID, DeviceVersion]
    patients: dict[UUID, Patient]


def read_feed(polls: Iterable[Records]) -> tuple[list[Change], list[Aside], list[Broken]]:
    """The changes of alerts, and of shelves and services, in records of ``alerts.feed`` in log order.

    Marks and answers change none, alarms of proof are nobody's, and kinds to come are for a Vigil to come.
    """
    changes: list[Change] = []
    set_aside: list[Aside] = []
    broken: list[Broken] = []
    for records in polls:
        for offset, key, value, headers in zip(
            records.offsets, records.keys, records.values, records.headers, strict=True
        ):
            if key == MARK_KEY:
                continue
            try:
                found = _of_feed(records.partition, value, headers)
            except (ValueError, TypeError, struct.error) as error:
                if not _is_to_come(value):
                    broken.append(Broken(records.topic, records.partition, offset, _line(error)))
                continue
            if isinstance(found, Change):
                changes.append(found)
            elif found is not None:
                set_aside.append(found)
    return changes, set_aside, broken


def _of_feed(partition: int, value: bytes, headers: Headers) -> Change | Aside | None:
    message = alerts.decode(value)
    if not isinstance(message, Alert | Shelf | Service):
        return None
    offset, ordinal = causes.of_headers(headers) or message.version
    _fits(message.site, ordinal, bits=31)
    _fits(offset, bits=63)
    if not isinstance(message, Alert):
        return Aside(partition, (offset, ordinal), message, _body(message.encode()))
    _fits(message.level, bits=31)
    change = Change(partition, (offset, ordinal), message, _body(message.encode()))
    return None if message.rule == RULE else change


def _is_to_come(value: bytes | None) -> bool:
    """Whether a record is a message of a kind that this version does not know."""
    try:
        kind = json.loads(value or b"").get("kind")
    except (ValueError, AttributeError, RecursionError):
        return False
    return isinstance(kind, str) and kind not in KINDS


def _fits(*numbers: int, bits: int) -> None:
    if not all(-(1 << bits) <= number < 1 << bits for number in numbers):
        what = f"a number beyond {bits + 1} bits"
        raise ValueError(what)


def latest_alerts(changes: Iterable[Change]) -> list[Change]:
    """Of each alert its change with the highest version, ordered by id."""
    latest: dict[UUID, Change] = {}
    for change in changes:
        known = latest.get(change.alert.id)
        if known is None or change.version > known.version:
            latest[change.alert.id] = change
    return [latest[key] for key in sorted(latest)]


def read_policies(polls: Iterable[Records], clocks: dict[int, int]) -> list[PolicyVersion]:
    """The policies in control records of ``vitals.readings``, of each version the first record.

    A policy holds from its place in the log on. What time it is there says the tick before it, which ``clocks``
    carries from one poll to the next (partition -> µs); without one, the next tick, or the record's own timestamp.
    What is no control record that this version reads is the processor's to judge.
    """
    found: dict[tuple[UUID, int], PolicyVersion] = {}
    for records in polls:
        for place, headers in enumerate(records.headers):
            if not headers or not any(name == CONTROL_HEADER for name, _ in headers):
                continue
            try:
                control = control_records.decode(records.values[place])
                if not isinstance(control, PatientControl) or is_proof(control.label):
                    continue
                _fits(control.policy.version, bits=31)
            except (ValueError, StateError):
                continue
            version, body = control.policy.version, _body(control.policy.encode())
            at = clamp(_time_at(records, place, clocks))
            policy = PolicyVersion(
                records.partition, records.offsets[place], control.patient, version, at, body
            )  # fmt: skip
            found.setdefault((control.patient, version), policy)
        last = _tick(records, range(len(records.keys) - 1, -1, -1))
        if last is not None:
            clocks[records.partition] = last
    return list(found.values())


def _time_at(records: Records, place: int, clocks: dict[int, int]) -> int:
    """What time it is at a place in the log, µs UTC."""
    before = _tick(records, range(place - 1, -1, -1))
    at = before if before is not None else clocks.get(records.partition)
    if at is None:
        at = _tick(records, range(place + 1, len(records.keys)))
    if at is None:
        at = records.timestamps[place] * 1000 if records.timestamps else OBSERVED_MIN_US
    return at


def _tick(records: Records, places: Iterable[int]) -> int | None:
    """The time of the first tick among some places, the newest of its sites."""
    for place in places:
        value = records.values[place]
        if records.keys[place] == TICK_KEY and value and len(value) % READING.itemsize == 0:
            return int(readings.decode([value])["observed_at"].max())
    return None


def read_rejected(polls: Iterable[Records]) -> list[Rejected]:
    """Every record of ``vitals.rejected``; any bytes are one, for what is wrong with them is why they are there."""
    return [
        _rejected(records.partition, offset, key, value, dict(headers))
        for records in polls
        for offset, key, value, headers in zip(
            records.offsets, records.keys, records.values, records.headers, strict=True
        )
    ]


def _rejected(partition: int, offset: int, key: bytes | None, value: bytes | None, said: dict[str, bytes]) -> Rejected:
    return Rejected(
        partition,
        offset,
        _clamped(_number(said.get("received_at"))),
        _text(key),
        _text(said.get("topic")) or "",
        _text(said.get("reason")) or "unknown",
        _text(said.get("detail")) or "",
        _number(said.get("length")),
        _text(said.get("digest")),
        value or b"",
        _text(said.get("source")),
    )


def read_bindings(polls: Iterable[Records]) -> tuple[Registered, list[Broken]]:
    """The latest site, device and patient records in ``registry.bindings``, and what cannot be read.

    Records under keys of another kind are for a Vigil to come, and passed over.
    """
    found = Registered({}, {}, {})
    broken: list[Broken] = []
    for records in polls:
        for offset, key, value in zip(records.offsets, records.keys, records.values, strict=True):
            if not value:
                continue
            try:
                _register(found, offset, key or b"", value)
            except ValueError as error:
                broken.append(Broken(records.topic, records.partition, offset, _line(error)))
    return found, broken


def _register(found: Registered, offset: int, key: bytes, value: bytes) -> None:
    kind, separator, _ = key.partition(b":")
    if kind == b"site":
        site = Site.model_validate_json(value)
        found.sites[site.number] = offset, site
    elif kind == b"device":
        device = Device.model_validate_json(value)
        _fits(device.site, bits=31)
        found.devices[device.id] = DeviceVersion(offset, device, _body(device.encode()))
        for binding in device.bindings:
            known = found.patients.get(binding.patient, Patient(0, binding.patient, "", 0))
            found.patients[binding.patient] = known._replace(offset=offset, label=binding.label, site=device.site)
    elif kind == b"patient":
        control = PatientControl.model_validate_json(value)
        _fits(control.site, bits=31)
        found.patients[control.patient] = Patient(
            offset, control.patient, control.label, control.site, control.bed, _body(control.encode())
        )
    elif not separator:
        what = f"key {key[:64]!r} says no kind"
        raise ValueError(what)


def _body(encoded: bytes) -> str:
    """JSON without an escaped NUL, which ``jsonb`` refuses."""
    return _ESCAPED_NUL.sub(rb"\1\\ufffd", encoded).decode()


def _text(data: bytes | None) -> str | None:
    return None if data is None else clean(data.decode(errors="replace"))


def clean(text: str) -> str:
    """Text as PostgreSQL takes it: a NUL becomes the replacement character."""
    return text.replace("\0", REPLACEMENT)


def _number(data: bytes | None) -> int | None:
    try:
        number = None if data is None else int(data)
    except ValueError:
        return None
    return number if number is not None and abs(number) < 1 << 63 else None


def _clamped(at_us: int | None) -> int | None:
    return None if at_us is None else clamp(at_us)


def clamp(at_us: int) -> int:
    """A time (µs UTC) moved into the years 1 to 9999; for times of messages, whose JSON keeps what was said."""
    return min(max(at_us, OBSERVED_MIN_US), OBSERVED_MAX_US)


def _line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'value'}: {fault['msg']}" for fault in error.errors()[:3]]
        return "; ".join(faults)
    return " ".join(str(error).split())
