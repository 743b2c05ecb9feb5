"""Gives the host that takes over a login of its own in a cluster, and deletes the old one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from idroserra.broker.certificates import folder_of
from idroserra.broker.cluster import ClusterCertificates
from idroserra.broker.file_names import SETTINGS
from idroserra.pki.broker_ca import HOST, login_of, read_certificate


def fence(data_dir: Path, report: Callable[[str], None]) -> None:
    """Replace the certificate of the host in `data_dir`; the cluster refuses the old one.

    Without a cluster nothing is done: what stops the old host is then the sealed folder. Raises
    ConfigError, BrokerControlError; it can be repeated."""
    if not (folder_of(data_dir) / SETTINGS).exists():
        return
    certificates = ClusterCertificates(data_dir)
    old = old_login(data_dir)
    folder = certificates.folder
    made = folder / "host-new.pem", folder / "host-new.key"
    certificates.authority.issue_client(HOST, *made)
    new = login_of(read_certificate(made[0])).partition(":")[2]
    certificates.management.add(new, HOST)
    certificates.management.remove(old)
    made[1].replace(folder / "host.key")
    made[0].replace(folder / "host.pem")
    report("the cluster of brokers refuses the old host from now on")


def old_login(data_dir: Path) -> str:
    """Return the login of the host in a data folder. Raises ConfigError."""
    return login_of(read_certificate(folder_of(data_dir) / "host.pem")).partition(":")[2]
