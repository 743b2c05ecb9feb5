"""Tests of the MQTT client on MicroPython with a real broker and with non-MQTT ports."""

import os
import socket
import subprocess
from pathlib import Path

from support.micropython_program import micropython

ROOT = Path(__file__).resolve().parents[3]

SCRIPT = """
import asyncio, sys
from idro.app.clock import Clock
from idro.errors import LinkError
from idro.net.mqtt_client import Client, Options

changed = asyncio.Event()

def client(response_ms=30000):
    options = Options("mpy-1", "mpy-1", None, "t/status", b"offline", 4, response_ms)
    return Client(asyncio.open_connection, Clock(), options, changed.set)

async def next_message(one):
    while True:
        one.check()
        message = one.take_message()
        if message is not None:
            return message
        changed.clear()
        await changed.wait()

async def until(is_so):
    # Polls often: pings are not signalled, and the next may directly follow the answer.
    for _ in range(20_000):
        if is_so():
            return
        await asyncio.sleep_ms(3)
    raise AssertionError("waited a minute in vain")

async def main(port, hole, closed):
    one = client()
    await one.open("127.0.0.1", port)
    await one.log_in()
    await one.publish("t/kept", b"kept", retain=True)
    await one._wait_until(lambda: one.is_acknowledged)
    await one.subscribe("t/kept")
    message = await next_message(one)
    print(message.topic, message.payload, message.retain)
    for number in range(200):
        await one.publish("t/kept", b"%d" % number + b"." * 3000)
        got = await next_message(one)
        payload = b"".join(got.payload)
        assert max([len(piece) for piece in got.payload]) <= 512
        assert payload[:-3000] == b"%d" % number and not got.retain, got
    await until(lambda: "PINGRESP" in one._due_ms)
    await until(lambda: "PINGRESP" not in one._due_ms)
    one.check()
    print("answered a ping")
    for name, bad in (("hole", hole), ("closed", closed)):
        try:
            other = client(300)
            await other.open("127.0.0.1", bad)
            await other.log_in()
        except LinkError as error:
            print(name, "is a LinkError")
        await other.close()
    print("kill")
    try:
        while True:
            await next_message(one)
    except LinkError as error:
        print("ended")
    await one.close()

asyncio.run(main(*[int(word) for word in sys.argv[1:]]))
"""


def test_the_client_works_on_micropython(mosquitto, free_port, tmp_path):
    script = tmp_path / "client.py"
    script.write_text(SCRIPT)
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        ports = [str(port) for port in (mosquitto.port, hole.getsockname()[1], free_port())]
        process = subprocess.Popen(
            [micropython(), "-X", "heapsize=96wK", str(script), *ports],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"},
        )
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if line == "kill\n":
                mosquitto.kill()
        assert process.wait(120) == 0, "\n".join(lines)
    assert lines == [
        "t/kept b'kept' True", "answered a ping", "hole is a LinkError",
        "closed is a LinkError", "kill", "ended",
    ]
