"""What a run of mutmut left in ``mutants/``: how each mutant ended, and what it changed."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

FOLDER = Path("mutants")
NOTICED = {"killed", "timeout", "segfault", "caught by type check"}
"""How a mutant ends that some test noticed."""
LISTED = re.compile(r"^- `(?P<before>.*)` -> `(?P<after>.*)`: (?P<reason>.+)$")
HEADING = re.compile(r"^### (?P<function>\S+)$")


class Change(NamedTuple):
    """What a mutant changes: function (module.name or module.Class.name), the lines before and after."""

    function: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"- `{self.before}` -> `{self.after}`: "


@dataclass
class Module:
    """The mutants of one module: how many ended how, and those that nothing noticed."""

    name: str
    ends: Counter[str] = field(default_factory=Counter)
    survivors: list[Change] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Mutants, those not looked at included."""
        return sum(self.ends.values())

    @property
    def noticed(self) -> int:
        """Mutants that some test noticed."""
        return sum(self.ends[end] for end in NOTICED)

    @property
    def unchecked(self) -> int:
        """Mutants that no run has looked at yet."""
        return self.ends["not checked"]

    @property
    def share(self) -> float:
        """Noticed of those looked at; 1 where there are none."""
        looked_at = self.total - self.unchecked
        return self.noticed / looked_at if looked_at else 1.0


def function_of(key: str) -> str:
    """``stream.rules.xǁMachinesǁstep__mutmut_3`` is of ``rules.Machines.step``."""
    module, _, name = key.rpartition(".")
    short = re.sub(r"__mutmut_\d+$", "", name)
    short = short.removeprefix("x_") if short.startswith("x_") else short.removeprefix("xǁ").replace("ǁ", ".")
    return f"{module.removeprefix('stream.')}.{short}"


def change_of(key: str, path: Path) -> Change:
    """What one mutant changes."""
    lines = get_diff_for_mutant(key, path=path).splitlines()[2:]
    before = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    after = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    return Change(function_of(key), before, after)


def found(name: str, folder: Path = FOLDER) -> Module:
    """What the last run left of one module of ``stream``, kept for later reports."""
    source = Path("stream") / f"{name}.py"
    module = Module(name)
    for key, code in json.loads((folder / f"{source}.meta").read_text())["exit_code_by_key"].items():
        end = status_by_exit_code[code]
        module.ends[end] += 1
        if end not in NOTICED and end != "not checked":
            module.survivors.append(change_of(key, source))
    kept = {"ends": module.ends, "survivors": module.survivors}
    (folder / f"{name}.found.json").write_text(json.dumps(kept))
    return module


def kept(name: str, folder: Path = FOLDER) -> Module:
    """What was kept of the last run over a module; nothing where there was none."""
    path = folder / f"{name}.found.json"
    if not path.exists():
        return Module(name)
    stored = json.loads(path.read_text())
    return Module(name, Counter(stored["ends"]), [Change(*each) for each in stored["survivors"]])


def listed(text: str) -> dict[Change, str]:
    """The survivors that a list names, with the reason why nothing can notice them."""
    reasons: dict[Change, str] = {}
    function = ""
    for line in text.splitlines():
        if heading := HEADING.match(line):
            function = heading["function"]
        elif item := LISTED.match(line):
            reasons[Change(function, item["before"], item["after"])] = item["reason"]
    return reasons
