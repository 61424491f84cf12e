"""The bridge's decisions: what one MQTT message becomes in Kafka. Reads no clock, talks to nobody.

Every message becomes at least one record, or is a tick that is not for us or a gateway's word that it is there:
nothing vanishes. The loop around it is ``ingest/service.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ingest import presence, ticks
from ingest.attribution import Clocks, attribute
from ingest.directory import REMEDY, Directory, Known, WornBy
from ingest.presence import Presence
from ingest.records import Record, rejected
from ingest.ticks import PartitionClocks
from vitals.codecs import Item, Reason, Rejected
from vitals.codecs.json import decode
from vitals.rejections import Rejection
from vitals.topics import BINDINGS, GATEWAY, NAME, READINGS, mqtt_root

_LEVELS = 3


class Decision(NamedTuple):
    """What one message becomes: ``records`` in the order in which they must be written, and how many of what.

    ``unknown`` says that it names a device, a binding or a site that the directory has not seen: read
    ``registry.bindings`` to its present end and decide once more before believing it.
    """

    records: Sequence[Record]
    readings: int = 0
    ticks: int = 0
    rejected: tuple[tuple[Reason, int], ...] = ()
    unknown: bool = False
    time: int | None = None
    """Of a tick of our own (µs UTC)."""


class Bridge:
    """Decides for one namespace. ``publisher`` is whose ticks count; ``clocks`` advance with every tick decided."""

    def __init__(
        self, *, namespace: str, partitions: int, publisher: str, directory: Directory, clocks: PartitionClocks
    ) -> None:
        self._root = mqtt_root(namespace) + "/"
        self._partitions = partitions
        self._publisher = publisher
        self._directory = directory
        self._clocks = clocks
        self._presences = Presence()

    def decide(self, topic: str, payload: bytes, now: int, arrived: int | None = None) -> Decision:
        """The records of a message taken at ``now`` (µs UTC, real), which ``arrived`` earlier where the bridge is
        behind. Never raises, whatever topic and payload.
        """
        levels = topic.removeprefix(self._root).split("/") if topic.startswith(self._root) else []
        if len(levels) == _LEVELS:
            site, name, kind = levels
            if kind == "readings" and NAME.match(site) and NAME.match(name):
                return self._readings(topic, site, name, payload, now, arrived=arrived)
            if kind == "ticks" and site == "-ticks":
                return self._tick(topic, name, payload, now)
            if kind == "presence" and name == GATEWAY and NAME.match(site):
                return self._presence(topic, site, payload, now)
        detail = f"a device publishes to {self._root}SITE/DEVICE/readings, names of a-z 0-9 . _ -"
        return self._only(
            Rejected(None, "bad_topic", detail), topic, levels[1] if len(levels) > 1 else "", payload, now
        )

    # Ticks

    def _tick(self, topic: str, publisher: str, payload: bytes, now: int) -> Decision:
        if publisher != self._publisher:
            return Decision(())
        tick = ticks.parse(payload, None if self._clocks.simulated else now)
        if isinstance(tick, Rejected):
            return self._only(tick, topic, publisher, payload, now)
        if (refused := self._clocks.refusal(tick.tick)) is not None:
            return self._only(refused, topic, publisher, payload, now)
        records = ticks.records(tick, self._directory.sites, self._partitions)
        if isinstance(records, Rejected):
            return self._only(records, topic, publisher, payload, now)._replace(unknown=True)
        if records:
            self._clocks.advance(tick.tick)
        return Decision(records, ticks=1, time=tick.tick)

    # Presence

    @property
    def away(self) -> frozenset[str]:
        """Names of the sites whose gateway is known to be away: they have no place in ticks."""
        return self._presences.away

    def _presence(self, topic: str, site: str, payload: bytes, now: int) -> Decision:
        claim = presence.parse(payload)
        if isinstance(claim, Rejected):
            return self._only(claim, topic, GATEWAY, payload, now)
        if site not in self._directory.sites:
            detail = f"presence of the unknown site {site}; vigil site add makes a site"
            return self._only(Rejected(None, "not_bound", detail), topic, GATEWAY, payload, now)
        self._presences.take(site, claim)
        return Decision(())

    # Readings

    def _readings(self, topic: str, site: str, name: str, payload: bytes, now: int, *, arrived: int | None) -> Decision:
        device = self._directory.devices.get(name)
        taken = self._clocks.received(now)
        clocks = taken if arrived is None else self._clocks.received(arrived)
        bad: list[Rejected] = []
        runs: list[tuple[WornBy, list[bytes]]] = []
        for item in decode(payload):
            placed = _place(item, site, name, device, clocks, taken=taken)
            if isinstance(placed, Rejected) and placed.reason == "not_bound":
                placed = self._why_not(placed, name)
            if isinstance(placed, Rejected):
                bad.append(placed)
                continue
            worn, row = placed
            if runs and runs[-1][0] is worn:
                runs[-1][1].append(row)
            else:
                runs.append((worn, [row]))
        records = [Record(READINGS, worn.partition, worn.patient, b"".join(rows)) for worn, rows in runs]
        good = sum(len(rows) for _, rows in runs)
        if not bad:
            return Decision(records, good)
        decision = self._rejected(bad, topic, name, payload, now)
        return decision._replace(records=[*records, *decision.records], readings=good)

    def _why_not(self, refused: Rejected, name: str) -> Rejected:
        """A device whose record cannot be read is registered, perhaps bound: another remedy than for a stranger."""
        offset = self._directory.unreadable_device(name)
        if offset is None:
            return refused
        return refused._replace(
            detail=f"{name}'s record cannot be read ({BINDINGS} partition 0 offset {offset}); {REMEDY}"
        )

    # What cannot be used

    def _only(self, item: Rejected, topic: str, device: str, payload: bytes, now: int) -> Decision:
        return self._rejected([item], topic, device, payload, now)

    def _rejected(self, items: list[Rejected], topic: str, device: str, payload: bytes, now: int) -> Decision:
        """One record per reason, so that a batch of thousands of bad readings is kept once, not thousandfold."""
        by_reason: dict[Reason, list[Rejected]] = {}
        for item in items:
            by_reason.setdefault(item.reason, []).append(item)
        records = [
            rejected(
                Rejection(topic, device, reason, _detail(same), now, payload, len(same)),
                self._partitions,
            )
            for reason, same in by_reason.items()
        ]
        counts = tuple((reason, len(same)) for reason, same in by_reason.items())
        return Decision(records, rejected=counts, unknown="not_bound" in by_reason)


def _place(
    item: Item, site: str, name: str, device: Known | None, clocks: Clocks, *, taken: Clocks
) -> tuple[WornBy, bytes] | Rejected:
    """The binding and row of one reading that came on the topic of ``site`` and ``name``, or what is wrong."""
    if isinstance(item, Rejected):
        return item
    if item.device is not None and item.device != name:
        detail = f"the payload names {ascii(item.device)[:80]}, its topic {name}; publish to the device's own topic"
        return Rejected(item.place, "device_mismatch", detail)
    if device is None:
        return Rejected(item.place, "not_bound", f"{name} is not registered; vigil device add, then vigil device bind")
    if device.site_name != site:
        detail = f"{name} belongs to {device.site_name}, not to {site}; publish to its own site"
        return Rejected(item.place, "site_mismatch", detail)
    return attribute(device, item, clocks, taken)


def _detail(items: list[Rejected]) -> str:
    first = items[0]
    where = "" if first.place is None else f"reading {first.place}: "
    more = f" (and {len(items) - 1} more of this payload)" if len(items) > 1 else ""
    return f"{where}{first.detail}{more}"
