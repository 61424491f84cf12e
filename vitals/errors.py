"""One error tree.

VigilError
├── SettingsError          a setting is missing or wrong
├── InputError             something a person or a device gave cannot be used
├── CodecError             bytes of our own formats that cannot be read
├── ServerError            a server we depend on
│   ├── ServerUnavailable  cannot be reached
│   ├── ServerStalled      reached, but makes no progress in time
│   └── ServerMissing      is not installed and cannot be
├── StateError             a log, a folder or a database that is not what this process needs
└── ProtocolError          a peer that does not speak as agreed

Constructors take data; ``__str__`` writes one line: what happened, to what, and what to do. What a terminal would not
show, a line's end or an escape that somebody gave, is written as in a string of Python.
"""

from __future__ import annotations

from unicodedata import category

_JOINERS = "\u200c\u200d"


class VigilError(Exception):
    """Base of every error that Vigil raises on purpose; its text is one line for a person."""

    def __init__(self, what: str, subject: str = "", remedy: str = "") -> None:
        super().__init__(what, subject, remedy)
        self.what = what
        self.subject = subject
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.what}: {self.subject}" if self.subject else self.what
        return shown(f"{text} ({self.remedy})" if self.remedy else text)


def shown(text: str) -> str:
    """A text as one line that can be printed, whoever wrote it."""
    return "".join(each if _printable(each) else each.encode("unicode_escape").decode() for each in text)


def _printable(character: str) -> bool:
    """Spaces of any width, and the joiners without which some scripts cannot be written, move nothing else."""
    return character.isprintable() or character in _JOINERS or category(character) == "Zs"


class SettingsError(VigilError):
    """A setting is missing, malformed or contradicts another."""


class InputError(VigilError):
    """A person, a file or a device gave something that cannot be used."""


class CodecError(VigilError):
    """Bytes in one of Vigil's own formats cannot be read."""


class ServerError(VigilError):
    """A server that Vigil depends on failed."""


class ServerUnavailable(ServerError):
    """A server cannot be reached."""


class ServerStalled(ServerError):
    """A server was reached but made no progress within its deadline."""


class ServerMissing(ServerError):
    """A server's program is not installed and cannot be."""


class StateError(VigilError):
    """A log, folder or database is not what this process needs."""


class ProtocolError(VigilError):
    """A peer does not speak as agreed."""
