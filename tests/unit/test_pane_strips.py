"""Strips: what windows over panes laid end to end hold, against plain loops; and which strips there are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.panes import Ring
from stream.series import CAPACITY, Series
from stream.strips import Strip
from stream.windows import CELLS_MAX, Asked, Worn, close, copied, results
from vitals.metrics import HEART_RATE, MINUTE_US, SECOND_US
from vitals.windows import WINDOW_BY_CODE

MINUTE, TEN_MINUTES = WINDOW_BY_CODE[1], WINDOW_BY_CODE[5]
T0 = 1_700_000_100_000_000
DAY_US = 86_400 * SECOND_US
TABLES = st.lists(st.one_of(st.just(0), st.integers(1, 9)), min_size=1, max_size=12)


@given(TABLES, st.data())
def test_a_window_over_a_strip_holds_what_a_loop_finds_in_it(cells: list[int], data: st.DataObject):
    """Sums, extremes and spread come from differences and doubling: each must be those of the window alone."""
    block = data.draw(st.integers(1, 4))
    cells = cells * block
    blocks = len(cells) // block
    place = data.draw(st.integers(0, blocks - 1))
    after = data.draw(st.integers(place + 1, blocks))
    first, last = place * block, after * block
    strip, at = Strip(np.array(cells, np.int32), block), (np.array([place]), np.array([after]))
    inside = [(pane, cell - 1) for pane, cell in enumerate(cells) if cell and first <= pane < last]
    assert strip.counts(*at).tolist() == [len(inside)]
    assert [int(each[0]) for each in strip.sums(*at)] == [
        len(inside),
        sum(x for _, x in inside),
        sum(x * x for _, x in inside),
        sum(t for t, _ in inside),
        sum(t * t for t, _ in inside),
        sum(t * x for t, x in inside),
    ]
    assert strip.windows(at[0], last - first).tolist() == [cells[first:last]]
    if not inside:
        return
    widths = {after - place, 1}
    extremes = strip.extremes(widths)
    assert set(extremes) == widths
    most, least = extremes[after - place][:, place].tolist()
    assert (most - 1, -1 - least) == (max(x for _, x in inside), min(x for _, x in inside))
    spread = [int(each[0]) for each in strip.spread(*at)]
    steps = [later[0] - earlier[0] for earlier, later in pairwise(inside)]
    assert spread == [inside[0][0] - first, inside[-1][0] - first, max(steps, default=0)]


def test_windows_of_a_strip_have_spreads_of_their_own():
    """They are found in one pass: what lies between two windows is in none of them."""
    strip = Strip(np.array([1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1], np.int32), 1)
    spread = strip.spread(np.array([7, 0, 2]), np.array([11, 3, 3]))
    assert [each.tolist() for each in spread] == [[0, 0, 0], [3, 2, 0], [3, 2, 0]]


def full(events: dict[int, int], seconds: int, slots: int = CAPACITY) -> Ring:
    """A ring in which the readings of each slot end at a time (µs), one a second."""
    ring = Ring(HEART_RATE, timed=False)
    ring.grow(slots)
    for slot, end in events.items():
        at = end - np.arange(seconds)[::-1] * SECOND_US
        values = 60 + (np.arange(seconds) * (slot + 3)) % 50 / 1.0
        ring.write(np.full(seconds, slot), at, values, values, np.zeros(seconds, np.bool_))
    return ring


def alone(ring: Ring, asked: Asked, worn: Worn) -> list[bytes]:
    """What each window says by itself, without the ends."""
    spec, found = asked.spec, []
    for at, (slot, end) in enumerate(zip(asked.slots.tolist(), asked.ends.tolist(), strict=True)):
        cells = np.abs(ring.cells(np.array([slot]), end, spec.reach_us))
        _, rows = results(spec, cells, worn.some(np.array([at])))
        rows["start"], rows["end"] = end - spec.width_us, end
        found += [row.tobytes() for row in rows]
    return found


def check(ring: Ring, *asked: Asked) -> int:
    """Whether windows closed together say what each says by itself; how many hold a reading."""
    series = Series(HEART_RATE)
    series.grow(ring.capacity)
    copies = list(copied(list(asked), ring))
    which, rows = close(copies, series)
    which = np.concatenate([each.which for each in copies])[which]
    found = [row.tobytes() for row in rows]
    assert len(which) == len(found)
    wanted = [one for each in asked for one in alone(ring, each, Worn.of(series, each.slots))]
    order = np.argsort(which, kind="stable").tolist()
    assert [found[at] for at in order] == wanted
    return len(found)


def test_windows_of_all_kinds_and_ages_say_what_each_says_by_itself():
    """They share strips; a window whose ring has left its first pane behind is none, nor is one without a reading."""
    ring = full({0: T0, 1: T0 - 7 * SECOND_US, 2: T0 - 3 * MINUTE_US, 3: T0 - 20 * MINUTE_US}, 800)
    slots = np.array([0, 1, 2, 3, 4])
    ends = np.repeat(T0 - np.arange(14) * MINUTE_US, 5)
    many = Asked(TEN_MINUTES, np.tile(slots, 14), ends)
    assert check(ring, Asked(MINUTE, slots, np.full(5, T0)), many, Asked(MINUTE, np.tile(slots, 14), ends))


def test_late_windows_of_two_patients_days_apart_share_no_strip():
    """The panes between them would fill the memory."""
    ring = full({slot: T0 - slot * DAY_US for slot in range(5)}, 100)
    slots = np.arange(5)
    assert check(ring, Asked(MINUTE, slots, T0 - slots * DAY_US)) == 5
    assert check(ring, Asked(MINUTE, slots[3:], T0 - slots[3:] * DAY_US)) == 2


def test_a_ward_too_large_for_one_strip_has_several():
    """What is made of panes on the way must stay in the processor's cache."""
    patients = CELLS_MAX // 600 * 2 + 3
    ring = full({slot: T0 - slot % 9 * SECOND_US for slot in range(0, patients, 7)}, 70, patients)
    slots = np.arange(patients)
    ten, one = Asked(TEN_MINUTES, slots, np.full(patients, T0)), Asked(MINUTE, slots, np.full(patients, T0))
    assert check(ring, one, ten) == 2 * len(range(0, patients, 7))
