"""What devices of the ward send: readings as Vigil's JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.ward import MOTION, NO_CONTACT, Due
from vitals.metrics import GLUCOSE, METRIC_BY_CODE
from vitals.units import UNIT_NAME

LOW, HIGH = 40, 400
"""The range of a ward's glucose sensor (its device type's), mg/dL; beyond it devices send a word."""
_HEAD = {
    code: f'{{"metric":"{metric.name}","unit":"{UNIT_NAME[metric.unit]}",' for code, metric in METRIC_BY_CODE.items()
}
_MARK = {0: "", MOTION: ',"artefact":true'}


def readings(due: Due) -> list[str]:
    """Each reading as a JSON object, in the order of ``due``."""
    columns = (due.metric.tolist(), due.at.tolist(), due.value.tolist(), due.sequence.tolist(), due.marks.tolist())
    return [
        f'{_HEAD[code]}{_value(code, value, mark)},"observed_at":{at},"seq":{sequence}}}'
        for code, at, value, sequence, mark in zip(*columns, strict=True)
    ]


def batch(elements: Sequence[str]) -> str:
    """Several readings of one device as one payload."""
    return f"[{','.join(elements)}]"


def _value(code: int, value: float, mark: int) -> str:
    if mark == NO_CONTACT:
        return '"contact":false'
    if code == GLUCOSE.code and not LOW <= value <= HIGH:
        return '"value":"LOW"' if value < LOW else '"value":"HIGH"'
    return f'"value":{value:g}{_MARK[mark]}'
