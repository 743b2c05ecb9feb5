"""Checked reading of one JSON object from outside. Every refusal is a ProtocolError that names
the field. The same rules on node and host, whichever JSON parser is underneath."""

import json
import math

from idro.errors import ProtocolError
from idro.protocol.json_stream import Stream

MAX_INT = 2**53 - 1
MAX_TEXT_CHARS = 200
_NOT_JSON = (ValueError, RuntimeError, OverflowError, TypeError, IndexError)
_ID_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def parse_object(data, max_bytes, what):
    """Return the JSON object in `data` (bytes). Raises ProtocolError, whatever the bytes are."""
    if len(data) > max_bytes:
        raise ProtocolError(f"{what}: {len(data)} bytes, at most {max_bytes}")
    try:
        data = bytes(data).strip()
        text = str(data, "utf-8")
    except ValueError:  # UnicodeError on both runtimes
        raise ProtocolError(f"{what}: not UTF-8") from None
    if b"\\" in data and _has_surrogate(text):
        raise ProtocolError(f"{what}: escaped surrogate")
    # MicroPython 1.25 parses truncated objects without a word, so the end is checked here.
    if not data.startswith(b"{") or not data.endswith(b"}"):
        raise ProtocolError(f"{what}: not a whole JSON object")
    try:
        value = json.loads(text)
    except _NOT_JSON:
        raise ProtocolError(f"{what}: not JSON") from None
    if not isinstance(value, dict):
        raise ProtocolError(f"{what}: not a JSON object")
    return value


def load_object(pieces, what):
    """Return the JSON object in `pieces`, an iterable of bytes that are never one text. Raises
    ProtocolError. A cut off end may go unseen: who hands it in knows its length."""
    try:
        value = json.load(Stream(pieces))
    except _NOT_JSON:
        raise ProtocolError(f"{what}: not JSON") from None
    if not isinstance(value, dict):
        raise ProtocolError(f"{what}: not a JSON object")
    return value


def check_version(obj):
    """Refuse an object of another version of the contract. Raises ProtocolError."""
    if obj.get("v") != 1:
        raise ProtocolError("v: this side speaks version 1")


def only(obj, allowed, what):
    """Refuse any key of `obj` that is not in `allowed`. Raises ProtocolError."""
    for key in obj:
        if key not in allowed:
            raise ProtocolError(f"{what}: unknown field {_shown(key)}")


def integer(obj, key, low=0, high=MAX_INT):
    """Return the integer under `key`, within low..high. Raises ProtocolError."""
    value = obj.get(key)
    if not is_integer(value):
        raise ProtocolError(f"{key}: integer needed, got {_shown(value)}")
    if not low <= value <= high:
        raise ProtocolError(f"{key}: {_shown(value)} is not in {low}..{high}")
    return value


def integer_or_none(obj, key, low=0, high=MAX_INT):
    """Return the integer under `key`, None where null or missing. Raises ProtocolError."""
    if obj.get(key) is None:
        return None
    return integer(obj, key, low, high)


def text(obj, key, max_chars=MAX_TEXT_CHARS):
    """Return the text under `key`, 0 to max_chars printable characters. Raises ProtocolError."""
    value = _short_text(obj, key, max_chars)
    for byte in value.encode():
        if byte < 32:
            raise ProtocolError(f"{key}: control character")
    return value


def identifier(obj, key, max_chars=40):
    """Return the id under `key`: 1 to max_chars of A-Z a-z 0-9 - _. Raises ProtocolError."""
    value = _short_text(obj, key, max_chars)
    if not value or not only_bytes(value, _ID_BYTES):
        raise ProtocolError(f"{key}: not an id")
    return value


def hex_digits(obj, key, count):
    """Return the text under `key`: `count` hex digits, small letters. Raises ProtocolError."""
    value = obj.get(key)
    if (
        not isinstance(value, str) or len(value) != count
        or not only_bytes(value, b"0123456789abcdef")
    ):
        raise ProtocolError(f"{key}: not {count} hex digits")
    return value


def is_id(data):
    """True when `data`, bytes, spells an id as `identifier` has it."""
    return 0 < len(data) <= 40 and not data.strip(_ID_BYTES)


def choice(obj, key, allowed):
    """Return the text under `key`, one of `allowed`. Raises ProtocolError."""
    value = obj.get(key)
    if not isinstance(value, str) or value not in allowed:
        raise ProtocolError(f"{key}: {_shown(value)} is none of {', '.join(allowed)}")
    return value


def flag(obj, key):
    """Return the boolean under `key` (False where missing). Raises ProtocolError."""
    value = obj.get(key, False)
    if value is not True and value is not False:
        raise ProtocolError(f"{key}: true or false needed, got {_shown(value)}")
    return value


def mapping(obj, key, max_keys):
    """Return the object under `key` ({} where missing). Raises ProtocolError."""
    value = obj.get(key, {})
    if not isinstance(value, dict):
        raise ProtocolError(f"{key}: object needed, got {_shown(value)}")
    if len(value) > max_keys:
        raise ProtocolError(f"{key}: {len(value)} keys, at most {max_keys}")
    return value


def sequence(obj, key, max_items):
    """Return the list under `key`. Raises ProtocolError."""
    value = obj.get(key)
    if not isinstance(value, list):
        raise ProtocolError(f"{key}: list needed, got {_shown(value)}")
    if len(value) > max_items:
        raise ProtocolError(f"{key}: {len(value)} items, at most {max_items}")
    return value


def only_bytes(text, allowed):
    """True when every character of `text` is one of the ASCII bytes `allowed`.

    strip() stops at the first byte that is not allowed, and is 20 times faster than a loop.
    """
    try:
        return not text.encode().strip(allowed)
    except ValueError:  # half a surrogate pair
        return False


def is_integer(value):
    """True for an int that is no bool (bool is an int on CPython, not on MicroPython)."""
    return isinstance(value, int) and value is not True and value is not False


def is_number(value):
    """True for a finite int or float that is no bool."""
    if is_integer(value):
        return -MAX_INT <= value <= MAX_INT
    return isinstance(value, float) and math.isfinite(value)


def _short_text(obj, key, max_chars):
    value = obj.get(key)
    if not isinstance(value, str):
        raise ProtocolError(f"{key}: text needed, got {_shown(value)}")
    if len(value) > max_chars:
        raise ProtocolError(f"{key}: {len(value)} characters, at most {max_chars}")
    return value


def _has_surrogate(text):
    """True for \\ud800 to \\udfff: MicroPython keeps each half as a character that is no UTF-8."""
    return any(part[:1] in tuple("89abcdef") for part in text.lower().split("\\ud")[1:])


def _shown(value):
    """Return a short text of any value: a huge int cannot be printed whole, nor deep nesting."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    if is_integer(value) and not -MAX_INT <= value <= MAX_INT:
        return "a huge integer"
    return repr(value)[:40]
