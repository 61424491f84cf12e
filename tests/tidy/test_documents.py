"""The documentation is a tested product: its links, settings, topics, commands and metrics are real."""

from __future__ import annotations

import importlib
import re

from pydantic import SecretStr

from compose import testbed
from runtime.settings import Settings
from tests.metrics import registered
from tests.tidy import allowed
from tests.tidy.tree import PACKAGES, ROOT, documents, files, prose_and_code, read, report, sources
from vitals.topics import TOPICS

SETTING = re.compile(r"\bVIGIL_[A-Z0-9_]*[A-Z0-9]\b")
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
METRIC = re.compile(r"`(vigil_[a-z0-9_]+)(?:\{[^`]*\})?`")
COMMAND = re.compile(r"(?:^|[`$ (])vigil ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as the usual hosts of Markdown make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", prose_and_code(text)[0], re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 1
        unique = slug
        while unique in found:
            unique, number = f"{slug}-{number}", number + 1
        found.add(unique)
    return found


def test_every_relative_link_leads_somewhere():
    """A dead link in the documentation is a promise that the next reader finds broken."""
    found = []
    for page in documents():
        for target in LINK.findall(prose_and_code(read(page))[0]):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            place = (ROOT / page).parent.joinpath(path).resolve() if path else ROOT / page
            if not place.exists():
                found.append(f"{page}: {target}")
            elif anchor and place.suffix == ".md" and anchor not in anchors(place.read_text(encoding="utf-8")):
                found.append(f"{page}: {target} (no such heading)")
    report(found, "relative links and anchors resolve")


def settings_defaults() -> dict[str, object]:
    """The environment variable of every field of every settings class, with its default."""
    found: dict[str, object] = {}
    for source in sources(*PACKAGES):
        if not source.path.endswith("settings.py"):
            continue
        module = importlib.import_module(source.path.removesuffix(".py").replace("/", "."))
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Settings):
                prefix = value.model_config.get("env_prefix", "")
                found |= {f"{prefix}{name}".upper(): field.default for name, field in value.model_fields.items()}
    return found


def test_every_setting_is_documented_and_every_documented_setting_exists():
    """A setting that nobody can find is a constant; one that does not exist is a trap."""
    fields = set(settings_defaults())
    named = {name for source in sources(*PACKAGES) for name in SETTING.findall(source.text)} - {"VIGIL_TEST"}
    named |= {name for name in SETTING.findall(read("tests/conftest.py")) if name != "VIGIL_TEST"}
    built = {f"VIGIL_TEST_{name.upper()}" for name in testbed.NAMES}
    documented = set(SETTING.findall(read("docs/settings.md")))
    report([f"{name}: not in docs/settings.md" for name in (fields | named | built) - documented], "all documented")
    report([f"{name}: read by nothing" for name in documented - fields - named - built], "documented settings exist")
    elsewhere = [f"{page}: {name}" for page in documents() for name in set(SETTING.findall(read(page))) - documented]
    report(elsewhere, "a setting named on a page is in docs/settings.md")


def test_the_defaults_on_the_page_are_the_defaults():
    """Who reads that a limit is 500 sizes a machine for 500."""
    page = dict(re.findall(r"^\| `(VIGIL_\w+)` \| ([^|]+?) \|", read("docs/settings.md"), re.MULTILINE))

    def written(default: object) -> str:
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        return "none" if default is None else f"`{default}`" if default != "" else "empty"

    found = [
        f"{name}: {page.get(name)} on the page, {written(default)} in the code"
        for name, default in settings_defaults().items()
        if page.get(name) != written(default)
    ]
    report(found, "defaults on docs/settings.md are the code's")


def test_every_topic_is_on_the_page_of_the_wire_format():
    """Other languages read these topics from that page alone."""
    page = read("docs/wire-format.md")
    report([spec.name for spec in TOPICS if f"`{spec.name}`" not in page], "docs/wire-format.md lists every topic")


def commands() -> set[str]:
    """Every command and subcommand of ``vigil``: ``up``, ``device``, ``device bind`` ..."""
    typer_main = importlib.import_module("typer.main")
    root = typer_main.get_command(importlib.import_module("compose.cli").app)
    found: set[str] = set()
    for name, command in root.commands.items():
        found.add(name)
        found.update(f"{name} {below}" for below in getattr(command, "commands", {}))
    return found


def test_every_command_in_the_documents_exists():
    """A page that tells a tired person to type what does not exist costs more than no page."""
    known = commands()
    groups = {name.split()[0] for name in known if " " in name}
    found = []
    for page in documents():
        text = read(page)
        quoted = prose_and_code(text)[1] + "\n" + "\n".join(re.findall(r"`([^`\n]+)`", prose_and_code(text)[0]))
        for words in COMMAND.findall(quoted):
            first, _, second = words.partition(" ")
            if first not in known or (first in groups and second and f"{first} {second}" not in known):
                found.append(f"{page}: vigil {words}")
    report(sorted(set(found)), "commands in the documents exist")


def test_every_metric_in_the_documents_is_exported():
    """An alarm on a metric that no process exports never rings."""
    exported = {series for metric in registered().values() for series in metric.series}
    found = [f"{page}: {name}" for page in documents() for name in set(METRIC.findall(read(page))) - exported]
    report(found, "metrics in the documents are exported")


def test_every_target_in_the_documents_is_in_the_makefile():
    """The two commands of the README are what everybody types first."""
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    found = [
        f"{page}: make {target}"
        for page in documents()
        for target in re.findall(r"`make ([a-z-]+)", read(page))
        if target not in targets
    ]
    report(found, "make targets in the documents exist")


def test_the_readme_can_be_read_in_one_sitting():
    """Shorter says too little to judge the project by; longer is read by nobody."""
    lines = len(read("README.md").splitlines())
    least, most = allowed.README_LINES
    assert least <= lines <= most, f"README.md has {lines} lines, not {least} to {most}"


def test_every_file_and_folder_that_the_readme_names_exists():
    """The reading order and the list of folders are a stranger's map."""
    tracked = set(files())
    folders = {path.rsplit("/", depth)[0] + "/" for path in tracked for depth in range(1, path.count("/") + 1)}
    text = prose_and_code(read("README.md"))[0]
    named = {name for name in re.findall(r"`([\w./-]+)`", text) if name.endswith(("/", ".py", ".md", ".lock", ".toml"))}
    report(
        [name for name in named if name[0] != "." and name not in tracked | folders], "files that README.md names exist"
    )
