"""``python -m ingest bridge`` and ``python -m ingest registry``."""

from __future__ import annotations

import sys

from ingest import registry_service, service
from ingest.settings import BridgeSettings, RegistrySettings
from runtime.service import EXIT_SETTINGS, run


def main(arguments: list[str]) -> None:
    """Run one of the two services."""
    match arguments:
        case ["bridge"]:
            run(service.main, BridgeSettings, "bridge")
        case ["registry"]:
            run(registry_service.main, RegistrySettings, "registry")
        case _:
            sys.stderr.write("usage: python -m ingest bridge | registry\n")
            raise SystemExit(EXIT_SETTINGS)


if __name__ == "__main__":
    main(sys.argv[1:])
