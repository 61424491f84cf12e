"""Which windows a site's clock closes, all series of the partition together; `stream.pages` collects them, and
`stream.windows` computes them.

Those of one patient and instant stand by kind: first those written again (`stream.revisions`) and the dirty
marks, at the instant of the first end that the clock passes, then the end that closes then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream import revisions, windows
from stream.outbox import Outbox, Where
from stream.pages import Pages
from stream.series import LONG_AGO, NEVER, Patients
from stream.windows import Asked
from vitals.windows import EVALUATE_AFTER_US, EVALUATE_EVERY_US, WINDOWS, WindowSpec

if TYPE_CHECKING:
    from stream.part import Lane
    from stream.series import Ints, Slots
    from stream.sites import Site, Sites
    from vitals.codecs.state import State


class Closer:
    """Closes windows of the kinds ``specs`` of the series in ``lanes`` (by metric code) into the outbox."""

    def __init__(
        self,
        patients: Patients,
        sites: Sites,
        lanes: dict[int, Lane],
        outbox: Outbox,
        specs: tuple[WindowSpec, ...] = WINDOWS,
    ) -> None:
        self._patients, self._sites, self._lanes = patients, sites, lanes
        self._specs = specs
        self._pages = Pages(patients, lanes, outbox)
        self.revised = self.dirty_marks = 0
        self._pending = revisions.of_metrics({code: lane.ring for code, lane in lanes.items()})

    def close(self, site: Site, slots: Slots, position: int, row: int) -> None:
        """Close the windows whose end the clock has passed, and write again what rows have changed since."""
        self.gather()
        self._pages.begin(Where(position, row, 0))
        series: dict[int, tuple[Slots, int]] = {}
        for spec in self._specs:
            closed, last = site.closed[spec.code], windows.last_end(spec, site.clock)
            if last <= closed:
                continue
            lane = self._lanes[spec.metric.code]
            if spec.metric.code not in series:
                exist = slots[lane.series.exists[slots]]
                series[spec.metric.code] = exist, int(lane.series.last_e[exist].max(initial=LONG_AGO))
            mine, newest = series[spec.metric.code]
            first = closed + spec.step_us + spec.close_after_us
            self._revise(spec, mine, closed, first)
            self._mark(spec, first, *revisions.passed_by(spec, lane.ring, mine, closed, last))
            for end in windows.due_ends(spec, closed, site.clock, newest):
                self._pages.ask(Asked(spec, mine, np.full(len(mine), end)), end + spec.close_after_us)
            site.closed[spec.code] = last
        self._passed(site)
        self._pages.end()

    def _revise(self, spec: WindowSpec, mine: Slots, closed: int, instant: int) -> None:
        """Write the pending windows again, or mark them."""
        slots, ends = self._pending[spec.metric.code].take(spec, mine, closed)
        self.revised += len(slots)
        if not len(slots):
            return
        lane = self._lanes[spec.metric.code]
        lost = ends <= revisions.beyond_ring(spec, lane.ring, slots)
        if not np.count_nonzero(lost):
            self._pages.ask(Asked(spec, slots, ends), instant)
            return
        self._pages.ask(Asked(spec, slots[~lost], ends[~lost]), instant)
        self._mark(spec, instant, *revisions.runs(spec, slots[lost], ends[lost]))

    def _mark(self, spec: WindowSpec, instant: int, slots: Slots, spans: Ints) -> None:
        """Mark windows of these slots (n,) over ``spans`` (n, 2) of ends (µs)."""
        if len(slots):
            self.dirty_marks += len(slots)
            self._pages.add(instant, slots, revisions.marks(spec, slots, spans, self._lanes[spec.metric.code].series))

    def write(self) -> None:
        """Hand over to the outbox what clocks have closed: before a control record changes series, and at the end of a
        step.
        """
        self._pages.write()

    def gather(self) -> None:
        """Find which closed windows the rows taken so far have changed: before a clock or a patient moves on."""
        for pending in self._pending.values():
            pending.gather(self._closed_of)

    def _closed_of(self, spec: WindowSpec, slots: Slots) -> Ints:
        """The newest closed end (µs) at the site of each slot, `LONG_AGO` where none is."""
        if len(self._sites.by_number) == 1:
            (site,) = self._sites.by_number.values()
            return np.full(len(slots), site.closed.get(spec.code, LONG_AGO))
        found, where = np.full(len(slots), LONG_AGO), self._patients.site[slots]
        for number in np.unique(where).tolist():
            found[where == number] = self._sites.by_number[number].closed.get(spec.code, LONG_AGO)
        return found

    def catch_up(self, site: Site) -> None:
        """A clock begins, or somebody comes to a site: nothing that it has passed is to be closed."""
        self.gather()
        site.catch_up()
        self._passed(site)

    def _passed(self, site: Site) -> None:
        for spec in self._specs:
            ring = self._lanes[spec.metric.code].ring
            ring.passed = max(ring.passed, site.closed.get(spec.code, LONG_AGO) // ring.pane_us)

    def look_ahead(self, site: Site, slots: Slots) -> None:
        """Find the first instant at which a window of the site's patients may close, or a window rule is evaluated."""
        worn = {code for code, lane in self._lanes.items() if lane.series.exists[slots].any()}
        ends = [
            site.closed[spec.code] + spec.step_us + spec.close_after_us
            for spec in self._specs
            if spec.code in site.closed and spec.metric.code in worn
        ]
        if any(lane.medians.narrowest[slots].any() for lane in self._lanes.values()):
            ends.append(site.evaluated + EVALUATE_EVERY_US + EVALUATE_AFTER_US)
        site.window_at = min(ends, default=NEVER)

    # ---- snapshots

    def state(self, order: Slots) -> State:
        """What is to be written again of these slots."""
        self.gather()
        return {self._lanes[code].metric.name: pending.state(order) for code, pending in self._pending.items()}

    def restore(self, state: State) -> None:
        """Take a snapshot; sites and rings are restored."""
        for code, pending in self._pending.items():
            pending.restore(state[self._lanes[code].metric.name])
        for site in self._sites.by_number.values():
            self._passed(site)
