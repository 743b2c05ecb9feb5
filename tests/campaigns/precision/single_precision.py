"""Rewrites the firmware so that it computes with single-precision floats.

Floats have 24 bits of mantissa in MicroPython on the ESP32, and 53 in the simulator. `rounded`
rounds the operands and the result of every operation on a float, and the floats that are parsed or
computed in C.
"""

import ast
import math
from pathlib import Path

SINGLE_BITS = 24
HELPER = "idro/single.py"
# The module that the rewritten sources call, as MicroPython runs it.
_HELPER_SOURCE = '''"""Arithmetic on floats with BITS bits of mantissa."""

import math

_SCALE = float(1 << BITS)


def f32(value):
    if type(value) is not float or value - value != 0 or not value:
        return value
    mantissa, exponent = math.frexp(value)
    return math.ldexp(float(round(mantissa * _SCALE)) / _SCALE, exponent)


def _as_float(value):
    return f32(float(value)) if type(value) is int else f32(value)


def _has_float(one, other):
    return (type(one) is float and type(other) in (int, float)) or (
        type(other) is float and type(one) is int)


def add(one, other):
    if _has_float(one, other):
        return f32(_as_float(one) + _as_float(other))
    return one + other


def sub(one, other):
    if _has_float(one, other):
        return f32(_as_float(one) - _as_float(other))
    return one - other


def mul(one, other):
    if _has_float(one, other):
        return f32(_as_float(one) * _as_float(other))
    return one * other


def div(one, other):
    return f32(_as_float(one) / _as_float(other))


def power(one, other):
    if _has_float(one, other):
        return f32(_as_float(one) ** _as_float(other))
    return one ** other


def mod(one, other):
    if _has_float(one, other):
        return f32(_as_float(one) % _as_float(other))
    return one % other


def floor_div(one, other):
    if _has_float(one, other):
        return f32(_as_float(one) // _as_float(other))
    return one // other


def below(one, other):
    if _has_float(one, other):
        return _as_float(one) < _as_float(other)
    return one < other


def in_place(value, operation, change):
    if _has_float(value, change):
        return operation(value, change)
    if operation is add:
        value += change
    elif operation is sub:
        value -= change
    elif operation is mul:
        value *= change
    else:
        value = operation(value, change)
    return value
'''
_OPERATIONS = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "power",
    ast.Mod: "mod", ast.FloorDiv: "floor_div",
}
# Functions that return floats which were parsed or computed in C.
_GIVES_FLOATS = {"float", "sum", "round", "exp", "sqrt", "log", "pow", "fabs"}
_IMPORT = "from idro.single import add, below, div, f32, floor_div, in_place, mod, mul, power, sub"


def single(value: float, mantissa_bits: int = SINGLE_BITS) -> float:
    """Return the number with `mantissa_bits` that is nearest to `value`."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * (1 << mantissa_bits)) / (1 << mantissa_bits), exponent)


def helper_source(mantissa_bits: int = SINGLE_BITS) -> str:
    """Return the source of the module that the rewritten firmware imports."""
    return _HELPER_SOURCE.replace("BITS", str(mantissa_bits))


def rounded(
    sources: dict[str, Path], folder: Path, mantissa_bits: int = SINGLE_BITS
) -> dict[str, Path]:
    """Write firmware sources that compute with `mantissa_bits` to `folder`; return their paths."""
    changed = {HELPER: folder / "single.py"}
    changed[HELPER].write_text(helper_source(mantissa_bits), encoding="utf-8")
    for number, (name, path) in enumerate(sources.items()):
        tree = _Rounds(mantissa_bits).visit(ast.parse(path.read_text(encoding="utf-8")))
        at = 1 if ast.get_docstring(tree) is not None else 0
        tree.body[at:at] = ast.parse(_IMPORT).body
        changed[name] = folder / f"{number}.py"
        changed[name].write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
    return changed


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


class _Rounds(ast.NodeTransformer):
    """Replaces each operation that may have float operands by a call."""

    def __init__(self, mantissa_bits: int) -> None:
        self._bits = mantissa_bits

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        is_float = isinstance(node.value, float)
        return ast.Constant(single(node.value, self._bits)) if is_float else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        name = _OPERATIONS.get(type(node.op))
        return _call(name, node.left, node.right) if name else node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Replace `a < b` and `a > b`; chained comparisons only get rounded operands."""
        self.generic_visit(node)
        if len(node.ops) != 1:
            return node
        left, right = node.left, node.comparators[0]
        if isinstance(node.ops[0], ast.Lt):
            return _call("below", left, right)
        if isinstance(node.ops[0], ast.Gt):
            return _call("below", right, left)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        self.generic_visit(node)
        name = _OPERATIONS.get(type(node.op))
        if name is None:
            return node
        value = ast.parse(ast.unparse(node.target), mode="eval").body
        operation = ast.Name(name, ast.Load())
        return ast.Assign([node.target], _call("in_place", value, operation, node.value))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id == "const":
            return node
        self.generic_visit(node)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(
            node.func, "id", "")
        return _call("f32", node) if name in _GIVES_FLOATS else node
