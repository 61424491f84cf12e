"""A backtest from exports to a report: each person alone, and populations of people with one type of device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compose.backtest.person import Tested, pooled, scored, test
from compose.backtest.report import Population, Report
from runtime.clock import Clock
from simulators.exports import Export
from stream.forecast import HORIZON
from vitals.errors import InputError
from vitals.policies import DEFAULT, Policy


def run(
    exports: Sequence[Export],
    policy: Policy | None,
    *,
    seed: int,
    clock: Clock,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Backtest every person in the exports; ``progress`` gets a line for each.

    Raises:
        InputError: one device twice, two devices of one metric on a person, or a policy that the registry refuses.
    """
    began = clock.monotonic()
    if len({export.device for export in exports}) < len(exports):
        raise InputError("one device twice", ", ".join(export.device for export in exports), "name each file once")
    people: dict[str, list[Export]] = {}
    for export in exports:
        people.setdefault(export.patient, []).append(export)
    tested = []
    for patient, own in sorted(people.items()):
        since = clock.monotonic()
        tested.append(test(patient, own, policy, DEFAULT, seed))
        person = tested[-1].person
        progress(f"{patient}: {person.readings} readings, {person.days:.1f} days, {clock.monotonic() - since:.1f} s")
    return Report(
        seed=seed,
        policy=(policy or DEFAULT).version,
        horizon_minutes=HORIZON[-1],
        people=tuple(each.person for each in tested),
        populations=_populations(tested, seed),
        seconds=round(clock.monotonic() - began, 2),
    )


def _populations(tested: Sequence[Tested], seed: int) -> tuple[Population, ...]:
    """People with devices of one type are one population, and no population is ever pooled with another; one person
    is none.
    """
    groups: dict[str, list[Tested]] = {}
    for each in tested:
        if each.judgements:
            groups.setdefault(each.person.population, []).append(each)
    return tuple(
        Population(
            name=name,
            patients=tuple(each.person.patient for each in group),
            scores=tuple(
                scored(pooled(parts), seed) for parts in zip(*(each.judgements for each in group), strict=True)
            ),
        )
        for name, group in sorted(groups.items())
        if len(group) > 1
    )
