"""A node in real MicroPython with TLS, in a process that can be killed: its commands, outbox and
connection are those of the firmware; without radio and hardware."""

import json
import os
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from idroserra.pki.broker_ca import read_certificate, to_der
from support.micropython_program import micropython

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = '''
import asyncio, json, os, random, sys

class Wifi:
    """Loopback in place of the radio."""
    is_up, failures_count = True, 0

    def __init__(self, *_):
        pass

    async def run(self):
        pass

    async def open(self, host, port, ssl):
        return await asyncio.open_connection("127.0.0.1", port, ssl=ssl, server_hostname=host)

class Module:
    pass

sys.modules["network"] = Module()
import idro.net.wifi
idro.net.wifi.Wifi = Wifi
from idro.app.clock import Clock
from idro.app.commands import CommandHandler
from idro.app.network_task import NetworkTask
from idro.net.publisher import Handlers
from idro.outbox.outbox import Outbox
from idro.protocol import messages, settings
from idro.protocol.reason import Reason
from idro.safety.authentication import CommandIdLog

CHANNELS = ("reservoir.ph",)
folder, boot_id, key = sys.argv[1:]

class Store:
    """NVS in a file, as in idro.update.platform."""

    def __init__(self):
        with open(folder + "/nvs.json") as file:
            self._values = json.load(file)

    def blob(self, key, max_bytes=256):
        found = self._values.get(key)
        return bytes.fromhex(found) if isinstance(found, str) else None

    def text(self, key):
        return str(self.blob(key) or b"", "utf-8")

    def number(self, key):
        return self._values.get(key)

    def put(self, **values):
        for key, value in values.items():
            self._values[key] = value if isinstance(value, int) else value.hex()
        with open(folder + "/nvs.new", "w") as file:
            json.dump(self._values, file)
        os.rename(folder + "/nvs.new", folder + "/nvs.json")

class Events:
    def __init__(self, outbox, clock):
        self._outbox = outbox
        self._clock = clock

    def record(self, kind, detail):
        self._outbox.append_event(self._clock.now_ms(), kind, detail)

    def memory_refused(self, part):
        raise MemoryError(part)

def fail(loop, context):
    sys.print_exception(context["exception"], sys.stderr)
    sys.exit(1)

def stop_outcome():
    return "done", Reason("all_stopped")

async def main():
    asyncio.get_event_loop().set_exception_handler(fail)
    clock = Clock()
    store = Store()
    node_id = store.text("node_id")
    outbox = Outbox(folder + "/outbox", boot_id, CHANNELS, clock)
    info = lambda: messages.Info(
        "0.1.0", "test", "esp32", boot_id, clock.now_ms(), None, "none", "power_on", "",
        CHANNELS, {}, outbox.boots(), False, 100, 0, messages.AS_FLASHED,
        ("1.28.0", 0, 160_000_000))
    report = lambda: messages.ConfigReport(0, None, settings.defaults())
    events = Events(outbox, clock)
    actions = {}
    handlers = Handlers(
        info, report, lambda payload: commands.receive(payload), lambda pieces: None,
        lambda payload: commands.receive_stored(payload), lambda leaf, payload: None)
    network = NetworkTask(
        store=store, clock=clock, outbox=outbox, handlers=handlers, events=events,
        beat=lambda task: None, dose_or_handshake=asyncio.Lock())
    actions["certificate"] = network.take_certificate
    commands = CommandHandler(
        (node_id, bytes.fromhex(key), boot_id), clock=clock,
        command_ids=CommandIdLog(folder + "/ids"), actions=actions,
        stop=lambda by: events.record("stopped", {"by": by}), stop_outcome=stop_outcome,
        record_event=events.record, send_ack=network.publisher.send_ack)
    network.add_tasks(lambda name, run, silent_ms: asyncio.create_task(run()))
    while True:
        outbox.append_telemetry(clock.now_ms(), {"reservoir.ph": 5.8}, {})
        await clock.sleep_ms(500)

asyncio.run(main())
'''


class TlsNode:
    """The board of a node; `certificate` and `key` are its files. kill() acts as a power cut."""

    def __init__(self, folder: Path, node: str, port: int, ca: Path, files: tuple[Path, Path],
                 key: bytes) -> None:
        folder.mkdir()
        self._folder, self._key, self._boots = folder, key, 0
        certificate, private = to_der(*files)
        blobs = {"node_id": node.encode(), "broker_host": b"localhost",
                 "tls_ca": read_certificate(ca).public_bytes(Encoding.DER),
                 "tls_cert": certificate, "tls_key": private}
        (folder / "nvs.json").write_text(json.dumps(
            {"broker_tls": 1, "broker_port": port}
            | {name: value.hex() for name, value in blobs.items()}))
        (folder / "node.py").write_text(SCRIPT)

    def start(self) -> None:
        """Switch it on."""
        self._boots += 1
        with (self._folder / "errors").open("a") as errors:
            self._process = subprocess.Popen(
                [micropython(), "-X", "heapsize=256wK", str(self._folder / "node.py"),
                 str(self._folder), f"{self._boots:08x}", self._key.hex()],
                stdout=errors, stderr=errors, stdin=subprocess.DEVNULL,
                env={**os.environ, "MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"})

    def kill(self) -> None:
        """Switch it off."""
        self._process.kill()
        self._process.wait(60)

    @property
    def errors(self) -> str:
        """What it printed: nothing, unless it failed."""
        return (self._folder / "errors").read_text()

    @property
    def certificate(self) -> bytes:
        """The certificate in use, in DER."""
        return bytes.fromhex(json.loads((self._folder / "nvs.json").read_text())["tls_cert"])
