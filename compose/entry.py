"""Where the command ``vigil`` begins: Ctrl-C while modules are still loading ends it without a word."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from compose import cli
    from compose.output import ReaderGone

    try:
        cli.main()
    except ReaderGone:
        # the interpreter flushes stdout at its end, into a pipe that nobody reads
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
