"""What ``vigil doctor`` offers, when it asks, and when it runs nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from compose import cli, doctor, offers
from compose.doctor import Finding
from compose.offers import Offer, carry_out, package
from compose.servers import tools

RUNNER = CliRunner()


def machine(folder: Path, *programs: str) -> dict[str, str]:
    """An environment whose PATH holds these programs only."""
    for program in programs:
        (folder / program).write_text("#!/bin/sh\n")
        (folder / program).chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("manager", "program", "command"),
    [
        ("apt-get", "mosquitto", "apt-get install --yes --no-install-recommends mosquitto"),
        ("dnf", "chromium", "dnf install --assumeyes chromium"),
        ("pacman", "mosquitto", "pacman --sync --noconfirm mosquitto"),
        ("brew", "chromium", "brew install --cask chromium"),
        ("apk", "debootstrap", "apk add debootstrap"),
    ],
)
def test_the_platforms_own_package_manager_is_offered(tmp_path: Path, manager: str, program: str, command: str) -> None:
    """A command that does not exist there helps nobody."""
    assert str(package(program, machine(tmp_path, manager), root=True)) == command


def test_what_needs_root_is_run_by_sudo_or_left_to_the_person(tmp_path: Path) -> None:
    """It would fail halfway; and how one becomes root here is theirs to know."""
    bare = package("mosquitto", machine(tmp_path, "apt-get"), root=False)
    assert bare is not None
    assert bare.possible == "it needs root, and there is no sudo"
    assert str(package("mosquitto", machine(tmp_path, "sudo"), root=False)).startswith("sudo apt-get install")


def test_brew_is_never_run_as_another_user(tmp_path: Path) -> None:
    """It refuses to."""
    offer = package("mosquitto", machine(tmp_path, "brew", "sudo"), root=False)
    assert str(offer) == "brew install mosquitto"


def test_a_platform_without_a_known_manager_or_package_gets_no_offer(tmp_path: Path) -> None:
    """The remedy in words is still there."""
    assert package("mosquitto", machine(tmp_path), root=True) is None
    assert package("debootstrap", machine(tmp_path, "brew"), root=True) is None


class Told:
    """What was said, asked and run."""

    def __init__(self, answer: str = "", code: int = 0) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.ran: list[str] = []
        self._answer = answer
        self._code = code

    def ask(self, question: str) -> str:
        self.asked.append(question)
        return self._answer

    def run(self, command: Sequence[str]) -> int:
        self.ran.append(" ".join(command))
        return self._code


OUTSIDE = ("mqtt", Offer(("apt-get", "install", "mosquitto"), "this machine's packages"))
INSIDE = ("page", Offer(("npm", "ci"), "dashboards/page", inside=True))


@pytest.mark.parametrize(("answer", "ran"), [("y", 1), ("YES ", 1), ("n", 0), ("", 0), ("yikes", 0)])
def test_nothing_is_run_but_by_a_yes(answer: str, ran: int) -> None:
    """Enter, pressed too early, must not install anything."""
    told = Told(answer)
    assert carry_out([OUTSIDE], yes=False, say=told.said.append, ask=told.ask, run=told.run) == ran
    assert len(told.ran) == ran
    assert told.said[0] == "mqtt: apt-get install mosquitto"
    assert "this machine's packages, OUTSIDE the project's folder" in told.asked[0]


def test_the_end_of_the_input_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-D is how one leaves, and no traceback's business."""

    def ended(_question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", ended)
    told = Told()
    assert carry_out([OUTSIDE], yes=False, say=told.said.append, ask=offers.asked, run=told.run) == 0
    assert told.ran == []


def test_where_it_writes_is_said_before_it_is_asked() -> None:
    """Inside the project's folder is another matter than the whole machine."""
    told = Told("n")
    carry_out([INSIDE], yes=False, say=told.said.append, ask=told.ask, run=told.run)
    assert told.asked == ["  it writes to dashboards/page, the project's folder; run it? [y/N] "]


def test_without_a_terminal_nothing_is_installed() -> None:
    """A pipe cannot say no."""
    told = Told()
    assert carry_out([OUTSIDE, INSIDE], yes=False, say=told.said.append, ask=None, run=told.run) == 0
    assert told.ran == []
    assert "  nobody to ask here: run it yourself, or use --yes" in told.said


def test_with_yes_everything_is_run_and_a_failure_is_told() -> None:
    """A script that prepares a machine has nobody who answers."""
    told = Told(code=100)
    assert carry_out([OUTSIDE, INSIDE], yes=True, say=told.said.append, ask=None, run=told.run) == 0
    assert told.ran == ["apt-get install mosquitto", "npm ci"]
    assert "  failed with exit code 100" in told.said


def test_what_cannot_be_run_from_here_is_shown_only() -> None:
    """The person may have another way to become root."""
    told = Told("y")
    offer = Offer(("apt-get", "install", "x"), "this machine's packages", possible="it needs root")
    assert carry_out([("x", offer)], yes=True, say=told.said.append, ask=told.ask, run=told.run) == 0
    assert told.ran == []


def test_a_command_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Not a traceback, in a tool that is used when something is missing."""
    offer = Offer(("/no/such/program",), "nowhere")
    assert carry_out([("x", offer)], yes=True, say=lambda _: None, ask=None) == 0
    assert capsys.readouterr().err == "/no/such/program: No such file or directory\n"


@pytest.fixture
def sick(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """A machine on which a broker is missing; what is run is collected instead."""
    ran: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> int:
        ran.append(command)
        return 0

    found = [Finding("mqtt", "missing", "no broker", "install mosquitto", OUTSIDE[1]), Finding("java", "ok", "25")]
    monkeypatch.setattr(doctor, "examine", lambda _root: found)
    monkeypatch.setattr(offers, "_run", run)
    return ran


def test_the_doctor_says_what_is_missing_and_the_command_that_mends_it(sick: list[Sequence[str]]) -> None:
    """And touches nothing: here is no terminal."""
    result = RUNNER.invoke(cli.app, ["doctor"])
    assert result.exit_code == 1
    assert "missing mqtt" in result.stdout
    assert "mqtt: apt-get install mosquitto" in result.stdout
    assert sick == []


def test_the_doctor_as_json_is_one_document_and_asks_nothing(sick: list[Sequence[str]]) -> None:
    """A program reads it."""
    result = RUNNER.invoke(cli.app, ["doctor", "--json"])
    first = json.loads(result.stdout)[0]
    assert first["offer"] == {
        "command": ["apt-get", "install", "mosquitto"],
        "writes": "this machine's packages",
        "inside_project": False,
        "possible": True,
    }
    assert json.loads(result.stdout)[1]["offer"] is None
    assert sick == []


def test_the_doctor_with_yes_runs_what_it_offers(sick: list[Sequence[str]]) -> None:
    """For a machine that nobody sits at; what it runs is still printed first, beside the JSON."""
    result = RUNNER.invoke(cli.app, ["doctor", "--yes", "--json"])
    assert sick == [("apt-get", "install", "mosquitto")]
    assert isinstance(json.loads(result.stdout), list)
    assert "apt-get install mosquitto" in result.stderr


@pytest.mark.parametrize(
    ("program", "command"),
    [("psql", "postgresql-client"), ("mosquitto_sub", "mosquitto-clients"), ("kcat", "kcat")],
)
def test_a_program_that_one_command_needs_is_looked_for_and_said_for_what(
    program: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A benchmark that leaves out its yardstick says so after minutes; and nothing of Vigil is missing without it."""
    monkeypatch.setenv("PATH", machine(tmp_path, "apt-get")["PATH"])
    monkeypatch.setenv("VIGIL_CACHE", str(tmp_path / "none"))
    found = {each.name: each for each in doctor.examine(tmp_path)}[program]
    assert (found.state, found.found) == ("note", "not installed")
    assert found.remedy.startswith("make bench compares")
    assert str(found.offer).split()[-1] == command
    machine(tmp_path, program)
    assert {each.name: each for each in doctor.examine(tmp_path)}[program].state == "ok"


@pytest.mark.parametrize("program", tools.PACKAGES)
def test_what_the_tests_check_files_with_is_looked_for_in_the_cache_too(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its package would start a server of its own on this machine, so nobody is offered it."""
    monkeypatch.setenv("PATH", machine(tmp_path, "apt-get", "dpkg-deb")["PATH"])
    monkeypatch.setenv("VIGIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    found = {each.name: each for each in doctor.examine(tmp_path)}[program]
    assert (found.state, found.offer) == ("note", None)
    assert f"Debian's package {tools.PACKAGES[program]}" in found.remedy
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "apt needs root" in tools.unavailable(program, tmp_path / "cache")
    kept = tmp_path / "cache" / tools.PACKAGES[program]
    kept.mkdir(parents=True)
    (kept / program).write_text("")
    assert tools.unavailable(program, tmp_path / "cache") == ""
    assert {each.name: each for each in doctor.examine(tmp_path)}[program].found == str(kept / program)


def test_this_very_machine_can_be_examined(tmp_path: Path) -> None:
    """Each check answers here, whatever is installed; a check that fails would hide all others."""
    findings = doctor.examine(tmp_path)
    assert {"python", "java", "kafka", "mqtt", "database", "page", "browser", "disk"} <= {
        each.name for each in findings
    }
    assert all(finding.remedy for finding in findings if finding.state != "ok")
    assert all(finding.offer is None for finding in findings if finding.state == "ok")
    json.dumps([finding.as_dict() for finding in findings])


def test_node_is_offered_by_its_lock() -> None:
    """Into this environment, with hashes; nothing of the machine is touched."""
    offer = offers.node()
    assert "--require-hashes" in offer.command
    assert Path(offer.command[-1]).is_file()
