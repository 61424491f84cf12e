"""The T1D-UOM files and their traps."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from simulators.exports import day_start, local_minute, parse
from simulators.replay import Options, cut
from vitals.errors import InputError

DATA = Path(__file__).parents[3] / "shared" / "data" / "t1d-uom"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the T1D-UOM files are not at {DATA}")
HOUR_US = 3_600_000_000


def glucose(*rows: str) -> bytes:
    return ("bg_ts,value\r\n" + "".join(f"{row}\r\n" for row in rows)).encode()


def local_times(data: bytes) -> list[str]:
    return [local_minute(sample.at) for sample in parse("glucose-1.csv", data).samples]


def test_dates_are_day_month_year():
    """Read the American way, the sixth of November would be the eleventh of June."""
    assert local_times(glucose("06/11/2023 00:01,4.9")) == ["2023-11-06T00:01"]


def test_local_time_is_londons():
    """A summer's noon is 11:00 UTC; a fixed offset would shift half of every year."""
    rows = [f"01/{month}/2023 12:{minute},5" for month in ("07", "12") for minute in ("00", "05")]
    samples = parse("glucose-1.csv", glucose(*rows)).samples
    assert [sample.at // HOUR_US % 24 for sample in samples] == [11, 11, 12, 12]


def test_a_byte_order_mark_belongs_to_no_column():
    """Some of the files begin with one, and the first column would not be found."""
    export = parse("glucose-1.csv", b"\xef\xbb\xbf" + glucose("06/11/2023 00:01,4.9"))
    assert export.samples[0].value == 4.9


def test_the_second_pass_of_octobers_hour_is_winter_time():
    """The hour from 01:00 happens twice; without file order both passes would fall on the same instants."""
    rows = [f"29/10/2023 {time},5" for time in ("00:55", "01:00", "01:30", "01:00", "01:30", "02:00")]
    rows += [f"29/10/2023 02:{5 * k:02},5" for k in range(1, 10)]
    instants = [sample.at for sample in parse("glucose-1.csv", glucose(*rows)).samples]
    half_hours = [(at - instants[1]) * 2 / HOUR_US for at in instants[1:6]]
    assert half_hours == [0, 1, 2, 3, 4]


def test_octobers_hour_passed_once_is_the_first_pass():
    """Nothing in such a file says otherwise, and a rule that guesses must at least always guess the same."""
    rows = [f"29/10/2023 {time},5" for time in ("00:55", "01:00", "01:05", "01:55", "02:00", "02:05")]
    instants = [sample.at for sample in parse("glucose-1.csv", glucose(*rows)).samples]
    assert [(after - before) * 12 / HOUR_US for before, after in pairwise(instants)] == [1, 1, 10, 13, 1]


def test_a_file_with_its_newest_row_first_keeps_both_of_octobers_hours():
    """Its second pass comes first; read the other way, both would fall on the same instants, and one would be lost."""
    times = [f"{hour}:{minute:02}" for hour in ("00", "01", "01", "02") for minute in range(0, 60, 15)]
    rows = [f"29/10/2023 {time},{number}" for number, time in enumerate(times)]
    export = parse("glucose-1.csv", glucose(*rows[::-1]))
    assert [(sample.line, sample.value) for sample in export.samples] == [(2 + at, 15 - at) for at in range(16)]
    assert {(after.at - before.at) * 4 / HOUR_US for before, after in pairwise(export.samples)} == {-1}
    assert export.guessed == {}


def test_a_guess_is_told_of_the_part_that_is_replayed():
    """Three days of November have no double hour, whatever the rest of the file has."""
    rows = [f"29/10/2023 {time},5" for time in ("00:55", "01:00", "01:05", "02:00")]
    export = parse("glucose-1.csv", glucose(*rows, "30/10/2023 00:00,5", "30/10/2023 00:05,5"))
    assert export.guessed == {"happens twice": 2}
    kept = cut(export, Options(begin=day_start("2023-10-30")))
    assert kept is not None
    assert kept.guessed == {}


def test_a_repeated_row_in_octobers_hour_begins_no_second_pass():
    """A duplicate is no step back; taken for one it would move to another instant and become a second reading."""
    rows = [f"29/10/2023 {time},5" for time in ("01:00", "01:00", "01:05")]
    export = parse("glucose-1.csv", glucose(*rows))
    assert export.samples[0].at == export.samples[1].at
    assert export.distinct == 2


def test_an_hour_that_does_not_exist_is_counted():
    """Two of the files have rows in it; they are kept, and the replay can say so."""
    rows = [f"31/03/2024 {time},5" for time in ("00:55", "01:00", "01:05", "02:10")]
    export = parse("glucose-1.csv", glucose(*rows))
    assert export.guessed == {"does not exist": 2}
    assert local_minute(export.samples[1].at) == "2024-03-31T02:00"


def test_duplicates_and_conflicts_are_kept_in_file_order():
    """The log decides which of two counts; a parser that chose would hide what the device did."""
    rows = ("17/10/2023 10:06,9.2", "17/10/2023 10:06,8.9", "17/10/2023 10:06,8.9")
    export = parse("glucose-1.csv", glucose(*rows))
    assert [sample.value for sample in export.samples] == [9.2, 8.9, 8.9]
    assert export.distinct == 1


@pytest.mark.parametrize(("minutes", "name"), [(1, "t1d-uom-1min"), (5, "t1d-uom-5min"), (15, "t1d-uom-15min")])
def test_the_interval_is_the_median_step(minutes: int, name: str):
    """Holes make the mean step longer than any sensor's interval."""
    rows = [f"06/11/2023 {k * minutes // 60:02}:{k * minutes % 60:02},5" for k in range(6)]
    assert parse("glucose-1.csv", glucose(*rows, "09/11/2023 00:00,5")).type.name == name


def test_an_unknown_interval_is_refused():
    """Taken for another interval, every gap and silence of the file would be judged wrongly."""
    with pytest.raises(InputError, match=r"no device type for this interval: glucose-1\.csv: median step 60 min"):
        parse("glucose-1.csv", glucose("06/11/2023 00:00,5", "06/11/2023 01:00,5", "06/11/2023 02:00,5"))


def test_a_wrist_that_is_not_worn_keeps_its_zero():
    """The zero is sent as contact lost: dropped, the device would look silent instead of taken off."""
    data = b"sleep_ts,step_count,heart_rate\r\n13/10/2023 00:00,0,0\r\n13/10/2023 00:05,7,78\r\n"
    export = parse("wrist-2307.csv", data)
    assert (export.device, export.patient, export.metric) == ("wrist-2307", "p2307", "heart_rate")
    assert [sample.value for sample in export.samples] == [0, 78]
    assert export.type.name == "wrist-5min"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (glucose("06/11/2023 00:01,4.9", "11/13/2023 00:06,5"), r"not a time: glucose-1\.csv:3: '11/13/2023 00:06'"),
        (glucose("06/11/2023 00:01,abc"), r"not a number: glucose-1\.csv:2: 'abc'"),
        (glucose("06/11/2023 00:01,nan"), r"not a number: glucose-1\.csv:2"),
        (glucose("06/11/2023 00:01"), r"a line is cut short: glucose-1\.csv:2"),
        (glucose("06/11/2023 00:01,5", "31/12/9999 23:59,5"), r"not a time: glucose-1\.csv:3: '31/12/9999 23:59'"),
        (glucose("01/01/0001 00:00,5"), r"not a time: glucose-1\.csv:2: .*from 2000 to 2099"),
        (
            glucose("06/11/2092 00:01,5", "06/11/2023 00:06,5", "06/11/2023 00:11,5"),
            r"69 years without a row: glucose-1\.csv:4 and glucose-1\.csv:2 \(is one of the dates a slip",
        ),
        (b"time,value\r\n", r"wrong header: glucose-1\.csv:1"),
        (b"", r"wrong header: glucose-1\.csv:1"),
        (glucose(), r"an export without rows: glucose-1\.csv"),
        (b"bg_ts,value\r\n\xff\xfe", r"not UTF-8: glucose-1\.csv:2"),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(data: bytes, message: str):
    """Somebody has to find it among ten thousand."""
    with pytest.raises(InputError, match=message):
        parse("folder/glucose-1.csv", data)


def test_a_file_of_another_kind_is_refused():
    """A bolus is no reading."""
    with pytest.raises(InputError, match=r"not an export that Vigil knows: bolus-2307\.csv"):
        parse("bolus-2307.csv", b"")


def test_a_date_is_local_midnight():
    """``--from 2023-11-16`` means the day on the patient's wall."""
    assert local_minute(day_start("2023-07-01")) == "2023-07-01T00:00"
    assert local_minute(day_start("2023-11-16T15:49")) == "2023-11-16T15:49"
    with pytest.raises(InputError, match="not a date: 16/11/2023"):
        day_start("16/11/2023")


@needs_data
@pytest.mark.parametrize(
    ("name", "rows", "distinct", "kind"),
    [
        ("glucose-2302.csv", 13_656, 13_656, "t1d-uom-15min"),
        ("glucose-2303.csv", 14_188, 14_155, "t1d-uom-5min"),
        ("glucose-2307.csv", 8_385, 8_385, "t1d-uom-5min"),
        ("glucose-2404.csv", 8_236, 8_236, "t1d-uom-15min"),
        ("wrist-2307.csv", 24_193, 24_193, "wrist-5min"),
    ],
)
def test_the_real_files_are_read_whole(name: str, rows: int, distinct: int, kind: str):
    """Rows and distinct readings as counted by another program."""
    export = parse(name, (DATA / name).read_bytes())
    assert (len(export.samples), export.distinct, export.type.name) == (rows, distinct, kind)


@needs_data
def test_the_meters_low_is_kept_as_it_stands():
    """Seven values of 0.1 mmol/L in 2307: a parser that took them for errors would hide the worst lows."""
    export = parse("glucose-2307.csv", (DATA / "glucose-2307.csv").read_bytes())
    assert sum(sample.value == 0.1 for sample in export.samples) == 7
