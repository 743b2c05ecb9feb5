"""Finds what takes the text of a reason apart, or compares it: in Python by syntax, in scripts of
the page by line."""

import ast
import re
from collections.abc import Iterator

_KEYS = {"reason", "cut", "why"}  # of details and answers
_WORDS_OF = {"reason_text", "english", "event_text"}
_TEXT_METHODS = {
    "casefold", "count", "endswith", "find", "index", "lower", "partition", "removeprefix",
    "removesuffix", "replace", "rfind", "rpartition", "rsplit", "split", "splitlines",
    "startswith", "upper",
}
_PATTERN_METHODS = {"findall", "finditer", "fullmatch", "match", "search", "split", "sub", "subn"}
_SCRIPT = re.compile(
    r"""[rR]eason(?:\.text)?\??\.(?:startsWith|endsWith|includes|indexOf|match|matchAll|replace|
        replaceAll|search|slice|split|substring|toLowerCase)\(
    |\b(?:test|exec)\([^)]*[rR]eason\b(?!\.(?:code|values))
    |\b[rR]eason(?:\.text)?\s*[!=]==?\s*["'`][^"'`]""", re.VERBOSE)


def parsing_in_python(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, what) of each use of a reason as a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _TEXT_METHODS and _is_reason(node.func.value):
                yield node.lineno, f"{ast.unparse(node.func)}() of a reason"
            elif node.func.attr in _PATTERN_METHODS and any(map(_is_reason, node.args)):
                yield node.lineno, f"{ast.unparse(node.func)}() over a reason"
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(_is_reason, sides)) and any(map(_has_text, sides)):
                yield node.lineno, f"{ast.unparse(node)}: compares the text of a reason"


def parsing_in_script(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of each use of a reason as a text."""
    for number, line in enumerate(lines, 1):
        if _SCRIPT.search(line):
            yield number, line.strip()


def _is_reason(node: ast.expr) -> bool:
    """True for a reason, or its text: `x.reason`, detail["why"], reason_text(...)."""
    if isinstance(node, ast.Name):
        return node.id == "reason" or node.id.endswith("_reason")
    if isinstance(node, ast.Attribute):
        return node.attr == "reason" or node.attr.endswith("_reason")
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return node.slice.value in _KEYS or (
            node.slice.value == "text" and _is_reason(node.value))
    if isinstance(node, ast.BoolOp):
        return any(map(_is_reason, node.values))
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        first = node.args[0] if node.args else None
        if name == "get" and isinstance(first, ast.Constant):
            return first.value in _KEYS
        if name in ("str", "translate", "gettext"):
            return first is not None and _is_reason(first)
        if name in ("lower", "strip", "casefold") and isinstance(node.func, ast.Attribute):
            return _is_reason(node.func.value)
        return name in _WORDS_OF
    return False


def _has_text(node: ast.expr) -> bool:
    """True for a text that is not empty, or a collection of such."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value != ""
    return isinstance(node, ast.Tuple | ast.List | ast.Set) and any(map(_has_text, node.elts))
