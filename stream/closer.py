"""Which windows a site's clock closes, all series of the partition together; `stream.windows` computes them.

One record per patient and instant holds them, by kind: first those written again (`stream.revisions`) and the dirty
marks, at the instant of the first end that the clock passes, then the end that closes then.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from stream import revisions, windows
from stream.outbox import Outbox, Where
from stream.series import LONG_AGO, NEVER, Patients, Ranks
from vitals.windows import EVALUATE_AFTER_US, EVALUATE_EVERY_US, WINDOWS, WindowSpec, is_dirty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream.part import Lane
    from stream.series import Ints, Slots
    from stream.sites import Site, Sites
    from vitals.codecs.state import State


class _Page:
    """What one tick row writes: rows with their instant and slot, in any number of blocks."""

    def __init__(self) -> None:
        self._blocks: list[tuple[Ints, Slots, NDArray[np.void]]] = []

    def add(self, instant: int | Ints, slots: Slots, rows: NDArray[np.void]) -> None:
        """More rows (n,) of slots (n,), all of one instant or each of its own (n,)."""
        if len(rows):
            self._blocks.append((np.full(len(slots), instant), slots, rows))

    def joined(self) -> tuple[Ints, Slots, NDArray[np.void]] | None:
        """All of it in the order in which it came; None where there is nothing."""
        if not self._blocks:
            return None
        at, slots, rows = zip(*self._blocks, strict=True)
        return np.concatenate(at), np.concatenate(slots), windows.joined(rows)


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
        self._patients, self._sites, self._lanes, self._outbox = patients, sites, lanes, outbox
        self._specs = specs
        self._ranks = Ranks(patients)
        self.revised = self.dirty_marks = 0
        self._pending = revisions.of_metrics({code: lane.ring for code, lane in lanes.items()})

    def close(self, site: Site, slots: Slots, position: int, row: int) -> None:
        """Close the windows whose end the clock has passed, and write again what rows have changed since."""
        self.gather()
        page = _Page()
        for spec in self._specs:
            closed, last = site.closed[spec.code], windows.last_end(spec, site.clock)
            if last <= closed:
                continue
            lane = self._lanes[spec.metric.code]
            mine = slots[lane.series.exists[slots]]
            if mine.size:
                first = closed + spec.step_us + spec.close_after_us
                self._revise(page, spec, mine, closed, first)
                left, spans = revisions.passed_by(spec, lane.ring, mine, closed, last)
                page.add(first, left, revisions.marks(spec, left, spans, lane.series))
                newest = int(lane.series.last_e[mine].max())
                self._due(page, spec, windows.due_ends(spec, closed, site.clock, newest), mine)
            site.closed[spec.code] = last
        self._passed(site)
        self._write(page, position, row)

    def _due(self, page: _Page, spec: WindowSpec, ends: range, mine: Slots) -> None:
        """Close the windows of these slots that end at each of ``ends``."""
        lane = self._lanes[spec.metric.code]
        if len(ends) > 1 and windows.few(spec, len(ends) * len(mine)):
            each, whose = np.repeat(np.arange(ends.start, ends.stop, ends.step), len(mine)), np.tile(mine, len(ends))
            found = windows.close_all(spec, each, whose, lane.ring, lane.series)
            page.add(found.ends + spec.close_after_us, found.slots, found.rows)
            return
        for end in ends:
            page.add(end + spec.close_after_us, *windows.close(spec, end, mine, lane.ring, lane.series))

    def _revise(self, page: _Page, spec: WindowSpec, mine: Slots, closed: int, instant: int) -> None:
        """Write the pending windows again, or mark them."""
        slots, ends = self._pending[spec.metric.code].take(spec, mine, closed)
        self.revised += len(slots)
        if not len(slots):
            return
        lane = self._lanes[spec.metric.code]
        lost = ends <= revisions.beyond_ring(spec, lane.ring, slots)
        some = np.flatnonzero(~lost)
        if windows.few(spec, len(some)):
            page.add(instant, *windows.close_all(spec, ends[some], slots[some], lane.ring, lane.series)[1:])
            some = some[:0]
        by_end = some[np.argsort(ends[some], kind="stable")]
        bounds = [0, *(np.flatnonzero(np.diff(ends[by_end])) + 1).tolist(), len(by_end)]
        for begin, until in pairwise(bounds):
            chosen = by_end[begin:until]
            if len(chosen):
                page.add(instant, *windows.close(spec, int(ends[chosen[0]]), slots[chosen], lane.ring, lane.series))
        left, spans = revisions.runs(spec, slots[lost], ends[lost])
        page.add(instant, left, revisions.marks(spec, left, spans, lane.series))

    def _write(self, page: _Page, position: int, row: int) -> None:
        joined = page.joined()
        if joined is None:
            return
        at, slots, rows = joined
        self.dirty_marks += int(np.count_nonzero(is_dirty(rows)))
        order = np.lexsort((self._ranks.of(slots), at))  # the outputs' own order: then it costs little to sort them
        at, slots, rows = at[order], slots[order], rows[order]
        keys = [self._patients.keys[slot] for slot in slots.tolist()]
        rows["patient"] = np.frombuffer(b"".join(keys), "V16")
        new = ((at[1:] != at[:-1]) | (slots[1:] != slots[:-1])).nonzero()[0] + 1
        bounds = [0, *new.tolist(), len(rows)]
        self._outbox.close(Where(position, row, 0), at.tolist(), keys, rows, bounds)

    def gather(self) -> None:
        """Find which closed windows the rows taken so far have changed: before a clock or a patient moves on."""
        for pending in self._pending.values():
            pending.gather(self._closed_of)

    def _closed_of(self, spec: WindowSpec, slots: Slots) -> Ints:
        """The newest closed end (µs) at the site of each slot, `LONG_AGO` where none is."""
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
        ends = [
            site.closed[spec.code] + spec.step_us + spec.close_after_us
            for spec in self._specs
            if spec.code in site.closed and self._lanes[spec.metric.code].series.exists[slots].any()
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
