"""What the request for the state of another host makes of servers that fail, hang or lie."""

import json
import ssl
import time

import pytest

from idroserra.core.config import load_config
from idroserra.core.errors import ConfigError
from idroserra.other_hosts.client import MOST_BYTES, NoStatus, ask_status
from idroserra.pki.https_ca import HttpsCA
from support.raw_server import answer, drip, hang, raw_server

TOKEN = "idro_" + "t" * 43
GOOD = json.dumps({"unix_ms": 1_000, "level": "ok"}).encode()
PIECE = b"HTTP/1.1 200 OK\r\n"
DEADLINE_S = 0.5


def other(tmp_path, url, token=TOKEN, **more):
    file = tmp_path / "north.token"
    file.write_text(f"{token}\n")
    return load_config(overrides={"other_host": [{
        "name": "North", "url": url, "token_file": str(file), **more}]}).other_host[0]


def reason_for(config):
    """Return why a host gives no state, as (code, values)."""
    began_s = time.monotonic()
    with pytest.raises(NoStatus) as raised:
        ask_status(config, DEADLINE_S)
    assert time.monotonic() - began_s < 30  # a loaded machine; an endless answer has no end
    reason = raised.value.reason
    assert TOKEN not in json.dumps(reason.as_json()) + repr(raised.value)
    return reason.code, reason.values


def test_the_state_is_read_with_the_token_in_english(tmp_path):
    with raw_server(answer(GOOD)) as server:
        assert ask_status(other(tmp_path, server.url)).level == "ok"
    [request] = server.requests
    assert request.startswith(b"GET /api/status HTTP/1.1\r\n")
    assert f"Authorization: Bearer {TOKEN}\r\n".encode() in request
    assert b"Accept-Language: en\r\n" in request


@pytest.mark.parametrize(("content", "code", "detail"), [
    (b"", "other_unreachable", "closed connection without response"),
    (b"\0\xff garbage\r\n\r\n", "other_unread", "BadStatusLine"),
    (b"220 mail ESMTP\r\n", "other_unread", "BadStatusLine"),
    (PIECE + b"Content-Length: 99\r\n\r\n" + GOOD, "other_unread", "IncompleteRead"),
    (PIECE + b"\r\n<html>log in</html>", "other_unread", "not JSON"),
    (answer(b'{"unix_ms": 1, "level": "ok", "x": ' + b"[" * 100_000), "other_unread", "not JSON"),
    (answer(b'{"unix_ms": "now", "level": "ok"}'), "other_unread", "$.unix_ms"),
    (answer(b'{"unix_ms": 1}'), "other_unread", "level"),
    (answer(GOOD, "302 Found", "Location: http://127.0.0.1:1/\r\n"), "other_unread", "HTTP 302"),
    (answer(b"", "500 Oops"), "other_unread", "HTTP 500"),
    (answer(b'{"error": "Host: \'x\' is not\\n a name"}', "403 No"), "other_unread",
     "HTTP 403: Host: 'x' is not a name"),
    (answer(b"", "404 No"), "other_unread", "HTTP 404"),
    (answer(b'{"error": "Not Found"}', "404 No"), "other_too_old", None),
    (answer(b"{}", "401 No"), "other_token_refused", None),
    (PIECE + b"Content-Length: 10485760\r\n\r\n" + b" " * (MOST_BYTES + 1), "other_unread",
     "more than 256 KiB"),
    (PIECE + b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"x" * 16_384 + b"\r\n"
     + (b"4000\r\n" + b"x" * 16_384 + b"\r\n") * 16, "other_unread", "more than 256 KiB"),
    ((b"HTTP/1.1 100 Continue\r\n\r\n") * 20_000, "other_unread", "more than 256 KiB"),
    (PIECE + b"A: " + b"x" * 70_000, "other_unread", "LineTooLong"),
    *((PIECE + b"Content-Length: %d\r\n\r\n{" % size, "other_unread", "IncompleteRead")
      for size in (1 << 33, 10**15, 10**30)),
    *((PIECE + b"Transfer-Encoding: chunked\r\n\r\n%s\r\n{" % size, "other_unread", detail)
      for size, detail in ((b"f" * 9, "IncompleteRead"), (b"f" * 15, "IncompleteRead"),
                           (b"f" * 30, "IncompleteRead"), (b"-5", "ValueError"))),
], ids=range(25))
def test_an_answer_that_is_no_state_is_a_reason(tmp_path, content, code, detail):
    with raw_server(content) as server:
        found, values = reason_for(other(tmp_path, server.url))
    assert found == code
    assert detail is None or detail in values["detail"]


@pytest.mark.parametrize("behave", [
    hang, drip(b"", PIECE[:1]), drip(PIECE, b"A: b\r\n"), drip(PIECE + b"\r\n", b" "),
], ids=["hangs", "first line", "headers", "body"])
def test_an_answer_that_does_not_end_is_cut(tmp_path, behave):
    with raw_server(behave) as server:
        code, values = reason_for(other(tmp_path, server.url))
    # Endless letters of a status line are none at their deadline.
    assert (code, values) == ("other_silent", {"for_ms": 500})


def test_no_redirect_takes_the_token_along(tmp_path):
    with raw_server(answer(GOOD)) as elsewhere:
        to = answer(b"", "307 There", f"Location: {elsewhere.url}/api/status\r\n")
        with raw_server(to) as server:
            assert reason_for(other(tmp_path, server.url))[0] == "other_unread"
        assert elsewhere.requests == []


def test_where_none_answers_the_reason_says_why(tmp_path, free_port):
    code, values = reason_for(other(tmp_path, f"http://127.0.0.1:{free_port()}"))
    assert (code, values) == ("other_unreachable", {"detail": "Connection refused"})
    code, values = reason_for(other(tmp_path, "https://north.invalid"))
    assert (code, values) == ("other_name_unknown", {"service": "north.invalid"})


@pytest.mark.parametrize("token", ["", "two words", "two\nlines", "à", "x" * 500])
def test_a_file_without_a_token_sends_nothing(tmp_path, token):
    with raw_server(answer(GOOD)) as server:
        code, values = reason_for(other(tmp_path, server.url, token))
        assert (code, values) == ("other_token_unread", {"detail": "not one line with a token"})
        missing = other(tmp_path, server.url)
        missing.token_file.unlink()
        assert reason_for(missing) == (
            "other_token_unread", {"detail": "No such file or directory"})
    assert server.requests == []


def test_only_the_host_with_the_right_certificate_gets_the_token(tmp_path):
    authority = HttpsCA(tmp_path / "north", "North")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server(["north.lan", "127.0.0.1"]))
    HttpsCA(tmp_path / "evil", "North")
    with raw_server(answer(GOOD), context) as server:
        url = f"https://127.0.0.1:{server.port}"
        good = other(tmp_path, url, ca_file=str(tmp_path / "north" / "authority.pem"))
        assert ask_status(good).level == "ok"
        for ca_file, why in (
            (str(tmp_path / "evil" / "authority.pem"), "certificate"),
            (None, "self-signed certificate"),
            (str(tmp_path / "nowhere.pem"), "nowhere.pem: No such file"),
        ):
            trust = {} if ca_file is None else {"ca_file": ca_file}
            code, values = reason_for(other(tmp_path, url, **trust))
            assert code == "other_certificate"
            assert why in values["detail"]
        named = other(tmp_path, f"https://localhost:{server.port}", ca_file=str(good.ca_file))
        code, values = reason_for(named)
        assert code == "other_certificate"
        assert "Hostname mismatch" in values["detail"]
        assert len(server.requests) == 1
    with raw_server(b"SSH-2.0-x\r\n") as server:
        code, values = reason_for(other(tmp_path, f"https://127.0.0.1:{server.port}"))
        assert (code, values["detail"][:4]) == ("other_unreachable", "TLS:")


@pytest.mark.parametrize(("more", "key", "why"), [
    ({"url": "http://north.lan"}, "url", "must be https:// except on loopback"),
    ({"url": "https://me:pw@north.lan"}, "url", "user and password"),
    ({"url": "javascript:alert(1)"}, "url", "must be a URL"),
    ({"ca_file": "x.pem"}, "ca_file", "of no use without https://"),
    ({"name": " North"}, "name", "should match"),
    ({"name": "North\n"}, "name", "should match"),
    ({"token": TOKEN}, "token", "unknown key"),
])
def test_a_wrong_key_is_refused_by_its_name(more, key, why):
    good = {"name": "North", "url": "http://127.0.0.1:1", "token_file": "north.token"}
    with pytest.raises(ConfigError, match=rf"other_host\.0\.{key}: .*{why}") as raised:
        load_config(overrides={"other_host": [good | more]})
    assert TOKEN not in str(raised.value)


def test_two_hosts_of_one_name_are_refused():
    good = {"name": "North", "url": "http://127.0.0.1:1", "token_file": "north.token"}
    with pytest.raises(ConfigError, match=r"other_host\.1\.name: another other_host has this"):
        load_config(overrides={"other_host": [good, good]})
