"""The gateway's audience: who listens to the feed, what they are told, and what they ask.

Nothing here awaits between reading state and queueing frames, so a client's first frames and everything that is
pushed to it afterwards fit together without a gap.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterable
from importlib import metadata
from itertools import chain
from uuid import UUID

from alerts.ages import Ages
from alerts.fanout import Entry, Feed, Place, Proved
from alerts.frames import change_frame, snapshot_frames
from alerts.patients import Known, Patients
from alerts.proofs import Proofs
from alerts.requests import OnPatient, Request, command, receipt, subject
from alerts.session import Session, converse
from alerts.settings import GatewaySettings
from runtime.clock import Clock
from runtime.kafka import Out, Records
from runtime.web import Peer
from vitals import causes, people
from vitals.alerts import Answer, FeedMark
from vitals.people import Principal
from vitals.protocol import (
    CLOSE_RESTART,
    CLOSE_TRY_LATER,
    HEARTBEAT_SECONDS,
    PROTOCOL_VERSION,
    UNWATCHED_MAX,
    CommandAnswer,
    CommandReason,
    Delivered,
    Heartbeat,
    Proof,
    Unshelve,
    Unwatched,
    Welcome,
)
from vitals.topics import JOURNAL, partition_of

COMMANDS_WAITING_MAX = 1000
"""Commands not yet in the journal, or not yet answered; beyond it they are refused as ``too_many``."""


class Audience:
    """The feed's clients; ``patients`` is kept in step with the registry by the gateway."""

    def __init__(self, settings: GatewaySettings, principals: tuple[Principal, ...], feed: Feed, clock: Clock) -> None:
        self.patients = Patients()
        self._settings = settings
        self._principals = principals
        self._feed = feed
        self._clock = clock
        self._ages = Ages(
            settings.partitions,
            real=settings.clock == "real",
            stalled_ms=int(settings.stalled_seconds * 1000),
            started=clock.monotonic(),
        )
        self._proofs = Proofs()
        self._sessions: dict[str, set[Session]] = {}
        self._asked: OrderedDict[UUID, set[Session]] = OrderedDict()
        self._commands: list[Out] = []
        self._receipts: dict[UUID, Out] = {}
        self._wanted = asyncio.Event()
        self._connections = 0
        self._live = False
        self._server = f"vigil-gateway {_version()}"

    @property
    def clients(self) -> int:
        """Clients that said hello."""
        return sum(map(len, self._sessions.values()))

    @property
    def buffered_bytes(self) -> int:
        """The most bytes that wait for one client."""
        return max((session.buffered_bytes for group in self._sessions.values() for session in group), default=0)

    @property
    def age_s(self) -> float:
        """Age of the oldest data of all sites in seconds, as heartbeats say it; NaN before the first tick."""
        report = self._ages.report(self._clock.now_us(), self._clock.monotonic(), lambda _site: True)
        return math.nan if report.age_ms is None else report.age_ms / 1000

    def go_live(self) -> None:
        """Say that the past has been read: what is taken from now on has just come."""
        self._live = True

    async def handle(self, peer: Peer) -> None:
        """Serve one connection to its end."""
        if self._connections >= self._settings.feed_clients_max:
            await peer.close(CLOSE_TRY_LATER, "full")
            return
        self._connections += 1
        try:
            await converse(peer, self, self._clock)
        finally:
            self._connections -= 1

    def take(self, records: Records) -> None:
        """Take feed records: remember them, and tell the audience."""
        for value, headers in zip(records.values, records.headers, strict=True):
            cause = causes.of_headers(headers)
            taken = None if cause is None else self._feed.take(records.partition, cause, value)
            match taken:
                case Entry():
                    self._publish(taken)
                case Answer():
                    self._answered(taken)
                case FeedMark():
                    self._ages.mark(records.partition, taken.sites, self._clock.monotonic())
                case Proved() if self._live:
                    self._proofs.note(taken.site, taken.at, self._clock.now_us())
                case _:
                    pass

    def beat(self) -> None:
        """Push a heartbeat to everybody, made once per scope."""
        for scope, sessions in self._sessions.items():
            principal = next(iter(sessions)).principal
            now = self._clock.now_us()
            report = self._ages.report(now, self._clock.monotonic(), principal.sees)
            beat = Heartbeat(
                cursor=self._feed.cursor(scope),
                at=now,
                state=report.state,
                age_ms=report.age_ms,
                where=report.where,
                clock_at=report.clock_at,
                proofs=self._proved(principal, now),
                unwatched=self._unwatched(principal),
            )
            self._push(sessions, beat.encode().decode())

    async def next_commands(self) -> list[Out]:
        """Commands and receipts to write, at least one."""
        await self._wanted.wait()
        self._wanted.clear()
        outs = [*self._commands, *self._receipts.values()]
        self._commands, self._receipts = [], {}
        return outs

    async def close(self) -> None:
        """Tell every client to come back to whoever serves the feed next."""
        sessions = [session for group in self._sessions.values() for session in group]
        await asyncio.gather(*(session.close(CLOSE_RESTART, "restart") for session in sessions))

    def principal(self, token: str) -> Principal | None:
        """The person behind a token."""
        return people.find(self._principals, token)

    def join(self, session: Session, cursor: str | None) -> Iterable[str]:
        """Add a client; its first frames are the state at this very moment, and everything later is pushed."""
        self._sessions.setdefault(session.scope, set()).add(session)
        missed = None if cursor is None else self._feed.missed(cursor, session.scope)
        welcome = self._welcome(session.principal, cursor if missed is not None else None)
        if cursor is None or missed is None:
            kept = (self._feed.alerts, self._feed.shelves, self._feed.services)
            bodies = [each.bodies(session.principal) for each in kept]
            return chain([welcome], snapshot_frames(self._feed.cursor(session.scope), *bodies))
        seen = self._feed.replay(cursor, session.scope, missed)
        sees = session.principal.sees
        frames = (change_frame(entry.kind, entry.body, at) for entry, at in seen if sees(entry.site))
        return chain([welcome], frames)

    def leave(self, session: Session) -> None:
        """Take a client out; answers to its commands go nowhere."""
        group = self._sessions[session.scope]
        group.discard(session)
        if not group:
            del self._sessions[session.scope]
        for asked in self._asked.values():
            asked.discard(session)

    def ask(self, session: Session, message: Request) -> None:
        """Queue a command for the journal, or answer at once why not."""
        principal = session.principal
        if not principal.may_command:
            return self._refuse(session, message, "not_allowed")
        if not session.bucket.take(self._clock.monotonic()) or len(self._commands) >= COMMANDS_WAITING_MAX:
            return self._refuse(session, message, "too_many")
        patient = self._patient(message, principal)
        place = self._place(message, patient)
        if place is None or not principal.sees(place.site):
            return self._refuse(session, message, _unknown(message))
        self._asked.setdefault(message.id, set()).add(session)
        if len(self._asked) > COMMANDS_WAITING_MAX:
            self._asked.popitem(last=False)
        written = command(message, principal.name, self._clock.now_us(), patient)
        self._commands.append(Out(JOURNAL, place.partition, place.key, written.encode()))
        self._wanted.set()
        return None

    def delivered(self, session: Session, message: Delivered) -> None:
        """Queue what a screen has had for the journal, each announcement once; screens of ops have no duty."""
        if session.principal.role == "ops":
            return
        for alert, announcements in message.announcements:
            place = self._feed.receipt(alert, announcements, session.principal)
            if place is not None:
                written = receipt(alert, announcements, self._clock.now_us())
                self._receipts[alert] = Out(JOURNAL, place.partition, place.key, written.encode())
                self._wanted.set()

    def _patient(self, message: Request, principal: Principal) -> Known | None:
        """Whom a command about a patient is about, if its sender may see them."""
        known = self.patients.find(message.patient) if isinstance(message, OnPatient) else None
        return known if known is not None and principal.sees(known.site) else None

    def _place(self, message: Request, patient: Known | None) -> Place | None:
        if isinstance(message, OnPatient):
            key = message.patient.bytes
            return patient and Place(partition_of(key, self._settings.partitions), patient.site, key)
        if isinstance(message, Unshelve):
            return self._feed.shelves.place_of(message.shelf)
        return self._feed.alerts.place_of(message.alert)

    def _proved(self, principal: Principal, now: int) -> tuple[Proof, ...]:
        if self._settings.clock != "real":
            return ()
        return self._proofs.report(self.patients.proved_sites, now, principal.sees)

    def _unwatched(self, principal: Principal) -> tuple[Unwatched, ...]:
        """Who lies where a site is silent: joined here, since the site's alert stands in one partition of the feed and
        its patients' in all of them.
        """
        found = []
        for site, alert in sorted(self._feed.silent.items()):
            if principal.sees(site):
                patients = self.patients.at(site)
                first = tuple(patients[:UNWATCHED_MAX])
                found.append(
                    Unwatched(site=site, alert=alert.id, since=alert.since, count=len(patients), patients=first)
                )
        return tuple(found)

    def _welcome(self, principal: Principal, cursor: str | None) -> str:
        welcome = Welcome(
            protocol=PROTOCOL_VERSION,
            server=self._server,
            name=principal.name,
            role=principal.role,
            sites=None if principal.sites is None else tuple(sorted(principal.sites)),
            recovered=cursor is not None,
            cursor=cursor,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            clock=self._settings.clock,
        )
        return welcome.encode().decode()

    def _publish(self, entry: Entry) -> None:
        for scope, sessions in self._sessions.items():
            if next(iter(sessions)).principal.sees(entry.site):
                self._push(sessions, change_frame(entry.kind, entry.body, self._feed.cursor(scope)))

    def _answered(self, answer: Answer) -> None:
        sessions = self._asked.pop(answer.id, None)
        if sessions:
            reply = CommandAnswer.model_validate(answer.model_dump(exclude={"kind"}))
            self._push(sessions, reply.encode().decode())

    def _refuse(self, session: Session, message: Request, reason: CommandReason) -> None:
        answer = CommandAnswer(
            id=message.id,
            alert=subject(message),
            outcome="refused",
            reason=reason,
            by=session.principal.name,
            at=self._clock.now_us(),
        )
        session.push(answer.encode().decode())

    @staticmethod
    def _push(sessions: Iterable[Session], frame: str) -> None:
        for session in sessions:
            session.push(frame)


def _unknown(message: Request) -> CommandReason:
    if isinstance(message, OnPatient):
        return "unknown_patient"
    return "not_shelved" if isinstance(message, Unshelve) else "unknown_alert"


def _version() -> str:
    try:
        return metadata.version("vigil-ward")
    except metadata.PackageNotFoundError:
        return "0"
