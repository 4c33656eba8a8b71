"""The source, parsed once for all tests that look at it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


@cache
def parsed(path: Path) -> ast.Module:
    """Return the tree of a file; who reads it leaves it as it is."""
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return everything in a file."""
    return tuple(ast.walk(parsed(path)))


@cache
def files() -> tuple[Path, ...]:
    """Return all modules."""
    return tuple(sorted(SOURCE.rglob("*.py")))
