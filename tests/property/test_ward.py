"""The ward under any slicing of time, and from any beginning."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.ward import Ahead, Due, Ward, WardSpec
from vitals.metrics import STEPS

S = 1_000_000
NOW = 1_795_422_480_000_000


def together(parts: list[Due]) -> Due:
    return Due._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def same(one: Due, other: Due) -> bool:
    columns = zip(one, other, strict=True)
    return all(np.asarray(mine).tobytes() == np.asarray(theirs).tobytes() for mine, theirs in columns)


specs = st.builds(
    WardSpec,
    patients=st.integers(1, 20),
    rate_hz=st.sampled_from([0.05, 0.2, 1.0]),
    seed=st.integers(0, 2**40),
    story_at=st.sampled_from([None, NOW + 100 * S, NOW + 3000 * S]),
)


@given(spec=specs, cuts=st.lists(st.integers(0, 400 * S), max_size=12).map(sorted))
@settings(max_examples=40, deadline=None)
def test_readings_do_not_depend_on_how_time_was_sliced(spec: WardSpec, cuts: list[int]):
    """A busy machine slices time otherwise than an idle one; the same seed must give the same ward."""
    whole = Ward(spec).due(NOW, NOW + 400 * S)
    sliced = Ahead(Ward(spec), 70 * S)
    edges = [0, *cuts, 400 * S]
    parts = [sliced.due(NOW + begin, NOW + end) for begin, end in pairwise(edges)]
    assert same(whole, together(parts))


@given(spec=specs, later=st.integers(0, 40_000_000 * S))
@settings(max_examples=25, deadline=None)
def test_a_ward_that_begins_later_is_the_same_ward(spec: WardSpec, later: int):
    """History is sent by one process and the present by another: one course, without a jump."""
    lived = Ward(spec)
    lived.due(NOW, NOW + 90 * S)
    lived.due(NOW + later, NOW + later + 50 * S)
    assert same(
        lived.due(NOW + later + 50 * S, NOW + later + 200 * S),
        Ward(spec).due(NOW + later + 50 * S, NOW + later + 200 * S),
    )


@given(spec=specs)
@settings(max_examples=20, deadline=None)
def test_no_device_sends_two_readings_of_a_metric_at_one_time(spec: WardSpec):
    """Two would be one reading, or a conflict."""
    due = Ward(spec).due(NOW, NOW + 300 * S)
    keys = set(zip(due.patient.tolist(), due.metric.tolist(), due.at.tolist(), strict=True))
    assert len(keys) == len(due.at)
    assert (due.value[(due.marks == 0) & (due.metric != STEPS.code)] > 0).all()
    assert (np.diff(due.at) >= 0).all()
