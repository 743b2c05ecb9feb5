"""Checks who can access InfluxDB.

Debian's default configuration listens on all interfaces and requires no password.
"""

from __future__ import annotations

import ipaddress
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import ifaddr

from idroserra.core.config import StoreConfig
from idroserra.doctor.result import Check

TIMEOUT_S = 2.0
NAME = "database access"


def check_influx(config: StoreConfig, addresses: Sequence[str] | None = None) -> Iterator[Check]:
    """Yield a check of authentication and network exposure; none if InfluxDB does not answer.

    `addresses`: network addresses of this machine."""
    if config.kind != "influx":
        return
    try:
        is_open = _is_open_to_all(config)
    except OSError:
        return  # reported by the store check
    url = urlsplit(config.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    bind = f'influxdb.conf, [http]: bind-address = "127.0.0.1:{port}"'
    if _is_here(url.hostname or ""):
        mine = _own_addresses() if addresses is None else addresses
        beyond = ", ".join(one for one in mine if _listens(one, port))
        where = f"it also listens on {beyond}" if beyond else "only this machine reaches it"
    else:
        beyond = where = "it is on another machine"
    if is_open:
        yield Check(NAME, "fail" if beyond else "warn",
                    f"{config.url} requires no password, and {where}",
                    f"{bind}; create an admin and a user, set auth-enabled = true, then "
                    "store.user and store.password (docs/store.md)")
    elif beyond and url.scheme == "http":
        yield Check(NAME, "warn", f"{config.url} requires a password, but network traffic is "
                    f"unencrypted: {where}",
                    f"{bind}, or a TLS proxy and https in store.url")
    else:
        yield Check(NAME, "ok", f"{config.url} requires a password; {where}")


def _is_open_to_all(config: StoreConfig) -> bool:
    """Return whether a query without credentials succeeds. Raises OSError if unreachable."""
    query = f"{config.url.rstrip('/')}/query?q=SHOW+DATABASES"
    try:
        with urllib.request.urlopen(query, timeout=TIMEOUT_S):
            return True
    except urllib.error.HTTPError:
        return False


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), TIMEOUT_S).close()
    except OSError:
        return False
    return True


def _own_addresses() -> list[str]:
    found = [one.ip for adapter in ifaddr.get_adapters() for one in adapter.ips
             if isinstance(one.ip, str)]
    return [one for one in found if not ipaddress.ip_address(one).is_loopback]
