"""Become another program that dies with its parent; run as ``python -I -S shim.py JSON -- ARGV``.

A parent-death signal cannot be asked for from outside, and a hook between fork and exec is unsafe in a parent
with threads; so this small program does it in a process of its own and then becomes the server.
It may first enter a mount namespace (mounts vanish with the last process), a chroot, and another user.
It imports nothing beside the standard library. The JSON object holds:

``parent``  pid that must still be alive; ``signal``  sent when it dies; ``user``  [uid, gid] or null;
``read``    keep the right to pass folders closed to that user; ``root``  chroot or null;
``binds``   [[source, folder below root], ...], with source "proc" for a new /proc;
``nice``    what is added to its niceness.
"""

import contextlib
import ctypes
import json
import os
import sys

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 28, 1 << 2
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """Call a libc function and raise OSError with its name when it fails."""
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def die_with(parent: int, signal: int) -> None:
    """Ask for ``signal`` at the parent's death, and leave if it has died before we asked."""
    call("prctl", PR_SET_PDEATHSIG, ctypes.c_ulong(signal), 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


def stand_back(nice: int) -> None:
    """Become so much nicer. Where Linux shares the CPU among sessions first, the session has a niceness of its own."""
    os.nice(nice)
    if nice:
        with contextlib.suppress(OSError):
            session = os.open("/proc/self/autogroup", os.O_WRONLY)
            os.write(session, str(nice).encode())
            os.close(session)


def mount(binds: list[list[str]], root: str) -> None:
    """Enter a private mount namespace and make the bind mounts there."""
    call("unshare", CLONE_NEWNS)
    call("mount", b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
    for source, folder in binds:
        target = os.fsencode(root + folder)
        if source == "proc":
            call("mount", b"proc", target, b"proc", ctypes.c_ulong(0), None)
        else:
            call("mount", os.fsencode(source), target, None, ctypes.c_ulong(MS_BIND | MS_REC), None)


def keep_search() -> None:
    """Keep, as an ambient capability, the right to pass folders that others may not enter."""
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        bit = 1 << capability
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
        with contextlib.suppress(OSError):
            call("capset", header, data)
            call("prctl", PR_CAP_AMBIENT, ctypes.c_ulong(PR_CAP_AMBIENT_RAISE), ctypes.c_ulong(capability), 0, 0)
            return


def become(user: list[int], keep: bool) -> None:
    """Change to uid and gid, optionally with the one capability of :func:`keep_search`."""
    if keep:
        # without this bit access(2) would ignore the capability, and initdb and postgres look for themselves by it
        call("prctl", PR_SET_SECUREBITS, ctypes.c_ulong(SECBIT_NO_SETUID_FIXUP), 0, 0, 0)
        call("prctl", PR_SET_KEEPCAPS, ctypes.c_ulong(1), 0, 0, 0)
    os.setgroups([])
    os.setresgid(user[1], user[1], user[1])
    os.setresuid(user[0], user[0], user[0])
    if keep:
        keep_search()


def main() -> None:
    """Do what the JSON in the first argument asks and become the rest of the arguments."""
    wish = json.loads(sys.argv[1])
    argv = sys.argv[3:]
    die_with(wish["parent"], wish["signal"])
    try:
        stand_back(wish["nice"])
        if wish["binds"]:
            mount(wish["binds"], wish["root"] or "")
        if wish["root"]:
            os.chroot(wish["root"])
            os.chdir("/")
        if wish["user"]:
            become(wish["user"], wish["read"])
            # changing the user has cleared the signal
            die_with(wish["parent"], wish["signal"])
        os.execvp(argv[0], argv)  # noqa: S606 - becoming the program is the point
    except OSError as error:
        sys.stderr.write(f"{argv[0]} cannot be started: {error}\n")
        raise SystemExit(126) from None


if __name__ == "__main__":
    main()
