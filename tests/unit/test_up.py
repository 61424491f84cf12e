"""What a person is told of a stack that is ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose import up
from compose.folder import Ready
from compose.stack import Options, Stack
from vitals.errors import InputError

READY = Ready(
    feed="ws://127.0.0.1:1/feed",
    mqtt="127.0.0.1:2",
    kafka="127.0.0.1:3",
    database="postgresql://vigil:secret@127.0.0.1:4/vigil",
    token="t",
    seconds=12.5,
    clock="real",
    partitions=2,
    health={},
    page="http://127.0.0.1:6/#token=t",
    api="http://127.0.0.1:6",
    tokens={"clinician": "t", "ops": "o", "wall": "w"},
)


def test_the_first_line_is_the_link_that_signs_in():
    """It is what everybody looks for, and some scripts too."""
    assert up.lines(READY, built=True) == [
        "ready in 12.5 s: open http://127.0.0.1:6/#token=t",
        "a screen on the wall: http://127.0.0.1:6/#/wall?token=w",
    ]


def test_a_page_that_is_not_built_is_told():
    """The link would otherwise open an empty window, without a word."""
    assert up.lines(READY, built=False)[-1] == "the page is not built yet, only its API answers: make page"


def test_the_json_line_names_fields_that_exist():
    """Scripts read the addresses by these names."""
    assert all(getattr(READY, name) is not None for name in up.FIELDS)


async def test_more_processors_than_partitions_are_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """One without a partition never gets ready, and the start would wait for it for a quarter of an hour."""
    monkeypatch.setenv("VIGIL_PARTITIONS", "2")
    said: list[str] = []
    with pytest.raises(InputError, match="more processors than partitions: 3 for 2"):
        async with Stack(Options(root=tmp_path, processors=3), said.append):
            pass
    assert said == []
