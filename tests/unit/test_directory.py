"""What a bridge takes of ``registry.bindings``, and what it leaves to others."""

from __future__ import annotations

from ingest.directory import Directory
from vitals.control import PatientControl
from vitals.policies import DEFAULT
from vitals.topics import patient_id


def test_records_for_others_are_passed_over():
    """The roster of patients, and whatever a newer registry writes, must not stop a bridge."""
    control = PatientControl(patient=patient_id("p-1"), label="p-1", site=1, version=1, worn=(), policy=DEFAULT)
    directory = Directory(4)
    keys = [b"patient:p-1", b"something-new", None, b"patient:p-1"]
    directory.take(range(7, 11), keys, [control.encode(), b"\xff", b"{}", None])
    assert directory.position == 11
    assert not directory.devices
    assert not directory.sites
