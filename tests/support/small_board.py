"""Runs the firmware's update code in CPython on a flash in memory, with power cuts.

Thousands of updates take a minute. As in the simulator (idrosim.shim.storage.flash_faults), a
power cut leaves part of a write; any other operation is atomic.
"""

import asyncio
import io
import sys
from types import ModuleType, SimpleNamespace

from idro.protocol import messages_host, update_messages
from idro.protocol.reason import Reason
from support import releases

ENOENT = 2
BLOCKS = 512
BLOCK_BYTES = 4_096
OLD = {
    "idro/app/node.mpy": b"old node" * 700, "idro/app/same.mpy": b"the same" * 110,
    "idro/control/dosing.mpy": b"old dosing" * 90, "idro/net/gone.mpy": b"gone",
}
NEW = {
    "idro/app/node.mpy": b"new node!" * 650, "idro/app/same.mpy": OLD["idro/app/same.mpy"],
    "idro/control/dosing.mpy": b"new dosing" * 91, "idro/drivers/empty.mpy": b"",
}
KERNEL_FILES = {"idro/board.mpy": b"board", "idro/safety/gate.mpy": b"gate"}
CAUSES = {"power": 1, "reset": 2, "watchdog": 3}


class Dark(BaseException):
    """The power was cut."""


class Reset(BaseException):
    """The board was reset by its firmware."""


class Flash:
    """A file system in memory. `cuts` are [number of operations, share completed], in order."""

    def __init__(self):
        self.files = {}
        self.folders = {"/"}
        self.nvs = {}
        self.cuts = []
        self.operations = 0
        self.free_blocks = None  # overrides the result of statvfs

    def strikes(self):
        """Count an operation; return the share completed before a power cut, None without one."""
        self.operations += 1
        if not self.cuts:
            return None
        self.cuts[0][0] -= 1
        if self.cuts[0][0]:
            return None
        board.cause = "power"
        return self.cuts.pop(0)[1]

    def whole(self, change):
        """Perform an atomic change."""
        if self.strikes() is not None:
            raise Dark
        change()

    def open(self, path, mode="r"):
        if "w" in mode or "a" in mode:
            if path.rsplit("/", 1)[0] not in {folder.rstrip("/") for folder in self.folders}:
                raise OSError(ENOENT)
            if "w" in mode or path not in self.files:
                share = self.strikes()
                if share is None or share > 0:
                    self.files[path] = b""
                if share is not None:
                    raise Dark
            return _Writing(self, path)
        if path not in self.files:
            raise OSError(ENOENT)
        data = self.files[path]
        return io.BytesIO(data) if "b" in mode else io.StringIO(data.decode())

    def rename(self, old, new):
        if old not in self.files:
            raise OSError(ENOENT)
        self.whole(lambda: self.files.update({new: self.files.pop(old)}))

    def remove(self, path):
        if path not in self.files:
            raise OSError(ENOENT)
        self.whole(lambda: self.files.pop(path))

    def mkdir(self, path):
        self.whole(lambda: self.folders.add(path))

    def stat(self, path):
        if path in self.folders:
            return (0x4000,) + (0,) * 9
        if path not in self.files:
            raise OSError(ENOENT)
        return (0x8000, 0, 0, 0, 0, 0, len(self.files[path]), 0, 0, 0)

    def ilistdir(self, path):
        if path not in self.folders:
            raise OSError(ENOENT)
        inside = [name[len(path) + 1 :] for name in (*self.files, *self.folders)
                  if name.startswith(path + "/")]
        for name in inside:
            if name and "/" not in name:
                kind = 0x4000 if f"{path}/{name}" in self.folders else 0x8000
                yield name, kind, 0, 0

    def statvfs(self, path):
        used = sum(-(-len(data) // BLOCK_BYTES) for data in self.files.values())
        free = BLOCKS - used if self.free_blocks is None else self.free_blocks
        return (BLOCK_BYTES, BLOCK_BYTES, BLOCKS, free, free, 0, 0, 0, 0, 255)


class _Writing:
    def __init__(self, flash, path):
        self._flash, self._path = flash, path

    def write(self, data):
        data = data.encode() if isinstance(data, str) else bytes(data)
        share = self._flash.strikes()
        self._flash.files[self._path] += data if share is None else data[: int(len(data) * share)]
        if share is not None:
            raise Dark
        return len(data)

    def tell(self):
        return len(self._flash.files[self._path])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


class Nvs:
    """A namespace of the board's NVS. Uncommitted values are lost."""

    def __init__(self, namespace):
        self._pending = {}

    def set_i32(self, key, value):
        self._pending[key] = value

    set_blob = set_i32

    def get_i32(self, key):
        value = board.flash.nvs.get(key)
        if not isinstance(value, int):
            raise OSError(-0x1102)
        return value

    def get_blob(self, key, buffer):
        value = board.flash.nvs.get(key)
        if not isinstance(value, bytes):
            raise OSError(-0x1102)
        buffer[: len(value)] = value
        return len(value)

    def commit(self):
        share = board.flash.strikes()
        items = list(self._pending.items())
        board.flash.nvs.update(items if share is None else items[: int(len(items) * share)])
        self._pending = {}
        if share is not None:
            raise Dark


def _module(name, **names):
    module = ModuleType(name)
    module.__dict__.update(names)
    return module


def _reset():
    board.cause = "reset"
    raise Reset


def _load():
    """Import the firmware's modules with fakes of the chip and the board."""
    pin = SimpleNamespace(OUT=0)
    there = {
        "machine": _module("machine", Pin=pin, WDT=None, reset=_reset, PWRON_RESET=CAUSES["power"],
                           reset_cause=lambda: CAUSES[board.cause]),
        "esp32": _module("esp32", NVS=Nvs), "micropython": _module("micropython"),
        "idro.board": _module("idro.board", BOARD={
            "chip": "esp32", "name": "esp32-reservoir", "expanders": [], "actuators": []},
            VERSION="0.1.0", SECURITY_COUNTER=1),
    }
    sys.modules.update(there)
    from idro.app.ota import download, file_download, trial
    from idro.update import boot_select, file_slots, manifest, slots, state, verify

    for name in there:
        sys.modules.pop(name)
    return SimpleNamespace(
        file_download=file_download, download=download, trial=trial, file_slots=file_slots,
        manifest=manifest, state=state, boot_select=boot_select, slots=slots, verify=verify)


def on_flash(monkeypatch):
    """Let the firmware's modules use the flash of `board` until the end of the test."""
    for name, module in vars(code).items():
        package = sys.modules[module.__name__.rpartition(".")[0]]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(package, name, module)
        monkeypatch.setattr(module, "open", _open, raising=False)
        if hasattr(module, "os"):
            monkeypatch.setattr(module, "os", _Os())


def _open(path, mode="r"):
    return board.flash.open(path, mode)


class _Os:
    def __getattr__(self, name):
        return getattr(board.flash, name)


class Board:
    """A board: its flash, and the release that is offered to it."""

    cause = "power"  # of this boot

    def __init__(self, new=None, old=None, keys=("ours",)):
        self.flash = Flash()
        self.old = dict(OLD if old is None else old)
        self.new = new or releases.Release(dict(NEW), counter=3)
        self.manifest = self.new.manifest()
        self.signature = releases.sign(self.manifest, self.new.key)
        self.key_id = releases.key_id(self.new.key)
        self.served = dict(self.new.files)
        self.said = None  # the Reason why the last update was refused
        self.asks = 0
        self.stop_asks_at = None
        self.obstacle = lambda: None  # why it must not restart
        for name, key in zip(("update_key", "update_spare"), keys, strict=False):
            self.flash.nvs[name] = releases.modulus(key)
        for path, data in {**self.old, **KERNEL_FILES}.items():
            self._put("/" + path, data)

    def _put(self, path, data):
        folder = path.rsplit("/", 1)[0]
        while folder:
            self.flash.folders.add(folder)
            folder = folder.rsplit("/", 1)[0]
        self.flash.files[path] = data

    def put_release(self, slot, release):
        """Put a complete, confirmed release into a slot."""
        manifest = release.manifest()
        for path, data in {**release.files, "manifest": manifest,
                           "signature": releases.sign(manifest, release.key)}.items():
            self._put(f"/{slot}/{path}", data)
        self.flash.files["/slot"] = f"{slot} ok\n".encode()

    def boot(self):
        """Boot as the selector does; return "old" or "new". Fails if the release is incomplete."""
        power_up(self)
        code.file_slots.select_slot()
        slot = code.slots.running.slot
        root = f"/{slot}/" if slot else "/"
        runs = {path[len(root):]: data for path, data in self.flash.files.items()
                if path.startswith(root + "idro/")}
        for path in KERNEL_FILES:
            runs.pop(path, None)
        if runs == self.new.files:
            return "new"
        assert runs == self.old, f"a mixture runs: {sorted(runs)}"
        return "old"

    def update(self):
        """Download the offered release. Raises Reset at the start of its trial, and Dark."""
        code_of = code.download
        offer = code_of.messages.Offer(
            self.new_sha256(), len(self.manifest), self.signature, self.key_id, self.new.version)
        try:
            asyncio.run(self._fetch(offer))
        except code.verify.UpdateError as error:
            self.said = error.reason

    async def _fetch(self, offer):
        self._fetching = code.download.Download(offer, **self._parts())
        await self._fetching.run(lambda: None)

    def new_sha256(self):
        """Return the id of the offered release."""
        return releases.hashlib.sha256(self.manifest).hexdigest()

    def _answer(self, payload):
        ask = messages_host.unpack_chunk_request(payload)
        self.asks += 1
        if self.asks == self.stop_asks_at:
            self._fetching.cancel(Reason("cancelled", by="test"))
        data = self.manifest if ask.path == "manifest" else self.served.get(ask.path, b"")
        chunk = update_messages.Chunk(
            bytes.fromhex(ask.sha256)[:8], ask.number, data[ask.offset : ask.offset + ask.size])
        self._fetching.take(messages_host.pack_chunk(chunk))

    def _parts(self):
        async def sleep_ms(time_ms):
            return None

        publisher = SimpleNamespace(send_update=self._answer, has_unsent_ack=False)
        return {
            "clock": SimpleNamespace(sleep_ms=sleep_ms), "readings": {},
            "network": SimpleNamespace(publisher=publisher, is_stored_lately=True),
            "restart_obstacle": lambda: self.obstacle(), "restart": self._restart,
        }

    def _restart(self):
        _reset()


def power_up(built):
    """Let the firmware's modules run on this board after a reset."""
    global board
    board = built
    code.slots.running = code.slots.RunningSlot()


board: Board
code = _load()
