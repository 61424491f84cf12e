"""The feed in memory: honest cursors, bounded memory, one queue per client, the age of the data."""

from __future__ import annotations

import json

import pytest

from alerts.ages import Ages
from alerts.fanout import ClientQueue, Entry, Feed, Taken, scope_of
from alerts.frames import change_frame, snapshot_frames
from tests.alerting import Journal, acknowledge, episode, mark, minute, unknown_id
from vitals.alerts import Alert, Answer, FeedMark
from vitals.causes import Cause
from vitals.messages import Message
from vitals.people import Principal, digest_of
from vitals.protocol import SNAPSHOT_ALERTS_MAX, Change, Cursor, Snapshot, decode_server

EVERYONE = Principal(name="nurse", role="clinician", token_sha256=digest_of("t"))
WARD_2 = Principal(name="other", role="clinician", sites=frozenset({2}), token_sha256=digest_of("u"))


class Source:
    """A manager whose feed goes into one partition of a `Feed`."""

    def __init__(self, feed: Feed, partition: int = 0) -> None:
        self.feed = feed
        self.partition = partition
        self.journal = Journal()
        self.sent = 0

    def write(self, *messages: Message) -> list[Taken | None]:
        self.journal.write(*messages)
        fresh, self.sent = self.journal.feed[self.sent :], len(self.journal.feed)
        return [self.feed.take(self.partition, output.cause, output.value) for output in fresh]


def feed(*, complete: bool = True, history: int = 100, partitions: int = 2, identity: str = "cluster/") -> Feed:
    made = Feed(identity, partitions, history)
    if complete:
        for partition in range(partitions):
            made.begin(partition)
    return made


def versions(entries: list[Entry] | None) -> list[tuple[int, int]]:
    assert entries is not None
    return [(entry.partition, entry.version.offset) for entry in entries]


def test_a_record_that_was_seen_before_is_nothing_new():
    """The log holds duplicates after every crash; a client must have every change once."""
    memory = feed()
    source = Source(memory)
    source.write(episode())
    output = source.journal.feed[0]
    assert memory.take(0, output.cause, output.value) is None
    assert memory.take(1, output.cause, output.value) is not None, "partitions have their own order"


def test_a_cursor_brings_exactly_what_was_missed():
    """Each change once, in order, whatever the partitions."""
    memory = feed()
    one, two = Source(memory, 0), Source(memory, 1)
    one.write(episode())
    cursor = memory.cursor("*")
    one.write(episode("unknown", 1, condition="unknown"))
    two.write(episode(label="p2"))
    one.write(mark(0), episode("known", 2))
    assert versions(memory.missed(cursor, "*")) == [(0, 1), (1, 0), (0, 3)]
    assert versions(memory.missed(memory.cursor("*"), "*")) == []


def test_the_cursors_of_a_replay_fit_the_client_and_not_the_gateways_order():
    """Two gateways interleave partitions differently; a cursor must only ever name what this client has."""
    memory = feed()
    one, two = Source(memory, 0), Source(memory, 1)
    one.write(episode())
    seen_by_client = Cursor(feed="cluster/", scope="*", read={0: (0, 0)}).text()
    two.write(episode(label="p2"))
    one.write(episode("unknown", 1, condition="unknown"))
    missed = memory.missed(seen_by_client, "*")
    assert missed is not None
    cursors = [Cursor.parse(at) for _, at in memory.replay(seen_by_client, "*", missed)]
    assert [cursor.read for cursor in cursors if cursor] == [{0: (0, 0), 1: (0, 0)}, {0: (1, 0), 1: (0, 0)}]


def test_an_interrupted_replay_goes_on_where_it_stopped():
    """The connection may break at any change; nothing comes twice and nothing is left out."""
    memory = feed()
    source = Source(memory)
    start = memory.cursor("*")
    source.write(episode(), *(episode("active", at, value=50.0 + at) for at in range(1, 5)))
    missed = memory.missed(start, "*") or []
    (_, _), (_, second) = list(memory.replay(start, "*", missed))[:2]
    assert versions(memory.missed(second, "*")) == [(0, 2), (0, 3), (0, 4)]


@pytest.mark.parametrize("text", ["", "x", "e30", "%%%", "bnVsbA"])
def test_a_cursor_that_is_none_of_ours_recovers_nothing(text: str):
    """A client may send anything; the answer is a snapshot, never an error and never a false promise."""
    assert feed().missed(text, "*") is None


def test_a_cursor_of_another_feed_or_scope_recovers_nothing():
    """Offsets of another cluster, or of somebody who sees other patients, prove nothing here."""
    memory = feed()
    Source(memory).write(episode())
    assert feed(identity="other/").missed(memory.cursor("*"), "*") is None
    assert memory.missed(memory.cursor("*"), scope_of(WARD_2)) is None
    assert memory.missed(Cursor(feed="cluster/", scope="*", read={7: (0, 0)}).text(), "*") is None


def test_a_cursor_ahead_of_the_gateway_recovers_nothing():
    """It belongs to a log that was lost; waiting for its future would leave the client without alarms."""
    memory = feed()
    Source(memory).write(episode())
    assert memory.missed(Cursor(feed="cluster/", scope="*", read={0: (9, 0)}).text(), "*") is None


def test_a_cursor_older_than_the_ring_recovers_nothing():
    """``recovered: true`` is a promise that nothing is missing."""
    memory = feed(history=2)
    source = Source(memory)
    start = memory.cursor("*")
    source.write(episode())
    first = memory.cursor("*")
    source.write(episode("active", 1, value=50.0), episode("active", 2, value=51.0))
    assert memory.missed(start, "*") is None
    assert versions(memory.missed(first, "*")) == [(0, 1), (0, 2)]


def test_a_gateway_that_began_in_mid_log_does_not_promise_what_came_before():
    """On the real clock it reads 25 h; whether there was something between cursor and start it cannot know."""
    memory = feed(complete=False, partitions=1)
    source = Source(memory)
    old = Cursor(feed="cluster/", scope="*", read={}).text()
    source.write(episode())
    assert memory.missed(old, "*") is None
    assert versions(memory.missed(memory.cursor("*"), "*")) == []


def test_the_snapshot_is_every_open_alert_in_scope():
    """Closed ones are history; those of other wards are nobody's business."""
    memory = feed()
    source = Source(memory)
    over = [episode(change, label="p3", category="technical") for change in ("open", "clear")]
    source.write(episode(), episode(label="p2", site=2), *over)
    alerts = [Alert.model_validate_json(text) for text in memory.alerts.bodies(EVERYONE)]
    assert [(alert.label, alert.site) for alert in alerts] == [("p1", 1), ("p2", 2)]
    assert [json.loads(text)["site"] for text in memory.alerts.bodies(WARD_2)] == [2]


def test_commands_find_the_partition_of_open_and_of_closed_alerts():
    """A command on a closed alert is answered by the manager ("cleared"), so it must still get there."""
    memory = feed()
    source = Source(memory, 1)
    source.write(episode(), episode("clear", 1))
    alert = Alert.model_validate_json(source.journal.feed[0].value)
    place = memory.alerts.place_of(alert.id)
    assert place is not None
    assert (place.partition, place.site, place.key) == (1, 1, alert.patient.bytes if alert.patient else b"")
    assert memory.alerts.place_of(unknown_id()) is None


def test_answers_and_marks_are_told_apart_from_changes():
    """Answers go to their sender, marks into the heartbeat; neither is anybody's alert."""
    source = Source(feed())
    source.write(episode())
    alert = Alert.model_validate_json(source.journal.feed[0].value)
    change, answer = source.write(acknowledge(alert))
    (passed,) = source.write(mark(1))
    assert isinstance(change, Entry)
    assert isinstance(answer, Answer)
    assert passed == FeedMark(sites={1: minute(1)})


def test_an_unreadable_feed_record_is_counted():
    """A newer manager may write what this gateway does not know; the other alerts go on."""
    memory = feed()
    assert memory.take(0, Cause(0, 0), b'{"kind":"new"}') is None
    assert memory.unreadable == 1


def test_frames_are_messages_of_the_protocol():
    """They are spliced from the log's own JSON; they must still be what docs/feed.md says."""
    memory = feed()
    source = Source(memory)
    (entry,) = source.write(episode())
    assert isinstance(entry, Entry)
    change = decode_server(change_frame(entry.kind, entry.body, memory.cursor("*")))
    assert isinstance(change, Change)
    assert change.alert.change == "open"
    many = [entry.body] * (SNAPSHOT_ALERTS_MAX + 1)
    parts = [decode_server(frame) for frame in snapshot_frames(memory.cursor("*"), many)]
    assert [(isinstance(part, Snapshot) and (len(part.alerts), part.more, part.cursor is None)) for part in parts] == [
        (SNAPSHOT_ALERTS_MAX, True, True),
        (1, False, False),
    ]
    (empty,) = snapshot_frames("c", [])
    assert decode_server(empty) == Snapshot(cursor="c", more=False, alerts=())


def test_a_full_queue_says_so_and_a_read_one_has_room_again():
    """A client that reads slowly costs its own connection, never memory without end."""
    queue = ClientQueue(bytes_max=10)
    assert queue.push("12345")
    assert queue.push("67890")
    assert not queue.push("x")
    assert (queue.pop(), queue.waiting_bytes) == ("12345", 5)
    assert queue.push("x")
    assert [queue.pop(), queue.pop(), queue.pop()] == ["67890", "x", None]


def test_a_queue_counts_bytes_of_what_is_sent_on_its_way_in_and_out():
    """Names have letters beyond ASCII; what is counted in has to be counted out, or the room shrinks for ever."""
    queue = ClientQueue(bytes_max=10)
    assert queue.push("ääää")
    assert queue.waiting_bytes == 8
    assert not queue.push("äx")
    assert (queue.pop(), queue.waiting_bytes) == ("ääää", 0)


def ages(*, real: bool = True) -> Ages:
    return Ages(2, real=real, stalled_ms=10_000, started=100.0)


def test_before_the_first_tick_there_is_no_age():
    """No data is not 0 s old."""
    assert ages().report(minute(0), 200.0, EVERYONE.sees)[:3] == ("waiting for the first tick", None, ())


def test_the_age_on_the_real_clock_is_the_wall_minus_the_sites_clock():
    """The clock of a site moves behind its backlog: its age is the age of what is shown."""
    clocks = ages()
    clocks.mark(0, {1: minute(0)}, 100.0)
    clocks.mark(1, {1: minute(0) - 3_000_000}, 100.0)
    state, age_ms, where, _ = clocks.report(minute(0) + 1_000_000, 500.0, EVERYONE.sees)
    assert (state, age_ms, [(place.partition, place.site) for place in where]) == ("ok", 4000, [(1, 1)])
    state, age_ms, where, _ = clocks.report(minute(0) + 11_000_000, 500.0, EVERYONE.sees)
    assert (state, age_ms, len(where)) == ("stalled", 14_000, 2)


def test_the_age_on_simulated_time_is_the_real_time_since_it_moved():
    """A month of 2023 is not three years old: what counts is whether it still moves."""
    clocks = ages(real=False)
    for partition in (0, 1):
        clocks.mark(partition, {1: minute(0)}, 100.0)
        clocks.mark(partition, {1: minute(0)}, 108.0)
    assert clocks.report(minute(9999), 104.0, EVERYONE.sees)[:2] == ("ok", 4000)
    assert clocks.report(minute(9999), 110.0, EVERYONE.sees)[:2] == ("stalled", 10_000)


def test_a_partition_that_never_spoke_is_named():
    """A processor that never started for a quarter of the patients must not look like quiet patients."""
    clocks = ages()
    clocks.mark(0, {1: minute(0)}, 100.0)
    state, age_ms, where, _ = clocks.report(minute(0), 120.0, EVERYONE.sees)
    assert (state, age_ms, where[0].partition, where[0].site) == ("stalled", 20_000, 1, None)


def test_ages_are_those_of_the_sites_in_scope():
    """The other ward's trouble would teach this one to ignore the banner."""
    clocks = ages()
    for partition in (0, 1):
        clocks.mark(partition, {1: minute(-5), 2: minute(0)}, 100.0)
    assert clocks.report(minute(0), 100.0, WARD_2.sees)[:2] == ("ok", 0)
    assert clocks.report(minute(0), 100.0, EVERYONE.sees)[:2] == ("stalled", 300_000)
