"""The versions of a policy, read from the log of commands: the same as the registry counts."""

from __future__ import annotations

from uuid import UUID

from ingest.history import versions
from ingest.registry import RegistryStep
from vitals.devices import DEVICE_TYPES
from vitals.policies import DEFAULT
from vitals.policy_edits import edited
from vitals.registry import Command, DeviceAdd, DeviceBind, DeviceUnbind, PolicySet, SiteAdd
from vitals.steps import Records
from vitals.topics import COMMANDS

AT = 1_699_228_800_000_000
LOWER, HIGHER = edited(DEFAULT, ["low.1.limit=65"]), edited(DEFAULT, ["high.1.limit=300"])


class Log:
    """``registry.commands`` with its answers, each record a second after the other."""

    def __init__(self) -> None:
        self.step = RegistryStep(1)
        self.values: list[bytes] = []
        self.do(SiteAdd(id=UUID(int=1), name="ward-a"))
        for name in ("cgm-1", "cgm-2"):
            self.do(DeviceAdd(id=self.id(), name=name, site="ward-a", type=DEVICE_TYPES["dexcom"]))

    def id(self) -> UUID:
        return UUID(int=len(self.values) + 1)

    def do(self, command: Command) -> None:
        self.values.append(command.encode())
        records = self.records()
        last = Records(COMMANDS, 0, records.offsets[-1:], [b"k"], records.values[-1:], [()])
        self.values += [output.value for output in self.step.step(last) if output.topic == COMMANDS]

    def bind(self, device: str, patient: str, since: int = AT) -> None:
        self.do(DeviceBind(id=self.id(), device=device, patient=patient, since=since))

    def set(self, patient: str, policy: object, **more: object) -> None:
        self.do(PolicySet.model_validate({"id": self.id(), "patient": patient, "policy": policy} | more))

    def records(self) -> Records:
        count = len(self.values)
        times = [at * 1000 for at in range(count)]
        return Records(COMMANDS, 0, [*range(count)], [b"k"] * count, self.values, [()] * count, times)


def test_the_history_has_every_version_with_its_time_and_who_decided_it():
    """What was the limit on Tuesday, and who set it, is asked after something went wrong."""
    log = Log()
    log.bind("cgm-1", "p-1")
    bound_at = len(log.values) - 2
    log.set("p-1", LOWER, by="dr-a")
    first_at = len(log.values) - 2
    log.set("p-1", LOWER)
    log.set("p-1", edited(DEFAULT, ["low=off"]), by="dr-b")
    log.set("p-1", HIGHER, base=1)
    log.do(DeviceUnbind(id=log.id(), device="cgm-1", until=AT + 1))
    log.bind("cgm-2", "p-1", AT + 2)
    log.set("p-1", HIGHER, base=2, by="dr-c")
    control = log.step.roster.control_of("p-1")
    assert control is not None
    found = versions([log.records()], "p-1")
    assert [(each.policy.version, each.by) for each in found] == [(1, ""), (2, "dr-a"), (3, "dr-c")]
    assert [each.policy for each in found] == [
        DEFAULT,
        LOWER.model_copy(update={"version": 2}),
        HIGHER.model_copy(update={"version": 3}),
    ]
    assert found[-1].policy == control.policy
    assert [each.at_ms for each in found[:2]] == [bound_at * 1000, first_at * 1000]


def test_another_patients_changes_and_bytes_that_are_no_command_are_passed_over():
    """One log holds everybody's commands, and whatever else was written there."""
    log = Log()
    log.bind("cgm-1", "p-1")
    log.set("p-1", HIGHER)
    log.values.append(b"noise")
    log.bind("cgm-2", "p-2")
    log.set("p-2", LOWER)
    assert [each.policy.version for each in versions([log.records()], "p-2")] == [1, 2]
    assert versions([log.records()], "nobody") == []


def test_a_command_without_its_answer_changed_nothing():
    """The registry may refuse it yet."""
    log = Log()
    log.bind("cgm-1", "p-1")
    log.values.append(PolicySet(id=log.id(), patient="p-1", policy=LOWER).encode())
    assert [each.policy.version for each in versions([log.records()], "p-1")] == [1]


def test_a_command_that_was_sent_twice_is_one_version():
    """A client that repeats after a time-out has changed the rules once, at the first time."""
    log = Log()
    log.bind("cgm-1", "p-1")
    command = PolicySet(id=log.id(), patient="p-1", policy=LOWER)
    log.do(command)
    at = len(log.values) - 2
    log.set("p-1", HIGHER)
    log.do(command)
    assert [(each.policy.version, each.at_ms) for each in versions([log.records()], "p-1")][1] == (2, at * 1000)
    assert len(versions([log.records()], "p-1")) == 3
