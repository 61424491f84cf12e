"""What a tool prints for a person or a pipe."""

from __future__ import annotations

import sys


class ReaderGone(Exception):
    """Whoever read our output, ``head`` for one, has enough: the tool is done."""


def say(line: str) -> None:
    """Write a line to stdout. Raises `ReaderGone` when nobody reads any more."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGone from None


def say_aside(line: str) -> None:
    """Write a line to stderr, beside what another program reads from stdout."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
