"""Which broker a host has: mosquitto on its machine, or a cluster of RabbitMQ."""

from __future__ import annotations

from pathlib import Path

from idroserra.broker.certificates import NodeCertificates, folder_of
from idroserra.broker.cluster import ClusterCertificates
from idroserra.broker.file_names import SETTINGS
from idroserra.broker.tls_files import BrokerCertificates
from idroserra.core import protocol

# Results of revoke_node().
NO_CERTIFICATE, REFUSED_NOW, REFUSED_AT_START = "none", "refused", "refused at its start"


def certificates_of(data_dir: Path) -> NodeCertificates:
    """Return the certificates of a host. Raises NotInitialized, ConfigError."""
    if (folder_of(data_dir) / SETTINGS).exists():
        return ClusterCertificates(data_dir)
    return BrokerCertificates(data_dir)


def revoke_node(data_dir: Path, node: str) -> str:
    """Revoke the certificate of a node that is being removed. Idempotent.

    Returns NO_CERTIFICATE if it has none, REFUSED_NOW after the running broker has refused it, or
    REFUSED_AT_START if no broker runs. Raises BrokerControlError, ConfigError."""
    cert = folder_of(data_dir) / "nodes" / f"{node}.pem"
    if not protocol.is_node_id(node) or not cert.exists():
        return NO_CERTIFICATE
    return REFUSED_NOW if certificates_of(data_dir).revoke(node) else REFUSED_AT_START
