"""Checks of host names and URLs, and the names of this machine on the site's network."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
# Domains for local networks: RFC 6762, RFC 8375, ICANN's "internal", and one that routers and
# Pi-hole use.
LOCAL_DOMAINS = ("local", "home.arpa", "internal", "lan")
PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
                    "127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128")


def is_address(name: str) -> bool:
    """True for an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_local(name: str) -> bool:
    """True for a name or address of a local network, which the host's CA may certify."""
    if is_address(name):
        address = ipaddress.ip_address(name)
        return any(address in ipaddress.ip_network(network) for network in PRIVATE_NETWORKS
                   if ipaddress.ip_network(network).version == address.version)
    return any(name.endswith(f".{domain}") for domain in LOCAL_DOMAINS)


def check_name(name: str) -> str:
    """Return a host name or address in canonical form. Raises ValueError."""
    if is_address(name):
        return str(ipaddress.ip_address(name))
    lower = name.lower().rstrip(".")
    if len(lower) > 253 or not _NAME.fullmatch(lower):
        raise ValueError("not a host name such as serra.lan, and not an address")
    return lower


def own_names(more: Iterable[str] = ()) -> list[str]:
    """Return `more`, this machine's .local name (mDNS) and its current private addresses."""
    host = socket.gethostname().lower().partition(".")[0]
    known = [f"{host}.local"] if _NAME.fullmatch(host) else []
    return list(dict.fromkeys([*more, *known, *_addresses()]))


def _addresses() -> list[str]:
    import ifaddr  # needed only with [lan] enabled

    found = []
    for adapter in ifaddr.get_adapters():
        for one in adapter.ips:
            text = one.ip if isinstance(one.ip, str) else one.ip[0]
            address = ipaddress.ip_address(text)
            if is_local(text) and not address.is_loopback and not address.is_link_local:
                found.append(str(address))
    return sorted(found, key=lambda text: (":" in text, text))


def page_url(url: str) -> str:
    """Return the URL of a host's page in canonical form. Raises ValueError."""
    parts = split_url(url, ("https", "http"))
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be a URL without a path, such as https://farm.example")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https:// except on loopback")
    return f"{parts.scheme}://{parts.netloc}".lower()


def split_url(url: str, schemes: tuple[str, ...]) -> Any:
    """Return the parts of a URL with one of `schemes` and a host. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"must be a URL such as {schemes[0]}://127.0.0.1")
    if parts.username or parts.password:
        raise ValueError("user and password belong in their own keys")
    _ = parts.port  # raises ValueError for an invalid port
    parts.hostname.encode("idna")  # raises UnicodeError for a name that cannot be looked up
    return parts


def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
