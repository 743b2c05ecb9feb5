"""Lets the compiler put private constants of a module in the place of their names.

MicroPython keeps each name of a module in the heap, and the value beside it, for as long as the
board runs, unless the value is written as `const()` and the name begins with `_`. The sources are
written without: students read them, and both Pythons run them.
https://docs.micropython.org/en/latest/library/micropython.html
"""

import ast
import re
import threading
from collections import Counter

# Two threads in ast.parse() can break each other: https://github.com/python/cpython/issues/106905
_parsing = threading.Lock()
_PRIVATE = re.compile(r"_[A-Z0-9_]+")


def with_consts(source: str) -> str:
    """Return the source of a module with `_X = const(...)` for each private constant.

    Those are names of capitals that are assigned once, at the top of the module: a literal, a
    tuple of literals, or a sum of integers. Every line keeps its number. Source that is no Python
    is returned as it is.
    """
    try:
        with _parsing:
            tree = ast.parse(source)
    except SyntaxError:
        return source  # the compiler says where
    assigned = Counter(node.id for node in ast.walk(tree)
                       if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load))
    lines = source.encode().split(b"\n")
    integers = set[str]()
    changed: list[tuple[ast.Assign, str]] = []
    for statement in tree.body:
        pairs = _pairs(statement)
        if isinstance(statement, ast.Assign) and pairs and all(
                _PRIVATE.fullmatch(name) and assigned[name] == 1 and _is_constant(value, integers)
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


def _end(position: int | None) -> int:
    assert position is not None, "a statement of a parsed source has an end"
    return position


def _pairs(statement: ast.stmt) -> list[tuple[str, ast.expr]]:
    """Return the (name, value) of an assignment: of `a, b = 1, 2`, two."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
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
