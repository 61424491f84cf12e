"""The evidence of episodes (RULES, *Why*): exact, bounded, the same for every cut, kept by the alert."""

from __future__ import annotations

import json
from datetime import UTC

from alerts import why as words
from stream.processor import Processor
from tests.alerting import Journal, episode
from tests.logs import LATE, T0, Log, episodes, row, worn
from vitals.evidence import SHOWN_MAX, Evidence
from vitals.journal import Episode
from vitals.metrics import MINUTE_US, SECOND_US


def glucose(*readings: tuple[float, float], flags: int = 0, unit: str = "mg/dL") -> Log:
    """A log of a 5-minute sensor's readings (minutes after T0, value)."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - 600 * MINUTE_US))
    log.tick(T0 - MINUTE_US)
    for at, value in readings:
        log.readings(row("ann", value, int(T0 + at * MINUTE_US), flags=flags, unit=unit))
    return log


def why(log: Log, rule: str = "low") -> list[tuple[str, Evidence | None]]:
    return [(each.change, each.evidence) for each in episodes(log.run(Processor(0, 1)), rule)]


def shown(evidence: Evidence | None) -> list[tuple[float, int]]:
    """Minutes after T0 and thousandths."""
    assert evidence is not None
    return [((at - T0) / MINUTE_US, millis) for at, millis in evidence.readings]


def test_a_low_tells_the_run_that_opened_it_and_the_run_that_raised_it():
    """Who is called at night asks what was seen, before anything else; of what is above the limit nothing is told."""
    found = dict(why(glucose((0, 100), (5, 65), (10, 62.4), (15, 52), (20, 49))))
    assert shown(found["open"]) == [(5, 65_000), (10, 62_400)]
    assert shown(found["rise"]) == [(15, 52_000)]
    judged = [(each.policy, each.level, each.limit) for each in found.values() if each is not None]
    assert judged == [(1, 1, 70), (1, 2, 54)]


def test_a_change_that_calls_nobody_tells_no_readings():
    """An episode is written at each turn; twelve readings with each would double the journal of a restless night."""
    found = why(glucose((0, 50), (5, 60), (10, 50), (15, 80), (20, 90)))
    assert [change for change, evidence in found if evidence is not None] == ["open"]
    assert {change for change, evidence in found if evidence is None} == {"returning", "active", "clear"}


def test_values_are_thousandths_of_the_canonical_unit():
    """2.9 mmol/L is 52.253 mg/dL: who counts again from the evidence must come to the same side of the limit."""
    found = dict(why(glucose((0, 2.9), unit="mmol/L")))
    assert shown(found["open"]) == [(0, 52_253)]


def test_the_latest_twelve_of_a_long_run_are_named_and_all_are_counted():
    """A high of hours before a policy that calls at it is hundreds of readings; no message may grow with them."""
    log = glucose(
        *[(5 * at, 260) for at in range(4)], (20, 100), *[(25 + 5 * at, 260 + at) for at in range(3)], (40, 410)
    )
    high = dict(why(log, "high"))
    assert shown(high["open"]) == [(0, 260_000), (5, 260_000), (10, 260_000), (15, 260_000)]
    late = glucose(*[(5 * at, 260) for at in range(19)], flags=LATE)
    late.readings(row("ann", 260, T0 + 95 * MINUTE_US))
    found = dict(why(late, "high"))["open"]
    assert found is not None
    assert found.count == 20
    assert len(found.readings) == SHOWN_MAX == 12
    assert shown(found)[-1] == (95, 260_000)


def test_a_run_broken_by_a_gap_begins_after_it():
    """Eleven minutes without a reading break a run; a low before the hole is no reason for one after it."""
    found = dict(why(glucose((0, 66), (12, 66), (17, 66))))
    assert shown(found["open"]) == [(12, 66_000), (17, 66_000)]


def test_a_reading_whose_pane_is_taken_stands_in_its_own_evidence():
    """Two readings within one minute: the ring keeps the first, and the second is the one that decided."""
    found = dict(why(glucose((0, 60), (0.5, 60.5), (1, 52), (1.25, 50))))
    assert shown(found["open"]) == [(1, 52_000)]
    raised = why(glucose((5, 69), (5.25, 53.2)))
    assert shown(raised[0][1]) == [(5.25, 53_200)]


def heart(rates: list[float], *, every: int = 1) -> Log:
    """A wrist's readings from T0 on, one each ``every`` seconds."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "band-1", "wrist", T0 - 600 * MINUTE_US))
    log.tick(T0 - MINUTE_US)
    for second, rate in enumerate(rates, 1):
        at = T0 + every * second * SECOND_US
        log.readings(row("ann", rate, at, metric="heart_rate", device="band-1"))
        if second % 10 == 0:
            log.tick(at + 2 * SECOND_US)
    return log


def test_a_median_tells_its_window():
    """The median alone hides how much of its window was there: 70 % is enough for the rule, and good to know."""
    found = dict(why(heart([140.0] * 430), "heart_rate_high"))["open"]
    assert found is not None
    assert found.window is not None
    assert found.count == found.window.filled == 420
    assert (found.window.end - T0, found.window.end - found.window.begin) == (420 * SECOND_US, 10 * MINUTE_US)
    assert found.window.slots == 600
    assert found.window.instants == (found.window.end,)
    assert found.readings == ()


def test_an_extreme_tells_the_times_in_a_row():
    """Six T in a row are the rule, and since is the first of them."""
    first, *_ = episodes(heart([160.0] * 110).run(Processor(0, 1)), "heart_rate_extreme")
    assert first.evidence is not None
    assert first.evidence.window is not None
    assert len(first.evidence.window.instants) == 6
    assert first.evidence.window.instants[0] == first.since
    assert first.evidence.window.instants[-1] == first.value_at == first.evidence.window.end


def test_a_silence_tells_what_was_heard_last():
    """Whether a device fell silent at 48 or at 120 is what decides who goes there, and how fast."""
    log = glucose((0, 120.5))
    log.readings(row("ann", 118, T0 + 5 * MINUTE_US, received=T0 + 6 * MINUTE_US))
    log.tick(T0 + 30 * MINUTE_US)
    log.tick(T0 + 100 * MINUTE_US)
    (never, first), *_, (opened, evidence), (rise, later) = why(log, "signal")
    assert (never, opened, rise) == ("open", "open", "rise")
    assert evidence is not None
    assert later == evidence.model_copy(update={"level": 2})
    assert (evidence.count, shown(evidence), evidence.heard_at) == (1, [(5, 118_000)], T0 + 6 * MINUTE_US)
    assert first == Evidence(policy=1, night=False, level=1, limit=None, count=0)


def test_an_alert_keeps_its_evidence_until_it_rises():
    """Acknowledged, lowered or repeated: the person who looks later asks the same question."""
    first, second = (
        Evidence(policy=1, night=False, level=2, limit=54, count=1, readings=((at, 48_000),)) for at in (1, 2)
    )
    found = Journal().alerts(
        episode(evidence=first),
        episode("returning", 5, condition="returning"),
        episode("rise", 10, level=2, evidence=second),
        episode("clear", 20, level=0),
    )
    assert [each.evidence for each in found] == [first, first, second, second]


def test_records_of_before_there_was_evidence_are_read():
    """A journal of last week begins without it, and its alerts are still open."""
    old = json.loads(episode().encode())
    del old["evidence"]
    assert Episode.model_validate_json(json.dumps(old)).evidence is None


def sentence(log: Log, rule: str, change: str = "open") -> str:
    """What a terminal says of the alert of a rule's episode."""
    chosen = next(each for each in episodes(log.run(Processor(0, 1)), rule) if each.change == change)
    return words.why(Journal().alert(chosen), UTC)


def test_a_terminal_says_why():
    """A person asks for a reason, not for JSON: limit, readings with their times, rule and version."""
    low = glucose((0, 100), (5, 65), (10, 62.4), (15, 52), (20, 49))
    assert sentence(low, "low") == "below 70: 65 at 22:20, 62 at 22:25; rule low level 1, policy version 1"
    assert sentence(low, "low", "rise") == "below 54: 52 at 22:30; rule low level 2, policy version 1"
    high = sentence(glucose(*[(at, 260) for at in range(0, 40, 2)], flags=0), "high")
    assert high.startswith("above 250: 260 at 22:21, 260 at 22:23")
    assert ", and 3 before; rule high level 1" in high


def test_a_terminal_says_of_which_window_a_median_is():
    """Also where the value stands exactly at the limit, which is beyond it for the low heart rate."""
    found = sentence(heart([40.0] * 430), "heart_rate_low")
    assert found == (
        "at 40: median 40 of 10 min at 22:22:00, from 420 readings in 420 of 600 slots; "
        "rule heart_rate_low, policy version 1"
    )
    assert ": median 160 of 1 min at 22:16:40 and 5 times before, every 10 s, from" in sentence(
        heart([160.0] * 110), "heart_rate_extreme"
    )


def test_a_terminal_says_what_was_heard_before_a_silence():
    """A late arrival is told: it is why the silence is judged from then."""
    log = glucose((0, 120.5))
    assert sentence(log, "signal") == "nothing was heard yet; rule signal, policy version 1"
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - MINUTE_US))
    log.tick(T0 - MINUTE_US)
    log.readings(row("ann", 118, T0, received=T0 + 2 * MINUTE_US))
    log.tick(T0 + 60 * MINUTE_US)
    assert sentence(log, "signal").startswith("heard last: 118 at 22:15, which came at 22:17; rule signal")
    assert not words.why(Journal().alert(episode()), UTC)
