"""What a bridge takes of ``registry.bindings``, and what it leaves to others."""

from __future__ import annotations

import pytest

from ingest.directory import REMEDY, Directory, device_of, remedy, site_of
from vitals.control import PatientControl
from vitals.devices import DEVICE_TYPES, Device, Site
from vitals.errors import CodecError
from vitals.policies import DEFAULT
from vitals.topics import device_id, patient_id


def test_records_for_others_are_passed_over():
    """The roster of patients, and whatever a newer registry writes, must not stop a bridge."""
    control = PatientControl(patient=patient_id("p-1"), label="p-1", site=1, version=1, worn=(), policy=DEFAULT)
    directory = Directory(4)
    keys = [b"patient:p-1", b"something-new", None, b"patient:p-1"]
    directory.take(range(7, 11), keys, [control.encode(), b"\xff", b"{}", None])
    assert directory.position == 11
    assert not directory.devices
    assert not directory.sites


DEVICE = Device(name="d", id=device_id("d"), type=DEVICE_TYPES["dexcom"], site=7, site_name="ward-a").encode()
SITE = Site(name="ward-a", number=7).encode()


@pytest.mark.parametrize("key", [b"device:d", b"device:\xff", b"site:ward-a", b"site:\xff"])
@pytest.mark.parametrize("value", [DEVICE, DEVICE.replace(b'"glucose"', b'"lactate"'), SITE, b"noise", b"\xff"])
def test_whoever_lists_devices_and_sites_reads_what_a_bridge_can_use(key: bytes, value: bytes):
    """A device that the list shows as well while the bridge rejects its readings sends everybody looking elsewhere."""
    directory = Directory(4)
    directory.take([5], [key], [value])
    read = device_of if key.startswith(b"device:") else site_of
    if directory.unreadable:
        assert directory.unreadable == {key: 5}
        with pytest.raises(CodecError):
            read(key, value)
    else:
        assert read(key, value).encode() == value
        assert value == (DEVICE if key == b"device:d" else SITE)


def test_each_record_that_cannot_be_read_has_its_own_remedy():
    """The registry writes a device with each binding, a patient with theirs, a site once, and what is no name never."""
    assert remedy(b"device:d") == REMEDY
    assert "device of theirs" in remedy(b"patient:p")
    assert "vigil site add" in remedy(b"site:s")
    assert all("delete it" in remedy(key) for key in (b"device:\xff", b"device:A b", b"site:", b"patient:"))
