"""Snapshots in a topic: the bytes of a step's state (`vitals.codecs.state`) in chunks, and what holds them together.

First the chunks (key ``chunk``, at most `CHUNK_BYTES_MAX` each), then the manifest (key ``manifest``). Only that makes
a snapshot of them: a writer that dies in the middle leaves chunks that nobody reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from vitals.errors import CodecError
from vitals.messages import Message
from vitals.numbers import Count, Small

CHUNK_BYTES_MAX = 512 * 1024
CHUNK_KEY, MANIFEST_KEY = b"chunk", b"manifest"


class Format(NamedTuple):
    """What a snapshot is of, and in which version of its layout."""

    step: str
    version: int


class Piece(Message):
    """One chunk: its offset in the topic and the SHA-256 of its value."""

    offset: Count
    digest: str


class Manifest(Message):
    """A whole snapshot: the state after every record before ``offset`` of the step's input partition.

    ``size`` is the bytes of all ``chunks`` together, in their order.
    """

    kind: Literal["manifest"] = "manifest"
    step: str
    format: Small
    offset: Count
    size: Count
    chunks: tuple[Piece, ...]


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
