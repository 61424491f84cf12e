"""Sites, devices and who wears what: the registry's state, and what it refuses. A refusal changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from vitals.bounds import violation
from vitals.codecs.state import State
from vitals.control import PatientControl, WornDevice
from vitals.devices import Binding, Device, DeviceType, Site
from vitals.metrics import METRIC_BY_NAME
from vitals.policies import DEFAULT, Policy
from vitals.proof import POLICY as SYNTHETIC
from vitals.proof import SITE_CHARACTERS_MAX, is_proof
from vitals.registry import ClockSet, DeviceAdd, DeviceBind, DeviceClose, DeviceUnbind, PolicySet, SiteAdd
from vitals.topics import NAME, device_id, patient_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SANE_FROM_US = 946_684_800_000_000
"""2000-01-01 UTC; an earlier time was given in seconds or milliseconds."""
SANE_UNTIL_US = 4_102_444_800_000_000
"""2100-01-01 UTC."""
SITES_MAX = 0xFFFF
_NAMES = "a-z, 0-9, '.', '_' and '-', at most 64, the first a letter or a digit"


class Refused(Exception):
    """A command that the registry does not carry out; its text is the answer's reason."""


class Roster:
    """Sites and devices by name, the last control record of each patient, and whose time the log lives by, where
    that was ever said.
    """

    def __init__(self) -> None:
        self.sites: dict[str, Site] = {}
        self.devices: dict[str, Device] = {}
        self.clock: Literal["real", "simulated"] | None = None
        self._controls: dict[UUID, PatientControl] = {}

    def state(self) -> State:
        """Everything, each in the order in which it came."""
        return {
            "sites": list(self.sites.values()),
            "devices": list(self.devices.values()),
            "clock": self.clock,
            "controls": list(self._controls.values()),
        }

    def restore(self, state: State) -> None:
        """Take a snapshot; of nothing known before."""
        self.sites = {site.name: site for site in map(Site.model_validate, state["sites"])}
        self.devices = {device.name: device for device in map(Device.model_validate, state["devices"])}
        self.clock = state["clock"]
        self._controls = {each.patient: each for each in map(PatientControl.model_validate, state["controls"])}

    def add_site(self, command: SiteAdd) -> Site:
        """Give a new site the next number."""
        _check_name("site", command.name)
        if known := self.sites.get(command.name):
            raise Refused(f"site {command.name} exists, its number is {known.number}")
        if len(command.name) > SITE_CHARACTERS_MAX:
            raise Refused(f"{command.name} is too long for a site: give at most {SITE_CHARACTERS_MAX} characters")
        if len(self.sites) >= SITES_MAX:
            raise Refused(f"there are {SITES_MAX} sites already")
        site = Site(name=command.name, number=len(self.sites) + 1)
        self.sites[site.name] = site
        return site

    def add_device(self, command: DeviceAdd) -> Device:
        """Register a device that nobody wears yet."""
        _check_name("device", command.name)
        _check_type(command.type)
        if known := self.devices.get(command.name):
            raise Refused(f"device {command.name} exists, a {known.type.name} at {known.site_name}")
        if command.site not in self.sites:
            raise Refused(f"site {command.site[:64]} is unknown; vigil site add {command.site[:64]}")
        device = Device(
            name=command.name,
            id=device_id(command.name),
            type=command.type,
            site=self.sites[command.site].number,
            site_name=command.site,
        )
        self.devices[device.name] = device
        return device

    def bind(self, command: DeviceBind) -> tuple[Device, PatientControl]:
        """Put a device on a patient from an event time on; the device and the patient's new control record."""
        device = self._device(command.device)
        _check_name("patient", command.patient)
        _check_time("since", command.since)
        if not command.bed.isprintable():
            raise Refused(f"{command.bed!a} is no name for a bed")
        patient = patient_id(command.patient)
        self._check_free(device, command.since)
        self._check_patient(device, patient, command)
        binding = Binding(patient=patient, label=command.patient, since=command.since)
        return self._wear(device, (*device.bindings, binding), patient, command.bed)

    def unbind(self, command: DeviceUnbind) -> tuple[Device, PatientControl]:
        """End a device's open binding; the device and the patient's new control record."""
        device = self._device(command.device)
        _check_time("until", command.until)
        last = device.bindings[-1] if device.bindings else None
        if last is None or last.until is not None:
            raise Refused(f"device {device.name} is not bound to anybody")
        if command.until <= last.since:
            raise Refused(f"device {device.name} is bound since {_shown(last.since)}; end it later than that")
        ended = last.model_copy(update={"until": command.until})
        return self._wear(device, (*device.bindings[:-1], ended), last.patient)

    def close(self, command: DeviceClose) -> PatientControl:
        """Close what is open of a patient's devices that are off; the patient's new control record."""
        _check_name("patient", command.patient)
        _check_by(command.by)
        control = self.control_of(command.patient)
        if control is None or all(worn.binding.until is None for worn in control.worn):
            raise Refused(f"no device was taken off {command.patient}; vigil device unbind")
        control = control.model_copy(update={"closings": control.closings + 1, "version": control.version + 1})
        self._controls[control.patient] = control
        return control

    def set_policy(self, command: PolicySet) -> tuple[bool, PatientControl]:
        """Give a patient a policy of their own, under the next version; later bindings keep it.

        Whether anything changed (the rules in force, set again, change nothing), and the patient's control record.
        """
        _check_name("patient", command.patient)
        _check_by(command.by)
        _check_policy(command.patient, command.policy)
        control = self.control_of(command.patient)
        if control is None:
            raise Refused(f"patient {command.patient} wears nothing yet; vigil device bind")
        if command.base not in {None, control.policy.version}:
            what = f"the policy of {command.patient} is at version {control.policy.version}, not {command.base}"
            raise Refused(f"{what}; look at it again: vigil policy show {command.patient}")
        if command.policy.model_copy(update={"version": control.policy.version}) == control.policy:
            return False, control
        policy = command.policy.model_copy(update={"version": control.policy.version + 1})
        control = control.model_copy(update={"policy": policy, "version": control.version + 1})
        self._controls[control.patient] = control
        return True, control

    def control_of(self, patient: str) -> PatientControl | None:
        """The control record of a patient (pseudonym) as it stands; None for who never wore anything."""
        return self._controls.get(patient_id(patient))

    def set_clock(self, command: ClockSet) -> bool:
        """Say whose time the log lives by; False where it does already.

        It was real all along where devices were bound before anybody said so.
        """
        if command.clock == self.clock:
            return False
        if command.clock == "simulated" and self.clock == "real":
            raise Refused("the log lives by the real clock, once and for good")
        if command.clock == "simulated" and self._controls:
            raise Refused("devices were bound on the real clock already; a simulated one needs a new log")
        self.clock = command.clock
        return True

    def _device(self, name: str) -> Device:
        if name not in self.devices:
            raise Refused(f"device {name[:64]!a} is unknown; vigil device add")
        return self.devices[name]

    def _check_free(self, device: Device, since: int) -> None:
        last = device.bindings[-1] if device.bindings else None
        if last is not None and last.until is None:
            raise Refused(f"device {device.name} is bound to {last.label} since {_shown(last.since)}; unbind it first")
        if last is not None and last.until is not None and last.until > since:
            raise Refused(
                f"device {device.name} is bound to {last.label} until {_shown(last.until)}; bind it from then"
            )

    def _check_patient(self, device: Device, patient: UUID, command: DeviceBind) -> None:
        control = self._controls.get(patient)
        if control is None:
            return
        if control.site != device.site:
            theirs = next(name for name, site in self.sites.items() if site.number == control.site)
            raise Refused(f"patient {command.patient} is at {theirs}, device {device.name} at {device.site_name}")
        metrics = {stream.metric for stream in device.type.streams}
        for worn in control.worn:
            shared = metrics & {stream.metric for stream in worn.type.streams}
            until = worn.binding.until
            if shared and worn.name != device.name and (until is None or until > command.since):
                what = f"patient {command.patient} wears {worn.name} for {min(shared)}"
                raise Refused(f"{what} {'now' if until is None else 'until ' + _shown(until)}; unbind it first")

    def _wear(
        self, device: Device, bindings: tuple[Binding, ...], patient: UUID, bed: str = ""
    ) -> tuple[Device, PatientControl]:
        device = device.model_copy(update={"bindings": bindings})
        old = self._controls.get(patient)
        own = [
            WornDevice(device=device.id, name=device.name, type=device.type, binding=binding)
            for binding in bindings
            if binding.patient == patient
        ]
        others = [worn for worn in old.worn if worn.name != device.name] if old else []
        control = PatientControl(
            patient=patient,
            label=own[0].binding.label,
            site=device.site,
            version=old.version + 1 if old else 1,
            worn=tuple(sorted([*others, *own], key=lambda worn: (worn.binding.since, worn.name))),
            policy=old.policy if old else DEFAULT,
            bed=bed or (old.bed if old else ""),
            closings=old.closings if old else 0,
        )
        self.devices[device.name] = device
        self._controls[patient] = control
        return device, control


def _check_name(what: str, name: str) -> None:
    if not NAME.match(name):
        raise Refused(f"{name[:64]!a} is no name for a {what}: {_NAMES}")


def _check_type(kind: DeviceType) -> None:
    metrics = [stream.metric for stream in kind.streams]
    unknown = [metric for metric in metrics if metric not in METRIC_BY_NAME]
    if unknown:
        raise Refused(f"metric {unknown[0][:64]!a} is unknown; known are {', '.join(METRIC_BY_NAME)}")
    if len(set(metrics)) < len(metrics):
        raise Refused("a device type has one stream per metric")


def _check_policy(patient: str, policy: Policy) -> None:
    """Bounds are the registry's, so that they hold for whoever writes a command; synthetic patients have one policy."""
    if is_proof(patient):
        if policy.model_copy(update={"version": SYNTHETIC.version}) != SYNTHETIC:
            raise Refused(f"patient {patient} is synthetic and keeps its own policy")
    elif (beyond := violation(policy)) is not None:
        raise Refused(beyond)


def _check_by(by: str) -> None:
    if not by.isprintable():
        raise Refused(f"{by[:64]!a} is no name for who decided it")


def _check_time(what: str, at: int) -> None:
    if not SANE_FROM_US <= at < SANE_UNTIL_US:
        raise Refused(f"{what} is {at}; give microseconds UTC between the years 2000 and 2100")


def _shown(at: int) -> str:
    return (_EPOCH + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")
