"""The values a board needs to reach the broker: with TLS if this host has a listener for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from idroserra.broker import engine
from idroserra.broker.certificates import NodeCertificates, folder_of
from idroserra.pki.broker_ca import read_certificate, to_der
from idroserra.provisioning.nvs import TLS, TLS_NAMES, NvsContents, Value

PLAIN: Mapping[str, Value] = dict.fromkeys(TLS_NAMES)


def certificates_of(data_dir: Path) -> NodeCertificates | None:
    """Return the broker certificates of a host, or None before `idroserra broker init`."""
    return engine.certificates_of(data_dir) if folder_of(data_dir).exists() else None


def tls_values(
    certificates: NodeCertificates, node: str, stored: NvsContents, *, may_issue: bool
) -> dict[str, Value]:
    """Return the certificates of a node; issue its first one if `may_issue`.

    A board without TLS so far also gets the port of the TLS listener. Returns {} if there is no
    certificate and none may be issued. Raises ConfigError."""
    cert, key = certificates.files(node)
    if may_issue:
        certificates.issue(node)
    elif not cert.exists():
        return {}
    ca = read_certificate(certificates.server_ca).public_bytes(Encoding.DER)
    found: dict[str, Value] = dict(zip(TLS_NAMES, (1, ca, *to_der(cert, key)), strict=True))
    if not stored.number(TLS):
        found["broker_port"] = certificates.node_port
    return found
