"""What the states of the steps hold, by version: a snapshot of yesterday must not be taken for one of today."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from alerts.manager import AlertManager
from ingest.registry import RegistryStep
from stream.processor import Processor
from tests.property.test_snapshots import STEPS
from vitals.codecs.state import decode
from vitals.snapshots import Format

KNOWN = {
    Format("processor", 2): "a1e6a9b918cb3db5",
    Format("manager", 2): "5eb212d9efbba7c9",
    Format("registry", 2): "15baec8c308fe7fd",
}
"""The digest of what a state of this version holds."""


def shape(value: Any) -> Any:
    """The names in a state and the kinds of its columns, without what they hold; of a list its longest kind."""
    if isinstance(value, dict):
        return {str(name): shape(each) for name, each in value.items()}
    if isinstance(value, np.ndarray):
        return f"{value.dtype.str} {value.ndim}"
    if isinstance(value, list):
        return max((json.dumps(shape(each)) for each in value), key=len, default="")
    return "plain"


@pytest.mark.parametrize("step", [Processor, AlertManager, RegistryStep])
def test_a_state_that_holds_something_else_has_another_version(step: Any) -> None:
    """Give ``FORMAT`` the next version and put its digest here: snapshots of the last one are then passed over."""
    _, data = STEPS[step.FORMAT.step]
    found = hashlib.sha256(json.dumps(shape(decode(data))).encode()).hexdigest()[:16]
    assert KNOWN[step.FORMAT] == found
