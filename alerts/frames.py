"""Frames of the feed, spliced around the JSON that stands in the log; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from vitals.protocol import SNAPSHOT_ALERTS_MAX

Kind = Literal["alert", "shelf", "service"]
"""What a change on the feed can be about."""
_TYPE: dict[Kind, str] = {"alert": "change", "shelf": "shelf", "service": "service"}
_LISTS: dict[Kind, str] = {"alert": "alerts", "shelf": "shelves", "service": "services"}
PART_CHARACTERS_MAX = 256 * 1024
"""JSON in one ``snapshot``, unless a single entry is larger; well below what a connection may have unsent."""


def change_frame(kind: Kind, body: str, cursor: str) -> str:
    """The frame of one change of an alert, a shelf or a service."""
    return f'{{"type":"{_TYPE[kind]}","cursor":"{cursor}","{kind}":{body}}}'


def snapshot_frames(
    cursor: str, alerts: Sequence[str], shelves: Sequence[str] = (), services: Sequence[str] = ()
) -> Iterator[str]:
    """The ``snapshot`` frames of a client that stands at ``cursor`` after them; one at least.

    Shelves and services follow the alerts, so that they stand in the last frame unless there are too many of them.
    """
    parts = list(_parts([("alert", alerts), ("shelf", shelves), ("service", services)]))
    for number, part in enumerate(parts, 1):
        last = number == len(parts)
        lists = "".join(f',"{_LISTS[kind]}":[{",".join(bodies)}]' for kind, bodies in part.items())
        where = f'"{cursor}"' if last else "null"
        yield f'{{"type":"snapshot","cursor":{where},"more":{"false" if last else "true"}{lists}}}'


def _parts(lists: Sequence[tuple[Kind, Sequence[str]]]) -> Iterator[dict[Kind, list[str]]]:
    part: dict[Kind, list[str]] = {"alert": [], "shelf": [], "service": []}
    characters = 0
    for kind, bodies in lists:
        for body in bodies:
            full = characters + len(body) > PART_CHARACTERS_MAX or len(part[kind]) >= SNAPSHOT_ALERTS_MAX
            if full and characters:
                yield part
                part, characters = {"alert": [], "shelf": [], "service": []}, 0
            part[kind].append(body)
            characters += len(body)
    yield part
