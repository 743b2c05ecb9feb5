"""What the host makes and takes as a release the node takes too: with the node's own files."""

import hashlib
import sys
import types
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idro.errors import UpdateError
from idro.update import manifest as node_manifest
from idroserra.update import keys, manifest, release
from idroserra.update.errors import BadRelease


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    public = keys.make(folder / "key", folder / "key.pub", None)
    return keys.load_private(folder / "key", None), public


@pytest.fixture(scope="module")
def made(signer):
    return release.build("esp32-reservoir", signer[0], version="9.9.0")


def read_by_node(data):
    """Return [(sha256, size, path)] as the node reads a manifest. Raises UpdateError."""
    file = BytesIO(data)
    node_manifest.read_header(file)
    found, last = [], ""
    while (entry := node_manifest.read_entry(file, last)) is not None:
        found.append((entry.sha256, entry.size, entry.path))
        last = entry.path
    return found


def as_told(told):
    return [(file.sha256, file.size, file.path) for file in told.files]


def test_the_node_reads_a_manifest_as_the_host_wrote_it(made, tmp_path):
    assert read_by_node(made.text) == as_told(made.manifest)
    path = tmp_path / "manifest"
    path.write_bytes(made.text)
    assert len(list(node_manifest.entries(path))) == len(made.manifest.files)


def test_the_nodes_arithmetic_takes_the_signature_and_no_other(signer, made, monkeypatch):
    for name in ("esp32", "machine", "idro.board"):  # of the board: the arithmetic needs none
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["idro.board"].BOARD, sys.modules["idro.board"].SECURITY_COUNTER = {}, 1
    from idro.update.verify import is_signed, key_id
    digest, modulus = hashlib.sha256(made.text).digest(), signer[1].modulus
    assert is_signed(modulus, made.signature, digest)
    assert key_id(modulus) == signer[1].id == made.key_id
    for at in range(0, 384, 16):
        broken = bytearray(made.signature)
        broken[at] ^= 1
        assert not is_signed(modulus, bytes(broken), digest)
    assert not is_signed(modulus, made.signature, hashlib.sha256(made.text + b" ").digest())
    assert not is_signed(modulus, made.signature[:-1], digest)
    for name in ("idro.update.verify", "idro.update.chip", "idro.update.memory"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, 20_000), new=st.binary(min_size=0, max_size=3),
       cut=st.integers(0, 3))
def test_whatever_the_host_takes_the_node_takes(made, at, new, cut):
    place = at % len(made.text)
    data = made.text[:place] + new + made.text[place + cut:]
    try:
        told = manifest.read(data)
    except BadRelease:
        return
    try:
        assert read_by_node(data) == as_told(told)
    except UpdateError as error:
        pytest.fail(f"the node refuses what the host takes: {error}")
