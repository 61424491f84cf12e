"""States as bytes, chunks and manifests: what comes back, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import numpy as np
import pytest

from vitals.codecs.state import State, decode, encode
from vitals.errors import CodecError
from vitals.policies import LOW, ThresholdRule
from vitals.snapshots import Format, Manifest, Piece, check, digest, joined

KINDS = ("V16", "<i8", "<i4", "<u2", "|i1", "|b1", "<f8")


def whole(state: State) -> bytes:
    """The bytes of a state in one piece."""
    return b"".join(encode(state))


class Named(NamedTuple):
    name: str
    data: bytes


class Odd:
    pass


@dataclass(frozen=True)
class Held:
    rule: ThresholdRule
    at: int


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(0,), (3,), (2, 3), (2, 0), (0, 4), (2, 2, 2)])
def test_a_column_comes_back_to_the_bit(kind: str, shape: tuple[int, ...]) -> None:
    """Infinities and the sign of a zero too: a limit of minus infinity is a rule that is not there."""
    count = int(np.prod(shape))
    column = np.frombuffer(np.random.default_rng(3).bytes(16 * count)[: count * np.dtype(kind).itemsize], kind)
    if kind == "|b1":
        column = (np.arange(count) % 2).astype(bool)
    found = decode(whole({"a": {"b": column.reshape(shape)}, "n": 1}))["a"]["b"]
    assert (found.dtype.str, found.shape) == (np.dtype(kind).str, shape)
    assert found.tobytes() == column.tobytes()


def test_a_column_that_lies_in_pieces_is_written_as_one() -> None:
    """A turned or cut table is a view; its bytes in memory are not its cells in order."""
    table = np.arange(12).reshape(3, 4)
    assert np.array_equal(decode(whole({"a": table.T[1:]}))["a"], table.T[1:])


def test_messages_and_tuples_become_plain_data() -> None:
    """Whoever restores makes them again, and what they do not hold any more is noticed there."""
    state = {"rule": LOW, "held": Held(LOW, 5), "named": Named("x", b"\x00\xff"), "id": UUID(int=7), "none": None}
    found = decode(whole(state))
    assert ThresholdRule.model_validate(found["rule"]) == LOW
    assert ThresholdRule.model_validate(found["held"]["rule"]) == LOW
    assert (found["held"]["at"], found["named"], found["none"]) == (5, ["x", "AP8="], None)
    assert UUID(found["id"]) == UUID(int=7)


def test_what_is_no_plain_data_is_a_fault_of_ours() -> None:
    """It must fail where it is written, at the desk; nobody could read it."""
    with pytest.raises(TypeError, match="Odd is no plain data"):
        encode({"odd": Odd()})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "unpack"),
        (b"\x01\x00\x00\x00\x00\x00\x00\x00{}", "DecodeError"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x00{}", "columns"),
        (whole({"a": np.arange(3)})[:-1], "buffer"),
        (whole({"a": np.arange(3)}) + b"x", "another length than its columns"),
        (whole({"a": np.arange(3)}).replace(b"<i8", b"|O8"), "no kind that we write: "),
    ],
)
def test_bytes_that_are_no_state_are_refused_in_one_line(data: bytes, said: str) -> None:
    """Of a snapshot half of which is right nothing is right."""
    with pytest.raises(CodecError, match=said) as caught:
        decode(data)
    assert "\n" not in str(caught.value)


def test_only_the_chunks_that_a_manifest_names_are_its_snapshot() -> None:
    """One that is missing, changed or of another is noticed before anything is made of it."""
    found = [b"one", b"two"]
    pieces = tuple(Piece(offset=at, digest=digest(chunk)) for at, chunk in enumerate(found))
    manifest = Manifest(step="tested", format=1, offset=9, size=6, chunks=pieces)
    assert joined(manifest, found) == b"onetwo"
    for chunks, said in (
        ([b"one"], "1 of 2"),
        ([b"two", b"one"], "not what its manifest says: offset 0"),
        ([b"one", b"twq"], "not what its manifest says: offset 1"),
    ):
        with pytest.raises(CodecError, match=said):
            joined(manifest, chunks)
    check(manifest, Format("tested", 1))
    with pytest.raises(CodecError, match="of another step: tested, not other"):
        check(manifest, Format("other", 1))
