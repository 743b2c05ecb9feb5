"""Lets the compiler put private constants of a module in the place of their names.

MicroPython keeps each name of a module in the heap, and the value beside it, for as long as the
board runs, unless the value is written as `const()` and the name begins with `_`. The sources are
written without: students read them, and both Pythons run them.
https://docs.micropython.org/en/latest/library/micropython.html

Run as a program, as `rewrite` does: up to Python 3.12, ast.parse() in a thread makes that of
another thread fail, also the one that formats a traceback (CPython issue 106905).
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

_PRIVATE = re.compile(r"_[A-Z0-9_]+")


def rewrite(paths: Iterable[Path]) -> None:
    """Replace each file, the source of a module, by what `with_consts` returns."""
    subprocess.run([sys.executable, "-I", __file__, *map(str, paths)], check=True)


def with_consts(source: str) -> str:
    """Return the source of a module with `_X = const(...)` for each private constant.

    Those are names of capitals that are bound once, at the top of the module and before they are
    read, to a literal, an expression of integers, or a tuple of these. Every line keeps its
    number. Source with an error is returned as it is.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source  # the compiler says where
    bound, read = _uses(tree)
    lines = source.encode().split(b"\n")
    integers = set[str]()
    changed: list[tuple[ast.Assign, str]] = []
    for statement in tree.body:
        if not isinstance(statement, ast.Assign) or not _is_alone(statement, lines):
            continue
        pairs = _pairs(statement)
        if pairs and all(
                _PRIVATE.fullmatch(name) and bound[name] == 1 and _is_constant(value, integers)
                and read.get(name, sys.maxsize) > _end(statement.end_lineno)
                for name, value in pairs):
            integers |= {name for name, value in pairs if _is_integer(value, integers)}
            changed.append((statement, "; ".join(
                f"{name} = const({ast.unparse(value)})" for name, value in pairs)))
    for statement, text in reversed(changed):
        last = _end(statement.end_lineno)
        rest = lines[last - 1][_end(statement.end_col_offset):]
        padding = b"\n" * (last - statement.lineno)
        lines[statement.lineno - 1:last] = [text.encode() + padding + rest]
    return b"\n".join(lines).decode()


def _uses(tree: ast.Module) -> tuple[Counter[str], dict[str, int]]:
    """Return how often each name is bound, or stands for anything but a variable, and the first
    line that reads it."""
    bound, read = Counter[str](), dict[str, int]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            read[node.id] = min(read.get(node.id, node.lineno), node.lineno)
        elif not isinstance(node, ast.Attribute | ast.Constant):
            bound.update(_names(node))
    return bound, read


def _names(node: ast.AST) -> Iterator[str]:
    """Yield the names in a node itself: of a parameter, keyword, function, import, global..."""
    for _, value in ast.iter_fields(node):
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                yield one


def _is_alone(statement: ast.Assign, lines: list[bytes]) -> bool:
    """True if nothing but a comment shares the lines of a statement."""
    rest = lines[_end(statement.end_lineno) - 1][_end(statement.end_col_offset):].strip()
    return statement.col_offset == 0 and (not rest or rest.startswith(b"#"))


def _end(position: int | None) -> int:
    assert position is not None, "a statement of a parsed source has an end"
    return position


def _pairs(statement: ast.Assign) -> list[tuple[str, ast.expr]]:
    """Return the (name, value) of an assignment: of `a, b = 1, 2`, two."""
    if len(statement.targets) != 1:
        return []
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if not isinstance(target, ast.Tuple) or not isinstance(value, ast.Tuple):
        return []
    names = [one.id for one in target.elts if isinstance(one, ast.Name)]
    return list(zip(names, value.elts, strict=True)) if len(names) == len(value.elts) else []


def _is_constant(value: ast.expr, integers: set[str]) -> bool:
    """True if mpy-cross takes it in const(); `integers`: the names of earlier ones."""
    if isinstance(value, ast.Tuple):
        return all(_is_constant(one, integers) for one in value.elts)
    return isinstance(value, ast.Constant) or _is_integer(value, integers)


def _is_integer(value: ast.expr, integers: set[str]) -> bool:
    if isinstance(value, ast.UnaryOp):
        return not isinstance(value.op, ast.Not) and _is_integer(value.operand, integers)
    if isinstance(value, ast.BinOp):
        return not isinstance(value.op, ast.Div) and all(
            _is_integer(one, integers) for one in (value.left, value.right))
    if isinstance(value, ast.Name):
        return value.id in integers
    return isinstance(value, ast.Constant) and type(value.value) is int


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        text = path.read_bytes()
        try:
            path.write_text(with_consts(text.decode()), "utf-8", newline="")
        except UnicodeDecodeError:
            path.write_bytes(text)  # the compiler refuses it
