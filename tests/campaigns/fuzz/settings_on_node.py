"""Applies settings as a node does: `micropython settings_on_node.py FILE FOLDER`. Runs in both
runtimes.

Each line of FILE is an input, "config HEX" (a down/config) or "slot HEX" (contents of a slot).
Prints a line for each: the active settings as JSON, or "refused".
"""

import binascii
import json
import sys

from idro.app.settings import Settings
from idro.errors import ProtocolError, SettingsError
from idro.protocol import messages

NODE = "idro-one"


def apply(kind, data, folder):
    """Return (active values, whether the input was accepted). Raises ValueError for a bug."""
    paths = (folder + "/a.json", folder + "/b.json")
    for path in paths:
        with open(path, "wb") as file:
            file.write(data if kind == "slot" and path is paths[0] else b"")
    settings = Settings(paths)
    if kind == "slot":
        return settings.values, settings.rev > 0
    try:
        message = messages.unpack_config(NODE, [data]).message
        settings.apply(message.rev, message.by, message.values)
    except (ProtocolError, SettingsError) as error:
        if not str(error):
            raise ValueError("an error without a message") from None
        return settings.values, False
    read_back = Settings(paths).values
    if read_back != settings.values:
        raise ValueError("different settings after a reset")
    return settings.values, True


def main():
    with open(sys.argv[1]) as file:
        for line in file:
            kind, text = line.split()
            values, is_accepted = apply(kind, binascii.unhexlify(text), sys.argv[2])
            print(json.dumps(values) if is_accepted else "refused")


if __name__ == "__main__":
    main()
