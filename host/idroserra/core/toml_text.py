"""Writes values of TOML, and finds what takes too long to parse."""

from __future__ import annotations

import json
import re

# Keys of very many parts take quadratic time to parse.
MOST_DOTS = 4
# Strings and comments as a whole, and what ends a key. Each alternative matches to the end of the
# text if its end is missing, so the search takes linear time.
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.?)*?(?:"{3,5}|\Z)' r"|'''.*?(?:'{3,5}|\Z)"
    r'|"(?:[^"\\\n]|\\.?)*"?' r"|'[^'\n]*'?" r"|#[^\n]*" r"|[.\n=,{}\[\]]", re.DOTALL)
_ENDS = "\n=,{}[]"


def toml_string(text: str) -> str:
    """Return a basic string of TOML: that of JSON, without DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def line_of_long_key(text: str) -> int | None:
    """Return the line, from 1, of the first key or header with over MOST_DOTS dots, or None."""
    dots = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ".":
            dots += 1
            if dots > MOST_DOTS:
                return text.count("\n", 0, token.start()) + 1
        elif token[0] in _ENDS:
            dots = 0
    return None
