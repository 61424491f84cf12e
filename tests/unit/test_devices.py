"""Device types and dated bindings."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from vitals.devices import DEVICE_TYPES, Binding, Device, DeviceType, Site, Stream
from vitals.metrics import METRIC_BY_NAME
from vitals.topics import device_id, patient_id


def binding(label: str, since: int, until: int | None = None) -> Binding:
    return Binding(patient=patient_id(label), label=label, since=since, until=until)


def device(*bindings: Binding) -> Device:
    return Device(
        name="cgm-1",
        id=device_id("cgm-1"),
        type=DEVICE_TYPES["dexcom"],
        site=1,
        site_name="ward-a",
        bindings=bindings,
    )


@pytest.mark.parametrize(
    ("at", "label"), [(9, None), (10, "p-1"), (19, "p-1"), (20, None), (29, None), (30, "p-2"), (10**18, "p-2")]
)
def test_a_binding_holds_from_its_start_until_before_its_end(at: int, label: str | None):
    """A sensor that moves to another patient at 20 must not give the reading of 20 to both, or to neither."""
    found = device(binding("p-1", 10, 20), binding("p-2", 30)).binding_at(at)
    assert (found.label if found else None) == label


def test_of_two_that_touch_the_later_begins_where_the_earlier_ends():
    """A swap without a gap is the common case at a bedside."""
    found = device(binding("p-1", 10, 20), binding("p-2", 20)).binding_at(20)
    assert found is not None
    assert found.label == "p-2"


def test_every_type_sends_metrics_that_exist_once_each_within_its_range():
    """The bridge looks a stream up by its metric; an unknown or a double one would be a silent choice."""
    for kind in DEVICE_TYPES.values():
        names = [stream.metric for stream in kind.streams]
        assert len(set(names)) == len(names)
        for stream in kind.streams:
            low, high = METRIC_BY_NAME[stream.metric].accepted
            assert low <= stream.low < stream.high <= high
            assert kind.stream(stream.metric) is stream
    assert DEVICE_TYPES["dexcom"].stream("heart_rate") is None


@pytest.mark.parametrize(
    ("stream", "warm_up"), [({"low": float("nan")}, 0), ({"high": float("inf")}, 0), ({}, 10**30), ({}, 1 << 62)]
)
def test_a_type_of_numbers_that_no_device_has_is_none(stream: dict[str, float], warm_up: int):
    """A warm-up of 10^30 µs stands in a control record, and fits into no column of whoever reads it: for ever."""
    good = {"metric": "glucose", "interval_us": 300_000_000, "low": 40, "high": 400}
    assert DeviceType.model_validate({"name": "own", "streams": [good], "warm_up_us": 7_200_000_000})
    with pytest.raises(ValidationError):
        DeviceType.model_validate({"name": "own", "streams": [good | stream], "warm_up_us": warm_up})


def test_a_type_without_streams_is_none():
    """Its patient would have a device and never a series: nobody would notice the silence."""
    with pytest.raises(ValidationError):
        DeviceType(name="brick", streams=())


@pytest.mark.parametrize("interval", [0, -1, 25 * 3600 * 1_000_000])
def test_an_interval_is_positive_and_at_most_a_day(interval: int):
    """It multiplies into every deadline of silence."""
    with pytest.raises(ValidationError):
        Stream(metric="glucose", interval_us=interval, low=40, high=400)


@pytest.mark.parametrize("number", [0, 65_536])
def test_a_sites_number_fits_the_row_and_is_not_zero(number: int):
    """Zero is what an empty row holds."""
    with pytest.raises(ValidationError):
        Site(name="ward-a", number=number)


def test_a_device_survives_the_log_whole():
    """Its bindings are the whole list each time, so a compacted topic loses nothing."""
    whole = device(binding("p-1", 10, 20), binding("p-2", 30))
    assert Device.model_validate_json(whole.encode()) == whole
