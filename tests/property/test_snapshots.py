"""A step that is restored from a snapshot goes on to the byte as the one that gave it, and gives the same snapshots."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.processor import Processor
from tests.property.test_processor import made, seeds
from vitals.snapshots import CHUNK_BYTES_MAX, chunks, decode, encode
from vitals.steps import Output, Records, Step

relaxed = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
Slice = Callable[[int, int], Records]
PIECE = 1000
"""Bytes of a chunk in these tests, so that columns and head are cut somewhere in their midst."""


def as_bytes(step: Step) -> bytes:
    """The snapshot of a step, as its chunks say it."""
    return b"".join(chunks(encode(step.state()), PIECE))


def uninterrupted(make: Callable[[], Step], read: Slice, bounds: list[int]) -> tuple[list[list[Output]], list[bytes]]:
    """The outputs of one step between the bounds, and its snapshot at each of them but the first."""
    step = make()
    outputs, snapshots = [], []
    for first, last in pairwise(bounds):
        outputs.append(step.step(read(first, last)) if first < last else [])
        snapshots.append(as_bytes(step))
    return outputs, snapshots


def check(make: Callable[[], Step], read: Slice, length: int, cuts: list[int]) -> None:
    """One step is restored at every cut; another never stops; a third reads everything at once."""
    bounds = [0, *sorted({min(cut, length) for cut in cuts}), length]
    whole = make().step(read(0, length))
    outputs, snapshots = uninterrupted(make, read, bounds)
    assert [output for part in outputs for output in part] == whole, "to take snapshots changes nothing"
    for at, (first, last) in enumerate(pairwise(bounds[1:]), 1):
        restored = make()
        restored.restore(decode(snapshots[at - 1]))
        assert as_bytes(restored) == snapshots[at - 1], "a snapshot of a snapshot is the same"
        assert (restored.step(read(first, last)) if first < last else []) == outputs[at]
        assert as_bytes(restored) == snapshots[at], "two owners write the same bytes"
        at_once = make()
        if last:
            at_once.step(read(0, last))
        assert as_bytes(at_once) == snapshots[at], "however the log was polled"


@relaxed
@given(
    seed=seeds,
    acts=st.integers(min_value=1, max_value=40),
    cuts=st.lists(st.integers(min_value=0, max_value=400), min_size=1, max_size=4),
)
def test_a_processor_goes_on_from_a_snapshot_as_if_it_had_never_stopped(seed: int, acts: int, cuts: list[int]) -> None:
    """A snapshot that left one thing out would page wrongly after a restart, and nobody would see why."""
    log = made(seed, acts)
    check(lambda: Processor(0, 1), log.records, len(log.keys), cuts)


def test_pieces_are_whole_but_the_last() -> None:
    """Their sum is the bytes, and none is larger than a record may be."""
    parts = [memoryview(bytes([number]) * size) for number, size in enumerate((0, 1, CHUNK_BYTES_MAX, 7))]
    found = list(chunks(parts))
    assert b"".join(found) == b"".join(parts)
    assert [len(each) for each in found] == [CHUNK_BYTES_MAX, 8]
