"""`idroserra broker renew` with real TLS: mosquitto, the host, and a node in MicroPython."""

import base64
import json
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from idroserra.broker.mosquitto import BrokerControlError
from idroserra.cli.main import app
from idroserra.core.errors import UnknownNode
from idroserra.pki.broker_ca import HOST, BrokerCA, read_certificate
from idroserra.provisioning import renewal
from support.line_rig import Rig
from support.real_host import KEY, Host
from support.tls_node import TlsNode
from support.wait import wait_until

NODE, OTHER = "basil", "lettuce"


class Site:
    """A host with its broker, and one node."""

    def __init__(self, folder):
        self.folder = folder
        self.rig = Rig(folder, (NODE, OTHER))
        self.rig.start()
        cert, key = self.rig.files(HOST)
        port = self.rig.host_port
        self.host = Host(folder, port, wait_until, more={"mqtt": {
            "url": f"mqtts://127.0.0.1:{port}", "cert_file": str(cert), "key_file": str(key),
            "ca_file": str(self.rig.tls / "ca.pem")}})
        self.host.service.nodes.adopt(NODE, KEY)
        self.config = folder / "renew.toml"
        self.config.write_text(f'site = "test"\ndata_dir = "{folder}"\n')
        self.certificates = self.rig.line
        self.node = TlsNode(folder / "board", NODE, self.rig.node_port, self.rig.tls / "ca.pem",
                            self.rig.files(NODE), KEY)
        self.start_node()

    def start_node(self):
        self.node.start()
        self.wait_for_record()

    def wait_for_record(self):
        """Wait until another record of the node is stored."""
        count = self.host.counts()["nodes"].get(NODE, {}).get("stored", 0)
        self.host.settle(NODE, count + 1)
        wait_until(lambda: self.host.view(NODE)["online"], 30, "the node")

    def der(self):
        return read_certificate(self.certificates.files(NODE)[0]).public_bytes(Encoding.DER)

    def renew(self, *options):
        return CliRunner().invoke(app, [
            "broker", "renew", NODE, "--config", str(self.config), "--url", self.host.url,
            *options])

    def send(self, der):
        """Send a certificate once; return the reason of the answer."""
        answer = self.host.client.put(f"/api/nodes/{NODE}/certificate", json={
            "der": base64.b64encode(der).decode()})
        assert answer.status_code == 202, answer.text
        found = []

        def is_answered():
            found[:] = [self.host.client.get(f"/api/commands/{answer.json()['id']}").json()]
            return found[0]["state"] != "pending"

        wait_until(is_answered, 60, "an answer")
        return found[0]["state"], found[0]["reason"]["code"]

    def events(self):
        now_ms = time.time_ns() // 1_000_000
        found = self.host.client.get(f"/api/nodes/{NODE}/events", params={
            "from_unix_ms": now_ms - 3_600_000, "to_unix_ms": now_ms + 3_600_000,
            "kinds": "certificate"})
        return [one["detail"]["reason"]["code"] for one in found.json()["events"]]

    def stop(self):
        self.node.kill()
        self.host.stop()
        self.rig.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("renew"))
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(renewal, "PAUSES_S", (3.0,))


def test_a_node_gets_a_new_certificate_and_the_old_one_is_revoked(site):
    old = site.der()
    key = site.certificates.files(NODE)[1].read_bytes()
    done = site.renew()
    assert done.exit_code == 0, done.output
    assert "on trial" in done.output
    assert "the broker rejects the old certificate (verified)" in done.output
    new = site.der()
    assert site.node.certificate == new != old
    assert site.certificates.files(NODE)[1].read_bytes() == key
    assert not site.certificates.renewal(NODE).exists()
    assert x509.load_der_x509_certificate(old).serial_number in site.certificates.revoked
    site.wait_for_record()
    wait_until(lambda: site.events() == ["certificate_on_trial", "certificate_in_use"], 30,
               "its events")
    assert site.node.errors == ""


def test_it_is_finished_after_an_interruption(site):
    """The command ends while the certificate is on trial, and the board loses power."""
    old = site.der()
    new = site.certificates.prepare_renewal(NODE)
    assert site.send(new) == ("done", "certificate_on_trial")
    site.node.kill()  # before or after it uses it
    site.start_node()
    done = site.renew("--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["state"] == "renewed"
    assert site.node.certificate == site.der() == new != old


def test_it_is_finished_if_the_broker_could_not_be_asked(site, monkeypatch):
    new = site.certificates.prepare_renewal(NODE)
    assert site.send(new) == ("done", "certificate_on_trial")
    wait_until(lambda: site.node.certificate == new, 60, "its use")
    assert site.send(new) == ("done", "certificate_in_use")
    before = site.der()
    with monkeypatch.context() as broken:
        broken.setattr(type(site.certificates), "_retire", refuse)
        with pytest.raises(BrokerControlError):
            site.certificates.finish_renewal(NODE, new)
    assert site.der() == before
    done = site.renew()
    assert done.exit_code == 0, done.output
    assert site.der() == site.node.certificate == new


def refuse(*_, **__):
    raise BrokerControlError("it does not answer")


def test_a_certificate_that_the_broker_refuses_leaves_the_node_in_contact(site, tmp_path):
    """It is of another authority: the node tries it, and returns at once to the one it has."""
    BrokerCA.make(tmp_path).issue_client(NODE, tmp_path / "bad.pem", tmp_path / "bad.key")
    bad = read_certificate(tmp_path / "bad.pem").public_bytes(Encoding.DER)
    before = site.der()
    assert site.send(bad) == ("done", "certificate_on_trial")
    site.wait_for_record()
    stop = site.host.client.post(f"/api/nodes/{NODE}/commands", json={"verb": "stop"}).json()
    wait_until(lambda: site.host.client.get(f"/api/commands/{stop['id']}").json()["state"]
               == "done", 30, "the stop")
    assert site.node.certificate == before
    done = site.renew()  # another certificate ends that trial
    assert done.exit_code == 0, done.output
    assert site.node.certificate == site.der() != before


def test_without_the_node_the_old_certificate_stays_and_the_advice_is_given(site):
    site.node.kill()
    wait_until(lambda: not site.host.view(NODE)["online"], 60, "the end of the connection")
    before, revoked = site.der(), site.certificates.revoked
    failed = site.renew("--wait", "0")
    assert failed.exit_code == 1
    assert "The old one stays valid" in str(failed.exception) + failed.output
    assert (site.der(), site.certificates.revoked) == (before, revoked)
    prepared = site.certificates.renewal(NODE).read_bytes()
    site.start_node()
    done = site.renew()
    assert done.exit_code == 0, done.output
    assert site.certificates.files(NODE)[0].read_bytes() == prepared


def test_revoking_revokes_the_prepared_certificate_too(site):
    site.certificates.issue(OTHER)
    serials = {read_certificate(site.certificates.files(OTHER)[0]).serial_number}
    site.certificates.prepare_renewal(OTHER)
    serials.add(read_certificate(site.certificates.renewal(OTHER)).serial_number)
    assert len(serials) == 2
    assert site.certificates.revoke(OTHER)
    assert serials <= site.certificates.revoked
    assert not site.certificates.renewal(OTHER).exists()
    with pytest.raises(UnknownNode):
        site.certificates.prepare_renewal(OTHER)


def test_a_prepared_certificate_of_another_time_is_replaced(site):
    """As after the restore of a backup: one that is revoked, or in use, or for another key."""
    certificates = site.certificates
    certificates.issue("other-key")
    cert = certificates.files("other-key")[0].read_bytes()
    for content in (cert, certificates.files(NODE)[0].read_bytes()):
        certificates.renewal(NODE).write_bytes(content)
        prepared = certificates.prepare_renewal(NODE)
        found = x509.load_der_x509_certificate(prepared)
        assert found.public_key() == read_certificate(certificates.files(NODE)[0]).public_key()
        assert prepared != site.der()
    assert certificates.prepare_renewal(NODE) == prepared


def test_only_administrators_send_certificates(site):
    answer = site.host.client.post(f"/api/nodes/{NODE}/commands", json={
        "verb": "certificate", "args": {"der": "MAA="}})
    assert answer.status_code == 422
    assert "/api/nodes/NODE/certificate" in answer.text
    assert site.send(b"no certificate") == ("refused", "certificate_malformed")
