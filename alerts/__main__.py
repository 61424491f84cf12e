"""``python -m alerts manager`` and ``python -m alerts gateway``."""

from __future__ import annotations

import sys

from alerts import gateway, manager_service
from alerts.settings import GatewaySettings, ManagerSettings
from runtime.service import EXIT_SETTINGS, run


def main(arguments: list[str]) -> None:
    """Run one of the two services."""
    match arguments:
        case ["manager"]:
            run(manager_service.main, ManagerSettings, "manager")
        case ["gateway"]:
            run(gateway.main, GatewaySettings, "gateway")
        case _:
            sys.stderr.write("usage: python -m alerts manager|gateway\n")
            raise SystemExit(EXIT_SETTINGS)


if __name__ == "__main__":
    main(sys.argv[1:])
