"""What somebody gives to a backtest: odd files, odd places for what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from compose import cli_backtest, cli_policy
from compose.backtest.page import page
from compose.backtest.run import run
from compose.backtest.show import person_lines
from runtime.clock import SystemClock
from simulators.exports import Export, parse
from simulators.replay import EXPORT_BYTES_MAX, read
from vitals.errors import InputError
from vitals.policies import DEFAULT
from vitals.policy_edits import edited


def rows(*values: float, kind: str = "bg_ts,value", begin: int = 0) -> bytes:
    """A file with a reading each 5 min."""
    times = [divmod(begin + 5 * number, 60) for number in range(len(values))]
    lines = [f"01/01/2024 {hour:02}:{minute:02},{value:g}" for (hour, minute), value in zip(times, values, strict=True)]
    return "\n".join([kind, *lines]).encode()


def said(*exports: Export) -> str:
    report = run(exports, None, seed=1, clock=SystemClock())
    return "\n".join(line for person in report.people for line in person_lines(person))


def test_no_place_for_the_report_may_be_an_export_or_the_policy(tmp_path: Path) -> None:
    """``--json glucose-*.csv`` gives the first export as the place: a month of somebody's data was overwritten."""
    first, second, rules = tmp_path / "glucose-1.csv", tmp_path / "glucose-2.csv", tmp_path / "mine.json"
    for each in (first, second):
        each.write_bytes(rows(5, 5, 5))
    rules.write_text("{}")
    before = [each.read_bytes() for each in (first, second, rules)]
    for out in (first, second, rules):
        for json_out, plot in ((out, None), (None, out)):
            with pytest.raises(InputError, match="would overwrite"):
                cli_backtest.backtest([second], policy=rules, json_out=json_out, plot=plot)
    assert [each.read_bytes() for each in (first, second, rules)] == before


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    """A wrist's months take a minute, and their report would be lost with it."""
    missing = [tmp_path / "glucose-1.csv"]
    for plot, json_out in ((tmp_path, None), (None, tmp_path)):
        with pytest.raises(InputError, match="a folder"):
            cli_backtest.backtest(missing, plot=plot, json_out=json_out)
    for plot, json_out in ((Path("-"), None), (tmp_path / "out", tmp_path / "out")):
        with pytest.raises(InputError, match="no place for the page"):
            cli_backtest.backtest(missing, plot=plot, json_out=json_out)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("thresholds", 0, "levels", 0, "limit", 200), "low 1 limit is 200: give 60 to 100 mg/dL, a whole number"),
        (("forecasts", 0, "horizon_us", 420_000_000), "low_soon horizon_us is 7 min: give whole steps of 5 min"),
        (("forecasts", 0, "horizon_us", 60_000_000), "forecasts.0.horizon_us is 1 min: give at least 5 min"),
    ],
)
def test_a_policy_that_could_not_be_set_is_not_tested_either(
    tmp_path: Path, change: tuple[str | int, ...], told: str
) -> None:
    """Both commands say the same one line, and before any work; a test of rules that nobody can have says nothing."""
    mine = json.loads(edited(DEFAULT, ["low_soon=on"]).model_dump_json())
    *way, name, value = change
    place = mine
    for each in way:
        place = place[each]
    place[name] = value
    rules = tmp_path / "mine.json"
    rules.write_text(json.dumps(mine))
    missing = tmp_path / "glucose-1.csv"
    calls: list[Callable[[], None]] = [
        partial(cli_backtest.backtest, [missing], policy=rules),
        partial(cli_backtest.backtest, [missing], policy=rules, rule=["high=off"]),
        partial(cli_policy.policy_set, "p-1", file=rules),
    ]
    for call in calls:
        with pytest.raises(InputError) as error:
            call()
        assert told in str(error.value)
        assert str(error.value).startswith(("beyond the bounds of a policy: ", f"no policy: {rules}: "))
        assert "\n" not in str(error.value)


def test_a_cell_without_end_is_one_line_with_file_and_line() -> None:
    """The CSV reader's own error was a traceback."""
    with pytest.raises(InputError, match=r"no CSV: glucose-1\.csv:3 \(field larger"):
        parse("glucose-1.csv", rows(5) + b"\n01/01/2024 00:05," + b"1" * 200_000)


def test_a_file_in_mg_dl_is_refused_instead_of_being_a_person_without_readings() -> None:
    """Each value would be beyond all bounds as mmol/L: two weeks of nothing but *no data*, and no word why."""
    with pytest.raises(InputError, match=r"mg/dL, as it seems: glucose-1\.csv: median 110 \(.*divide by 18\.0182\)"):
        parse("glucose-1.csv", rows(90, 110, 130))


def test_a_file_larger_than_any_person_is_refused_unread(tmp_path: Path) -> None:
    """Its rows would take all memory before the first word."""
    large = tmp_path / "glucose-1.csv"
    with large.open("wb") as opened:
        opened.truncate(EXPORT_BYTES_MAX + 1)
    with pytest.raises(InputError, match="too large for one person's export"):
        read([large])


def test_rows_that_decide_nothing_are_counted_by_reason() -> None:
    """Nothing vanishes: 7 rows of which 4 decide is a question without the other three."""
    odd = rows(5, 5.5, 120, 6, 6) + b"\n01/01/2024 00:00,5\n01/01/2024 00:05,9"
    line = said(parse("glucose-1.csv", odd)).splitlines()[0]
    assert "7 readings, 4 of glucose decide" in line
    for each in ("1 unused (above range)", "1 unused (the same again)", "1 unused (another value at the same time)"):
        assert each in line


def test_who_wears_only_a_wrist_has_days_and_calls_a_day() -> None:
    """The time with data is glucose's: divided by none of it, one call was a thousand million a day."""
    wrist = parse("wrist-1.csv", rows(*[150.0] * 145, kind="sleep_ts,heart_rate"))
    report = run([wrist], None, seed=1, clock=SystemClock())
    drawn = page(report, [wrist])
    calls = sum(each.calls for each in report.people[0].announced if each.rule != "signal")
    assert calls
    assert "<b>0.5</b><span>days from first to last reading" in drawn
    assert f"<b>{2 * calls:.2f}</b><span>calls a day by the rules" in drawn
    assert "days with data" not in said(wrist)
    alone = parse("wrist-1.csv", rows(70, kind="sleep_ts,heart_rate"))
    assert "<b>-</b><span>calls a day by the rules" in page(run([alone], None, seed=1, clock=SystemClock()), [alone])


def test_rows_at_a_guessed_time_are_counted_by_reason() -> None:
    """An hour of readings that may lie an hour off moves alarms, and the figures do not show it."""
    times = [f"29/10/2023 {hour:02}:{minute:02},5" for hour in (0, 1, 2) for minute in range(0, 60, 15)]
    spring = ["26/03/2023 00:45,5", "26/03/2023 01:00,5", "26/03/2023 02:15,5"]
    export = parse("glucose-1.csv", "\n".join(["bg_ts,value", *spring, *times]).encode())
    line = said(export).splitlines()[0]
    assert "4 at a guessed time (it happens twice)" in line
    assert "1 at a guessed time (it does not exist)" in line
    assert "guessed" not in said(parse("glucose-1.csv", rows(5, 5, 5)))
