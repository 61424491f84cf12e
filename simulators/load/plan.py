"""What a load test sends, and when: an open loop, whose every message has an *intended* time. Pure.

Whoever measures a latency from the intended time sees also the messages that a slow system kept from being sent; from
the time of sending one would not (*coordinated omission*: Tene, "How NOT to Measure Latency").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vitals.journal import episode_id
from vitals.messages import Message
from vitals.metrics import SECOND_US
from vitals.policies import LOW as LOW_RULE
from vitals.topics import patient_id

Shape = Literal["steady", "ramp", "spike", "storm", "outage"]
SITE = "load"
PATIENTS_MAX = 20_000
RATE_HZ_MAX = 10.0
NUMBERS_MAX = 60_000
"""Messages of one device: its counter has 16 bits, and who counts must not meet a number twice."""
MESSAGES_MAX = 5_000_000
RAMP_FROM = 0.1
SPIKE_FACTOR = 4.0
RETURN_SPREAD_S = 2.0
"""After an outage the devices come back within so long."""
CYCLE_MIN = 4
GRID_US = 10_000
PHASE_STEP, CYCLE_STEP = 0.754_877_666_246_693, 0.569_840_290_998_053
"""Two steps that fill a square evenly together (Roberts' R2): with one for both, all lows would come in bursts."""
NORMAL_VALUE, LOW_VALUE = 110, 45
"""mg/dL; the second is below 54, so it opens a high alert at once."""

HEART, NORMAL, LOW = 0, 1, 2
"""Kinds of message: a heart rate, a normal glucose, and a crossing below 54."""


class Plan(Message):
    """A load test. ``rate_hz`` is in readings per second and patient; ``crossings_hz`` in lows per second over all.

    *steady*: the rate throughout. *ramp*: from a tenth of it to all of it. *spike*: four times the rate in the middle
    fifth. *storm*: every connection breaks at two fifths, and all come back at once. *outage*: the devices are away
    from three to six tenths, keep their readings, and send them when they are back. ``warm_up_s`` comes before
    ``duration_s`` at the shape's first rate, and counts in no latency.
    """

    shape: Shape = "steady"
    patients: int = Field(default=200, ge=1, le=PATIENTS_MAX)
    rate_hz: float = Field(default=1.0, ge=0.01, le=RATE_HZ_MAX)
    duration_s: float = Field(default=60.0, ge=1.0, le=3600.0)
    warm_up_s: float = Field(default=5.0, ge=0.0, le=60.0)
    crossings_hz: float = Field(default=20.0, ge=0.0, le=1000.0)
    seed: int = Field(default=1, ge=0)

    @property
    def length_us(self) -> int:
        """From the first intended time to the end, warm-up included."""
        return round((self.warm_up_s + self.duration_s) * SECOND_US)

    @property
    def warm_us(self) -> int:
        """Intended times from here on count in latencies."""
        return round(self.warm_up_s * SECOND_US)

    @property
    def away_us(self) -> tuple[int, int] | None:
        """Of an outage: from when to when the devices are away."""
        return (self._share(0.3), self._share(0.6)) if self.shape == "outage" else None

    @property
    def storm_us(self) -> int | None:
        """Of a storm: when every connection breaks."""
        return self._share(0.4) if self.shape == "storm" else None

    def _share(self, share: float) -> int:
        return round((self.warm_up_s + share * self.duration_s) * SECOND_US)


class Messages(NamedTuple):
    """Messages in order of their intended time, arrays of one length: µs since the start, the device's index, the
    number among the device's messages, and the kind.
    """

    at: NDArray[np.int64]
    device: NDArray[np.int32]
    number: NDArray[np.int32]
    kind: NDArray[np.uint8]

    def of_devices(self, first: int, last: int) -> Messages:
        """Those of the devices from ``first`` up to, not including, ``last``."""
        which = (self.device >= first) & (self.device < last)
        return Messages(self.at[which], self.device[which], self.number[which], self.kind[which])


@dataclass(frozen=True, slots=True)
class Crossing:
    """A scripted low: whose, its number, its intended time (µs since the start)."""

    device: int
    number: int
    at: int

    def alert(self, start: int) -> str:
        """Id of the alert that it opens in a run that starts at ``start`` (µs UTC)."""
        return str(episode_id(str(patient_id(name_of(self.device))), "glucose", LOW_RULE.name, start + self.at))


def name_of(device: int) -> str:
    """What a device, and the patient who wears it, is called."""
    return f"load-{device + 1:05}"


def offered_hz(plan: Plan, at: float) -> float:
    """Messages per second of all devices at a time in seconds since the start."""
    times, shares = _profile(plan)
    return float(np.interp(at, times, shares)) * plan.rate_hz * plan.patients


def messages(plan: Plan) -> Messages:
    """Everything that is sent.

    Raises:
        ValueError: too many messages, of a device or of all.
    """
    grid, expected = _expected(plan)
    total = float(expected[-1])
    if total > NUMBERS_MAX or total * plan.patients > MESSAGES_MAX:
        raise ValueError(f"{total:.0f} messages of each of {plan.patients} devices; fewer or a shorter run")
    shift = float(np.random.default_rng(plan.seed).random())
    phases = (np.arange(plan.patients) * PHASE_STEP + shift) % 1.0
    numbers = np.arange(math.ceil(total), dtype=np.int32)
    due = phases[:, None] + numbers[None, :]
    device, number = np.nonzero(due < total)
    at = np.interp(due[device, number], expected, grid).astype(np.int64)
    kind = _kinds(plan, device, number)
    order = np.lexsort((device, at))
    return Messages(at[order], device[order].astype(np.int32), number[order].astype(np.int32), kind[order])


def crossings(found: Messages) -> list[Crossing]:
    """The scripted lows among messages, in order of time."""
    which = found.kind == LOW
    columns = (found.device[which].tolist(), found.number[which].tolist(), found.at[which].tolist())
    return [Crossing(*each) for each in zip(*columns, strict=True)]


def buffered(plan: Plan, at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of some intended times (µs since the start) fall when the devices are away by script, or coming back."""
    away = plan.away_us
    if away is None:
        return np.zeros(len(at), bool)
    return np.asarray((at >= away[0]) & (at < away[1] + round(RETURN_SPREAD_S * SECOND_US)))


def payload(kind: int, device: int, number: int, at: int) -> bytes:
    """One reading as a device sends it; ``at`` is its event time, µs UTC."""
    if kind == HEART:
        head = f'{{"metric":"heart_rate","value":{60 + (device * 7 + number) % 40},"unit":"/min"'
    else:
        head = f'{{"metric":"glucose","value":{NORMAL_VALUE if kind == NORMAL else LOW_VALUE},"unit":"mg/dL"'
    return f'{head},"observed_at":{at},"seq":{number}}}'.encode()


def _kinds(plan: Plan, device: NDArray[np.intp], number: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Each device is low once in a cycle and normal half a cycle later; its first and last messages are normal, so
    that every low opens an alert of its own, also after a run that was broken off.
    """
    kind = np.zeros(len(device), np.uint8)
    if plan.crossings_hz > 0:
        cycle = max(CYCLE_MIN, round(plan.patients * plan.rate_hz / plan.crossings_hz))
        place = (number + np.floor((device * CYCLE_STEP) % 1.0 * cycle).astype(np.int64)) % cycle
        kind[place == 0] = LOW
        kind[place == cycle // 2] = NORMAL
    last = np.zeros(plan.patients, np.int64)
    np.maximum.at(last, device, number)
    kind[(number == 0) | (number == last[device])] = NORMAL
    return kind


def _profile(plan: Plan) -> tuple[list[float], list[float]]:
    """Corners of the rate's course: seconds since the start, and the share of ``rate_hz``."""
    begin, length = plan.warm_up_s, plan.duration_s
    end = begin + length
    match plan.shape:
        case "ramp":
            return [0.0, begin, end], [RAMP_FROM, RAMP_FROM, 1.0]
        case "spike":
            up, down = begin + 0.4 * length, begin + 0.6 * length
            return [0.0, up, up, down, down, end], [1.0, 1.0, SPIKE_FACTOR, SPIKE_FACTOR, 1.0, 1.0]
        case "steady" | "storm" | "outage":
            return [0.0, end], [1.0, 1.0]


def _expected(plan: Plan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many messages a device has sent (fractions too) at the points of a grid of µs since the start."""
    grid = np.linspace(0.0, plan.length_us, max(2, plan.length_us // GRID_US + 1))
    times, shares = _profile(plan)
    rates = np.interp(grid / SECOND_US, times, shares) * plan.rate_hz
    steps = np.diff(grid) / SECOND_US * (rates[1:] + rates[:-1]) / 2
    return grid, np.concatenate([[0.0], np.cumsum(steps)])
