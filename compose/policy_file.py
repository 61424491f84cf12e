"""Policies as ``vigil policy set`` and ``vigil backtest`` take them, from files and changes: within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitals.bounds import violation
from vitals.errors import InputError
from vitals.policy_edits import edited
from vitals.policy_files import parse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vitals.policies import Policy

FILE_BYTES_MAX = 256 * 1024
"""A policy is some 3 KB of JSON."""


def read(file: Path) -> Policy:
    """The policy in a file.

    Raises:
        InputError: it cannot be read, is far too large, no UTF-8 or no policy, or one that the registry would refuse.
    """
    return _within_bounds(parse(_text(file), str(file)))


def changed(before: Policy, changes: Iterable[str], version: int) -> Policy:
    """A policy after changes, as a version.

    Raises:
        InputError: a change that is not understood, or one that the registry would refuse.
    """
    return _within_bounds(edited(before, changes).model_copy(update={"version": version}))


def _text(file: Path) -> str:
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


def _within_bounds(policy: Policy) -> Policy:
    """The same policy, unless a number of it is beyond its bounds: told with its name and what may be given."""
    if (beyond := violation(policy)) is not None:
        raise InputError("beyond the bounds of a policy", beyond, "docs/rules.md has them all")
    return policy
