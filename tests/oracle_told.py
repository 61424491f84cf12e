"""What the oracle says, to whom and in which order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from tests.oracle_closed import Closed, Dirty
from tests.oracle_evidence import CALLS, of_silence
from tests.oracle_series import NEVER_TICKED, Series
from tests.oracle_usual import Nights
from vitals.journal import Episode, Mark, episode_id
from vitals.policies import PRIORITY_OF_RANK, SIGNAL_RESPONSES, Policy, ThresholdRule
from vitals.topics import MARK_KEY
from vitals.windows import ROWS_MAX


class Told(NamedTuple):
    """One output: its record's offset, its key, and what it says: a message, or what a tick says of windows."""

    offset: int
    key: bytes | None
    what: Episode | Mark | tuple[tuple[bytes, Closed | Dirty], ...]
    """Of each window, whose it is."""

    @property
    def windows(self) -> tuple[tuple[bytes, Closed | Dirty], ...]:
        """What it says of windows."""
        return self.what if isinstance(self.what, tuple) else ()


UNITS = {"glucose": "mg/dL", "heart_rate": "/min"}


@dataclass
class Patient:
    label: str
    site: int
    version: int
    whole: Policy
    policy: Policy
    """The part of the whole that is in force."""
    series: dict[int, Series] = field(default_factory=dict)
    closings: int = 0


@dataclass
class Site:
    clock: int = NEVER_TICKED
    heard: dict[int, int] = field(default_factory=dict)
    silent_at: int | None = None
    closed: dict[int, int] = field(default_factory=dict)
    marked: int = NEVER_TICKED
    evaluated: int = NEVER_TICKED
    name: str = ""


class Teller:
    """Collects what is said during one record."""

    def __init__(self) -> None:
        self.patients: dict[bytes, Patient] = {}
        self.nights: dict[bytes, Nights] = {}
        self.pending: list[tuple[tuple[Any, ...], Told]] = []
        """Episodes, then windows, then the mark."""
        self.offset = self.row = 0

    def tell(self, instant: int, key: bytes, what: Episode) -> None:
        patient = b"" if what.patient is None else what.patient.bytes
        names = what.device or "", what.metric or "", what.rule
        order = (0, self.row, instant, patient, *names, len(self.pending))
        self.pending.append((order, Told(self.offset, key, what)))

    def tell_windows(self, rows: list[tuple[bytes, Closed | Dirty]]) -> None:
        for first in range(0, len(rows), ROWS_MAX):
            order = (1, self.row, len(self.pending))
            self.pending.append((order, Told(self.offset, None, tuple(rows[first : first + ROWS_MAX]))))

    def tell_mark(self, mark: Mark) -> None:
        self.pending.append(((2,), Told(self.offset, MARK_KEY, mark)))

    def about(self, key: bytes, series: Series, rule: str, opened_at: int, **fields: Any) -> Episode:
        """An episode of a patient; what every one of them says beside its own fields."""
        patient, who, metric = self.patients[key], UUID(bytes=key), series.metric.name
        return Episode(
            id=episode_id(str(who), metric, rule, opened_at), patient=who, label=patient.label, site=patient.site,
            device=series.worn.name, metric=metric, rule=rule, opened_at=opened_at, unit=UNITS[metric],
            policy=patient.policy.version, **fields,
        )  # fmt: skip

    def signal(self, key: bytes, series: Series, change: str, at: int, rank: int) -> None:
        signal = series.signal
        if change == "clear":
            signal.why, signal.few = "", False
        priority, policy = PRIORITY_OF_RANK[rank], self.patients[key].policy
        holds = [each.hold_us for each in policy.signals if each.metric == series.metric.name]
        response = SIGNAL_RESPONSES[priority]
        if holds:
            response = response.model_copy(update={"hold_us": holds[0]})
        episode = self.about(
            key, series, "signal", signal.opened_at, category="technical", level=signal.rank,
            condition="active" if signal.rank else "over", priority=priority, change=change, at=at,
            since=signal.since, value=None, value_at=None, limit=None, reason=signal.told, response=response,
            evidence=of_silence(series, policy) if change in CALLS else None,
        )  # fmt: skip
        self.tell(at, key, episode)

    def hush(self, key: bytes, series: Series, at: int) -> None:
        """An open silence ends without a reading."""
        signal = series.signal
        if signal.rank:
            rank, signal.rank, signal.why, signal.few = signal.rank, 0, "", False
            signal.heard_at = at
            self.signal(key, series, "clear", at, rank)

    @staticmethod
    def rule(patient: Patient, series: Series, side: str) -> ThresholdRule | None:
        """The rule in force for a side of a series, if any."""
        mine = [each for each in patient.policy.thresholds if each.metric == series.metric.name and each.side == side]
        return mine[-1] if mine else None

    @staticmethod
    def needed(patient: Patient, series: Series) -> int:
        rule = next(each for each in patient.policy.signals if each.metric == series.metric.name)
        return 0 if series.interval >= rule.recover_interval_us else rule.recover_span_us
