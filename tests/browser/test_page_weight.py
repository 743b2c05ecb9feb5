"""Bytes that a phone fetches for the overview."""

from concurrent.futures import ThreadPoolExecutor

from support.page_bytes import overview_bytes
from support.real_host import standing_host

NODES = 50
MOST_BYTES = 150_000


def test_the_overview_of_50_nodes_is_light(browser, tmp_path):
    with standing_host(tmp_path) as host:
        names = [f"idro-{number:02}" for number in range(NODES)]
        with ThreadPoolExecutor(10) as pool:
            for node in pool.map(host.node, names):
                node.read()
        total, requests = overview_bytes(browser, host)
        assert 30_000 < total < MOST_BYTES, f"{total} bytes in {requests} requests"
