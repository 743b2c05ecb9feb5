"""What a board is given for its way to the broker: TLS where this host has a line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from idroserra.broker.listener import node_listener_address
from idroserra.broker.tls_files import BrokerCertificates
from idroserra.pki.broker_ca import to_der
from idroserra.provisioning.nvs import TLS, TLS_NAMES, Stored, Value

PLAIN: Mapping[str, Value] = dict.fromkeys(TLS_NAMES)


def line_of(data_dir: Path) -> BrokerCertificates | None:
    """Return the line of a host, None where `idroserra broker init` never made one."""
    folder = data_dir.expanduser().resolve() / "line"
    return BrokerCertificates(folder) if folder.exists() else None


def port_of(line: BrokerCertificates) -> int:
    """Return the port at which nodes connect."""
    return node_listener_address(line.folder / "mosquitto.conf")[1]


def tls_values(
    line: BrokerCertificates, node: str, stored: Stored, *, may_issue: bool
) -> dict[str, Value]:
    """Return the certificates of a node, with its first one made where it has none yet.

    A board that spoke plainly before is sent to the port of the line. Nothing where there is no
    certificate and none may be made. Raises ConfigError."""
    cert, key = line.files(node)
    if may_issue:
        line.issue(node)
    elif not cert.exists():
        return {}
    ca = line.authority.certificate.public_bytes(Encoding.DER)
    found: dict[str, Value] = dict(zip(TLS_NAMES, (1, ca, *to_der(cert, key)), strict=True))
    if not stored.number(TLS):
        found["broker_port"] = port_of(line)
    return found
