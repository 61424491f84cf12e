"""Who may import what: the pure core, the drivers, and the folders themselves."""

from __future__ import annotations

import sys
import tomllib

from tests.tidy import allowed
from tests.tidy.test_calls import is_pure
from tests.tidy.tree import PACKAGES, ROOT, SERVICES, SHELL_NAMES, covered, files, read, report, sources

IMPURE = frozenset(
    {
        "asyncio", "logging", "multiprocessing", "os", "random", "secrets", "select", "selectors", "shutil", "signal",
        "socket", "ssl", "subprocess", "tempfile", "threading", "time",
    }
)  # fmt: skip
"""Parts of the standard library that reach the world; a pure module imports none of them."""


def test_pure_modules_import_only_the_language_and_arithmetic():
    """A step that can reach a server, a clock or a file can depend on it, and then replay is not recovery."""
    found = []
    for source in sources("vitals", *SERVICES):
        if not is_pure(source):
            continue
        for line, name in source.imports():
            top = name.split(".")[0]
            fine = top in {"vitals", "numpy", "pydantic", "__future__"} or top == source.package
            fine = fine or (top == "msgspec" and source.path.startswith("vitals/codecs/"))
            fine = fine or (top in sys.stdlib_module_names and top not in IMPURE)
            fine = fine or (top == "random" and source.package == "simulators")
            if not fine:
                found.append(f"{source.path}:{line} imports {name}")
    report(found, "pure modules import vitals, the standard library (not its doors to the world), numpy and pydantic")


def test_a_pure_module_imports_no_shell_of_its_own_service():
    """The core does not know its loop, else the loop's libraries come back through the side door."""
    shells = tuple(name.removesuffix(".py") for name in SHELL_NAMES)
    drivers = {path.removesuffix(".py").replace("/", ".") for path in allowed.DRIVERS}
    found = []
    for source in sources(*SERVICES):
        if not is_pure(source):
            continue
        for line, name in source.imports():
            parts = name.split(".")
            if parts[0] == source.package and (
                any(part.endswith(shells) for part in parts[1:2])
                or any(name == each or name.startswith(each + ".") for each in drivers)
            ):
                found.append(f"{source.path}:{line} imports {name}")
    report(found, "pure modules import no settings, service or driver")


def test_each_library_has_one_place_that_imports_it():
    """A library behind one driver can be replaced, faked and watched; scattered, it cannot."""
    found = []
    for source in sources(*PACKAGES):
        for line, name in source.imports():
            top = name.split(".")[0]
            if top in sys.stdlib_module_names or top in PACKAGES:
                continue
            places = allowed.LIBRARIES.get(top)
            if places is None:
                found.append(f"{source.path}:{line} imports {top}, which is no library of ours")
            elif "" not in places and not covered(source.path, places):
                found.append(f"{source.path}:{line} imports {top}; only {', '.join(places)} may")
    report(found, "a library is imported where tests/tidy/allowed.py says")


def test_every_import_is_absolute():
    """A dotted relative import hides from a reader, and from the other tests here, which folder it reaches."""
    found = [
        f"{source.path}: {line.strip()}"
        for source in sources(*PACKAGES)
        for line in source.text.splitlines()
        if line.lstrip().startswith("from .")
    ]
    report(found, "imports are absolute")


def test_the_layers_name_every_top_level_package():
    """The contract of the layers is exhaustive: a new folder has its place in it or fails here."""
    linter = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]
    layers = next(each for each in linter["contracts"] if each["type"] == "layers")["layers"]
    named = {name.strip() for layer in layers for name in layer.split("|")}
    folders = {path.split("/")[0] for path in files() if path.count("/") == 1 and path.endswith("/__init__.py")}
    assert named == folders == set(PACKAGES) == set(linter["root_packages"])


def test_every_package_is_marked_and_shipped():
    """A folder without its ``__init__.py`` is imported from here by luck and missing from the wheel."""
    found = [
        f"{path}: no __init__.py beside it"
        for path in files()
        if path.endswith(".py")
        and path.split("/")[0] in PACKAGES
        and not (ROOT / path).parent.joinpath("__init__.py").exists()
    ]
    report(found, "every folder of a package has an __init__.py")
