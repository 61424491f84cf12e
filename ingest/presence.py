"""Which sites' gateways are there. A site whose gateway said that it goes, or whose will said so, leaves the ticks, so
that its patients turn *unknown* at once instead of silent one by one.

Wills race with births: a broker may publish the death of an old connection after the new one is up. So each message
carries a session, and only the current session can die. A site that never said anything counts as there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pydantic import ConfigDict, Field, ValidationError

from vitals.codecs import Rejected
from vitals.messages import Message

SESSIONS_REMEMBERED = 16
"""Sessions of a site that another one has replaced; what they still say is ignored."""


class Claim(Message):
    """The payload of a presence message: a gateway's session says that it is there, or that it is not any more."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    session: str = Field(min_length=1, max_length=64)
    online: bool


def parse(payload: bytes) -> Claim | Rejected:
    """The claim in a payload, or why there is none."""
    try:
        return Claim.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return Rejected(None, "malformed", f"no presence: {where} {ascii(first['msg'])[1:-1]}"[:200])


@dataclass(slots=True)
class _Gateway:
    session: str
    online: bool
    replaced: deque[str] = field(default_factory=lambda: deque(maxlen=SESSIONS_REMEMBERED))


class Presence:
    """What gateways last said, by site."""

    def __init__(self) -> None:
        self._gateways: dict[str, _Gateway] = {}

    @property
    def away(self) -> frozenset[str]:
        """Names of the sites that are known to be away."""
        return frozenset(name for name, gateway in self._gateways.items() if not gateway.online)

    def take(self, site: str, claim: Claim) -> bool:
        """Believe a claim, or not; whether it was believed."""
        known = self._gateways.get(site)
        if known is None:
            self._gateways[site] = _Gateway(claim.session, claim.online)
            return True
        if claim.session == known.session:
            known.online = claim.online
            return True
        if not claim.online or claim.session in known.replaced:
            return False
        known.replaced.append(known.session)
        known.session, known.online = claim.session, True
        return True
