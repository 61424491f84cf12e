"""Proof of life: what a gateway tells of each site's synthetic alarm, and how the prover judges it; pure.

A gateway notes when a synthetic alarm came through and how long it took from its reading on. The prover adds the two:
a chain that delivers every alarm five minutes late has proved nothing about the last five minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from vitals.protocol import Proof

SITES_MAX = 100
"""Sites whose alarm is proved, by number; the prover says it of further ones that they are not. Each costs the feed two
records every 10 s, which a starting gateway reads for 25 h back: 18,000 a site, under a second."""


class Proofs:
    """The last proof of each site, as a gateway has read them: (when µs UTC, how long it took in ms)."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, int]] = {}

    def note(self, site: int, at: int, now_us: int) -> None:
        """An alarm whose reading was observed at ``at`` came through now."""
        self._last[site] = (now_us, max(0, now_us - at) // 1000)

    def report(self, sites: Iterable[int], now_us: int, sees: Callable[[int], bool]) -> tuple[Proof, ...]:
        """The proofs of the sites that have a prover and that somebody may see."""
        return tuple(self._proof(site, now_us) for site in sorted(sites)[:SITES_MAX] if sees(site))

    def _proof(self, site: int, now_us: int) -> Proof:
        if site not in self._last:
            return Proof(site=site, proved_at=None, age_ms=None, took_ms=None)
        proved_at, took_ms = self._last[site]
        return Proof(site=site, proved_at=proved_at, age_ms=max(0, now_us - proved_at) // 1000, took_ms=took_ms)


class Turn(NamedTuple):
    """A site's proof has failed, or is back (``ok``); ``age_s`` is how old it was by then."""

    site: str
    ok: bool
    age_s: float


class Judge:
    """How old the proof of each site is, by a monotonic clock (s): it grows also while nobody tells anything.

    A proof older than ``failed_s`` has failed.
    """

    def __init__(self, failed_s: float) -> None:
        self._failed_s = failed_s
        self._proved: dict[str, float] = {}
        self._heard: set[str] = set()
        self._failed: set[str] = set()

    @property
    def sites(self) -> list[str]:
        """The sites that are watched."""
        return sorted(self._proved)

    def watch(self, site: str, now: float) -> None:
        """Expect proofs of a site from now on."""
        self._proved.setdefault(site, now)

    def forget(self, site: str) -> None:
        """Expect nothing of a site any more."""
        self._proved.pop(site, None)
        self._heard.discard(site)
        self._failed.discard(site)

    def hear(self, site: str, proof: Proof, now: float) -> None:
        """Take what a heartbeat says of a site; an older proof than the known one changes nothing."""
        if site not in self._proved or proof.age_ms is None or proof.took_ms is None:
            return
        self._heard.add(site)
        self._proved[site] = max(self._proved[site], now - (proof.age_ms + proof.took_ms) / 1000)

    def age(self, site: str, now: float) -> float:
        """Seconds since the reading behind the last proof; before the first one, since `watch`."""
        return max(0.0, now - self._proved[site])

    def verdict(self, site: str, now: float) -> tuple[bool, str]:
        """Whether a site's alarm is proved, and why not."""
        age = self.age(site, now)
        if age > self._failed_s:
            return False, f"site {site}: no alarm has come through for {age:.0f} s"
        return site in self._heard, "" if site in self._heard else f"site {site}: waiting for the first proof"

    def turns(self, now: float) -> list[Turn]:
        """The sites that failed or came back since the last call."""
        turned = []
        for site in self.sites:
            age = self.age(site, now)
            if (age > self._failed_s) != (site in self._failed):
                self._failed ^= {site}
                turned.append(Turn(site, site not in self._failed, age))
        return turned
