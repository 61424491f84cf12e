"""Windows as ``vigil cat`` prints them: what is unknown is null, and a mark is no result."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from dashboards import lines
from tests.integration.storage_data import PATIENT, T0, window
from vitals.metrics import MINUTE_US
from vitals.steps import Records
from vitals.topics import JOURNAL, WINDOWS
from vitals.windows import DIRTY, IS_DIRTY


def printed(*values: bytes) -> list[dict[str, Any]]:
    """The lines of records with these values."""
    count = len(values)
    found = lines.lines(Records(WINDOWS, 0, list(range(count)), [b"p"] * count, list(values), [()] * count))
    return [json.loads(line) for line in found]


def test_a_result_says_its_numbers_and_null_where_nothing_is_known():
    """A script that read NaN as zero would call a rising patient flat."""
    (line,) = printed(window(15, 3, 97.0).tobytes())
    assert (line["window"], line["mean"], line["count"], line["version"]) == ("glucose 15 min", 97.0, 3, [3, 0])
    assert (line["slope"], line["median"], line["theil_sen"], line["arrow"]) == (None, None, None, None)
    assert "dirty" not in line


def test_a_mark_says_which_windows_it_means():
    """Its bytes lie where a result has mean and spread: nobody may take them for numbers of a patient."""
    mark = np.zeros(1, DIRTY)
    mark["patient"], mark["metric"], mark["window"], mark["flags"] = np.void(PATIENT.bytes), 2, 7, IS_DIRTY
    mark["start"], mark["end"], mark["interval"] = T0, T0 + 5 * MINUTE_US, 5 * MINUTE_US
    mark["below"], mark["above"] = 39.0, 401.0
    (line,) = printed(mark.tobytes())
    assert line["dirty"] is True
    assert (line["first_end"], line["last_end"]) == ("2023-11-14T22:13:20.000000Z", "2023-11-14T22:18:20.000000Z")
    assert (line["window"], line["interval"], line["below"], line["above"]) == ("glucose 1 h", 300_000_000, 39.0, 401.0)
    assert "mean" not in line


def test_a_record_that_holds_no_windows_is_a_line_that_says_so():
    """Who looks for a fault must see it, not a hole."""
    (line,) = printed(b"short")
    assert line["broken"] == "not whole 112-byte rows"


def test_a_record_that_json_cannot_say_is_a_line_that_says_so():
    """Python reads NaN and nests as deep as it can: one such record would end a script that follows the log."""
    values = [b'{"value": NaN}', b"[" * 100_000, b'{"kind": "note"}']
    found = list(lines.lines(Records(JOURNAL, 0, [4, 5, 6], [None] * 3, values, [()] * 3)))
    first, second, third = map(json.loads, found)
    assert ("broken" in first, first["offset"], "broken" in second) == (True, 4, True)
    assert third["message"] == {"kind": "note"}
