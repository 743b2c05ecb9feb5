"""Bytes that a phone fetches for the overview and for the rooms of a node."""

from concurrent.futures import ThreadPoolExecutor

from support.page_bytes import page_bytes
from support.real_host import standing_host

NODES = 50
MOST_BYTES = 150_000
# What the one page of a node took before it had rooms, with 20 nodes.
MOST_OF_ROOM_BYTES = 190_000
ROOMS = {"": ".tile .value", "/charts": ".uplot canvas", "/crop": "#preview",
         "/water": "#balance tfoot td"}


def test_pages_are_light_with_50_nodes(browser, tmp_path):
    with standing_host(tmp_path) as host:
        names = [f"idro-{number:02}" for number in range(NODES)]
        with ThreadPoolExecutor(10) as pool:
            for node in pool.map(host.node, names):
                node.read()
        total, requests = page_bytes(browser, host)
        assert 30_000 < total < MOST_BYTES, f"{total} bytes in {requests} requests"
        for room, shown in ROOMS.items():
            total, requests = page_bytes(browser, host, f"/nodes/idro-00{room}", shown)
            assert total < MOST_OF_ROOM_BYTES, f"{room}: {total} bytes in {requests} requests"
