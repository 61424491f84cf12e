"""Names, topics and people: what may be called how, and who sees what."""

from __future__ import annotations

import pytest

from vitals.messages import Message
from vitals.people import Principal, digest_of, find
from vitals.topics import (
    NAME,
    TOPICS,
    device_id,
    kafka_topic,
    murmur2,
    partition_of,
    patient_id,
    readings_topic,
    ticks_topic,
)


@pytest.mark.parametrize(("key", "digest"), [(b"21", -973932308), (b"foobar", -790332482), (b"", 275646681)])
def test_murmur2_is_kafkas(key: bytes, digest: int):
    """Vectors of Kafka's own UtilsTest: a patient must lie where every other client looks."""
    assert murmur2(key) == digest & 0xFFFFFFFF


def test_partitions_use_the_digest_without_its_sign():
    """Java masks the sign before the modulus; a remainder of the unsigned digest differs for odd counts."""
    key = b"21"
    assert partition_of(key, 7) == (murmur2(key) & 0x7FFFFFFF) % 7 != murmur2(key) % 7


def test_a_namespace_separates_two_vigils_on_the_same_servers():
    """Tests and trial wards share brokers with the real one."""
    assert kafka_topic("", "vitals.readings") == "vitals.readings"
    assert kafka_topic("t1", "vitals.readings") == "t1.vitals.readings"
    assert readings_topic("t1", "ward-a", "cgm-1") == "t1/vigil/v1/ward-a/cgm-1/readings"


def test_ticks_and_readings_match_one_subscription():
    """Brokers keep order within a subscription: a tick that came by another could overtake readings."""
    one, other = readings_topic("", "ward-a", "cgm-1"), ticks_topic("", "bridge-0")
    assert one.startswith("vigil/v1/")
    assert other.startswith("vigil/v1/")
    assert one.count("/") == other.count("/") == 4


def test_no_site_can_pass_for_a_publisher_of_ticks():
    """Whoever publishes ticks moves time for everybody."""
    assert ticks_topic("", "x").split("/")[2] == "-ticks"
    assert not NAME.match("-ticks")


@pytest.mark.parametrize("name", ["ward-a", "2307", "a", "p_1.x", "a" * 64])
def test_a_plain_name_is_a_name(name: str):
    """Names stand in topics, logs and file names."""
    assert NAME.match(name)


@pytest.mark.parametrize("name", ["", "Ward", "a/b", "a+", "#", "a b", "é", "a\n", ".a", "a" * 65])
def test_a_name_that_would_break_a_topic_or_a_path_is_none(name: str):
    """A wildcard in a device's name would subscribe its neighbours."""
    assert not NAME.match(name)


def test_ids_come_from_names_and_do_not_collide_between_kinds():
    """Every process derives the same id alone; a device named like a patient is still a device."""
    assert patient_id("2307") == patient_id("2307") != patient_id("2308")
    assert device_id("2307") != patient_id("2307")


def test_topics_of_patients_have_the_same_partitions():
    """One process owns a patient end to end only if all of them are cut alike."""
    assert {spec.name for spec in TOPICS if not spec.partitioned} == {
        "registry.commands",
        "registry.bindings",
        "registry.snapshots",
    }
    assert len({spec.name for spec in TOPICS}) == len(TOPICS)


class _Note(Message):
    text: str
    value: float | None = None


def test_a_message_is_one_line_and_survives_a_newer_writer():
    """Old readers run beside new writers during every upgrade; a field they do not know must not stop them."""
    assert _Note(text="a\nb").encode() == b'{"text":"a\\nb","value":null}'
    assert _Note.model_validate_json(b'{"text":"x","colour":"red"}') == _Note(text="x")


def test_what_is_not_known_is_null_and_never_a_number():
    """A NaN is no JSON, and a zero would be a reading."""
    assert b'"value":null' in _Note(text="x", value=float("nan")).encode()


def principal(name: str, **changes: object) -> Principal:
    return Principal.model_validate({"name": name, "role": "clinician", "token_sha256": digest_of(name)} | changes)


def test_a_token_finds_its_principal_and_no_other():
    """The token is the only thing a screen shows at the door."""
    people = (principal("ada"), principal("bo"))
    found = find(people, "bo")
    assert found is not None
    assert found.name == "bo"
    assert find(people, "Bo") is None
    assert find(people, "") is None


def test_a_token_is_not_kept():
    """A stolen configuration must not be a key."""
    assert "ada" not in principal("x", token_sha256=digest_of("ada")).model_dump_json()


def test_a_principal_sees_its_sites_and_none_means_all():
    """An empty care team is nobody's, not everybody's."""
    assert principal("ada").sees(9)
    assert principal("ada", sites=[1, 2]).sees(2)
    assert not principal("ada", sites=[1, 2]).sees(3)
    assert not principal("ada", sites=[]).sees(1)


@pytest.mark.parametrize(("role", "may"), [("clinician", True), ("ops", False), ("wall", False)])
def test_only_a_clinician_acknowledges(role: str, may: bool):
    """A screen on a wall has no person behind it who took responsibility."""
    assert principal("ada", role=role).may_command is may
