"""Snapshots as bytes: a step's state as plain data, its pieces in a topic, and the manifest that holds them together.

A state is a tree of what JSON has, with numpy columns as values of its dictionaries and frozen `Message`s anywhere.
As bytes it is the length of a head (u64, little-endian), the head, and the columns one after the other as they lie in
memory. The head is JSON: ``columns`` (dtype and shape of each) and ``state``, in which a column is
``{"column": number}``. The same state is always the same bytes, so two owners of a partition write the same.

In the topic come the pieces (key ``chunk``, at most `CHUNK_BYTES_MAX` each), then the manifest (key ``manifest``). Only
the manifest makes a snapshot of them: a writer that dies in the middle leaves pieces that nobody reads.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from vitals.errors import CodecError
from vitals.messages import Message

State: TypeAlias = dict[str, Any]
Column: TypeAlias = NDArray[np.generic]

CHUNK_BYTES_MAX = 512 * 1024
CHUNK_KEY, MANIFEST_KEY = b"chunk", b"manifest"
_LENGTH = struct.Struct("<Q")
_DECODER = msgspec.json.Decoder()


class Format(NamedTuple):
    """What a snapshot is of, and in which version of its layout."""

    step: str
    version: int


class Piece(Message):
    """One chunk: its offset in the topic and the SHA-256 of its value."""

    offset: int
    digest: str


class Manifest(Message):
    """A whole snapshot: the state after every record before ``offset`` of the step's input partition.

    ``size`` is the bytes of all ``chunks`` together, in their order.
    """

    kind: Literal["manifest"] = "manifest"
    step: str
    format: int
    offset: int
    size: int
    chunks: tuple[Piece, ...]


def encode(state: State) -> list[memoryview]:
    """The bytes of a state in parts, columns uncopied where they lie in one piece."""
    columns: list[Column] = []

    def plain(value: object) -> object:
        if isinstance(value, np.ndarray):
            columns.append(np.ascontiguousarray(value))
            return {"column": len(columns) - 1}
        if isinstance(value, Message):
            return msgspec.Raw(value.encode())
        raise TypeError(f"{type(value).__name__} is no plain data")

    tree = msgspec.Raw(msgspec.json.encode(state, enc_hook=plain))
    kinds = [(column.dtype.str, column.shape) for column in columns]
    head = msgspec.json.encode({"columns": kinds, "state": tree})
    parts = [memoryview(_LENGTH.pack(len(head)) + head)]
    # a view as bytes: of a column without cells there is none to be had
    return parts + [column.reshape(-1).view(np.uint8).data for column in columns if column.size]


def decode(data: bytes) -> State:
    """The state in a snapshot's bytes; its columns are views that cannot be written.

    Raises:
        CodecError: these are not the bytes of a state.
    """
    with reading():
        (length,) = _LENGTH.unpack_from(data)
        head = _DECODER.decode(data[_LENGTH.size : _LENGTH.size + length])
        begin, columns = _LENGTH.size + length, []
        for name, shape in head["columns"]:
            kind, count = np.dtype(name), int(np.prod(shape, dtype=np.int64))
            if kind.hasobject:
                raise CodecError("a snapshot's column is no plain data", name)
            columns.append(np.frombuffer(data, kind, count, begin).reshape(shape) if count else np.zeros(shape, kind))
            begin += count * kind.itemsize
        if begin != len(data):
            raise CodecError("a snapshot has another length than its columns", f"{len(data)} bytes, not {begin}")
        state: State = head["state"]
        _place(state, columns)
        return state


def _place(tree: State, columns: Sequence[Column]) -> None:
    for name, value in tree.items():
        if isinstance(value, dict):
            if value.keys() == {"column"}:
                tree[name] = columns[value["column"]]
            else:
                _place(value, columns)


def chunks(parts: Sequence[memoryview], size: int = CHUNK_BYTES_MAX) -> Iterator[bytes]:
    """The same bytes in pieces of ``size``, the last one shorter."""
    piece = bytearray()
    for part in parts:
        at = 0
        while at < len(part):
            taken = part[at : at + size - len(piece)]
            piece += taken
            at += len(taken)
            if len(piece) == size:
                yield bytes(piece)
                piece.clear()
    if piece:
        yield bytes(piece)


def digest(chunk: bytes) -> str:
    """What a manifest says of a chunk."""
    return hashlib.sha256(chunk).hexdigest()


def joined(manifest: Manifest, found: Sequence[bytes]) -> bytes:
    """The bytes of a snapshot from its chunks.

    Raises:
        CodecError: a chunk is not the one that the manifest names.
    """
    if len(found) != len(manifest.chunks):
        raise CodecError("a snapshot's chunks are not there any more", f"{len(found)} of {len(manifest.chunks)}")
    for piece, chunk in zip(manifest.chunks, found, strict=True):
        if digest(chunk) != piece.digest:
            raise CodecError("a snapshot's chunk is not what its manifest says", f"offset {piece.offset}")
    data = b"".join(found)
    if len(data) != manifest.size:
        raise CodecError("a snapshot is not as long as its manifest says", f"{len(data)} bytes, not {manifest.size}")
    return data


def check(manifest: Manifest, known: Format) -> None:
    """Whether a step can be made from this snapshot.

    Raises:
        CodecError: it is of another step, or of a format that this version does not know.
    """
    if manifest.step != known.step:
        raise CodecError("a snapshot is of another step", f"{manifest.step}, not {known.step}")
    if manifest.format != known.version:
        age = "a newer" if manifest.format > known.version else "an older"
        raise CodecError(f"a snapshot is of {age} format", f"{manifest.format}, this version knows {known.version}")


@contextmanager
def reading() -> Iterator[None]:
    """Turn what goes wrong where a state does not hold what it should into a `CodecError`."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, struct.error, msgspec.DecodeError) as error:
        if isinstance(error, ValidationError):
            first = error.errors(include_input=False, include_url=False)[0]
            text = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        else:
            text = f"{type(error).__name__}: {error}"
        raise CodecError("a snapshot does not hold what it should", text[:200].replace("\n", " ")) from error
