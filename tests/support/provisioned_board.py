"""A simulated board in real time: provisioned for a broker, and not known to the host."""

import hashlib
import tempfile
import time
from functools import cache
from pathlib import Path

from idroserra.boards import compiler
from idroserra.image import build
from idroserra.provisioning import key_file
from idrosim.runner import process

BOARD = "esp32-reservoir"


@cache
def _image():
    """Return the folder with the image of the board, which lasts as long as this process."""
    folder = tempfile.TemporaryDirectory(prefix="idroserra-image-")
    build.build_image(BOARD, Path(folder.name) / "image")
    return folder


class ProvisionedBoard:
    """A running board. `key_file` is what `idroserra provision --key-to` writes."""

    def __init__(self, node, folder, broker_port):
        self.node = node
        self.key_file = folder / f"{node}.key"
        folder.mkdir(parents=True, exist_ok=True)
        key = hashlib.sha256(node.encode()).digest()
        key_file.write(self.key_file, node, key)
        job = process.make_job(
            node, compiler.load(BOARD), folder / node, mode="live", key=key.hex(),
            start_unix_ms=time.time_ns() // 1_000_000, nvs={"broker_port": broker_port})
        process.install_image(job, Path(_image().name) / "image")
        self._live = process.LiveNode(job)
        self._live.start()

    def stop(self):
        """Power down."""
        self._live.stop()
        assert self._live.error is None, self._live.error
