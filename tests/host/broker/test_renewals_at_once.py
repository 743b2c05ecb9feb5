"""Commands that change the certificate of a node during its renewal; no broker runs."""

import pytest

from idroserra.broker import tls_files
from idroserra.broker.certificates import ReplacedMeanwhile
from idroserra.broker.local import free_port
from idroserra.broker.mosquitto import BrokerControlError
from idroserra.client.http import HostClient
from idroserra.pki.broker_ca import read_certificate
from idroserra.provisioning import renewal

NODE = "basil"


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


def refuse(*_, **__):
    raise BrokerControlError("it does not answer")
