"""Which windows a site's clock closes, all series of the partition together; `stream.windows` computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream import windows
from stream.outbox import Outbox, Where
from stream.series import LONG_AGO, NEVER, Patients, Ranks
from vitals.windows import EVALUATE_AFTER_US, EVALUATE_EVERY_US, WINDOWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream.part import Lane
    from stream.series import Slots
    from stream.sites import Site


class Closer:
    """Closes windows of the series in ``lanes`` (by metric code) and puts them into the outbox."""

    def __init__(self, patients: Patients, lanes: dict[int, Lane], outbox: Outbox) -> None:
        self._patients, self._lanes, self._outbox = patients, lanes, outbox
        self._ranks = Ranks(patients)

    def close(self, site: Site, slots: Slots, position: int, row: int) -> None:
        """Close the windows whose end the clock has passed: one record per patient and instant."""
        instants: list[NDArray[np.int64]] = []
        owners: list[Slots] = []
        blocks: list[NDArray[np.void]] = []
        for spec in WINDOWS:
            lane = self._lanes[spec.metric.code]
            mine = slots[lane.series.exists[slots]]
            newest = int(lane.series.last_e[mine].max(initial=LONG_AGO))
            for end in windows.due_ends(spec, site.closed[spec.code], site.clock, newest):
                closed, rows = windows.close(spec, end, mine, lane.ring, lane.series)
                instants.append(np.full(len(closed), end + spec.close_after_us))
                owners.append(closed)
                blocks.append(rows)
            site.closed[spec.code] = windows.last_end(spec, site.clock)
        if blocks:
            at, slot, rows = np.concatenate(instants), np.concatenate(owners), np.concatenate(blocks)
            order = np.lexsort((self._ranks.of(slot), at))  # the outputs' own order: then it costs little to sort them
            self._write(at[order], slot[order], rows[order], position, row)

    def _write(self, at: NDArray[np.int64], slots: Slots, rows: NDArray[np.void], position: int, row: int) -> None:
        if not len(rows):
            return
        keys = [self._patients.keys[slot] for slot in slots.tolist()]
        rows["patient"] = np.frombuffer(b"".join(keys), "V16")
        new = ((at[1:] != at[:-1]) | (slots[1:] != slots[:-1])).nonzero()[0] + 1
        bounds = [0, *new.tolist(), len(rows)]
        self._outbox.close(Where(position, row, 0), at.tolist(), keys, rows, bounds)

    def look_ahead(self, site: Site, slots: Slots) -> None:
        """Find the first instant at which a window of the site's patients may close, or a window rule is evaluated."""
        ends = [
            site.closed[spec.code] + spec.step_us + spec.close_after_us
            for spec in WINDOWS
            if spec.code in site.closed and self._lanes[spec.metric.code].series.exists[slots].any()
        ]
        if any(lane.medians.narrowest[slots].any() for lane in self._lanes.values()):
            ends.append(site.evaluated + EVALUATE_EVERY_US + EVALUATE_AFTER_US)
        site.window_at = min(ends, default=NEVER)
