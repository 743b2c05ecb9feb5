"""Writes values of TOML."""

from __future__ import annotations

import json


def toml_string(text: str) -> str:
    """Return a basic string of TOML: that of JSON, without DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
