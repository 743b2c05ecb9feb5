"""The broker's TLS files in one folder: created once; each node's are renewed or revoked alone.

    ca.pem ca.key            the CA; every node pins ca.pem
    server.pem server.key    the broker
    host.pem host.key        this host, the user `host`
    nodes/NODE.pem .key      each node; its id is the user name
    revoked.pem              the certificate revocation list (CRL)
    mosquitto.conf .acl
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from idroserra.broker import mosquitto
from idroserra.broker.listener import NodeListener
from idroserra.core import protocol
from idroserra.core.errors import ConfigError, HostError, UnknownNode
from idroserra.pki.broker_ca import BrokerCA, read_certificate, subject_alt_names
from idroserra.pki.x509 import write_private

WRITTEN, KEPT = "written", "kept"
CRL_MISSING = "missing: restore it from a backup; without it revoked nodes could connect again"
OTHER_CA = "from another CA: --overwrite replaces it"
# Results of revoke_node().
NO_CERTIFICATE, REFUSED_NOW, REFUSED_AT_START = "none", "refused", "refused at its start"
HOST = "host"  # a reserved node id with its own rules in the ACL


class NotInitialized(HostError):
    """The folder of the TLS files does not exist."""

    exit_code = 2


@dataclass(frozen=True)
class FileResult:
    """Result for one file: written or kept; `note` is a hint about a kept file."""

    path: Path
    state: str
    note: str = ""


@dataclass(frozen=True)
class Certificate:
    """A node's valid certificate."""

    node: str
    serial: int
    ends: datetime


class BrokerCertificates:
    """The certificates in `folder`. Node ids are checked before they are used as file names."""

    def __init__(self, folder: Path) -> None:
        """Raises NotInitialized, ConfigError."""
        if not folder.exists():
            raise NotInitialized(f"{folder}: not found: create it with `idroserra broker init`")
        self.folder = folder
        self.authority = BrokerCA(folder)
        self._crl = folder / "revoked.pem"

    @property
    def nodes(self) -> list[Certificate]:
        """The certificates of all nodes, sorted by node."""
        found = []
        for path in sorted((self.folder / "nodes").glob("*.pem")):
            certificate = read_certificate(path)
            found.append(Certificate(
                path.stem, certificate.serial_number, certificate.not_valid_after_utc))
        return found

    @property
    def revoked(self) -> set[int]:
        """The revoked serial numbers. Raises ConfigError."""
        try:
            crl = x509.load_pem_x509_crl(self._crl.read_bytes())
        except FileNotFoundError:
            raise ConfigError(str(self._crl), "", CRL_MISSING) from None
        except (OSError, ValueError) as error:
            raise ConfigError(str(self._crl), "", f"not a revocation list: {error}") from None
        return {one.serial_number for one in crl}

    def files(self, node: str) -> tuple[Path, Path]:
        """Return the paths (certificate, key) of a node; the files may not exist."""
        if not protocol.is_node_id(node):
            raise ConfigError("command line", "NODE", protocol.NODE_ID_RULE)
        folder = self.folder / "nodes"
        return folder / f"{node}.pem", folder / f"{node}.key"

    def issue(self, node: str) -> bool:
        """Issue a certificate for a node; return False if it has one."""
        cert, key = self.files(node)
        if cert.exists() and key.exists():
            return False
        cert.parent.mkdir(mode=0o700, exist_ok=True)
        self.authority.issue_client(node, cert, key)
        return True

    def rotate(self, node: str) -> bool:
        """Replace a node's certificate and revoke the old one.

        Returns and raises as revoke()."""
        is_refused = self.revoke(node)
        self.issue(node)
        return is_refused

    def revoke(self, node: str) -> bool:
        """Revoke a node's certificate and end its connection; other nodes are not affected.

        Returns True after the running broker has refused the certificate, False if no broker
        runs. Raises UnknownNode, BrokerControlError; the CRL is written first."""
        cert, key = self.files(node)
        if not cert.exists():
            raise UnknownNode(node)
        listed = self.revoked | {read_certificate(cert).serial_number}
        write_private(self._crl, self.authority.revocations(listed))
        was_reloaded = mosquitto.reload(self.folder)
        listener = NodeListener(self.folder, self.authority)
        is_running = was_reloaded or listener.answers()
        if is_running:
            listener.disconnect(node, cert, key, was_reloaded=was_reloaded)
        key.unlink(missing_ok=True)
        cert.unlink()
        return is_running


def folder_of(data_dir: Path) -> Path:
    """Return the folder of a host's TLS files for the broker."""
    return data_dir.expanduser().resolve() / "line"


def revoke_node(data_dir: Path, node: str) -> str:
    """Revoke the certificate of a node that is being removed. Idempotent.

    Returns NO_CERTIFICATE if it has none, REFUSED_NOW after the running broker has refused it, or
    REFUSED_AT_START if no broker runs. Raises BrokerControlError, ConfigError."""
    folder = folder_of(data_dir)
    if not protocol.is_node_id(node) or not (folder / "nodes" / f"{node}.pem").exists():
        return NO_CERTIFICATE
    return REFUSED_NOW if BrokerCertificates(folder).revoke(node) else REFUSED_AT_START


def init(
    folder: Path, names: Sequence[str], *, node_port: int, host_port: int,
    node_address: str = "0.0.0.0", overwrite: bool = False,  # noqa: S104  the point of it
) -> list[FileResult]:
    """Create the missing files and return the result for each file.

    `overwrite` replaces the certificates of broker and host, the configuration and the ACL, but
    never the CA, the certificates of nodes or the CRL. Raises ConfigError, OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = []
    is_new = not (folder / "ca.pem").exists() and not (folder / "ca.key").exists()
    authority = BrokerCA.make(folder) if is_new else BrokerCA(folder)
    files += [FileResult(authority.path, WRITTEN if is_new else KEPT),
              FileResult(authority.key_path, WRITTEN if is_new else KEPT)]
    files += _server(authority, folder, names, overwrite=overwrite)
    files += _host(authority, folder, overwrite=overwrite)
    crl = folder / "revoked.pem"
    if is_new or not crl.exists():
        if not is_new and any((folder / "nodes").glob("*")):
            raise ConfigError(str(crl), "", CRL_MISSING)
        write_private(crl, authority.revocations(()))
        files.append(FileResult(crl, WRITTEN))
    else:
        files.append(FileResult(crl, KEPT))
    text = mosquitto.configuration(folder, node_port, host_port, node_address)
    files.append(_text(folder / "mosquitto.conf", text, overwrite=overwrite))
    files.append(_text(folder / "mosquitto.acl", mosquitto.ACL, overwrite=overwrite))
    return files


def _server(
    authority: BrokerCA, folder: Path, names: Sequence[str], *, overwrite: bool
) -> list[FileResult]:
    cert, key = folder / "server.pem", folder / "server.key"
    if overwrite or not (cert.exists() and key.exists()):
        authority.issue_server(names, cert, key)
        return [FileResult(cert, WRITTEN, f"for {', '.join(names)}"), FileResult(key, WRITTEN)]
    note = ""
    lacking = sorted(set(names) - subject_alt_names(read_certificate(cert)))
    if not authority.is_ours(cert):
        note = OTHER_CA
    elif lacking:
        note = f"not valid for {', '.join(lacking)}: --overwrite replaces it"
    return [FileResult(cert, KEPT, note), FileResult(key, KEPT)]


def _host(authority: BrokerCA, folder: Path, *, overwrite: bool) -> list[FileResult]:
    cert, key = folder / "host.pem", folder / "host.key"
    if overwrite or not (cert.exists() and key.exists()):
        authority.issue_client(HOST, cert, key)
        return [FileResult(cert, WRITTEN), FileResult(key, WRITTEN)]
    note = "" if authority.is_ours(cert) else OTHER_CA
    return [FileResult(cert, KEPT, note), FileResult(key, KEPT)]


def _text(path: Path, text: str, *, overwrite: bool) -> FileResult:
    if path.exists() and not overwrite:
        is_same = path.read_text("utf-8") == text
        return FileResult(path, KEPT, "" if is_same else "differs from what this version and "
                          "these options would write: --overwrite replaces it")
    write_private(path, text.encode())
    return FileResult(path, WRITTEN)
