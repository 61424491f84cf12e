"""Settings: from the environment, frozen, secret, and clear when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from runtime.settings import Settings, load
from vitals.errors import SettingsError


class Special(Settings):
    """A service's own settings."""

    queue_messages_max: int = 10


def test_the_environment_is_read_when_it_is_asked_not_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting read at import cannot be tested and surprises who imports."""
    monkeypatch.setenv("VIGIL_PARTITIONS", "8")
    monkeypatch.setenv("VIGIL_QUEUE_MESSAGES_MAX", "5")
    assert (load(Special).partitions, load(Special).queue_messages_max) == (8, 5)
    monkeypatch.setenv("VIGIL_PARTITIONS", "16")
    assert load(Special).partitions == 16
    assert load(Special, partitions=2).partitions == 2


def test_settings_do_not_change_while_a_process_runs() -> None:
    """Two parts of one process must not see two truths."""
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.partitions = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARTITIONS", "many"),
        ("PARTITIONS", "0"),
        ("CLOCK", "stopped"),
        ("MQTT", "nowhere"),
        ("NAMESPACE", "With Space"),
        ("INSTANCE", ""),
        ("HEALTH_PORT", "70000"),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Whoever typed it must find it without reading code."""
    monkeypatch.setenv(f"VIGIL_{name}", value)
    with pytest.raises(SettingsError, match=f"VIGIL_{name}") as caught:
        load(Settings)
    assert "\n" not in str(caught.value)


def test_secrets_print_as_asterisks_and_stay_out_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs and tracebacks are read by many."""
    settings = Settings(database_url=SecretStr("postgresql://u:hunter2@h/d"), mqtt_password=SecretStr("hunter2"))
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()
    monkeypatch.setenv("VIGIL_MQTT_PASSWORD", "hunter2")
    monkeypatch.setenv("VIGIL_PARTITIONS", "hunter2")
    with pytest.raises(SettingsError) as caught:
        load(Settings)
    assert "hunter2" not in str(caught.value)


def test_a_secret_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever may list processes or look into a container's settings reads every environment variable."""
    (tmp_path / "vigil_mqtt_password").write_text("hunter2\n")
    monkeypatch.setenv("VIGIL_SECRETS_DIR", str(tmp_path))
    found = load(Settings).mqtt_password
    assert found is not None
    assert found.get_secret_value() == "hunter2"
    monkeypatch.setenv("VIGIL_MQTT_PASSWORD", "other")
    found = load(Settings).mqtt_password
    assert found is not None
    assert found.get_secret_value() == "other"


def test_a_folder_of_secrets_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A service that went on without its password would be refused by the server, far from the cause."""
    monkeypatch.setenv("VIGIL_SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match=r"no such folder of secrets: .*nowhere"):
        load(Settings)
