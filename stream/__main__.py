"""``python -m stream process`` and ``python -m stream sink``."""

from __future__ import annotations

import sys

from runtime.collector import OUTPUTS_MAX
from runtime.service import EXIT_SETTINGS, run
from stream import service, sink_service
from stream.settings import ProcessSettings
from stream.sink_settings import SinkSettings


def main(arguments: list[str]) -> None:
    """Run one of the two services."""
    match arguments:
        case ["process"]:
            run(service.main, ProcessSettings, "process", OUTPUTS_MAX)
        case ["sink"]:
            run(sink_service.main, SinkSettings, "sink")
        case _:
            sys.stderr.write("usage: python -m stream process | sink\n")
            raise SystemExit(EXIT_SETTINGS)


if __name__ == "__main__":
    main(sys.argv[1:])
