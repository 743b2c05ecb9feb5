"""Lists the TCP ports on which a process listens, from /proc."""

import os
import re
from pathlib import Path

LOOPBACK = "0100007F"


def listening(process: int | str = "self") -> set[tuple[str, int]]:
    """Return (address in hexadecimal as in /proc, port) of every listening TCP socket."""
    sockets = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        try:
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(link))
        except OSError:
            continue
        sockets |= {found[1]} if found else set()
    rows = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process}/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in sockets:
                address, port = words[1].split(":")
                rows.add((address, int(port, 16)))
    return rows
