"""Runs node code with a fragmented heap: `micropython crowded_heap.py FOLDER`.

Prints a line per case. `crowd` fills the heap and frees every second block, or none.
"""

import gc
import sys

from idro.app.commands import CommandHandler
from idro.app.settings import Settings
from idro.errors import SettingsError
from idro.net import mqtt_packets as packets
from idro.protocol import messages, messages_host
from idro.protocol import settings as table
from idro.safety.authentication import hmac_sha256_hex

NODE, KEY = "node-1", b"k" * 32
HOLE_BYTES = 1_200  # the table of 59 values takes 944 of them with pointers of 64 bits
held = [None] * 2_000


def crowd(is_full):
    """Fragment the heap into holes of at most HOLE_BYTES, or fill it."""
    gc.collect()
    large = fill(0, HOLE_BYTES - 32)
    fill(large, 320 if is_full else 128)  # fill the rest, so that no hole is larger
    if not is_full:
        for index in range(0, large, 2):
            held[index] = None
    gc.collect()
    try:
        bytearray(HOLE_BYTES + 200)
    except MemoryError:
        return
    raise AssertionError("the heap is not crowded")


def fill(count, size):
    """Allocate blocks of `size` from index `count` until the heap is full; return the next."""
    try:
        while True:
            held[count] = bytearray(size)
            count += 1
    except MemoryError:
        return count


def roomy():
    for index in range(len(held)):
        held[index] = None
    gc.collect()


def packet_of(rev):
    values = table.defaults()
    values["ph.target"] = 5.0 + rev / 10
    config = messages.Config(rev, "ann", values)
    data = messages_host.pack_config(NODE, config, lambda signed: hmac_sha256_hex(KEY, signed))
    packet = packets.publish(f"idro/v1/{NODE}/down/config", [data], 1, True, 7)
    data = b"".join(packet)
    return [data[at : at + 512] for at in range(0, len(data), 512)]


def payload_of(packet):
    decoder = packets.Decoder()
    for data in packet:
        for first, body, whole in decoder.feed(data):
            assert whole
            return packets.read_publish(first, body)[1]
    raise AssertionError("no whole packet")


def take(packet, settings):
    """Process a packet from the chunks of the socket to the flash."""
    return commands.receive_config(payload_of(packet), settings)


def shown(settings):
    return settings.rev, round(settings.values["ph.target"], 1)


folder = sys.argv[1]
paths = (folder + "/settings.a", folder + "/settings.b")
commands = CommandHandler(
    (NODE, KEY, "0000b001"), clock=None, command_ids=None, actions={}, stop=None,
    stop_outcome=None, record_event=print, send_ack=print)
settings = Settings(paths)
arriving = [packet_of(rev) for rev in (1, 2, 3, 4)]
info = messages.Info(
    "0.1.0", "test", "esp32", "0000b001", 1, None, "none", "power_on", "ab" * 32,
    [f"reservoir.p{index}" for index in range(32)], {"ph_down": "doser"}, [("0000a001", 5)], False,
    100, 0, messages.AS_FLASHED, (None, None, None))
batch = messages.Batch("0000b001", None, 1, 1, [
    messages.EncodedRecord(seq, b"x" * 330) for seq in (1, 2, 3, 4)])

print("taken", take(arriving[0], settings)[1], *shown(settings))
crowd(False)
print("in pieces", take(arriving[1], settings)[1], *shown(settings))
for name, make in (
    ("info", lambda: messages.info_pieces(info)),
    ("config", lambda: messages.config_report_pieces(
        messages.ConfigReport(2, None, settings.values))),
    ("batch", lambda: messages.batch_pieces(batch)),
):
    pieces = packets.publish("t", make(), 1, True, 1)
    print(name, packets.size_of(pieces) > 1_000, max([len(piece) for piece in pieces]) <= 512)
roomy()
payload = payload_of(arriving[2])
crowd(True)
try:
    settings.apply(3, "ann", {"ph.target": 5.3})
except SettingsError as error:
    print("full", error, *shown(settings))
error = commands.receive_config(payload, settings)[1]
roomy()
print("full", error, *shown(settings))
print("kept", *shown(Settings(paths)))
print("after", take(arriving[3], settings)[1], *shown(settings))
print("kept", *shown(Settings(paths)))
