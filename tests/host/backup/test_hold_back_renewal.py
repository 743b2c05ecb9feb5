"""A restore while a node gets a new certificate over the air."""

from test_hold_back import NODE, NOW, back_up, make_node

from idroserra.backup.restore import restore
from idroserra.broker import tls_files
from idroserra.broker.local import free_port
from idroserra.pki.broker_ca import read_certificate
from idroserra.pki.x509 import write_private


def test_a_renewal_that_had_begun_can_be_finished(tmp_path):
    folder = tmp_path / "old"
    make_node(folder)
    tls_files.init(folder, ["localhost"], node_port=free_port(), host_port=free_port())
    certificates = tls_files.BrokerCertificates(folder)
    certificates.issue(NODE)
    back_up(folder, tmp_path / "before.backup")
    renewed = certificates.prepare_renewal(NODE)
    for minute, name in enumerate(("before", "while")):
        back_up(folder, tmp_path / "while.backup")
        restore(tmp_path / f"{name}.backup", folder, NOW.replace(minute=minute), lambda _: None)
        assert certificates.prepare_renewal(NODE) == renewed
    certificates.finish_renewal(NODE, renewed)
    restore(tmp_path / "while.backup", folder, NOW.replace(minute=2), lambda _: None)
    assert certificates.prepare_renewal(NODE) != renewed  # which is in use


def test_a_renewal_whose_end_was_interrupted_loses_no_certificate(tmp_path):
    """The node uses the new one, the old one is revoked, and a backup of before is restored."""
    folder = tmp_path / "old"
    make_node(folder)
    tls_files.init(folder, ["localhost"], node_port=free_port(), host_port=free_port())
    certificates = tls_files.BrokerCertificates(folder)
    back_up(folder, tmp_path / "empty.backup")
    certificates.issue(NODE)
    cert, key = certificates.files(NODE)
    back_up(folder, tmp_path / "before.backup")
    certificates.prepare_renewal(NODE)
    new, its_key = certificates.renewal(NODE).read_bytes(), key.read_bytes()
    write_private(folder / "line" / "revoked.pem", certificates.authority.revocations(
        [read_certificate(cert).serial_number]))
    for minute, name in enumerate(("before", "empty")):
        restore(tmp_path / f"{name}.backup", folder, NOW.replace(minute=minute), lambda _: None)
        assert (cert.read_bytes(), key.read_bytes()) == (new, its_key)
    certificates.revoke(NODE)
