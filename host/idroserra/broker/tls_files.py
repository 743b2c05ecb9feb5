"""The certificates of broker, host and nodes: created once, each renewed or revoked alone.

In `data_dir/line`, for the host only:

    ca.pem ca.key            the CA; every node pins ca.pem
    host.pem host.key        this host, the user `host`
    nodes/NODE.pem .key      each node; its id is the user name
    revoked.pem              the certificate revocation list (CRL)

What the broker may read is in a folder of its own beside `data_dir`: broker/mosquitto.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from idroserra.broker import mosquitto
from idroserra.broker.access import (
    HOME_ASSISTANT,
    HOST,
    access_file,
    commands_to_add,
    commands_to_remove,
    is_foreign,
    topics_of,
)
from idroserra.broker.control import BrokerControl
from idroserra.broker.listener import NodeListener, is_listening, listener_addresses
from idroserra.broker.mosquitto import BrokerFolder
from idroserra.core import protocol
from idroserra.core.errors import ConfigError, HostError, UnknownNode
from idroserra.pki.broker_ca import BrokerCA, read_certificate, subject_alt_names
from idroserra.pki.x509 import write_private

WRITTEN, KEPT, MOVED = "written", "kept", "moved"
CRL_MISSING = "missing: restore it from a backup; without it revoked nodes could connect again"
OTHER_CA = "from another CA: --overwrite replaces it"
NOT_MOVED = ("missing. The broker now has a folder of its own: stop the broker, run `idroserra "
             "broker init`, and start the broker as that command says")
OLD_BROKER_RUNS = ("the broker of an earlier version runs with it: stop that broker, then repeat "
                   "the command, which moves its files to a folder of their own")
# In `line`, of brokers of earlier versions.
_EARLIER_FILES = ("server.pem", "server.key", "mosquitto.conf", "mosquitto.acl", "mosquitto.db",
                  "mosquitto.db.new", "mosquitto.pid")
# Results of revoke_node().
NO_CERTIFICATE, REFUSED_NOW, REFUSED_AT_START = "none", "refused", "refused at its start"


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
    """The certificates of a host. Node ids are checked before they are used as file names."""

    def __init__(self, data_dir: Path) -> None:
        """Raises NotInitialized, ConfigError."""
        self.folder = folder_of(data_dir)
        if not self.folder.exists():
            raise NotInitialized(
                f"{self.folder}: not found: create it with `idroserra broker init`")
        self.authority = BrokerCA(self.folder)
        self.broker = BrokerFolder(broker_folder_of(data_dir))
        if not self.broker.configuration.exists():
            raise ConfigError(str(self.broker.configuration), "", NOT_MOVED)
        self._crl = self.folder / "revoked.pem"

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
        """Return the paths (certificate, key) of a node, of Home Assistant or of a user of foreign
        readings, which connect as nodes do; the files may not exist."""
        if node != HOME_ASSISTANT and not is_foreign(node) and not protocol.is_node_id(node):
            raise ConfigError("command line", "NODE", protocol.NODE_ID_RULE)
        folder = self.folder / "nodes"
        return folder / f"{node}.pem", folder / f"{node}.key"

    def issue(self, node: str) -> bool:
        """Issue a certificate for a node, which the broker accepts at once; return False if it
        has one. Raises BrokerControlError."""
        cert, key = self.files(node)
        if cert.exists() and key.exists():
            return False
        self._write_access({one.node for one in self.nodes} | {node})
        if (control := self._control()) is not None:
            control.run(commands_to_add(node))
        cert.parent.mkdir(mode=0o700, exist_ok=True)
        self.authority.issue_client(node, cert, key)
        return True

    def rotate(self, node: str) -> bool:
        """Replace a node's certificate and revoke the old one.

        Returns and raises as revoke()."""
        is_refused = self._revoke(node)
        self.issue(node)
        return is_refused

    def revoke(self, node: str) -> bool:
        """Revoke a node's certificate, end its connection and delete its retained messages.

        Other nodes are not affected. Returns True after the running broker has refused the
        certificate, False if no broker runs. Raises UnknownNode, BrokerControlError; the CRL is
        written first."""
        return self._revoke(node, leaves=True)

    def _revoke(self, node: str, *, leaves: bool = False) -> bool:
        cert, key = self.files(node)
        if not cert.exists():
            raise UnknownNode(node)
        revoked = self.authority.revocations(
            self.revoked | {read_certificate(cert).serial_number})
        write_private(self._crl, revoked)
        self._write_access({one.node for one in self.nodes} - {node})
        self.broker.write(self.broker.path / "revoked.pem", revoked)  # last: systemd watches it
        was_reloaded = mosquitto.reload(self.broker.pid_file)
        control = self._control()
        if control is not None:
            control.run(commands_to_remove(node))
            NodeListener(self.broker.configuration, self.authority).disconnect(
                node, cert, key, was_reloaded=was_reloaded)
            if leaves:
                control.clear(topics_of(node))
        key.unlink(missing_ok=True)
        cert.unlink()
        return control is not None

    def _write_access(self, nodes: Iterable[str]) -> None:
        self.broker.write(self.broker.access, access_file(sorted(nodes)))

    def _control(self) -> BrokerControl | None:
        """Return the control of the running broker, or None if none runs."""
        address = listener_addresses(self.broker.configuration)[1]
        if not is_listening(address):
            return None
        return BrokerControl(address, self.authority.path, self.folder / "host.pem",
                                 self.folder / "host.key")


def folder_of(data_dir: Path) -> Path:
    """Return the folder of a host's TLS files for the broker."""
    return data_dir.expanduser().resolve() / "line"


def broker_folder_of(data_dir: Path) -> Path:
    """Return the broker's own folder, beside the data of its host."""
    data = data_dir.expanduser().resolve()
    return data.with_name(f"{data.name}-broker")


def revoke_node(data_dir: Path, node: str) -> str:
    """Revoke the certificate of a node that is being removed. Idempotent.

    Returns NO_CERTIFICATE if it has none, REFUSED_NOW after the running broker has refused it, or
    REFUSED_AT_START if no broker runs. Raises BrokerControlError, ConfigError."""
    cert = folder_of(data_dir) / "nodes" / f"{node}.pem"
    if not protocol.is_node_id(node) or not cert.exists():
        return NO_CERTIFICATE
    return REFUSED_NOW if BrokerCertificates(data_dir).revoke(node) else REFUSED_AT_START


def init(
    data_dir: Path, names: Sequence[str], *, node_port: int, host_port: int,
    node_address: str = "0.0.0.0", overwrite: bool = False,  # noqa: S104  the point of it
) -> list[FileResult]:
    """Create the missing files and return the result for each file.

    `overwrite` replaces the certificates of broker and host, and the configuration, but never the
    CA, the certificates of nodes or the CRL. The files of earlier versions, which broker and host
    shared, are moved or deleted. Raises ConfigError, OSError."""
    folder, broker = folder_of(data_dir), BrokerFolder(broker_folder_of(data_dir))
    if mosquitto.runs(folder / "mosquitto.pid"):
        raise ConfigError(str(folder / "mosquitto.conf"), "", OLD_BROKER_RUNS)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = []
    is_new = not (folder / "ca.pem").exists() and not (folder / "ca.key").exists()
    authority = BrokerCA.make(folder) if is_new else BrokerCA(folder)
    files += [FileResult(authority.path, WRITTEN if is_new else KEPT),
              FileResult(authority.key_path, WRITTEN if is_new else KEPT)]
    files += _host(authority, folder, overwrite=overwrite)
    crl = folder / "revoked.pem"
    if is_new or not crl.exists():
        if not is_new and any((folder / "nodes").glob("*")):
            raise ConfigError(str(crl), "", CRL_MISSING)
        write_private(crl, authority.revocations(()))
        files.append(FileResult(crl, WRITTEN))
    else:
        files.append(FileResult(crl, KEPT))
    broker.make()
    files += _moved(folder, broker)
    files += _server(authority, broker, names, overwrite=overwrite)
    text = mosquitto.configuration(broker, node_port, host_port, node_address)
    files.append(_text(broker, broker.configuration, text, overwrite=overwrite))
    for path, content in (
        (broker.path / "ca.pem", authority.path.read_bytes()),
        (broker.path / "revoked.pem", crl.read_bytes()),
        (broker.access, access_file(path.stem for path in (folder / "nodes").glob("*.pem"))),
    ):
        state = WRITTEN if not path.exists() or overwrite else KEPT
        broker.write(path, content)  # a copy is always renewed
        files.append(FileResult(path, state))
    return files


def _moved(folder: Path, broker: BrokerFolder) -> list[FileResult]:
    """Move the files of a broker that shared the host's folder, or delete them.

    Its saved messages are deleted, too: nodes and host publish again what is in force."""
    moved = [name for name in ("server.pem", "server.key")
             if (folder / name).exists() and not (broker.path / name).exists()]
    for name in moved:
        broker.write(broker.path / name, (folder / name).read_bytes())
    for name in _EARLIER_FILES:
        (folder / name).unlink(missing_ok=True)
    return [FileResult(broker.path / name, MOVED, f"from {folder}") for name in moved]


def _server(
    authority: BrokerCA, broker: BrokerFolder, names: Sequence[str], *, overwrite: bool
) -> list[FileResult]:
    cert, key = broker.path / "server.pem", broker.path / "server.key"
    if overwrite or not (cert.exists() and key.exists()):
        authority.issue_server(names, cert, key)
        for path in (cert, key):
            broker.write(path, path.read_bytes())  # with the broker's permissions
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


def _text(broker: BrokerFolder, path: Path, text: str, *, overwrite: bool) -> FileResult:
    if path.exists() and not overwrite:
        is_same = path.read_text("utf-8") == text
        return FileResult(path, KEPT, "" if is_same else "differs from what this version and "
                          "these options would write: --overwrite replaces it")
    broker.write(path, text.encode())
    return FileResult(path, WRITTEN)
