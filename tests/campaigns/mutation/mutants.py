"""Generates mutants of a Python file: single small defects in its syntax tree.

A mutant is identified by its file, its function and the statement before and after the change,
because line numbers change with every edit.
"""

import ast
import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import CodeType

# Replacements of operators. Comparisons move their boundary; conditions are negated as a whole.
COMPARISONS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}
ARITHMETIC: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.Mod: ast.FloorDiv, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitOr,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
# Negating these gives the same mutant as replacing the operator.
_EQUALITIES = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
_DROPPED = (ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete)


@dataclass(frozen=True)
class Mutant:
    """One defect. `nth` counts equal changes in a function, from 1; lines are 1-based."""

    file: str
    function: str
    operator: str
    was: str
    now: str
    nth: int
    first_line: int
    last_line: int
    is_at_import: bool  # runs while the module is imported, not when a function is called
    source: str = dataclasses.field(repr=False)  # of the whole file, unchanged
    place: int  # in the order of find()

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """Identifier of the mutant, also in the list of survivors."""
        return self.file, self.function, self.was, self.now, self.nth

    @property
    def code(self) -> CodeType:
        """The compiled file with the defect. The first use compiles every mutant of the file."""
        return _codes(self.file, self.source)[self.place]

    def __str__(self) -> str:
        where = f"{self.file}:{self.first_line} {self.function or '(module)'}"
        nth = f" (number {self.nth})" if self.nth > 1 else ""
        return f"{where}, {self.operator}{nth}\n    {self.was}\n    {self.now}"


@dataclass(frozen=True)
class _Place:
    """A statement and its position: `body[index]`, inside or outside a function."""

    statement: ast.stmt
    body: list[ast.stmt]
    index: int
    scope: tuple[str, ...]
    is_in_function: bool


def find(file: str, source: str) -> list[Mutant]:
    """Return every mutant of a source, in the order of its lines."""
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for place, operator, was, now in _defects(ast.parse(source)):
        statement, function = place.statement, ".".join(place.scope)
        seen[function, was, now] += 1
        found.append(Mutant(
            file, function, operator, was, now, seen[function, was, now], statement.lineno,
            _last_line(statement), not place.is_in_function, source, len(found),
        ))
    return found


@cache
def _codes(file: str, source: str) -> list[CodeType]:
    """Return the code of every mutant of a source, in the order of find()."""
    tree = ast.parse(source)
    return [compile(ast.fix_missing_locations(tree), f"mutant of {file}", "exec")
            for _ in _defects(tree)]


def _defects(tree: ast.Module) -> Iterator[tuple[_Place, str, str, str]]:
    """Change the tree by one defect after the other; yield (place, operator, was, now)."""
    for place in list(_places(tree.body, (), False)):
        was = _head(place.statement)
        for operator, now in _changes(place):
            yield place, operator, was, now


def _places(
    body: list[ast.stmt], scope: tuple[str, ...], is_in_function: bool
) -> Iterator[_Place]:
    for index, statement in enumerate(body):
        yield _Place(statement, body, index, scope, is_in_function)
        inner_scope, inner_function = scope, is_in_function
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner_scope = (*scope, statement.name)
            inner_function = not isinstance(statement, ast.ClassDef)
        for inner in _bodies(statement):
            yield from _places(inner, inner_scope, inner_function)


def _bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        inner = getattr(statement, name, None)
        if inner:
            yield inner
    for handler in getattr(statement, "handlers", ()):
        yield handler.body


def _head(statement: ast.stmt) -> str:
    """Return a statement as text without its nested statements."""
    inner = list(_bodies(statement))
    kept = [list(body) for body in inner]
    try:
        for body in inner:
            body[:] = [ast.Pass()]
        lines = ast.unparse(statement).split("\n")
    finally:
        for body, whole in zip(inner, kept, strict=True):
            body[:] = whole
    return lines[0] if inner else "\n".join(lines)


def _last_line(statement: ast.stmt) -> int:
    inner = list(_bodies(statement))
    if inner:
        return max(statement.lineno, min(body[0].lineno for body in inner) - 1)
    return statement.end_lineno or statement.lineno


def _changes(place: _Place) -> Iterator[tuple[str, str]]:
    """Apply every change of a statement in turn, and yield (operator, text) meanwhile."""
    statement = place.statement
    for parent, field, index, node in list(_expressions(statement)):
        for operator, new in _replacements(parent, field, node):
            ast.copy_location(new, node)
            _set(parent, field, index, new)
            yield operator, _head(statement)
            _set(parent, field, index, node)
    if isinstance(statement, ast.AugAssign) and type(statement.op) in ARITHMETIC:
        old = statement.op
        statement.op = ARITHMETIC[type(old)]()
        yield "arithmetic", _head(statement)
        statement.op = old
    if isinstance(statement, ast.Return) and not _is_none(statement.value):
        value, statement.value = statement.value, ast.Constant(None)
        yield "return", _head(statement)
        statement.value = value
    if _can_be_dropped(place):
        place.body[place.index] = ast.copy_location(ast.Pass(), statement)
        yield "drop", "pass"
        place.body[place.index] = statement


def _is_none(node: ast.expr | None) -> bool:
    return node is None or isinstance(node, ast.Constant) and node.value is None


def _can_be_dropped(place: _Place) -> bool:
    """Return whether a statement is a call for its effect or changes state after creation."""
    statement = place.statement
    if isinstance(statement, ast.Expr):
        value = statement.value
        value = value.value if isinstance(value, ast.Await) else value
        return isinstance(value, ast.Call)
    if isinstance(statement, ast.Return):
        return statement.value is None
    if isinstance(statement, ast.Assign):
        is_first = not place.is_in_function or place.scope[-1] == "__init__"
        kinds = ast.Attribute | ast.Subscript
        return not is_first and any(isinstance(target, kinds) for target in statement.targets)
    return isinstance(statement, _DROPPED)


def _expressions(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.expr]]:
    """Yield (parent, field, index, node) of the expressions of a statement, not of nested ones."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "ctx"):
            continue
        many = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in many:
            if isinstance(child, ast.expr):
                yield node, field, index, child
            if isinstance(child, ast.AST) and not isinstance(child, ast.stmt | ast.ExceptHandler):
                yield from _expressions(child)


def _set(parent: ast.AST, field: str, index: int | None, new: ast.expr) -> None:
    if index is None:
        setattr(parent, field, new)
    else:
        getattr(parent, field)[index] = new


def _replacements(
    parent: ast.AST, field: str, node: ast.expr
) -> Iterator[tuple[str, ast.expr]]:
    """Yield (operator, node) of every replacement of an expression."""
    if field == "test" and not isinstance(node, ast.Constant) and not _is_negated(node):
        yield "condition", ast.UnaryOp(ast.Not(), node)
    if isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            ops = [*node.ops[:place], COMPARISONS[type(operator)](), *node.ops[place + 1 :]]
            yield "comparison", ast.Compare(node.left, ops, node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield "arithmetic", ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        yield "and/or", ast.BoolOp(other, node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield "not" if isinstance(node.op, ast.Not) else "minus", node.operand
    elif isinstance(node, ast.Name) and node.id in CALLS and isinstance(parent, ast.Call):
        yield "min/max", ast.Name(CALLS[node.id], ast.Load())


def _constants(node: ast.Constant) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node.value, bool):
        yield "constant", ast.Constant(not node.value)
    elif isinstance(node.value, int):
        for value in (node.value + 1, node.value - 1):
            yield "constant", ast.Constant(value)


def _is_negated(test: ast.expr) -> bool:
    """Return whether another mutant already negates the condition."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return isinstance(test.ops[0], _EQUALITIES)
    return isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
