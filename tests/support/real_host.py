"""A real host in this process for tests of the API and the pages, on loopback."""

import threading
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from idroserra.auth.local_token import token_for
from idroserra.auth.passwords import hash_password
from idroserra.auth.service import Visitor
from idroserra.broker.local import Broker
from idroserra.core.config import load_config
from idroserra.server.service import Service
from idroserra.web.app import create_app
from idroserra.web.middleware.authentication import COOKIE
from idroserra.web.server import WebServer
from support.paho_node import PahoNode
from support.wait import wait_until

KEY = b"k" * 32
PASSWORD = "a sentence for the tests"
SHUTDOWN_S = 60
ROOT = Path(__file__).resolve().parents[2]


@cache
def _hashed():
    """Return the hash of PASSWORD. It is cached, because hashing is slow by design."""
    return hash_password(PASSWORD)


class Host:
    """A running host. `client` is an httpx client with the token of the local command line."""

    def __init__(self, folder, broker_port, wait, *, simulated=False, more=None, help_site=None):
        self._wait = wait
        self._nodes = []
        self._clients = []
        self.broker_port = broker_port
        self.config = load_config(overrides={
            "site": "test", "data_dir": str(folder), "http": {"port": 0},
            "mqtt": {"url": f"mqtt://127.0.0.1:{broker_port}", "username": "host"},
            **(more or {}),
        })
        self.service = Service(self.config)
        with ExitStack() as if_failed:  # else its threads keep the process alive
            if_failed.callback(self.service.stop)
            self.service.start()
            self._start_web(simulated, help_site)
            if_failed.callback(self.stop_web)
            self.client = self.client_with(token_for(self.url))
            wait(lambda: self.counts()["broker"]["state"] == "connected", 15, "the broker")
            if_failed.pop_all()

    def _start_web(self, simulated, help_site):
        started = threading.Event()
        self.app = create_app(self.service, simulated=simulated, help_site=help_site)
        self._server = WebServer(self.app, "127.0.0.1", 0, lambda url: started.set())
        self._server.config.timeout_graceful_shutdown = 2 * SHUTDOWN_S
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        assert started.wait(60)
        self.url = self._server.url

    def client_with(self, token=None):
        """Return a client with or without a token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # The host closes a connection that is idle for 5 s: none is used again shortly before.
        client = httpx.Client(base_url=self.url, timeout=60, trust_env=False, headers=headers,
                              limits=httpx.Limits(keepalive_expiry=2))
        self._clients.append(client)
        return client

    def session_of(self, role, name=None):
        """Return (cookie, session id) of a user with this role who has just logged in.

        Creates the session as AuthService.log_in() does, without its two slow hashes."""
        access, name = self.service.access, name or f"{role.label}-of-tests"
        if name not in [user.name for user in access.users.all()]:
            with access.users._changing() as database:
                access.users._insert(database, name, role, _hashed())
        session = access.begin_session(
            access.users.get(name), Visitor("127.0.0.1", "tests"), "log in")
        return f"{COOKIE}_{urlsplit(self.url).port}", session

    def counts(self):
        return self.client.get("/api/health").json()

    def view(self, node):
        return self.client.get(f"/api/nodes/{node}").json()

    def node(self, name, *, adopt=True, kind=PahoNode):
        """Return a connected node that has announced itself, adopted by default."""
        if adopt:
            self.service.nodes.adopt(name, KEY)
        node = kind(name, self.broker_port, KEY)
        self._nodes.append(node)
        node.announce()
        self._wait(lambda: self.client.get(f"/api/nodes/{name}").status_code == 200
                   and self.view(name)["online"]
                   and self.view(name)["config"]["reported_rev"] is not None,
                   15, f"{name} to be known")
        return node

    def settle(self, node, count):
        """Wait until the host has stored `count` records of a node."""
        self._wait(lambda: self.counts()["nodes"].get(node, {}).get("stored", 0) >= count,
                   20, f"{count} records of {node} in the store")

    def stop_web(self):
        """Stop only the web server."""
        self._server.should_exit = True
        self._thread.join(SHUTDOWN_S)
        assert not self._thread.is_alive(), "an open stream delays the end of the web server"

    def stop(self):
        for node in self._nodes:
            node.close()
        self.stop_web()
        for client in self._clients:
            client.close()
        self.service.stop()


@contextmanager
def standing_host(folder):
    """Run a host with its own mosquitto, for all tests of a module."""
    broker = Broker(folder / "broker", "mosquitto")
    broker.start()
    running = Host(folder / "host", broker.port, wait_until)
    yield running
    running.stop()
    broker.stop()


@pytest.fixture(scope="module")
def own_host(tmp_path_factory):
    """Yield a host for all tests of a module, which has the line `host = own_host`."""
    with standing_host(tmp_path_factory.mktemp("host")) as running:
        yield running
