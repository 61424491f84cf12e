"""Proof of life: what a gateway tells of each site, how the prover judges it, and who is enrolled."""

from __future__ import annotations

from alerts.fanout import Entry, Feed, Proved
from alerts.patients import Known, Patients
from alerts.proofs import SITES_MAX, Judge, Proofs, Turn
from tests.alerting import Journal, episode
from vitals.causes import Cause
from vitals.control import PatientControl
from vitals.devices import DEVICE_TYPES, Binding, Device, Site
from vitals.people import Principal, digest_of
from vitals.policies import DEFAULT
from vitals.proof import EVERY_US, FAILED_US, POLICY, RULE, device_name, is_proof, patient_name
from vitals.protocol import Proof
from vitals.topics import NAME, device_id, patient_id

EVERYONE = Principal(name="nurse", role="clinician", token_sha256=digest_of("t"))
WARD_2 = Principal(name="other", role="clinician", sites=frozenset({2}), token_sha256=digest_of("u"))
NOW = 1_700_000_000_000_000
SECOND = 1_000_000


def proof(age_ms: int | None, took_ms: int | None = 100, site: int = 1) -> Proof:
    return Proof(site=site, proved_at=None if age_ms is None else NOW, age_ms=age_ms, took_ms=took_ms)


def registered(*sites: str, policy: object = POLICY, until: int | None = None) -> Patients:
    """A registry with sites whose synthetic patients are enrolled, and one real patient at the first site."""
    patients = Patients()
    for number, name in enumerate(sites, 1):
        label = patient_name(name)
        binding = Binding(patient=patient_id(label), label=label, since=NOW, until=until)
        kind = DEVICE_TYPES["proof"]
        device = Device(
            name=device_name(name),
            id=device_id(device_name(name)),
            type=kind,
            site=number,
            site_name=name,
            bindings=(binding,),
        )
        patients.take([f"site:{name}".encode()], [Site(name=name, number=number).encode()])
        patients.take([f"device:{device.name}".encode()], [device.encode()])
        patients.take([f"patient:{label}".encode()], [control(label, number, policy).encode()])
    patients.take([b"patient:bed-1"], [control("bed-1", 1, DEFAULT).encode()])
    return patients


def control(label: str, site: int, policy: object) -> PatientControl:
    fields = {"patient": patient_id(label), "label": label, "site": site, "version": 3, "worn": (), "policy": policy}
    return PatientControl.model_validate(fields)


def test_a_gateway_tells_when_an_alarm_came_through_and_how_long_it_took():
    """The page's "proved 4 s ago" is about the alarm on the feed, not about a reading that was sent."""
    proofs = Proofs()
    proofs.note(1, NOW - 300_000, NOW)
    (told,) = proofs.report([1], NOW + 4 * SECOND, EVERYONE.sees)
    assert (told.proved_at, told.age_ms, told.took_ms) == (NOW, 4000, 300)


def test_a_site_without_a_proof_yet_is_told_as_such():
    """Never is not 0 s ago; a site that is missing would look like one that needs no proof."""
    told = Proofs().report([2, 1], NOW, EVERYONE.sees)
    assert [(each.site, each.proved_at, each.age_ms) for each in told] == [(1, None, None), (2, None, None)]


def test_proofs_are_those_of_the_sites_in_scope_and_bounded():
    """The other ward's prover is nobody's business, and a heartbeat must stay small."""
    assert [each.site for each in Proofs().report([1, 2, 3], NOW, WARD_2.sees)] == [2]
    assert len(Proofs().report(range(SITES_MAX + 10), NOW, EVERYONE.sees)) == SITES_MAX


def test_a_clock_that_steps_back_makes_no_negative_age():
    """Wall clocks are set; an age below 0 would be taken for very fresh."""
    proofs = Proofs()
    proofs.note(1, NOW + SECOND, NOW)
    (told,) = proofs.report([1], NOW - SECOND, EVERYONE.sees)
    assert (told.age_ms, told.took_ms) == (0, 0)


def test_the_age_of_a_proof_counts_from_its_reading():
    """A chain that delivers each alarm five minutes late proves nothing about the last five minutes."""
    judge = Judge(30.0)
    judge.watch("ward-a", 0.0)
    judge.hear("ward-a", proof(1000, 300_000), 400.0)
    assert judge.age("ward-a", 400.0) == 301.0
    assert not judge.verdict("ward-a", 400.0)[0]


def test_the_age_grows_also_while_nobody_tells_anything():
    """A dead gateway sends no heartbeat that could say so."""
    judge = Judge(30.0)
    judge.watch("ward-a", 0.0)
    judge.hear("ward-a", proof(0, 0), 10.0)
    assert judge.verdict("ward-a", 40.0) == (True, "")
    assert judge.verdict("ward-a", 41.0) == (False, "site ward-a: no alarm has come through for 31 s")


def test_before_the_first_proof_a_site_is_not_ready_and_has_not_failed():
    """An operator who starts Vigil must not be told of a failure, nor of a proof that there was none of."""
    judge = Judge(30.0)
    judge.watch("ward-a", 0.0)
    judge.hear("ward-a", proof(None, None), 5.0)
    assert judge.verdict("ward-a", 5.0) == (False, "site ward-a: waiting for the first proof")
    assert judge.turns(5.0) == []
    assert judge.turns(31.0) == [Turn("ward-a", False, 31.0)]


def test_a_failure_and_a_recovery_are_told_once():
    """One line each: a log that repeats itself is not read."""
    judge = Judge(30.0)
    judge.watch("ward-a", 0.0)
    assert [judge.turns(at) for at in (31.0, 32.0)] == [[Turn("ward-a", False, 31.0)], []]
    judge.hear("ward-a", proof(0, 500), 33.0)
    assert [judge.turns(at) for at in (33.0, 34.0)] == [[Turn("ward-a", True, 0.5)], []]


def test_an_older_proof_changes_nothing():
    """A restarted gateway knows less than the prover."""
    judge = Judge(30.0)
    judge.watch("ward-a", 0.0)
    judge.hear("ward-a", proof(0), 10.0)
    judge.hear("ward-a", proof(20_000), 11.0)
    judge.hear("ward-a", proof(None, None), 12.0)
    assert round(judge.age("ward-a", 12.0), 3) == 2.1


def test_a_site_that_is_gone_is_forgotten():
    """It would fail for ever."""
    judge = Judge(30.0)
    judge.watch("ward-a", 0.0)
    judge.hear("ward-b", proof(0), 1.0)
    judge.forget("ward-a")
    assert (judge.sites, judge.turns(100.0)) == ([], [])


def test_a_site_counts_as_enrolled_when_its_patient_wears_the_device_under_the_synthetic_policy():
    """Under the default policy its signal and low alarms would call nurses to nobody."""
    assert registered("ward-a").enrolled("ward-a")
    assert not registered("ward-a").enrolled("ward-b")
    assert not registered("ward-a", policy=DEFAULT).enrolled("ward-a")
    assert not registered("ward-a", until=NOW + 1).enrolled("ward-a")


def test_patients_are_found_by_id_and_synthetic_ones_are_not():
    """Commands about a patient carry label and site from here; nobody may take the proof out of service."""
    patients = registered("ward-a", "ward-b")
    assert patients.find(patient_id("bed-1")) == Known("bed-1", 1, worn=False)
    assert patients.find(patient_id(patient_name("ward-a"))) is None
    assert (patients.sites, patients.proved_sites) == ({"ward-a": 1, "ward-b": 2}, [1, 2])


def test_what_the_registry_takes_away_is_gone_and_what_cannot_be_read_is_counted():
    """The topic is compacted: a key without a value is an end. A newer registry must not end the gateway."""
    patients = registered("ward-a")
    keys = [b"patient:bed-1", b"device:proof.ward-a", b"patient:proof.ward-a", b"site:ward-a"]
    patients.take(keys, [None] * 4)
    assert (patients.find(patient_id("bed-1")), patients.sites, patients.proved_sites) == (None, {}, [])
    patients.take(
        [b"patient:x", b"site:y", b"\xff", None, b"device:wearable-1", b"clock"], [b"{}", b"[]", b"", b"", b"?", b"?"]
    )
    assert patients.unreadable == 3


def test_a_synthetic_alarm_is_told_to_the_gateway_and_to_nobody_else():
    """It is neither open, nor history, nor replayed; yet a cursor goes past it."""
    feed = Feed("cluster/", 1, 100)
    feed.begin(0)
    journal = Journal()
    start = feed.cursor("*")
    label = patient_name("ward-a")
    journal.write(episode(label=label, rule=RULE), episode("clear", 1, label=label, rule=RULE))
    journal.write(episode(label=label, rule="low", opened=2))
    taken = [feed.take(0, Cause(*output.cause), output.value) for output in journal.feed]
    assert [each for each in taken if each is not None] == [Proved(1, episode().at)]
    assert (feed.alerts.bodies(EVERYONE), feed.missed(start, "*")) == ([], [])
    assert feed.cursor("*") != start


def test_no_text_of_a_person_can_hide_an_alert():
    """What is synthetic is told by the JSON's own field: a note that looks like it must not silence a patient."""
    feed = Feed("cluster/", 1, 100)
    alert = Journal().alert(episode(reason='"label":"proof.x", {"label":"proof.'))
    assert isinstance(feed.take(0, Cause(0, 0), alert.encode()), Entry)


def test_a_synthetic_alert_that_is_written_otherwise_is_still_shown_to_nobody():
    """Another writer's spaces must not call a nurse to nobody; the proof fails loudly instead."""
    feed = Feed("cluster/", 1, 100)
    alert = Journal().alert(episode(label=patient_name("ward-a"), rule=RULE))
    assert feed.take(0, Cause(0, 0), alert.model_dump_json(indent=1).encode()) is None
    assert feed.alerts.bodies(EVERYONE) == []


def test_the_names_and_times_of_proofs_fit_together():
    """The registry must take the names, and a failed proof is more than two that were missed."""
    assert NAME.match(patient_name("ward-a"))
    assert is_proof(device_name("ward-a"))
    assert FAILED_US > 2 * EVERY_US
