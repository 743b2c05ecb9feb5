"""Provisions one board: reads it, plans, writes, and shares the key with the host.

The host stages the key before the board gets it, and confirms the key the board has after it was
read back. Wherever this is interrupted, the host has the key that is on the board, and repeating
the command continues from there.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from idroserra.core.errors import HostError
from idroserra.flash import psram
from idroserra.flash.board_link import PROMPT_S, BoardInfo, BoardLink
from idroserra.flash.errors import DETECTING, NO_PROMPT, ConnectionLost, FlashError
from idroserra.flash.esptool import Esptool
from idroserra.i18n.marker import N_
from idroserra.nodes.node import fingerprint
from idroserra.nodes.registry import KEY_BYTES
from idroserra.provisioning.key_exchange import SharedKeys, StoredKeys
from idroserra.provisioning.nvs import ID, KEY, NodeNvs, NvsContents, Value

_WAITING_S = 3.0
_NO_RESTART = N_("the board could not be restarted: press EN (RST)")


class ProvisionError(HostError):
    """The board was not provisioned; the message says why and what to do."""


class ProgressOutput(Protocol):
    """Shows progress to the operator."""

    def say(self, text: str) -> None:
        """Show a line."""


@dataclass(frozen=True)
class Board:
    """The board on the port. `chip` is spelt as in board files."""

    port: str
    mac: bytes
    board: str
    chip: str
    version: str
    stored: NvsContents


@dataclass(frozen=True)
class ProvisionPlan:
    """What will be written: the changed values, with the key if it is new."""

    board: Board
    node: str
    values: Mapping[str, Value] = field(repr=False)
    changed: tuple[str, ...]
    key: bytes | None = field(repr=False)  # None: the board's key stays
    why_key: str
    found: str  # fingerprint of the board's key at the end

    @property
    def is_nothing(self) -> bool:
        """True if the board has everything already."""
        return not self.changed


class ProvisionSession:
    """One board on one port. Use as a context manager: it restarts the board at the end."""

    def __init__(
        self, esptool: Esptool, show: ProgressOutput, *, wait_s: float = PROMPT_S
    ) -> None:
        """`wait_s`: how long a person has to press the button of a board that esptool does not
        reset."""
        self._esptool = esptool
        self._port = esptool.port
        self._show = show
        self._wait_s = wait_s
        self._link = BoardLink(self._port)
        self._nvs: NodeNvs | None = None

    def __enter__(self) -> ProvisionSession:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._nvs is not None:
                self._link.restart()
        except FlashError:
            self._show.say(f"{self._port}: {_NO_RESTART}")
        finally:
            self._link.close()

    def read_board(self, *, needs_psram: bool = True) -> Board:
        """Stop the board at its prompt and return what it is. Raises FlashError.

        `needs_psram` is False for a board that will not be a node."""
        with _explained_loss():
            chip = ""
            if self._esptool.resets:
                self._show.say(f"{self._port}: {DETECTING}")
                detected = self._esptool.chip()
                if needs_psram:
                    psram.check_chip(self._port, detected)
                chip = detected.name
            info = self._catch()
            if info is None:
                raise FlashError(
                    f"{self._port}: no MicroPython answers on the board",
                    "Flash it first: `idroserra flash BOARD --micropython FILE`. If it is "
                    "flashed, press EN (RST) and repeat the command within a second.",
                    N_("MicroPython on the board does not answer any more. Try again; press EN "
                       "(RST) if the page asks for it."))
            if needs_psram:
                psram.check_heap(self._port, info)
            nvs = NodeNvs(self._link)
            self._nvs = nvs
            board = self._board(nvs)
            if chip and chip != board.chip:
                raise FlashError(
                    f"{self._port}: the chip is an {chip}, but its image is for {board.board} "
                    f"with an {board.chip}",
                    "Flash the board again with its own board file.",
                    N_("The firmware on this board is for another chip: try again and choose a "
                       "board with this chip."))
            return board

    def write(self, plan: ProvisionPlan, host: SharedKeys | None) -> None:
        """Execute `plan`. Raises FlashError, HostError."""
        if plan.key is not None and host is not None:
            host.stage_key(plan.node, plan.key)
        with _explained_loss():
            self._show.say(N_("writing and verifying"))
            self._link.hold_watchdog()
            values = {name: plan.values[name] for name in plan.changed} | {ID: plan.values[ID]}
            self._open_nvs().write(values)
        self.confirm_key(plan, host)

    def confirm_key(self, plan: ProvisionPlan, host: SharedKeys | None) -> None:
        """Confirm to the host which key the board has."""
        if host is not None:
            host.confirm_key(plan.node, plan.found)

    def erase(self) -> None:
        """Erase everything the node knows of its site. Raises FlashError."""
        with _explained_loss():
            self._link.hold_watchdog()
            self._open_nvs().erase()

    def _open_nvs(self) -> NodeNvs:
        assert self._nvs is not None, "read_board() comes first"
        return self._nvs

    def _catch(self) -> BoardInfo | None:
        info = self._link.enter_raw_repl(min(_WAITING_S, self._wait_s))
        if info is None:
            self._show.say(NO_PROMPT)
            info = self._link.enter_raw_repl(self._wait_s)
        return info

    def _board(self, nvs: NodeNvs) -> Board:
        chip, board, version = nvs.image()
        if not board:
            raise FlashError(
                f"{self._port}: the image of Idroserra on the board is missing or incomplete",
                "Flash it first: `idroserra flash BOARD`; it resumes where it stopped.",
                N_("The firmware on the board is not complete: try again, it resumes where it "
                   "stopped."))
        return Board(self._port, nvs.mac(), board, chip, version, nvs.read())


def plan_provisioning(
    board: Board, wanted: Mapping[str, Value], held: StoredKeys | None, *, new_key: bool = False,
    own_key: bytes | None = None, replaces: bool = False,
) -> ProvisionPlan:
    """Return the plan that gives the board `wanted`; other names stay.

    `held` is what the host has of this node, None without a host; `own_key` is an existing key to
    use. Raises ProvisionError if the name belongs to another board."""
    name = wanted[ID]
    assert isinstance(name, bytes), "a node has a name"
    node = name.decode()
    stored = board.stored
    _check_name(board, node, held, replaces=replaces)
    why = _why_new_key(board, node, held, new_key=new_key, own_key=own_key)
    key = None
    if why:
        key = own_key if own_key is not None else secrets.token_bytes(KEY_BYTES)
    values = dict(wanted) | ({} if key is None else {KEY: key})
    changed = tuple(name for name, value in values.items() if not stored.has(name, value))
    return ProvisionPlan(
        board, node, values, changed, key if KEY in changed else None,
        why if KEY in changed else "", fingerprint(key) if key else stored.fingerprint)


def _check_name(board: Board, node: str, held: StoredKeys | None, *, replaces: bool) -> None:
    if held is None or replaces or not held.was_seen or board.stored.node_id == node:
        return
    if board.stored.fingerprint in held.fingerprints:
        return  # this board, provisioned partially
    what = f" (an {held.board})" if held.board else ""
    raise ProvisionError(
        f"{node}: the host knows another board with this name{what}\n"
        "Choose another --node-id, or use --replace if this board replaces it.")


def _why_new_key(
    board: Board, node: str, held: StoredKeys | None, *, new_key: bool, own_key: bytes | None
) -> str:
    """Return why the board gets a new key, or "" if it keeps its own."""
    stored = board.stored
    if own_key is not None:
        return "from the key file"
    if not stored.fingerprint:
        return "it has none"
    if new_key:
        return "--new-key"
    if stored.node_id and stored.node_id != node:
        return "it was another node"
    if held is not None and stored.fingerprint not in held.fingerprints:
        return "the host does not have its present key"
    return ""


@contextmanager
def _explained_loss() -> Iterator[None]:
    """Add to a lost connection what it means for the board."""
    try:
        yield
    except ConnectionLost as lost:
        raise FlashError(
            lost.what,
            "A partial write has no effect: the node id is written last, and without it the board "
            "joins nothing. Check the cable and its plugs, avoid hubs, and repeat the command.",
            lost.on_page) from lost
