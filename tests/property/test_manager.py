"""What holds for every journal: batching does not matter, commands are done once, no high alert is forgotten."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any, NamedTuple, get_args
from uuid import UUID

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from alerts.manager import AlertManager
from tests.alerting import command, episode, mark, mild, minute, records, service, tick
from vitals.alerts import ANNOUNCING, Alert, Answer, Service, Shelf, decode, shelf_id
from vitals.causes import HEADER, Cause
from vitals.journal import Action, Command, Episode, EpisodeChange, Mark
from vitals.messages import Message
from vitals.metrics import MINUTE_US
from vitals.policies import PRIORITY_RANK
from vitals.steps import Headers, Output, Records
from vitals.topics import patient_id

PATIENTS = ("p1", "p2")
RULES = ("low", "high")
SPACE = 100
"""Distance of offsets: a repeated record fits in between, and no version changes its meaning."""
CHANGES = get_args(EpisodeChange)
ACTIONS = get_args(Action)
ANSWERS = {"acknowledge", "going", "treated", "shelve"}
DAY = 24 * 60
Row = tuple[int, Message]


class Step(NamedTuple):
    """One record to be; which of the fields count depends on ``kind``."""

    kind: str
    pause: float
    label: str
    rule: str
    opened: int
    change: str
    level: int
    action: Action
    number: int
    minutes: int


STEPS = st.builds(
    Step,
    kind=st.sampled_from(
        ["episode", "episode", "episode", "mark", "mark", "tick", "command", "command", "command", "command"]
    ),
    pause=st.sampled_from([0, 0, 0.1, 0.5, 1, 5, 20]),
    label=st.sampled_from(PATIENTS),
    rule=st.sampled_from(RULES),
    opened=st.sampled_from([0, 0, 1]),
    change=st.sampled_from(CHANGES),
    level=st.sampled_from([1, 2]),
    action=st.sampled_from(ACTIONS),
    number=st.integers(0, 40),
    minutes=st.sampled_from([1, 10, 15, 15, 60, 1000]),
)


class Ward:
    """What people see while a journal is made: they answer what is shown, and sometimes what was shown before."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._manager = AlertManager(0)
        self._shown: dict[UUID, list[Alert]] = {}
        self._asked: dict[UUID | None, UUID] = {}

    def add(self, message: Message) -> None:
        """Write a record, and look at what it does."""
        rows = [(SPACE * len(self.messages), message)]
        self.messages.append(message)
        for alert in alerts(self._manager.step(batch(rows))):
            self._shown.setdefault(alert.id, []).append(alert)

    def told(self, step: Step, at: float) -> Episode:
        """An episode begins by opening, and goes on as it likes, also after it is over."""
        site = 1 + PATIENTS.index(step.label)
        fields: dict[str, Any] = {"label": step.label, "rule": step.rule, "opened": step.opened, "site": site}
        known = episode(**fields).id in self._shown
        change = step.change if known else "open"
        condition = change if change in {"returning", "unknown"} else "over" if change == "clear" else "active"
        make = episode if step.level == 2 else mild
        return make(change, at, **fields, condition=condition)

    def asked(self, step: Step, at: float) -> Command:
        """A command on the latest version or an earlier one, with an id of its own or an earlier one."""
        number = len(self.messages) if step.number % 6 else step.number
        if step.action in {"out_of_service", "in_service"}:
            site = 1 + PATIENTS.index(step.label)
            return service(step.action, number, step.label, site=site, minutes=step.minutes, at=at)
        shown = list(self._shown.values())
        versions = shown[step.number % len(shown)] if shown else [UNKNOWN]
        alert = versions[0 if step.number % 5 == 0 else -1]
        found = command(
            step.action,
            number,
            alert,
            at=at,
            minutes=step.minutes,
            shelf=shelf_id(str(alert.patient), alert.metric, alert.rule),
            undone=self._asked.get(alert.id),
            announcements=alert.announcements,
            by=PATIENTS[step.number % 7 == 0],
            text="said",
        )
        self._asked[alert.id] = found.id
        return found


def built(steps: list[Step], real_from: int) -> list[Message]:
    """A journal as time goes on: two patients at two sites, marks that become real, what people do."""
    ward = Ward()
    at = 0.0
    for index, step in enumerate(steps):
        at += step.pause
        match step.kind:
            case "mark":
                ward.add(mark(at, *[(1,), (2,), (1, 2)][step.number % 3], simulated=index < real_from))
            case "tick":
                ward.add(tick(at, [None, 1, 2][step.number % 3]))
            case "command":
                ward.add(ward.asked(step, at))
            case _:
                ward.add(ward.told(step, at))
    return ward.messages


journals = st.builds(built, st.lists(STEPS, min_size=1, max_size=40), st.sampled_from([0, 0, 10, 30]))
relaxed = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
"""A loaded machine is no fault of the manager's."""
UNKNOWN = Alert.model_validate(
    episode(label="nobody").model_dump(exclude={"kind", "response"})
    | {"version": (0, 0), "risen": (0, 0), "announced": True, "announced_at": minute(0), "announcements": 1}
    | {"response": "unacknowledged"}
)
"""An alert that nobody ever opened."""


def placed(messages: list[Message]) -> list[Row]:
    """Messages with their offsets."""
    return [(SPACE * number, message) for number, message in enumerate(messages)]


def batch(rows: list[Row]) -> Records:
    """Journal records; episodes and marks carry the processor's causes, also where they are written again."""
    headers: list[Headers] = [
        ((HEADER, Cause(offset // SPACE, 0).pack()),) if isinstance(message, Episode | Mark) else ()
        for offset, message in rows
    ]
    found = records([message for _, message in rows], 0, headers)
    return found._replace(offsets=[offset for offset, _ in rows])


def run(rows: list[Row], cuts: list[int] | None = None) -> list[Output]:
    """The feed of a journal that arrives in batches which end at ``cuts``."""
    manager = AlertManager(0)
    edges = [0, *sorted(set(cuts or [])), len(rows)]
    return [output for first, last in pairwise(edges) for output in manager.step(batch(rows[first:last]))]


def alerts(outputs: list[Output]) -> list[Alert]:
    return [message for output in outputs if isinstance(message := decode(output.value), Alert)]


@relaxed
@given(journals, st.lists(st.integers(1, 39), max_size=8))
def test_the_feed_does_not_depend_on_how_the_journal_was_batched(messages: list[Message], cuts: list[int]):
    """Replay is recovery only if a crash between any two records changes nothing."""
    rows = placed(messages)
    cuts = [cut for cut in cuts if cut < len(rows)]
    assert run(rows, cuts) == run(rows) == run(rows, list(range(1, len(rows))))


@relaxed
@given(journals)
def test_causes_grow_and_are_the_versions(messages: list[Message]):
    """Readers accept only a greater version: an equal or lower one would be lost."""
    outputs = run(placed(messages))
    causes = [output.cause for output in outputs]
    assert causes == sorted(set(causes))
    for output in outputs:
        message = decode(output.value)
        if isinstance(message, Alert | Shelf | Service):
            assert message.version == output.cause


@relaxed
@given(journals)
def test_nothing_changes_after_closed(messages: list[Message]):
    """A report of yesterday must still hold today."""
    closed: set[UUID] = set()
    for alert in alerts(run(placed(messages))):
        assert alert.id not in closed
        if alert.closed:
            closed.add(alert.id)


@relaxed
@given(journals)
def test_a_journal_written_twice_changes_nothing(messages: list[Message]):
    """Two owners write the same records, gateways send again: only answers to commands come twice."""
    once = placed(messages)
    twice = [row for offset, message in once for row in ((offset, message), (offset + 1, message))]
    assert told_by(run(twice)) == told_by(run(once))


@relaxed
@given(journals, st.lists(st.integers(0, 40), min_size=40, max_size=40))
def test_a_command_written_again_later_changes_nothing(messages: list[Message], later: list[int]):
    """A command may be written twice by anybody at any later place."""
    known: set[UUID] = set()
    once: list[Row] = []
    for offset, message in placed(messages):
        if not isinstance(message, Command) or message.id not in known:
            once.append((offset, message))
        known |= {message.id} if isinstance(message, Command) else set()
    again = [
        (offset + later[number] * SPACE + 1 + number, message)
        for number, (offset, message) in enumerate(once)
        if isinstance(message, Command) and message.action != "delivered"
    ]
    assert told_by(run(sorted([*once, *again], key=lambda row: row[0]))) == told_by(run(once))


def told_by(outputs: list[Output]) -> list[bytes]:
    """A feed without its answers and marks."""
    return [output.value for output in outputs if isinstance(decode(output.value), Alert | Shelf | Service)]


@relaxed
@given(journals)
def test_what_is_accepted_is_done_and_what_is_refused_is_not(messages: list[Message]):
    """The screen shows the server's word; it must be what happened."""
    first: dict[UUID, Command] = {}
    for message in messages:
        if isinstance(message, Command):
            first.setdefault(message.id, message)
    changed: dict[int, set[str]] = defaultdict(set)
    answered: set[UUID] = set()
    for output in run(placed(messages)):
        match decode(output.value):
            case Alert(change=change):
                changed[output.cause.offset].add(change)
            case Answer(id=number) as answer if number not in answered:
                answered.add(number)
                asked_for = first[number].action
                if answer.outcome == "refused":
                    assert not changed[output.cause.offset]
                elif asked_for in ANSWERS | {"release", "note", "undo"}:
                    assert changed[output.cause.offset] == {asked_for}


@relaxed
@given(journals)
def test_every_alert_tells_truly_who_has_it_and_when_and_how_often_it_called(messages: list[Message]):
    """``announced``, ``announcements``, ``response`` and ``next_at`` are what screens and reports are made of."""
    calls: defaultdict[UUID, int] = defaultdict(int)
    for alert in alerts(run(placed(messages))):
        calls[alert.id] += alert.announced
        assert not alert.announced or (alert.change in ANNOUNCING and alert.response == "unacknowledged")
        assert alert.announcements == calls[alert.id]
        assert alert.delivered <= alert.announcements
        assert alert.response != "acknowledged" or alert.acknowledged_until is not None
        assert alert.response != "shelved" or alert.shelf is not None
        if alert.response == "unacknowledged":
            assert (alert.owner, alert.acknowledged_until, alert.shelf) == (None, None, None)
        own = [at for at in (alert.repeat_at, alert.lead_at, alert.all_at) if at is not None]
        if own:
            assert (alert.response, alert.condition in {"active", "unknown"}) == ("unacknowledged", True)
            assert alert.next_at == min(own)
        if alert.condition in {"returning", "over"} or alert.response == "out_of_service":
            assert alert.next_at is None


@relaxed
@given(journals)
def test_a_worse_severity_always_announces(messages: list[Message]):
    """Whatever was acknowledged, shelved or owned; except for a patient out of service, whose high alert calls too."""
    last: dict[UUID, Alert] = {}
    for alert in alerts(run(placed(messages))):
        before = last.get(alert.id)
        last[alert.id] = alert
        if before is None or alert.condition == "over":
            continue
        higher = PRIORITY_RANK[alert.priority] > PRIORITY_RANK[before.priority]
        if higher or alert.level > before.level:
            assert alert.announced or (alert.response == "out_of_service" and alert.priority != "high")


@relaxed
@given(journals, st.integers(20, 300))
def test_a_high_alert_is_never_silent_for_longer_than_somebody_answered_for(messages: list[Message], pause: int):
    """At most 5 min between calls, 15 after an acknowledgement or under a shelf, 60 to a recheck."""
    manager = AlertManager(0)
    spoken: dict[UUID, int] = {}
    until: dict[UUID, int] = {}
    last: dict[UUID, Alert] = {}
    end = max((message.at for message in messages if isinstance(message, Episode)), default=minute(0))
    ending = [mark((end - minute(0)) / MINUTE_US + pause + number, 1, 2) for number in (0, 1, 7, 30)]
    for offset, message in placed([*messages, *ending]):
        for alert in alerts(manager.step(batch([(offset, message)]))):
            before = last.get(alert.id)
            last[alert.id] = alert
            moved = before is None or before.condition != "active" or before.priority != "high"
            if alert.announced or moved or alert.change in {*ANSWERS, "undo"}:
                spoken[alert.id] = max(alert.at, alert.announced_at, manager.now(alert.site))
                held = alert.acknowledged_until or alert.shelved_until or 0
                until[alert.id] = max(spoken[alert.id] + 5 * MINUTE_US, held)
                assert until[alert.id] <= spoken[alert.id] + 60 * MINUTE_US or alert.shelf is not None
        if not isinstance(message, Mark):
            continue
        for alert in last.values():
            if alert.priority == "high" and alert.condition == "active" and alert.site in message.sites:
                assert manager.now(alert.site) <= until[alert.id]


@relaxed
@given(journals)
def test_every_shelf_and_every_time_out_of_service_ends(messages: list[Message]):
    """By itself, within its bound; and no alert is left on one that has ended."""
    last: dict[object, Shelf | Service] = {}
    shown: dict[UUID, Alert] = {}
    for output in run(placed([*messages, mark(5 * DAY, 1, 2)])):
        match decode(output.value):
            case Shelf() as shelf:
                assert shelf.until - shelf.since <= 240 * MINUTE_US
                last[shelf.id] = shelf
            case Service() as out:
                assert out.until - out.since <= 720 * MINUTE_US
                last[out.patient] = out
            case Alert() as alert:
                shown[alert.id] = alert
    assert all(each.ended for each in last.values())
    for alert in shown.values():
        assert alert.closed or alert.response in {"unacknowledged", "acknowledged"}


@relaxed
@given(journals)
def test_shelving_one_rule_hides_no_other(messages: list[Message]):
    """Whatever people do to the low alerts, the high ones are what they would have been.

    Commands name the first change of a record: which of several it is depends on the other alerts of the partition.
    """
    lows = {episode(label=label, rule="low", opened=opened).id for label in PATIENTS for opened in (0, 1)}
    shelves = {shelf_id(str(patient_id(label)), "glucose", "low") for label in PATIENTS}
    known: set[UUID] = set()
    own: list[Row] = []
    for offset, message in placed(messages):
        if not isinstance(message, Command):
            own.append((offset, message))
        elif message.id not in known:
            known.add(message.id)
            own.append((offset, message.model_copy(update={"version": (message.version[0], 0)})))
    without = [
        row
        for row in own
        if not isinstance(row[1], Command)
        or not (row[1].alert in lows or (row[1].action == "unshelve" and row[1].shelf in shelves))
    ]
    # a version counts the outputs of its record: one that changes both rules gives the high one another without the low
    outputs = run(own)
    of_rule = {rule: {each.version[0] for each in alerts(outputs) if each.rule == rule} for rule in ("low", "high")}
    assume(not of_rule["low"] & of_rule["high"])
    assert of_high(run(without)) == of_high(outputs)


def of_high(outputs: list[Output]) -> list[tuple[Any, ...]]:
    """The alerts of the rule *high*, without what tells their place in the log."""
    leave = {"version", "risen"}
    return [tuple(alert.model_dump(exclude=leave).items()) for alert in alerts(outputs) if alert.rule == "high"]


@relaxed
@given(journals)
def test_no_timer_is_left_behind_the_clock(messages: list[Message]):
    """Whatever was due by a mark or tick has fired in it."""
    manager = AlertManager(0)
    for offset, message in placed(messages):
        manager.step(batch([(offset, message)]))
        if not isinstance(message, Episode | Command):
            for site, deadline in manager.deadlines().items():
                assert deadline > manager.now(site) or site not in named(message)


def named(message: Message) -> set[int]:
    """The sites whose time a mark or a tick may have moved."""
    return set(message.sites) if isinstance(message, Mark) else {1, 2}
