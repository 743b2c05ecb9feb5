"""The certificates of a host whose broker is a cluster, and the files of its members."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import msgspec
from cryptography import x509

from idroserra.broker import rabbitmq
from idroserra.broker.certificates import (
    KEPT,
    WRITTEN,
    FileResult,
    NodeCertificates,
    broker_folder_of,
    folder_of,
    init_authority,
    write_text,
)
from idroserra.broker.file_names import BROKERS_CA, SETTINGS
from idroserra.broker.management import Management
from idroserra.broker.mosquitto import BrokerControlError
from idroserra.broker.rabbitmq import Cluster
from idroserra.core.errors import ConfigError
from idroserra.pki.broker_ca import BrokerCA, login_of, read_certificate, read_certificates
from idroserra.pki.x509 import PEM, write_private

FILES = SETTINGS, BROKERS_CA
JOINED = "this host has joined the cluster of another: give the CA file of the brokers again"
OLD_CERTIFICATE = ("its certificate is of an earlier version, which a cluster does not accept: "
                    "`idroserra broker renew {node}` while the node is connected to another "
                    "broker, else `idroserra broker rotate {node}`, then `idroserra provision`")


class ClusterCertificates(NodeCertificates):
    """The certificates of a host whose broker is a cluster of RabbitMQ."""

    def __init__(self, data_dir: Path) -> None:
        """Raises NotInitialized, ConfigError."""
        super().__init__(data_dir)
        self.cluster = read_cluster(self.folder)

    @property
    def node_port(self) -> int:
        """The port of every member for nodes."""
        return self.cluster.node_port

    @property
    def server_ca(self) -> Path:
        """The CA of the cluster: of the host that wrote its files."""
        return self.folder / BROKERS_CA

    @cached_property
    def management(self) -> Management:
        """The management API of the cluster."""
        return Management(self.cluster, self.authority.cell, self.server_ca,
                          self.folder / "host.pem", self.folder / "host.key")

    @property
    def logins(self) -> dict[str, str]:
        """The login of the host and of each node; "" for a certificate without one."""
        paths = (self.folder / "host.pem", *sorted((self.folder / "nodes").glob("*.pem")))
        return {path.stem: _login(read_certificate(path)) for path in paths}

    @property
    def renewals(self) -> set[str]:
        """The logins of certificates that nodes are to get."""
        return {_login(read_certificate(path)) for path in (self.folder / "next").glob("*.pem")}

    @property
    def earlier(self) -> list[str]:
        """The nodes whose certificate a cluster does not accept."""
        return [user for user, login in self.logins.items() if not login]

    def issue(self, node: str) -> bool:
        """As NodeCertificates.issue(); a certificate that is kept gets its login again, if the
        cluster does not know it."""
        is_new = super().issue(node)
        if not is_new:
            self._admit(node, read_certificate(self.files(node)[0]))
        return is_new

    def _admit(self, node: str, certificate: x509.Certificate) -> None:
        if login := _login(certificate):  # a certificate of an earlier version has none
            self.management.add(login, node)

    def _refuse(self, node: str, files: tuple[Path, Path], crl: bytes, *, leaves: bool) -> bool:
        """The cluster keeps no retained messages that a node could leave.

        All members that answer are asked: one that was started alone has users of its own."""
        return self._retire(node, files, crl)

    def _retire(self, node: str, files: tuple[Path, Path], crl: bytes) -> bool:
        login = _login(read_certificate(files[0]))
        if login:
            self.management.remove(login)
            accept = [
                member for member, user in self.management.answers_of_each(f"/users/{login}")
                if user is not None and not isinstance(user, BrokerControlError)]
            if accept:
                raise BrokerControlError(
                    f"{', '.join(accept)} still accepts {node} after its revocation: `idroserra "
                    f"doctor` checks whether the brokers run as one")
        return True


def read_cluster(folder: Path) -> Cluster:
    """Return the cluster of a host. Raises ConfigError."""
    path = folder / SETTINGS
    try:
        return msgspec.json.decode(path.read_bytes(), type=Cluster)
    except OSError as error:
        raise ConfigError(str(path), "", error.strerror or str(error)) from None
    except msgspec.DecodeError as error:
        raise ConfigError(str(path), "", f"{error}: restore it from a backup") from None


def init(
    data_dir: Path, site: str, members: Sequence[str], names: Sequence[str], *,
    node_port: int, management_port: int, joins: Path | None = None, overwrite: bool = False,
) -> list[FileResult]:
    """Create the missing files of a host and its cluster, and return the result for each file.

    `members` are the host names of the brokers, `names` those under which nodes reach all of them.
    With `joins`, the CA certificate of a cluster that exists, only what it must be given is
    written: the definitions and the CA of this cell. `overwrite` replaces the certificates of
    host and members, and the configuration, but never CA, nodes' certificates or secrets; members
    go on trusting the cells that have joined. Raises ConfigError, OSError."""
    folder = folder_of(data_dir)
    settings, known_ca = folder / SETTINGS, folder / BROKERS_CA
    if joins is None and settings.exists() and (
            known_ca.read_bytes() != (folder / "ca.pem").read_bytes()):
        raise ConfigError("command line", "--joins", JOINED)
    authority, files = init_authority(folder, overwrite=overwrite or _is_earlier(folder))
    if settings.exists():
        known = read_cluster(folder)
        cluster = msgspec.structs.replace(known, members=list(members), node_port=node_port,
                                          management_port=management_port)
    else:
        cluster = Cluster.new(members, node_port, management_port)
    login = _login(read_certificate(folder / "host.pem"))
    definitions = rabbitmq.definitions(authority.cell, site, login, cluster.password)
    target = broker_folder_of(data_dir)
    texts = {known_ca: (joins or authority.path).read_text("ascii"),  # first: see above
             settings: msgspec.json.format(msgspec.json.encode(cluster)).decode()}
    files += [_write(path, text, overwrite=True) for path, text in texts.items()]
    if joins is not None:
        cell = target / authority.cell
        return files + [
            _write(cell / "definitions.json", definitions, overwrite=True),
            _write(cell / "ca.pem", authority.path.read_text("ascii"), overwrite=True)]
    for member in cluster.members:
        own = target / member
        for name, text in rabbitmq.member_files(cluster, member).items():
            files.append(_write(own / name, text, overwrite=overwrite))
        files += [_write(own / "definitions.json", definitions, overwrite=True),
                  _trusted(authority, own / "ca.pem", overwrite=overwrite),
                  *_server(authority, own, [member, *names], overwrite=overwrite)]
    return files


def _server(
    authority: BrokerCA, folder: Path, names: Sequence[str], *, overwrite: bool
) -> list[FileResult]:
    cert, key = folder / "server.pem", folder / "server.key"
    is_kept = cert.exists() and key.exists() and not overwrite
    if not is_kept:
        authority.issue_server(list(dict.fromkeys(names)), cert, key)
    return [FileResult(path, KEPT if is_kept else WRITTEN) for path in (cert, key)]


def _trusted(authority: BrokerCA, path: Path, *, overwrite: bool) -> FileResult:
    """Write the CAs that a member trusts: that of the host, and those of the cells that have
    joined, which are in the file already. Raises ConfigError."""
    found = read_certificates(path) if path.exists() else []
    others = [one for one in dict.fromkeys(found) if one != authority.certificate]
    text = authority.path.read_text("ascii") + "".join(
        one.public_bytes(PEM).decode() for one in others)
    result = _write(path, text, overwrite=overwrite)
    if not others or result.state != WRITTEN:
        return result
    names = ", ".join(one.subject.rfc4514_string() for one in others)
    return FileResult(path, WRITTEN, f"it also trusts {names}")


def _write(path: Path, text: str, *, overwrite: bool) -> FileResult:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return write_text(path, text, write_private, overwrite=overwrite)


def _is_earlier(folder: Path) -> bool:
    """Whether the host has a certificate that a cluster does not accept."""
    cert = folder / "host.pem"
    return cert.exists() and not login_of(read_certificate(cert))


def _login(certificate: x509.Certificate) -> str:
    return login_of(certificate).partition(":")[2]
