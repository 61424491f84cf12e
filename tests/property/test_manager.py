"""What holds for every journal: batching does not matter, commands are done once, closed is closed."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from operator import itemgetter
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.manager import AlertManager
from tests.alerting import acknowledge, episode, mark, mild, minute, records, tick
from vitals.alerts import ANNOUNCING, Alert, Answer, decode
from vitals.causes import HEADER, Cause
from vitals.journal import Command, Episode, Mark
from vitals.messages import Message
from vitals.steps import Headers, Output, Records

PATIENTS = ("p1", "p2", "p3")
SPACE = 100
"""Distance of offsets: a repeated command fits in between, and no version changes its meaning."""
CHANGES = ("open", "rise", "lower", "active", "returning", "unknown", "known", "reason", "clear")
ALERT = Alert.model_validate(
    episode().model_dump(exclude={"kind", "response"})
    | {
        "version": (0, 0),
        "risen": (0, 0),
        "announced": True,
        "announced_at": minute(0),
        "announcements": 1,
        "response": "unacknowledged",
    }
)


STEPS = st.tuples(
    st.sampled_from(["episode", "episode", "episode", "mark", "mark", "tick", "command"]),
    st.sampled_from([0, 0.5, 1, 5, 20]),
    st.sampled_from(PATIENTS),
    st.sampled_from(CHANGES),
    st.sampled_from([1, 2]),
    st.integers(0, 40),
)
Step = tuple[str, float, str, str, int, int]


def built(steps: list[Step]) -> list[Message]:
    """A journal as time goes on: episodes in any order, marks of two sites, ticks, commands on old and new versions."""
    messages: list[Message] = []
    at = 0.0
    for kind, pause, label, change, level, number in steps:
        at += pause
        site = 1 + PATIENTS.index(label) % 2
        if kind == "mark":
            messages.append(mark(at, *[(1,), (2,), (1, 2)][number % 3]))
        elif kind == "tick":
            messages.append(tick(at))
        elif kind == "command":
            alert = ALERT.model_copy(update={"id": episode(label=label).id})
            messages.append(acknowledge(alert, number % 4, version=(SPACE * number, 0), level=level))
        else:
            condition = change if change in {"returning", "unknown"} else "over" if change == "clear" else "active"
            make = episode if level == 2 else mild
            messages.append(make(change, at, label=label, site=site, condition=condition))
    return messages


journals = st.lists(STEPS, min_size=1, max_size=40).map(built)
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A loaded machine is no fault of the manager's."""


def placed(messages: list[Message]) -> list[tuple[int, Message]]:
    """Messages with their offsets."""
    return [(SPACE * number, message) for number, message in enumerate(messages)]


def batch(rows: list[tuple[int, Message]]) -> Records:
    """Journal records; episodes and marks carry the processor's causes."""
    headers: list[Headers] = [
        ((HEADER, Cause(offset, 0).pack()),) if isinstance(message, Episode | Mark) else () for offset, message in rows
    ]
    found = records([message for _, message in rows], 0, headers)
    return found._replace(offsets=[offset for offset, _ in rows])


def run(rows: list[tuple[int, Message]], cuts: list[int]) -> list[Output]:
    """The feed of a journal that arrives in batches which end at ``cuts``."""
    manager = AlertManager(0)
    edges = [0, *sorted(set(cuts)), len(rows)]
    return [output for first, last in pairwise(edges) for output in manager.step(batch(rows[first:last]))]


def alerts(outputs: list[Output]) -> list[Alert]:
    return [message for output in outputs if isinstance(message := decode(output.value), Alert)]


@relaxed
@given(journals, st.lists(st.integers(1, 39), max_size=8))
def test_the_feed_does_not_depend_on_how_the_journal_was_batched(messages: list[Message], cuts: list[int]):
    """Replay is recovery only if a crash between any two records changes nothing."""
    rows = placed(messages)
    cuts = [cut for cut in cuts if cut < len(rows)]
    assert run(rows, cuts) == run(rows, []) == run(rows, list(range(1, len(rows))))


@relaxed
@given(journals)
def test_causes_grow_and_are_the_versions(messages: list[Message]):
    """Readers accept only a greater version: an equal or lower one would be lost."""
    outputs = run(placed(messages), [])
    causes = [output.cause for output in outputs]
    assert causes == sorted(set(causes))
    for output in outputs:
        message = decode(output.value)
        if isinstance(message, Alert):
            assert message.version == output.cause


@relaxed
@given(journals)
def test_nothing_changes_after_closed(messages: list[Message]):
    """A report of yesterday must still hold today."""
    closed: set[UUID] = set()
    for alert in alerts(run(placed(messages), [])):
        assert alert.id not in closed
        if alert.closed:
            closed.add(alert.id)


@relaxed
@given(journals, st.lists(st.integers(0, 40), min_size=40, max_size=40))
def test_a_repeated_command_changes_nothing(messages: list[Message], later: list[int]):
    """A command may be written twice by anybody at any later place; only its answer comes twice."""
    known: set[UUID] = set()
    once: list[tuple[int, Message]] = []
    for offset, message in placed(messages):
        if not isinstance(message, Command) or message.id not in known:
            once.append((offset, message))
        known |= {message.id} if isinstance(message, Command) else set()
    repeats = {
        offset + later[number] * SPACE + 1 + number: message
        for number, (offset, message) in enumerate(once)
        if isinstance(message, Command)
    }
    again = sorted([*once, *repeats.items()], key=itemgetter(0))
    assert shape(run(again, [])) == shape(run(once, []))


def shape(outputs: list[Output]) -> list[tuple[object, ...]]:
    """The alerts of a feed, and its distinct answers."""
    seen = [alert.model_dump(exclude={"kind"}) for alert in alerts(outputs)]
    answers = {message for output in outputs if isinstance(message := decode(output.value), Answer)}
    return [tuple(each.items()) for each in seen] + sorted((str(each.id), each.outcome) for each in answers)


@relaxed
@given(journals)
def test_an_accepted_command_is_an_acknowledgement_and_a_refused_one_is_none(messages: list[Message]):
    """The screen shows the server's word; it must be what happened."""
    accepted: set[UUID] = set()
    acknowledged = 0
    for output in run(placed(messages), []):
        match decode(output.value):
            case Answer(outcome="accepted", id=number):
                accepted.add(number)
            case Alert(change="acknowledge"):
                acknowledged += 1
    assert acknowledged == len(accepted)


@relaxed
@given(journals)
def test_every_alert_tells_truly_when_and_how_often_it_called(messages: list[Message]):
    """``announced``, ``announcements`` and ``next_at`` are what screens and reports are made of."""
    calls: defaultdict[UUID, int] = defaultdict(int)
    for alert in alerts(run(placed(messages), [])):
        calls[alert.id] += alert.announced
        assert not alert.announced or alert.change in ANNOUNCING
        assert alert.announcements == calls[alert.id]
        assert (alert.response == "acknowledged") == (alert.acknowledged_until is not None)
        if alert.closed or alert.condition == "returning":
            assert alert.next_at is None
        elif alert.response == "unacknowledged":
            assert alert.next_at is not None, "both levels of the low rule repeat"
        if alert.announced:
            assert alert.response == "unacknowledged"


@relaxed
@given(journals)
def test_no_timer_is_left_behind_the_clock(messages: list[Message]):
    """Whatever was due by a mark or tick has fired in it."""
    manager = AlertManager(0)
    for offset, message in placed(messages):
        manager.step(batch([(offset, message)]))
        if not isinstance(message, Episode | Command):
            deadline = manager.next_deadline()
            assert deadline is None or deadline > min(manager.now(1), manager.now(2))
