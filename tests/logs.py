"""A log of ``vitals.readings`` built by hand: controls, ticks and readings in order, for tests of the processor."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Literal, NamedTuple
from uuid import UUID

import numpy as np

from stream.sink_windows import Readings
from vitals.causes import of_headers
from vitals.control import ClockControl, PatientControl, SiteControl, WornDevice
from vitals.devices import DEVICE_TYPES, Binding
from vitals.journal import Episode
from vitals.journal import decode as decode_journal
from vitals.metrics import METRIC_BY_NAME, MINUTE_US
from vitals.policies import DEFAULT, Policy
from vitals.readings import INVALID_SHIFT, READING, Flag, Invalid, Rows, event_time, tick_rows
from vitals.steps import Headers, Output, Records, Step
from vitals.topics import CONTROL_HEADER, JOURNAL, READINGS, TICK_KEY, device_id, patient_id
from vitals.topics import WINDOWS as WINDOWS_TOPIC
from vitals.units import UNIT_BY_NAME
from vitals.windows import WINDOW

T0 = 1_700_000_100_000_000 // (15 * MINUTE_US) * (15 * MINUTE_US)
"""A whole quarter of an hour; the beginning of most tests."""


def row(
    patient: str,
    value: float,
    observed: int,
    *,
    received: int | None = None,
    metric: str = "glucose",
    unit: str = "mg/dL",
    device: str = "cgm-1",
    flags: int = 0,
    invalid: Invalid = Invalid.VALID,
    site: int = 1,
) -> Rows:
    """One reading's row, shape (1,); received as observed unless told."""
    rows = np.zeros(1, READING)
    rows["patient"] = np.void(patient_id(patient).bytes)
    rows["device"] = np.void(device_id(device).bytes)
    rows["observed_at"] = observed
    rows["received_at"] = observed if received is None else received
    rows["value"] = value
    rows["site"] = site
    rows["flags"] = flags | (invalid << INVALID_SHIFT)
    rows["metric"] = METRIC_BY_NAME[metric].code
    rows["unit"] = UNIT_BY_NAME[{"heart_rate": "/min", "battery": "%", "steps": "{steps}/min"}.get(metric, unit)]
    return rows


def worn(patient: str, device: str, kind: str, since: int, until: int | None = None) -> WornDevice:
    """A device in a control record."""
    binding = Binding(patient=patient_id(patient), label=patient, since=since, until=until)
    return WornDevice(device=device_id(device), name=device, type=DEVICE_TYPES[kind], binding=binding)


class Log:
    """Records of one partition, appended in order."""

    def __init__(self) -> None:
        self.keys: list[bytes | None] = []
        self.values: list[bytes] = []
        self.headers: list[Headers] = []

    def raw(self, key: bytes | None, value: bytes, headers: Headers = ()) -> None:
        """Any record."""
        self.keys.append(key)
        self.values.append(value)
        self.headers.append(headers)

    def readings(self, *rows: Rows) -> None:
        """One record of one patient's rows."""
        joined = np.concatenate(rows)
        self.raw(joined[0]["patient"].tobytes(), joined.tobytes())

    def tick(self, at: int, sites: Iterable[int] = (1,)) -> None:
        """A tick record."""
        self.raw(TICK_KEY, tick_rows(list(sites), at).tobytes())

    def site(self, number: int, name: str = "ward-a") -> None:
        """A site's control record."""
        self.raw(b"site:%d" % number, SiteControl(number=number, name=name).encode(), ((CONTROL_HEADER, b"1"),))

    def clock(self, clock: Literal["real", "simulated"]) -> None:
        """Whose time it is from here on."""
        self.raw(b"clock", ClockControl(clock=clock).encode(), ((CONTROL_HEADER, b"1"),))

    def patient(
        self,
        name: str,
        *devices: WornDevice,
        version: int = 1,
        site: int = 1,
        policy: Policy = DEFAULT,
        closings: int = 0,
    ) -> None:
        """A patient's control record."""
        patient = patient_id(name)
        fields = {"version": version, "worn": devices, "policy": policy, "closings": closings}
        control = PatientControl.model_validate({"patient": patient, "label": name, "site": site} | fields)
        self.raw(patient.bytes, control.encode(), ((CONTROL_HEADER, b"1"),))

    def records(self, first: int = 0, last: int | None = None) -> Records:
        """The records from ``first`` to ``last``, as one poll; offsets have gaps, as Kafka's may."""
        end = len(self.keys) if last is None else last
        offsets = [100 + 3 * at for at in range(first, end)]
        part = slice(first, end)
        return Records(READINGS, 0, offsets, self.keys[part], self.values[part], self.headers[part])

    def run(self, step: Step, cuts: Iterable[int] = (), first: int = 0, last: int | None = None) -> list[Output]:
        """All outputs of the records from ``first`` to ``last``, polled in pieces that end at ``cuts``."""
        bounds = [first, *sorted(set(cuts)), len(self.keys) if last is None else last]
        outputs = []
        for begin, end in pairwise(bounds):
            if begin < end:
                outputs += step.step(self.records(begin, end))
        return outputs


class Said(NamedTuple):
    """What an episode says, in short."""

    at: int
    rule: str
    change: str
    level: int
    condition: str


def episodes(outputs: Iterable[Output], rule: str | None = None) -> list[Episode]:
    """The episodes among outputs, of one rule if it is named."""
    messages = [decode_journal(output.value) for output in outputs if output.topic == JOURNAL]
    return [each for each in messages if isinstance(each, Episode) and rule in (None, each.rule)]


def said(outputs: Iterable[Output], rule: str | None = None) -> list[Said]:
    """The episodes among outputs, in short."""
    return [Said(each.at, each.rule, each.change, each.level, each.condition) for each in episodes(outputs, rule)]


def windows(outputs: Iterable[Output]) -> np.ndarray:
    """All window rows among outputs, in order."""
    values = [output.value for output in outputs if output.topic == WINDOWS_TOPIC]
    return np.frombuffer(b"".join(values), WINDOW) if values else np.zeros(0, WINDOW)


def owners(outputs: Iterable[Output]) -> set[bytes]:
    """The ids of those whose windows are among outputs."""
    return {each.tobytes() for each in windows(outputs)["patient"]}


def stored(rows: Rows, key: bytes, metric: int) -> Readings:
    """The readings of a series, as the database gives them."""
    mine = rows[(rows["patient"] == np.void(key)) & (rows["metric"] == metric)]
    whose = [(UUID(bytes=each["device"].tobytes()), int(each["observed_at"])) for each in mine]
    units, flags = mine["unit"].astype(np.int64), mine["flags"].astype(np.int64)
    return Readings(event_time(mine), mine["value"].astype(np.float64), units, flags, whose)


LATE = int(Flag.LATE)
assert of_headers(()) is None
