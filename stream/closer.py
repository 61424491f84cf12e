"""Which windows a site's clock closes, all series of the partition together; `stream.windows` computes them.

One record per patient and instant holds them, by kind: first those written again (`stream.revisions`) and the dirty
marks, at the instant of the first end that the clock passes, then the end that closes then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream import revisions, windows
from stream.outbox import Outbox, Where
from stream.series import LONG_AGO, NEVER, Patients, Ranks
from stream.windows import Asked
from vitals.windows import EVALUATE_AFTER_US, EVALUATE_EVERY_US, WINDOWS, WindowSpec, is_dirty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream.part import Lane
    from stream.series import Ints, Slots
    from stream.sites import Site, Sites
    from vitals.codecs.state import State

_FIRST = np.ones(1, np.bool_)


class _Page:
    """What one tick row writes, in blocks in their order: results that are asked for, or marks that are there."""

    def __init__(self) -> None:
        self._asked: dict[int, list[tuple[int, int, Asked]]] = {}
        self._blocks: list[tuple[Ints, Ints, Slots, NDArray[np.void]]] = []
        self._count = 0

    def ask(self, asked: Asked, instant: int) -> None:
        """More windows, at an instant."""
        self._count += 1
        if len(asked.slots):
            self._asked.setdefault(asked.spec.metric.code, []).append((self._count, instant, asked))

    def add(self, instant: int, slots: Slots, rows: NDArray[np.void]) -> None:
        """More rows (n,) of slots (n,)."""
        self._count += 1
        if len(rows):
            self._blocks.append((np.full(len(slots), instant), np.full(len(slots), self._count), slots, rows))

    def joined(self, lanes: dict[int, Lane]) -> tuple[Ints, Ints, Slots, NDArray[np.void]] | None:
        """All of it, all shape (n,): instants, the number of the block of each row, slots and rows, those of a slot and
        block in order; None where there is nothing.
        """
        for code, blocks in self._asked.items():
            numbers, instants, asked = zip(*blocks, strict=True)
            which, found = windows.close(list(asked), lanes[code].ring, lanes[code].series)
            counts = [len(each.slots) for each in asked]
            slots = np.concatenate([each.slots for each in asked])[which]
            at, number = np.array([instants, numbers]).repeat(counts, axis=1)[:, which]
            if len(found):
                self._blocks.append((at, number, slots, found))
        if not self._blocks:
            return None
        if len(self._blocks) == 1:
            return self._blocks[0]
        instants, places, owners, tables = zip(*self._blocks, strict=True)
        return np.concatenate(instants), np.concatenate(places), np.concatenate(owners), windows.joined(tables)


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
            self._revise(page, spec, mine, closed, first)
            left, spans = revisions.passed_by(spec, lane.ring, mine, closed, last)
            page.add(first, left, revisions.marks(spec, left, spans, lane.series))
            for end in windows.due_ends(spec, closed, site.clock, newest):
                page.ask(Asked(spec, mine, np.full(len(mine), end)), end + spec.close_after_us)
            site.closed[spec.code] = last
        self._passed(site)
        self._write(page, position, row)

    def _revise(self, page: _Page, spec: WindowSpec, mine: Slots, closed: int, instant: int) -> None:
        """Write the pending windows again, or mark them."""
        slots, ends = self._pending[spec.metric.code].take(spec, mine, closed)
        self.revised += len(slots)
        if not len(slots):
            return
        lane = self._lanes[spec.metric.code]
        lost = ends <= revisions.beyond_ring(spec, lane.ring, slots)
        if not np.count_nonzero(lost):
            page.ask(Asked(spec, slots, ends), instant)
            return
        page.ask(Asked(spec, slots[~lost], ends[~lost]), instant)
        left, spans = revisions.runs(spec, slots[lost], ends[lost])
        page.add(instant, left, revisions.marks(spec, left, spans, lane.series))

    def _write(self, page: _Page, position: int, row: int) -> None:
        joined = page.joined(self._lanes)
        if joined is None:
            return
        at, number, slots, rows = joined
        self.dirty_marks += int(np.count_nonzero(is_dirty(rows)))
        order = np.lexsort((number, self._ranks.of(slots), at))
        at, slots, rows = at[order], slots[order], rows[order]
        rows["patient"] = self._ranks.keys(slots)
        firsts = np.flatnonzero(np.concatenate([_FIRST, (at[1:] != at[:-1]) | (slots[1:] != slots[:-1])]))
        keys = [self._patients.keys[slot] for slot in slots[firsts].tolist()]
        self._outbox.close(Where(position, row, 0), at[firsts].tolist(), keys, rows, [*firsts.tolist(), len(rows)])

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
