"""A file with the key of a node, to carry from the provisioning machine to the host's."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from idroserra.core.errors import ConfigError

_HEX = re.compile(r"[0-9a-fA-F]{64}")


def write(path: Path, node: str, key: bytes) -> None:
    """Write a new file readable by this user only; never replaces one. Raises ConfigError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"node": node, "key": key.hex()}, file)
            file.write("\n")
    except OSError as error:
        raise ConfigError(str(path), "", error.strerror or str(error)) from None


def read(path: Path, node: str) -> bytes:
    """Return the key of `node` in a file of write(). Raises ConfigError."""
    try:
        return parse(path.read_text("utf-8"), node)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(str(path), "", why) from None


def parse(text: str, node: str) -> bytes:
    """Return the key of `node` in the text of a key file, or in its 64 hex digits alone.

    Raises ValueError, which contains nothing of the text."""
    text = text.strip()
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        content = json.loads(text)
        owner, key = content["node"], content["key"]
    except (ValueError, KeyError, TypeError):
        raise ValueError("neither a key file of `idroserra provision --key-to` nor the 64 hex "
                         "digits of a key") from None
    if owner != node:
        raise ValueError(f"its key is that of {str(owner)[:32]}, not of {node}")
    if not isinstance(key, str) or not _HEX.fullmatch(key):
        raise ValueError("key: 64 hex digits are needed")
    return bytes.fromhex(key)
