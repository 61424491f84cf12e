"""PostgreSQL with TimescaleDB for the tests, in a Debian of its own: a chroot in the cache.

``debootstrap`` makes it, which needs root. The packages come from the mirror that this machine itself uses,
read from its own configuration.
Everything that the install starts lives in a process and mount namespace that ends with it, so an
interrupted one leaves neither a process nor a mount, only a folder with a temporary name.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from compose.process import Jail, ProcessSpec, run_to_end
from compose.servers import cache as caches
from compose.servers.postgres import Install
from vitals.errors import ServerMissing

SUITE = "trixie"
MAJOR = 17
TESTED = "2.19.3"
"""The TimescaleDB of that suite, its Apache edition; compose.yaml has the same."""
NAME = f"timescale-{SUITE}-{MAJOR}"
DOWNLOAD = "115 MB"
DATA_SEEN = "/srv/data"
PROGRAMS = Path(f"/usr/lib/postgresql/{MAJOR}/bin")
APT = Path("/etc/apt")
INSTALL_STOP_SECONDS = 1.0

# in the new root: no server is started, no cluster made, no documentation kept
INNER = f"""\
set -eu
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
mkdir -p /etc/postgresql-common {DATA_SEEN}
echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
apt-get -q update
apt-get -q install -y --no-install-recommends postgresql-{MAJOR} postgresql-{MAJOR}-timescaledb
apt-get clean
rm -rf /var/lib/apt/lists/*
"""


def unavailable(cache: Path) -> str:
    """Return why TimescaleDB can neither be installed nor run here, or '' when it can."""
    if os.geteuid() != 0:
        return "a chroot needs root; set VIGIL_TEST_TIMESCALE to the URL of a server instead"
    if (cache / NAME).is_dir():
        return ""
    if not APT.is_dir():
        return "this machine has no apt; set VIGIL_TEST_TIMESCALE to the URL of a server instead"
    if not mirror():
        return "apt's configuration names no Debian mirror; set VIGIL_TEST_TIMESCALE to the URL of a server instead"
    return ""


def mirror(apt: Path = APT) -> str:
    """Return the address of the Debian archive that apt uses (not its security archive), or ''."""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix in (".list", ".sources") and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            for address, components in _stanzas(text) if file.suffix == ".sources" else _lines(text):
                if "main" in components and "debian" in address and "security" not in address:
                    return address
    return ""


def _lines(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (address, components) of ``deb [options] address suite component...`` lines."""
    for line in text.splitlines():
        words = line.split("#", 1)[0].replace("]", "] ").split()
        if words[:1] == ["deb"]:
            while len(words) > 1 and not words[1].startswith(("http", "mirror", "file", "ftp")):
                del words[1]
            if len(words) > 3:
                yield words[1], words[3:]


def _stanzas(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (address, components) of deb822 stanzas."""
    for stanza in text.split("\n\n"):
        lines = (line.partition(":") for line in stanza.splitlines() if line[:1] not in {"#", " "})
        fields = {key.strip().lower(): value.split() for key, colon, value in lines if colon}
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
            for address in fields.get("uris", []):
                yield address, fields.get("components", [])


async def install(cache: Path, progress: Callable[[str], None]) -> Install:
    """Return the cached install, making it first (about 40 s); ServerMissing or ProcessExited when that fails."""

    async def build(part: Path) -> None:
        reason = unavailable(cache)
        if reason:
            raise ServerMissing("TimescaleDB cannot be installed", reason)
        await apt_install("debootstrap", "debootstrap", cache, progress)
        progress(f"timescale: installing PostgreSQL {MAJOR} with TimescaleDB, about {DOWNLOAD}, once")
        log = cache / f"{NAME}.log"
        await run_to_end(
            ProcessSpec("install of TimescaleDB", _contained(_script(part)), log, stop_seconds=INSTALL_STOP_SECONDS)
        )

    root = await caches.ensure(cache, NAME, build, progress)
    return Install(PROGRAMS, timescale=True, source=f"TimescaleDB in {root}", data_seen=DATA_SEEN, jail=Jail(root=root))


def entered(found: Install, data: Path) -> Install:
    """Return the install with the jail that shows ``data`` inside its root, as its own user postgres."""
    root = found.jail.root or Path("/")
    data.mkdir(parents=True, exist_ok=True)
    jail = Jail(
        user=_user(root), root=root, binds=(("/dev", "/dev"), ("proc", "/proc"), (str(data.resolve()), DATA_SEEN))
    )
    return Install(found.programs, found.timescale, found.source, jail, DATA_SEEN)


def _user(root: Path) -> tuple[int, int]:
    for line in (root / "etc" / "passwd").read_text(encoding="utf-8").splitlines():
        fields = line.split(":")
        if fields[0] == "postgres":
            return int(fields[2]), int(fields[3])
    raise ServerMissing("TimescaleDB's root has no user postgres", str(root), "remove the folder")


async def apt_install(package: str, program: str, cache: Path, progress: Callable[[str], None]) -> None:
    """Install a Debian package when its program is missing; root only, announced.

    apt is given time to finish when it is stopped: half a package would be worse than a process that ends late.
    """
    if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ServerMissing(f"{program} is not installed", "", f"apt-get install {package}")
    progress(f"apt: installing {package} on this machine")
    script = f"apt-get -q update && apt-get -q install -y --no-install-recommends {package}"
    argv = ("sh", "-c", f"export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; {script}")
    log = cache / f"apt-{package}.log"
    async with caches.locked(cache / "apt.lock", lambda: progress("apt: waiting for another install")):
        await run_to_end(ProcessSpec(f"install of {package}", argv, log, stop_seconds=30.0))


def _contained(script: str) -> tuple[str, ...]:
    """Return a command that runs a script in namespaces that end, with all in them, when it does."""
    return ("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "sh", "-euc", script)


def _script(root: Path) -> str:
    """Return the shell script that fills ``root``: a minimal Debian, apt's own configuration, then the packages."""
    where = shlex.quote(str(root))
    settings = ["/etc/apt/apt.conf", "/etc/apt/auth.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/resolv.conf"]
    settings += [str(path) for path in sorted((APT / "auth.conf.d").glob("*"))]
    settings += [str(path) for path in sorted((APT / "apt.conf.d").glob("*")) if _is_about_fetching(path)]
    present = " ".join(shlex.quote(path) for path in settings if Path(path).is_file())
    return f"""\
debootstrap --variant=minbase {SUITE} {where} {shlex.quote(mirror())}
for file in {present}; do
    mkdir -p {where}"$(dirname "$file")"
    cp -L "$file" {where}"$file"
done
cp -L /etc/hosts {where}/etc/hosts
mkdir -p {where}/proc {where}/dev
mount --rbind /dev {where}/dev
mountpoint -q {where}/proc || mount -t proc proc {where}/proc
chroot {where} /bin/sh -c {shlex.quote(INNER)}
"""


def _is_about_fetching(path: Path) -> bool:
    """Say whether a file of apt.conf.d configures how packages are fetched (proxy, certificates, dates)."""
    return path.is_file() and "Acquire" in path.read_text(encoding="utf-8", errors="replace")
