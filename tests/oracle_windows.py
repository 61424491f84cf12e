"""Which windows the oracle closes, writes again and marks, one series and one end at a time (``tests/oracle.py``)."""

from __future__ import annotations

from itertools import groupby, takewhile

from tests.oracle_closed import Closed, Dirty, closed, dirty, out_of_reach, reaches
from tests.oracle_medians import MedianRules
from tests.oracle_series import Series
from tests.oracle_told import Site
from vitals.windows import WINDOWS, WindowSpec


class Windows(MedianRules):
    """The windows (docs/wire-format.md, *WINDOW*)."""

    @staticmethod
    def last_end(spec: WindowSpec, clock: int) -> int:
        return (clock - spec.close_after_us) // spec.step_us * spec.step_us

    @staticmethod
    def note(series: Series, site: Site, pane: int | None) -> None:
        """A pane was filled, or lies beyond the ring: closed windows that look at it are written again."""
        for spec in WINDOWS:
            if pane is not None and spec.metric is series.metric:
                end = -(-pane * spec.metric.pane_us // spec.step_us) * spec.step_us
                if spec.code in site.closed and end <= site.closed[spec.code]:
                    series.changed.setdefault(spec.code, set()).add(end)

    def close(self, number: int, site: Site, clock: int) -> None:
        closing: dict[tuple[int, bytes], list[Closed | Dirty]] = {}
        for spec in WINDOWS:
            before, last = site.closed[spec.code], self.last_end(spec, clock)
            if last <= before:
                continue
            for key, patient in self.patients.items():
                series = patient.series.get(spec.metric.code)
                if patient.site != number or series is None:
                    continue
                again = self.again(series, spec, before) + self.passed(series, spec, before, last)
                if again:
                    closing.setdefault((before + spec.step_us + spec.close_after_us, key), []).extend(again)
                since = max(before, last - spec.metric.panes * spec.metric.pane_us)
                for end in range(since + spec.step_us, last + 1, spec.step_us):
                    if not reaches(series, spec, end):
                        break
                    found = closed(series, spec, end)
                    if found is not None:
                        closing.setdefault((end + spec.close_after_us, key), []).append(found)
            site.closed[spec.code] = last
        self.tell_windows([(key, row) for (_, key), rows in sorted(closing.items()) for row in rows])

    @staticmethod
    def again(series: Series, spec: WindowSpec, before: int) -> list[Closed | Dirty]:
        """The closed windows that have changed, and marks of those that the ring has left behind."""
        steps = range(0, spec.reach_us, spec.step_us)
        changed = {end + step for end in series.changed.pop(spec.code, ()) for step in steps}
        ends = sorted(end for end in changed if end <= before)
        found = [closed(series, spec, end) for end in ends]
        lost = [end for end in ends if out_of_reach(series, spec, end)]
        runs = groupby(enumerate(lost), lambda each: each[1] - each[0] * spec.step_us)
        spans = [[end for _, end in run] for _, run in runs]
        return [each for each in found if each is not None] + [dirty(series, spec, s[0], s[-1]) for s in spans]

    @staticmethod
    def passed(series: Series, spec: WindowSpec, before: int, last: int) -> list[Closed | Dirty]:
        """A mark of the windows that the clock passes now and that nobody can compute any more."""
        if not series.panes:
            return []
        pane, ring = spec.metric.pane_us, spec.metric.panes * spec.metric.pane_us

        def nobody_can(end: int) -> bool:
            jumped = end <= last - ring and end - spec.width_us < series.head * pane
            return jumped or out_of_reach(series, spec, end)

        # what holds for an end holds for every earlier one
        lost = list(takewhile(nobody_can, range(before + spec.step_us, last + 1, spec.step_us)))
        return [dirty(series, spec, lost[0], lost[-1])] if lost else []
