"""No address leads to a file beside those that are served."""

import http.client
import itertools
import re
from urllib.parse import urlsplit

import pytest

from idroserra.broker.local import Broker
from idroserra.web.static_files import STATIC
from support.real_host import Host
from support.wait import wait_until

UP = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%252f", "..\\", "..%5c", "....//", "..;/",
      ".%00./")
DEPTHS = (1, 2, 3, 8)
ASIDE = "a text beside the documentation"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traversal")
    (folder / "site").mkdir()
    (folder / "site" / "index.html").write_text("the documentation")
    (folder / "site-aside").mkdir()
    for place in (folder, folder / "site-aside"):
        (place / "aside.txt").write_text(ASIDE)
    (folder / "site" / "link.txt").symlink_to(folder / "aside.txt")
    broker = Broker(folder / "broker", "mosquitto")
    broker.start()
    host = Host(folder / "host", broker.port, wait_until, help_site=folder / "site")
    yield host
    host.stop()
    broker.stop()


def answered(host, path):
    """Return (status, content) of a path that no client has tidied up."""
    address = urlsplit(host.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.putrequest("GET", path)
        connection.putheader("Authorization", host.client.headers["Authorization"])
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def served(host):
    """Return the folders that are served: of the page, its documentation and the photos."""
    static = re.search(r"/static/\w+", host.client.get("/login").text)[0]
    return f"{static}/", f"{static}/js/", "/docs/", "/api/journal/photos/", "/"


def test_the_files_that_are_served_are_found(host):
    static = served(host)[0]
    assert answered(host, f"{static}icon.svg") == (200, (STATIC / "icon.svg").read_bytes())
    assert answered(host, "/docs/index.html") == (200, b"the documentation")


@pytest.mark.parametrize("target", [
    "aside.txt", "site-aside/aside.txt", "host/users.db", "host/state.db", "app.py",
    "static_files.py", "etc/passwd"])
def test_no_address_leads_out_of_what_is_served(host, target):
    for folder, up, depth in itertools.product(served(host), UP, DEPTHS):
        status, content = answered(host, f"{folder}{up * depth}{target}")
        assert 300 <= status < 500, (folder, up, depth)
        for secret in (ASIDE.encode(), b"SQLite format 3", b"root:x:", b"import annotations"):
            assert secret not in content, (folder, up, depth)


@pytest.mark.parametrize("path", [
    "//etc/passwd", "/docs//etc/passwd", "/docs/%2fetc%2fpasswd", "/docs/link.txt",
    "/docs/index.html%00.txt", "/docs/file:///etc/passwd"])
def test_no_absolute_path_and_no_link_is_followed(host, path):
    status, content = answered(host, path)
    assert 300 <= status < 500
    assert b"root:x:" not in content
    assert ASIDE.encode() not in content
