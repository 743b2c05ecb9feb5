"""The certificate of the host after a restore: a login that was fenced off does not come back."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from test_hold_back import NOW, back_up, init_cluster, make_node

from idroserra.backup.restore import restore
from idroserra.broker import cluster
from idroserra.pki.broker_ca import HOST, BrokerCA, read_certificate
from idroserra.pki.x509 import write_private

LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def folder(tmp_path):
    """A host of a cluster, and a backup of it."""
    make_node(tmp_path / "old")
    init_cluster(tmp_path / "old")
    back_up(tmp_path / "old", tmp_path / "a.backup")
    return tmp_path / "old"


def files(folder):
    return [(folder / "line" / name).read_bytes() for name in ("host.pem", "host.key")]


def put_back(folder, minute=0):
    """Restore the backup; return the files of the host, which belong together, and the report."""
    said = []
    restore(folder.parent / "a.backup", folder, NOW.replace(minute=minute), said.append)
    cert = read_certificate(folder / "line" / "host.pem")
    assert load_pem_private_key(files(folder)[1], None).public_key() == cert.public_key()
    return files(folder), " ".join(said)


def fence(folder, now=LATER):
    """Give the host a login of its own, as a take-over does."""
    line = folder / "line"
    BrokerCA(line).issue_client(HOST, line / "host.pem", line / "host.key", now=now)
    return files(folder)


def test_the_login_that_the_host_has_since_a_take_over_stays(folder):
    before = files(folder)
    own = fence(folder)
    assert own != before
    assert put_back(folder)[0] == own


def test_a_newer_login_of_the_backup_is_not_lost(folder):
    """The folder is of a host that was fenced off, and the backup of the one that took over."""
    old = files(folder)
    own = fence(folder)
    back_up(folder, folder.parent / "a.backup")
    for name, content in zip(("host.pem", "host.key"), old, strict=True):
        write_private(folder / "line" / name, content)
    assert put_back(folder)[0] == own


@pytest.mark.parametrize("name", ["host.pem", "host.key"])
def test_files_that_are_lost_damaged_or_of_two_logins_are_those_of_the_backup(folder, name):
    made, path = files(folder), folder / "line" / name
    fence(folder)
    path.write_text("damaged")
    found, said = put_back(folder)
    assert (found, str(path) in said) == (made, True)
    fence(folder)
    path.unlink()
    assert put_back(folder, 1)[0] == made
    fence(folder)
    path.write_bytes(made[0] if name == "host.pem" else made[1])
    found, said = put_back(folder, 2)
    assert (found, "host.key: is not the key of" in said) == (made, True)


def test_a_certificate_of_another_authority_is_not_kept(folder):
    made = files(folder)
    for path in (folder / "line").glob("ca.*"):
        path.unlink()
    BrokerCA.make(folder / "line")
    fence(folder)
    assert put_back(folder)[0] == made
    assert cluster.read_cluster(folder / "line") is not None
