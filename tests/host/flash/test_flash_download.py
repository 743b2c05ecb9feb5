"""MicroPython downloads from a real server, verified against pinned hashes."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from idroserra.flash import download
from idroserra.flash.errors import FlashError

DATA = b"MicroPython" * 20_000
SHA256 = hashlib.sha256(DATA).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        self.server.asked.append(self.path)

    def do_GET(self):
        if self.path == "/odd.bin":
            self.wfile.write(b"not HTTP\r\n\r\n")
            return
        if self.path != "/short.bin":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA[:1_000])


@pytest.fixture
def server(tmp_path):
    """A server with good.bin and short.bin, which ends early; .url and .asked."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "good.bin").write_bytes(DATA)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as found:
        found.asked = []
        found.url = f"http://127.0.0.1:{found.server_port}"
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def ignore(*_):
    """Ignores progress."""


def known(url: str, sha256: str):
    return {"1.28.0": {"esp32": {"url": url, "sha256": sha256}}}


def test_a_release_is_downloaded_once_and_kept(server, tmp_path):
    source = download.resolve("v1.28.0", "esp32", known=known(f"{server.url}/good.bin", SHA256))
    seen = []
    path = download.fetch(source, lambda *at: seen.append(at), tmp_path / "cache")
    assert path.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))
    assert download.fetch(source, ignore, tmp_path / "cache") == path
    assert server.asked == ["/good.bin"]
    path.write_bytes(b"spoilt")
    assert download.fetch(source, ignore, tmp_path / "cache").read_bytes() == DATA


def test_other_bytes_than_the_pinned_are_not_used(server, tmp_path):
    source = download.resolve(f"{server.url}/good.bin", "esp32", "0" * 64)
    with pytest.raises(FlashError, match=f"its SHA-256 is {SHA256}, not the pinned 0000"):
        download.fetch(source, ignore, tmp_path / "cache")
    assert not list(tmp_path.glob("cache/*"))


@pytest.mark.parametrize(("name", "says"), [
    ("none.bin", "cannot be downloaded"), ("short.bin", "1000 of 220000 bytes|downloaded"),
    ("odd.bin", "cannot be downloaded"), ("no such.bin", "cannot be downloaded"),
])
def test_what_does_not_arrive_whole_is_not_used(server, tmp_path, name, says):
    source = download.resolve(f"{server.url}/{name}", "esp32", SHA256)
    with pytest.raises(FlashError, match=says):
        download.fetch(source, ignore, tmp_path / "cache")
    assert not list(tmp_path.glob("cache/*"))


def test_an_unreachable_server_is_an_error(free_port, tmp_path):
    source = download.resolve(f"http://127.0.0.1:{free_port()}/x.bin", "esp32", SHA256)
    with pytest.raises(FlashError, match=r"cannot be downloaded.*\n.*--micropython FILE"):
        download.fetch(source, ignore, tmp_path)


def test_an_address_that_is_none_is_an_error(tmp_path):
    source = download.resolve("http://[::1/good.bin", "esp32", SHA256)
    with pytest.raises(FlashError, match="cannot be downloaded"):
        download.fetch(source, ignore, tmp_path / "cache")


@pytest.mark.parametrize("sha256", ["", "12", "z" * 64])
def test_nothing_comes_from_the_network_without_a_hash(sha256):
    with pytest.raises(FlashError, match=r"SHA-256.*\n.*set its path"):
        download.resolve("https://example.org/x.bin", "esp32", sha256)
    with pytest.raises(FlashError, match="SHA-256"):
        download.resolve("1.28.0", "esp32", known=known("https://example.org/x.bin", sha256))


def test_a_path_is_taken_as_it_is_unless_a_hash_says_otherwise(tmp_path):
    path = tmp_path / "mine.bin"
    path.write_bytes(DATA)
    assert download.fetch(download.resolve(str(path), "esp32"), ignore) == path
    assert download.resolve(str(path), "esp32", SHA256.upper()).path == path
    with pytest.raises(FlashError, match="not the pinned"):
        download.resolve(str(path), "esp32", "0" * 64)


def test_what_is_neither_file_nor_version_lists_the_versions():
    with pytest.raises(FlashError, match=r"neither a file nor a known version.*\nKnown: 1\.28\.0"):
        download.resolve("1.2.3", "esp32")
    with pytest.raises(FlashError, match="no known binary for esp32s2"):
        download.resolve("1.28.0", "esp32s2", known=known("https://example.org/x.bin", SHA256))


@pytest.mark.parametrize(("wanted", "chip", "image"), [
    ("1.28.0", "esp32", "ESP32_GENERIC-SPIRAM"),
    ("1.28.0", "esp32s3", "ESP32_GENERIC_S3-SPIRAM_OCT"),
    ("1.28.0-quad", "esp32s3", "ESP32_GENERIC_S3"),
])
def test_a_release_of_a_chip_is_pinned_and_has_psram(wanted, chip, image):
    source = download.resolve(wanted, chip)
    assert source.url == f"https://micropython.org/resources/firmware/{image}-20260406-v1.28.0.bin"
    assert len(bytes.fromhex(source.sha256)) == 32


@pytest.mark.parametrize(("wanted", "chip", "image"), [
    ("1.28.0", "esp32s2", "LOLIN_S2_MINI"), ("1.27.0", "esp32", "ESP32_GENERIC-SPIRAM"),
    ("1.26.1", "esp32s3", "ESP32_GENERIC_S3-SPIRAM_OCT"),
])
def test_a_known_release_without_a_pinned_hash_is_not_downloaded(wanted, chip, image):
    with pytest.raises(FlashError, match=rf"{image}.*: no SHA-256 is pinned .*\n.*set its path"):
        download.resolve(wanted, chip)


def test_the_known_releases_are_well_formed():
    for chips in download.releases().values():
        for entry in chips.values():
            assert entry["url"].startswith("https://micropython.org/resources/firmware/")
            assert entry["url"].endswith(".bin")
            assert set(entry) <= {"url", "sha256"}
            assert len(entry.get("sha256", "0" * 64)) == 64
