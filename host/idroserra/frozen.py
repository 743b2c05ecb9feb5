"""What an application that is frozen into MicroPython says of itself: `idro.frozen.ABOUT`.

The text lies in the binary as it is. A node holds a release's against its own before it takes it:
pins, parts and limits of the board, and the kernel (what is no part of any release of files), must
be the same. They change over USB only (docs/adr/0019).
"""

import ast
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idroserra import contract

FORMAT = "idroserra-frozen 1"
_PATTERN = re.compile(
    rb"idroserra-frozen 1\nboard_class ([a-z0-9]{2,20}/[a-z0-9-]{1,40})\n"
    rb"version ([0-9A-Za-z][0-9A-Za-z.+-]{0,39})\nsecurity_counter (0|[1-9][0-9]{0,8})\n"
    rb"board ([0-9a-f]{64})\nkernel ([0-9a-f]{64})\nimage ([0-9a-f]{64})\n")
_LEFT_OUT = ("ctx", "kind", "type_comment", "type_ignores", "type_params")


@dataclass(frozen=True)
class About:
    """A description. board: digest of pins, parts and limits; kernel: of its code; image: the
    image that was frozen in."""

    board_class: str
    version: str
    security_counter: int
    board: str
    kernel: str
    image: str

    @property
    def text(self) -> str:
        """The description as it lies in the binary."""
        return (f"{FORMAT}\nboard_class {self.board_class}\nversion {self.version}\n"
                f"security_counter {self.security_counter}\nboard {self.board}\n"
                f"kernel {self.kernel}\nimage {self.image}\n")


def find(data: bytes) -> list[About]:
    """Return every description in these bytes, each once."""
    found = dict.fromkeys(_PATTERN.findall(data))
    return [About(words[0].decode(), words[1].decode(), int(words[2]),
                  *(word.decode() for word in words[3:])) for words in found]


def board_sha256(board: Mapping[str, Any]) -> str:
    """Return the digest of a compiled board: every pin, part, volume and longest run."""
    return _sha256(json.dumps(board, sort_keys=True))


def kernel_sha256(sources: Mapping[str, Path]) -> str:
    """Return the digest of the code of the kernel among the firmware's sources.

    Comments, docstrings and layout are no part of it, nor is what the interpreter or the compiler
    of this machine makes of it.
    """
    parts = []
    for name in sorted(sources):
        compiled = name if name in ("boot.py", "main.py") else name.removesuffix(".py") + ".mpy"
        if contract.is_kernel(compiled):
            tree = ast.parse(sources[name].read_text(encoding="utf-8"))
            parts.append(f"{name}\n{_sha256(_shape(tree))}\n")
    return _sha256("".join(parts))


def _shape(node: Any) -> str:
    if isinstance(node, list):
        return "[" + ",".join(_shape(one) for one in node if not _is_docstring(one)) + "]"
    if not isinstance(node, ast.AST):
        return ascii(node)
    fields = [f"{name}={_shape(value)}" for name, value in sorted(ast.iter_fields(node))
              if value is not None and value != [] and name not in _LEFT_OUT]
    return f"{type(node).__name__}({','.join(fields)})"


def _is_docstring(node: Any) -> bool:
    return (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
