"""Vigil's own JSON: one reading, a list of readings, or ``{"device": ..., "readings": [...]}``.

The format's contract is ``docs/wire-format.md``. Each element of a batch stands alone: one that is wrong does
not cost its neighbours, even where it makes the whole text no strict JSON (NaN, Infinity, 1e999).
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from math import inf, isfinite
from typing import Any

import msgspec

from vitals.codecs import PAYLOAD_BYTES_MAX, READINGS_MAX, Item, Parsed, Reason, Rejected
from vitals.metrics import METRIC_BY_NAME, Metric
from vitals.readings import OBSERVED_MAX_US, OBSERVED_MIN_US, Flag
from vitals.units import UNIT_BY_NAME, UNIT_NAME, Unit

_DECODER = msgspec.json.Decoder()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):\d\d(?::\d\d)?)(?:[.,](\d{1,18}))?([Zz]|[+-]\d\d:?\d\d)", re.ASCII
)
_INT64_MAX = 2**63 - 1
_INTEGER_DIGITS_MAX = 64
_SHOWN_CHARACTERS_MAX = 48
_PLAIN_FIELDS = 5
_EXACT = 2**53
_CENSORED = {"LOW": int(Flag.CENSORED_LOW), "HIGH": int(Flag.CENSORED_HIGH)}
_MARKS = (
    ("backfill", int(Flag.BACKFILL)),
    ("control_solution", int(Flag.CONTROL_SOLUTION)),
    ("artefact", int(Flag.ARTEFACT)),
)


class _Unusable(Exception):
    """What is wrong with one element, on its way to a `Rejected`; never seen outside."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason: Reason = reason
        self.detail = detail


def decode(payload: bytes) -> list[Item]:
    """The readings of a payload in their order, at least one item; never raises, whatever the bytes."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        return [Rejected(None, "too_large", f"{len(payload)} bytes; at most {PAYLOAD_BYTES_MAX}, send smaller batches")]
    try:
        data = _DECODER.decode(payload)
    except (ValueError, RecursionError):
        try:
            data = _lenient(payload)
        except (ValueError, RecursionError) as error:
            return [Rejected(None, "malformed", f"not JSON: {_line(str(error))}; send UTF-8 JSON")]
    if type(data) is dict:
        if "readings" in data:
            return _batch(data["readings"], data.get("device"))
        return [_item(0, data, None)]
    return _batch(data, None)


def _lenient(payload: bytes) -> Any:
    """What Python's own parser makes of it: NaN, Infinity and numbers beyond a float, for `_item` to reject."""
    return json.loads(payload.decode("utf-8-sig"), parse_int=_integer)


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _INTEGER_DIGITS_MAX else inf


def _batch(elements: Any, device: Any) -> list[Item]:
    if type(elements) is not list:
        return [Rejected(None, "malformed", f"readings are {_shown(elements)}; send an object or a list of objects")]
    if not elements:
        return [Rejected(None, "malformed", "a batch without readings; send at least one")]
    if len(elements) > READINGS_MAX:
        return [Rejected(None, "too_many", f"{len(elements)} readings; at most {READINGS_MAX}, send smaller batches")]
    return [_item(place, element, device) for place, element in enumerate(elements)]


def _item(place: int, element: Any, batch_device: Any) -> Item:
    return _plain(place, element, batch_device) or _any(place, element, batch_device)


def _plain(place: int, element: Any, device: Any) -> Parsed | None:
    """The reading that nearly all are: metric, number, unit, µs and counter, nothing else, all as they should be. None
    for every other element: `_any` decides about that one, and would say the same of this one, three times slower.
    """
    if type(element) is not dict or len(element) != _PLAIN_FIELDS or (device is not None and type(device) is not str):
        return None
    get = element.get
    name, value, unit, at, seq = get("metric"), get("value"), get("unit"), get("observed_at"), get("seq")
    if type(name) is not str or type(unit) is not str or type(at) is not int or type(seq) is not int:
        return None
    metric, known = METRIC_BY_NAME.get(name), UNIT_BY_NAME.get(unit)
    if metric is None or known not in metric.units or seq < 0 or not OBSERVED_MIN_US <= at <= OBSERVED_MAX_US:
        return None
    if type(value) is int and -_EXACT <= value <= _EXACT:
        value = float(value)
    elif type(value) is not float or not isfinite(value):
        return None
    return Parsed(place, metric, value, known, at, seq & 0xFFFF, 0, device)


def _any(place: int, element: Any, batch_device: Any) -> Item:
    try:
        get = _object(element).get
        device = _device(get("device"), batch_device)
        metric = _metric(get("metric"))
        unit = _unit(get("unit"), metric)
        flags = _flags(element)
        value, flags = _value(get("value"), flags)
        return Parsed(place, metric, value, unit, _timestamp(get("observed_at")), _seq(get("seq", 0)), flags, device)
    except _Unusable as unusable:
        return Rejected(place, unusable.reason, unusable.detail)


def _object(element: Any) -> dict[str, Any]:
    if type(element) is not dict:
        raise _Unusable("malformed", f"a reading is {_shown(element)}; send an object")
    return element


def _seq(seq: Any) -> int:
    if type(seq) is not int or seq < 0:
        raise _Unusable("malformed", f"seq is {_shown(seq)}; send a whole number from 0 on, or leave it out")
    return seq & 0xFFFF


def _device(own: Any, batch: Any) -> str | None:
    device = batch if own is None else own
    if device is None:
        return None
    if type(device) is not str:
        raise _Unusable("malformed", f"device is {_shown(device)}; send its name or leave it out")
    if batch is not None and device != batch:
        raise _Unusable("device_mismatch", f"device {_shown(own)} in a batch of {_shown(batch)}; send batches apart")
    return device


def _metric(name: Any) -> Metric:
    metric = METRIC_BY_NAME.get(name) if type(name) is str else None
    if metric is None:
        raise _Unusable("unknown_metric", f"metric is {_shown(name)}; send one of {', '.join(METRIC_BY_NAME)}")
    return metric


def _unit(name: Any, metric: Metric) -> Unit:
    if name is None:
        return metric.unit
    unit = UNIT_BY_NAME.get(name) if type(name) is str else None
    if unit is None or unit not in metric.units:
        known = ", ".join(UNIT_NAME[each] for each in metric.units)
        raise _Unusable("unknown_unit", f"unit of {metric.name} is {_shown(name)}; send one of {known}")
    return unit


def _flags(element: dict[str, Any]) -> int:
    flags = 0
    for name, flag in _MARKS:
        if name in element and _truth(name, element[name]):
            flags |= flag
    if "contact" in element and not _truth("contact", element["contact"]):
        flags |= Flag.CONTACT_LOST
    return int(flags)


def _truth(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise _Unusable("malformed", f"{name} is {_shown(value)}; send true, false or leave it out")
    return value


def _value(value: Any, flags: int) -> tuple[float | None, int]:
    """The number, or None with the flag that says why there is none. A boolean is no number."""
    if type(value) is float or type(value) is int:
        number = _float(value)
        if isfinite(number):
            return number, flags
    elif type(value) is str and (censored := _CENSORED.get(value.upper())):
        return None, flags | censored
    elif value is None and flags & Flag.CONTACT_LOST:
        return None, flags
    raise _Unusable("not_a_number", f'value is {_shown(value)}; send a finite JSON number, "LOW" or "HIGH"')


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf


def _timestamp(value: Any) -> int:
    """µs UTC within the calendar, of a value that says a time."""
    at = _instant(value)
    if not OBSERVED_MIN_US <= at <= OBSERVED_MAX_US:
        raise _Unusable("bad_timestamp", f"observed_at is {_shown(value)}, beyond the years 1 to 9999; set the clock")
    return at


def _instant(value: Any) -> int:
    """µs UTC of an integer (µs) or of an RFC 3339 text with its offset; digits beyond a µs are cut off."""
    if type(value) is str and (match := _TIMESTAMP.fullmatch(value)):
        date, fraction, zone = match.groups()
        try:
            moment = datetime.fromisoformat(date + ("+00:00" if zone in "Zz" else zone))
        except ValueError as error:
            raise _Unusable("bad_timestamp", f"observed_at is {_shown(value)}: {_line(str(error))}") from None
        since = moment - _EPOCH
        whole = (since.days * 86_400 + since.seconds) * 1_000_000
        return whole + int(fraction[:6].ljust(6, "0")) if fraction else whole
    if type(value) is int and -_INT64_MAX <= value <= _INT64_MAX:
        return value
    remedy = "send RFC 3339 with an offset, such as 2023-11-06T00:01:00Z, or whole microseconds UTC"
    raise _Unusable("bad_timestamp", f"observed_at is {_shown(value)}; {remedy}")


def _shown(value: Any) -> str:
    """A received value in a message: its JSON kind, or the start of its text, in plain ASCII."""
    if value is None:
        return "missing"
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    text = ascii(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}..."


def _line(text: str) -> str:
    return ascii(text)[1:-1][:120]
