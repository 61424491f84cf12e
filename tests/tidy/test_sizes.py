"""Sizes that read well: STYLE's bounds for files and functions."""

from __future__ import annotations

import ast

from tests.tidy import allowed
from tests.tidy.tree import report, sources

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_no_file_is_too_long_to_read_in_one_sitting():
    """A file that grew beyond the bound holds two ideas: split it by idea."""
    report(
        [
            f"{source.path}: {len(source.text.splitlines())} lines"
            for source in sources()
            if len(source.text.splitlines()) > allowed.LINES_MAX and source.path not in allowed.LONG_FILES
        ],
        f"a file has at most {allowed.LINES_MAX} lines",
    )


def test_no_function_is_too_long_to_hold_in_mind():
    """A function beyond the bound hides its steps; each step deserves a name."""
    found = []
    for source in sources():
        for node in ast.walk(source.tree):
            if isinstance(node, FUNCTIONS):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > allowed.FUNCTION_LINES_MAX and f"{source.path}::{node.name}" not in allowed.LONG_FUNCTIONS:
                    found.append(f"{source.path}:{node.lineno} {node.name}: {lines} lines")
    report(found, f"a function has at most {allowed.FUNCTION_LINES_MAX} lines")


def test_every_test_says_why_it_exists():
    """A failing test's docstring is the first thing its reader needs: what would go wrong without it."""
    report(
        [
            f"{source.path}:{node.lineno} {node.name}"
            for source in sources("tests")
            for node in ast.walk(source.tree)
            if isinstance(node, FUNCTIONS) and node.name.startswith("test_") and not ast.get_docstring(node)
        ],
        "a test function has a docstring with its reason",
    )
