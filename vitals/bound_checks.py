"""How a number of a policy is held against its bounds; each check gives a line for each fault (see `vitals.bounds`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import Priority, Response
from vitals.policy_words import minutes as minutes_told
from vitals.policy_words import seconds as seconds_told


class Span(NamedTuple):
    """What a number may be, both ends included."""

    least: float
    most: float

    def holds(self, value: float) -> bool:
        """Whether a value lies within; never for what is no number."""
        return self.least <= value <= self.most


class ResponseBounds(NamedTuple):
    """Minutes of each step; ``must`` are those that have to exist."""

    repeat: Span
    hold: Span
    lead: Span
    everyone: Span
    must: frozenset[str]


RESPONSES: dict[Priority, ResponseBounds] = {
    "high": ResponseBounds(
        Span(1, 5), Span(1, 15), Span(1, 5), Span(1, 10), frozenset({"repeat", "hold", "lead", "all"})
    ),
    "medium": ResponseBounds(Span(1, 60), Span(1, 120), Span(1, 60), Span(1, 60), frozenset({"repeat", "hold"})),
    "low": ResponseBounds(Span(1, 240), Span(1, 240), Span(1, 240), Span(1, 240), frozenset({"hold"})),
}


def asked(where: str, priority: Priority, allowed: tuple[Priority, ...], response: Response) -> Iterator[str]:
    """Priority, and how people are asked to answer."""
    if priority not in allowed:
        yield f"{where} priority is {priority}: give {' or '.join(allowed)}"
    bounds = RESPONSES[priority]
    for name, value, span in (
        ("repeat", response.repeat_us, bounds.repeat),
        ("hold", response.hold_us, bounds.hold),
        ("lead", response.lead_us, bounds.lead),
        ("all", response.all_us, bounds.everyone),
    ):
        if value is not None:
            yield from minutes(f"{where} {name}_us", value, span)
        elif name in bounds.must:
            yield f"{where} {name}_us is missing: give {span.least:g} to {span.most:g} min (µs in a file)"
    if response.all_us is not None and (response.lead_us is None or response.all_us < response.lead_us):
        yield f"{where} all_us comes before lead_us: the lead is called first"


def whole(where: str, value: float, span: Span, unit: str) -> Iterator[str]:
    """A whole number in a span."""
    if not span.holds(value) or value % 1:
        yield f"{beyond(where, value, span, unit)}, a whole number"


def minutes(where: str, value_us: int, span: Span) -> Iterator[str]:
    """A time (µs) in a span of minutes."""
    yield from time(where, value_us, span, MINUTE_US)


def time(where: str, value_us: int, span: Span, unit_us: int = SECOND_US) -> Iterator[str]:
    """A time (µs) in a span of minutes or, by ``unit_us``, of seconds."""
    if not span.least * unit_us <= value_us <= span.most * unit_us:
        told, unit = (minutes_told, "min") if unit_us == MINUTE_US else (seconds_told, "s")
        yield f"{where} is {told(value_us)}: give {_allowed(span)} {unit} (µs in a file)"


def beyond(where: str, value: float, span: Span, unit: str) -> str:
    """What to say of a value beyond its span."""
    return f"{where} is {value:g}: give {_allowed(span)} {unit}"


def _allowed(span: Span) -> str:
    return f"{span.least:g}" if span.least == span.most else f"{span.least:g} to {span.most:g}"
