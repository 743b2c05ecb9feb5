"""Valid seed inputs of every target, kept small because the fuzzer extends them."""

import hashlib
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Iterator

from campaigns.fuzz.targets import CHANNELS, MAC, NODE
from idro.net import mqtt_packets
from idro.outbox import record_codec as net_frames
from idro.protocol import messages, messages_host, system_host, update_messages
from idro.protocol import settings as node_settings
from idro.protocol.events import EVENTS
from idro.protocol.reason import Reason
from idroserra.boards import compiler as host_boards
from idroserra.mqtt import packets
from idroserra.recipes import model
from idroserra.updates import manifest as host_manifest

BOOT = "boot-1"
REASON = Reason("b_waits", why=Reason("ledger_failed", detail="a, b=c \"d\""))


def _mac(signed: bytes) -> str:
    return MAC


def telemetry() -> Iterator[bytes]:
    records = [
        messages.Record(3, 9, {"reservoir.ph": 6.02, "reservoir.ec_us_cm": 1_500}, {}),
        messages.Record(4, 10_009, {"air.temp_c": -3.5}, {"reservoir.ph": "in_air"}),
    ]
    yield messages_host.pack_telemetry(messages.Batch(BOOT, 5, 20_000, 1, records))
    yield messages_host.pack_telemetry(messages.Batch(BOOT, None, 7, 1, records[:1]))


def events() -> Iterator[bytes]:
    detail = {"actuator": "ph_up", "on_ms": 5, "volume_ul": 9, "ok": True, "by": "a, b=c \"d\"",
              "reason": REASON.as_json()}
    for kind in sorted(EVENTS)[:4]:
        record = messages.EventRecord(3, 9, kind, detail)
        yield messages_host.pack_event(messages.Batch(BOOT, 5, None, 1, [record]))


def info() -> Iterator[bytes]:
    yield messages_host.pack_info(messages.Info(
        "1", "b", "esp32", BOOT, 1, 2, "host", "wdt", "", CHANNELS,
        {"ph_up": "doser", "circulation": "switch", "light": "dimmer"}, (("b-0", 7),), False, 25,
        9, messages.AS_FLASHED, system_host.System("1.28.0", 8_388_608, 240_000_000)))


def up() -> Iterator[bytes]:
    yield from info()
    yield messages.pack_ack(messages.Ack("c", "done", REASON, BOOT, 1))
    yield messages_host.pack_config_report(messages.ConfigReport(1, REASON, {"ph.target": 5.9}))
    yield messages.pack_status(True)


def down() -> Iterator[bytes]:
    yield messages_host.pack_stored(NODE, messages.Stored(BOOT, 1, 2, 3), _mac)
    command = messages.Command("c", "dose", {"actuator": "ph_up", "volume_ul": 9}, BOOT, 9, "anna")
    yield messages_host.pack_command(NODE, command, _mac)
    yield messages_host.pack_config(NODE, messages.Config(1, "anna", {"ph.target": 5.9}), _mac)


def updates() -> Iterator[bytes]:
    sha256 = "ab" * 32
    offer = update_messages.Offer(sha256, 900, bytes(update_messages.SIGNATURE_BYTES), "cd" * 8,
                                  "0.2.0")
    for verb, args in (("offer", offer), ("cancel", None)):
        command = messages.Command("c", verb, args, BOOT, 9, "anna")
        yield messages_host.pack_update(NODE, command, _mac)
    request = update_messages.ChunkRequest(sha256, 1, "idro/app/node.mpy", 0, 512)
    yield update_messages.pack_chunk_request(request)
    yield messages_host.pack_chunk(update_messages.Chunk(bytes(8), 1, b"some bytes"))


def _release() -> dict[str, bytes]:
    content = {"idro/app/network_task.mpy": b"some bytes", "idro/app/node.mpy": b"more of them"}
    manifest = host_manifest.Manifest("0.2.0", "esp32/esp32-reservoir", 1, 3, tuple(
        host_manifest.File(path, len(data), hashlib.sha256(data).hexdigest())
        for path, data in content.items()))
    return {"manifest": manifest.text, "signature": bytes(384), **content}


def manifests() -> Iterator[bytes]:
    yield _release()["manifest"]


def releases() -> Iterator[bytes]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in _release().items():
            archive.writestr(zipfile.ZipInfo(name), data)
    yield packed.getvalue()


def topics() -> Iterator[bytes]:
    yield f"idro/v1/{NODE}/up/telemetry".encode()
    yield f"idro/v1/host/ha/{NODE}/run_circulation/set".encode()
    yield f"idro/v1/host/ha/{NODE}/ph_target/set".encode()


def ha_values() -> Iterator[bytes]:
    yield from (b"ON", b"5.9", b"1600", b"1e3", b"-0")


def mqtt() -> Iterator[bytes]:
    publish = b"".join(mqtt_packets.publish(f"idro/v1/{NODE}/up/ack", [b"hello"], 1, True, 7))
    connack, suback = b"\x20\x02\0\0", b"\x90\x03\0\1\1"
    yield connack + suback + publish
    yield b"\x20\x03\0\x87\0" + packets.pubacks((1, 2)) + b"\xe0\x01\x8e"
    yield packets.pack(packets.Packet(0x32, b"\0\3a/b\0\1\0hello")) + b"\xd0\0"


def name_server() -> Iterator[bytes]:
    head = b"\0\1\x81\x80\0\1\0\1\0\0\0\0"
    question = b"\5serra\3lan\0\0\1\0\1"
    yield head + question + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\xa8\1\2"


def configs() -> Iterator[bytes]:
    yield b'site = "serra"\n[mqtt]\nurl = "mqtt://127.0.0.1:1883"\nusername = "host"\n'
    yield (b'[store]\nkind = "influx"\nurl = "http://127.0.0.1:8086"\n[store.keep]\nraw_days = 9\n'
           b'[alarms]\nquiet_from = "22:00"\nquiet_until = "06:30"\n[[alarms.targets]]\n'
           b'name = "me"\nurl = "json://127.0.0.1"\n[lan]\nnames = ["serra.lan"]\n')


def boards() -> Iterator[bytes]:
    for name in host_boards.names():
        yield (host_boards.boards_dir() / f"{name}.toml").read_bytes()


def recipes() -> Iterator[bytes]:
    for name in model.names():
        yield (model._folder() / f"{name}.toml").read_bytes()  # noqa: SLF001


def slots() -> Iterator[bytes]:
    import binascii

    for values in ({}, {"ph.target": 5.9}, node_settings.defaults()):
        text = json.dumps({"rev": 7, "by": "anna", "values": values}).encode()
        yield b"idro1 %d %08x\n" % (len(text), binascii.crc32(text)) + text


def frames() -> Iterator[bytes]:
    schema = net_frames.Schema(CHANNELS)
    crc_seed = net_frames.seed(BOOT, schema.id)
    row = schema.telemetry_payload(3, 9, {"reservoir.ph": 6.02}, {"reservoir.ec_us_cm": "in_air"})
    yield net_frames.frame(net_frames.TELEMETRY, row, crc_seed) + net_frames.frame(
        net_frames.EVENT, net_frames.event_payload(4, 10, "dosed", {"on_ms": 5}), crc_seed)
    yield schema.text().encode()


def key_files() -> Iterator[bytes]:
    yield json.dumps({"node": NODE, "key": "ab" * 32}).encode()
    yield b"ab" * 32 + b"\n"


def backups() -> Iterator[bytes]:
    content = b"some notes"
    manifest = {
        "format": 1, "version": "0.1.0", "site": "farm", "made_unix_ms": 1, "with_keys": False,
        "store": "influx", "files": [{"name": "notes/a.txt", "size_bytes": len(content),
                                      "sha256": hashlib.sha256(content).hexdigest(),
                                      "database": False}],
    }
    for files in ((("notes/a.txt", content), ("manifest.json", json.dumps(manifest).encode())),
                  (("manifest.json", json.dumps(manifest | {"files": []}).encode()),)):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, data in files:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        yield packed.getvalue()


def provisioning() -> Iterator[bytes]:
    yield b"('esp32/esp32-reservoir', '0.1.0')\r\n"
    yield b"aabbccddeeff\r\n"
    sums = "(4, '" + "ab" * 32 + "')"
    nones = ", ".join(["None"] * 12)
    yield f"({sums}, {nones})\r\n".encode()
    yield ("(" + ", ".join([sums, *["None"] * 5, "b'wifi'", "b'host'", "b'idro-one'", "1883"])
           + ")\r\n").encode()


def sites() -> Iterator[bytes]:
    yield from (b"serra", b"greenhouse 1", "温室 2".encode(), b"a.b-c_d")


def texts() -> Iterator[bytes]:
    yield from (b"pH 5.8", b'say "no", x=1\\', b"a\nsample,node=x ph=1 1", struct.pack("<I", 7))
