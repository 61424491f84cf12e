"""The clients drill's judge: every way in which a client's record can differ from the database fails it."""

from __future__ import annotations

from uuid import UUID

import pytest

from compose.drills.crowds import Got, History, Joined, Kept, Record, faults, judge
from compose.drills.deaf import frame

A, B, C = (UUID(int=number) for number in (1, 2, 3))
KEPT = [
    Kept(0, (1, 0), A, "open", closed=False),
    Kept(1, (1, 0), B, "open", closed=False),
    Kept(0, (3, 0), A, "clear", closed=True),
    Kept(0, (3, 1), C, "open", closed=False),
    Kept(1, (4, 0), B, "rise", closed=False),
]
END = {0: (3, 1), 1: (4, 0)}
FINAL = {B: (4, 0), C: (3, 1)}


def got(kept: Kept) -> Got:
    """A change as a socket has it."""
    return Got(kept.partition, kept.version, kept.alert, kept.change, 0)


def record() -> Record:
    """A client from the beginning, which lost its cursor once and came back to a snapshot."""
    again = Joined({0: (3, 0), 1: (2, 5)}, {B: (1, 0)})
    events: list[Joined | Got] = [Joined({}, {}), got(KEPT[0]), got(KEPT[1]), again, got(KEPT[3]), got(KEPT[4])]
    return Record("c", steady=False, events=events, final=FINAL)


def test_a_right_record_passes():
    """Also where a snapshot took the place of changes."""
    assert faults(record(), History(KEPT), END) == []
    assert judge([record()], KEPT, end=END, clients=1).differences == []


@pytest.mark.parametrize(
    ("place", "event", "said"),
    [
        (2, got(KEPT[0]), "came again"),
        (2, Got(1, (0, 5), B, "rise", 0), "is not in the database"),
        (2, Got(1, (1, 0), A, "open", 0), "is open 1.0"),
        (3, Joined({0: (3, 0), 1: (2, 5)}, {}), "not the open list"),
        (3, Joined({0: (3, 0), 1: (2, 5)}, {B: (4, 0)}), "not the open list"),
        (2, got(KEPT[4]), "was left out before"),
    ],
)
def test_a_wrong_event_is_found(place: int, event: Joined | Got, said: str):
    """Doubled, invented, another's, a snapshot that lies, one left out."""
    wrong = record()
    wrong.events = [event if at == place else each for at, each in enumerate(wrong.events)]
    if said == "came again":
        wrong.events.insert(place, got(KEPT[0]))
    assert any(said in each for each in faults(wrong, History(KEPT), END))


def test_what_never_came_is_found():
    """The last change is the one that a broken resume loses."""
    wrong = record()
    wrong.events = wrong.events[:-1]
    assert any("never came" in each for each in faults(wrong, History(KEPT), END))


def test_a_wrong_list_at_the_end_and_a_gap_are_found():
    """What a person sees is the list, not the changes."""
    wrong = record()
    wrong.final = {}
    assert any("open list at the end" in each for each in faults(wrong, History(KEPT), END))
    wrong = record()
    wrong.gaps = 1
    assert any("not promised" in each for each in faults(wrong, History(KEPT), END))


def test_a_client_without_a_record_and_an_empty_run_are_found():
    """Nothing compared with nothing is equal, and proves nothing."""
    assert "clients with a record" in str(judge([record()], KEPT, end=END, clients=2).differences)
    assert "proves nothing" in str(judge([Record("c", steady=True)], [], end=END, clients=1).differences)


def test_a_hello_is_a_frame_that_a_server_reads():
    """RFC 6455: a text frame, its length in seven or sixteen bits, masked."""
    assert frame(b"hi") == b"\x81\x82\0\0\0\0hi"
    assert frame(b"x" * 300)[:8] == b"\x81\xfe\x01\x2c\0\0\0\0"
