"""Who may see and do what: principals behind tokens, their role and the sites of their care team."""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

from pydantic import Field

from vitals.messages import Message

Role = Literal["clinician", "ops", "wall"]


class Principal(Message):
    """A person or a screen behind a token; ``sites`` None is every site. The token itself is never kept.

    ``lead`` is whom an unanswered alert reaches first.
    """

    name: str = Field(min_length=1, max_length=128)
    role: Role
    sites: frozenset[int] | None = None
    token_sha256: str
    lead: bool = False

    def sees(self, site: int) -> bool:
        """Whether a site lies in this principal's scope."""
        return self.sites is None or site in self.sites

    @property
    def may_command(self) -> bool:
        """Whether this principal may answer alerts; a wall only shows, ops look after the system."""
        return self.role == "clinician"


def digest_of(token: str) -> str:
    """The digest under which a token is kept, SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def find(principals: tuple[Principal, ...], token: str) -> Principal | None:
    """The principal of a token, or None; every candidate is compared, in constant time."""
    digest = digest_of(token)
    found = [each for each in principals if hmac.compare_digest(each.token_sha256, digest)]
    return found[0] if found else None
