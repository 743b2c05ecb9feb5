"""Private constants of the firmware are compiled to their values, and mean the same."""

import ast

import pytest

from idroserra.image import build
from idroserra.image.private_constants import with_consts

SOURCES = {name: path.read_text("utf-8") for name, path in build.firmware_sources().items()}


def values(source):
    """Return the {name: value} of the assignments at the top that need nothing imported."""
    found = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign):
            try:
                exec(ast.unparse(statement), {"const": lambda value: value}, found)
            except (NameError, AttributeError):
                continue
    return found


@pytest.mark.parametrize(("before", "after"), [
    ("_A_MS = 3 * 60_000  # three minutes", "_A_MS = const(3 * 60000)  # three minutes"),
    ("_A, _B = b'\\xcc', 0x44", "_A = const(b'\\xcc'); _B = const(68)"),
    ("_A = 2\n_B = (_A << 1, -1)", "_A = const(2)\n_B = const((_A << 1, -1))"),
    ("_A = 0.5", "_A = const(0.5)"),
    ("_A = (\n    'a',\n    'b')  # two\n_B = 1",
     "_A = const(('a', 'b'))\n\n  # two\n_B = const(1)"),
])
def test_a_private_constant_is_compiled_to_its_value(before, after):
    assert with_consts(before) == after


@pytest.mark.parametrize("source", [
    "A = 1",  # another module may import it
    "_a = 1",
    "_A = B + 1",
    "_A = 1 / 3",
    "_A = [1]",
    "_A = f(1)",
    "_A, _b = 1, 2",
    "_A = B = 1",
    "_A = 'a'\n_A = 'b'",
    "_A = 1\n\n\ndef f():\n    global _A\n    _A += 1",
    "if x:\n    _A = 1",
    "_A = 1\n\n\ndef f(_A):\n    return _A",
    "_A = 1\nf(_A=7)",
    "_A = 1\nimport a as _A",
    "_A = 1\ntry:\n    f()\nexcept E as _A:\n    pass",
    "_A = 1\n\n\ndef _A():\n    pass",
    "def f():\n    return _A\n\n\n_A = 1",
    "import a; _A = 1",
    "_A = 1; b = 2",
    "_A =",
])
def test_what_may_be_something_else_keeps_its_name(source):
    assert with_consts(source) == source


def calls(source):
    """Return the lines of the functions and calls of a module, but those of const()."""
    return [(type(node), node.lineno) for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef | ast.Call)
            and getattr(getattr(node, "func", None), "id", None) != "const"]


def test_every_module_has_the_same_values_on_the_same_lines():
    for name, source in SOURCES.items():
        compiled = with_consts(source)
        assert values(compiled) == values(source), name
        assert compiled.count("\n") == source.count("\n"), name
        assert calls(compiled) == calls(source), name


def test_no_module_reads_a_private_constant_of_another():
    of_others = [
        f"{name}:{node.lineno}" for name, source in SOURCES.items()
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.ImportFrom)
            and any(one.name.startswith("_") for one in node.names))
        or (isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr.isupper())]
    assert of_others == []
