"""Only the composition roots know the whole application; its parts get what they use."""

import ast
from collections.abc import Iterator

from support.source_tree import ROOT, name_of, python_files, report, tree

NODE = "firmware/idro/app/node.py"
WHY = "Pass each part the objects it uses, not the composition root that holds them all:"


def names_of_the_node(module: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of each parameter, attribute or import that may hold the whole Node."""
    for node in ast.walk(module):
        if isinstance(node, ast.arg) and node.arg in ("node", "_node"):
            yield node.lineno, f"parameter {node.arg}"
        elif isinstance(node, ast.Attribute) and node.attr in ("node", "_node"):
            yield node.lineno, f"attribute {node.attr}"
        elif isinstance(node, ast.ImportFrom) and (
            node.module == "idro.app.node"
            or (node.module == "idro.app" and any(x.name == "node" for x in node.names))
        ):
            yield node.lineno, "import of idro.app.node"


def selves_passed(module: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, call) of each call that gets `self` itself as an argument."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(isinstance(value, ast.Name) and value.id == "self" for value in values):
                yield node.lineno, ast.unparse(node.func)


def test_no_part_of_the_firmware_takes_the_node():
    packages = ("app", "net", "outbox", "update", "safety", "control", "drivers")
    found = [
        f"{name_of(path)}:{line}: {what}"
        for path in python_files(*(f"firmware/idro/{package}" for package in packages))
        if name_of(path) != NODE
        for line, what in names_of_the_node(tree(path))
    ]
    found += [
        f"{NODE}:{line}: {call} gets self" for line, call in selves_passed(tree(ROOT / NODE))]
    assert not found, report(WHY, found)


def test_a_planted_node_is_found():
    planted = ast.parse(
        "from idro.app import node\n"
        "class Task:\n    def __init__(self, node):\n        self._node = node\n"
    )
    assert [line for line, _ in names_of_the_node(planted)] == [1, 3, 4]
    calls = ast.parse("Task(self)\nOther(node=self)\nself.run(self.clock)")
    assert list(selves_passed(calls)) == [(1, "Task"), (2, "Other")]
