"""Middleware: origin, host, body size and type checks, and response headers."""

from idroserra.auth.roles import Role
from support.real_host import PASSWORD, Host

STOP = b'{"verb": "stop"}'
JSON = {"Content-Type": "application/json"}


def post(host, headers, content=STOP):
    return host.client.post("/api/nodes/idro-a/commands", content=content, headers=JSON | headers)


FOREIGN = (
    ({"Origin": "http://evil.example"}, 403, "Origin"),
    ({"Origin": "null"}, 403, "Origin"),
    ({"Sec-Fetch-Site": "cross-site"}, 403, "Sec-Fetch-Site"),
    ({"Host": "evil.example:8080"}, 403, "Host"),
    ({"Content-Type": "text/plain"}, 415, "Content-Type"),
)


def test_another_site_may_not_ask(host):
    for headers, status, named in FOREIGN:
        answer = post(host, headers)
        assert answer.status_code == status, headers
        assert answer.json()["error"].startswith(named)
    answer = host.client.get("/api/nodes", headers={"Host": "rebound.example"})
    assert answer.status_code == 403  # not even read
    own = host.url.removeprefix("http://")
    assert post(host, {"Origin": host.url, "Host": own}).status_code == 404  # no such node


def test_a_body_beyond_the_limit_is_refused_announced_or_not(host):
    big = b'{"verb": "' + b"x" * 70_000 + b'"}'
    assert post(host, {}, big).status_code == 413
    chunks = iter([big[:40_000], big[40_000:]])  # no Content-Length
    assert post(host, {}, chunks).status_code == 413


def test_a_body_that_is_no_object_gets_one_clear_line(host):
    for content in (b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"verb": NaN}'):
        answer = post(host, {}, content)
        assert answer.status_code == 422, content
        assert list(answer.json()) == ["error"]


def test_every_answer_has_the_security_headers(host):
    for path in ("/", "/api/nodes", "/api/nothing", "/static/none.js"):
        headers = host.client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'"), path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_static_files_are_named_by_content_and_kept(host):
    page = host.client.get("/").text
    address = page.split('type="module" src="')[1].split('"')[0]
    answer = host.client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    for name in ("vendor/uPlot.esm.js", "vendor/uPlot.min.css", "css/base.css", "icon.svg"):
        assert host.client.get(f"{address.rsplit('/', 2)[0]}/{name}").status_code == 200


def test_the_page_names_no_other_host(host):
    host.node("idro-a")
    for path in ("/", "/nodes/idro-a"):
        text = host.client.get(path).text
        assert "https://" not in text
        assert "http://" not in text


def test_through_a_proxy_people_get_in_at_the_address_that_is_configured(
    tmp_path, mosquitto, eventually
):
    public = "https://farm.example"
    host = Host(tmp_path / "host", mosquitto.port, eventually,
                more={"http": {"port": 0, "public_url": public}})
    try:
        host.session_of(Role.OPERATOR, "anna")
        body = {"name": "anna", "password": PASSWORD}
        for named in ("farm.example", "localhost"):  # as the proxy passes Host on, or does not
            headers = {"Host": named, "Origin": public, "X-Forwarded-Proto": "https",
                       "X-Forwarded-For": "192.0.2.7"}
            answer = host.client_with().post("/api/session", json=body, headers=headers)
            assert answer.status_code == 200, answer.text
            assert answer.headers["set-cookie"].startswith("idroserra=")
            assert "Secure" in answer.headers["set-cookie"]
            assert host.service.access.audit.newest(1)[0].address == "192.0.2.7"
            foreign = host.client_with().post("/api/session", json=body, headers=headers | {
                "Origin": "https://evil.example"})
            assert foreign.status_code == 403
        assert host.client.get("/", headers={"Host": "evil.example"}).status_code == 403
    finally:
        host.stop()
