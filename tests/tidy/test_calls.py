"""Calls that break determinism, hide failures or lose tasks, found in the syntax trees."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from tests.tidy import allowed
from tests.tidy.tree import PACKAGES, SERVICES, SHELL_NAMES, Source, report, sources

CLOCKS = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
    }
)
SEEDED = frozenset({"random.Random", "numpy.random.default_rng", "numpy.random.Generator", "numpy.random.PCG64"})
UNIQUE_IDS = frozenset({"uuid.uuid1", "uuid.uuid4"})
BROAD = frozenset({"Exception", "BaseException"})


def is_pure(source: Source) -> bool:
    """Whether a file belongs to the pure core: all of vitals, and a service's modules but its shell and drivers."""
    if source.package == "vitals":
        return True
    name = source.path.rsplit("/", 1)[-1]
    return source.package in SERVICES and not name.endswith(SHELL_NAMES) and source.path not in allowed.DRIVERS


def names(source: Source) -> Iterator[tuple[int, str, ast.expr]]:
    """Line, resolved name and node of every name or attribute that is read."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name | ast.Attribute):
            dotted = source.dotted(node)
            if dotted:
                yield node.lineno, dotted, node


def calls(source: Source) -> Iterator[tuple[ast.Call, str]]:
    """Every call with the resolved name of what is called ("" where it is no name)."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield node, source.dotted(node.func) or ""


def check(rule: str, packages: tuple[str, ...], find: Callable[[Source], Iterator[tuple[int, str]]], text: str) -> None:
    """Report what ``find`` finds in some packages, except at the places that `allowed.CALLS` excuses."""
    excused = tuple(allowed.CALLS.get(rule, {}))
    report(
        [
            f"{source.path}:{line} {what}"
            for source in sources(*packages)
            if not any(
                source.path == place or (place.endswith("/") and source.path.startswith(place)) for place in excused
            )
            for line, what in find(source)
        ],
        text,
    )


def test_only_the_clock_module_reads_a_clock():
    """Time is an argument: whoever reads a clock elsewhere cannot be replayed or tested by hand-moved time."""

    def find(source: Source) -> Iterator[tuple[int, str]]:
        return ((line, name) for line, name, _ in names(source) if name in CLOCKS)

    check("clock", PACKAGES, find, "clocks are read in runtime/clock.py only")


def test_the_pure_core_draws_no_random_numbers():
    """Randomness in a step would make two owners of a partition write different bytes."""

    def find(source: Source) -> Iterator[tuple[int, str]]:
        if not is_pure(source):
            return
        for line, name, _ in names(source):
            if name in UNIQUE_IDS or (name.startswith(("random.", "numpy.random.", "secrets.")) and name not in SEEDED):
                yield line, name

    check("random", PACKAGES, find, "no randomness in pure modules; simulators use a seeded Generator")


def test_every_generator_of_random_numbers_is_given_its_seed():
    """An unseeded ward cannot be run again when it has shown a fault."""

    def find(source: Source) -> Iterator[tuple[int, str]]:
        for call, name in calls(source):
            if name in {"random.Random", "numpy.random.default_rng"} and not (call.args or call.keywords):
                yield call.lineno, f"{name}() without a seed"

    check("seed", SERVICES, find, "random generators are seeded")


def test_only_settings_and_the_composition_root_read_the_environment():
    """Settings read anywhere else are neither documented, nor masked, nor checked at the start."""

    def find(source: Source) -> Iterator[tuple[int, str]]:
        return (
            (line, name)
            for line, name, _ in names(source)
            if name in {"os.environ", "os.environb", "os.getenv", "os.putenv"}
        )

    places = tuple(package for package in PACKAGES if package != "compose")
    check("environment", places, find, "the environment is read in runtime/settings.py and compose only")


def test_no_task_is_left_to_itself():
    """A bare task's failure is noticed by nobody, and a nameless one's by nobody who could act on it.

    Tasks live in a TaskGroup and have names. Where two waits race, or a context owns a task, it is bound to a name
    that the same file awaits or cancels.
    """

    def find(source: Source) -> Iterator[tuple[int, str]]:
        bound = {
            node.value: ast.unparse(target)
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
        }
        for call, name in calls(source):
            last = call.func.attr if isinstance(call.func, ast.Attribute) else name.rsplit(".", 1)[-1]
            if last not in {"create_task", "ensure_future"}:
                continue
            if last == "create_task" and not any(keyword.arg == "name" for keyword in call.keywords):
                yield call.lineno, f"{ast.unparse(call.func)} without name="
            owner = ast.unparse(call.func).rpartition(".")[0]
            if owner == "asyncio" or "loop" in owner or not owner:
                target = bound.get(call)
                if target is None:
                    yield call.lineno, f"{ast.unparse(call.func)}: bound to nothing"
                elif not re.search(
                    rf"(?<![\w.]){re.escape(target)}\.cancel|await [^\n]*\b{re.escape(target)}\b", source.text
                ):
                    yield call.lineno, f"{target}: neither awaited nor cancelled"

    check("tasks", PACKAGES, find, "tasks live in a TaskGroup with a name, or are bound, awaited or cancelled")


def test_nothing_blocks_the_loop_with_a_sleep():
    """A sleeping thread holds every timer, heartbeat and acknowledgement of its process."""

    def find(source: Source) -> Iterator[tuple[int, str]]:
        return ((line, name) for line, name, _ in names(source) if name == "time.sleep")

    check("sleep", PACKAGES, find, "no time.sleep")


def test_services_speak_through_the_log_and_not_through_print():
    """Standard output belongs to commands; what a service prints is lost or breaks the JSON of its log."""

    def find(source: Source) -> Iterator[tuple[int, str]]:
        return ((call.lineno, "print") for call, name in calls(source) if name == "print")

    check("print", tuple(each for each in PACKAGES if each != "compose"), find, "no print in services")


def test_no_broad_except_swallows_a_failure():
    """Whoever catches everything and goes on turns a crash that would be repaired into silence."""

    def broad(kind: ast.expr | None) -> bool:
        if kind is None:
            return True
        kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
        return any(isinstance(each, ast.Name) and each.id in BROAD for each in kinds)

    def find(source: Source) -> Iterator[tuple[int, str]]:
        for node in ast.walk(source.tree):
            if not (isinstance(node, ast.ExceptHandler) and broad(node.type)):
                continue
            if not any(isinstance(each, ast.Raise) for body in node.body for each in ast.walk(body)):
                yield node.lineno, "broad except without raise"

    check("except", (*PACKAGES, "tests", "benchmarks"), find, "a broad except raises again")


POLL_SECONDS_MAX = 0.05


def polls(function: ast.AST) -> set[ast.AST]:
    """The short sleeps between two looks at a condition: a constant of at most `POLL_SECONDS_MAX` in a while loop."""
    return {
        call
        for loop in ast.walk(function)
        if isinstance(loop, ast.While)
        for call in ast.walk(loop)
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant)
        if isinstance(call.args[0].value, int | float) and call.args[0].value <= POLL_SECONDS_MAX
    }


def test_no_test_waits_for_time_to_pass():
    """Tests wait on positions and on hand-moved clocks; a sleep is either too short or too long."""
    found = []
    for source in sources("tests"):
        for function in ast.walk(source.tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if f"{source.path}::{function.name}" in allowed.SLEEPING_TESTS:
                continue
            fine = polls(function)
            for node in ast.walk(function):
                if not isinstance(node, ast.Call) or node in fine:
                    continue
                name = source.dotted(node.func)
                zero = bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
                if name == "time.sleep" or (name == "asyncio.sleep" and not zero):
                    found.append(f"{source.path}:{node.lineno} {function.name}: {ast.unparse(node)}")
    report(sorted(set(found)), "no test sleeps, but between two looks at what it waits for")
