"""Which sites' gateways are there: births, deaths, and deaths that come too late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.bridge import Bridge, Decision
from ingest.directory import Directory
from ingest.presence import SESSIONS_REMEMBERED, Claim, Presence
from ingest.ticks import PartitionClocks
from vitals.devices import Site
from vitals.topics import NAME, presence_topic

NOW = 1_795_422_480_000_000


def said(*claims: tuple[str, bool]) -> frozenset[str]:
    """Who is away after ward-b's gateway said these (session, online)."""
    presence = Presence()
    for session, online in claims:
        presence.take("ward-b", Claim(session=session, online=online))
    return presence.away


def test_a_site_that_never_said_anything_is_there():
    """Most gateways know nothing of presence: their sites live by their devices alone."""
    assert Presence().away == frozenset()
    assert said(("one", True)) == frozenset()


def test_a_site_is_away_from_its_gateways_death_until_its_return():
    """One cause, one alarm: its patients turn unknown together."""
    assert said(("one", True), ("one", False)) == {"ward-b"}
    assert said(("one", True), ("one", False), ("one", True)) == frozenset()
    assert said(("one", True), ("one", False), ("two", True)) == frozenset()


def test_the_late_death_of_an_old_session_is_ignored():
    """A broker publishes the will of a dead connection after the new one is up."""
    assert said(("one", True), ("two", True), ("one", False)) == frozenset()


def test_an_old_session_does_not_come_alive_again():
    """A birth that the broker delivers twice would make the next death look like the current one's."""
    assert said(("one", True), ("two", True), ("one", True), ("one", False)) == frozenset()
    assert said(("one", True), ("two", True), ("two", False), ("one", True)) == {"ward-b"}


def test_a_death_counts_where_nobody_knows_the_session():
    """A bridge that was restarted knows none; a site that is away must not look as if it were there."""
    assert said(("one", False)) == {"ward-b"}
    assert said(("one", False), ("two", True)) == frozenset()


@given(st.lists(st.tuples(st.integers(0, 40).map(str), st.booleans()), max_size=100))
def test_a_new_session_that_is_online_always_ends_an_absence(claims: list[tuple[str, bool]]):
    """Whatever came before: a site must not be kept away for ever."""
    assert said(*claims, ("fresh", True)) == frozenset()


def test_only_so_many_old_sessions_are_remembered():
    """A gateway that flaps for a year must not fill the bridge's memory."""
    births = [(str(number), True) for number in range(SESSIONS_REMEMBERED + 2)]
    assert said(*births, ("1", False)) == frozenset()
    assert said(*births, ("0", True), ("0", False)) == {"ward-b"}, "the oldest is forgotten"


def bridge() -> Bridge:
    directory = Directory(4)
    directory.take([0], [b"site:ward-b"], [Site(name="ward-b", number=9).encode()])
    clocks = PartitionClocks(4, simulated=False)
    return Bridge(namespace="", partitions=4, publisher="bridge-0", directory=directory, clocks=clocks)


def decide(of: Bridge, site: str, payload: bytes) -> Decision:
    return of.decide(presence_topic("", site), payload, NOW)


def test_the_bridge_keeps_what_gateways_say():
    """Presence becomes no record: the ticks that follow say it to everybody."""
    one = bridge()
    assert decide(one, "ward-b", b'{"session":"s","online":false}') == Decision(())
    assert one.away == {"ward-b"}
    assert decide(one, "ward-b", b'{"session":"s","online":true}') == Decision(())
    assert one.away == frozenset()


def test_presence_of_an_unknown_site_is_kept_with_its_reason():
    """Retained by a site that was never registered, or forged: it changes nothing, and somebody can look."""
    one = bridge()
    decision = decide(one, "ward-z", b'{"session":"s","online":false}')
    assert (decision.rejected, decision.unknown, one.away) == ((("not_bound", 1),), True, frozenset())
    assert b"ward-z" in dict(decision.records[0].headers)["detail"]


@pytest.mark.parametrize(
    "payload",
    [b"", b"null", b"[]", b'{"online":false}', b'{"session":"s"}', b'{"session":"s","online":0}',
     b'{"session":"","online":true}', b'{"session":5,"online":true}', b'{"session":"%s","online":true}' % (b"s" * 65)],
)  # fmt: skip
def test_presence_that_makes_no_sense_changes_nothing(payload: bytes):
    """A broken gateway must not take its ward's clock with it."""
    one = bridge()
    decision = decide(one, "ward-b", payload)
    assert decision.rejected == (("malformed", 1),)
    assert one.away == frozenset()


def test_a_gateways_topic_can_be_no_devices():
    """Else a device could be bound that speaks for the site."""
    assert not NAME.match("-gateway")
    assert bridge().decide("vigil/v1/-ticks/-gateway/presence", b"{}", NOW).rejected == (("bad_topic", 1),)
