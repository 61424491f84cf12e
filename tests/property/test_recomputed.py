"""What the sink computes from stored readings against the plain program, which knows every pane that there ever was."""

from __future__ import annotations

from uuid import UUID

from stream import sink_windows
from stream.sink_windows import Mark
from tests.logs import stored
from tests.oracle import Oracle
from tests.oracle_bytes import row
from tests.oracle_closed import Dirty, recomputed
from tests.strategies.acts import lived
from tests.strategies.trials import plan
from vitals.causes import Cause
from vitals.readings import READING
from vitals.readings import decode as decode_rows

LOGS = 120


def marked(key: bytes, said: Dirty) -> Mark:
    """The sink's word for a mark of the oracle."""
    return Mark(0, 1, 2, UUID(bytes=key), said.window, *said[2:])


def test_the_sink_computes_what_a_ring_without_end_would_say() -> None:
    """Nobody looks twice at a window of last week: a wrong one would stand for ever."""
    compared = 0
    for seed in range(LOGS):
        log = lived(plan(seed)).log
        oracle = Oracle()
        told = oracle.read(log.records())
        rows = decode_rows([value for value in log.values if len(value) % READING.itemsize == 0])
        for key, said in (one for each in told for one in each.windows):
            if not isinstance(said, Dirty) or oracle.patients[key].version > 1:  # another device may have come
                continue
            wanted = recomputed(oracle.patients[key].series[said.metric], said)
            mark, found = marked(key, said), b""
            since = mark.first
            while since <= mark.last:  # in parts, as the sink does
                ends = sink_windows.next_ends(mark, since, mark.spec.step_us)
                found += sink_windows.recomputed(mark, ends, stored(rows, key, said.metric)).tobytes()
                since = ends[-1] + mark.spec.step_us
            assert found == b"".join(row(key, Cause(1, 2), each) for each in wanted), (seed, said)
            compared += len(wanted)
    assert compared > 200
