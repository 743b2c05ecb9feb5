"""Commands that change the certificate of a node during its renewal; no broker runs."""

from threading import Thread

import pytest
from cryptography.x509 import load_pem_x509_crl

from idroserra.broker import tls_files
from idroserra.broker.certificates import ReplacedMeanwhile
from idroserra.broker.local import free_port
from idroserra.broker.mosquitto import BrokerControlError
from idroserra.client.http import HostClient
from idroserra.pki.broker_ca import read_certificate
from idroserra.provisioning import renewal

NODE, OTHER = "basil", "lettuce"
WAITS_S = 1.0  # of the second for the first: one that does not wait is done by then


@pytest.fixture
def certificates(tmp_path):
    tls_files.init(tmp_path / "data", ["localhost"], node_port=free_port(), host_port=free_port())
    made = tls_files.BrokerCertificates(tmp_path / "data")
    made.issue(NODE)
    return made


def serial(certificates):
    return read_certificate(certificates.files(NODE)[0]).serial_number


def test_the_second_of_two_renewals_is_refused(certificates):
    client = HostClient("http://127.0.0.1:1")
    with certificates.renewing(NODE), pytest.raises(ReplacedMeanwhile, match="another"):
        renewal.renew(client, certificates, NODE, 0, print)
    assert not certificates.renewal(NODE).exists()
    with certificates.renewing(NODE):
        pass  # it has ended


def test_the_certificate_in_use_is_not_revoked_by_a_second_end(certificates):
    """The node would be locked out: it has no other one."""
    der = certificates.prepare_renewal(NODE)
    certificates.finish_renewal(NODE, der)
    with pytest.raises(ReplacedMeanwhile):
        certificates.finish_renewal(NODE, der)
    assert serial(certificates) not in certificates.revoked


def test_a_renewal_ends_without_effect_on_what_another_command_issued(certificates):
    der = certificates.prepare_renewal(NODE)
    certificates.rotate(NODE)
    with pytest.raises(ReplacedMeanwhile):
        certificates.finish_renewal(NODE, der)
    newer = certificates.prepare_renewal(NODE)
    with pytest.raises(ReplacedMeanwhile):
        certificates.finish_renewal(NODE, der)
    assert serial(certificates) not in certificates.revoked
    certificates.finish_renewal(NODE, newer)


def test_a_board_gets_no_revoked_certificate_over_usb(certificates, monkeypatch):
    """The end of the renewal was interrupted, or the broker did not answer."""
    old = serial(certificates)
    der = certificates.prepare_renewal(NODE)
    with monkeypatch.context() as broken:
        broken.setattr(type(certificates), "_retire", refuse)
        for act in (lambda: certificates.finish_renewal(NODE, der),
                    lambda: certificates.issue(NODE)):
            with pytest.raises(BrokerControlError):
                act()
    assert serial(certificates) == old
    assert old in certificates.revoked
    assert not certificates.issue(NODE)  # as `provision` does
    assert serial(certificates) != old
    assert serial(certificates) not in certificates.revoked


def test_no_revocation_is_lost_between_two_nodes(certificates, monkeypatch):
    """Each writes the whole list, in the host's folder and in the broker's."""
    certificates.issue(OTHER)
    old = {one.serial for one in certificates.nodes}
    ders = {node: certificates.prepare_renewal(node) for node in (NODE, OTHER)}
    second = Thread(target=certificates.finish_renewal, args=(OTHER, ders[OTHER]))
    retire = type(certificates)._retire

    def late(self, node, *more):
        if node == NODE:
            second.start()
            second.join(WAITS_S)
        return retire(self, node, *more)

    monkeypatch.setattr(type(certificates), "_retire", late)
    certificates.finish_renewal(NODE, ders[NODE])
    second.join()
    assert certificates.revoked == old
    copy = certificates.broker.path / "revoked.pem"
    assert {one.serial_number for one in load_pem_x509_crl(copy.read_bytes())} == old


def test_revoking_takes_the_rights_first(certificates, monkeypatch):
    """A broker that is late with the prepared certificate leaves the node no rights."""
    certificates.prepare_renewal(NODE)
    assert NODE in certificates.broker.access.read_text()
    with monkeypatch.context() as broken:
        broken.setattr(type(certificates), "_retire", refuse)
        with pytest.raises(BrokerControlError):
            certificates.revoke(NODE)
    assert NODE not in certificates.broker.access.read_text()
    certificates.revoke(NODE)
    assert not certificates.renewal(NODE).exists()


def refuse(*_, **__):
    raise BrokerControlError("it does not answer")
