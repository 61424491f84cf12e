"""What one message becomes in Kafka: the bridge's decisions, ticks, and the directory that they rest on."""

from __future__ import annotations

import pytest

from ingest.bridge import Bridge, Decision
from ingest.directory import Directory
from ingest.ticks import REPLAY, PartitionClocks, Tick
from vitals.devices import DEVICE_TYPES, Binding, Device, Site
from vitals.metrics import MINUTE_US, TICK
from vitals.readings import decode as rows_of
from vitals.topics import READINGS, REJECTED, TICK_KEY, device_id, partition_of, patient_id, readings_topic, ticks_topic

NOW = 1_699_228_860_000_000
HOUR_US = 60 * MINUTE_US
SINCE = NOW - 100 * HOUR_US
PARTITIONS = 4
METER = DEVICE_TYPES["meter"]


def device(*bindings: tuple[str, int, int | None]) -> Device:
    worn = tuple(
        Binding(patient=patient_id(label), label=label, since=since, until=until) for label, since, until in bindings
    )
    return Device(name="cgm-1", id=device_id("cgm-1"), type=METER, site=7, site_name="ward-a", bindings=worn)


def bridge(*, simulated: bool = False, last: tuple[int | None, ...] = ()) -> Bridge:
    directory = Directory(PARTITIONS)
    swapped = (("p-1", SINCE, NOW - HOUR_US), ("p-2", NOW - HOUR_US, None))
    records = [
        (b"site:ward-a", Site(name="ward-a", number=7).encode()),
        (b"site:ward-b", Site(name="ward-b", number=9).encode()),
        (b"device:cgm-1", device(*swapped).encode()),
    ]
    directory.take(range(3), [key for key, _ in records], [value for _, value in records])
    clocks = PartitionClocks(PARTITIONS, simulated=simulated, last=last)
    publisher = REPLAY if simulated else "bridge-0"
    return Bridge(namespace="", partitions=PARTITIONS, publisher=publisher, directory=directory, clocks=clocks)


def batch(*times: int) -> bytes:
    elements = (f'{{"metric":"glucose","value":100,"observed_at":{at}}}' for at in times)
    return f"[{','.join(elements)}]".encode()


def decide(payload: bytes, site: str = "ward-a", name: str = "cgm-1") -> Decision:
    return bridge().decide(readings_topic("", site, name), payload, NOW)


def reasons(decision: Decision) -> list[str]:
    """The reasons in the headers of what goes to ``vitals.rejected``, which must be those that are counted."""
    kept = [dict(record.headers)["reason"].decode() for record in decision.records if record.topic == REJECTED]
    assert kept == [reason for reason, _ in decision.rejected]
    return kept


def test_a_batch_across_a_swap_becomes_one_record_per_patient_in_its_order():
    """A record holds rows of one patient, so that its key is true and its partition theirs."""
    decision = decide(batch(NOW - HOUR_US - 2, NOW - HOUR_US - 1, NOW - HOUR_US, NOW))
    assert decision.readings == 4
    assert [(record.key, len(record.value) // 64) for record in decision.records] == [
        (patient_id("p-1").bytes, 2),
        (patient_id("p-2").bytes, 2),
    ]
    for record in decision.records:
        assert record.key is not None
        assert (record.topic, record.partition) == (READINGS, partition_of(record.key, PARTITIONS))


@pytest.mark.parametrize(
    ("payload", "site", "name", "reason"),
    [
        (b"hello", "ward-a", "cgm-1", "malformed"),
        (batch(NOW), "ward-a", "nobody", "not_bound"),
        (batch(0), "ward-a", "cgm-1", "not_bound"),
        (batch(NOW), "ward-b", "cgm-1", "site_mismatch"),
        (b'{"device":"cgm-2","readings":%b}' % batch(NOW), "ward-a", "cgm-1", "device_mismatch"),
        (b'{"device":"cgm-2","readings":%b}' % batch(NOW), "ward-a", "nobody", "device_mismatch"),
        (b" " * (2 << 20), "ward-a", "cgm-1", "too_large"),
        (batch(*range(4097)), "ward-a", "cgm-1", "too_many"),
    ],
)
def test_what_cannot_be_used_is_kept_with_its_reason(payload: bytes, site: str, name: str, reason: str):
    """Nothing vanishes: whoever looks into ``vitals.rejected`` finds the bytes and what to mend."""
    decision = decide(payload, site, name)
    assert reasons(decision) == [reason]
    (record,) = decision.records
    headers = dict(record.headers)
    assert record.key == name.encode()
    assert record.partition == partition_of(name.encode(), PARTITIONS)
    assert record.value == payload[: 64 * 1024]
    assert headers["length"] == str(len(payload)).encode()
    assert headers["topic"] == readings_topic("", site, name).encode()
    assert headers["received_at"] == str(NOW).encode()
    assert len(headers["digest"]) == 64
    assert headers["detail"]


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("vigil/v1/ward-a/cgm-1/status", b"cgm-1"),
        ("vigil/v1/Ward/cgm-1/readings", b"cgm-1"),
        ("vigil/v1/ward-a//readings", b""),
        ("vigil/v1/ward-a", b""),
        ("other", b""),
        ("vigil/v1/ward-a/\ufffd/readings", "\ufffd".encode()),
        ("vigil/v1/-ticks/cgm-1/readings", b"cgm-1"),
    ],
)
def test_a_message_on_another_topic_is_kept_too(topic: str, name: bytes):
    """A device with a typo in its topic would otherwise be silent without a trace."""
    decision = bridge().decide(topic, b"{}", NOW)
    assert reasons(decision) == ["bad_topic"]
    assert decision.records[0].key == name


def test_a_batch_of_bad_readings_is_kept_once_per_reason():
    """Thousands of copies of one payload would be an attack that the edge mounts on itself."""
    many = b'[{"metric":"x"},%b,{"metric":"y"},{"metric":"glucose","value":100,"observed_at":%d}]' % (b"5", NOW)
    decision = decide(many)
    assert decision.readings == 1
    assert decision.rejected == (("unknown_metric", 2), ("malformed", 1))
    assert [record.topic for record in decision.records] == [READINGS, REJECTED, REJECTED]
    headers = dict(decision.records[1].headers)
    assert headers["readings"] == b"2"
    assert headers["detail"].startswith(b"reading 0: metric is 'x'")
    assert headers["detail"].endswith(b"(and 1 more of this payload)")


def test_only_what_may_be_news_to_the_registry_asks_for_a_second_look():
    """Reading the registry to its end for every typo would let one device slow the whole bridge."""
    assert decide(batch(NOW), name="nobody").unknown
    assert decide(batch(0)).unknown
    assert not decide(b"hello", name="nobody").unknown
    assert not decide(batch(NOW), site="ward-b").unknown


def ticked(of: Bridge, payload: bytes, publisher: str) -> Decision:
    return of.decide(ticks_topic("", publisher), payload, NOW)


def test_a_tick_goes_to_every_partition_with_a_row_per_site():
    """Time must pass in all partitions, also in those whose patients are silent: that is how silence is noticed."""
    decision = ticked(bridge(), Tick(tick=NOW, sites=("ward-a", "ward-b")).encode(), "bridge-0")
    assert decision.ticks == 1
    assert [record.partition for record in decision.records] == list(range(PARTITIONS))
    for record in decision.records:
        rows = rows_of([record.value])
        assert record.key == TICK_KEY
        assert (rows["site"].tolist(), set(rows["metric"])) == ([7, 9], {TICK})
        assert set(rows["observed_at"]) == {NOW}


def test_ticks_of_other_bridges_are_none_of_ours():
    """Each would be written once per bridge; time has one writer."""
    assert ticked(bridge(), Tick(tick=NOW, sites=("ward-a",)).encode(), "bridge-1") == Decision(())
    assert ticked(bridge(simulated=True), Tick(tick=NOW, sites=("ward-a",)).encode(), "bridge-0") == Decision(())


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b"5", "malformed"),
        (b'{"tick":"1","sites":[]}', "malformed"),
        (b'{"tick":-1,"sites":[]}', "malformed"),
        (b'{"tick":1e300,"sites":[]}', "malformed"),
        (b'{"tick":5}', "malformed"),
        (b'{"tick":5,"sites":["nowhere"]}', "not_bound"),
        (b'{"tick":%d,"sites":["ward-a"]}' % (NOW + HOUR_US), "bad_timestamp"),
    ],
)
def test_a_tick_that_makes_no_sense_moves_no_time(payload: bytes, reason: str):
    """A tick an hour ahead would call every patient silent at once."""
    assert reasons(ticked(bridge(), payload, "bridge-0")) == [reason]


def test_a_tick_without_sites_writes_nothing():
    """Before the first site there is no clock to move."""
    assert ticked(bridge(), Tick(tick=NOW, sites=()).encode(), "bridge-0").records == []


def received(decision: Decision) -> int:
    return int(rows_of([decision.records[0].value])["received_at"][0])


def test_on_the_simulated_clock_a_reading_is_received_at_the_last_tick_of_its_partition():
    """Years that pass in minutes keep their delays; after a crash partitions may stand at different ticks."""
    home = partition_of(patient_id("p-2").bytes, PARTITIONS)
    last = tuple(NOW - MINUTE_US if partition == home else NOW - 5 * MINUTE_US for partition in range(PARTITIONS))
    simulated = bridge(simulated=True, last=last)
    topic = readings_topic("", "ward-a", "cgm-1")
    assert received(simulated.decide(topic, batch(NOW - MINUTE_US + 1), NOW + HOUR_US)) == NOW - MINUTE_US
    ticked(simulated, Tick(tick=NOW, sites=("ward-a",)).encode(), REPLAY)
    assert received(simulated.decide(topic, batch(NOW + 1), NOW + HOUR_US)) == NOW


def test_before_the_first_simulated_tick_a_reading_is_received_when_it_was_made():
    """Any other time would come from the wall's clock, which has no say there."""
    first = bridge(simulated=True).decide(readings_topic("", "ward-a", "cgm-1"), batch(NOW - 7), NOW + 9 * HOUR_US)
    assert received(first) == NOW - 7


def test_a_simulated_tick_may_lie_anywhere_in_time():
    """A replay of last year is behind the wall's clock, a scenario of next year ahead of it."""
    tick = Tick(tick=NOW + 1000 * HOUR_US, sites=("ward-a",)).encode()
    assert ticked(bridge(simulated=True), tick, REPLAY).ticks == 1


def test_a_simulated_tick_goes_on_by_a_minute_at_most():
    """One message from anybody could otherwise age the ward by decades, and no replay could go on from there."""
    simulated = bridge(simulated=True, last=(NOW, NOW - MINUTE_US, NOW, NOW))
    forged = ticked(simulated, Tick(tick=NOW + MINUTE_US + 1, sites=("ward-a",)).encode(), REPLAY)
    assert reasons(forged) == ["bad_timestamp"]
    assert ticked(simulated, Tick(tick=NOW + MINUTE_US, sites=("ward-a",)).encode(), REPLAY).ticks == 1
    assert ticked(simulated, Tick(tick=NOW + 2 * MINUTE_US, sites=("ward-a",)).encode(), REPLAY).ticks == 1


def test_a_directory_holds_the_last_word_of_the_log():
    """Bindings are whole lists: the last record of a device is all there is to know."""
    directory = Directory(PARTITIONS)
    first = device()
    directory.take([4], [b"device:cgm-1"], [first.encode()])
    before = directory.devices["cgm-1"]
    directory.take([9], [b"device:cgm-1"], [device(("p-1", SINCE, None)).encode()])
    assert before.worn == ()
    assert [worn.patient for worn in directory.devices["cgm-1"].worn] == [patient_id("p-1").bytes]
    assert directory.position == 10
    directory.take([10, 11], [b"device:cgm-1", b"site:none"], [None, None])
    assert not directory.devices


UNKNOWN_METRIC = device().encode().replace(b'"glucose"', b'"lactate"')


@pytest.mark.parametrize("value", [b"noise", b"{}", b"\xff", b'{"kind":"site"}', UNKNOWN_METRIC])
def test_a_record_that_cannot_be_read_costs_its_own_device_the_attribution(value: bytes):
    """Whom it names may have changed; the readings are kept with that reason, and everybody else's flow on."""
    directory = Directory(PARTITIONS)
    both = [device(("p-1", SINCE, None)), device(("p-2", SINCE, None)).model_copy(update={"name": "cgm-2"})]
    keys: list[bytes | None] = [b"device:cgm-1", b"device:cgm-2", b"device:cgm-1"]
    directory.take(range(3), keys, [*(each.encode() for each in both), value])
    clocks = PartitionClocks(PARTITIONS, simulated=False)
    one = Bridge(namespace="", partitions=PARTITIONS, publisher="bridge-0", directory=directory, clocks=clocks)
    refused = one.decide(readings_topic("", "ward-a", "cgm-1"), batch(NOW), NOW)
    assert (refused.readings, reasons(refused), refused.unknown) == (0, ["not_bound"], True)
    detail = dict(refused.records[0].headers)["detail"].decode()
    assert "cgm-1's record cannot be read (registry.bindings partition 0 offset 2); update Vigil" in detail
    assert one.decide(readings_topic("", "ward-a", "cgm-2"), batch(NOW), NOW).readings == 1
    assert directory.unreadable == {b"device:cgm-1": 2}
    directory.take([3], [b"device:cgm-1"], [both[0].encode()])
    assert one.decide(readings_topic("", "ward-a", "cgm-1"), batch(NOW), NOW).readings == 1
    assert directory.unreadable == {}


def test_a_record_that_cannot_be_read_takes_no_site_its_number_and_needs_no_name():
    """A number never changes: without it the site would have no time, and all of its patients would turn unknown."""
    directory = Directory(PARTITIONS)
    directory.take([0], [b"site:ward-a"], [Site(name="ward-a", number=7).encode()])
    directory.take([1, 2, 3], [b"site:ward-a", b"device:\xff", b"site:\xff"], [b"noise", b"{}", b"{}"])
    assert directory.sites == {"ward-a": 7}
    assert directory.unreadable == {b"site:ward-a": 1, b"device:\xff": 2, b"site:\xff": 3}
    assert directory.position == 4
    directory.take([4, 5], [b"device:\xff", b"site:\xff"], [None, b""])
    assert directory.unreadable == {b"site:ward-a": 1}


def test_a_site_whose_record_cannot_be_read_has_the_number_that_its_devices_name():
    """A bridge that begins after the log was compacted never sees the record that could be read."""
    directory = Directory(PARTITIONS)
    directory.take([0, 1], [b"site:ward-a", b"device:cgm-1"], [b"noise", device().encode()])
    assert directory.sites == {"ward-a": 7}
