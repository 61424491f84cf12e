"""A policy as a file: the JSON that ``vigil policy show --json`` prints, read strictly.

Messages ignore what they do not know, so that readers survive newer writers; a file is written by a person, and a name
with a slip in it would be a limit that nobody set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from vitals.errors import InputError
from vitals.policies import Policy
from vitals.policy_words import minutes

FORM = "vigil policy show --json prints one to begin with"


def parse(text: str, name: str) -> Policy:
    """The policy in the text of a file that is called ``name``; its version is 1 where it says none.

    Raises:
        InputError: no JSON, or no policy: the first place that is wrong, in one line.
    """
    try:
        given: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" line {error.lineno} column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError("no JSON", f"{name}{where}", FORM) from None
    if not isinstance(given, dict):
        raise InputError("no policy", f"{name} is not a JSON object", FORM)
    given = {"version": 1} | given
    try:
        policy = Policy.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = _time_beyond(where, first["input"], first.get("ctx", {})) or f"{where} {first['msg']}"
        raise InputError("no policy", f"{name}: {said}".replace("\n", " ")[:200], FORM) from None
    if (unknown := next(_unknown(given, policy.model_dump(mode="json"), ""), None)) is not None:
        raise InputError("no policy", f"{name}: {unknown[:160]} is no part of one", FORM)
    return policy


def _time_beyond(where: str, given: Any, ends: dict[str, Any]) -> str | None:
    """What to say of a time that no message can hold, as bounds say it; None where it is something else."""
    least, most = ends.get("ge"), ends.get("le")
    if not where.endswith("_us") or not isinstance(given, int) or (least is None and most is None):
        return None
    # what a message can hold at most is far more than what a rule may have
    allowed = f"give at least {minutes(least)}" if most is None else "docs/rules.md says what may be given"
    return f"{where} is {minutes(given)}: {allowed} (µs in a file)"


def _unknown(given: Any, known: Any, where: str) -> Iterator[str]:
    """The places in a file that a policy does not have."""
    if isinstance(given, dict) and isinstance(known, dict):
        for name, value in given.items():
            if name in known:
                yield from _unknown(value, known[name], f"{where}{name}.")
            else:
                yield f"{where}{name}"
    elif isinstance(given, list) and isinstance(known, list):
        for number, (value, like) in enumerate(zip(given, known, strict=True)):
            yield from _unknown(value, like, f"{where}{number}.")
