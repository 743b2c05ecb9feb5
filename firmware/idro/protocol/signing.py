"""What authenticates a message to a node: a MAC as its last field, over the bytes before it."""

import json

from idro.errors import ProtocolError
from idro.protocol import fields


def sign(node, leaf, obj, mac):
    """Return `obj` as bytes, with a MAC over node, leaf and all before it as the last field."""
    body = json.dumps(obj)[:-1]
    return f'{body},"auth":"{mac(_signed_bytes(node, leaf, body))}"}}'.encode()


def unsign(node, leaf, data, max_bytes):
    """Return (object, signed bytes, MAC), the MAC not checked. Raises ProtocolError."""
    obj = fields.parse_object(data, max_bytes, leaf)
    fields.check_version(obj)
    auth = fields.identifier(obj, "auth", 64)
    whole = str(data, "utf-8").strip()
    tail = f',"auth":"{auth}"}}'
    if len(auth) != 64 or not whole.endswith(tail):
        raise ProtocolError("auth: not 64 hex digits as the last field")
    return obj, _signed_bytes(node, leaf, whole[: -len(tail)]), auth


def _signed_bytes(node, leaf, body):
    return f"idro/v1/{node}/down/{leaf}\n{body}".encode()
