"""The doctor's look at who else may use the database.

As Debian installs it InfluxDB listens to the whole network and asks nobody for a password.
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
NAME = "who may use the database"


def look_at_influx(config: StoreConfig, addresses: Sequence[str] | None = None) -> Iterator[Check]:
    """Does it answer without a password, and beyond this machine? `addresses`: this machine's on
    networks. Nothing where there is no InfluxDB, or where it does not answer at all."""
    if config.kind != "influx":
        return
    try:
        is_open = _answers_anybody(config)
    except OSError:
        return  # the check of the store says so
    url = urlsplit(config.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    bind = f'influxdb.conf, [http]: bind-address = "127.0.0.1:{port}"'
    if _is_here(url.hostname or ""):
        mine = _own_addresses() if addresses is None else addresses
        beyond = ", ".join(one for one in mine if _listens(one, port))
        where = f"it listens on {beyond} too" if beyond else "only this machine reaches it"
    else:
        beyond = where = "it stands on another machine"
    if is_open:
        yield Check(NAME, "fail" if beyond else "warn",
                    f"{config.url} asks for no password, and {where}",
                    f"{bind}, and auth-enabled = true once an admin and a user are made; then "
                    "store.user and store.password (docs/store.md)")
    elif beyond and url.scheme == "http":
        yield Check(NAME, "warn", f"{config.url} asks who it is, but passwords and readings cross "
                    f"the network in plain text: {where}",
                    f"{bind}, or TLS before it and https in store.url")
    else:
        yield Check(NAME, "ok", f"{config.url} asks who it is; {where}")


def _answers_anybody(config: StoreConfig) -> bool:
    """Whether a question without credentials gets an answer. Raises OSError where nobody does."""
    question = f"{config.url.rstrip('/')}/query?q=SHOW+DATABASES"
    try:
        with urllib.request.urlopen(question, timeout=TIMEOUT_S):
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
