"""Settings as a node takes them, on both runtimes: `micropython settings_on_node.py FILE FOLDER`.

FILE has a line an input, "config HEX" (a down/config) or "slot HEX" (what lies in the flash). Each
is answered by one line: what is in force after it as JSON, or "refused".
"""

import binascii
import json
import sys

from idro.app.settings import Settings
from idro.errors import ProtocolError, SettingsError
from idro.protocol import messages

NODE = "idro-one"


def take(kind, data, folder):
    """Return (values in force, whether they were taken) after one input. Raises nothing."""
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
            raise ValueError("an error that says nothing") from None
        return settings.values, False
    read_back = Settings(paths).values
    if read_back != settings.values:
        raise ValueError("other settings after a reset")
    return settings.values, True


def main():
    with open(sys.argv[1]) as file:
        for line in file:
            kind, text = line.split()
            values, is_taken = take(kind, binascii.unhexlify(text), sys.argv[2])
            print(json.dumps(values) if is_taken else "refused")


if __name__ == "__main__":
    main()
