"""Generated logs: the same from the same numbers, shorter where they fail, and judged by a comparison that can fail."""

from __future__ import annotations

from random import Random

import pytest

from stream.processor import Processor
from tests.logs import T0, Log, row, worn
from tests.oracle_bytes import outputs
from tests.strategies.__main__ import main, named, table
from tests.strategies.acts import lived
from tests.strategies.facts import IN_A_DELAY, JUMP, NEW_POLICY, REQUIRED, SWAP, TWO_SITES, Witness
from tests.strategies.many import Failure, Tally, run, shrunk
from tests.strategies.people import POLICIES
from tests.strategies.trials import Crash, difference, plan, recovered
from tests.strategies.wards import Plan
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT
from vitals.steps import Output


def ward(*sugars: float, sites: tuple[int, ...] = (1,)) -> Log:
    """A patient with a sensor of five minutes and these values, a tick after each."""
    log = Log()
    for site in sites:
        log.site(site)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - 60 * MINUTE_US))
    log.tick(T0, sites)
    for at, value in enumerate(sugars, 1):
        log.readings(row("ann", value, T0 + 5 * at * MINUTE_US))
        log.tick(T0 + 5 * at * MINUTE_US, sites)
    return log


def facts(log: Log, cut: int | None = None) -> set[str]:
    """The required facts of a log, with a crash after so many records."""
    witness = Witness()
    witness.read(log.records(0, cut))
    if cut is not None:
        witness.crash()
        witness.read(log.records(cut))
    return witness.finish() & set(REQUIRED)


def test_a_plan_is_the_same_log_every_time():
    """A failure that is printed as a number must come again from the number."""
    one, other = lived(plan(7)), lived(plan(7))
    assert (one.log.values, one.log.keys, one.crashes) == (other.log.values, other.log.keys, other.crashes)
    assert one.log.values != lived(plan(8)).log.values


def test_a_failing_plan_keeps_only_the_acts_that_matter():
    """Sixteen acts are hundreds of records; two of them tell what is wrong."""
    short = shrunk(Plan(1, tuple(range(16))), lambda plan: {3, 11} <= set(plan.acts))
    assert short == Plan(1, (3, 11))
    assert named(str(short)) == short
    assert shrunk(Plan(1, (5,)), lambda plan: len(plan.acts) > 0) == Plan(1, (5,))


def test_a_crash_while_a_level_waits_is_one_inside_a_delay():
    """One reading of 65 is pending until the second: the fact must not be found where nothing waits."""
    log = ward(100, 65, 66)
    assert [facts(log, cut) for cut in (5, 6, 7, 8)] == [set(), {IN_A_DELAY}, {IN_A_DELAY}, set()]


def test_a_clock_that_runs_an_hour_at_once_is_a_jump():
    """An hour is no jump, more is."""
    log = ward(100)
    log.tick(T0 + 65 * MINUTE_US)
    assert facts(log) == set()
    log.tick(T0 + 126 * MINUTE_US)
    assert facts(log) == {JUMP}


def test_another_device_is_a_swap_and_another_limit_a_change_of_policy():
    """The same device told again is none; nor is a policy with another number, or one for who is well."""
    log = ward(100)
    since = T0 - 60 * MINUTE_US
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", since), version=2, policy=POLICIES[4])
    assert facts(log) == set()
    log = ward(100, 50)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", since), version=2)
    log.patient(
        "ann", worn("ann", "cgm-1", "t1d-uom-5min", since), version=3, policy=DEFAULT.model_copy(update={"version": 9})
    )
    assert facts(log) == set()
    log.patient("ann", worn("ann", "cgm-2", "t1d-uom-5min", T0), version=4, policy=POLICIES[4])
    assert facts(log) == {SWAP, NEW_POLICY}


def test_two_sites_are_two_with_patients_and_clocks():
    """A second site without a patient makes nothing of a log that one site does not."""
    assert facts(ward(100, sites=(1, 2))) == set()
    log = ward(100, sites=(1, 2))
    log.patient("bob", worn("bob", "cgm-2", "t1d-uom-5min", T0), site=2)
    log.tick(T0 + 6 * MINUTE_US, (1, 2))
    assert facts(log) == {TWO_SITES}


def test_what_a_crash_left_unwritten_is_written_after_it_and_nothing_twice():
    """The second processor finds the last cause in each topic; journal and windows may end at different ones."""
    log = ward(*[50] * 12)
    whole = log.run(Processor(0, 1))
    random = Random(1)  # noqa: S311 - the same polls in every run
    for journal, windows in ((0, 0), (0, 1), (1, 0), (0.5, 0.5), (1, 1)):
        for cut in (1, 9, len(log.keys)):
            found = recovered(log, Crash(cut, journal, windows), random, partition=0, partitions=1)
            assert found == whole


def test_one_byte_more_or_less_is_a_difference():
    """A comparison that passes whatever comes would pass for ever."""
    log = ward(100, 50)
    whole = log.run(Processor(0, 1))
    told = outputs(Witness().read(log.records()))
    assert difference(told, whole) is None
    assert difference(told, whole[:-1]) == f"missing: {_last(whole)}"
    assert difference(told[:-1], whole) == f"too much: {_last(whole)}"
    changed = whole[0]._replace(value=whole[0].value.replace(b'"', b"'", 1))
    assert difference(told, [changed, *whole[1:]]) is not None
    later = whole[0]._replace(cause=whole[0].cause._replace(ordinal=1))
    assert difference(told, [later, *whole[1:]]) is not None


def _last(found: list[Output]) -> str:
    return (difference([], found[-1:]) or "").removeprefix("too much: ")


def test_a_run_ends_when_enough_is_wrong(monkeypatch: pytest.MonkeyPatch):
    """Twenty thousand times the same fault helps nobody; what falls over counts as wrong too."""

    def fall(_plan: Plan) -> None:
        raise AssertionError("as broken as can be")

    monkeypatch.setattr("tests.strategies.many.tried", fall)
    tally = run(seed=1, count=1000, workers=1)
    assert tally.logs < 1000
    assert len(tally.failures) == tally.logs
    assert "as broken as can be" in tally.failures[0].text


def test_too_few_of_a_class_fail_a_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A generator that no longer makes a class would pass with ease."""
    enough = Tally(logs=40, outputs=1)
    enough.facts.update(dict.fromkeys(REQUIRED, 2))
    assert enough.short() == []
    enough.facts[SWAP] = 1
    assert enough.short() == [SWAP]
    monkeypatch.setattr("tests.strategies.__main__.run", lambda *_: enough)
    monkeypatch.setattr("sys.argv", ["property", "--count", "40", "--seed", "5"])
    assert main() == 1
    said = capsys.readouterr().out
    assert "seed 5, 40 logs" in said
    assert f"too few logs with {SWAP}: 1, not 2" in said
    enough.facts[SWAP] = 2
    assert main() == 0


def test_a_failure_is_shown_with_its_seed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Whoever reads it wants to run that log alone."""
    broken = Tally(logs=1, failures=[Failure(Plan(9, (0, 1)), "differs")])
    monkeypatch.setattr("tests.strategies.__main__.run", lambda *_: broken)
    monkeypatch.setattr("tests.strategies.__main__.wrong", lambda plan: "too much: x" if 1 in plan.acts else None)
    monkeypatch.setattr("sys.argv", ["property", "--count", "1"])
    assert main() == 1
    said = capsys.readouterr().out
    assert "--log 9:0,1" in said
    assert "--log 9:1\ntoo much: x" in said
    assert "1  logs equal to the oracle's but for 1" in table(broken)
