"""``python -m dashboards serve``, and ``python -m dashboards schemas docs/schemas``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dashboards import api, service, tiles
from dashboards.settings import DashboardSettings
from runtime.service import EXIT_SETTINGS, run


def main(arguments: list[str]) -> None:
    """Run the service, or write the schemas of the API and the tiles socket into a folder."""
    match arguments:
        case ["serve"]:
            run(service.main, DashboardSettings, "dashboard")
        case ["schemas", folder]:
            for name, schema in (tiles.schemas() | {"openapi.json": api.openapi()}).items():
                (Path(folder) / name).write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
        case _:
            sys.stderr.write("usage: python -m dashboards serve | schemas FOLDER\n")
            raise SystemExit(EXIT_SETTINGS)


if __name__ == "__main__":
    main(sys.argv[1:])
