"""S16: what a host listens on beyond this machine: nothing, or the page over TLS alone."""

import os
import re
from pathlib import Path

from real_host import standing_host


def listening():
    """Return the addresses on which this process listens, as (hex address, port)."""
    inodes = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(link))
        except OSError:
            continue
        inodes |= {found[1]} if found else set()
    rows = []
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                address, port = words[1].split(":")
                rows.append((address, int(port, 16)))
    return rows


def test_a_host_without_lan_listens_on_loopback_alone(tmp_path):
    before = set(listening())
    with standing_host(tmp_path):
        opened = set(listening()) - before
    assert opened, "the page at least"
    assert {address for address, _ in opened} == {"0100007F"}
