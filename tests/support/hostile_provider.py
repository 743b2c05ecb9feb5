"""An OpenID provider that does wrong on demand, and a log-in at it without a browser."""

import base64
import hashlib
import hmac
import json
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from joserfc import jwk, jwt

CLIENT_ID = "idroserra"
KEY = jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
OTHER_KEY = jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})


class HostileProvider:
    """A right provider; a test changes what it says. `nonce` is that of the last log-in."""

    def __init__(self, now_unix_ms, tls=None):
        self._now_unix_ms = now_unix_ms
        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.issuer = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self.description = {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys"}
        self.keys = {"keys": [KEY.as_dict(private=False)]}
        self.signing_key, self.header = KEY, {"alg": "RS256", "kid": "one"}
        self.claims, self.dropped = {}, ()
        self.tokens = {}  # in place of those that are right
        self.userinfo = {"sub": "id-of-eve"}
        self.instead = {}  # path: what a handler does in place of the right answer
        self.asked = []  # (path, form, headers)
        self.ahead_s = 0  # of its clock, in the header Date
        self.nonce = ""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def id_token(self):
        now_s = self._now_unix_ms() // 1_000
        claims = {"iss": self.issuer, "sub": "id-of-eve", "aud": CLIENT_ID, "exp": now_s + 300,
                  "iat": now_s, "nonce": self.nonce, "groups": ["in"],
                  "preferred_username": "eve", **self.claims}
        claims = {key: value for key, value in claims.items() if key not in self.dropped}
        if self.header["alg"] in ("none", "HS256"):
            return self._forged(claims)
        return jwt.encode(self.header, claims, self.signing_key, algorithms=[self.header["alg"]])

    def close(self):
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _forged(self, claims):
        """Return a token without a signature, or with the public key as the secret of one."""
        text = b".".join(_base64(json.dumps(part).encode()) for part in (self.header, claims))
        secret = KEY.as_pem(private=False)
        made = b"" if self.header["alg"] == "none" else _base64(
            hmac.new(secret, text, hashlib.sha256).digest())
        return (text + b"." + made).decode()

    def _answer_of(self, path):
        if path == "/token":
            return {"id_token": self.id_token(), "access_token": "an-access-token",
                    "token_type": "Bearer"} | self.tokens
        return {"/.well-known/openid-configuration": self.description, "/keys": self.keys,
                "/userinfo": self.userinfo}[path]

    def _handler(provider):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                provider.asked.append((self.path, dict(parse_qsl(body.decode())), self.headers))
                self.close_connection = True
                with suppress(OSError):
                    if self.path in provider.instead:
                        provider.instead[self.path](self)
                    else:
                        self.send(200, json.dumps(provider._answer_of(self.path)).encode())

            do_POST = do_GET

            def date_time_string(self, timestamp=None):
                return super().date_time_string(time.time() + provider.ahead_s)

            def send(self, status, content, **headers):
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(content))} | headers).items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        return Handler


def status(code, content=b"{}", **headers):
    """Answer with a status."""
    return lambda handler: handler.send(code, content, **headers)


def huge(handler):
    """Answer with a text without an end."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b'{"issuer": "' + b"x" * 65_536)


def hang(provider):
    """Take a request and say nothing."""
    return lambda handler: provider.over.wait()


def drip(provider, head=b"HTTP/1.1 200 OK\r\nX-Long: "):
    """Answer a byte at a time: each is in time for a limit of one read."""
    def drip_on(handler):
        handler.wfile.write(head)
        while not provider.over.wait(0.02):
            handler.wfile.write(b"x")

    return drip_on


@contextmanager
def hostile_provider(now_unix_ms, tls=None):
    """Run a HostileProvider; `tls` is the context of its TLS."""
    provider = HostileProvider(now_unix_ms, tls)
    try:
        yield provider
    finally:
        provider.close()


def base64_of(content):
    """Return bytes, or a value as JSON, as they are in a token."""
    found = content if isinstance(content, bytes) else json.dumps(content).encode()
    return _base64(found).decode()


def query_of(url):
    return dict(parse_qsl(urlsplit(url).query))


def _base64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=")
