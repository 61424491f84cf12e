"""Whatever a device sends: the codec gives items, the bridge gives records, and the packed row is the model's row."""

from __future__ import annotations

import json
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from ingest.attribution import attribute
from ingest.bridge import Bridge
from ingest.directory import Directory, known
from ingest.ticks import PartitionClocks
from vitals.codecs import Parsed, Rejected
from vitals.codecs.json import decode
from vitals.devices import DEVICE_TYPES, Binding, Device
from vitals.metrics import METRIC_BY_NAME, METRICS
from vitals.readings import INVALID_SHIFT, OBSERVED_MAX_US, OBSERVED_MIN_US, Invalid, Reading, to_row
from vitals.readings import decode as rows_of
from vitals.topics import READINGS, device_id, patient_id, readings_topic
from vitals.units import UNIT_BY_NAME, UNIT_NAME

NOW = 1_699_228_860_000_000
TIMES = st.integers(OBSERVED_MIN_US, OBSERVED_MAX_US)
WORDS = st.sampled_from(["LOW", "HIGH", "abc", "", "glucose", "heart_rate", "mg/dL", "2023-11-06T00:01:00Z"])
TEXTS = st.text(st.sampled_from('a0é"\\\n\x00\u2028\ud800😀'), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | WORDS
FIELDS = ("metric", "value", "unit", "observed_at", "seq", "device", "contact", "backfill", "readings", "artefact")
ELEMENTS = st.dictionaries(st.sampled_from(FIELDS), SCALARS | st.lists(SCALARS, max_size=2))
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner))
GOOD = st.fixed_dictionaries(
    {"metric": st.sampled_from(sorted(METRIC_BY_NAME)), "value": st.floats(-1e6, 1e6), "observed_at": TIMES},
    optional={"seq": st.integers(0, 2**40), "backfill": st.booleans(), "contact": st.booleans()},
)


def device() -> Device:
    patients = (("p-1", OBSERVED_MIN_US, 0), ("p-2", 0, NOW), ("p-3", NOW, None))
    bindings = tuple(
        Binding(patient=patient_id(label), label=label, since=since, until=until) for label, since, until in patients
    )
    return Device(name="d", id=device_id("d"), type=DEVICE_TYPES["ward"], site=7, site_name="w", bindings=bindings)


def bridge() -> Bridge:
    directory = Directory(4)
    directory.take([0], [b"device:d"], [device().encode()])
    clocks = PartitionClocks(4, simulated=False)
    return Bridge(namespace="", partitions=4, publisher="b", directory=directory, clocks=clocks)


BRIDGE = bridge()
TOPIC = readings_topic("", "w", "d")


def sound(payload: bytes) -> None:
    """One item at least per payload, each well formed; as many rows and rejections in Kafka as items."""
    items = decode(payload)
    assert items
    for item in items:
        if isinstance(item, Rejected):
            assert item.detail
            assert item.detail.isprintable()
            assert len(item.detail) < 400
        else:
            assert item.unit in item.metric.units
            assert OBSERVED_MIN_US <= item.observed_at <= OBSERVED_MAX_US
            assert 0 <= item.seq < 65_536
            assert 0 <= item.flags < 1 << INVALID_SHIFT
    decision = BRIDGE.decide(TOPIC, payload, NOW)
    assert decision.readings + sum(count for _, count in decision.rejected) == len(items)
    rows = rows_of([record.value for record in decision.records if record.topic == READINGS])
    assert len(rows) == decision.readings


@given(st.binary(max_size=64))
@example(b"[[[[" * 50_000)
@example(b'{"readings":[{"value":' + b"9" * 10_000 + b"}]}")
def test_no_bytes_make_the_edge_raise(payload: bytes):
    """One device's noise would otherwise stop everybody's readings."""
    sound(payload)


@given(ELEMENTS | st.lists(ELEMENTS, max_size=4) | st.fixed_dictionaries({"readings": st.lists(ELEMENTS, max_size=4)}))
def test_no_object_of_our_fields_makes_the_edge_raise(data: object):
    """The fields with every wrong kind of value in them, in every combination."""
    sound(json.dumps(data).encode())


@given(ANYTHING)
def test_no_json_at_all_makes_the_edge_raise(data: object):
    """NaN, Infinity, lone surrogates and integers beyond 64 bits are all things that some JSON writer writes."""
    sound(json.dumps(data).encode())


@given(st.lists(GOOD, min_size=1, max_size=5), ELEMENTS)
def test_a_bad_neighbour_changes_nothing_for_a_reading(good: list[dict[str, object]], bad: dict[str, object]):
    """Each element of a batch stands alone, also where the bad one makes the text no strict JSON."""
    alone = [decode(json.dumps(each).encode())[0] for each in good]
    together = decode(json.dumps([*good, bad, {"value": float("nan")}]).encode())
    assert [item._replace(place=0) for item in together[: len(good)]] == alone
    assert all(isinstance(item, Parsed) for item in alone)


@st.composite
def parsed(draw: st.DrawFn) -> Parsed:
    metric = draw(st.sampled_from(METRICS))
    near = st.integers(NOW - 10**10, NOW + 10**9)
    return Parsed(
        0,
        metric,
        draw(st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.floats(0, 500)),
        draw(st.sampled_from(metric.units)),
        draw(TIMES | near),
        draw(st.integers(0, 65_535)),
        draw(st.integers(0, 15)) if draw(st.booleans()) else 0,
    )


@given(parsed(), st.none() | st.integers(NOW - 10**9, NOW + 10**9))
def test_the_packed_row_is_the_models_row_byte_for_byte(reading: Parsed, received_at: int | None):
    """The bridge packs for speed what ``vitals.readings`` defines; two layouts would be two languages."""
    placed = attribute(known(device(), 4), reading, [received_at] * 4)
    assert not isinstance(placed, Rejected)
    worn, packed = placed
    (row,) = rows_of([packed])
    told = Reading(
        patient=UUID(bytes=worn.patient),
        device=device_id("d"),
        metric=reading.metric.name,
        value=float(row["value"]),
        unit=UNIT_NAME[type(reading.unit)(int(row["unit"]))],
        observed_at=reading.observed_at,
        received_at=int(row["received_at"]),
        site=7,
        seq=reading.seq,
        flags=int(row["flags"]) & ((1 << INVALID_SHIFT) - 1),
        invalid=Invalid(int(row["flags"]) >> INVALID_SHIFT),
    )
    assert to_row(told).tobytes() == packed
    if reading.value is not None:
        assert (told.value, UNIT_BY_NAME[told.unit]) == (reading.value, reading.unit)
    assert told.received_at == (reading.observed_at if received_at is None else received_at)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
VALUES = st.one_of(NUMBERS, st.just("LOW"), st.none(), st.booleans())
PLAIN = st.fixed_dictionaries(
    {
        "metric": st.sampled_from(["glucose", "heart_rate", "battery", "pulse"]),
        "unit": st.sampled_from(["mg/dL", "mmol/L", "/min", "%", "kg", None]),
        "value": VALUES,
        "observed_at": st.one_of(st.integers(-(2**66), 2**66), st.integers(NOW - 10**9, NOW), st.just("yesterday")),
        "seq": st.one_of(st.integers(-2, 2**70), st.floats(0, 5)),
    }
)


@given(PLAIN, st.sampled_from([None, "cgm-1", 5]))
def test_the_short_way_says_what_the_long_way_says(element: dict[str, object], device: object):
    """Nearly every reading takes the short way: a difference between the two would be everybody's."""
    payload = json.dumps({"device": device, "readings": [element]}).encode()
    longer = json.dumps({"device": device, "readings": [element | {"more": 1}]}).encode()
    assert decode(payload) == decode(longer)
