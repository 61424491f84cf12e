"""Reports of load tests as files: ``report.json`` to compare with, ``report.html`` to look at."""

from __future__ import annotations

from pathlib import Path

from simulators.load.page import page
from simulators.load.report import Report, read
from vitals.errors import InputError

JSON, HTML = "report.json", "report.html"


def save(report: Report, folder: Path) -> list[str]:
    """Write both into a folder; a line that says where each is."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON).write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / HTML).write_text(page(report), encoding="utf-8")
    return [f"the report is {folder / JSON}, its page {folder / HTML}"]


def load(path: Path) -> Report:
    """The report in a file, or in the folder that `save` wrote.

    Raises:
        InputError: there is none.
    """
    file = path / JSON if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError("no report can be read", str(file), "vigil simulate --load steady --out FOLDER") from None
    return read(text, str(file))
