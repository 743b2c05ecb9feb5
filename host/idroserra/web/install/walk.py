"""The walk from a blank chip to an adopted node, one step after the other, in a thread.

Every decision is that of `idroserra flash` and `idroserra provision`: the same sessions run on the
port of the browser.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idroserra.core.errors import ConfigError
from idroserra.flash import download, micropython_bin, psram
from idroserra.flash.errors import DETECTING
from idroserra.flash.esptool import Chip, Esptool
from idroserra.flash.session import FlashPlan, FlashSession
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import translate
from idroserra.image import build
from idroserra.provisioning import validation
from idroserra.provisioning.key_exchange import StoredKeys
from idroserra.provisioning.nvs import ID, Value
from idroserra.provisioning.session import (
    Board,
    ProvisionError,
    ProvisionSession,
    plan_provisioning,
)
from idroserra.provisioning.tls_values import certificates_of, tls_values
from idroserra.updates.signing import update_key_values
from idroserra.web.context import WebContext
from idroserra.web.install.conversation import Conversation

# Where a value was refused: the field of the page, and the rule in the reader's language.
_FIELDS = {
    "--node-id": ("node", N_("3 to 32 characters: a to z, 0 to 9 and -; not 'host' or "
                             "'homeassistant', nor 'idroserra-' at the beginning")),
    "--wifi-ssid": ("ssid", N_("A name of a Wi-Fi has 1 to 32 bytes")),
    "Wi-Fi password": ("password", N_("A Wi-Fi password has 8 to 63 characters")),
    "--broker": ("broker", N_("A private IPv4 address, or a name on the site's own network")),
    "broker password": ("broker_password", N_("A password has 1 to 128 characters")),
}
_NAME_TAKEN = N_("The host knows another board with this name: choose another name, or tick that "
                 "this board replaces it")


class HostKeyStore:
    """SharedKeys of this host, for a person who installs a node on the page."""

    def __init__(self, context: WebContext, by: str, address: str) -> None:
        self._context = context
        self._by, self._address = by, address

    def stored(self, node: str) -> StoredKeys:
        """See SharedKeys."""
        known = {one.node: one for one in self._context.nodes.all()}.get(node)
        if known is None:
            return StoredKeys()
        return StoredKeys(
            known.fingerprints, known.last_seen_unix_ms is not None or known.info is not None,
            None if known.info is None else known.info.board)

    def stage_key(self, node: str, key: bytes) -> None:
        """See SharedKeys."""
        context = self._context
        context.titles.record_keys(context.nodes.stage_key(node, key), self._by)
        context.auth.audit.add(self._by, "adopt node", target=node, address=self._address)
        context.commands.send_configs()

    def confirm_key(self, node: str, found: str) -> None:
        """See SharedKeys."""
        self._context.nodes.confirm_key(node, found)
        self._context.commands.send_configs()


@dataclass(frozen=True)
class Walk:
    """One installation, asked for by a person. `resets`: whether the browser resets the chip."""

    talk: Conversation
    context: WebContext
    keys: HostKeyStore
    resets: bool

    def run(self) -> str:
        """Install the board and return the id of the node. Raises HostError."""
        talk = self.talk
        esptool = Esptool(talk.port, resets=self.resets, reset=talk.reset)
        talk.say(DETECTING)
        chip = esptool.chip()
        psram.check_chip(talk.port, chip)
        with tempfile.TemporaryDirectory(prefix="idroserra-image-") as folder:
            boards = [one["name"] for one in self.context.boards.all()
                      if one["chip"] == chip.name and not one["error"]]
            chosen = talk.ask("board", boards=boards, **_choices(chip))
            board = _one_of(chosen.get("board"), boards)
            talk.say(N_("building the image"))
            manifest = build.build_image(board, Path(folder) / "image")
            wanted = self._micropython(chosen, chip.name, Path(folder))
            session = FlashSession(
                Path(folder) / "image", manifest, chip.name, esptool, talk,
                erases=wanted is not None and chosen.get("erase") is True)
            plan = session.inspect(wanted)
            talk.ask("write", **_shown(plan))
            session.execute(plan)
        return self._provision(esptool)

    def _micropython(
        self, chosen: Mapping[str, Any], chip: str, folder: Path
    ) -> micropython_bin.MicroPythonBinary | None:
        version = chosen.get("micropython")
        if not version:
            return None
        if version == "file":
            path = folder / "chosen.bin"
            path.write_bytes(self.talk.file)
            self.talk.file.clear()
        else:
            source = download.resolve(_one_of(version, _releases(chip)), chip)
            move = self.talk.start("download", 0)
            # Not into the user's cache: the unit of the host may not write there.
            path = download.fetch(source, lambda done, total: move(done, ""), folder)
        return micropython_bin.read_binary(path, chip)

    def _provision(self, esptool: Esptool) -> str:
        with ProvisionSession(esptool, self.talk) as session:
            board = session.read_board()
            refused: dict[str, str] = {}
            while True:
                answer = self.talk.ask("values", **self._proposed(board), **refused)
                try:
                    values = self._values(answer, board)
                    node = _text(answer, "node")
                    plan = plan_provisioning(board, values, self.keys.stored(node),
                                             replaces=answer.get("replace") is True)
                    break
                except ConfigError as error:
                    field, rule = _FIELDS.get(error.key, ("", error.why))
                    refused = {"field": field, "why": translate(rule), "detail": error.why}
                except ProvisionError as error:
                    refused = {"field": "node", "why": translate(_NAME_TAKEN),
                               "detail": str(error)}
            if plan.is_nothing:
                session.confirm_key(plan, self.keys)
            else:
                session.write(plan, self.keys)
        return node

    def _proposed(self, board: Board) -> dict[str, Any]:
        stored = board.stored
        return {
            "mac": board.mac.hex(":"), "board": board.board,
            "node": stored.node_id or validation.proposed_id(board.mac),
            "ssid": stored.text("wifi_ssid"), "has_password": stored.is_set("wifi_pass"),
            "broker": stored.text("broker_host") or validation.proposed_broker() or "",
            "tls": certificates_of(self.context.config.data_dir) is not None,
        }

    def _values(self, answer: Mapping[str, Any], board: Board) -> dict[str, Value]:
        """Return the values for the board. Raises ConfigError."""
        config, stored = self.context.config, board.stored
        certificates = certificates_of(config.data_dir)
        node = validation.node_id(_text(answer, "node"))
        ssid = validation.ssid(_text(answer, "ssid"))
        broker = validation.broker(
            _text(answer, "broker"), tls_port=None if certificates is None else
            certificates.node_port)
        wanted: dict[str, Value] = {
            ID: node.encode(), "wifi_ssid": ssid, "broker_host": broker.host.encode(),
            "broker_port": broker.port}
        password = _text(answer, "password")
        if answer.get("open") is True:
            wanted["wifi_pass"] = None
        elif password or not stored.has("wifi_ssid", ssid) or not stored.is_set("wifi_pass"):
            wanted["wifi_pass"] = validation.wifi_password(password)
        broker_password = _text(answer, "broker_password")
        if broker_password:
            wanted["broker_pass"] = validation.broker_password(broker_password)
        elif stored.node_id != node:
            wanted["broker_pass"] = None
        wanted |= update_key_values(config.update.public_keys)
        if certificates is None:
            return wanted
        return tls_values(certificates, node, stored, may_issue=True) | wanted


def _choices(chip: Chip) -> dict[str, Any]:
    return {
        "chip": chip.described or chip.name, "mac": chip.mac, "features": chip.features,
        "flash_mb": chip.flash_bytes // 1_048_576,
        "releases": _releases(chip.name), "proposed": psram.proposed_release(
            chip, _releases(chip.name))}


def _releases(chip: str) -> list[str]:
    """Return the releases of MicroPython that can be downloaded for a chip."""
    return [version for version, files in download.releases().items()
            if "sha256" in files.get(chip, {})]


def _shown(plan: FlashPlan) -> dict[str, Any]:
    return {
        "board": plan.manifest.board, "version": plan.manifest.version,
        "micropython_bytes": plan.micropython.size_bytes if plan.micropython else 0,
        "micropython": plan.about.text if plan.about else "",
        "files": len(plan.work.send), "bytes": plan.work.send_bytes, "kept": plan.work.kept,
        "erases": plan.erases}


def _text(answer: Mapping[str, Any], key: str) -> str:
    value = answer.get(key)
    return value if isinstance(value, str) else ""


def _one_of(value: Any, known: list[str]) -> str:
    if value not in known:
        raise ConfigError("page", "board", f"{str(value)[:40]!r} is not one of {', '.join(known)}")
    return str(value)
