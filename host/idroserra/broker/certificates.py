"""The certificates of a host and its nodes: created once, each renewed or revoked alone.

In `data_dir/line`, for the host only:

    ca.pem ca.key            the CA; every node pins ca.pem
    host.pem host.key        this host, the user `host`
    nodes/NODE.pem .key      each node; its id is the user name
    next/NODE.pem            another one for the same key, until the node uses it
    revoked.pem              the certificate revocation list (CRL)
    left.txt                 revoked nodes whose retained messages the broker still has
    cluster.json             where a cluster of brokers stands for the one on this machine

What a broker may read is in a folder of its own beside `data_dir`: broker/mosquitto.py,
broker/rabbitmq.py.
"""

from __future__ import annotations

import fcntl
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from idroserra.broker.access import HOME_ASSISTANT, is_foreign
from idroserra.core import protocol
from idroserra.core.errors import ConfigError, HostError, UnknownNode
from idroserra.pki.broker_ca import HOST, BrokerCA, read_certificate
from idroserra.pki.x509 import finish_authority, read_key, write_private

WRITTEN, KEPT, MOVED = "written", "kept", "moved"
CRL_MISSING = "missing: restore it from a backup; without it revoked nodes could connect again"
OTHER_CA = "from another CA: --overwrite replaces it"


class NotInitialized(HostError):
    """The folder of the TLS files does not exist."""

    exit_code = 2


class ReplacedMeanwhile(HostError):
    """Another command changes the certificate of the node."""


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


class NodeCertificates(ABC):
    """The certificates of a host. Node ids are checked before they are used as file names."""

    def __init__(self, data_dir: Path) -> None:
        """Raises NotInitialized, ConfigError."""
        self.folder = folder_of(data_dir)
        if not self.folder.exists():
            raise NotInitialized(
                f"{self.folder}: not found: create it with `idroserra broker init`")
        self.authority = BrokerCA(self.folder)
        self._crl = self.folder / "revoked.pem"

    @property
    @abstractmethod
    def node_port(self) -> int:
        """The port at which nodes connect."""

    @property
    @abstractmethod
    def server_ca(self) -> Path:
        """The certificate of the CA that nodes verify the broker with."""

    @abstractmethod
    def _admit(self, node: str, certificate: x509.Certificate) -> None:
        """Let a node log in with a new certificate. Raises BrokerControlError."""

    @abstractmethod
    def _refuse(self, node: str, files: tuple[Path, Path], crl: bytes, *, leaves: bool) -> bool:
        """Refuse a node's certificate and end its connection; `leaves`: and delete its retained
        messages. Returns False if no broker runs. Raises BrokerControlError."""

    @abstractmethod
    def _retire(self, node: str, files: tuple[Path, Path], crl: bytes) -> bool:
        """Refuse a certificate of a node that has another. Returns False if no broker runs.
        Raises BrokerControlError."""

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
        has one. A renewal that revoked the old one is completed. Raises BrokerControlError."""
        cert, key = self.files(node)
        if cert.exists() and key.exists():
            renewal = self.renewal(node)
            if (self._is_renewal(renewal, cert, key)
                    and read_certificate(cert).serial_number in self.revoked):
                self.finish_renewal(node, _der(renewal))
            return False
        self._issue(node)
        return True

    def take(self, node: str, tls_key: str) -> bytes:
        """Issue a certificate to a node of another host for the key that it has (PEM), and return
        it in DER. Can be repeated. Raises ConfigError, BrokerControlError."""
        cert, key = self.files(node)
        if not (cert.exists() and key.exists()):
            self._issue(node, tls_key)
        elif key.read_text("ascii") != tls_key:
            raise ConfigError(str(cert), "", f"is of another node of this name: `idroserra broker "
                              f"revoke {node}` if it is none of yours")
        else:
            self._admit(node, read_certificate(cert))
        return _der(cert)

    def _issue(self, node: str, tls_key: str | None = None) -> None:
        """Issue a certificate, for a new key if none is given."""
        cert, key = self.files(node)
        cert.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cert.parent) as folder:
            made = Path(folder) / cert.name, Path(folder) / key.name
            if tls_key is not None:
                write_private(made[1], tls_key.encode())
            self.authority.issue_client(node, *made, keeps_key=tls_key is not None)
            self._admit(node, read_certificate(made[0]))
            cert.unlink(missing_ok=True)  # a crash must not leave it beside a new key
            made[1].rename(key)
            made[0].rename(cert)

    def renewal(self, node: str) -> Path:
        """Return the path of the certificate that is to replace a node's; it may not exist."""
        return self.folder / "next" / self.files(node)[0].name

    @contextmanager
    def renewing(self, node: str) -> Iterator[None]:
        """Keep other renewals of a node away. Raises UnknownNode, ReplacedMeanwhile."""
        try:
            file = self.files(node)[1].open("rb")
        except FileNotFoundError:
            raise UnknownNode(node) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ReplacedMeanwhile(
                    f"{node}: another `broker renew` of it runs: wait for its end") from None
            yield

    def prepare_renewal(self, node: str) -> bytes:
        """Issue another certificate for the key that a node has, and let it log in with either.

        Returns it in DER. One that was prepared before is kept. Raises UnknownNode, ConfigError,
        BrokerControlError."""
        cert, key = self.files(node)
        if not cert.exists():
            raise UnknownNode(node)
        path = self.renewal(node)
        if not self._is_renewal(path, cert, key):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            self.authority.issue_client(node, path, key, keeps_key=True)
        self._admit(node, read_certificate(path))
        return _der(path)

    def finish_renewal(self, node: str, der: bytes) -> bool:
        """Revoke the certificate that a node no longer uses; `der`, the prepared one, replaces it.

        Returns and raises as revoke(), and ReplacedMeanwhile. Can be repeated until it returns."""
        cert, key = self.files(node)
        renewal = self.renewal(node)
        with self._alone():
            if not renewal.exists() or _der(renewal) != der:
                raise ReplacedMeanwhile(
                    f"{node}: another command has replaced or revoked its certificate meanwhile: "
                    "nothing else was revoked")
            crl = self._revoke_serials(cert)
            was_refused = self._retire(node, (cert, key), crl)
            renewal.replace(cert)
        return was_refused

    def _is_renewal(self, path: Path, cert: Path, key: Path) -> bool:
        """Whether a file has another valid certificate for a key; a restore may leave others."""
        if not path.exists():
            return False
        found = read_certificate(path)
        return (found.public_key() == read_key(key).public_key()
                and self.authority.has_issued(found)
                and found.serial_number not in self.revoked | {
                    read_certificate(cert).serial_number})

    def rotate(self, node: str) -> bool:
        """Replace a node's certificate and revoke the old one.

        Returns and raises as revoke()."""
        is_refused = self._revoke(node)
        self.issue(node)
        return is_refused

    def revoke(self, node: str) -> bool:
        """Revoke a node's certificate, end its connection and delete its retained messages.

        Other nodes are not affected. Returns True after the running broker has refused the
        certificate, False if no broker runs: the messages go with the next certificate that is
        issued or revoked beside it. Raises UnknownNode, BrokerControlError; the CRL is
        written first."""
        return self._revoke(node, leaves=True)

    def _revoke(self, node: str, *, leaves: bool = False) -> bool:
        cert, key = self.files(node)
        renewal = self.renewal(node)
        with self._alone():
            if not cert.exists():
                raise UnknownNode(node)
            crl = self._revoke_serials(cert, *([renewal] if renewal.exists() else ()))
            was_refused = self._refuse(node, (cert, key), crl, leaves=leaves)
            if renewal.exists():
                self._retire(node, (renewal, key), crl)
            renewal.unlink(missing_ok=True)
            key.unlink(missing_ok=True)
            cert.unlink()
        return was_refused

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other command revokes: each writes the whole revocation list."""
        with self.authority.key_path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _revoke_serials(self, *certs: Path) -> bytes:
        """Add certificates to the CRL and return it."""
        crl = self.authority.revocations(
            self.revoked | {read_certificate(cert).serial_number for cert in certs})
        write_private(self._crl, crl)
        return crl


def _der(path: Path) -> bytes:
    return read_certificate(path).public_bytes(Encoding.DER)


def folder_of(data_dir: Path) -> Path:
    """Return the folder of a host's TLS files for the broker."""
    return data_dir.expanduser().resolve() / "line"


def broker_folder_of(data_dir: Path) -> Path:
    """Return the brokers' own folder, beside the data of their host."""
    data = data_dir.expanduser().resolve()
    return data.with_name(f"{data.name}-broker")


def write_text(
    path: Path, text: str, write: Callable[[Path, bytes], None], *, overwrite: bool
) -> FileResult:
    """Write a file that is missing, or that `overwrite` replaces. Raises OSError."""
    if path.exists() and not overwrite:
        is_same = path.read_text("utf-8") == text
        return FileResult(path, KEPT, "" if is_same else "differs from what this version and "
                          "these options would write: --overwrite replaces it")
    write(path, text.encode())
    return FileResult(path, WRITTEN)


def init_authority(folder: Path, *, overwrite: bool) -> tuple[BrokerCA, list[FileResult]]:
    """Create the missing files of `line` and return the CA and the result for each file.

    `overwrite` replaces the certificate of the host. Raises ConfigError, OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    finish_authority(folder / "ca.pem", folder / "ca.key")
    is_new = not (folder / "ca.pem").exists() and not (folder / "ca.key").exists()
    authority = BrokerCA.make(folder) if is_new else BrokerCA(folder)
    files = [FileResult(path, WRITTEN if is_new else KEPT)
             for path in (authority.path, authority.key_path)]
    files += _host(authority, folder, overwrite=overwrite)
    crl = folder / "revoked.pem"
    if not is_new and crl.exists():
        return authority, [*files, FileResult(crl, KEPT)]
    if not is_new and any((folder / "nodes").glob("*")):
        raise ConfigError(str(crl), "", CRL_MISSING)
    write_private(crl, authority.revocations(()))
    return authority, [*files, FileResult(crl, WRITTEN)]


def _host(authority: BrokerCA, folder: Path, *, overwrite: bool) -> list[FileResult]:
    cert, key = folder / "host.pem", folder / "host.key"
    if overwrite or not (cert.exists() and key.exists()):
        authority.issue_client(HOST, cert, key)
        return [FileResult(cert, WRITTEN), FileResult(key, WRITTEN)]
    note = "" if authority.is_ours(cert) else OTHER_CA
    return [FileResult(cert, KEPT, note), FileResult(key, KEPT)]
