"""Fuzz targets: every parser of the host and the protocol, with assertions on its result.

An AssertionError, or any exception but the documented error of the parser, is a finding. `seeds`
are valid inputs.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from campaigns.fuzz import down_target, line_protocol, update_targets
from idro.app.settings import Settings
from idro.errors import LinkError, ProtocolError, SettingsError
from idro.net import dns_resolver, mqtt_packets
from idro.outbox import record_codec
from idro.protocol import settings as node_settings
from idro.protocol import topics
from idro.protocol.reason import Reason
from idro.protocol.settings_table import SETTINGS
from idroserra.boards import compiler
from idroserra.core import protocol
from idroserra.core.config import load_config
from idroserra.core.errors import BoardError, ConfigError, HostError, RecipeError
from idroserra.core.sites import BadSite, check_site
from idroserra.flash.errors import FlashError
from idroserra.history.line_protocol import event_line
from idroserra.history.models import EventPoint, SamplePoint
from idroserra.homeassistant import bridge, discovery
from idroserra.homeassistant.discovery import device
from idroserra.ingest.decoder import read_records
from idroserra.mqtt import packets
from idroserra.mqtt.packets import MalformedPacket, PacketParser
from idroserra.nodes.node import Node
from idroserra.provisioning import key_file
from idroserra.provisioning.nvs import NodeNvs
from idroserra.recipes import model
from support.mutated_boards import check_board
from support.samples import sample_lines

NODE, SITE = "idro-one", "greenhouse one"
CHANNELS = ("reservoir.ph", "reservoir.ec_us_cm")
MAC = "f" * 64
_BOOT = "boot-1"


class Target(NamedTuple):
    """One parser. `words` are tokens for the fuzzer's dictionary."""

    check: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[str, ...] = ()


# Messages of nodes.

def telemetry(data: bytes) -> None:
    """up/telemetry: the lines written to the store contain exactly the records."""
    with suppress(ProtocolError):
        batch = read_records("telemetry", data).batch
        points = [
            SamplePoint(NODE, channel, record.at_ms, value)
            for record in batch.records for channel, value in record.values.items()
        ]
        found = {}
        for text in sample_lines(SITE, points):
            line = line_protocol.read(text)
            source = line.tags["source"]
            assert line.measurement == "sample"
            assert line.tags == {"site": SITE, "node": NODE, "source": source}
            for key, value in line.fields.items():
                assert key in protocol.QUANTITIES
                found[f"{source}.{key}", line.unix_ns // 10**6] = value
        assert set(found) == {(point.channel, point.unix_ms) for point in points}


def events(data: bytes) -> None:
    """up/event: each record becomes one line of the store."""
    with suppress(ProtocolError):
        batch = read_records("event", data).batch
        for record in batch.records:
            point = EventPoint(NODE, record.at_ms * 1_000, record.seq, batch.boot_id, record.kind,
                               record.detail)
            line = line_protocol.read(event_line(SITE, point))
            assert line.measurement == "event"
            assert line.tags == {"site": SITE, "node": NODE, "kind": record.kind}
            assert set(line.fields) <= {"boot_id", "seq", "detail", "volume_ul", "on_ms"}
            assert line.fields["boot_id"] == batch.boot_id
            assert json.loads(str(line.fields["detail"])) == dict(record.detail)


def info(data: bytes) -> None:
    """up/info: the discovery payload of Home Assistant is valid JSON and names only this node."""
    with suppress(ProtocolError):
        node = Node(NODE, SITE, info=protocol.unpack_info(data))
        discovered = device(node, None)
        json.dumps(discovered, allow_nan=False).encode()
        for key, entity in (discovered or {}).get("cmps", {}).items():
            for name in ("stat_t", "cmd_t"):
                topic = entity.get(name)
                assert topic is None or topic.startswith(f"idro/v1/host/ha/{NODE}/"), (key, topic)
                assert topic is None or not set(topic) & set("+#\n\0"), (key, topic)


def up(data: bytes) -> None:
    """The other messages of a node: the result can be encoded as JSON."""
    for unpack in (protocol.unpack_ack, protocol.unpack_config_report, protocol.unpack_status,
                   protocol.unpack_info):
        with suppress(ProtocolError):
            json.dumps(unpack(data), default=Reason.as_json).encode()


def release_manifest(data: bytes) -> None:
    """The manifest of a release, on the host and on the node."""
    update_targets.release_manifest(data, _folder() / "manifest")


def topic(data: bytes) -> None:
    """A topic belongs to one node or is refused, and contains no wildcard."""
    text = data.decode("utf-8", "replace")
    with suppress(ProtocolError):
        node, direction, leaf = protocol.parse_topic(text)
        assert topics.is_node_id(node)
        assert text == f"idro/v1/{node}/{direction}/{leaf}"
    command = discovery.parse_command(text, {"circulation": "switch"})
    assert command is None or (command.node and not set(command.node) & set("+#/\n"))


def ha_value(data: bytes) -> None:
    """A value set in Home Assistant is in the range of its setting."""
    for key in bridge.SETTABLE:
        with suppress(SettingsError):
            row = protocol.SETTINGS[key]
            value = bridge._value(key, data)  # noqa: SLF001  the parser itself
            assert value in (True, False) if row.kind == "bool" else row.low <= value <= row.high


# MQTT.

def mqtt_host(data: bytes) -> None:
    """The host's parser returns the same packets for any chunks."""
    whole = _packets_of_host((data,))
    cut = data[0] % 7 + 1 if data else 1
    assert _packets_of_host(data[at:at + cut] for at in range(0, len(data), cut)) == whole
    for packet in whole or ():
        for is_v5 in (False, True):
            with suppress(MalformedPacket):
                if packet.kind == packets.PUBLISH:
                    messages, _ = PacketParser(4_096).messages(packets.pack(packet), is_v5)
                    (topic, payload, _, _), = messages
                    assert len(topic) + len(payload) <= len(packet.body)
            with suppress(MalformedPacket):
                packets.refusal(packet, is_v5)


def _packets_of_host(pieces: Iterable[bytes]) -> list[packets.Packet] | None:
    splitter = PacketParser(4_096)
    found: list[packets.Packet] = []
    try:
        for piece in pieces:
            found += splitter.feed(piece)
    except MalformedPacket:
        return None  # the connection is closed
    return found


def mqtt_node(data: bytes) -> None:
    """The node's parser."""
    decoder = mqtt_packets.Decoder()
    with suppress(LinkError):
        for at in range(0, len(data), 7):
            for first, body, whole in decoder.feed(data[at:at + 7]):
                if isinstance(body, list):
                    assert whole
                    assert mqtt_packets.size_of(body) <= mqtt_packets.MAX_INBOUND_BYTES
                    with suppress(LinkError):
                        mqtt_packets.read_publish(first, body)
                    continue
                assert len(body) <= mqtt_packets.WHOLE_BYTES
                for read in (lambda f, b: mqtt_packets.read_publish(f, b),
                             lambda f, b: mqtt_packets.read_connack(b),
                             lambda f, b: mqtt_packets.read_packet_id(b, "PUBACK")):
                    with suppress(LinkError):
                        read(first, body)


def name_server(data: bytes) -> None:
    """A DNS response to a node."""
    found = dns_resolver.answer(b"\0\1", data)
    assert not found or dns_resolver.is_address(found)


# Files.

@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="idroserra-fuzz-"))


def _file(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


def _check_message(text: str) -> None:
    assert text, "an error without a message"


def config(data: bytes) -> None:
    """The host's configuration: an error names the file."""
    file = _file("host.toml", data)
    try:
        found = load_config(file)
    except ConfigError as error:
        _check_message(error.file)
        return
    check_site(found.site)
    assert found.mqtt.is_tls or found.mqtt.host in ("127.0.0.1", "localhost", "::1") or (
        found.mqtt.host.startswith("127."))


@cache
def _parts() -> Any:
    return compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())


def board(data: bytes) -> None:
    """A board file: the compiled board is safe, or an error explains why not."""
    try:
        found = compiler.compile_board(data, "esp32-reservoir.toml", _parts())
    except BoardError as error:
        _check_message(error.why)
        return
    check_board(found)


def recipe_file(data: bytes) -> None:
    """A recipe: its settings are in range on every day."""
    try:
        found = model.parse(data, "fuzzed.toml")
    except RecipeError as error:
        _check_message(error.why)
        return
    for day in range(1, min(found.days, 60) + 1):
        for key, value in found.settings_at(day).items():
            node_settings.check_value(key, value)


def settings_slot(data: bytes) -> None:
    """A settings slot in a node's flash: values are in range, or the defaults apply."""
    path, other = _file("slot.a", data), _folder() / "slot.b"
    found = Settings((str(path), str(other)))
    assert set(found.values) == set(SETTINGS)
    node_settings.check(found.values)


def flash_frames(data: bytes) -> None:
    """A damaged segment of the outbox."""
    schema = _schema()
    crc_seed = record_codec.seed(_BOOT, schema.id)
    at = 0
    while (found := record_codec.find(data, at, len(data), crc_seed)) is not None:
        start, at = found
        record_codec.stamp_of(data, start)
    with suppress(ProtocolError, UnicodeDecodeError):
        record_codec.read_schema(str(data, "utf-8"))


@cache
def _schema() -> Any:
    return record_codec.Schema(CHANNELS)


def key_text(data: bytes) -> None:
    """A file with the key of a node."""
    with suppress(ValueError):
        assert len(key_file.parse(data.decode("utf-8", "replace"), NODE)) == 32


def backup(data: bytes) -> None:
    """A backup: nothing is restored unless it is complete, and never outside the folder."""
    from datetime import UTC, datetime

    from idroserra.backup.restore import restore

    with tempfile.TemporaryDirectory(dir=_folder()) as folder:
        home = Path(folder) / "data"
        home.mkdir()
        try:
            restore(_file("backup.tar", data), home, datetime.now(UTC), lambda text: None)
        except HostError:
            assert all(path.is_file() and path.stat().st_size == 0 for path in home.iterdir())
        assert {path.name for path in Path(folder).iterdir()} == {"data"}


# Answers of a board on USB.

class _Board:
    """A link whose every answer after the first two is `answer`."""

    port = "fuzzed"

    def __init__(self, answer: str) -> None:
        self._answers = ["ok\r\n", ""]
        self._answer = answer

    def execute(self, code: str, when: str) -> str:
        return self._answers.pop(0) if self._answers else self._answer


def provisioning(data: bytes) -> None:
    """The answers of a board that is being provisioned."""
    for read in (NodeNvs.image, NodeNvs.mac, NodeNvs.read):
        with suppress(FlashError):
            read(NodeNvs(_Board(data.decode("utf-8", "replace"))))  # type: ignore[arg-type]


# The store.

def store_site(data: bytes) -> None:
    """The name of a site: it becomes the value of a tag."""
    site = data.decode("utf-8", "replace")
    try:
        check_site(site)
    except BadSite:
        return
    point = SamplePoint(NODE, CHANNELS[0], 1, 6.0)
    (text,) = sample_lines(site, [point])
    assert line_protocol.read(text).tags == {"site": site, "node": NODE, "source": "reservoir"}


def store_text(data: bytes) -> None:
    """Any text in an event: it stays in its field."""
    text = data.decode("utf-8", "replace")
    point = EventPoint(NODE, 1, 1, text, "dosed", {"reason": text, text[:20]: True})
    line = line_protocol.read(event_line(SITE, point))
    assert line.tags == {"site": SITE, "node": NODE, "kind": "dosed"}
    assert set(line.fields) <= {"boot_id", "seq", "detail", "volume_ul", "on_ms"}


def _seeds(name: str) -> Callable[[], Iterable[bytes]]:
    def read() -> Iterable[bytes]:
        from campaigns.fuzz import seeds

        return getattr(seeds, name)()

    return read


_JSON = ('"v":1', '"records":[', '"seq":', '"values":{', '"faults":{', "1e400", "NaN", "-0.0",
         "9007199254740993", '"boot_id":', '\\ud800', '"auth":"', '"detail":{', "null", "true",
         '"reason":{"code":"', '"why":{')
_TOML = ('"""', "[[", "]]", "= 1e400", "nan", "inf", "\\u0000", "1979-05-27T07:32:00Z", "0x7f",
         "{a=1}", "true", "'''")
_LINES = ("\n", "\\", ",", "=", " ", '"', "\\,", "sample,node=x ph=1 1", "\r", "\0")
TARGETS: dict[str, Target] = {
    "telemetry": Target(telemetry, _seeds("telemetry"), (*_JSON, *_LINES)),
    "events": Target(events, _seeds("events"), (*_JSON, *_LINES)),
    "info": Target(info, _seeds("info"), _JSON),
    "up": Target(up, _seeds("up"), _JSON),
    "down": Target(down_target.down, _seeds("down"), _JSON),
    "update": Target(update_targets.update, _seeds("updates"), (*_JSON, "../", "/")),
    "release-manifest": Target(release_manifest, _seeds("manifests"), (
        "\n", "end\n", "files 1 10", "../", "idro/app/", "kernel 1", "security_counter 1")),
    "release-upload": Target(
        update_targets.release_upload, _seeds("releases"), ("PK\x05\x06", "PK\x01\x02")),
    "topic": Target(topic, _seeds("topics"), ("idro/v1/", "/up/", "/set", "host", "+", "#")),
    "ha-value": Target(ha_value, _seeds("ha_values"), ("1e400", "NaN", "ON", "OFF", "true")),
    "mqtt-host": Target(mqtt_host, _seeds("mqtt")),
    "mqtt-node": Target(mqtt_node, _seeds("mqtt")),
    "name-server": Target(name_server, _seeds("name_server")),
    "config": Target(config, _seeds("configs"), _TOML),
    "board": Target(board, _seeds("boards"), _TOML),
    "recipe": Target(recipe_file, _seeds("recipes"), _TOML),
    "settings-slot": Target(settings_slot, _seeds("slots"), _JSON),
    "flash-frames": Target(flash_frames, _seeds("frames")),
    "key-file": Target(key_text, _seeds("key_files")),
    "backup": Target(backup, _seeds("backups"), ("manifest.json", "../", "ustar", '"sha256"')),
    "provisioning": Target(provisioning, _seeds("provisioning"), ("('','')", "None", "b''", "((")),
    "store-site": Target(store_site, _seeds("sites"), _LINES),
    "store-text": Target(store_text, _seeds("texts"), _LINES),
}
