"""Tests of TLS of the node on MicroPython with mosquitto: server trust and client identity."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from idroserra.pki.broker_ca import HOST, to_der
from support.line_rig import NODES, Rig
from support.micropython_program import micropython

ROOT = Path(__file__).resolve().parents[3]
ONE, TWO = NODES
# As in the firmware: NVS, Link and client; only the radio is missing.
SCRIPT = """
import asyncio, sys
from idro.app.clock import Clock
from idro.errors import LinkError
from idro.net.mqtt_client import Client, Options
from idro.net.tls import Tls

folder, port, host, node, count = sys.argv[1:]

def der(name):
    try:
        with open(folder + "/" + name, "rb") as file:
            return file.read()
    except OSError:
        return None

async def open_line(name, port, ssl):
    return await asyncio.open_connection("127.0.0.1", port, ssl=ssl, server_hostname=name)

async def main():
    certificate = der("cert")
    tls = Tls(der("ca"), der("key"), lambda: certificate, open_line)
    options = Options(node, None, None, "idro/v1/" + node + "/up/status", b"offline", 4, 20000)
    client = Client(tls.open, Clock(), options, lambda: None)
    try:
        await client.open(host, int(port))
        await client.log_in()
        await client.subscribe("idro/v1/" + node + "/down/+")
        for number in range(int(count)):
            await client.publish("idro/v1/" + node + "/up/ack", b"%d " % number + b"." * 3000)
        await client._wait_until(lambda: client.is_acknowledged)
        while True:
            client.check()
            message = client.take_message()
            if message is not None:
                print("heard", message.payload)
                break
            await asyncio.sleep_ms(5)
    except LinkError as error:
        print("refused", error)
    await client.close()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("line"))
    made.start()
    yield made
    made.stop()


def start(rig: Rig, folder: Path, host: str = "localhost", files: dict[str, bytes] | None = None,
          node: str = ONE) -> "subprocess.Popen[str]":
    cert, key = to_der(*rig.files(node))
    ca = rig.line.authority.certificate.public_bytes(Encoding.DER)
    for name, content in ({"ca": ca, "cert": cert, "key": key} | (files or {})).items():
        if content:
            (folder / name).write_bytes(content)
    script = folder / "node.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [micropython(), "-X", "heapsize=128wK", str(script), str(folder), str(rig.node_port), host,
         node, "20"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_node_publishes_and_receives_over_tls(rig, tmp_path, host):
    listener = rig.client(HOST)
    listener.subscribe(f"idro/v1/{ONE}/up/ack")
    node = start(rig, tmp_path, host)
    for number in range(20):
        topic, payload, _ = listener.received.get(timeout=600)
        assert (topic, payload) == (f"idro/v1/{ONE}/up/ack", b"%d " % number + b"." * 3000)
    listener.publish(f"idro/v1/{ONE}/down/command", b"x" * 900)
    assert node.communicate(timeout=600)[0] == f"heard {b'x' * 900!r}\n"
    listener.close()


def test_a_node_rejects_a_broker_of_another_authority_or_name(rig, tmp_path):
    """A broker of another authority, and one with a certificate for another name."""
    (tmp_path / "other").mkdir()
    rogue = Rig(tmp_path / "other")
    rogue.start()
    ours = rig.line.authority.certificate.public_bytes(Encoding.DER)
    said = start(rogue, tmp_path, files={"ca": ours}).communicate(timeout=600)[0]
    assert said.startswith("refused"), said
    assert "tls: The certificate is not correctly signed" in said, said
    assert "New client connected" not in rogue.log()
    rogue.stop()
    said = start(rig, tmp_path, "other.lan").communicate(timeout=600)[0]
    assert "does not match" in said, said


@pytest.mark.parametrize("files", [
    {"ca": b""}, {"cert": b""}, {"key": b""}, {"ca": b"no certificate"}, {"key": b"\x30\x03abc"},
])
def test_a_node_with_incomplete_certificates_does_not_connect(rig, tmp_path, files):
    before = rig.log().count("New client connected")
    said = start(rig, tmp_path, files=files).communicate(timeout=600)[0]
    assert said.startswith("refused broker: localhost:"), said
    assert rig.log().count("New client connected") == before


def test_issued_certificates_fit_into_a_board(tmp_path):
    rig = Rig(tmp_path)
    rig.line.issue("a" * 32)
    ca = rig.line.authority.certificate.public_bytes(Encoding.DER)
    assert max(map(len, (ca, *to_der(*rig.files("a" * 32))))) <= 512
