"""Who asks: the people of the tokens file, and what each role may read; pure.

A clinician and ops read everything in their sites; a wall shows the ward and no patient's history, for its screen
hangs where anybody passes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import TypeAdapter, ValidationError

from vitals import people
from vitals.errors import SettingsError
from vitals.people import Principal, Role

Right = Literal["ward", "history", "system"]
RIGHTS: dict[Role, frozenset[Right]] = {
    "clinician": frozenset({"ward", "history", "system"}),
    "ops": frozenset({"ward", "history", "system"}),
    "wall": frozenset({"ward"}),
}
TOKEN_CHARS_MAX = 512
_PRINCIPALS: TypeAdapter[tuple[Principal, ...]] = TypeAdapter(tuple[Principal, ...])


def parse(data: bytes, source: str) -> tuple[Principal, ...]:
    """The people in a tokens file's bytes; ``source`` names it.

    Raises:
        SettingsError: it is no JSON list of principals, or holds a token's digest twice.
    """
    try:
        principals = _PRINCIPALS.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsError("tokens file is wrong", f"{source}: {where}: {first['msg']}", "see docs/feed.md") from None
    if len({principal.token_sha256 for principal in principals}) < len(principals):
        raise SettingsError("tokens file is wrong", f"{source}: a token stands there twice", "give each its own")
    return principals


def bearer(header: str | None) -> str | None:
    """The token of an ``Authorization`` header, or None where it is not ``Bearer TOKEN``."""
    scheme, _, token = (header or "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and 0 < len(token) <= TOKEN_CHARS_MAX else None


def find(principals: tuple[Principal, ...], header: str | None) -> Principal | None:
    """Who stands behind an ``Authorization`` header, or None."""
    token = bearer(header)
    return None if token is None else people.find(principals, token)
