"""``python -m alerts manager``, ``python -m alerts gateway``, and ``python -m alerts schemas docs/schemas``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from alerts import gateway, manager_service
from alerts.settings import GatewaySettings, ManageSettings
from runtime.service import EXIT_SETTINGS, run
from vitals.protocol import schemas


def main(arguments: list[str]) -> None:
    """Run one of the two services, or write the JSON Schemas of the feed's messages into a folder."""
    match arguments:
        case ["manager"]:
            run(manager_service.main, ManageSettings, "manager")
        case ["gateway"]:
            run(gateway.main, GatewaySettings, "gateway")
        case ["schemas", folder]:
            for name, schema in schemas().items():
                (Path(folder) / name).write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
        case _:
            sys.stderr.write("usage: python -m alerts manager | gateway | schemas FOLDER\n")
            raise SystemExit(EXIT_SETTINGS)


if __name__ == "__main__":
    main(sys.argv[1:])
