"""Provisioning one board: look at it, decide, write, and share the key with the host.

The host is offered the key before the board gets it and told which one the board has after it read
back. Whatever breaks in between, the host holds the key that lies on the board, and the same
command goes on from there.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from idroserra.core.errors import HostError
from idroserra.flash.board_link import PROMPT_S, BoardInfo, BoardLink
from idroserra.flash.errors import ConnectionLost, FlashError
from idroserra.flash.esptool import Esptool
from idroserra.nodes.registry import KEY_BYTES, fingerprint
from idroserra.provisioning.key_exchange import KeyStore, StoredKeys
from idroserra.provisioning.nvs import ID, KEY, NodeNvs, Stored, Value

_WAITING_S = 3.0


class ProvisionError(HostError):
    """The board was not provisioned. Says why, and what to do."""


class Show(Protocol):
    """Where progress is shown."""

    def say(self, text: str) -> None:
        """Show a line."""


@dataclass(frozen=True)
class Board:
    """The board on the port as it is now. `chip` is spelt as in board files."""

    port: str
    mac: bytes
    board: str
    chip: str
    version: str
    stored: Stored


@dataclass(frozen=True)
class Plan:
    """What will be done: the values to write, and the key among them where it is a new one."""

    board: Board
    node: str
    values: Mapping[str, Value] = field(repr=False)
    changed: tuple[str, ...]
    key: bytes | None = field(repr=False)  # None: the one on the board stays
    why_key: str
    found: str  # fingerprint of the key the board has at the end

    @property
    def is_nothing(self) -> bool:
        """Whether the board has all of it already."""
        return not self.changed


class Session:
    """One board on one port. Use as a context manager: it is started again at the end."""

    def __init__(
        self, port: str, show: Show, *, resets: bool, wait_s: float = PROMPT_S
    ) -> None:
        """`resets` is False for a board without the reset circuit. `wait_s` is how long somebody
        has to press its button."""
        self._port = port
        self._show = show
        self._resets = resets
        self._wait_s = wait_s
        self._link = BoardLink(port)
        self._nvs: NodeNvs | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._nvs is not None:
                self._link.restart()
        except FlashError:
            self._show.say(f"{self._port}: the board could not be started: press EN (RST)")
        finally:
            self._link.close()

    def look(self) -> Board:
        """Hold the board at its prompt and return what it is. Raises FlashError."""
        with _told():
            chip = ""
            if self._resets:
                self._show.say(f"{self._port}: looking which chip it is (this resets the board)")
                chip = Esptool(self._port).chip().name
            if self._catch() is None:
                raise FlashError(
                    f"{self._port}: no MicroPython answers on the board",
                    "Flash it first: `idroserra flash BOARD --micropython FILE`. If it is, press "
                    "EN (RST) and say the same command again within a second.")
            nvs = NodeNvs(self._link)
            self._nvs = nvs
            board = self._about(nvs)
            if chip and chip != board.chip:
                raise FlashError(
                    f"{self._port}: the chip is an {chip}, the image on it is of {board.board}, "
                    f"which has an {board.chip}",
                    "Flash the board again with the board file that is this one's.")
            return board

    def write(self, plan: Plan, host: KeyStore | None) -> None:
        """Do what `plan` says. Raises FlashError, and what the host refuses."""
        if plan.key is not None and host is not None:
            host.offer(plan.node, plan.key)
        with _told():
            self._show.say("writing, and reading back by hash")
            values = {name: plan.values[name] for name in plan.changed} | {ID: plan.values[ID]}
            self._held().write(values)
        self.settle(plan, host)

    def settle(self, plan: Plan, host: KeyStore | None) -> None:
        """Tell the host which key the board has."""
        if host is not None:
            host.settle(plan.node, plan.found)

    def erase(self) -> None:
        """Take everything away that the node knows of its site. Raises FlashError."""
        with _told():
            self._held().erase()

    def _held(self) -> NodeNvs:
        assert self._nvs is not None, "look() comes first"
        return self._nvs

    def _catch(self) -> BoardInfo | None:
        about = self._link.enter_raw_repl(min(_WAITING_S, self._wait_s))
        if about is None:
            self._show.say("no prompt yet: press and let go the button EN (RST) of the board")
            about = self._link.enter_raw_repl(self._wait_s)
        return about

    def _about(self, nvs: NodeNvs) -> Board:
        chip, board, version = nvs.image()
        if not board:
            raise FlashError(
                f"{self._port}: there is no whole image of Idroserra on the board",
                "Flash it first: `idroserra flash BOARD`; it goes on where it stopped.")
        return Board(self._port, nvs.mac(), board, chip, version, nvs.read())


def decide(
    board: Board, wanted: Mapping[str, Value], held: StoredKeys | None, *, new_key: bool = False,
    own_key: bytes | None = None, replaces: bool = False,
) -> Plan:
    """Return what is to be done so that the board has `wanted`; a name that is not in it stays.

    `held` is what the host has of this node, None without a host; `own_key` is a key to use that
    exists already. Raises ProvisionError where the name belongs to another board."""
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
    return Plan(board, node, values, changed, key if KEY in changed else None,
                why if KEY in changed else "", fingerprint(key) if key else stored.fingerprint)


def _check_name(board: Board, node: str, held: StoredKeys | None, *, replaces: bool) -> None:
    if held is None or replaces or not held.was_heard or board.stored.node_id == node:
        return
    if board.stored.fingerprint in held.fingerprints:
        return  # this very board, stopped half way
    what = f" (an {held.board})" if held.board else ""
    raise ProvisionError(
        f"{node}: the host knows a node of that name{what}, and this board is not it\n"
        "Take another --node-id, or say --replace if this board takes its place.")


def _why_new_key(
    board: Board, node: str, held: StoredKeys | None, *, new_key: bool, own_key: bytes | None
) -> str:
    """Return why the board gets another key, "" where it keeps the one it has."""
    stored = board.stored
    if own_key is not None:
        return "that of the key file"
    if not stored.fingerprint:
        return "it has none"
    if new_key:
        return "--new-key"
    if stored.node_id and stored.node_id != node:
        return "it was another node"
    if held is not None and stored.fingerprint not in held.fingerprints:
        return "the host does not hold the one it has"
    return ""


@contextmanager
def _told() -> Iterator[None]:
    """Say of a line that broke off what it means here."""
    try:
        yield
    except ConnectionLost as died:
        raise FlashError(
            died.what,
            "Nothing that is half there counts: the node id is written last, and without it the "
            "board joins nothing. Check the cable and its plugs, leave out any hub, and say the "
            "same command again.") from died
