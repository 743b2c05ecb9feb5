"""Finds every place that makes a reason, by syntax: its code, and the names of its values.

A code is a text, a choice of two, a name or a table of the module (or one it imports), or the
parameter of a function or class that passes it on to `Reason`.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef
MAX_STEPS = 6  # of names that name each other


class Made(NamedTuple):
    """A place that makes a reason. codes None: it cannot be determined; values None: passed on."""

    place: str
    codes: frozenset[str] | None
    values: frozenset[str] | None
    # True if the codes are all strings of a table, of which some may be something else.
    is_table: bool


class Maker(NamedTuple):
    """A function or class that makes a reason of its argument `index` or `name`."""

    index: int
    name: str


# {(path of the module, name of the function or class): its Makers}
Makers = dict[tuple[str, str], set[Maker]]


@dataclass
class Module:
    """A file: its syntax tree, its calls and classes, what encloses each, and its names."""

    name: str
    tree: ast.Module
    calls: list[ast.Call]
    classes: list[ast.ClassDef]
    names: dict[str, ast.expr]
    imported: dict[str, str]  # name: dotted name
    function_of: dict[ast.AST, Function | None]
    class_of: dict[ast.AST, ast.ClassDef | None]


def parse(sources: Mapping[str, str]) -> dict[str, Module]:
    """Return {path: Module} of source texts."""
    return {path: _module(path, ast.parse(text, path)) for path, text in sources.items()}


def places(modules: Mapping[str, Module]) -> Iterator[Made]:
    """Yield every place that makes a reason, except those that copy one or pass a code on."""
    makers = _makers(modules)
    for module in modules.values():
        for call in module.calls:
            yield from _made(modules, module, makers, call)


def _module(path: str, tree: ast.Module) -> Module:
    module = Module(path, tree, [], [], {}, {}, {}, {})
    for node in tree.body:
        for target, value in _assigned(node):
            module.names[target] = value
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module.imported |= {alias.asname or alias.name: f"{node.module}.{alias.name}"
                                for alias in node.names}
        elif isinstance(node, ast.Call):
            module.calls.append(node)
        elif isinstance(node, ast.ClassDef):
            module.classes.append(node)
    _enclose(module, tree, None, None)
    return module


def _enclose(module: Module, node: ast.AST, function: Function | None,
             owner: ast.ClassDef | None) -> None:
    for child in ast.iter_child_nodes(node):
        module.function_of[child], module.class_of[child] = function, owner
        if isinstance(child, Function):
            _enclose(module, child, child, owner)
        elif isinstance(child, ast.ClassDef):
            _enclose(module, child, function, child)
        else:
            _enclose(module, child, function, owner)


def _assigned(node: ast.AST) -> list[tuple[str, ast.expr]]:
    """Return (name, value) of an assignment, each of a tuple with its part or the whole."""
    if isinstance(node, ast.Assign):
        return [pair for target in node.targets for pair in _pairs(target, node.value)]
    if isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        return _pairs(node.target, node.value)
    if isinstance(node, ast.For | ast.comprehension):
        return [(name.id, node.iter) for name in ast.walk(node.target)
                if isinstance(name, ast.Name)]
    return []


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if isinstance(target, ast.Tuple):
        is_same = isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts)
        parts = value.elts if isinstance(value, ast.Tuple) and is_same else [value] * len(
            target.elts)
        return [pair for one, part in zip(target.elts, parts, strict=True)
                for pair in _pairs(one, part)]
    return []


def _parameters(function: Function, owner: ast.ClassDef | None) -> list[str]:
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    return names[1:] if owner is not None and names[:1] in (["self"], ["cls"]) else names


def _makers(modules: Mapping[str, Module]) -> Makers:
    """Return what passes a parameter on to Reason, or to another maker."""
    makers: Makers = {}
    for _ in range(MAX_STEPS):
        before = sum(map(len, makers.values()))
        for module in modules.values():
            for call in module.calls:
                _add_maker(modules, module, makers, call)
            for one in module.classes:
                for base in () if _has_init(one) else one.bases:
                    found = makers.get(_origin(modules, module, base), set())
                    if found:
                        makers.setdefault((module.name, one.name), set()).update(found)
        if sum(map(len, makers.values())) == before:
            break
    return makers


def _has_init(node: ast.ClassDef) -> bool:
    return any(isinstance(one, ast.FunctionDef) and one.name == "__init__" for one in node.body)


def _add_maker(modules: Mapping[str, Module], module: Module, makers: Makers,
               call: ast.Call) -> None:
    for maker in tuple(_makers_of(modules, module, makers, call)):
        function = _passes_on(module, call, _argument(call, maker))
        code = _argument(call, maker)
        if function is None or not isinstance(code, ast.Name):
            continue
        owner = module.class_of.get(function)
        name = function.name if owner is None or function.name != "__init__" else owner.name
        index = _parameters(function, owner).index(code.id)
        makers.setdefault((module.name, name), set()).add(Maker(index, code.id))


def _makers_of(modules: Mapping[str, Module], module: Module, makers: Makers,
               call: ast.Call) -> set[Maker]:
    called = call.func
    if isinstance(called, ast.Name) and called.id == "Reason":
        return {Maker(0, "code")}
    owner = module.class_of.get(call)
    if isinstance(called, ast.Attribute) and called.attr == "__init__" and owner is not None:
        bases = [makers.get(_origin(modules, module, base), set()) for base in owner.bases]
        return set().union(*bases)  # super().__init__(code)
    return makers.get(_origin(modules, module, called), set())


def _origin(modules: Mapping[str, Module], module: Module, called: ast.expr) -> tuple[str, str]:
    """Return (path of the module, name) that a name, or an attribute of a module, stands for."""
    name = called.id if isinstance(called, ast.Name) else ""
    dotted = module.imported.get(name, "")
    if isinstance(called, ast.Attribute):
        name = called.attr
        base = called.value.id if isinstance(called.value, ast.Name) else ""
        dotted = f"{module.imported[base]}.{name}" if base in module.imported else ""
    source, _, original = dotted.rpartition(".")
    other = _module_at(modules, source)
    return (module.name, name) if other is None else (other.name, original)


def _module_at(modules: Mapping[str, Module], dotted: str) -> Module | None:
    return modules.get(_paths(tuple(modules)).get(dotted, ""))


@cache
def _paths(names: tuple[str, ...]) -> dict[str, str]:
    """Return {every end of a dotted name: path of the first module that it stands for}."""
    found: dict[str, str] = {}
    for name in names:
        parts = name.removesuffix(".py").removesuffix("/__init__").split("/")
        for start in range(len(parts)):
            found.setdefault(".".join(parts[start:]), name)
    return found


def _passes_on(module: Module, call: ast.Call, code: ast.expr | None) -> Function | None:
    """Return the function around a call whose parameter is the code, or None."""
    function = module.function_of.get(call)
    while isinstance(code, ast.Name) and function is not None:
        if _bindings(function, code.id):
            return None
        if code.id in _parameters(function, module.class_of.get(function)):
            return function
        function = module.function_of.get(function)
    return None


def _argument(call: ast.Call, maker: Maker) -> ast.expr | None:
    if len(call.args) > maker.index:
        return call.args[maker.index]
    return next((one.value for one in call.keywords if one.arg == maker.name), None)


def _made(modules: Mapping[str, Module], module: Module, makers: Makers,
          call: ast.Call) -> Iterator[Made]:
    found = _makers_of(modules, module, makers, call)
    for maker in sorted(found):
        code = _argument(call, maker)
        if code is None or isinstance(code, ast.Starred) or _passes_on(module, call, code):
            continue
        if isinstance(code, ast.Attribute) and code.attr == "code":
            continue  # a copy of another reason
        codes, is_table = _codes(modules, module, module.function_of.get(call), code, MAX_STEPS)
        values = None if len(found) > 1 else _values(module, call, maker)
        yield Made(f"{module.name}:{call.lineno}", codes, values, is_table)


def _bindings(function: Function, name: str) -> list[ast.expr]:
    return [value for node in ast.walk(function) for target, value in _assigned(node)
            if target == name]


def _values(module: Module, call: ast.Call, maker: Maker) -> frozenset[str] | None:
    """Return the names of the values; None if a maker has its own, or they are passed on."""
    if len(call.args) > 1 or maker.index > 0:
        return None
    names: set[str] = set()
    for keyword in call.keywords:
        if keyword.arg is None:
            bound = _dict_keys(module.function_of.get(call), keyword.value)
            if bound is None:
                return None
            names |= bound
        elif keyword.arg != maker.name:
            names.add(keyword.arg)
    return frozenset(names)


def _dict_keys(function: Function | None, value: ast.expr) -> set[str] | None:
    if isinstance(value, ast.Name) and function is not None:
        bound = _bindings(function, value.id)
        return _dict_keys(None, bound[0]) if len(bound) == 1 else None
    if isinstance(value, ast.Dict) and all(isinstance(key, ast.Constant) for key in value.keys):
        return {str(key.value) for key in value.keys if isinstance(key, ast.Constant)}
    return None


def _codes(modules: Mapping[str, Module], module: Module, function: Function | None,
           node: ast.expr, steps: int) -> tuple[frozenset[str] | None, bool]:
    """Return (the codes that an expression may be, True if they are all strings of a table)."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return frozenset({node.value}), False
    parts: list[ast.expr] = []
    if isinstance(node, ast.IfExp):
        parts = [node.body, node.orelse]
    elif isinstance(node, ast.BoolOp):
        parts = node.values
    elif isinstance(node, ast.Name) and steps:
        parts = _bindings(function, node.id) if function is not None else []
        if not parts:
            place = _place_of(modules, module, node.id)
            return (None, False) if place is None else _codes(
                modules, place[0], None, place[1], steps - 1)
    if parts:
        found = [_codes(modules, module, function, part, steps - 1) for part in parts]
        sets = [codes for codes, _ in found if codes is not None]
        if len(sets) < len(found):
            return None, False
        return frozenset().union(*sets), any(is_table for _, is_table in found)
    strings = _strings(modules, module, function, node, steps)
    return (frozenset(strings), True) if strings else (None, True)


def _strings(modules: Mapping[str, Module], module: Module, function: Function | None,
             node: ast.AST, steps: int) -> set[str]:
    """Return every string of an expression and of the tables and functions it names.

    A formatted string is a pattern: `reading_*` of f"reading_{side}".
    """
    found: set[str] = set()
    if isinstance(node, ast.JoinedStr):
        return {"".join(str(part.value) if isinstance(part, ast.Constant) else "*"
                        for part in node.values)}
    if isinstance(node, ast.Constant):
        return {node.value} if isinstance(node.value, str) else set()
    if isinstance(node, ast.Call) and steps:
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        for other in ast.walk(module.tree):
            if isinstance(other, Function) and other.name == called:
                for one in ast.walk(other):
                    if isinstance(one, ast.Return) and one.value is not None:
                        found |= _strings(modules, module, other, one.value, steps - 1)
    if isinstance(node, ast.Name) and steps:
        bound = _bindings(function, node.id) if function is not None else []
        for value in bound:
            found |= _strings(modules, module, None, value, steps - 1)
        place = None if bound else _place_of(modules, module, node.id)
        if place is not None:
            found |= _strings(modules, place[0], None, place[1], steps - 1)
    for child in ast.iter_child_nodes(node):
        found |= _strings(modules, module, function, child, steps)
    return found


def _place_of(modules: Mapping[str, Module], module: Module,
              name: str) -> tuple[Module, ast.expr] | None:
    """Return (module, value) of a top-level name, also of one that the module imports."""
    for _ in range(MAX_STEPS):
        if name in module.names:
            return module, module.names[name]
        source, _, name = module.imported.get(name, "").rpartition(".")
        other = _module_at(modules, source)
        if other is None:
            return None
        module = other
    return None
