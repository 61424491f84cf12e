"""Settings of the manager, the gateway and the prover, and the people behind the tokens."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, TypeAdapter, ValidationError

from runtime.settings import Settings
from vitals.errors import SettingsError
from vitals.people import Principal

_PRINCIPALS: TypeAdapter[tuple[Principal, ...]] = TypeAdapter(tuple[Principal, ...])


class ManageSettings(Settings):
    """The manager's own settings."""

    manager_quiet_seconds: float = Field(default=2.0, gt=0, le=60)
    """Real time without a mark after which the manager moves time itself, if a timer is due."""
    keep_journal_days: float = Field(default=0.0, ge=0, le=36_500)
    """The journal of so many days stays, and whatever the snapshots do not reach; 0 keeps everything."""


class GatewaySettings(Settings):
    """The gateway's own settings."""

    feed_host: str = "127.0.0.1"
    """Address on which the feed is served; TLS belongs to the proxy before it."""
    feed_port: int = Field(default=8787, ge=0, le=65535)
    """Port of the feed; 0 takes a free one and logs it."""
    tokens_file: Path = Path(".vigil/tokens.json")
    """JSON list of principals: name, role, sites (null: all), token_sha256."""
    feed_origins: str = ""
    """Browser origins that may open the feed, commas between; clients that send none always may."""
    feed_clients_max: int = Field(default=1000, ge=1)
    """Open connections; one more is told to try later."""
    history_changes_max: int = Field(default=100_000, ge=0)
    """Changes kept for clients that come back, about 1 KiB each; an older cursor gets a snapshot."""
    stalled_seconds: float = Field(default=10.0, gt=0)
    """Age of the data from which heartbeats say ``stalled``."""

    @property
    def origins(self) -> list[str | None]:
        """Origins as the websocket server wants them."""
        return [None, *(origin.strip() for origin in self.feed_origins.split(",") if origin.strip())]


class ProveSettings(Settings):
    """The prover's own settings."""

    feed_url: str = Field(default="ws://127.0.0.1:8787/feed", min_length=6)
    """The feed, as the prover reaches it."""
    prover_token: SecretStr = SecretStr("")
    """Token with which the prover reads heartbeats: a principal of role ``ops`` who sees every site."""


def load_principals(path: Path) -> tuple[Principal, ...]:
    """The people of a tokens file.

    Raises:
        SettingsError: the file is missing, is no JSON list of principals, or holds a token's digest twice.
    """
    try:
        principals = _PRINCIPALS.validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError("tokens cannot be read", f"{path}: {error.strerror}", "set VIGIL_TOKENS_FILE") from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsError("tokens file is wrong", f"{path}: {where}: {first['msg']}", "see docs/feed.md") from None
    if len({principal.token_sha256 for principal in principals}) < len(principals):
        raise SettingsError("tokens file is wrong", f"{path}: a token stands there twice", "give each its own")
    return principals
