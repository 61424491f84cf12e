"""Settings come from the environment (``VIGIL_*``), once, at the start of a process.

Every service has a subclass of `Settings` in its own ``settings.py``; `load` is how it is read.
Secrets are ``SecretStr``: they print as asterisks, and no error message repeats a value.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from vitals.errors import SettingsError

PREFIX = "VIGIL_"


class Settings(BaseSettings):
    """What every service shares. Frozen; the environment variable of a field is ``VIGIL_`` and its name."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    namespace: str = Field(default="", pattern=r"^([a-z0-9][a-z0-9-]{0,40})?$")
    """Prefix of Kafka topics, groups, client ids and MQTT topics; several Vigils can share servers."""
    kafka: str = Field(default="127.0.0.1:9092", min_length=3)
    """Kafka's bootstrap servers, ``host:port`` with commas between."""
    mqtt: str = Field(default="127.0.0.1:1883", pattern=r"^.+:\d{1,5}$")
    """The MQTT broker, ``host:port``."""
    mqtt_username: SecretStr | None = None
    mqtt_password: SecretStr | None = None
    database_url: SecretStr = SecretStr("postgresql://127.0.0.1:5432/vigil")
    """PostgreSQL, with or without TimescaleDB."""
    partitions: int = Field(default=4, ge=1, le=256)
    """Partitions of every patient topic; fixed when the topics are created."""
    clock: Literal["real", "simulated"] = "real"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    instance: str = Field(default="0", pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")
    """Name of this process among its like: member of the consumer group, part of the MQTT client id."""
    health_host: str = "127.0.0.1"
    """Address of ``/healthz``, ``/readyz`` and ``/metrics``; they ask nobody who they are."""
    health_port: int = Field(default=0, ge=0, le=65535)
    """Port of ``/healthz``, ``/readyz`` and ``/metrics``; 0 is off."""
    replication: int = Field(default=1, ge=1, le=9)
    """Copies of every topic on different brokers; used when ``vigil migrate`` creates it."""
    snapshot_seconds: float = Field(default=30.0, gt=0, le=86_400)
    """How often processor, manager and registry write the state of a partition whose log went on."""


S = TypeVar("S", bound=Settings)


class _Secrets(BaseSettings):
    """``VIGIL_SECRETS_DIR``: a folder whose files are settings, each named as its variable in small letters."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    secrets_dir: Path | None = None


def load(cls: type[S], **overrides: Any) -> S:
    """Read the settings of one service from the environment and the folder of secrets; ``overrides`` win.

    Raises:
        SettingsError: one line that names each variable and what is wrong with it, never its value.
    """
    folder = _Secrets().secrets_dir
    if folder is not None and not folder.is_dir():
        raise SettingsError("no such folder of secrets", str(folder), f"set {PREFIX}SECRETS_DIR, or unset it")
    try:
        return cls(_secrets_dir=folder, **overrides)
    except ValidationError as error:
        faults = "; ".join(_fault(item["loc"], item["msg"]) for item in error.errors(include_input=False))
        raise SettingsError("bad setting", faults, "set the environment variable") from None


def _fault(location: tuple[int | str, ...], message: str) -> str:
    name = PREFIX + "_".join(str(part) for part in location).upper()
    return f"{name}: {message}"
