"""A silent site is one alert with the list of who lies there (RULES, *A silent site*); its patients' are held back."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from uuid import UUID

from alerts import lines
from alerts.audience import Audience
from alerts.fanout import Feed
from alerts.patients import Patients
from alerts.settings import GatewaySettings
from alerts.terminal import behind, plain
from runtime.testing.clock import ManualClock
from stream.processor import Processor
from tests.alerting import Journal, acknowledge, episode, mark
from tests.logs import T0, Log, Said, row, said, worn
from vitals.alerts import SITE_SILENT, Alert
from vitals.causes import Cause
from vitals.control import PatientControl
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.people import Principal, digest_of
from vitals.policies import DEFAULT
from vitals.proof import patient_name
from vitals.protocol import UNWATCHED_MAX, Heartbeat, Unwatched
from vitals.topics import patient_id


def ward(*names: str) -> Log:
    """Ann at site 1 and others at site 2, heard until T0; all have a sensor of five minutes."""
    log = Log()
    log.site(1, "ward-a")
    log.site(2, "ward-b")
    for name, site in (("ann", 1), *((name, 2) for name in names)):
        log.patient(name, worn(name, f"cgm-{name}", "t1d-uom-5min", T0 - MINUTE_US), site=site)
    log.tick(T0, [1, 2])
    for name in ("ann", *names):
        log.readings(row(name, 100, T0, device=f"cgm-{name}", site=1 if name == "ann" else 2))
    return log


def alone(log: Log, minutes: int) -> int:
    """Site 1 ticks alone for so many minutes, Ann is heard; the time after it."""
    for second in range(5, minutes * 60 + 1, 5):
        at = T0 + second * SECOND_US
        if second % 300 == 0:
            log.readings(row("ann", 100, at, device="cgm-ann"))
        log.tick(at, [1])
    return T0 + minutes * MINUTE_US


def told(log: Log, partition: int = 0, partitions: int = 1) -> list[Said]:
    return said(log.run(Processor(partition, partitions)))


def test_while_a_site_is_silent_none_of_its_patients_calls_of_itself() -> None:
    """Fourteen lost signals beside "site silent" would be fourteen alarms for one cable, and hide the fifteenth."""
    log = ward("bob", "cyd", "dan")
    alone(log, 120)
    found = told(log)
    assert [(each.rule, each.change) for each in found] == [(SITE_SILENT, "open")]


def test_what_was_open_is_unknown_and_stays_so() -> None:
    """Nothing clears, and nothing says that it is as bad as it was."""
    log = ward("bob")
    log.readings(row("bob", 50, T0 + 5 * SECOND_US, device="cgm-bob", site=2))
    alone(log, 120)
    assert [(each.rule, each.change) for each in told(log)] == [
        ("low", "open"), (SITE_SILENT, "open"), ("low", "unknown"),
    ]  # fmt: skip


def test_the_patients_are_watched_again_from_the_sites_first_tick_on() -> None:
    """Who was heard behind the first tick calls nobody; who was not is silent since the last reading, as ever."""
    log = ward("bob", "cyd")
    at = alone(log, 60)
    log.readings(row("bob", 100, at, device="cgm-bob", site=2))  # it waited in the broker, before the tick
    log.tick(at + SECOND_US, [1, 2])
    found = [(each.rule, each.change, each.at) for each in told(log)]
    assert found[1:] == [
        ("signal", "open", T0 + 20 * MINUTE_US),
        (SITE_SILENT, "clear", at + SECOND_US),
    ]
    log.tick(at + 41 * MINUTE_US, [1, 2])
    assert ("signal", "open", at + 20 * MINUTE_US) in [(each.rule, each.change, each.at) for each in told(log)]


def test_a_low_that_was_acknowledged_does_not_call_while_the_site_is_silent() -> None:
    """The hold runs out meanwhile: nobody can see whether it is still low. It calls when it is active again."""
    journal = Journal()
    opened = journal.alert(episode())
    journal.write(acknowledge(opened))
    lost = journal.alert(episode("unknown", 5, condition="unknown", reason="site silent"))
    assert (lost.response, lost.announced) == ("acknowledged", False)
    assert not [each for each in journal.alerts(mark(20), mark(200)) if each.announced]
    back = journal.alerts(episode("known", 201))
    assert [(each.change, each.announced) for each in back] == [("known", False), ("run_out", True)]


# ---- the list


def control(label: str, site: int, *, until: int | None = None, version: int = 1) -> tuple[bytes, bytes]:
    found = PatientControl(
        patient=patient_id(label), label=label, site=site, version=version, policy=DEFAULT,
        worn=(worn(label, f"cgm-{label}", "libre", T0, until),),
    )  # fmt: skip
    return f"patient:{label}".encode(), found.encode()


def known(*people: tuple[bytes, bytes]) -> Patients:
    patients = Patients()
    patients.take([key for key, _ in people], [value for _, value in people])
    return patients


def silent(site: int = 2, **fields: Any) -> Alert:
    """The open alert of a silent site."""
    return Journal().alert(
        episode(
            patient=None, label=f"ward-{site}", site=site, device=None, metric=None, rule=SITE_SILENT, level=3,
            category="technical", value=None, value_at=None, limit=None, unit="", reason="silent", **fields,
        )
    )  # fmt: skip


def test_who_lies_at_a_site_is_who_wears_something_there() -> None:
    """Somebody whose sensor was taken off is not watched anyway, and a synthetic patient is nobody."""
    patients = known(
        control("dan", 2), control("bob", 2), control("ann", 1), control("eve", 2, until=T0 + 1),
        control(patient_name("ward-b"), 2),
    )  # fmt: skip
    assert [label for _, label in patients.at(2)] == ["bob", "dan"]
    patients.take(*([each] for each in control("bob", 1, version=2)))
    assert [label for _, label in patients.at(2)] == ["dan"]


class Host:
    """A gateway without servers, whose heartbeats one can read."""

    def __init__(self) -> None:
        settings = GatewaySettings(partitions=2, bootstrap="none:1", clock="simulated")
        self.feed = Feed("log", 2, 100)
        self.audience = Audience(settings, (), self.feed, ManualClock(T0))
        self.offset = 0

    def take(self, alert: Alert, partition: int = 0) -> None:
        self.offset += 1
        self.feed.take(partition, Cause(self.offset, 0), alert.encode())

    def unwatched(self, sites: frozenset[int] | None = None) -> tuple[Unwatched, ...]:
        principal = Principal(name="nurse", role="clinician", sites=sites, token_sha256=digest_of("t"))
        return self.audience._unwatched(principal)


def test_a_heartbeat_lists_who_is_not_watched() -> None:
    """The site's alert lies in one partition and its patients' in all: only the gateway has both."""
    host = Host()
    people = [control(f"bed-{number:02}", 2) for number in range(14)]
    host.audience.patients.take([key for key, _ in people], [value for _, value in people])
    assert host.unwatched() == ()
    alert = silent()
    host.take(alert)
    (found,) = host.unwatched()
    assert (found.site, found.alert, found.since, found.count) == (2, alert.id, alert.since, 14)
    assert found.patients[0] == (patient_id("bed-00"), "bed-00")
    host.take(alert.model_copy(update={"closed": True, "condition": "over"}))
    assert host.unwatched() == ()


def test_a_list_stays_within_the_care_teams_scope() -> None:
    """The names of another ward's patients are not for everybody, whatever has failed."""
    host = Host()
    host.audience.patients.take(*([each] for each in control("bob", 2)))
    host.take(silent())
    assert host.unwatched(frozenset({1})) == ()
    assert [each.site for each in host.unwatched(frozenset({1, 2}))] == [2]


def test_a_long_list_is_bounded_and_its_count_is_not() -> None:
    """A heartbeat goes to everybody every two seconds."""
    host = Host()
    people = [control(f"bed-{number:04}", 2) for number in range(250)]
    host.audience.patients.take([key for key, _ in people], [value for _, value in people])
    host.take(silent())
    (found,) = host.unwatched()
    assert (found.count, len(found.patients)) == (250, UNWATCHED_MAX)


def test_an_older_alert_of_a_site_that_closes_late_ends_no_list() -> None:
    """Partitions are read side by side; after a change of their number a site's alert may lie in another one."""
    host = Host()
    old = silent(opened=0)
    host.take(old)
    host.take(silent(opened=60), partition=1)
    host.take(old.model_copy(update={"closed": True}))
    assert len(host.unwatched()) == 1


# ---- in the terminal


def beat(count: int, labels: tuple[str, ...], alert: UUID) -> Heartbeat:
    patients = tuple((patient_id(label), label) for label in labels)
    found = Unwatched(site=2, alert=alert, since=T0, count=count, patients=patients)
    return Heartbeat(cursor="c", at=T0, state="ok", age_ms=1, where=(), unwatched=(found,))


def test_a_terminal_says_how_many_and_who() -> None:
    """And says it once, not every two seconds; again where somebody came or went."""
    alert = silent()
    heartbeat = beat(3, ("bob", "cyd", "dan"), alert.id)
    told: dict[int, int] = {}
    assert plain(heartbeat, UTC, told) == ["site 2 silent: 3 patients not watched: bob, cyd, dan"]
    assert plain(heartbeat, UTC, told) == []
    assert plain(beat(200, ("bob",), alert.id), UTC, told) == ["site 2 silent: 200 patients not watched: bob, ..."]
    assert plain(heartbeat.model_copy(update={"unwatched": ()}), UTC, told) == []
    assert lines.unwatched(alert, heartbeat) == "3 patients not watched"
    assert behind(alert, heartbeat, UTC) == "not watched: bob, cyd, dan"
    assert behind(alert, None, UTC) == behind(None, heartbeat, UTC) == ""
    assert lines.unwatched(alert, None) == ""
    assert lines.named(beat(15, tuple("abcdefghijklm"), alert.id), alert) == [
        "a, b, c, d, e, f, g, h, i, j, k, l", "m", "and 2 more",
    ]  # fmt: skip
