"""The page of the wire format, read as other languages read it: its vectors and offsets are the code's."""

from __future__ import annotations

import re
import struct
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from vitals.metrics import MINUTE_US, SECOND_US
from vitals.readings import INVALID_SHIFT, READING, UNUSABLE_MASK, Flag, Invalid, Reading, from_row, to_row
from vitals.readings import decode as decode_rows
from vitals.topics import NAMESPACE, device_id, murmur2, partition_of, patient_id
from vitals.windows import DIRTY, WINDOW, WINDOWS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "wire-format.md").read_text(encoding="utf-8")
VECTORS = re.findall(r"^\| `([0-9a-f]+)` \| `([0-9a-f]{8})` \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
TYPES = {"bytes": "V", "i64": "<i8", "i32": "<i4", "i8": "i1", "f64": "<f8", "f32": "<f4", "u32": "<u4", "u16": "<u2"}


def section(title: str) -> str:
    """The text under a heading, its subsections left out."""
    return re.split(r"^#", PAGE.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def layout(title: str) -> list[tuple[str, int, str]]:
    """Name, offset and numpy type of every field in a section's first table."""
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\w+) \| (\w+) \|", section(title), re.MULTILINE)
    return [
        (name, int(offset), np.dtype(f"V{size}" if kind == "bytes" else TYPES.get(kind, "u1")).str)
        for offset, size, name, kind in rows
    ]


@pytest.mark.parametrize(("key", "digest", "of_4", "of_12"), VECTORS)
def test_a_key_lies_where_the_page_says(key: str, digest: str, of_4: str, of_12: str):
    """A producer in another language that puts a patient elsewhere splits the one order that decides alarms."""
    data = bytes.fromhex(key)
    assert murmur2(data) == int(digest, 16)
    assert partition_of(data, 4) == int(of_4)
    assert partition_of(data, 12) == int(of_12)


def test_the_page_has_vectors_for_ids_of_either_sign():
    """Java's murmur2 is signed: vectors without its high bit would not catch a reader that forgets the mask."""
    ids = [int(digest, 16) >> 31 for key, digest, _, _ in VECTORS if len(key) == 32]
    assert len(ids) >= 6
    assert set(ids) == {0, 1}


@pytest.mark.parametrize(
    ("title", "dtype"),
    [("READING, 64 bytes", READING), ("WINDOW, 112 bytes", WINDOW), ("DIRTY, 112 bytes", DIRTY)],
)
def test_a_layout_on_the_page_is_the_dtype(title: str, dtype: np.dtype[np.void]):
    """A struct written from the page must read what this code writes, byte for byte."""
    assert dtype.names is not None
    assert dtype.fields is not None
    fields = [(name, int(dtype.fields[name][1]), dtype.fields[name][0].str) for name in dtype.names]
    assert layout(title) == fields


@pytest.mark.parametrize(("title", "dtype"), [("reading", READING), ("window", WINDOW)])
def test_a_c_struct_on_the_page_has_no_hidden_padding(title: str, dtype: np.dtype[np.void]):
    """The struct is declared without a packing pragma, so each member must be aligned where it already lies."""
    assert f"sizeof(struct {title}) == {dtype.itemsize}" in PAGE
    assert dtype.names is not None
    assert dtype.fields is not None
    offsets = [int(dtype.fields[name][1]) for name in dtype.names]
    kinds = [dtype.fields[name][0] for name in dtype.names]
    assert all(at % (1 if kind.kind == "V" else kind.itemsize) == 0 for at, kind in zip(offsets, kinds, strict=True))
    ends = [*offsets[1:], dtype.itemsize]
    assert [end - at for at, end in zip(offsets, ends, strict=True)] == [kind.itemsize for kind in kinds]
    assert all(before < after for before, after in pairwise(offsets))


def test_the_row_on_the_page_reads_as_the_page_says():
    """It is the one row that every other reader of the log can be tried on."""
    text = re.search(r"As hex:\n\n```text\n([0-9a-f\n]+)```", PAGE)
    assert text is not None
    data = bytes.fromhex(text[1])
    told = Reading(
        patient=patient_id("2307"),
        device=device_id("cgm-1"),
        metric="glucose",
        value=5.2,
        unit="mmol/L",
        observed_at=1_699_228_860_000_000,
        received_at=1_699_228_862_000_000,
        site=7,
        seq=1,
    )
    assert to_row(told).tobytes() == data
    assert from_row(decode_rows([data])[0]) == told


def test_the_python_struct_on_the_page_reads_a_row():
    """The page's example needs nothing but the standard library; it must stay right when the dtype changes."""
    layout_text = re.search(r'struct\.Struct\("([^"]+)"\)', PAGE)
    assert layout_text is not None
    row = np.zeros(1, READING)
    row["observed_at"], row["value"], row["flags"], row["unit"] = 5, 1.5, 0x8001, 3
    fields = struct.Struct(layout_text[1]).unpack(row.tobytes())
    assert fields == (bytes(16), bytes(16), 5, 0, 1.5, 0, 0, 0x8001, 0, 3)


def test_flags_and_reasons_on_the_page_are_the_codes():
    """A reader that takes a wrong bit for late would page for a reading of last night."""
    bits = dict(re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", section("Flags").split("| invalid | name |")[0], re.MULTILINE))
    reasons = dict(
        re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", section("Flags").split("| invalid | name |")[1], re.MULTILINE)
    )
    assert {int(bit): name for bit, name in bits.items()} == {flag.bit_length() - 1: flag.name for flag in Flag}
    assert {int(number): name for number, name in reasons.items()} == {each.value: each.name for each in Invalid}
    assert f"flags & 0x{UNUSABLE_MASK:X} == 0" in PAGE
    assert INVALID_SHIFT == 12


def test_ids_on_the_page_are_derived_as_it_says():
    """Another program can name a patient's partition only if it derives the same id."""
    assert f"`{NAMESPACE}`" in PAGE
    assert UUID("24f5efa2-374d-5d49-9eac-528391419029") == patient_id("2307")
    assert f"`device:cgm-1` is `{device_id('cgm-1')}`" in PAGE


def test_the_windows_on_the_page_are_the_codes():
    """A window's number never changes its meaning: stored rows carry it."""
    lines = re.findall(r"^\| (\d) \| ([a-z ]+) \| (\d+) (\w+) \| (\d+) (\w+) \|", PAGE, re.MULTILINE)
    units = {"s": SECOND_US, "min": MINUTE_US, "h": 60 * MINUTE_US}
    told = [
        (int(code), metric.replace(" ", "_"), int(width) * units[unit], int(step) * units[per])
        for code, metric, width, unit, step, per in lines
    ]
    assert told == [(spec.code, spec.metric.name, spec.width_us, spec.step_us) for spec in WINDOWS]
