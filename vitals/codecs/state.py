"""A step's state as bytes: plain data with numpy columns, the same bytes for the same state.

A state is a tree of what JSON has, with numpy columns as values of its dictionaries, and with frozen `Message`s,
dataclasses and named tuples anywhere. As bytes it is the length of a head (u64, little-endian), the head, and the
columns one after the other as they lie in memory. The head is JSON: ``columns`` (dtype and shape of each) and
``state``, in which a column is ``{"column": number}``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from vitals.errors import CodecError
from vitals.messages import Message

State: TypeAlias = dict[str, Any]
Column: TypeAlias = NDArray[np.generic]

_LENGTH = struct.Struct("<Q")
_DECODER = msgspec.json.Decoder()
_KIND = re.compile(r"[<|][bifuV]\d{1,2}")
"""Numbers, truth values and plain bytes; numpy's other names for a dtype are a language of their own."""
_ERROR_CHARACTERS_MAX = 200


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
            if not _KIND.fullmatch(name):
                raise CodecError("a snapshot's column is of no kind that we write", name[:_ERROR_CHARACTERS_MAX])
            kind, count = np.dtype(name), int(np.prod(shape, dtype=np.int64))
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


@contextmanager
def reading() -> Iterator[None]:
    """Turn what goes wrong where a state does not hold what it should into a `CodecError`; of one line."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, struct.error) as error:
        if isinstance(error, ValidationError):
            first = error.errors(include_input=False, include_url=False)[0]
            text = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        else:
            text = f"{type(error).__name__}: {error}"
        told = " ".join(text.split())[:_ERROR_CHARACTERS_MAX]
        raise CodecError("a snapshot does not hold what it should", told) from error
