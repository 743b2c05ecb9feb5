"""The broker of `idroserra broker init` on this machine: mosquitto, with TLS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509

from idroserra.broker import mosquitto
from idroserra.broker.access import access_file, commands_to_add, commands_to_remove, topics_of
from idroserra.broker.certificates import (
    KEPT,
    MOVED,
    OTHER_CA,
    WRITTEN,
    FileResult,
    NodeCertificates,
    broker_folder_of,
    folder_of,
    init_authority,
    write_text,
)
from idroserra.broker.control import BrokerControl
from idroserra.broker.listener import NodeListener, is_listening, listener_addresses
from idroserra.broker.mosquitto import BrokerFolder
from idroserra.core.errors import ConfigError
from idroserra.pki.broker_ca import BrokerCA, read_certificate, subject_alt_names
from idroserra.pki.x509 import write_private

NOT_MOVED = ("missing. The broker now has a folder of its own: stop the broker, run `idroserra "
             "broker init`, and start the broker as that command says")
OLD_BROKER_RUNS = ("the broker of an earlier version runs with it: stop that broker, then repeat "
                   "the command, which moves its files to a folder of their own")
# In `line`, of brokers of earlier versions.
_EARLIER_FILES = ("server.pem", "server.key", "mosquitto.conf", "mosquitto.acl", "mosquitto.db",
                  "mosquitto.db.new", "mosquitto.pid")


class BrokerCertificates(NodeCertificates):
    """The certificates of a host whose broker is the mosquitto on this machine."""

    def __init__(self, data_dir: Path) -> None:
        """Raises NotInitialized, ConfigError."""
        super().__init__(data_dir)
        self.broker = BrokerFolder(broker_folder_of(data_dir))
        if not self.broker.configuration.exists():
            raise ConfigError(str(self.broker.configuration), "", NOT_MOVED)

    @property
    def node_port(self) -> int:
        """The port of the nodes' listener."""
        return listener_addresses(self.broker.configuration)[0][1]

    @property
    def server_ca(self) -> Path:
        """The host's own CA."""
        return self.authority.path

    def _admit(self, node: str, certificate: x509.Certificate) -> None:
        self._write_access({one.node for one in self.nodes} | {node})
        if (control := self._control()) is not None:
            self._clear_left(control)
            control.run(commands_to_add(node))
        else:  # it connects before anything can be cleared, and replaces what it left
            self._write_left(set(self._left_users()) - {node})

    def _refuse(self, node: str, files: tuple[Path, Path], crl: bytes, *, leaves: bool) -> bool:
        self._write_access({one.node for one in self.nodes} - {node})
        self.broker.write(self.broker.path / "revoked.pem", crl)  # last: systemd watches it
        was_reloaded = mosquitto.reload(self.broker.pid_file)
        if leaves:
            self._write_left({*self._left_users(), node})
        control = self._control()
        if control is None:
            return False
        control.run(commands_to_remove(node))
        NodeListener(self.broker.configuration, self.authority).disconnect(
            node, *files, was_reloaded=was_reloaded)
        self._clear_left(control)
        return True

    def _retire(self, node: str, files: tuple[Path, Path], crl: bytes) -> bool:
        """Where the broker reloads late, the node connects once more."""
        self.broker.write(self.broker.path / "revoked.pem", crl)
        was_reloaded = mosquitto.reload(self.broker.pid_file)
        if self._control() is None:
            return False
        NodeListener(self.broker.configuration, self.authority).wait_until_refused(
            node, *files, was_reloaded=was_reloaded)
        return True

    @property
    def _left(self) -> Path:
        return self.folder / "left.txt"

    def _left_users(self) -> list[str]:
        return self._left.read_text().split() if self._left.exists() else []

    def _write_left(self, users: set[str]) -> None:
        if users or self._left.exists():
            write_private(self._left, "\n".join(sorted(users)).encode())

    def _clear_left(self, control: BrokerControl) -> None:
        """Delete what revoked nodes left retained, also those revoked beside no broker."""
        for user in self._left_users():
            for topic_filter in topics_of(user):
                control.clear(topic_filter)
        self._left.unlink(missing_ok=True)

    def _write_access(self, nodes: Iterable[str]) -> None:
        self.broker.write(self.broker.access, access_file(sorted(nodes)))

    def _control(self) -> BrokerControl | None:
        """Return the control of the running broker, or None if none runs."""
        address = listener_addresses(self.broker.configuration)[1]
        if not is_listening(address):
            return None
        return BrokerControl(address, self.authority.path, self.folder / "host.pem",
                                 self.folder / "host.key")


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
    authority, files = init_authority(folder, overwrite=overwrite)
    crl = folder / "revoked.pem"
    broker.make()
    files += _moved(folder, broker)
    files += _server(authority, broker, names, overwrite=overwrite)
    text = mosquitto.configuration(broker, node_port, host_port, node_address)
    files.append(write_text(broker.configuration, text, broker.write, overwrite=overwrite))
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
