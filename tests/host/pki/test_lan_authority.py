"""The HTTPS CA of the host, verified by OpenSSL: valid names and name constraints."""

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from idroserra.core.errors import ConfigError
from idroserra.core.hostnames import check_name, is_local, own_names
from idroserra.pki.https_ca import HttpsCA

NAMES = ["serra.lan", "192.168.1.20", "fd00::5"]
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


def verified(authority, certificate, name, at=NOW):
    """Return what openssl says of a server's certificate under our authority, "" for good."""
    kind = "ip" if name[0].isdigit() or ":" in name else "hostname"
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-attime",
         str(int(at.timestamp())), f"-verify_{kind}", name, "-CAfile", str(authority.path),
         str(certificate)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr


def test_every_name_is_good_and_another_is_not(tmp_path):
    authority = HttpsCA(tmp_path, "serra", NOW)
    certificate, key = authority.server(NAMES, NOW)
    for name in NAMES:
        assert verified(authority, certificate, name) == ""
    assert "mismatch" in verified(authority, certificate, "other.lan")
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)


def test_only_the_owner_reads_what_is_secret(tmp_path):
    folder = tmp_path / "lan"
    HttpsCA(folder, "serra", NOW).server(NAMES, NOW)
    assert folder.stat().st_mode & 0o077 == 0
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_the_same_files_serve_until_thirty_days_before_their_end(tmp_path):
    authority = HttpsCA(tmp_path, "serra", NOW)
    certificate, _ = authority.server(NAMES, NOW)
    first = certificate.read_bytes()
    again = HttpsCA(tmp_path, "another", NOW)
    assert again.fingerprint == authority.fingerprint
    again.server(list(reversed(NAMES)), NOW + timedelta(days=360))
    assert certificate.read_bytes() == first
    late = NOW + timedelta(days=367)
    again.server(NAMES, late)
    assert certificate.read_bytes() != first
    assert verified(again, certificate, "serra.lan", late + timedelta(days=395)) == ""
    assert "expired" in verified(again, certificate, "serra.lan", late + timedelta(days=397))


def test_other_names_a_lost_key_or_a_foreign_certificate_make_a_new_one(tmp_path):
    authority = HttpsCA(tmp_path / "a", "serra", NOW)
    certificate, key = authority.server(NAMES, NOW)
    authority.server([*NAMES, "tank.local"], NOW)
    assert verified(authority, certificate, "tank.local") == ""
    key.unlink()
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*authority.server(NAMES, NOW))
    foreign, _ = HttpsCA(tmp_path / "b", "serra", NOW).server(NAMES, NOW)
    for content in (foreign.read_bytes(), b"", b"not a certificate"):
        certificate.write_bytes(content)
        authority.server(NAMES, NOW)
        assert verified(authority, certificate, "serra.lan") == ""


def test_the_ca_is_constrained_to_local_names(tmp_path):
    authority = HttpsCA(tmp_path, "serra", NOW)
    for name in ("bank.example", "serra", "93.184.216.34", "evil.lan.example"):
        with pytest.raises(ConfigError, match=r"lan: names: .* not a name of a local network"):
            authority.server([name], NOW)
    # A stolen key cannot sign certificates for other names.
    key = serialization.load_pem_private_key((tmp_path / "authority.key").read_bytes(), None)
    mine = ec.generate_private_key(ec.SECP256R1())
    ours = x509.load_pem_x509_certificate(authority.pem)
    forged = (
        x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(ours.subject)
        .public_key(mine.public_key()).serial_number(7).not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()),
                       critical=False)
        .sign(key, hashes.SHA256()))
    path = tmp_path / "forged.crt"
    path.write_bytes(forged.public_bytes(serialization.Encoding.PEM))
    assert "permitted subtree violation" in verified(
        authority, path, "bank.example", NOW + timedelta(days=2))


def test_an_incomplete_ca_is_reported_and_not_recreated(tmp_path):
    HttpsCA(tmp_path, "serra", NOW)
    key = (tmp_path / "authority.key").read_bytes()
    (tmp_path / "authority.key").unlink()
    with pytest.raises(ConfigError, match=r"authority\.key: missing: restore it"):
        HttpsCA(tmp_path, "serra", NOW)
    (tmp_path / "authority.key").write_bytes(b"no key at all")
    with pytest.raises(ConfigError, match="invalid key or certificate"):
        HttpsCA(tmp_path, "serra", NOW)
    (tmp_path / "authority.key").write_bytes(key)
    HttpsCA(tmp_path, "serra", NOW)


def test_own_names_are_of_the_own_network_and_ours_come_first():
    found = own_names(["serra.lan"])
    assert found[0] == "serra.lan"
    assert all(is_local(name) for name in found)
    assert len(set(found)) == len(found)


@given(st.text(max_size=40))
def test_a_name_is_refused_or_in_its_one_spelling(text):
    try:
        name = check_name(text)
    except ValueError:
        return
    assert check_name(name) == name
    assert Path(name).name == name or ":" in name


@given(st.ip_addresses())
def test_addresses_are_local_as_the_standard_library_has_it(address):
    if is_local(str(address)):
        assert address.is_private or address.is_link_local
