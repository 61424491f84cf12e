"""The ward under any slicing of time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.ward import Due, Ward, WardSpec

S = 1_000_000


def together(parts: list[Due]) -> Due:
    return Due(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@given(
    patients=st.integers(1, 20),
    rate=st.sampled_from([0.05, 0.3, 1.0]),
    seed=st.integers(0, 2**40),
    cuts=st.lists(st.integers(1, 400 * S), max_size=12).map(sorted),
)
@settings(max_examples=40, deadline=None)
def test_readings_do_not_depend_on_how_time_was_sliced(patients: int, rate: float, seed: int, cuts: list[int]):
    """A busy machine slices time otherwise than an idle one; the same seed must give the same ward."""
    spec = WardSpec(patients, rate, seed, 0)
    whole = Ward(spec).due(400 * S)
    sliced = Ward(spec)
    parts = together([sliced.due(until) for until in [*cuts, 400 * S]])
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))


@given(patients=st.integers(1, 30), seed=st.integers(0, 2**40))
@settings(max_examples=20, deadline=None)
def test_no_device_sends_two_readings_of_a_metric_at_one_time(patients: int, seed: int):
    """Two would be one reading, or a conflict."""
    due = Ward(WardSpec(patients, 1.0, seed, 0)).due(300 * S)
    keys = set(zip(due.patient.tolist(), due.metric.tolist(), due.at.tolist(), strict=True))
    assert len(keys) == len(due.at)
    assert (due.value > 0).all()
    assert (np.diff(due.at) >= 0).all()
