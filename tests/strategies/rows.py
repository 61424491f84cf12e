"""Rows as the bridge writes them: flags follow from the device's clock, its range and its binding."""

from __future__ import annotations

import struct
from math import floor, isfinite

from vitals.devices import DeviceType
from vitals.metrics import METRIC_BY_NAME
from vitals.readings import INVALID_SHIFT, SUSPECT_US, Flag, Invalid
from vitals.units import MG_DL_PER_MMOL_L, Unit

ROW = struct.Struct("<16s16s2qd3H2B")
"""`vitals.readings.READING`; packing one costs a twentieth of filling an array of one."""
assert ROW.size == 64
UNITS = {"glucose": Unit.MG_DL, "heart_rate": Unit.PER_MINUTE, "battery": Unit.PERCENT, "steps": Unit.STEPS_PER_MINUTE}


class Wearer:
    """A patient's device as it is worn now: what turns a value and two times into a row."""

    def __init__(self, patient: bytes, device: bytes, kind: DeviceType, since: int) -> None:
        self.patient, self.device, self.kind, self.since = patient, device, kind, since

    def row(
        self, metric: str, value: float, observed: int, received: int, *, flags: int = 0, mmol: bool = False
    ) -> bytes:
        """One row; ``flags`` come on top of what the bridge finds."""
        sends = self.kind.stream(metric)
        quantity = METRIC_BY_NAME[metric]
        at = observed
        if observed > received + SUSPECT_US:
            flags |= Flag.CLOCK_SUSPECT
            at = received
        if received - at > quantity.late_after_us(quantity.pane_us if sends is None else sends.interval_us):
            flags |= Flag.LATE
        if at < self.since + self.kind.warm_up_us:
            flags |= Flag.WARM_UP
        exact = value * MG_DL_PER_MMOL_L if mmol else value
        shown = floor(exact + 0.5) if quantity.whole and isfinite(exact) else exact
        if not isfinite(exact):
            pass  # no codec lets it through; who reads the log must not trust that
        elif not quantity.accepted[0] <= exact <= quantity.accepted[1]:
            reason = Invalid.BELOW_RANGE if exact < quantity.accepted[0] else Invalid.ABOVE_RANGE
            flags |= reason << INVALID_SHIFT
        elif sends is not None and not sends.low <= shown <= sends.high:
            flags |= Flag.CENSORED_LOW if shown < sends.low else Flag.CENSORED_HIGH
        unit = Unit.MMOL_L if mmol else UNITS[metric]
        return ROW.pack(
            self.patient, self.device, observed, received, value, 0, 0, int(flags), quantity.code, int(unit)
        )
