"""Site clocks and silent sites: what moves time, and who notices that it stands still."""

from __future__ import annotations

import pytest

from stream.processor import Processor
from stream.series import LONG_AGO, NEVER
from stream.service import Watch
from stream.sites import SITE_SILENT_US, Site, Sites
from tests.logs import T0, Log, episodes, row, said, windows, worn
from vitals.journal import Episode, Mark, decode
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.steps import Output
from vitals.topics import MARK_KEY
from vitals.windows import WINDOWS

CGM = "t1d-uom-5min"


def two_sites() -> Log:
    """Ann at site 1, Bob at site 2, both low and both sites ticking."""
    log = Log()
    log.site(1, "ward-a")
    log.site(2, "ward-b")
    log.patient("ann", worn("ann", "cgm-1", CGM, T0 - MINUTE_US))
    log.patient("bob", worn("bob", "cgm-2", CGM, T0 - MINUTE_US), site=2)
    log.tick(T0, (1, 2))
    log.readings(row("ann", 48, T0))
    log.readings(row("bob", 48, T0, site=2, device="cgm-2"))
    return log


def only_one(log: Log, start: int, end: int) -> None:
    """Site 1 ticks alone, from ``start`` to ``end`` (seconds after T0)."""
    for second in range(start, end + 1):
        log.tick(T0 + second * SECOND_US, (1,))


def marks(outputs: list[Output]) -> list[dict[int, int]]:
    """The marks among outputs."""
    messages = [decode(output.value) for output in outputs if output.key == MARK_KEY]
    return [message.sites for message in messages if isinstance(message, Mark)]


def silences(outputs: list[Output]) -> list[Episode]:
    """The episodes of silent sites."""
    return episodes(outputs, "site_silent")


def test_only_a_sites_own_ticks_move_its_clock() -> None:
    """Otherwise one ward's bridge could declare another ward's patients silent."""
    log = two_sites()
    log.tick(T0 + 9 * SECOND_US, (1,))
    processor = Processor(0, 1)
    log.run(processor)
    assert processor.clocks == {1: T0 + 9 * SECOND_US, 2: T0}


def test_a_tick_from_the_past_moves_nothing() -> None:
    """Ticks are redelivered after a reconnect; the clock is a running maximum."""
    log = two_sites()
    log.tick(T0 - MINUTE_US, (1, 2))
    processor = Processor(0, 1)
    log.run(processor)
    assert processor.clocks == {1: T0, 2: T0}


def test_a_site_is_silent_when_another_clock_has_run_ten_seconds() -> None:
    """The patients of a silent site are unknown; the alarm is one, about the site."""
    log = two_sites()
    only_one(log, 1, 10)
    assert silences(log.run(Processor(0, 1))) == []
    log.tick(T0 + 14 * SECOND_US, (1,))
    outputs = log.run(Processor(0, 1))
    (silence,) = silences(outputs)
    assert (silence.site, silence.at, silence.patient, silence.label) == (2, T0 + 11 * SECOND_US, None, "ward-b")
    lost = [(each.label, each.reason) for each in episodes(outputs, "low") if each.change == "unknown"]
    assert lost == [("bob", "site silent")]


def test_a_tick_ends_the_silence_of_site_and_patients() -> None:
    """What is still recent is known again, without a new reading."""
    log = two_sites()
    only_one(log, 1, 60)
    log.tick(T0 + MINUTE_US, (2,))
    only_one(log, 61, 65)
    outputs = log.run(Processor(0, 1))
    assert [(each.change, each.condition) for each in silences(outputs)] == [("open", "active"), ("clear", "over")]
    assert len({each.id for each in silences(outputs)}) == 1
    bob = [(each.change, each.condition) for each in episodes(outputs, "low") if each.label == "bob"]
    assert bob == [("open", "active"), ("unknown", "unknown"), ("known", "active")]


def test_a_long_silence_ends_in_no_data() -> None:
    """When the site comes back after an hour its patients' last values are an hour old."""
    log = two_sites()
    only_one(log, 1, 12)
    log.tick(T0 + 60 * MINUTE_US, (1,))
    log.tick(T0 + 60 * MINUTE_US, (2,))
    found = [each for each in episodes(log.run(Processor(0, 1)), "low") if each.label == "bob"]
    assert [(each.change, each.reason) for each in found] == [
        ("open", ""),
        ("unknown", "site silent"),
        ("reason", "no data"),
    ]


def test_a_clock_that_jumps_on_its_return_silences_nobody() -> None:
    """After an outage of both bridges the first one back is an hour ahead of the other for half a second."""
    log = two_sites()
    for number in (1, 2, 1, 2):
        log.tick(T0 + 60 * MINUTE_US + number, (number,))
    assert silences(log.run(Processor(0, 1))) == []


def test_clocks_may_differ_between_sites() -> None:
    """Silence is how long another clock has run, not how far it is ahead."""
    log = two_sites()
    for second in range(30):
        log.tick(T0 + 60 * SECOND_US + second * SECOND_US, (1,))
        log.tick(T0 + second * SECOND_US, (2,))
    assert silences(log.run(Processor(0, 1))) == []


def test_one_tick_record_for_all_sites_silences_nobody() -> None:
    """A replay's clock steps a minute at a time, for all its sites in one record."""
    log = two_sites()
    for minute in range(1, 5):
        log.tick(T0 + minute * MINUTE_US, (1, 2))
    assert silences(log.run(Processor(0, 1))) == []


def test_a_site_that_never_ticked_is_silent_from_its_record_on() -> None:
    """A ward whose bridge was never started must not look calm."""
    log = Log()
    log.site(1)
    log.tick(T0)
    log.site(2, "ward-b")
    only_one(log, 1, 11)
    assert [each.at for each in silences(log.run(Processor(0, 1)))] == [T0 + 11 * SECOND_US]


def test_a_site_alone_is_never_silent() -> None:
    """Nobody's clock could say so; the services' own clocks say "ingest stalled"."""
    log = Log()
    log.site(1)
    log.tick(T0)
    log.tick(T0 + 60 * MINUTE_US)
    assert silences(log.run(Processor(0, 1))) == []


@pytest.mark.parametrize(("partition", "opens"), [(0, [2]), (1, [])])
def test_a_site_alarm_opens_in_one_partition_only(partition: int, opens: list[int]) -> None:
    """Every partition notices; four alarms for one ward would be three too many."""
    log = two_sites()
    only_one(log, 1, 12)
    outputs = log.run(Processor(partition, 2))
    assert [each.site for each in silences(outputs)] == opens
    assert "unknown" in [each.change for each in said(outputs, "low")]


def test_marks_tell_the_clocks_once_a_second() -> None:
    """The manager's timers run on them; twice a second would be twice the log."""
    log = Log()
    log.site(1)
    for half in range(6):
        log.tick(T0 + half * SECOND_US // 2)
    assert marks(log.run(Processor(0, 1))) == [{1: T0}, {1: T0 + SECOND_US}, {1: T0 + 2 * SECOND_US}]


def test_a_mark_is_the_last_output_of_its_record() -> None:
    """A manager that acts on the time has then read everything that happened up to it."""
    log = two_sites()
    log.tick(T0 + 60 * MINUTE_US, (1, 2))
    last = log.run(Processor(0, 1))
    offset = max(output.cause.offset for output in last)
    keys = [output.key for output in last if output.cause.offset == offset]
    assert len(keys) > 1
    assert keys[-1] == MARK_KEY
    assert MARK_KEY not in keys[:-1]


def test_the_watch_waits_for_the_first_tick_in_every_partition() -> None:
    """Before it nothing can be late: say so, rather than look ready."""
    watch = Watch(10)
    assert watch.verdict(set(), 0) == (False, "no partitions yet")
    watch.saw(0, {1: T0}, 1)
    watch.saw(1, {}, 1)
    assert watch.verdict({0, 1}, 2) == (False, "waiting for the first tick in partitions [1]")


def test_the_watch_says_that_ingest_has_stalled() -> None:
    """When all ticks stop no site's clock moves: only the process's own clock can tell."""
    watch = Watch(10)
    watch.saw(0, {1: T0}, 100)
    watch.saw(0, {1: T0}, 105)
    assert watch.verdict({0}, 110) == (True, "")
    assert watch.verdict({0}, 111) == (False, "ingest stalled: no tick for 11 s")
    watch.saw(0, {1: T0 + 1}, 112)
    assert watch.verdict({0}, 113) == (True, "")


def test_who_moves_to_another_site_brings_no_window_and_no_evaluation_again() -> None:
    """A ward where nobody lay had closed nothing since its clock began: all that ann had was told twice, and old
    medians moved her rules. The window that ends after the move is the first that the new ward tells.
    """
    log = Log()
    log.site(1)
    log.site(2)
    log.patient("ann", worn("ann", "wrist-1", "wrist", T0 - MINUTE_US))
    log.tick(T0, (1, 2))
    for end in range(10, 130, 10):
        at = [T0 + (end - 10 + second) * SECOND_US for second in range(1, 11)]
        log.readings(*(row("ann", 155, each, metric="heart_rate") for each in at))
        log.tick(T0 + (end + 2) * SECOND_US, (1, 2))
    before = log.run(Processor(0, 1))
    log.patient("ann", worn("ann", "wrist-1", "wrist", T0 - MINUTE_US), version=2, site=2)
    log.tick(T0 + 125 * SECOND_US, (1, 2))
    log.tick(T0 + 132 * SECOND_US, (1, 2))
    after = log.run(Processor(0, 1))[len(before) :]
    assert [each.change for each in episodes(before, "heart_rate_extreme")] == ["open"]
    assert episodes(after) == []
    assert (windows(after)["end"] - T0).tolist() == [130 * SECOND_US]


def heard(*clocks: int) -> Sites:
    """Sites 1, 2, ... that have these clocks; each was heard once, in this order, each in a record of its own."""
    sites = Sites()
    for number, clock in enumerate(clocks, 1):
        site = sites.add(number)
        site.clock = clock
        sites.hear([site])
    return sites


def test_a_site_is_new_once_and_keeps_its_name() -> None:
    """A tick or a patient may name a site before its own record does, and the record comes again daily."""
    sites = Sites()
    first = sites.add(7)
    assert (first.number, first.name, first.clock, sites.by_number) == (7, "", LONG_AGO, {7: first})
    assert sites.add(7, "ward-a") is first
    assert sites.add(7) is first
    assert first.name == "ward-a"
    assert sites.add(8, "ward-b").name == "ward-b"


def test_silence_runs_from_the_others_first_tick_after_a_sites_last() -> None:
    """Exactly ten seconds of another's clock, and where several run, the first of them that gets there."""
    sites = heard(T0, T0 + 5, T0 + 9)
    one = sites.by_number[1]
    assert one.others == {2: T0 + 5, 3: T0 + 9}
    for number, clock, silent in (
        (2, T0 + 4 + SITE_SILENT_US, None),
        (3, T0 + 9 + SITE_SILENT_US, T0 + 9 + SITE_SILENT_US),
        (2, T0 + 5 + SITE_SILENT_US, T0 + 5 + SITE_SILENT_US),
    ):
        sites.by_number[number].clock = clock
        assert sites.silence(one) == silent
    sites.hear([one])
    assert one.others == {}
    assert sites.silence(one) is None


def test_the_measure_of_a_clock_is_taken_once_until_the_site_is_heard_again() -> None:
    """Taken at each of the other's ticks it would never have run for ten seconds."""
    sites = heard(T0, T0)
    one, two = sites.by_number.values()
    two.clock += SECOND_US
    sites.hear([two])
    assert one.others == {2: T0}
    sites.hear([one, two])
    assert (one.others, two.others) == ({}, {})


def test_an_ordinary_tick_stirs_no_silence() -> None:
    """Most tick records move one clock by a second: each that stirs makes everything that waits be looked at."""
    sites = heard(T0, T0)
    soon, late = T0 + SITE_SILENT_US - 1, T0 + SITE_SILENT_US
    assert not sites.stirs([(2, soon)])
    assert sites.stirs([(2, late)])
    assert not sites.stirs([(1, late), (2, late)])
    assert not sites.stirs([(3, late)])
    sites.by_number[1].silent_at = late
    assert not sites.stirs([(2, late)])
    assert not sites.stirs([(2, late + 1)])
    assert sites.stirs([(1, late)])
    assert sites.stirs([(2, late), (1, late)])
    assert not heard(T0).stirs([(1, late)])


def test_a_clock_that_has_not_begun_has_nothing_to_catch_up() -> None:
    """What it counted as closed before time began would make its first tick close windows of half a million years."""
    site = Site(1)
    site.catch_up()
    assert (site.closed, site.evaluated) == ({}, LONG_AGO)
    site.clock = T0 + 12 * SECOND_US
    site.catch_up()
    last = {spec.code: T0 + (10 * SECOND_US if spec.step_us == 10 * SECOND_US else 0) for spec in WINDOWS}
    assert (site.closed, site.evaluated) == (last, T0 + 10 * SECOND_US)


def test_restored_sites_go_on_as_before_and_look_at_all_deadlines_once() -> None:
    """When the next deadline is depends on how the log was polled: two snapshots of one log must be the same bytes."""
    sites = heard(T0, T0 + 1, LONG_AGO)
    one = sites.by_number[1]
    one.name, one.silent_at, one.alarm_at, one.window_at, one.marked = "ward-a", T0 + 3, T0 + 4, T0 + 5, T0 + 6
    one.closed, one.evaluated = {2: T0 + 7, 1: T0 + 8}, T0 + 9
    state = sites.state()
    assert [each["number"] for each in state] == [1, 2, 3]
    assert (state[0]["others"], state[0]["closed"]) == ([(2, T0 + 1), (3, LONG_AGO)], [(1, T0 + 8), (2, T0 + 7)])
    again = Sites()
    again.restore(state)
    assert again.state() == state
    other = again.by_number[1]
    assert (other.name, other.silent_at, other.alarm_at, other.window_at) == ("ward-a", T0 + 3, LONG_AGO, T0 + 5)
    assert (other.marked, other.others, other.closed) == (T0 + 6, one.others, one.closed)
    assert other.evaluated == T0 + 9
    assert again.by_number[2].window_at == NEVER
    assert again.clocks() == {1: T0, 2: T0 + 1}
