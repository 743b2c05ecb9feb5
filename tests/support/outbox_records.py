"""An outbox for tests: channels, records by number, and a host that stores them."""

from idro.outbox.outbox import MAX_BYTES, Outbox
from idro.protocol import messages_host

CHANNELS = (
    "reservoir.ph", "reservoir.ec_us_cm", "reservoir.temp_c", "reservoir.level_mm",
    "air.temp_c", "air.rh_pct", "light.duty_pct", "circulation.on_pct", "top_off.on_pct",
    "reservoir.volume_ml", "node.heap_free_b", "node.outbox_count", "node.rssi_dbm",
)


class Clock:
    """Uptime that the test sets."""

    def __init__(self):
        self.at_ms = 0

    def now_ms(self):
        return self.at_ms


def new_outbox(folder, boot_id="0000b001", max_bytes=MAX_BYTES, channels=CHANNELS, **more):
    return Outbox(str(folder), boot_id, channels, Clock(), max_bytes, **more)


def values_at(seq):
    return {
        "reservoir.ph": (5_000 + seq % 1_000) / 1_000, "reservoir.ec_us_cm": 1_500 + seq % 100,
        "reservoir.temp_c": 21.25, "reservoir.level_mm": 180, "air.temp_c": -3.5,
        "air.rh_pct": 61.5, "light.duty_pct": 80, "circulation.on_pct": 100, "top_off.on_pct": 0,
        "reservoir.volume_ml": 36_000, "node.heap_free_b": 61_000, "node.outbox_count": seq,
    }


FAULTS = {"node.rssi_dbm": "stale"}


def drain(outbox, limit=100_000, waits=None):
    """Return [(boot_id, record)] of all records, with a host that stores everything.

    `waits` receives each seq at which the node had to wait for a confirmation."""
    out = []
    position = None
    for _ in range(limit):
        found = outbox.next_batch(position)
        if found is None:
            if position is None:
                return out
            if waits is not None:
                waits.append(out[-1][1].seq)
            for boot_id in {boot_id for boot_id, _ in out}:
                outbox.stored(boot_id, max(r.seq for b, r in out if b == boot_id))
            position = None
            continue
        _, batch, position = unpacked(found)
        assert batch.oldest_seq <= batch.records[0].seq
        out.extend((batch.boot_id, record) for record in batch.records)
    raise AssertionError("the outbox does not become empty")


def unpacked(found):
    """Return (leaf, Batch, position) of a result of next_batch(), as the host reads it."""
    leaf, wired, position = found
    payload = messages_host.pack_batch(wired)
    assert len(payload) <= 1_400 or len(wired.records) == 1
    unpack = messages_host.unpack_telemetry if leaf == "telemetry" else messages_host.unpack_event
    batch = unpack(payload)
    assert [record.seq for record in batch.records] == [record.seq for record in wired.records]
    assert batch[:-1] == wired[:-1]
    return leaf, batch, position
