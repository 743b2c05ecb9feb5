"""A real host for these tests: mosquitto, spool, SQLite and the page on a free loopback port."""

import threading

import httpx
import pytest
from pages import DESKTOP, Watched, launch
from paho_node import PahoNode
from playwright.sync_api import sync_playwright

from idroserra.config import load_config
from idroserra.service import Service
from idroserra.web.app import create_app
from idroserra.web.server import WebServer

KEY = b"k" * 32


class Host:
    """The running host: .url, .client (httpx), .service, .node(name), .stop()."""

    def __init__(self, folder, broker_port, wait, *, simulated=False, more=None):
        self._wait = wait
        self._nodes = []
        self.broker_port = broker_port
        self.config = load_config(overrides={
            "site": "test", "data_dir": str(folder), "http": {"port": 0},
            "mqtt": {"url": f"mqtt://127.0.0.1:{broker_port}", "username": "host"},
            **(more or {}),
        })
        self.service = Service(self.config)
        self.service.start()
        started = threading.Event()
        app = create_app(self.service, simulated=simulated)
        self._server = WebServer(app, "127.0.0.1", 0, lambda url: started.set())
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        assert started.wait(20)
        self.url = self._server.url
        self.client = httpx.Client(base_url=self.url, timeout=20, trust_env=False)
        wait(lambda: self.counts()["broker"]["state"] == "connected", 15, "the broker")

    def counts(self):
        return self.client.get("/api/health").json()

    def view(self, node):
        return self.client.get(f"/api/nodes/{node}").json()

    def node(self, name, *, adopt=True):
        """Return a connected node that has announced itself, adopted unless told otherwise."""
        if adopt:
            self.service.nodes.adopt(name, KEY)
        node = PahoNode(name, self.broker_port, KEY)
        self._nodes.append(node)
        node.announce()
        self._wait(lambda: self.client.get(f"/api/nodes/{name}").status_code == 200
                   and self.view(name)["online"]
                   and self.view(name)["config"]["reported_rev"] is not None,
                   15, f"{name} to be known")
        return node

    def settle(self, node, count):
        """Wait until `count` records of a node are stored."""
        self._wait(lambda: self.counts()["nodes"].get(node, {}).get("stored", 0) >= count,
                   20, f"{count} records of {node} in the store")

    def stop_web(self):
        """Stop the page and the API only."""
        self._server.should_exit = True
        self._thread.join(4)
        assert not self._thread.is_alive(), "an open stream held up the end of the web server"

    def stop(self):
        for node in self._nodes:
            node.close()
        self.stop_web()
        self.client.close()
        self.service.stop()


@pytest.fixture
def host(tmp_path, mosquitto, eventually):
    """A running host with no node yet."""
    running = Host(tmp_path / "host", mosquitto.port, eventually)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser, host):
    """tab(size, scheme) returns a Watched tab on the host; closed at the end."""
    tabs = []

    def new_tab(size=DESKTOP, scheme="light"):
        tabs.append(Watched(browser, host.url, size, scheme))
        return tabs[-1]

    yield new_tab
    for one in tabs:
        one.close()


@pytest.fixture
def node(host, eventually):
    """A live, adopted node with an hour of history and three doses, all of it stored."""
    node = host.node("idro-a")
    for minutes_ago in (40, 25, 10):
        node.tell("dosed", {"actuator": "ph_down", "volume_ul": 2_500, "on_ms": 2_500,
                            "reason": "pH 6.04 is above 6.00", "by": "control"},
                  minutes_ago * 60_000)
    node.live(60)
    host.settle("idro-a", 63)
    eventually(lambda: host.view("idro-a")["verdict"]["level"] == "ok", 10, "a good verdict")
    return node
