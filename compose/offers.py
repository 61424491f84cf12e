"""What ``vigil doctor`` can install: the exact command, where it writes, and the question before it.

Everything here is asked for, one by one; without a terminal nothing is installed unless ``--yes`` was given.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The project's folder."""
PAGE_LOCK = ROOT / "requirements-page.lock"

MANAGERS: dict[str, tuple[str, ...]] = {
    "apt-get": ("apt-get", "install", "--yes", "--no-install-recommends"),
    "dnf": ("dnf", "install", "--assumeyes"),
    "zypper": ("zypper", "--non-interactive", "install"),
    "pacman": ("pacman", "--sync", "--noconfirm"),
    "apk": ("apk", "add"),
    "brew": ("brew", "install"),
}
"""Package manager -> the command that installs, the first that is found is the platform's."""
PACKAGES: dict[str, dict[str, str]] = {
    "mosquitto": {},
    "chromium": {"brew": "--cask chromium"},
    "debootstrap": {"zypper": "", "apk": "debootstrap", "brew": ""},
    "kcat": {"pacman": "", "dnf": "", "zypper": ""},
    "mosquitto_sub": {
        "apt-get": "mosquitto-clients",
        "dnf": "mosquitto",
        "zypper": "mosquitto-clients",
        "pacman": "mosquitto",
        "apk": "mosquitto-clients",
        "brew": "mosquitto",
    },
    "psql": {
        "apt-get": "postgresql-client",
        "dnf": "postgresql",
        "zypper": "postgresql",
        "pacman": "postgresql-libs",
        "apk": "postgresql-client",
        "brew": "",
    },
}
"""Program -> its package where that is not called as the program is; empty where there is none."""
STDERR = 2
AS_USER = frozenset({"brew"})
"""Package managers that refuse to run as root."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A command that would mend a finding. ``writes`` says in words where; ``inside`` that it is the project's folder.

    ``possible`` is empty, or why it cannot be run from here.
    """

    command: tuple[str, ...]
    writes: str
    inside: bool = False
    possible: str = ""

    def __str__(self) -> str:
        return shlex.join(self.command)


def package(program: str, environ: Mapping[str, str] | None = None, *, root: bool | None = None) -> Offer | None:
    """The offer to install a program by the platform's package manager; None where it has no package or no manager."""
    path = (os.environ if environ is None else environ).get("PATH", os.defpath)
    root = os.geteuid() == 0 if root is None else root
    for manager, words in MANAGERS.items():
        if shutil.which(manager, path=path) is None:
            continue
        named = PACKAGES[program].get(manager, program)
        if not named:
            return None
        command = (*words, *named.split())
        if manager in AS_USER or root:
            return Offer(command, "this machine's packages")
        if shutil.which("sudo", path=path) is None:
            return Offer(command, "this machine's packages", possible="it needs root, and there is no sudo")
        return Offer(("sudo", *command), "this machine's packages, by sudo")
    return None


def node() -> Offer:
    """The offer to install Node into this environment from its lock."""
    words = ("-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "-r", str(PAGE_LOCK))
    inside = Path(sys.prefix).resolve().is_relative_to(ROOT)
    return Offer((sys.executable, *words), f"the environment {sys.prefix}", inside=inside)


def built_page() -> Offer:
    """The offer to build the page; npm keeps what it downloads in a cache of its own too."""
    return Offer((sys.executable, "-m", "compose.page"), "dashboards/page and the caches of npm and Vigil")


def asked(question: str) -> str:
    """A person's answer; none where they end the input instead."""
    try:
        return input(question)
    except EOFError:
        return ""


def carry_out(
    offers: Sequence[tuple[str, Offer]],
    *,
    yes: bool,
    say: Callable[[str], None],
    ask: Callable[[str], str] | None,
    run: Callable[[Sequence[str]], int] | None = None,
) -> int:
    """Offer each (name, offer) in turn and run what is agreed to; the number of those that were run well.

    ``ask`` is None where nobody can be asked: then nothing is run but with ``yes``.
    """
    run = run or _run
    done = 0
    for name, offer in offers:
        say(f"{name}: {offer}")
        if offer.possible:
            say(f"  not from here: {offer.possible}; run it yourself")
            continue
        if not _agreed(offer, yes=yes, say=say, ask=ask):
            continue
        code = run(offer.command)
        done += code == 0
        say(f"  {'done' if code == 0 else f'failed with exit code {code}'}")
    return done


def _agreed(offer: Offer, *, yes: bool, say: Callable[[str], None], ask: Callable[[str], str] | None) -> bool:
    where = "the project's folder" if offer.inside else "OUTSIDE the project's folder"
    if yes:
        say(f"  running it (--yes); it writes to {offer.writes}, {where}")
        return True
    if ask is None:
        say("  nobody to ask here: run it yourself, or use --yes")
        return False
    answer = ask(f"  it writes to {offer.writes}, {where}; run it? [y/N] ")
    return answer.strip().lower() in {"y", "yes"}


def _run(command: Sequence[str]) -> int:
    """Run a command on this terminal, what it says beside our own output; its exit code."""
    try:
        return subprocess.run(command, check=False, stdout=STDERR).returncode
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127
