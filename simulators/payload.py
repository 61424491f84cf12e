"""What devices of the ward send: readings as Vigil's JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.ward import Due
from vitals.metrics import METRIC_BY_CODE
from vitals.units import UNIT_NAME

_HEAD = {
    code: f'{{"metric":"{metric.name}","unit":"{UNIT_NAME[metric.unit]}","value":'
    for code, metric in METRIC_BY_CODE.items()
}


def readings(due: Due) -> list[str]:
    """Each reading as a JSON object, in the order of ``due``."""
    columns = (due.metric.tolist(), due.at.tolist(), due.value.tolist())
    return [f'{_HEAD[code]}{value:g},"observed_at":{at}}}' for code, at, value in zip(*columns, strict=True)]


def batch(elements: Sequence[str]) -> str:
    """Several readings of one device as one payload."""
    return f"[{','.join(elements)}]"
