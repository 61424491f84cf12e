"""The ward as it is: the fold of bindings, readings and windows into tiles; pure.

Whoever was told everything up to `Ward.seq` needs the tiles whose own number is greater, and the whole ward again
where `Ward.shape` has changed. A patient's tile is made at most once for each change, whoever looks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import numpy as np

from dashboards.roster import Person, Roster
from dashboards.tiles import (
    SPARK_POINTS_MAX,
    SPARK_US,
    Good,
    Spark,
    Tile,
    Vital,
    Vitals,
    WardSite,
    limits_of,
    stale_after_us,
    state_of,
)
from vitals import news2, readings, windows
from vitals.errors import CodecError
from vitals.metrics import BATTERY, GLUCOSE, HEART_RATE, METRIC_BY_CODE, MINUTE_US, TICK, Metric
from vitals.nights import part
from vitals.readings import UNUSABLE_MASK, Flag, Rows
from vitals.steps import Records
from vitals.topics import BINDINGS, CONTROL_HEADER, READINGS, WINDOWS
from vitals.units import UNIT_NAME, canonical
from vitals.windows import ARROW_UNKNOWN

Sees = Callable[[int], bool]
"""Whether a site lies in somebody's scope."""
_UNITS_MAX = max(UNIT_NAME)
PULSES = [spec.code for spec in windows.WINDOWS if spec.median and spec.metric is HEART_RATE]
PULSE_AGE_US = 3 * MINUTE_US
"""Windows of 10 min end each minute: one that ended longer before the newest reading is not the present one."""
PULSE_COVERED = 0.7
"""A median of less than this of its window says nothing of the heart."""
TRENDS = [spec.code for spec in windows.WINDOWS if spec.trend]
"""The windows whose rate and arrow a tile shows."""


class Sign:
    """The newest of one metric of one patient; times µs, values canonical."""

    __slots__ = (
        "arrow", "at", "flags", "good_at", "good_value", "pulse", "pulse_at", "received_at", "slope", "spark",
        "trend_at", "value",
    )  # fmt: skip

    def __init__(self) -> None:
        self.at: int | None = None
        self.received_at = 0
        self.value = 0.0
        self.flags = 0
        self.good_at: int | None = None
        self.good_value = 0.0
        self.trend_at = 0
        self.arrow: int | None = None
        self.slope: float | None = None
        self.pulse: int | None = None
        self.pulse_at = 0
        self.spark: dict[int, tuple[int, float]] = {}

    def advance(self, row: np.void, e: int, value: float) -> bool:
        """Take a reading's row, its event time and value; whether it is newer than what is known."""
        if self.at is not None and self.at >= e:
            return False
        self.at, self.received_at, self.value, self.flags = e, int(row["received_at"]), value, int(row["flags"])
        return True

    def note(self, times: Sequence[int], values: Sequence[float]) -> None:
        """Take valid readings, ascending in event time: the last of each 5 min goes into the sparkline."""
        for at, value in zip(times, values, strict=True):
            known = self.spark.get(at // SPARK_US)
            if known is None or known[0] < at:
                self.spark[at // SPARK_US] = at, round(value, 1)
        if times and (self.good_at is None or self.good_at < times[-1]):
            self.good_at, self.good_value = times[-1], values[-1]
        if len(self.spark) > 2 * SPARK_POINTS_MAX:
            self.spark = {key: self.spark[key] for key in sorted(self.spark)[-SPARK_POINTS_MAX:]}


class Ward:
    """Everybody on the ward. ``clock`` is the newest tick of each site, µs."""

    def __init__(self) -> None:
        self.roster = Roster()
        self.seq = 0
        self.shape = 0
        self.unreadable = 0
        self.clock: dict[int, int] = {}
        self._signs: dict[tuple[UUID, int], Sign] = {}
        self._changed: dict[UUID, int] = {}
        self._made: dict[UUID, tuple[int, str]] = {}
        self._present: dict[UUID, Person] = {}

    def take(self, records: Records) -> None:
        """Take records of ``registry.bindings``, ``vitals.readings`` or ``vitals.windows``."""
        if records.topic == BINDINGS:
            for key, value in zip(records.keys, records.values, strict=True):
                self.roster.take(key, value)
        elif records.topic == READINGS:
            plain = [
                value
                for value, headers in zip(records.values, records.headers, strict=True)
                if not any(name == CONTROL_HEADER for name, _ in headers)
            ]
            try:
                self.readings(readings.decode(plain))
            except CodecError:
                self.unreadable += 1
        elif records.topic == WINDOWS:
            rows, counts = windows.decode(records.values)
            self.unreadable += counts.count(0)
            self.windows(rows)

    def readings(self, rows: Rows) -> None:
        """Take rows in any order: the newest by event time of each patient and metric counts. What no calendar has the
        time of is nobody's newest, or it would be shown for ever.
        """
        rows = rows[readings.dated(rows)]
        ticks = rows["metric"] == TICK
        for site in np.unique(rows["site"][ticks]).tolist():
            newest = int(rows["observed_at"][ticks & (rows["site"] == site)].max())
            self.clock[site] = max(newest, self.clock.get(site, newest))
        known = np.isin(rows["metric"], list(METRIC_BY_CODE)) & (rows["unit"] <= _UNITS_MAX)
        rows = rows[known & ((rows["flags"] & Flag.CONTROL_SOLUTION) == 0)]
        if not len(rows):
            return
        e, value = readings.event_time(rows), canonical(rows["value"], rows["unit"])
        halves = np.ascontiguousarray(rows["patient"]).view(">u8").reshape(-1, 2)
        order = np.lexsort((e, rows["metric"], halves[:, 1], halves[:, 0]))
        same = (halves[order[1:]] == halves[order[:-1]]).all(axis=1)
        same &= rows["metric"][order[1:]] == rows["metric"][order[:-1]]
        for group in np.split(order, np.flatnonzero(~same) + 1):
            newest = group[-1]
            patient = UUID(bytes=rows["patient"][newest].tobytes())
            sign = self._sign(patient, int(rows["metric"][newest]))
            usable = group[(rows["flags"][group] & UNUSABLE_MASK) == 0]
            sign.note(e[usable].tolist(), value[usable].tolist())
            if sign.advance(rows[newest], int(e[newest]), float(value[newest])):
                self._touch(patient)

    def windows(self, rows: np.ndarray[tuple[int], np.dtype[np.void]]) -> None:
        """Take results of windows: of those that tell the trend, or the NEWS2 pulse sub-score, the latest end of each
        patient and metric counts.
        """
        results = rows[~windows.is_dirty(rows) & readings.in_calendar(rows["end"])]
        for row in results[np.isin(results["window"], PULSES)]:
            self._pulse(UUID(bytes=row["patient"].tobytes()), row)
        for row in results[np.isin(results["window"], TRENDS)]:
            spec = windows.WINDOW_BY_CODE[int(row["window"])]
            patient = UUID(bytes=row["patient"].tobytes())
            sign = self._sign(patient, spec.metric.code)
            end, slope, arrow = int(row["end"]), float(row["slope"]), int(row["arrow"])
            if end < sign.trend_at:
                continue
            told = (None if arrow == ARROW_UNKNOWN else arrow, None if np.isnan(slope) else round(slope, 3))
            sign.trend_at = end
            if told != (sign.arrow, sign.slope):
                sign.arrow, sign.slope = told
                self._touch(patient)

    def _pulse(self, patient: UUID, row: np.void) -> None:
        sign = self._sign(patient, HEART_RATE.code)
        if int(row["end"]) < sign.pulse_at:
            return
        covered = row["coverage"] >= PULSE_COVERED and not np.isnan(row["median"])
        score = news2.pulse_score(float(row["median"])) if covered else None
        sign.pulse_at = int(row["end"])
        if score != sign.pulse:
            sign.pulse = score
            self._touch(patient)

    def remember(self, patient: UUID, metric: int, points: Sequence[tuple[int, float]]) -> None:
        """Add older points (time, value) to a sparkline, from the database."""
        spark = self._sign(patient, metric).spark
        for at, value in points:
            spark.setdefault(at // SPARK_US, (at, value))
        self.shape += 1

    def refresh(self, now_us: int) -> None:
        """Look who is on the ward now; `shape` grows where that, what they wear or which rules hold has changed."""
        present = {person.id: self._timed(person, now_us) for person in self.roster.present(now_us)}
        if present != self._present:
            self._present = present
            self._made.clear()
            self.shape += 1

    def _timed(self, person: Person, now_us: int) -> Person:
        """A person with the part of their policy that holds by the clock of their site."""
        if person.policy.night is None:
            return person
        return person._replace(night=part(person.policy, self.clock.get(person.site, now_us)).night)

    def people(self, sees: Sees) -> list[Person]:
        """The patients in a scope, in their fixed order."""
        return [person for person in self._present.values() if sees(person.site)]

    def person(self, patient: UUID, sees: Sees) -> Person | None:
        """One patient, or None where there is none in scope."""
        person = self._present.get(patient) or self.roster.people.get(patient)
        return person if person is not None and sees(person.site) else None

    def sites(self, sees: Sees) -> list[WardSite]:
        """The sites in a scope, by number."""
        return [
            WardSite(number=number, name=name) for number, name in sorted(self.roster.sites.items()) if sees(number)
        ]

    def tile(self, person: Person) -> Tile:
        """The tile of a patient."""
        worn = [each for each in person.worn if each.until is None]
        battery = self._signs.get((person.id, BATTERY.code))
        return Tile(
            patient=person.id,
            label=person.label,
            site=person.site,
            bed=person.bed,
            device=worn[-1].name if worn else None,
            battery=None if battery is None or battery.good_at is None else round(battery.good_value, 1),
            vitals=Vitals(heart_rate=self.vital(person, HEART_RATE), glucose=self.vital(person, GLUCOSE)),
        )

    def vital(self, person: Person, metric: Metric) -> Vital | None:
        """The newest of one metric; None where no device that sends it was ever worn."""
        wearing = person.wearing(metric.name)
        if wearing is None:
            return None
        worn, stream = wearing
        sign = self._signs.get((person.id, metric.code)) or Sign()
        state = "waiting" if sign.at is None or sign.at < worn.since else state_of(sign.flags)
        state = state if worn.until is None else "removed"
        told = sign.at is not None and (state in {"ok", "low", "high", "warm_up"})
        good = None if state in {"ok", "low", "high"} or sign.good_at is None else sign.good_at
        trend = told and sign.at is not None and sign.trend_at >= sign.at - 2 * stale_after_us(metric, 0)
        return Vital(
            value=round(sign.value, 1) if told else None,
            unit=UNIT_NAME[metric.unit],
            at=sign.at,
            received_at=None if sign.at is None else sign.received_at,
            state=state,
            interval_us=stream.interval_us,
            stale_after_us=stale_after_us(metric, stream.interval_us),
            arrow=sign.arrow if trend else None,
            slope=sign.slope if trend else None,
            last_good=None if good is None else Good(value=round(sign.good_value, 1), at=good),
            limits=limits_of(person.rules, metric.name, stream.interval_us),
            news2_pulse=sign.pulse
            if told and sign.at is not None and sign.pulse_at >= sign.at - PULSE_AGE_US
            else None,
        )

    def spark(self, person: Person) -> Spark:
        """The sparklines of a patient."""
        return Spark(glucose=self._points(person, GLUCOSE), heart_rate=self._points(person, HEART_RATE))

    def ward_frame(self, at: int, sees: Sees) -> str:
        """The ``ward`` frame of a scope."""
        sites = ",".join(site.model_dump_json() for site in self.sites(sees))
        patients = ",".join(
            f'{self._json(person)[:-1]},"spark":{self.spark(person).model_dump_json()}}}'
            for person in self.people(sees)
        )
        return f'{{"type":"ward","at":{at},"sites":[{sites}],"patients":[{patients}]}}'

    def tiles_frame(self, at: int, after: int, sees: Sees) -> tuple[int, str]:
        """How many tiles in a scope changed after ``after`` (see `seq`), and the ``tiles`` frame with them."""
        changed = [self._json(person) for person in self.people(sees) if self._changed.get(person.id, 0) > after]
        return len(changed), f'{{"type":"tiles","at":{at},"tiles":[{",".join(changed)}]}}'

    def _json(self, person: Person) -> str:
        number = self._changed.get(person.id, 0)
        made = self._made.get(person.id)
        if made is None or made[0] != number:
            made = number, self.tile(person).model_dump_json()
            self._made[person.id] = made
        return made[1]

    def _points(self, person: Person, metric: Metric) -> tuple[tuple[int, float], ...]:
        sign = self._signs.get((person.id, metric.code))
        if sign is None or not sign.spark:
            return ()
        newest = max(sign.spark)
        keys = [key for key in sorted(sign.spark) if key > newest - SPARK_POINTS_MAX]
        return tuple(sign.spark[key] for key in keys)

    def _sign(self, patient: UUID, metric: int) -> Sign:
        return self._signs.setdefault((patient, metric), Sign())

    def _touch(self, patient: UUID) -> None:
        self.seq += 1
        self._changed[patient] = self.seq
