"""Numbers that no array and no calendar holds, in every place of every message that a service reads from Kafka.

The registry and the gateway write none, but whoever may write to a topic can. Such a record may be refused and counted,
or taken; it may never stop who reads it, since the log would stop them again at the same place for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid5

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from alerts.ages import Ages
from alerts.fanout import Feed
from alerts.manager import AlertManager
from alerts.patients import Patients
from dashboards.roster import Roster
from ingest.directory import Directory
from ingest.registry import RegistryStep
from stream.processor import Processor
from stream.sink_messages import read_bindings, read_feed, read_policies
from stream.store_messages import instant
from tests.alerting import START, acknowledge, command, episode, mark, mild, receipt, service, tick
from tests.logs import T0, Log, row, said, worn
from vitals import alerts, registry
from vitals.alerts import Alert, FeedMark
from vitals.causes import HEADER, Cause
from vitals.codecs.state import decode, encode
from vitals.control import PatientControl, SiteControl, WornDevice
from vitals.control import decode as read_control
from vitals.devices import DEVICE_TYPES, Device, Site
from vitals.messages import Message
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.numbers import SPAN_MAX_US
from vitals.policies import DEFAULT, Night
from vitals.policy_kinds import KINDS
from vitals.readings import READING
from vitals.snapshots import Manifest, Piece
from vitals.steps import Headers, Records
from vitals.topics import BINDINGS, COMMANDS, CONTROL_HEADER, FEED, JOURNAL, NAMESPACE, READINGS, device_id, patient_id

EDGES = [1 << bits for bits in (8, 15, 16, 31, 32, 53, 61, 62, 63, 64)] + [10**18, 10**30, 10**400]
NUMBERS = [near * sign for edge in EDGES for near in (edge - 1, edge, edge + 1) for sign in (1, -1)]
ODD = [0, 1, -1, 2, 0.5, 1e308, -1e308, float("inf"), float("-inf"), float("nan"), None]
VALUES = st.sampled_from([*NUMBERS, *ODD]) | st.integers(-(1 << 70), 1 << 70) | st.floats()
Path = tuple[str | int, ...]

ALL = DEFAULT.model_copy(update={kind.field: tuple(kind.usual.values()) for kind in KINDS})
EVERY = ALL.model_copy(
    update={"night": Night(zone="Europe/Berlin", begins="22:00", ends="07:00", thresholds=ALL.thresholds)}
)
"""A policy with a rule of each name, and a night."""
BAND, CGM = worn("ann", "band-1", "ward", T0 - 60 * MINUTE_US), worn("ann", "cgm-1", "t1d-uom-5min", T0)


def places(tree: Any, path: Path = ()) -> Iterator[Path]:
    """Where a number stands in a message, or could stand."""
    if isinstance(tree, dict | list):
        pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for name, value in pairs:
            if name != "layout":  # of another layout a log is refused on purpose
                yield from places(value, (*path, name))
    elif tree is None or (isinstance(tree, int | float) and not isinstance(tree, bool)):
        yield path


@st.composite
def foreign(draw: st.DrawFn, *messages: Message) -> bytes:
    """One of some messages, in which one to three numbers are others."""
    tree = json.loads(draw(st.sampled_from(messages)).encode())
    for path in draw(st.lists(st.sampled_from(list(places(tree))), min_size=1, max_size=3)):
        inner = tree
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = draw(VALUES)
    if "sites" in tree and draw(st.booleans()):
        tree["sites"][str(draw(st.integers(-(1 << 70), 1 << 70)))] = draw(VALUES)
    return json.dumps(tree).encode()


def control(name: str, version: int, *devices: WornDevice) -> PatientControl:
    """A patient with every rule there is."""
    fields = {"label": name, "site": 1, "version": version, "worn": devices, "policy": EVERY}
    return PatientControl.model_validate({"patient": patient_id(name), **fields})


HEARTS = {
    second: np.concatenate([
        row("ann", 60 + second // 15 + at % 7, T0 + (second + at) * SECOND_US, metric="heart_rate", device="band-1")
        for at in range(30)
    ]).tobytes()
    for second in range(0, 2400, 30)
}  # fmt: skip
"""Ann's heart rates from a second on, for half a minute; in 40 min they rise from 60 to 220."""


def lived(log: Log, value: bytes | None, headers: Headers = ((CONTROL_HEADER, b"1"),)) -> list[Any]:
    """What a processor says of Bob's low while somebody writes a record like Ann's; half way it is restored."""
    log.site(1)
    log.patient("bob", worn("bob", "cgm-2", "t1d-uom-5min", T0 - 60 * MINUTE_US))
    for minute in range(0, 40, 5):
        at = T0 + minute * MINUTE_US
        if minute == 10 and value is not None:
            log.raw(patient_id("ann").bytes, value, headers)
        log.readings(row("bob", 60, at, device="cgm-2"))
        log.readings(row("ann", 50 + minute * 9, at))
        for second in range(0, 300, 30):
            log.raw(patient_id("ann").bytes, HEARTS[minute * 60 + second])
            log.readings(row("ann", 0, at + second * SECOND_US, metric="steps", device="band-1"))
            log.tick(at + second * SECOND_US, (1, 2))
    log.tick(T0 + 48 * 60 * MINUTE_US, (1, 2))
    first, again, cut = Processor(0, 1), Processor(0, 1), len(log.keys) - 60
    outputs = log.run(first, last=cut)
    again.restore(decode(b"".join(encode(first.state()))))
    outputs += log.run(again, first=cut)
    return said([each for each in outputs if each.key == patient_id("bob").bytes])


ALONE = lived(Log(), None)


def short_sighted(horizon_us: int) -> bytes:
    """A control record of Ann's whose first forecast looks so far ahead."""
    tree = json.loads(control("ann", 3, BAND, CGM).encode())
    tree["policy"]["forecasts"][0]["horizon_us"] = horizon_us
    return json.dumps(tree).encode()


@given(foreign(control("ann", 3, BAND, CGM), SiteControl(number=2, name="b")), st.booleans())
@example(value=short_sighted(0), known=False)  # no step of the forecast
@example(value=short_sighted(5 * MINUTE_US - 1), known=True)
@example(value=short_sighted(5 * MINUTE_US), known=False)
def test_a_control_record_with_any_number_stops_no_processor(value: bytes, known: bool) -> None:
    """Nor does it change what is said of anybody else: a binding, a policy, a site are one patient's or nobody's."""
    log = Log()
    if known:
        log.patient("ann", BAND, CGM, policy=EVERY)
    assert lived(log, value) == ALONE


@pytest.mark.parametrize(("kind", "field"), [("windows", "width_us"), ("forecasts", "horizon_us")])
def test_a_policy_that_makes_every_evaluation_look_at_a_year_is_refused(kind: str, field: str) -> None:
    """It would stop no processor, and hold up everybody of its partition for seconds each time."""
    tree = json.loads(control("ann", 3, BAND, CGM).encode())
    read_control(json.dumps(tree).encode())
    tree["policy"][kind][0][field] = SPAN_MAX_US
    with pytest.raises(ValidationError, match=field):
        read_control(json.dumps(tree).encode())


def extreme(kind: np.dtype[Any]) -> st.SearchStrategy[float]:
    """Any value of a field of a row; more often one at its ends, or none."""
    if kind.kind == "f":
        return st.sampled_from([0.0, -1.0, 1e308, -1e308, np.inf, -np.inf, np.nan]) | st.floats()
    least, most = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    return st.sampled_from([least, least + 1, 0, 1, most - 1, most]) | st.integers(least, most)


@st.composite
def foreign_rows(draw: st.DrawFn) -> bytes:
    """A reading of Ann's in which one to three fields hold something else."""
    rows = row(
        "ann",
        61,
        T0 + 10 * MINUTE_US,
        metric=draw(st.sampled_from(["glucose", "heart_rate", "steps"])),
        device="band-1",
    )
    fields = [name for name in READING.names or () if name not in {"patient", "device"}]
    for name in draw(st.lists(st.sampled_from(fields), min_size=1, max_size=3)):
        rows[name] = draw(extreme(READING[name]))
    return rows.tobytes()


@given(foreign_rows())
def test_a_row_with_any_number_stops_no_processor(value: bytes) -> None:
    """A bridge writes none of them; who reads the log does not know who wrote it."""
    log = Log()
    log.patient("ann", BAND, CGM, policy=EVERY)
    assert lived(log, value, headers=()) == ALONE


def polled(topic: str, *values: bytes, first: int = 0, keys: list[bytes | None] | None = None) -> Records:
    """Records of a topic, none of a step."""
    count = len(values)
    return Records(topic, 0, list(range(first, first + count)), keys or [b""] * count, list(values), [()] * count)


def managed(manager: AlertManager, first: int, *values: bytes) -> list[Message]:
    """The feed after some records of the journal."""
    return [alerts.decode(each.value) for each in manager.step(polled(JOURNAL, *values, first=first))]


SHOWN = managed(AlertManager(0), 0, episode().encode())[0]
assert isinstance(SHOWN, Alert)
ASKED = (
    acknowledge(SHOWN, 1),
    command("shelve", 2, SHOWN, minutes=10),
    command("treated", 3, SHOWN, minutes=10),
    command("undo", 4, SHOWN, undone=uuid5(NAMESPACE, "command:1")),
    service("out_of_service", 5, minutes=10),
    receipt(SHOWN),
)
TOLD = (episode(), mild("rise", 1), episode("unknown", 2, condition="unknown"), *ASKED, mark(4, 1, 2), tick(5))


@given(st.lists(foreign(*TOLD), min_size=1, max_size=4))
def test_a_journal_with_any_number_stops_no_manager(values: list[bytes]) -> None:
    """Nor what comes after it: the next alert of somebody else opens, and is told."""
    first, again = AlertManager(0), AlertManager(0)
    managed(first, 0, episode().encode(), *values, mark(30, 1).encode())
    again.restore(decode(b"".join(encode(first.state()))))
    found = managed(again, 20, episode(at=31, label="p2", opened=31).encode(), mark(70, 1).encode())
    assert next(each.change for each in found if isinstance(each, Alert) and each.label == "p2") == "open"


SHELVED = managed(AlertManager(0), 0, episode().encode(), ASKED[1].encode(), ASKED[4].encode())
FED = (*SHELVED, *managed(AlertManager(0), 0, mark(4, 1, 2).encode()))


@given(foreign(*FED), st.booleans())
def test_a_feed_with_any_number_stops_no_gateway_and_no_sink(value: bytes, headed: bool) -> None:
    """The gateway counts it as unreadable, or shows it; the sink stores it, or names it as broken."""
    feed, cause = Feed("log", 1, 10), Cause(7, 0)
    feed.take(0, cause, value)
    assert feed.missed(feed.cursor("*"), "*") == []
    later = managed(AlertManager(0), 9, episode(label="p2").encode())[0]
    assert feed.take(0, Cause(9, 0), later.encode()) is not None
    ages = Ages(1, real=True, stalled_ms=1000, started=0.0)
    message = alerts_or_none(value)
    if isinstance(message, FeedMark):
        ages.mark(0, message.sites, 1.0)
    ages.report(START, 2.0, lambda _site: True)
    records = polled(FEED, value)._replace(headers=[((HEADER, cause.pack()),) if headed else ()])
    for change in read_feed([records])[0]:
        assert [instant(at).year for at in (change.alert.at, change.alert.opened_at, change.alert.announced_at)]


def alerts_or_none(value: bytes) -> Message | None:
    """The message of a value of the feed, None where it is none."""
    try:
        return alerts.decode(value)
    except ValueError:
        return None


DEVICE = Device(
    name="band-1", id=device_id("band-1"), type=DEVICE_TYPES["ward"], site=1, site_name="a", bindings=(BAND.binding,)
)
BOUND: dict[bytes, Message] = {
    b"site:a": Site(name="a", number=1), b"device:band-1": DEVICE, b"patient:ann": control("ann", 3, BAND, CGM),
}  # fmt: skip


@given(st.sampled_from(sorted(BOUND)).flatmap(lambda key: st.tuples(st.just(key), foreign(BOUND[key]))))
def test_a_binding_with_any_number_stops_nobody_who_follows_the_registry(record: tuple[bytes, bytes]) -> None:
    """Gateway, dashboard and sink pass over it; a bridge attributes nothing to its device, and goes on."""
    key, value = record
    patients, roster = Patients(), Roster()
    patients.take([key], [value])
    roster.take(key, value)
    assert all(isinstance(each.until, int | None) for each in roster.present(T0))
    found, broken = read_bindings([polled(BINDINGS, value, keys=[key])])
    assert len(found.sites) + len(found.devices) + len(found.patients) + len(broken) > 0
    directory = Directory(4)
    directory.take([0], [key], [value])
    known = directory.devices if key.startswith(b"device:") else directory.sites
    assert len(known) + len(directory.unreadable) == (key != b"patient:ann")


ADDED = registry.SiteAdd(id=uuid5(NAMESPACE, "1"), name="a")
WANTED = (
    registry.DeviceAdd(id=uuid5(NAMESPACE, "2"), name="band-1", site="a", type=DEVICE_TYPES["ward"]),
    registry.DeviceBind(id=uuid5(NAMESPACE, "3"), device="band-1", patient="ann", since=T0),
    registry.PolicySet(id=uuid5(NAMESPACE, "4"), patient="ann", policy=DEFAULT, base=1),
    registry.DeviceUnbind(id=uuid5(NAMESPACE, "5"), device="band-1", until=T0 + MINUTE_US),
)


@given(
    st.lists(st.integers(0, len(WANTED) - 1).flatmap(lambda n: st.tuples(st.just(n), foreign(WANTED[n]))), max_size=3)
)
def test_a_command_with_any_number_is_answered_and_what_follows_can_be_read(others: list[tuple[int, bytes]]) -> None:
    """The registry vouches for its control records: what it lets through, processors read."""
    values = [each.encode() for each in WANTED]
    for place, value in others:
        values[place] = value
    step = RegistryStep(1)
    outputs = step.step(polled(COMMANDS, ADDED.encode(), *values))
    assert sum(output.topic == COMMANDS for output in outputs) + step.unreadable == 1 + len(values)
    for output in outputs:
        if output.topic == READINGS:
            read_control(output.value)


@given(foreign(Manifest(step="processor", format=2, offset=5, size=10, chunks=(Piece(offset=1, digest="0"),))))
def test_a_manifest_with_any_number_is_none_or_one(value: bytes) -> None:
    """Whoever restores passes over what it cannot use: a number must not stop it before."""
    with suppress(ValidationError):
        found = Manifest.model_validate_json(value)
        assert all(
            0 <= number < 1 << 63 for number in (found.offset, found.size, *(each.offset for each in found.chunks))
        )


@given(foreign(control("ann", 3, BAND, CGM)))
def test_a_policy_with_any_number_stops_no_sink(value: bytes) -> None:
    """The sink stores each version of a policy with the time from which it held."""
    records = polled(READINGS, value)._replace(headers=[((CONTROL_HEADER, b"1"),)], timestamps=[0])
    for found in read_policies([records], {}):
        assert instant(found.from_at).year
        assert 0 <= found.version < 1 << 31
