"""Policies as ``vigil policy set`` and ``vigil backtest`` take them: the text of a file, and what is within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitals.bounds import violation
from vitals.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from vitals.policies import Policy

FILE_BYTES_MAX = 256 * 1024
"""A policy is some 3 KB of JSON."""


def text(file: Path) -> str:
    """What a file says.

    Raises:
        InputError: it cannot be read, is far too large, or is no UTF-8.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise InputError("too large for a policy", str(file), f"at most {FILE_BYTES_MAX // 1024} KiB")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise InputError("cannot be read", str(file), error.strerror or "look at its rights") from None
    except UnicodeDecodeError:
        raise InputError("no UTF-8 text", str(file), "write the policy as JSON in UTF-8") from None


def within_bounds(policy: Policy) -> Policy:
    """The same policy.

    Raises:
        InputError: a number of it is beyond its bounds, with its name and what may be given.
    """
    if (beyond := violation(policy)) is not None:
        raise InputError("beyond the bounds of a policy", beyond, "docs/rules.md has them all")
    return policy
