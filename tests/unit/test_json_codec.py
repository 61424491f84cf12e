"""The native JSON codec: what is a reading, what is a rejection, and that nothing else can come out."""

from __future__ import annotations

import pytest

from vitals.codecs import PAYLOAD_BYTES_MAX, READINGS_MAX, Item, Parsed, Rejected
from vitals.codecs.json import decode
from vitals.metrics import BATTERY, GLUCOSE, HEART_RATE
from vitals.readings import Flag
from vitals.units import Unit

AT = 1_699_228_860_000_000
READING = b'{"metric":"glucose","value":5.2,"unit":"mmol/L","observed_at":"2023-11-06T00:01:00Z","seq":7}'


def reading(**changes: str) -> bytes:
    fields = {"metric": '"glucose"', "value": "100", "observed_at": str(AT)} | changes
    return ("{" + ",".join(f'"{name}":{text}' for name, text in fields.items()) + "}").encode()


def only(payload: bytes) -> Item:
    items = decode(payload)
    assert len(items) == 1
    return items[0]


def parsed(payload: bytes) -> Parsed:
    item = only(payload)
    assert isinstance(item, Parsed), item
    return item


def refused(payload: bytes) -> Rejected:
    item = only(payload)
    assert isinstance(item, Rejected), item
    return item


def test_a_devices_charge_is_a_reading_in_per_cent():
    """A device that is about to fall silent says so beforehand, if one lets it."""
    charge = parsed(reading(metric='"battery"', value="87", unit='"%"'))
    assert (charge.metric, charge.value, charge.unit) == (BATTERY, 87.0, Unit.PERCENT)
    assert parsed(reading(metric='"battery"', value="0")).unit is Unit.PERCENT
    assert refused(reading(metric='"glucose"', unit='"%"')).reason == "unknown_unit"


def test_a_single_reading_keeps_value_and_unit_as_received():
    """Converting at the edge would lose what the device said; the unit travels with the number."""
    assert parsed(READING) == Parsed(0, GLUCOSE, 5.2, Unit.MMOL_L, AT, 7)


@pytest.mark.parametrize("batch", [b'{"readings":[%b,%b]}', b"[%b,%b]"])
def test_a_batch_is_an_object_with_readings_or_a_bare_list(batch: bytes):
    """Gateways send either; both mean the same readings in the same order."""
    items = decode(batch % (READING, reading()))
    assert [type(item) for item in items] == [Parsed, Parsed]
    assert [item.place for item in items] == [0, 1]


def test_a_unit_left_out_is_the_canonical_one():
    """Most devices have one unit and never send it."""
    assert parsed(reading()).unit is Unit.MG_DL
    assert parsed(reading(metric='"heart_rate"')) == Parsed(0, HEART_RATE, 100.0, Unit.PER_MINUTE, AT)


@pytest.mark.parametrize("spelling", ["/min", "bpm", "beats/min"])
def test_every_accepted_spelling_of_a_unit_is_one_unit(spelling: str):
    """The row holds a unit, not a spelling."""
    assert parsed(reading(metric='"heart_rate"', unit=f'"{spelling}"')).unit is Unit.PER_MINUTE


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ('"LOW"', Flag.CENSORED_LOW),
        ('"Low"', Flag.CENSORED_LOW),
        ('"HIGH"', Flag.CENSORED_HIGH),
        ('"high"', Flag.CENSORED_HIGH),
    ],
)
def test_the_words_low_and_high_are_censored_readings(text: str, flag: Flag):
    """A sensor that says LOW is at its most dangerous: it must never count as missing."""
    item = parsed(reading(value=text))
    assert (item.value, item.flags) == (None, flag)


@pytest.mark.parametrize(
    ("field", "text", "flag"),
    [
        ("contact", "false", Flag.CONTACT_LOST),
        ("contact", "true", 0),
        ("backfill", "true", Flag.BACKFILL),
        ("control_solution", "true", Flag.CONTROL_SOLUTION),
        ("artefact", "true", Flag.ARTEFACT),
        ("artefact", "false", 0),
    ],
)
def test_marks_of_a_reading_become_flags(field: str, text: str, flag: int):
    """What the device knows about its own reading decides whether rules may use it."""
    assert parsed(reading(**{field: text})).flags == flag


def test_without_contact_a_value_may_be_missing():
    """A wrist device off the wrist has nothing to say but that; the signal rule names the reason."""
    item = parsed(reading(metric='"heart_rate"', value="null", contact="false"))
    assert (item.value, item.flags) == (None, Flag.CONTACT_LOST)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ('"2023-11-06T00:01:00Z"', AT),
        ('"2023-11-06t00:01:00z"', AT),
        ('"2023-11-06 00:01:00Z"', AT),
        ('"2023-11-06T00:01Z"', AT),
        ('"2023-11-06T01:01:00+01:00"', AT),
        ('"2023-11-05T18:31:00-0530"', AT),
        ('"2023-11-06T00:01:00.5Z"', AT + 500_000),
        ('"2023-11-06T00:01:00,25Z"', AT + 250_000),
        ('"2023-11-06T00:01:00.123456789Z"', AT + 123_456),
        ('"1969-12-31T23:59:59.999999Z"', -1),
        ('"0001-01-02T23:59:00+23:59"', -62_135_510_400_000_000),
        ("0", 0),
        ("-1", -1),
        ("253402214400000000", 253_402_214_400_000_000),
    ],
)
def test_a_timestamp_is_microseconds_or_a_text_with_its_offset(text: str, at: int):
    """Nanoseconds, offsets and odd separators are common; what they mean is not open to guessing."""
    assert parsed(reading(observed_at=text)).observed_at == at


@pytest.mark.parametrize(
    "text",
    [
        "null",
        '""',
        '"yesterday"',
        '"2023-11-06T00:01:00"',
        '"2023-11-06"',
        '"2023-02-30T00:00:00Z"',
        '"2023-11-06T24:00:00Z"',
        '"2023-11-06T23:59:60Z"',
        '"2023-11-06T00:01:00+24:00"',
        '"0000-01-01T00:00:00Z"',
        '"1699228860000000"',
        '"\u0662023-11-06T00:01:00Z"',
        "1.5",
        "1e15",
        "true",
        str(2**63),
        str(-(2**63)),
        "9" * 5000,
        "{}",
    ],
)
def test_a_time_that_does_not_parse_rejects_the_reading(text: str):
    """A made-up time would put the reading into somebody else's hour; a local time is ambiguous twice a year."""
    assert refused(reading(observed_at=text)).reason == "bad_timestamp"


@pytest.mark.parametrize(
    "text",
    [str(2**63 - 1), str(-(2**63) + 1), "253402214400000001", '"0001-01-01T00:00:00Z"', '"0001-01-01T00:00:00+23:59"'],
)
def test_a_time_beyond_the_calendar_is_rejected_at_the_edge(text: str):
    """No database could store it, while a suspect clock would still let it decide a rule."""
    found = refused(reading(observed_at=text))
    assert found.reason == "bad_timestamp"
    assert "beyond the years" in found.detail


@pytest.mark.parametrize(
    "text",
    ['"abc"', '"100"', "true", "false", "null", "[]", "{}", "NaN", "Infinity", "-Infinity", "1e999", "1" * 400, '""'],
)
def test_a_value_that_is_no_finite_number_rejects_the_reading(text: str):
    """A boolean is an int to Python, and NaN passes every comparison: neither may reach a rule."""
    assert refused(reading(value=text)).reason == "not_a_number"


@pytest.mark.parametrize(("text", "number"), [("-5", -5.0), ("0", 0.0), ("1e22", 1e22), (str(2**70), float(2**70))])
def test_an_absurd_number_is_still_a_reading(text: str, number: float):
    """Bounds mark quality, they never filter: what a number is worth is decided where the device is known."""
    assert parsed(reading(value=text)).value == number


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metric": '"temperature"'}, "unknown_metric"),
        ({"metric": "null"}, "unknown_metric"),
        ({"metric": "[1]"}, "unknown_metric"),
        ({"unit": '"furlong"'}, "unknown_unit"),
        ({"unit": '"/min"'}, "unknown_unit"),
        ({"unit": "2"}, "unknown_unit"),
        ({"unit": '"MMOL/L"'}, "unknown_unit"),
        ({"seq": "-1"}, "malformed"),
        ({"seq": "1.5"}, "malformed"),
        ({"seq": "true"}, "malformed"),
        ({"device": "5"}, "malformed"),
        ({"contact": '"no"'}, "malformed"),
        ({"backfill": "1"}, "malformed"),
    ],
)
def test_a_field_of_another_kind_rejects_the_reading_with_its_reason(changes: dict[str, str], reason: str):
    """A guess here would be a wrong unit or a missed mark there."""
    assert refused(reading(**changes)).reason == reason


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b'"\xff"',
        b'{"metric":"glucose"',
        b"[" * 100_000,
        b'{"readings":' * 20_000,
        b"[]",
        b"{} {}",
        b"5",
        b"null",
        b'{"readings":{}}',
        b'{"readings":[]}',
        b"[[]]",
        b"[NaN]",
        b'{"value":' + b"1" * 5000,
    ],
)
def test_what_is_no_reading_at_all_is_malformed(payload: bytes):
    """A parser that raises, or recurses until it dies, would stop a whole site for one device's noise."""
    assert refused(payload).reason == "malformed"


def test_each_element_of_a_batch_stands_alone():
    """A gateway's batch holds a night: one NaN in it, which is no JSON at all, must not cost the other readings."""
    items = decode(b"[%b,%b,5,%b]" % (reading(), reading(value="NaN"), reading(value="-5")))
    assert [getattr(item, "reason", "read") for item in items] == ["read", "not_a_number", "malformed", "read"]
    assert [item.place for item in items] == [0, 1, 2, 3]


def test_the_batch_names_the_device_for_its_elements_and_contradictions_are_mismatches():
    """The bridge compares the name with the topic; a batch of two devices cannot be both."""
    batch = b'{"device":"cgm-1","readings":[%b,%b]}' % (reading(), reading(device='"cgm-2"'))
    first, second = decode(batch)
    assert isinstance(first, Parsed)
    assert first.device == "cgm-1"
    assert isinstance(second, Rejected)
    assert second.reason == "device_mismatch"


def test_a_sequence_number_wraps_like_the_rows():
    """Counters of devices are wider than the row's 16 bits; only their steps matter."""
    assert parsed(reading(seq=str(65_536 + 3))).seq == 3


def test_a_payload_above_the_bound_is_rejected_unread():
    """Parsing what is too large is how a single device would take the bridge's whole second."""
    item = refused(b" " * (PAYLOAD_BYTES_MAX + 1))
    assert (item.place, item.reason) == (None, "too_large")
    assert refused(b" " * PAYLOAD_BYTES_MAX).reason == "malformed"


def test_a_batch_above_the_bound_is_rejected_whole():
    """Half a batch would look complete to its sender."""
    assert len(decode(b"[" + b",".join([b"1"] * READINGS_MAX) + b"]")) == READINGS_MAX
    item = refused(b"[" + b",".join([b"1"] * (READINGS_MAX + 1)) + b"]")
    assert (item.place, item.reason) == (None, "too_many")


def test_a_mark_of_byte_order_does_not_make_it_malformed():
    """Gateways on Windows write one before their JSON."""
    assert parsed(b"\xef\xbb\xbf" + READING).value == 5.2


def test_a_rejection_says_what_was_there_and_what_to_send_instead():
    """It is read by whoever must mend the device, months later, without this source."""
    assert refused(reading(value='"abc"')).detail == 'value is \'abc\'; send a finite JSON number, "LOW" or "HIGH"'
    assert "glucose" in refused(reading(metric='"temp"')).detail
    assert "offset" in refused(reading(observed_at='"2023-11-06T00:01:00"')).detail


def test_a_rejection_is_one_short_line_of_plain_text():
    """It travels in a Kafka header and is printed on terminals: no control characters, no megabytes."""
    for text in (r'"\u001b[31m\n"', '"' + "x" * 100_000 + '"', r'"\ud800"'):
        detail = refused(reading(metric=text)).detail
        assert detail.isascii()
        assert detail.isprintable()
        assert len(detail) < 200
