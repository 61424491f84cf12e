"""One series as the oracle sees it: panes, runs, levels and windows in plain Python (see ``tests/oracle.py``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from vitals.control import WornDevice
from vitals.devices import Stream
from vitals.metrics import SECOND_US as SECOND
from vitals.metrics import Metric
from vitals.policies import (
    PRIORITY_RANK,
    ForecastRule,
    GlucoseRule,
    RateRule,
    SustainedRule,
    ThresholdRule,
    WindowRule,
)

NEVER_TICKED = -(1 << 60)


def beyond(rule: ThresholdRule, number: int) -> Callable[[float], bool]:
    limit = rule.levels[number - 1].limit
    return (lambda value: value < limit) if rule.side == "low" else (lambda value: value > limit)


@dataclass
class Machine:
    level: int = 0
    condition: str = "over"
    opened_at: int = 0
    since: int = 0
    reason: str = ""
    entered: int = 0
    """The reading by which it came to its level."""
    raised: bool = False
    """It is prolonged."""

    @property
    def told(self) -> str:
        return self.reason or ("prolonged" if self.raised else "")


class Held(NamedTuple):
    """An opening that artefact holds back: since which T, until when at most, and what it would show."""

    since: int
    until: int
    width: int
    run_since: int
    value: float
    value_at: int
    beside: str


@dataclass
class Single:
    """What a machine of one level has, whatever it judges; ``rule`` is the last one that the policy had by its name."""

    rule: WindowRule | GlucoseRule
    gone: bool = False
    level: int = 0
    condition: str = "over"
    reason: str = ""
    beside: str = ""
    """What the last T that counted saw of another metric."""
    restless: str = ""
    """Why the newest T with an evaluation did not count for an open episode, since the last that did."""
    run_since: int = 0
    opened_at: int = 0
    since: int = 0
    value: float = 0
    value_at: int = 0
    censored: Literal["low", "high"] | None = None
    beyond: bool = False


@dataclass
class MedianMachine(Single):
    """The machine of one window rule."""

    rule: WindowRule
    held: Held | None = None
    says: str = ""
    at: int | None = None
    limit: float = 0
    width: int = 0
    """Of the window of ``value``."""

    def due(self, _: int) -> int:
        """When the last evaluation is too long ago."""
        return (self.at or 0) + 62 * SECOND


@dataclass
class GlucoseMachine(Single):
    """The machine of a rule that judges glucose readings."""

    rule: GlucoseRule
    said: str = ""
    judged_at: int = 0
    judged_rx: int = 0

    @property
    def limit(self) -> float:
        """What an episode shows beside the reading: of a rate its gate."""
        assert isinstance(self.rule, SustainedRule | RateRule | ForecastRule)
        return self.rule.gate if isinstance(self.rule, RateRule) else self.rule.limit

    def due(self, gap: int) -> int:
        """When the last judged reading is too long ago."""
        return self.judged_rx + gap


def numbers_in(panes: Mapping[int, object], after: int, last: int) -> list[int]:
    """Those panes of which something is known, from the one ``after`` which they begin to the last, in order."""
    if len(panes) < last - after:
        return sorted(number for number in panes if after < number <= last)
    return [number for number in range(after + 1, last + 1) if number in panes]


def crossed(rule: WindowRule, median: float, usual: float | None = None) -> float | None:
    """The limit beyond which a median is, if any; the ``usual`` rate counts for rules that ask for it."""
    if rule.usual is not None and usual is not None:
        return usual + rule.usual.above if median > usual + rule.usual.above else None
    if rule.on_above is not None and median > rule.on_above:
        return rule.on_above
    if rule.on_below is not None and median < rule.on_below:
        return rule.on_below
    return rule.on_at_most if rule.on_at_most is not None and median <= rule.on_at_most else None


def inside(rule: WindowRule, median: float, usual: float | None = None) -> bool:
    """Whether a median is within all the limits at which a rule turns off."""
    if rule.usual is not None and usual is not None:
        return median <= usual + rule.usual.above - 3
    high, low = rule.off_at_most, rule.off_at_least
    return (high is None or median <= high) and (low is None or median >= low)


@dataclass
class Signal:
    rank: int = 0
    opened_at: int = 0
    since: int = 0
    why: str = ""
    told: str = ""
    run: list[int] = field(default_factory=list)
    heard_at: int | None = None
    few: bool = False


@dataclass
class Deciding:
    at: int
    arrival: int
    value: float
    censored: Literal["low", "high"] | None
    millis: int
    """Thousandths of the canonical value."""


@dataclass
class Series:
    metric: Metric
    worn: WornDevice
    bound: bool = False
    newest: int | None = None
    last: Deciding | None = None
    panes: dict[int, tuple[int, float, int, bool]] = field(default_factory=dict)
    keeps_doubts: bool = False
    doubted: set[int] = field(default_factory=set)
    """Panes whose reading the device itself doubts."""
    medians: dict[str, MedianMachine] = field(default_factory=dict)
    glucose: dict[str, GlucoseMachine] = field(default_factory=dict)
    evaluated: int | None = None
    head: int = 0
    """The newest pane, of any that there are."""
    machines: dict[str, Machine] = field(default_factory=lambda: {"low": Machine(), "high": Machine()})
    rules: dict[str, ThresholdRule] = field(default_factory=dict)
    """The last rule that the policy had for each side."""
    signal: Signal = field(default_factory=Signal)
    seen: dict[int, int] = field(default_factory=dict)
    """The thousandths of every pane that there ever was, for what is computed from stored readings."""
    changed: dict[int, set[int]] = field(default_factory=dict)
    """By kind of window: the first closed end that looks at a pane which has changed since."""
    suspect: tuple[bytes, int] | None = None
    """The last suspect row: its device, and that device's time."""
    _sends: tuple[WornDevice | None, Stream | None] = None, None
    """The device that was asked for its stream last, and the stream."""

    @property
    def stream(self) -> Stream:
        worn, stream = self._sends
        if worn is not self.worn:
            stream = next(each for each in self.worn.type.streams if each.metric == self.metric.name)
            self._sends = self.worn, stream
        assert stream is not None
        return stream

    @property
    def interval(self) -> int:
        return self.stream.interval_us

    @property
    def gap(self) -> int:
        return max(self.metric.gap_us, self.interval * 22 // 10)

    @property
    def waits_from(self) -> int:
        return self.worn.binding.since + self.worn.type.warm_up_us

    def heard(self) -> Deciding:
        assert self.last is not None, "asked only of series that have decided"
        return self.last

    def again(self, device: bytes, observed: int) -> bool:
        """Whether a reading of a clock that runs ahead was there before; if not, it is the last one from now on."""
        if self.suspect is not None and self.suspect[0] == device and observed <= self.suspect[1]:
            return True
        self.suspect = device, observed
        return False

    def base(self) -> int:
        return self.waits_from if self.last is None else max(self.last.arrival, self.waits_from)

    def applying(self) -> list[WindowRule]:
        """The window rules in force that say something about this device."""
        machines = [each for each in self.medians.values() if each.level or not each.gone]
        return [each.rule for each in machines if each.rule.width_us >= 2 * self.interval]

    def singles(self) -> list[MedianMachine | GlucoseMachine]:
        """The machines of one level."""
        return [*self.medians.values(), *self.glucose.values()]

    def worst(self) -> int:
        """The rank of the worst that is open, 0 where nothing is."""
        singles = [each for each in self.singles() if each.level]
        mine = [(self.rules[side].levels, each) for side, each in self.machines.items() if each.level]
        levels = [levels[1 if each.raised else each.level - 1] for levels, each in mine]
        priorities = [*(each.rule.priority for each in singles), *(each.priority for each in levels)]
        return max((PRIORITY_RANK[each] for each in priorities), default=0)

    def silent_from(self) -> int:
        """From when silence counts: readings that decide, or evaluations where there should be some."""
        widths = [rule.width_us for rule in self.applying()]
        if not widths:
            return self.base()
        since = [self.waits_from + min(widths), self.evaluated, self.signal.heard_at]
        return min(self.base(), max(each for each in since if each is not None))

    def silent_at(self, since: int) -> int:
        return since + max(self.metric.silent_us, self.interval * 22 // 10)

    def recovered(self, needed: int) -> bool:
        """Whether the run since silence began is long enough, with an evaluation in or after it."""
        run = self.signal.run
        evaluated = not self.applying() or (run and self.evaluated is not None and self.evaluated >= run[0])
        return bool(run and evaluated and run[-1] - run[0] >= needed)

    def reason(self) -> str:
        if self.signal.why:
            return self.signal.why
        if self.last is None or self.last.arrival < self.waits_from:
            return "waiting for the first reading"
        return "too few readings" if self.signal.few else "silent"

    def fill(self, at: int, value: float, *, late: bool, doubted: bool = False) -> int | None:
        """Take a reading; the pane that it fills or that lies beyond the ring, None where another was first."""
        pane = -(-at // self.metric.pane_us)
        size = self.metric.panes
        self.seen.setdefault(pane, math.floor(value * 1000 + 0.5))
        if self.panes and pane <= self.head - size:
            return pane
        moves = not self.panes or pane > self.head
        self.head = pane if moves else self.head
        known = pane in self.panes
        if not known and self.keeps_doubts and doubted:
            self.doubted.add(pane)
        self.panes.setdefault(pane, (at, math.floor(value + 0.5), math.floor(value * 1000 + 0.5), late))
        if moves and min(self.panes) <= self.head - size:
            self.panes = {number: cell for number, cell in self.panes.items() if number > self.head - size}
        return None if known else pane

    def run(self, at: int, value: float, beyond: Callable[[float], bool]) -> int:
        """Where the run that ends at this reading begins."""
        start = at
        for when, whole, _, _ in sorted((cell for cell in self.panes.values() if cell[0] < at), reverse=True):
            if beyond(whole) != beyond(value) or start - when > self.gap:
                break
            start = when
        return start

    def span(self, rule: ThresholdRule, number: int, last: Deciding) -> int:
        return last.at - self.run(last.at, last.value, beyond(rule, number))

    def on(self, rule: ThresholdRule, number: int, last: Deciding) -> bool:
        return beyond(rule, number)(last.value) and self.span(rule, number, last) >= rule.levels[number - 1].on_span_us

    def off(self, rule: ThresholdRule, number: int, last: Deciding) -> bool:
        level = rule.levels[number - 1]
        near = last.value >= level.quick_limit if rule.side == "low" else last.value <= level.quick_limit
        ok = self.span(rule, number, last)
        long = (near and ok >= level.quick_span_us) or ok >= level.slow_span_us
        return long and not beyond(rule, number)(last.value)

    def move(self, rule: ThresholdRule, last: Deciding) -> None:
        machine = self.machines[rule.side]
        if machine.level < 2 and self.on(rule, 2, last):
            machine.level = 2
        elif machine.level == 2 and self.off(rule, 2, last):
            machine.level = 1
        if machine.level == 0 and self.on(rule, 1, last):
            machine.level = 1
        elif machine.level == 1 and self.off(rule, 1, last):
            machine.level = 0
        if not machine.level:
            machine.condition = "over"
        else:
            machine.condition = "active" if beyond(rule, machine.level)(last.value) else "returning"

    def prolonged(self, rule: ThresholdRule, last: Deciding, was: int) -> bool:
        """Whether the last reading, after its move, finds level 1 lasting too long; another level begins anew."""
        machine, after = self.machines[rule.side], rule.levels[0].prolonged_us
        if machine.level != was:
            machine.entered, machine.raised = last.at, machine.raised and not machine.level
            return False
        lasts = machine.level == 1 and machine.condition == "active" and not machine.raised
        if lasts and after is not None and last.at - machine.entered >= after:
            machine.raised = True
            return True
        return False

    def median(self, width: int, end: int) -> float | None:
        """The median of (end - width, end], None where there is no evaluation."""
        pane, i = self.metric.pane_us, max(self.interval, self.metric.pane_us)
        if not self.panes or not self.bound or end - width < (self.head - self.metric.panes) * pane:
            return None
        numbers = numbers_in(self.panes, (end - width) // pane, end // pane)
        inside = {number * pane: self.panes[number] for number in numbers}
        near = max(end - max(30 * SECOND, 12 * self.interval // 10) + 1, self.waits_from)
        if not any(at >= near and not late for at, (_, _, _, late) in inside.items()):
            return None
        slots = width // i
        if 10 * len({(end - at) // i for at in inside} & set(range(slots))) < 7 * slots:
            return None
        values = sorted(millis for _, _, millis, _ in inside.values())
        return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2000
