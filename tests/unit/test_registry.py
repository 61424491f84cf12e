"""The registry step: what it accepts and refuses, and in which order others learn of it."""

from __future__ import annotations

from uuid import UUID

import pytest

from ingest.registry import RegistryStep
from vitals import control
from vitals.causes import Cause
from vitals.control import ClockControl, PatientControl, SiteControl
from vitals.devices import DEVICE_TYPES, Device, DeviceType, Site
from vitals.policies import DEFAULT, Policy
from vitals.policy_edits import edited
from vitals.proof import device_name, patient_name
from vitals.registry import (
    Answer,
    ClockSet,
    Command,
    DeviceAdd,
    DeviceBind,
    DeviceClose,
    DeviceUnbind,
    PolicySet,
    SiteAdd,
    decode,
)
from vitals.steps import Output, Records
from vitals.topics import BINDINGS, COMMANDS, NAME, READINGS, partition_of, patient_id

PARTITIONS = 4
OWN = edited(DEFAULT, ["low.1.limit=65", "high=off"])
AT = 1_699_228_800_000_000
HOUR = 3_600_000_000


class Log:
    """Commands one after the other, each with its own id and offset."""

    def __init__(self) -> None:
        self.step = RegistryStep(PARTITIONS)
        self.offset = 0

    def raw(self, value: bytes) -> list[Output]:
        records = Records(COMMANDS, 0, [self.offset], [b"key"], [value], [()], [0])
        self.offset += 1
        return self.step.step(records)

    def do(self, command: Command) -> list[Output]:
        return self.raw(command.encode())

    def say(self, command: Command) -> str:
        """The reason of the answer; empty where it is accepted."""
        return reason(self.do(command))

    def site(self, name: str) -> str:
        return self.say(SiteAdd(id=self.id(), name=name))

    def add(self, name: str, site: str = "ward-a", kind: str = "dexcom") -> str:
        return self.say(DeviceAdd(id=self.id(), name=name, site=site, type=DEVICE_TYPES[kind]))

    def bind(self, device: str, patient: str, since: int = AT) -> str:
        return self.say(DeviceBind(id=self.id(), device=device, patient=patient, since=since))

    def lie(self, device: str, patient: str, bed: str, since: int = AT) -> str:
        return self.say(DeviceBind(id=self.id(), device=device, patient=patient, since=since, bed=bed))

    def policy(self, patient: str, policy: Policy, base: int | None = None) -> str:
        return self.say(PolicySet(id=self.id(), patient=patient, policy=policy, base=base))

    def clock(self, clock: str) -> list[Output]:
        return self.do(ClockSet.model_validate({"id": self.id(), "clock": clock}))

    def patient(self, label: str) -> PatientControl:
        control = self.step.roster.control_of(label)
        assert control is not None
        return control

    def unbind(self, device: str, until: int) -> str:
        return self.say(DeviceUnbind(id=self.id(), device=device, until=until))

    def id(self) -> UUID:
        return UUID(int=self.offset)


def answer(outputs: list[Output]) -> Answer:
    (output,) = [each for each in outputs if each.topic == COMMANDS]
    message = decode(output.value)
    assert isinstance(message, Answer)
    assert (output.stage, output.partition, output.key) == (2, 0, b"key")
    return message


def reason(outputs: list[Output]) -> str:
    told = answer(outputs)
    assert (told.outcome == "refused") == bool(told.reason)
    if told.reason:
        assert len(outputs) == 1, "a refusal changes nothing"
        assert "\n" not in told.reason
    return told.reason


@pytest.fixture
def log() -> Log:
    """A registry with two sites and devices of both metrics."""
    log = Log()
    assert log.site("ward-a") == log.site("ward-b") == ""
    assert log.add("cgm-1") == log.add("cgm-2") == log.add("wrist-1", kind="wrist") == ""
    assert log.add("cgm-b", site="ward-b") == log.add("both", kind="ward") == ""
    return log


def test_a_site_goes_to_every_partition_before_bridges_hear_of_it_and_before_the_answer():
    """A tick of a site that a partition does not know would have no clock to move."""
    outputs = Log().do(SiteAdd(id=UUID(int=1), name="ward-a"))
    assert [output.stage for output in outputs] == [0] * PARTITIONS + [1, 2]
    for partition, output in enumerate(outputs[:PARTITIONS]):
        assert (output.topic, output.partition, output.key) == (READINGS, partition, b"site:1")
        assert output.headers == (("control", b"1"),)
        assert control.decode(output.value) == SiteControl(number=1, name="ward-a")
    binding = outputs[PARTITIONS]
    assert (binding.topic, binding.key) == (BINDINGS, b"site:ward-a")
    assert Site.model_validate_json(binding.value) == Site(name="ward-a", number=1)


def test_causes_count_up_within_a_command():
    """A registry that restarts writes only what is later than its last answer: order is what that rests on."""
    log = Log()
    log.site("ward-a")
    outputs = log.do(SiteAdd(id=UUID(int=9), name="ward-b"))
    assert [output.cause for output in outputs] == [Cause(1, ordinal) for ordinal in range(PARTITIONS + 2)]


def test_the_outputs_do_not_depend_on_how_commands_were_batched():
    """Replay is recovery only if one poll of everything gives what many small ones gave."""
    commands = [
        SiteAdd(id=UUID(int=1), name="x"),
        SiteAdd(id=UUID(int=2), name="x"),
        DeviceAdd(id=UUID(int=3), name="d", site="x", type=DEVICE_TYPES["wrist"]),
        DeviceBind(id=UUID(int=4), device="d", patient="p", since=AT),
        DeviceUnbind(id=UUID(int=5), device="d", until=AT + 1),
    ]
    values = [command.encode() for command in commands]
    one, many = RegistryStep(PARTITIONS), RegistryStep(PARTITIONS)
    whole = one.step(Records(COMMANDS, 0, [*range(5)], [b""] * 5, values, [()] * 5, [0] * 5))
    parts = [
        output
        for offset, value in enumerate(values)
        for output in many.step(Records(COMMANDS, 0, [offset], [b""], [value], [()], [0]))
    ]
    assert whole == parts


def test_a_binding_goes_to_the_patients_partition_with_policy_and_all_they_wear(log: Log):
    """The processor takes a patient's state whole: a delta that it missed would be missed for ever."""
    log.bind("wrist-1", "p-1", AT)
    outputs = log.do(DeviceBind(id=log.id(), device="cgm-1", patient="p-1", since=AT + HOUR))
    kinds = [(output.topic, output.stage, output.key) for output in outputs]
    home = patient_id("p-1").bytes
    assert kinds == [
        (READINGS, 0, home),
        (BINDINGS, 1, b"patient:p-1"),
        (BINDINGS, 1, b"device:cgm-1"),
        (COMMANDS, 2, b"key"),
    ]
    assert outputs[1].value == outputs[0].value
    patient = patient_id("p-1")
    told = control.decode(outputs[0].value)
    assert isinstance(told, PatientControl)
    assert (outputs[0].partition, outputs[0].key) == (partition_of(patient.bytes, PARTITIONS), patient.bytes)
    assert (told.patient, told.label, told.site, told.version) == (patient, "p-1", 1, 2)
    assert [(worn.name, worn.type.name, worn.binding.since) for worn in told.worn] == [
        ("wrist-1", "wrist", AT),
        ("cgm-1", "dexcom", AT + HOUR),
    ]
    assert told.policy == DEFAULT
    device = Device.model_validate_json(outputs[2].value)
    assert [(each.label, each.since, each.until) for each in device.bindings] == [("p-1", AT + HOUR, None)]


def test_a_swap_keeps_the_whole_history(log: Log):
    """Readings that come late belong to who wore the sensor then."""
    assert log.bind("cgm-1", "p-1") == log.unbind("cgm-1", AT + HOUR) == log.bind("cgm-1", "p-2", AT + HOUR) == ""
    assert log.unbind("cgm-1", AT + 2 * HOUR) == log.bind("cgm-1", "p-1", AT + 3 * HOUR) == ""
    bindings = log.step.roster.devices["cgm-1"].bindings
    assert [(each.label, each.since, each.until) for each in bindings] == [
        ("p-1", AT, AT + HOUR),
        ("p-2", AT + HOUR, AT + 2 * HOUR),
        ("p-1", AT + 3 * HOUR, None),
    ]


def test_sites_are_numbered_in_their_order_and_keep_their_numbers(log: Log):
    """The number stands in every row of the site, for ever."""
    assert [(site.name, site.number) for site in log.step.roster.sites.values()] == [("ward-a", 1), ("ward-b", 2)]
    assert log.site("ward-a") == "site ward-a exists, its number is 1"


@pytest.mark.parametrize("name", ["", "Ward A", "a/b", "x" * 65, "-ticks", "+", "é"])
def test_names_that_would_break_topics_are_refused(log: Log, name: str):
    """The name becomes a level of an MQTT topic and part of file names."""
    assert "is no name for a site" in log.site(name)
    assert "is no name for a device" in log.add(name)
    assert "is no name for a patient" in log.bind("cgm-1", name)


def test_a_site_has_room_for_the_name_of_its_proof(log: Log):
    """Its synthetic patient and device are named after it; a site that can never be proved would alarm for ever."""
    assert log.site("w" * 59) == f"{'w' * 59} is too long for a site: give at most 58 characters"
    assert log.site("w" * 58) == ""
    assert NAME.match(patient_name("w" * 58))
    assert NAME.match(device_name("w" * 58))


def test_a_device_is_refused_where_it_cannot_work(log: Log):
    """Each of these would be a device whose readings are rejected later, one by one."""
    assert log.add("cgm-1", kind="libre") == "device cgm-1 exists, a dexcom at ward-a"
    assert log.add("cgm-9", site="ward-z").startswith("site ward-z is unknown")
    stream = DEVICE_TYPES["wrist"].streams[0]
    unknown = DeviceType(name="t", streams=(stream.model_copy(update={"metric": "temperature"}),))
    double = DeviceType(name="t", streams=(stream, stream))
    assert "'temperature' is unknown" in log.say(DeviceAdd(id=log.id(), name="t", site="ward-a", type=unknown))
    assert "one stream per metric" in log.say(DeviceAdd(id=log.id(), name="t", site="ward-a", type=double))


def test_a_device_is_worn_by_one_patient_at_a_time(log: Log):
    """Two patients with one sensor would both be shown the readings of one."""
    assert log.bind("cgm-1", "p-1") == ""
    assert log.bind("cgm-1", "p-2", AT + HOUR) == (
        "device cgm-1 is bound to p-1 since 2023-11-06T00:00:00Z; unbind it first"
    )
    assert log.unbind("cgm-1", AT + HOUR) == ""
    assert "until 2023-11-06T01:00:00Z" in log.bind("cgm-1", "p-2", AT + HOUR - 1)
    assert log.bind("cgm-1", "p-2", AT + HOUR) == ""


def test_a_patient_wears_one_device_of_a_metric_at_a_time(log: Log):
    """A series is (patient, metric): two sensors in one would saw between their biases, and alarm on it."""
    assert log.bind("cgm-1", "p-1") == ""
    assert log.bind("cgm-2", "p-1", AT + HOUR) == "patient p-1 wears cgm-1 for glucose now; unbind it first"
    assert log.bind("both", "p-1", AT + HOUR) == "patient p-1 wears cgm-1 for glucose now; unbind it first"
    assert log.bind("wrist-1", "p-1") == ""
    assert log.unbind("cgm-1", AT + HOUR) == ""
    assert "until 2023-11-06T01:00:00Z" in log.bind("cgm-2", "p-1", AT + HOUR - 1)
    assert log.bind("cgm-2", "p-1", AT + HOUR) == ""


def test_a_patient_stays_at_one_site(log: Log):
    """The site's clock decides when a patient is silent; a patient of two would have two."""
    assert log.bind("cgm-1", "p-1") == ""
    assert log.bind("cgm-b", "p-1", AT + HOUR) == "patient p-1 is at ward-a, device cgm-b at ward-b"


@pytest.mark.parametrize("at", [0, 1_699_228_800, 1_699_228_800_000, 4_102_444_800_000_000, -1, 10**17])
def test_times_in_the_wrong_unit_are_refused(log: Log, at: int):
    """Seconds taken for microseconds would bind a device since 1970, for everything it ever sent."""
    assert "microseconds" in log.bind("cgm-1", "p-1", at)
    assert log.bind("cgm-1", "p-1") == ""
    assert "microseconds" in log.unbind("cgm-1", at)


def test_what_is_not_there_cannot_be_bound_or_unbound(log: Log):
    """The answer says which part is missing, so that the next command can be right."""
    assert log.bind("cgm-9", "p-1") == "device 'cgm-9' is unknown; vigil device add"
    assert log.unbind("cgm-9", AT) == "device 'cgm-9' is unknown; vigil device add"
    assert log.unbind("cgm-1", AT) == "device cgm-1 is not bound to anybody"
    assert log.bind("cgm-1", "p-1") == ""
    assert "end it later than that" in log.unbind("cgm-1", AT)
    assert log.unbind("cgm-1", AT + 1) == ""
    assert log.unbind("cgm-1", AT + 2) == "device cgm-1 is not bound to anybody"


def test_a_refused_command_moves_no_version(log: Log):
    """A version that grew without a change would make two registries disagree about the same log."""
    log.bind("cgm-1", "p-1")
    log.bind("cgm-2", "p-1")
    told = control.decode(log.do(DeviceUnbind(id=log.id(), device="cgm-1", until=AT + 1))[0].value)
    assert isinstance(told, PatientControl)
    assert told.version == 2


def test_what_a_removed_device_left_open_is_closed_once_it_is_off(log: Log):
    """Somebody went home, or died: no device will ever decide. A device that is worn has nothing to close."""

    def close(number: int, by: str = "") -> DeviceClose:
        return DeviceClose(id=UUID(int=900 + number), patient="p-1", by=by)

    assert log.say(close(0)) == "no device was taken off p-1; vigil device unbind"
    assert log.bind("cgm-1", "p-1") == ""
    assert log.say(close(1)) == "no device was taken off p-1; vigil device unbind"
    assert log.unbind("cgm-1", AT + HOUR) == log.bind("cgm-1", "p-2", AT + HOUR) == ""
    assert log.say(close(2, "a\nb")) == "'a\\nb' is no name for who decided it"
    outputs = log.do(close(3))
    assert [(output.topic, output.stage) for output in outputs] == [(READINGS, 0), (BINDINGS, 1), (COMMANDS, 2)]
    told = control.decode(outputs[0].value)
    assert isinstance(told, PatientControl)
    assert (told.label, told.closings, told.version) == ("p-1", 1, 3)
    assert log.bind("cgm-2", "p-1", AT + HOUR) == log.policy("p-1", OWN) == ""
    assert log.patient("p-1").closings == 1, "what is kept is no new closing"


def test_a_bed_is_kept_until_another_is_said(log: Log):
    """Beds stand on the ward's tiles; a device bound without one does not move the patient."""
    assert log.lie("cgm-1", "p-1", "3b") == log.bind("wrist-1", "p-1") == ""
    assert log.patient("p-1").bed == "3b"
    assert log.unbind("cgm-1", AT + HOUR) == log.lie("cgm-1", "p-1", "4", AT + HOUR) == ""
    assert log.patient("p-1").bed == "4"
    assert "no name for a bed" in log.lie("cgm-2", "p-2", "a\nb")


def test_the_clock_goes_to_every_partition():
    """Each partition is judged by its own log: one that missed the change would go on deciding by the other clock."""
    outputs = Log().clock("simulated")
    assert [output.stage for output in outputs] == [0] * PARTITIONS + [2]
    for partition, output in enumerate(outputs[:PARTITIONS]):
        assert (output.topic, output.partition, output.headers) == (READINGS, partition, (("control", b"1"),))
        assert control.decode(output.value) == ClockControl(clock="simulated")


def test_the_clock_is_simulated_before_anything_else_and_real_once_and_for_good(log: Log):
    """Real readings judged by a replay's time, or the reverse, would be late or fresh by accident."""
    fresh = Log()
    assert reason(fresh.clock("simulated")) == fresh.site("ward-a") == fresh.add("cgm-1") == ""
    assert fresh.bind("cgm-1", "p-1") == ""
    assert [output.topic for output in fresh.clock("simulated")] == [COMMANDS]
    assert len(fresh.clock("real")) == PARTITIONS + 1
    assert [output.topic for output in fresh.clock("real")] == [COMMANDS]
    assert "once and for good" in reason(fresh.clock("simulated"))
    assert log.bind("cgm-1", "p-1") == ""
    assert "bound on the real clock already" in reason(log.clock("simulated"))


def test_a_command_id_is_done_and_answered_once(log: Log):
    """A client that repeats after a lost answer must not do it twice."""
    command = SiteAdd(id=UUID(int=77), name="ward-c")
    assert len(log.do(command)) == PARTITIONS + 2
    assert log.do(command) == []
    assert log.do(SiteAdd(id=UUID(int=77), name="ward-d")) == []


def test_answers_in_the_log_are_not_commands(log: Log):
    """The registry reads the topic that it writes to; an echo would never end."""
    assert log.raw(Answer(id=UUID(int=5), outcome="accepted").encode()) == []


@pytest.mark.parametrize(
    "value", [b"", b"noise", b"[]", b"null", b"{}", b'{"id":7}', b'{"id":"x"}', b"\xff", b"[" * 10**5]
)
def test_noise_is_counted_and_stops_nothing(log: Log, value: bytes):
    """One wrong record would otherwise end every registry that ever replays the log."""
    assert log.raw(value) == []
    assert log.step.unreadable == 1
    assert log.site("ward-c") == ""


def test_a_command_that_cannot_be_read_but_has_an_id_is_refused(log: Log):
    """Its sender waits for an answer, and can mend it."""
    value = b'{"kind":"site_add","id":"00000000-0000-0000-0000-000000000063"}'
    told = answer(log.raw(value))
    assert (told.id, told.outcome) == (UUID(int=99), "refused")
    assert told.reason.startswith("not a command: site_add.name")
    assert log.raw(value) == []
