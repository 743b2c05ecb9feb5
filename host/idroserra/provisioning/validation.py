"""Validates the values that a board can be given.

Every error is a ConfigError that names the option. None contains a secret.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from idroserra.core import protocol
from idroserra.core.errors import ConfigError
from idroserra.core.hostnames import check_name, is_address, is_local, is_loopback, own_names

MQTT_PORT = 1_883
MOST_BYTES = 128  # the firmware's limit for any value
MOST_SSID_BYTES = 32  # IEEE 802.11
TX_POWER_DBM = (2, 20)  # of the radio; 20 is its default
LEAST_PASSWORD_BYTES, MOST_PASSWORD_BYTES = 8, 63  # WPA2; 64 are the hex digits of a raw key
_READY_KEY = re.compile(r"[0-9A-Fa-f]{64}")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_LAST_DIGITS = 6


@dataclass(frozen=True)
class BrokerAddress:
    """The address of the node's broker. `note`: a warning about it, or ""."""

    host: str
    port: int
    note: str = ""

    @property
    def text(self) -> str:
        """The address as on the command line."""
        return f"{self.host}:{self.port}"


def node_id(text: str) -> str:
    """Return a valid node id."""
    if not protocol.is_node_id(text):
        raise _wrong("--node-id", protocol.NODE_ID_RULE)
    return text


def proposed_id(mac: bytes) -> str:
    """Return a node id made from the chip's MAC address: idro- and its last six digits."""
    return f"idro-{mac.hex()[-_LAST_DIGITS:]}"


def proposed_broker() -> str | None:
    """Return the IPv4 address of this machine, as the default broker."""
    return next((name for name in own_names() if is_address(name) and ":" not in name), None)


def ssid(text: str) -> bytes:
    """Return a Wi-Fi name as bytes."""
    data = _plain("--wifi-ssid", text)
    if not 1 <= len(data) <= MOST_SSID_BYTES:
        raise _wrong("--wifi-ssid", f"1 to {MOST_SSID_BYTES} bytes are needed, "
                     f"not {len(data)} in UTF-8")
    return data


def wifi_password(text: str) -> bytes:
    """Return a Wi-Fi password as bytes: 8 to 63 for WPA2, or 64 hex digits."""
    data = _plain("Wi-Fi password", text)
    if _READY_KEY.fullmatch(text):
        return data
    if not LEAST_PASSWORD_BYTES <= len(data) <= MOST_PASSWORD_BYTES:
        raise _wrong("Wi-Fi password", f"{LEAST_PASSWORD_BYTES} to {MOST_PASSWORD_BYTES} bytes "
                     f"are needed, not {len(data)} in UTF-8; use --wifi-open for a network "
                     "without one")
    return data


def tx_power_dbm(power_dbm: int) -> int:
    """Return a transmit power of the radio."""
    low, high = TX_POWER_DBM
    if not low <= power_dbm <= high:
        raise _wrong("--tx-power-dbm", f"{power_dbm} is out of range: {low} to {high} dBm")
    return power_dbm


def country(text: str) -> bytes:
    """Return a country code as bytes."""
    if not _COUNTRY.fullmatch(text):
        raise _wrong("--country", "two letters are needed (ISO 3166), such as IT")
    return text.upper().encode()


def broker_password(text: str) -> bytes:
    """Return the node's password at the broker as bytes."""
    data = _plain("broker password", text)
    if not 1 <= len(data) <= MOST_BYTES:
        raise _wrong("broker password", f"1 to {MOST_BYTES} bytes are needed")
    return data


def broker(
    text: str, *, may_be_public: bool = False, tls_port: int | None = None
) -> BrokerAddress:
    """Return the broker of HOST or HOST:PORT; `tls_port` is that of the TLS listener.

    Without TLS the node uses plain MQTT: an address or a name outside the site's own network is
    refused unless it is allowed."""
    if text.count(":") > 1 or text.startswith("["):
        raise _wrong("--broker", "the node uses IPv4: give a name or an IPv4 address")
    name, colon, port_text = text.partition(":")
    try:
        host = check_name(name)
    except ValueError as error:
        raise _wrong("--broker", str(error)) from None
    if not is_address(host) and host.rpartition(".")[2].isdigit():
        raise _wrong("--broker", f"{host} is neither a name nor an IPv4 address")
    if len(host) > MOST_BYTES:
        raise _wrong("--broker", f"at most {MOST_BYTES} bytes")
    if colon and not (port_text.isascii() and port_text.isdigit()
                      and 1 <= int(port_text[:6]) <= 65_535):
        raise _wrong("--broker", "a port from 1 to 65535 is needed after the colon")
    port = int(port_text) if colon else tls_port or MQTT_PORT
    if is_address(host) and ipaddress.ip_address(host).is_unspecified:
        raise _wrong("--broker", f"{host} is not the address of a machine")
    if is_loopback(host):
        return BrokerAddress(
            host, port, f"{host} is the board itself: right only for a simulated one")
    is_on_site = is_local(host) or "." not in host or tls_port is not None
    if not is_on_site and not may_be_public:
        raise _wrong("--broker", f"{host} is outside the site's own network, and the node uses "
                     "MQTT without encryption: use a private address or a name in .local, .lan, "
                     ".internal or .home.arpa, or allow it with --allow-public-broker")
    note = "" if is_on_site else (
        f"{host} may be reached over the internet WITHOUT encryption: anyone on the way reads "
        "everything, and can withhold commands")
    return BrokerAddress(host, port, note)


def _plain(what: str, text: str) -> bytes:
    """Return the UTF-8 of a text without control characters."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise _wrong(what, "is not UTF-8") from None
    if any(byte < 0x20 or byte == 0x7F for byte in data):
        raise _wrong(what, "contains a control character, such as a line end or a tab")
    return data


def _wrong(option: str, why: str) -> ConfigError:
    return ConfigError("command line", option, why)
