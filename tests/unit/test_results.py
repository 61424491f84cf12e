"""What windows say by their cells, held against the plain program; which ends are due, and whose ring still reaches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from stream import windows
from stream.panes import Ring
from stream.series import LONG_AGO, Series
from stream.windows import Asked, Worn, due_ends, last_end, results
from tests.logs import worn
from tests.oracle_closed import Closed, result
from tests.oracle_series import Series as Plain
from vitals.metrics import GLUCOSE, MINUTE_US, SECOND_US
from vitals.windows import WINDOW, WINDOWS, WindowSpec

T0 = 28_333_335 * MINUTE_US
PULSE, SUGAR, TEN_SECONDS, FIVE_MINUTES, TEN_MINUTES, SUGAR_5, HOUR = WINDOWS
SCHEMES = "dexcom", "xdrip", "libre"


class Sensor(NamedTuple):
    """A device's interval (µs) and the scheme of its arrows."""

    interval: int
    scheme: int

    def plain(self, spec: WindowSpec) -> Plain:
        """As the plain program knows a series of it."""
        item = worn("ann", "sensor-1", "ward", T0)
        streams = tuple(
            each.model_copy(update={"interval_us": self.interval}) if each.metric == spec.metric.name else each
            for each in item.type.streams
        )
        kind = item.type.model_copy(update={"streams": streams, "arrow": SCHEMES[self.scheme]})
        return Plain(spec.metric, item.model_copy(update={"type": kind}))


def worn_of(spec: WindowSpec, sensors: list[Sensor]) -> Worn:
    intervals = np.array([each.interval for each in sensors])
    gaps = np.array([each.plain(spec).gap for each in sensors])
    return Worn(intervals, gaps, np.array([each.scheme for each in sensors], np.int8))


def told(row: np.void, start: int = 0, end: int = 0) -> Closed:
    """A window's row in the words of the plain program."""
    names = ("metric", "window", "count", "gap", "mean", "sd", "min", "max", "slope", "median", "theil_sen")
    metric, window, *figures = [*(row[name].item() for name in names), row["coverage"].item(), row["arrow"].item()]
    return Closed._make((metric, window, start, end, *figures))


def same(found: Closed, expected: Closed) -> bool:
    """Equal to the byte, unknown ones too; coverage as a float of four bytes holds it."""
    mine, other = found._asdict(), expected._asdict() | {"coverage": float(np.float32(expected.coverage))}
    return all(repr(each) == repr(other[name]) for name, each in mine.items())


def sensors_of(spec: WindowSpec, count: int, random: np.random.Generator) -> list[Sensor]:
    pane = spec.metric.pane_us
    intervals = [pane // 2, pane, 2 * pane, 5 * pane] if spec.metric is GLUCOSE else [pane, 5 * pane, 60 * pane]
    return [Sensor(int(random.choice(intervals)), int(random.integers(0, 3))) for _ in range(count)]


@pytest.mark.parametrize("spec", WINDOWS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("seed", range(3))
def test_a_window_says_what_the_plain_program_says_to_the_byte(spec: WindowSpec, seed: int) -> None:
    """Many at once, of sensors of all kinds, full, torn and empty; 0 and the greatest value among them."""
    random = np.random.default_rng([seed, spec.code])
    rows, panes = 24, spec.reach_us // spec.metric.pane_us
    sensors = sensors_of(spec, rows, random)
    # a window of a slow sensor is full where every interval has its reading
    every = np.array([max(1, each.interval // spec.metric.pane_us) for each in sensors])[:, None]
    on_time = np.arange(panes)[::-1] % every == 0
    share = random.choice([0.05, 0.3, 0.9, 1.0, 1.0], (rows, 1))
    base = random.choice([0, 55_000, 150_000, 1_999_000], (rows, 1))
    values = np.clip(base + np.arange(panes) * random.integers(-500, 3000, (rows, 1)), 0, 2_000_000)
    values = np.where(random.random((rows, panes)) < 0.1, 0, values)
    cells = np.where(on_time & (random.random((rows, panes)) < share), values + 1, 0).astype(np.int32)
    cells[0] = 0
    if seed == 2:  # nothing is missing anywhere
        cells = (values + 1).astype(np.int32)
    which, found = results(spec, cells, worn_of(spec, sensors))
    expected = [
        result(each.plain(spec), spec, T0, {
            T0 // spec.metric.pane_us - panes + 1 + at: int(cell) - 1 for at, cell in enumerate(row) if cell
        }) for each, row in zip(sensors, cells, strict=True)
    ]  # fmt: skip
    assert which.tolist() == [at for at, each in enumerate(expected) if each is not None]
    for at, row in zip(which.tolist(), found, strict=True):
        plain = expected[at]
        assert plain is not None
        assert same(told(row, plain.start, plain.end), plain), (at, told(row, plain.start, plain.end), plain)
    assert found.dtype == WINDOW
    assert not any(found[name].any() for name in ("start", "end", "offset", "ordinal", "flags"))


def test_a_step_of_the_gap_is_a_line_and_a_longer_one_is_a_hole() -> None:
    """The mean is of what is known: eleven minutes from 100 to 200 are, twelve are not."""
    sensor = Sensor(MINUTE_US, 0)
    gap = sensor.plain(SUGAR).gap // MINUTE_US
    for step, mean in ((gap, (3 * 100 + gap * 150) / (3 + gap)), (gap + 1, 100.0)):
        cells = np.zeros((1, 30), np.int32)
        cells[0, [15, 16, 29 - step]], cells[0, 29] = 100_001, 200_001
        (found,) = results(SUGAR, cells, worn_of(SUGAR, [sensor]))[1]
        assert found["mean"] == mean


def test_ends_close_two_seconds_later_and_lie_on_whole_steps() -> None:
    """A microsecond sooner the end before is the newest."""
    for spec in WINDOWS:
        end = T0 // spec.step_us * spec.step_us
        clock = end + spec.close_after_us
        assert [last_end(spec, at) for at in (clock - 1, clock, clock + spec.step_us - 1)] == [
            end - spec.step_us,
            end,
            end,
        ]


def test_the_ends_that_are_due_are_those_that_data_can_reach() -> None:
    """From the first after the last that was closed; no further than the newest reading is still inside."""
    step, clock = HOUR.step_us, T0 + 2 * HOUR.step_us + HOUR.close_after_us
    assert T0 % step == 0
    assert list(due_ends(HOUR, T0, clock, T0)) == [T0 + step, T0 + 2 * step]
    assert list(due_ends(HOUR, T0, clock - 1, T0)) == [T0 + step]
    assert list(due_ends(HOUR, T0 + 2 * step, clock, T0)) == []
    newest = T0 + step - HOUR.width_us
    assert list(due_ends(HOUR, T0, clock, newest)) == [], "(T, T + W] is over at T + W"
    assert list(due_ends(HOUR, T0, clock, newest + 1)) == [T0 + step]
    assert list(due_ends(HOUR, T0, clock, newest + step)) == [T0 + step]
    assert list(due_ends(HOUR, T0, clock, newest + step + 1)) == [T0 + step, T0 + 2 * step]


def test_after_a_jump_the_ends_of_one_ring_are_due() -> None:
    """What lies before it was marked, or never was."""
    ring = GLUCOSE.panes * GLUCOSE.pane_us
    clock = T0 + 24 * 60 * MINUTE_US + HOUR.close_after_us
    ends = list(due_ends(HOUR, T0, clock, clock))
    last = last_end(HOUR, clock)
    assert (ends[0], ends[-1], len(ends)) == (last - ring + HOUR.step_us, last, ring // HOUR.step_us)
    assert list(due_ends(HOUR, LONG_AGO, clock, clock)) == ends


def ward(*slots: int) -> tuple[Ring, Series]:
    """A ring and series of glucose of these slots, of which each has 100 + slot at each minute of a quarter."""
    ring, series = Ring(GLUCOSE, timed=True), Series(GLUCOSE)
    for slot in slots:
        series.interval[slot], series.gap[slot], series.scheme[slot] = MINUTE_US, 11 * MINUTE_US, slot % 3
        events = T0 - np.arange(15)[::-1] * MINUTE_US
        values = np.full(15, 100.0 + slot)
        ring.write(np.full(15, slot), events, values, values, np.zeros(15, bool))
    return ring, series


def closed(at: int, slots: list[int], ring: Ring, series: Series) -> tuple[list[int], Any]:
    """Whose windows of a quarter of an hour that end then hold a reading, and the rows of these."""
    asked = Asked(SUGAR, np.array(slots, np.intp), np.full(len(slots), at))
    copies = list(windows.copied([asked], ring))
    if not copies:
        return [], np.zeros(0, WINDOW)
    which, rows = windows.close(copies, series)
    asked_for = np.concatenate([each.which for each in copies])
    return [slots[each] for each in asked_for[which].tolist()], rows


def test_who_has_a_reading_in_the_window_has_a_row_with_its_times() -> None:
    """Whoever has none has no row, and the others keep theirs."""
    ring, series = ward(3, 7)
    slots, rows = closed(T0 + 5 * MINUTE_US, [7, 5, 3], ring, series)
    assert slots == [7, 3]
    assert rows["mean"].tolist() == [107, 103]
    assert (set(rows["start"].tolist()), set(rows["end"].tolist())) == ({T0 - 10 * MINUTE_US}, {T0 + 5 * MINUTE_US})
    nobody, none = closed(T0, [], ring, series)
    assert (len(nobody), len(none), none.dtype) == (0, 0, WINDOW)
    nobody, none = closed(T0, [5], ring, series)
    assert (len(nobody), len(none)) == (0, 0)


def test_a_window_that_begins_where_the_ring_does_is_whole_and_one_before_it_is_none() -> None:
    """What stands there by then is of three hours later; whoever closes one window of one patient sees it, too."""
    for head, known in ((150, True), (151, False)):
        ring, series = ward(3)
        late = np.array([T0 + head * MINUTE_US])
        ring.write(np.array([3]), late, np.array([90.0]), np.array([90.0]), np.zeros(1, bool))
        slots, rows = closed(T0, [3], ring, series)
        assert (slots, rows["mean"].tolist()) == (([3], [103]) if known else ([], []))


def test_where_nothing_is_asked_for_there_is_nothing() -> None:
    """A tick may have marks only."""
    assert list(windows.copied([], ward(3)[0])) == []


def test_a_ward_of_more_than_one_block_has_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are only for the processor's cache: interval, gap and arrows are each series' own in any of them."""
    ring, series = ward(3, 7, 8, 11)
    series.interval[7] = 5 * MINUTE_US
    expected = closed(T0 + 10 * MINUTE_US, [3, 5, 7, 8, 11], ring, series)
    for cells in (1, 60, 61, 90, 150):
        monkeypatch.setattr(windows, "CELLS_MAX", cells)
        slots, rows = closed(T0 + 10 * MINUTE_US, [3, 5, 7, 8, 11], ring, series)
        assert sorted(slots) == [3, 7, 8, 11]
        rows = rows[np.argsort(slots)]
        assert rows["coverage"].tolist() == [np.float32(5 / 15), 1.0, np.float32(5 / 15), np.float32(5 / 15)]
        assert rows["mean"].tolist() == [103, 107, 108, 111]
        assert rows.tobytes() == expected[1].tobytes()


def rising(scheme: int, per_minute: float) -> Any:
    cells = np.zeros((1, 30), np.int32)
    cells[0, 15:] = 100_001 + (np.arange(15) * per_minute * 1000).astype(np.int32)
    return results(SUGAR, cells, Worn(np.array([MINUTE_US]), np.array([11 * MINUTE_US]), np.array([scheme], np.int8)))[
        1
    ][0]


@pytest.mark.parametrize(("scheme", "arrow"), [(0, 3), (1, 2), (2, 2)])
def test_arrows_are_the_vendors(scheme: int, arrow: int) -> None:
    """3.2 mg/dL a minute is three arrows of Dexcom, two of xDrip, and Libre has no third."""
    assert rising(scheme, 3.2)["arrow"] == arrow


def test_a_span_of_twenty_seconds_is_needed_for_a_slope_of_the_heart() -> None:
    """Ten seconds have none, a minute has."""
    for spec, known in ((TEN_SECONDS, False), (PULSE, True)):
        panes = spec.width_us // SECOND_US
        cells = (np.arange(panes)[None, :] * 100 + 60_001).astype(np.int32)
        (found,) = results(spec, cells, worn_of(spec, [Sensor(SECOND_US, 0)]))[1]
        assert bool(np.isfinite(found["slope"])) is known
        assert found["arrow"] == -128
