"""Releases: built bit for bit the same, every tampering refused; what the host takes the node
takes too, by the node's own files."""

import hashlib
import struct
import sys
import tracemalloc
import types
import zipfile
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idro.errors import UpdateError
from idro.protocol.release_layout import KERNEL, is_kernel
from idro.update import manifest as node_manifest
from idroserra.core.errors import ConfigError
from idroserra.image.build import HOST_MODULES
from idroserra.updates import manifest, release, signing
from idroserra.updates.errors import BadRelease
from idroserra.updates.release_store import ReleaseStore
from support.command_line import idroserra

BOARD = "esp32-reservoir"


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    """(private key, public key) of somebody who makes releases."""
    folder = tmp_path_factory.mktemp("keys")
    public = signing.make(folder / "release", folder / "release.pub", None)
    return signing.load_private(folder / "release", None), public


@pytest.fixture(scope="module")
def made(signer):
    return release.build(BOARD, signer[0], version="9.9.0")


@pytest.fixture
def folder(made, tmp_path):
    release.write(made, tmp_path / "made")
    return tmp_path / "made"


def test_the_same_sources_and_key_give_the_same_bytes(signer, made):
    again = release.build(BOARD, signer[0], version="9.9.0")
    assert release.pack(again) == release.pack(made)


def test_it_holds_the_application_and_nothing_of_the_kernel(made):
    paths = set(made.content)
    assert "idro/app/node.mpy" in paths
    assert not [path for path in paths if is_kernel(path)]
    assert not paths & {f"{name.removesuffix('.py')}.mpy" for name in HOST_MODULES}
    assert made.manifest.board_class == f"esp32/{BOARD}"


def test_a_folder_is_read_as_it_was_written(signer, made, folder):
    assert release.read(folder, [signer[1]]) == made
    assert release.unpack(release.pack_folder(folder), [signer[1]]) == made


def test_a_manifest_reads_as_it_was_written(made):
    assert manifest.read(made.text).text == made.text


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(("change", "why"), [
    (lambda at: flip(at / "idro/app/node.mpy"), "differs from the manifest"),
    (lambda at: flip(at / "manifest"), "changed after it was signed"),
    (lambda at: flip(at / "signature"), "changed after it was signed"),
    (lambda at: (at / "signature").write_bytes(b""), "changed after it was signed"),
    (lambda at: (at / "signature").unlink(), "signature: missing"),
    (lambda at: (at / "idro/app/node.mpy").unlink(), "missing, the manifest names it"),
    (lambda at: (at / "idro/app/more.mpy").write_bytes(b"M"), "the manifest does not name it"),
    (lambda at: (at / "idro/app/network_task.mpy").symlink_to("/etc/hostname") if
     (at / "idro/app/network_task.mpy").unlink() is None else None, "is a link"),
    (lambda at: (at / "manifest").write_bytes((at / "manifest").read_bytes()[:-4]),
     "changed after it was signed"),
])
def test_whatever_was_changed_is_refused(signer, folder, change, why):
    change(folder)
    with pytest.raises(BadRelease, match=why):
        release.read(folder, [signer[1]])


def test_parts_of_two_releases_make_none(signer, folder):
    other = (folder / "manifest").read_bytes().replace(b"version 9.9.0", b"version 9.9.1")
    assert signer[1].has_signed(other, signing.sign(signer[0], other))
    (folder / "manifest").write_bytes(other)
    with pytest.raises(BadRelease, match="changed after it was signed"):
        release.read(folder, [signer[1]])


def test_another_key_is_refused_and_a_spare_is_taken(signer, made, tmp_path):
    other = signing.make(tmp_path / "other", tmp_path / "other.pub", None)
    with pytest.raises(BadRelease, match="none of the trusted keys"):
        release.unpack(release.pack(made), [other])
    assert release.unpack(release.pack(made), [other, signer[1]]).key_id == signer[1].id


@pytest.mark.parametrize(("line", "by"), [
    (f"kernel {KERNEL}", "kernel x"), ("idroserra-update 1", "idroserra-update 2"),
    ("idro/app/node.mpy", "idro/app/../node.mpy"), ("idro/app/node.mpy", "idro/safety/gate.mpy"),
    ("idro/app/node.mpy", "/idro/app/node.mpy"), ("end", "end "), ("\n", "\r\n"),
    ("board_class esp32/", "board_class  esp32/"),
])
def test_a_signed_manifest_that_says_nonsense_is_refused(signer, made, line, by):
    text = made.text.replace(line.encode(), by.encode(), 1 if line != "\n" else -1)
    with pytest.raises(BadRelease, match="manifest: "):
        release._checked({**made.content, "manifest": text,
                          "signature": signing.sign(signer[0], text)}, [signer[1]])


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 9_000), byte=st.integers(0, 255), cut=st.integers(0, 60))
def test_a_manifest_of_any_bytes_is_read_whole_or_refused(made, at, byte, cut):
    data = bytearray(made.text)
    data[at % len(data)] = byte
    data = bytes(data[:len(data) - cut] if cut % 3 == 0 else data)
    try:
        found = manifest.read(data)
    except BadRelease:
        return
    assert found.text == data


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_an_upload_of_any_bytes_is_refused_in_words(signer, data):
    with pytest.raises(BadRelease):
        release.unpack(data, [signer[1]])


def overlapping(count, data):
    """Return an archive whose `count` files share one piece of data: each contains those after."""
    body, entries = data, []
    for number in reversed(range(count)):
        name = b"f%05d" % number
        fields = struct.pack("<HHHHIIIHH", 0, 0, 0, 0, zlib.crc32(body), len(body), len(body),
                             len(name), 0)
        entries.append((fields, name, len(body)))
        body = b"PK\3\4\x14\0" + fields + name + body
    central = b"".join(
        b"PK\1\2\x14\0\x14\0" + fields + struct.pack("<HHHII", 0, 0, 0, 0, len(body) - size - 36)
        + name for fields, name, size in entries)
    return body + central + struct.pack(
        "<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(central), len(body), 0)


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused_before_it_is_read(signer):
    packed = overlapping(1_000, b"x" * 390_000)
    assert len(packed) < release.MOST_PACKED_BYTES
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        assert sum(one.file_size for one in archive.infolist()) > 400_000_000
    tracemalloc.start()
    try:
        with pytest.raises(BadRelease, match="too many for a release"):
            release.unpack(packed, [signer[1]])
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    with pytest.raises(BadRelease, match="too many for a release"):
        release.unpack(overlapping(253, b""), [signer[1]])


def test_a_private_key_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "release"
    signing.make(path, tmp_path / "release.pub", b"open sesame")
    assert path.stat().st_mode & 0o777 == 0o600
    assert signing.load_private(path, b"open sesame").key_size == 3_072
    with pytest.raises(ConfigError, match="a wrong passphrase"):
        signing.load_private(path, b"sesame")
    with pytest.raises(ConfigError, match="never replaced"):
        signing.make(path, tmp_path / "other.pub", None)
    with pytest.raises(ConfigError, match="this is the private key"):
        signing.load_public(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others can read"):
        signing.load_private(path, b"open sesame")


def test_a_host_keeps_what_it_checked_and_nothing_half(signer, made, tmp_path, caplog):
    library = ReleaseStore(tmp_path, [signer[1]])
    assert library.add(release.pack(made)) == library.add(release.pack(made))
    flip(tmp_path / "releases" / made.sha256 / "idro/app/node.mpy")
    again = ReleaseStore(tmp_path, [signer[1]])
    assert again.all() == []
    assert f"{made.sha256}: idro/app/node.mpy: differs from the manifest" in caplog.text
    again.add(release.pack(made))
    assert [one.sha256 for one in ReleaseStore(tmp_path, [signer[1]]).all()] == [made.sha256]
    assert "has no public key" in str(
        pytest.raises(BadRelease, ReleaseStore(tmp_path, []).add, b"").value
    )


def run(*words):
    return idroserra("update", *words)


def test_from_key_to_folder_on_the_command_line(tmp_path):
    key = tmp_path / "release"
    (tmp_path / "phrase").write_text("open sesame\n")
    phrase = ("--passphrase-file", tmp_path / "phrase")
    assert run("keygen", key, *phrase).returncode == 0
    built = run("build", BOARD, "--key", key, "--out", tmp_path / "r", "--version", "1.2.3",
                *phrase)
    assert built.returncode == 0, built.stderr
    checked = run("check", tmp_path / "r", "--key", f"{key}.pub")
    assert checked.returncode == 0, checked.stderr
    assert f"version 1.2.3 for esp32/{BOARD}" in checked.stdout
    flip(tmp_path / "r/idro/app/node.mpy")
    refused = run("check", tmp_path / "r", "--key", f"{key}.pub")
    assert refused.returncode == 1
    assert "idro/app/node.mpy: differs from the manifest" in refused.stderr
    assert run("build", BOARD, "--key", key, "--out", tmp_path / "r2").returncode == 2


def read_by_node(data):
    """Return [(sha256, size, path)] as the node reads a manifest. Raises UpdateError."""
    file = BytesIO(data)
    node_manifest.read_header(file)
    found, last = [], ""
    while (entry := node_manifest.read_entry(file, last)) is not None:
        found.append((entry.sha256, entry.size, entry.path))
        last = entry.path
    return found


def file_list(parsed):
    return [(file.sha256, file.size, file.path) for file in parsed.files]


def test_the_node_reads_a_manifest_as_the_host_wrote_it(made, tmp_path):
    assert read_by_node(made.text) == file_list(made.manifest)
    path = tmp_path / "manifest"
    path.write_bytes(made.text)
    assert len(list(node_manifest.entries(path))) == len(made.manifest.files)


def test_the_nodes_arithmetic_takes_the_signature_and_no_other(signer, made, monkeypatch):
    for name in ("esp32", "machine", "micropython", "idro.board"):  # the arithmetic needs none
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
    for name in ("idro.update.verify", "idro.update.platform", "idro.update.state"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, 20_000), new=st.binary(min_size=0, max_size=3),
       cut=st.integers(0, 3))
def test_whatever_the_host_takes_the_node_takes(made, at, new, cut):
    place = at % len(made.text)
    data = made.text[:place] + new + made.text[place + cut:]
    try:
        parsed = manifest.read(data)
    except BadRelease:
        return
    try:
        assert read_by_node(data) == file_list(parsed)
    except UpdateError as error:
        pytest.fail(f"the node refuses what the host takes: {error}")
