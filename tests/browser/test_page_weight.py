"""Bytes that a phone fetches for the overview."""

from support.page_bytes import overview_bytes
from support.real_host import standing_host

NODES = 20
MOST_BYTES = 150_000


def test_the_overview_of_20_nodes_is_light(browser, tmp_path):
    with standing_host(tmp_path) as host:
        for number in range(NODES):
            host.node(f"idro-{number:02}").read()
        total, requests = overview_bytes(browser, host)
        assert 30_000 < total < MOST_BYTES, f"{total} bytes in {requests} requests"
