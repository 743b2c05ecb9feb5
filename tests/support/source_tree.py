"""The files of the repository and their syntax trees, for the rules in tests/repo."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def files() -> tuple[Path, ...]:
    """Return every tracked or untracked, but not ignored file, sorted."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )
    paths = (ROOT / name for name in done.stdout.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def python_files(*folders: str) -> list[Path]:
    """Return the Python files in `folders`, relative to the root."""
    return [
        path for path in files()
        if path.suffix == ".py" and any(path.is_relative_to(ROOT / f) for f in folders)
    ]


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a Python file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return every node of the syntax tree of a Python file, as ast.walk() yields them."""
    return tuple(ast.walk(tree(path)))


def name_of(path: Path) -> str:
    """Return a path relative to the root, as shown in messages."""
    return path.relative_to(ROOT).as_posix()


@cache
def texts() -> list[tuple[str, list[str]]]:
    """Return (name, lines) of every text file."""
    found = []
    for path in files():
        data = path.read_bytes()
        if b"\0" not in data[:8_192]:
            found.append((name_of(path), data.decode("utf-8").splitlines()))
    return found


def module_of(path: Path) -> str:
    """Return the dotted name of a Python file."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> list[tuple[int, str]]:
    """Return (line, dotted name) of every import in a file.

    `from a.b import c` gives a.b.c, because c may be a module.
    """
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def calls(path: Path) -> Iterator[tuple[int, str, ast.Call]]:
    """Yield (line, last part of the called name, call)."""
    for node in nodes(path):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute):
                yield node.lineno, called.attr, node
            elif isinstance(called, ast.Name):
                yield node.lineno, called.id, node


@cache
def code(path: Path) -> ast.Module:
    """Return the syntax tree of a file without its docstrings."""
    parsed = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node in ast.walk(parsed):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            body[0] = ast.copy_location(ast.Pass(), first)
    return parsed


def strings(path: Path) -> set[str]:
    """Return every string constant of a file except docstrings."""
    constants = (node for node in ast.walk(code(path)) if isinstance(node, ast.Constant))
    return {node.value for node in constants if isinstance(node.value, str)}


def report(why: str, found: list[str]) -> str:
    """Return the message of a violated rule: the rule, then each place."""
    return "\n".join([why, *(f"  {place}" for place in found)])
