"""The page on the site's network: TLS under the host's own authority, by its names only."""

import asyncio
import json
import ssl
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from idroserra.auth.roles import Role
from idroserra.core.config import load_config
from idroserra.core.errors import ConfigError
from idroserra.pki.site_https import SiteHttps
from support.real_host import PASSWORD, Host


@pytest.fixture
def host(tmp_path, mosquitto, eventually):
    running = Host(tmp_path / "host", mosquitto.port, eventually, more={
        "lan": {"enabled": True, "host": "127.0.0.1", "port": 0, "names": ["serra.lan"]}})
    yield running
    running.stop()


@pytest.fixture
def phone(host):
    """phone(path, name): ask as a phone on the network that trusts the host's authority."""
    trust = ssl.create_default_context(cadata=host.service.lan.authority.pem.decode())

    def ask(path, name="serra.lan", *, as_nobody=False, **headers):
        port = host.service.lan.port
        known = {} if as_nobody else {"Authorization": host.client.headers["Authorization"]}
        with httpx.Client(verify=trust, trust_env=False, timeout=60) as client:
            return client.get(
                f"https://127.0.0.1:{port}{path}",
                headers={"Host": f"{name}:{port}"} | known | headers,
                extensions={"sni_hostname": "serra.lan"})

    return ask


def test_the_same_page_over_tls_by_its_names_only(host, phone):
    assert phone("/api/health").status_code == 200
    assert phone("/api/health").json()["broker"] == {"state": "connected"}
    for name in ("evil.example", "localhost", "127.0.0.1", "serra.lan.evil.example", "[::1"):
        answer = phone("/api/health", name)
        assert answer.status_code == 403, name
        assert answer.json()["error"].startswith("Host:")
    # Proxy headers are ignored: there is no proxy on this listener.
    headers = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "localhost"}
    assert phone("/api/health", "localhost", **headers).status_code == 403


def test_loopback_goes_on_in_plain_http_and_a_proxy_may_stand_there(host):
    assert host.client.get("/api/health").status_code == 200
    assert host.client.get("/api/health", headers={"Host": "serra.lan"}).status_code == 403
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    assert host.client.get("/api/health", headers=headers).status_code == 200


def test_a_browser_that_came_over_tls_comes_back_over_tls(host, phone):
    for path in ("/login", "/api/nothing"):
        said = phone(path, as_nobody=True).headers["strict-transport-security"]
        assert said == "max-age=2592000"
    assert "strict-transport-security" in phone("/login", "evil.example").headers  # refused ones
    assert "strict-transport-security" not in host.client.get("/login").headers


def test_who_does_not_trust_the_authority_is_warned_and_plain_http_gets_nothing(host):
    port = host.service.lan.port
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://127.0.0.1:{port}/api/health", trust_env=False, timeout=60)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"http://127.0.0.1:{port}/api/health", trust_env=False, timeout=60)


def test_a_board_is_installed_over_tls_from_the_pages_own_origin(host):
    trust = ssl.create_default_context(cadata=host.service.lan.authority.pem.decode())
    own = f"serra.lan:{host.service.lan.port}"
    name, session = host.session_of(Role.ADMIN)
    cookie = {"Cookie": f"{name.rpartition('_')[0]}_{host.service.lan.port}={session}"}
    with httpx.Client(verify=trust, trust_env=False, timeout=60) as client:
        ticket = client.post(
            f"https://127.0.0.1:{host.service.lan.port}/api/install", json={},
            headers={"Host": own, "Origin": f"https://{own}"} | cookie,
            extensions={"sni_hostname": "serra.lan"}).json()["ticket"]

    async def first_message(origin):
        # Not the client with threads, whose reads and writes over TLS disturb one another.
        async with connect(f"wss://{own}/api/install/line?ticket={ticket}", ssl=trust,
                           origin=origin, additional_headers=cookie, proxy=None,
                           host="127.0.0.1", port=host.service.lan.port,
                           open_timeout=60) as line:
            return json.loads(await line.recv())

    with pytest.raises(InvalidStatus):
        asyncio.run(first_message(f"http://{own}"))  # of anybody who answers in its place
    assert asyncio.run(first_message(f"https://{own}"))["t"] == "say"


def test_anyone_gets_the_certificate_and_what_to_compare_and_nothing_else(host, phone):
    page = phone("/trust", as_nobody=True)
    assert page.status_code == 200
    assert host.service.lan.authority.fingerprint in page.text
    assert f"https://serra.lan:{host.service.lan.port}" in page.text
    certificate = phone("/authority.crt", as_nobody=True)
    assert certificate.headers["content-type"] == "application/x-x509-ca-cert"
    assert certificate.content == host.service.lan.authority.der
    assert phone("/api/nodes", as_nobody=True).status_code == 401


def test_without_lan_there_is_nothing_to_trust(tmp_path, mosquitto, eventually):
    running = Host(tmp_path / "host", mosquitto.port, eventually)
    try:
        assert "enabled = true" in running.client.get("/trust").text
        assert running.client.get("/authority.crt").status_code == 404
    finally:
        running.stop()


def test_a_session_over_tls_is_for_tls_alone(host):
    """The cookie of a log-in over TLS never goes over a plain line."""
    lan = host.service.lan
    host.service.access.users.add("anna", Role.VIEWER, PASSWORD)
    trust = ssl.create_default_context(cadata=lan.authority.pem.decode())
    base = f"https://serra.lan:{lan.port}"
    with httpx.Client(verify=trust, trust_env=False, timeout=60) as client:
        def log_in(origin):
            return client.post(
                f"https://127.0.0.1:{lan.port}/api/session",
                json={"name": "anna", "password": PASSWORD},
                headers={"Host": f"serra.lan:{lan.port}", "Origin": origin},
                extensions={"sni_hostname": "serra.lan"})

        answer = log_in(base)
        plain = log_in(f"http://serra.lan:{lan.port}")  # a page that an attacker can write
    assert answer.status_code == 200, answer.text
    assert (plain.status_code, plain.json()["error"][:6]) == (403, "Origin")
    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_renewed_certificate_serves_without_a_restart(host, phone):
    folder = host.config.data_dir / "lan"
    before = (folder / "server.pem").read_bytes()
    (folder / "server.pem").unlink()
    host.service.lan.renew()
    assert (folder / "server.pem").read_bytes() != before
    assert phone("/api/health").status_code == 200


def test_renewals_at_the_same_time_all_serve_a_whole_pair(host):
    certificate = host.config.data_dir / "lan" / "server.pem"
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            certificate.unlink()
            for renewal in [pool.submit(host.service.lan.renew) for _ in range(4)]:
                renewal.result()


def test_a_provided_certificate_is_served_for_the_configured_names(tmp_path):
    ours = SiteHttps(load_config(overrides={"lan": {"enabled": True, "names": ["a.lan"]}}).lan,
               "site", tmp_path)
    files = {"cert_file": str(tmp_path / "lan/server.pem"),
             "key_file": str(tmp_path / "lan/server.key")}
    theirs = lambda **more: SiteHttps(load_config(overrides={"lan": files | more}).lan,  # noqa: E731
                                "site", tmp_path)
    assert theirs(names=["serra.example.org"], port=443).url == "https://serra.example.org"
    assert ours.url == "https://a.lan:8443"
    with pytest.raises(ConfigError, match="names: required with cert_file"):
        theirs()
    (tmp_path / "lan/server.key").write_text("nothing")
    with pytest.raises(ConfigError, match="cert_file"):
        theirs(names=["serra.example.org"])


@pytest.mark.parametrize(("lan", "why"), [
    ({"names": ["not a name"]}, "a host name such as serra.lan"),
    ({"cert_file": "x.crt"}, "cert_file and key_file go together"),
])
def test_a_wrong_key_is_refused_by_its_name(lan, why):
    with pytest.raises(ConfigError, match=why):
        load_config(overrides={"lan": lan})
