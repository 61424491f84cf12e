"""A file's local times, without a zone, as instants; pure.

In autumn an hour happens twice. The file's order tells which is meant: time only goes on, so where the clock goes back
within that hour its second pass begins (``fold=1``). Some programs export the newest row first: of the two directions
the file's own is the one in which each double hour has one step back at most, and nothing else goes back.

Where the order does not tell it, the row is read and marked as a guess. So it is where the file passes the hour once
(in the first pass, for all that is known: it counts as that, and the hole lies behind it), goes back by little
(`BACK_MIN`), and where it is not in order
or has so few rows that it could go either way (what lies behind the largest step back counts as the second pass).

In spring an hour does not exist. Its rows are read as winter time, which is where the next hour's rows lie as well,
and marked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Literal

Guess = Literal["does not exist", "happens twice"]
"""Why an instant is a guess: what its local time does."""
BACK_MIN = timedelta(minutes=30)
"""A step back by less may be two rows that changed places; the second pass of a file without holes goes back by an hour
less its interval.
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instants(times: Sequence[datetime]) -> list[tuple[int, Guess | None]]:
    """Instants (µs UTC) of a file's local times, all of one zone, in its order, and why one is a guess."""
    shifts = [_shift(local) for local in times]
    hours = [local.date() if shift < timedelta(0) else None for local, shift in zip(times, shifts, strict=True)]
    on, back = _steps(times, hours)
    astray, astray_reversed = _astray(back), _astray(on)
    against = on if astray_reversed < astray else back
    in_order = min(astray, astray_reversed) == 0 < max(astray, astray_reversed)
    order = range(len(times))[:: -1 if against is on else 1]
    doubled: dict[date, list[int]] = {}
    for row in order:
        if (hour := hours[row]) is not None:
            doubled.setdefault(hour, []).append(row)
    second, sure = set[int](), set[date]()
    for hour, rows in doubled.items():
        begins, step = _second_pass([times[row] for row in rows])
        second.update(rows[begins:])
        if in_order and against[hour] == 1 and step >= BACK_MIN:
            sure.add(hour)
    found: list[tuple[int, Guess | None]] = []
    for row, (local, shift, hour) in enumerate(zip(times, shifts, hours, strict=True)):
        guess: Guess | None = "does not exist" if shift > timedelta(0) else None
        if hour is not None and hour not in sure:
            guess = "happens twice"
        moment = local.replace(fold=int(row in second)).astimezone(UTC)
        found.append(((moment - _EPOCH) // timedelta(microseconds=1), guess))
    return found


def _shift(local: datetime) -> timedelta:
    """How the clock is changed at a local time: below 0 where that happens twice, above where it does not exist."""
    before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
    assert before is not None
    assert after is not None
    return after - before


def _steps(
    times: Sequence[datetime], hours: Sequence[date | None]
) -> tuple[Counter[date | None], Counter[date | None]]:
    """How often a file's next local time is later, and how often earlier: by the double hour that both lie in."""
    on, back = Counter[date | None](), Counter[date | None]()
    for (before, hour), (after, next_hour) in pairwise(zip(times, hours, strict=True)):
        if before != after:
            (on if after > before else back)[hour if hour == next_hour else None] += 1
    return on, back


def _astray(against: Counter[date | None]) -> int:
    """How many steps against its direction a file has that no clock explains: each double hour explains one."""
    return sum(count - (hour is not None) for hour, count in against.items())


def _second_pass(times: Sequence[datetime]) -> tuple[int, timedelta]:
    """Where the second pass begins among a double hour's rows, oldest first, and how far it goes back: at the largest
    step back, if any.
    """
    steps = [before - after for before, after in pairwise(times)]
    largest = max(steps, default=timedelta(0))
    return (steps.index(largest) + 1 if largest > timedelta(0) else len(times)), largest
