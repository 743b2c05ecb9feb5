"""Reads, writes and wipes the node's NVS over MicroPython's raw REPL.

Values are sent as hex digits, so that none can become code. Written values are verified by their
SHA-256 calculated on the board; a secret is never read back.

The order is safe against a power cut: the node id is erased first and written last. Without it the
firmware joins no network and obeys no command, so a partial write has no effect.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from idroserra.flash.board_link import BoardLink
from idroserra.flash.errors import DIFFERS, ConnectionLost, FlashError
from idroserra.i18n.marker import N_

NAMESPACE = "idro"
ID, KEY = "node_id", "key"
UPDATE_KEYS = ("update_key", "update_spare")  # the moduli that verify releases
# Read by the firmware in idro.app.network_task, idro.app.node and idro.update. In the order of
# writing.
TLS = "broker_tls"  # 1: the connection to the broker uses TLS, with these three only
TLS_NAMES = (TLS, "tls_ca", "tls_cert", "tls_key")
NAMES = ("wifi_ssid", "wifi_pass", "wifi_dbm", "wifi_country", "broker_host", "broker_port",
         "broker_pass", *TLS_NAMES, *UPDATE_KEYS, KEY, ID)
SECRETS = frozenset({"wifi_pass", "broker_pass", "tls_key", KEY})
UNSHOWN = SECRETS | {"tls_ca", "tls_cert", *UPDATE_KEYS}  # only their hash is read
_NUMBERS = frozenset({"broker_port", "wifi_dbm", TLS})
_TRIAL = ("tls_tries", "tls_next")  # of a certificate that came over the air
# The firmware's own entries; they are erased with the node.
_KEPT = (*_TRIAL, "earned_s", "ledger", "kept", "owed", "learned", "crash_log", "console",
         "security_a", "security_b", "reverted", "update_told")
_KEY_BYTES = 32
_FULL = ("NOT_ENOUGH_SPACE", "NO_FREE_PAGES", "PAGE_FULL")
_HELPERS = f"""\
import esp32,machine,hashlib,binascii
_n=esp32.NVS('{NAMESPACE}')
def _b(k):
 b=bytearray(512)
 try:return bytes(memoryview(b)[:_n.get_blob(k,b)])
 except OSError:return None
def _s(k):
 v=_b(k)
 return None if v is None else (len(v),str(binascii.hexlify(hashlib.sha256(v).digest()),'ascii'))
def _i(k):
 try:return _n.get_i32(k)
 except OSError:return None
def _e(k):
 try:_n.erase_key(k)
 except OSError:pass
def _t(f):
 try:
  f();_n.commit();print('ok')
 except OSError as e:print(e)
"""
_IS_ESP32 = "try:\n import esp32\n print('ok')\nexcept ImportError:print(sys.platform)"
_IMAGE = """\
import os,json
try:
 os.stat('main.py')
 with open('manifest.json') as f:d=json.load(f)
 print(repr((d['board_class'],d['version'])))
except(OSError,ValueError,KeyError,TypeError):print(repr(('','')))
"""
_WIPE = """\
def _w():
 for p in esp32.Partition.find(esp32.Partition.TYPE_DATA,2):
  for n in range(p.ioctl(4,0)):p.ioctl(6,n)
try:_w();print('ok')
except OSError as e:print(e)
"""

Value = bytes | int | None  # None: not set


@dataclass(frozen=True)
class NvsContents:
    """The contents of the NVS. Of secrets only the length and the SHA-256."""

    plain: Mapping[str, Value]
    lengths: Mapping[str, int]
    hashes: Mapping[str, str] = field(repr=False)

    @property
    def node_id(self) -> str:
        """The node id, or ""."""
        return self.text(ID)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key, or "" if it is missing or of the wrong length."""
        return self.hashes.get(KEY, "") if self.lengths.get(KEY) == _KEY_BYTES else ""

    def text(self, name: str) -> str:
        """Return a value that is not secret as text, or ""."""
        value = self.plain.get(name)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""

    def number(self, name: str) -> int | None:
        """Return a number, or None."""
        value = self.plain.get(name)
        return value if isinstance(value, int) else None

    def is_set(self, name: str) -> bool:
        """Return True if there is a value."""
        return name in self.hashes or self.plain.get(name) is not None

    def has(self, name: str, value: Value) -> bool:
        """Return True if the entry has exactly this value."""
        if isinstance(value, bytes):
            return self.hashes.get(name) == sha256(value)
        return self.plain.get(name) == value and name not in self.hashes


class NodeNvs:
    """The NVS of a board whose link is at its prompt."""

    def __init__(self, link: BoardLink) -> None:
        """Raises FlashError if the board is not an ESP32."""
        self._link = link
        self.port = link.port
        platform = link.execute(_IS_ESP32, "it was asked what it is").strip()
        if platform != "ok":
            raise FlashError(
                f"{self.port}: the board is not an ESP32: its MicroPython is for {platform}",
                "Plug in the board that was flashed with `idroserra flash`, or name its --port.",
                N_("This board is not an ESP32: connect another one."))
        link.execute(_HELPERS, "its settings were looked at")

    def image(self) -> tuple[str, str, str]:
        """Return chip, board and version of the image on the board; "" if it is incomplete."""
        when = "its image was looked at"
        answer = self._ask(_IMAGE, when).strip()
        with self._parsing(when):
            board_class, version = ast.literal_eval(answer or "('','')")
        chip, _, board = str(board_class).partition("/")
        return chip, board, str(version)

    def mac(self) -> bytes:
        """Return the chip's MAC address."""
        when = "it was asked for its address"
        with self._parsing(when):
            return bytes.fromhex(self._ask(
                "print(str(binascii.hexlify(machine.unique_id()),'ascii'))", when).strip())

    def read(self) -> NvsContents:
        """Return the contents."""
        texts = [name for name in NAMES if name not in _NUMBERS]
        readers = [(name, "_s") for name in texts]
        readers += [(name, "_b") for name in texts if name not in UNSHOWN]
        readers += [(name, "_i") for name in sorted(_NUMBERS)]
        code = ",".join(f"{reader}({name!r})" for name, reader in readers)
        when = "its settings were read"
        answer = self._ask(f"print(repr(({code})))", when)
        with self._parsing(when):
            found: list[Any] = list(ast.literal_eval(answer.strip()))
            sums = {name: one for name, one in zip(texts, found, strict=False) if one is not None}
            plain = {name: one for (name, _), one in zip(readers[len(texts):], found[len(texts):],
                                                         strict=True)}
            return NvsContents(plain, {name: int(size) for name, (size, _) in sums.items()},
                               {name: str(hashed) for name, (_, hashed) in sums.items()})

    def write(self, values: Mapping[str, Value]) -> None:
        """Write `values`; other entries stay. The node id must be among them.

        Raises FlashError, and leaves the board without a node id, if a value is refused or reads
        back differently."""
        self._change(f"_e({ID!r})", ID)
        for name in _TRIAL:  # what comes over USB is what counts
            self._change(f"_e({name!r})", name)
        rest = {name: values[name] for name in NAMES if name in values and name != ID}
        for name, value in rest.items():
            self._set(name, value)
        self._check(rest)
        self._set(ID, values[ID])
        self._check({ID: values[ID]})

    def erase(self) -> None:
        """Erase all entries of the node, and wipe the bytes of earlier values.

        NVS only marks entries as erased and leaves them in flash (ESP-IDF, nvs_flash), so the
        whole partition is wiped afterwards; the board must then be reset at once."""
        self._change(f"_e({ID!r})", ID)
        for name in (*NAMES, *_KEPT):
            self._change(f"_e({name!r})", name)
        answer = self._ask(_WIPE, "its secrets were wiped").strip()
        if answer != "ok":
            raise FlashError(
                f"{self.port}: the secrets are erased, but their bytes were not wiped: {answer}",
                "Wipe the whole flash: `idroserra flash BOARD --erase --micropython FILE`.")

    def _set(self, name: str, value: Value) -> None:
        if value is None:
            self._change(f"_e({name!r})", name)
        elif isinstance(value, int):
            self._change(f"_n.set_i32({name!r},{value})", name)
        else:
            self._change(f"_n.set_blob({name!r},binascii.unhexlify({value.hex()!r}))", name)

    def _change(self, code: str, name: str) -> None:
        answer = self._ask(f"_t(lambda:{code})", f"{name} was written").strip()
        if any(words in answer for words in _FULL):
            raise FlashError(
                f"{self.port}: the board's NVS is full: {name} did not fit",
                "Other firmware left its entries there: empty it with `idroserra provision "
                "--erase`, then repeat the command. The board has no node id now: it is inactive.",
                N_("The settings of the board are full of entries of other firmware. Try again "
                   "and tick that the board is erased first."))
        if not answer:
            raise ConnectionLost(self.port, f"{name} was written")
        if answer != "ok":
            raise FlashError(
                f"{self.port}: the board refused {name}: {answer}",
                "Reset the board and repeat the command. It has no node id until then, and is "
                "inactive.",
                N_("The board refused a value. Press EN (RST) and try again; until then it does "
                   "nothing."))

    def _check(self, values: Mapping[str, Value]) -> None:
        stored = self.read()
        wrong = [name for name, value in values.items() if not stored.has(name, value)]
        if wrong:
            self._change(f"_e({ID!r})", ID)
            raise FlashError(
                f"{self.port}: {', '.join(wrong)} did not read back as sent",
                "Repeat the command; if it fails again, the flash is worn out. The board has no "
                "node id now, and is inactive.", DIFFERS)

    @contextmanager
    def _parsing(self, when: str) -> Iterator[None]:
        """Report an answer that cannot be parsed as a lost connection."""
        try:
            yield
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            raise ConnectionLost(self.port, when, "its answer was unreadable") from None

    def _ask(self, code: str, when: str) -> str:
        return self._link.execute(code, when)


def sha256(value: bytes) -> str:
    """Return the hash in the form the board answers with."""
    return hashlib.sha256(value).hexdigest()
