"""Every benchmark beside its yardstick: ``python -m benchmarks [NAME ...] [--turns 5]``, ``make bench ARGS="NAME"``.

Tables go to stdout, progress to stderr, figures with the machine's description to ``benchmarks/results/NAME.json``.
Exit code 0 when everything ran, whether or not the targets were met: the tables say it. With ``--strict`` it is 1
where a target is missed, or a yardstick is absent.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os

from benchmarks.frame import Result, progress

NAMES = ("step", "restore", "backtest", "bridge", "sink", "fanout", "latency")


def main() -> None:
    """Run the chosen ones, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--turns", type=int, default=5, help="measured turns of each side (default 5)")
    parser.add_argument("--strict", action="store_true", help="exit code 1 for a missed target or an absent yardstick")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    missed = False
    for name in options.names or NAMES:
        progress(f"{name}: load average {os.getloadavg()[0]:.2f}")
        module = importlib.import_module(f"benchmarks.{name}")
        result: Result = asyncio.run(module.run(options.turns))
        result.tell()
        missed |= result.missed
    if missed and options.strict:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
