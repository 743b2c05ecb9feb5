"""The files of the line in one folder: made once, kept, and a node's renewed or revoked alone.

    ca.pem ca.key            the authority; every node pins ca.pem
    server.pem server.key    the broker
    host.pem host.key        this host, the user `host`
    nodes/NODE.pem .key      each node, whose name is its user name
    revoked.pem              certificates that count no more
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
# Outcomes of revoke_node().
NO_CERTIFICATE, REFUSED_NOW, REFUSED_AT_START = "none", "refused", "refused at its start"
HOST = "host"  # the reserved node id: the access list knows it


class NotInitialized(HostError):
    """There is no line yet."""

    exit_code = 2


@dataclass(frozen=True)
class FileResult:
    """What became of one file; `note` is what somebody should know about one that was kept."""

    path: Path
    state: str
    note: str = ""


@dataclass(frozen=True)
class Certificate:
    """A node with a certificate that counts."""

    node: str
    serial: int
    ends: datetime


class BrokerCertificates:
    """A line whose authority exists. Node names are checked before they become a file name."""

    def __init__(self, folder: Path) -> None:
        """Raises NoLine, ConfigError."""
        if not folder.exists():
            raise NotInitialized(f"{folder}: not found: create it with `idroserra broker init`")
        self.folder = folder
        self.authority = BrokerCA(folder)
        self._crl = folder / "revoked.pem"

    @property
    def nodes(self) -> list[Certificate]:
        """Every node that has a certificate, by name."""
        found = []
        for path in sorted((self.folder / "nodes").glob("*.pem")):
            certificate = read_certificate(path)
            found.append(Certificate(path.stem, certificate.serial_number,
                                certificate.not_valid_after_utc))
        return found

    @property
    def revoked(self) -> set[int]:
        """The serial numbers that count no more. Raises ConfigError."""
        try:
            crl = x509.load_pem_x509_crl(self._crl.read_bytes())
        except FileNotFoundError:
            raise ConfigError(str(self._crl), "", "missing: restore it from a backup; without it "
                              "whoever was revoked would be let in again") from None
        except (OSError, ValueError) as error:
            raise ConfigError(str(self._crl), "", f"no revocation list: {error}") from None
        return {one.serial_number for one in crl}

    def files(self, node: str) -> tuple[Path, Path]:
        """Return (certificate, key) of a node, there or not."""
        if not protocol.is_node_id(node):
            raise ConfigError("command line", "NODE", protocol.NODE_ID_RULE)
        folder = self.folder / "nodes"
        return folder / f"{node}.pem", folder / f"{node}.key"

    def issue(self, node: str) -> bool:
        """Give a node a certificate where it has none; False where it has one."""
        cert, key = self.files(node)
        if cert.exists() and key.exists():
            return False
        cert.parent.mkdir(mode=0o700, exist_ok=True)
        self.authority.issue_client(node, cert, key)
        return True

    def rotate(self, node: str) -> bool:
        """Give a node another certificate; the one before counts no more from now on.

        True where a running broker was seen to refuse it. Raises UnknownNode, BrokerSilent."""
        told = self.revoke(node)
        self.issue(node)
        return told

    def revoke(self, node: str) -> bool:
        """Shut a node out, also where it is connected; the others notice nothing.

        True where a running broker was seen to refuse it, False where none runs. Raises
        UnknownNode, BrokerSilent; the list is written before."""
        cert, key = self.files(node)
        if not cert.exists():
            raise UnknownNode(node)
        listed = self.revoked | {read_certificate(cert).serial_number}
        write_private(self._crl, self.authority.revocations(listed))
        told = mosquitto.reload(self.folder)
        door = NodeListener(self.folder, self.authority)
        is_there = told or door.answers()
        if is_there:
            door.disconnect(node, cert, key, was_reloaded=told)
        key.unlink(missing_ok=True)
        cert.unlink()
        return is_there


def folder_of(data_dir: Path) -> Path:
    """Return where the line of a host lies."""
    return data_dir.expanduser().resolve() / "line"


def revoke_node(data_dir: Path, node: str) -> str:
    """Shut a node that is given up out of the broker, where `broker init` made its line.

    Returns NONE where it has no certificate of this host, SEEN where a running broker was seen to
    refuse it, LISTED where none runs. Raises BrokerSilent, ConfigError; it may be asked again."""
    folder = folder_of(data_dir)
    if not protocol.is_node_id(node) or not (folder / "nodes" / f"{node}.pem").exists():
        return NO_CERTIFICATE
    return REFUSED_NOW if BrokerCertificates(folder).revoke(node) else REFUSED_AT_START


def init(
    folder: Path, names: Sequence[str], *, node_port: int, host_port: int,
    node_address: str = "0.0.0.0", overwrite: bool = False,  # noqa: S104  the point of it
) -> list[FileResult]:
    """Make what is missing of a line and return what became of each file.

    Nothing that is there is changed; with `overwrite` the broker's and the host's certificates,
    configuration and access list are made anew, never the authority, a node or the revocations.
    Raises ConfigError; OSError."""
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
            raise ConfigError(str(crl), "", "missing: restore it from a backup; without it whoever"
                              " was revoked would be let in again")
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
        note = "of another authority: --overwrite makes one of ours"
    elif lacking:
        note = f"not for {', '.join(lacking)}: --overwrite makes one that is"
    return [FileResult(cert, KEPT, note), FileResult(key, KEPT)]


def _host(authority: BrokerCA, folder: Path, *, overwrite: bool) -> list[FileResult]:
    cert, key = folder / "host.pem", folder / "host.key"
    if overwrite or not (cert.exists() and key.exists()):
        authority.issue_client(HOST, cert, key)
        return [FileResult(cert, WRITTEN), FileResult(key, WRITTEN)]
    note = "" if authority.is_ours(cert) else "of another authority: --overwrite makes one of ours"
    return [FileResult(cert, KEPT, note), FileResult(key, KEPT)]


def _text(path: Path, text: str, *, overwrite: bool) -> FileResult:
    if path.exists() and not overwrite:
        is_same = path.read_text("utf-8") == text
        return FileResult(path, KEPT, "" if is_same else "differs from what this version and "
                          "these options would write: --overwrite replaces it")
    write_private(path, text.encode())
    return FileResult(path, WRITTEN)
