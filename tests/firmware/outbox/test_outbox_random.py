"""Tests of an outbox under random resets, torn writes, flipped bits and storage reports."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idro.outbox import record_codec
from idro.protocol import messages
from support.outbox_records import FAULTS, drain, new_outbox, unpacked, values_at

_OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("telemetry"), st.integers(1, 30)),
        st.tuples(st.just("event"), st.integers(1, 3)),
        st.tuples(st.just("flush"), st.none()),
        st.tuples(st.just("reset"), st.none()),
        st.tuples(st.just("stored"), st.integers(0, 100)),
        st.tuples(st.just("read"), st.integers(1, 5)),
        st.tuples(st.just("flip"), st.integers(0, 1 << 30)),
        st.tuples(st.just("cut"), st.integers(0, 1 << 30)),
    ),
    max_size=40,
)


def _name(path):
    return path.name


class Life:
    """An outbox across resets, with the appended records and those reported as stored."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.boots = 0
        self.put = {}  # (boot_id, seq): record
        self.stored = {}
        self.frames = {}  # (boot_id, seq): expected bytes in flash
        self.at_ms = 0
        self.reset(None)

    def reset(self, _):
        self.boots += 1
        self.boot_id = f"{self.boots:08x}"
        self.outbox = new_outbox(self.folder, self.boot_id)
        self.position = None
        self.stored_seq = {}  # highest stored seq by boot, since the last reset

    def telemetry(self, count):
        for _ in range(count):
            self.at_ms += 10_000
            values = values_at(self.at_ms // 10_000)
            seq = self.outbox.append_telemetry(self.at_ms, values, FAULTS)
            self._note(seq, messages.Record(seq, self.at_ms, values, FAULTS))

    def event(self, count):
        for _ in range(count):
            self.at_ms += 1
            detail = {"actuator": "ph_down", "on_ms": self.at_ms}
            seq = self.outbox.append_event(self.at_ms, "dosed", detail)
            self._note(seq, messages.EventRecord(seq, self.at_ms, "dosed", detail))

    def flush(self, _):
        self.outbox.flush()

    def storing(self, percent):
        mine = [seq for boot_id, seq in self.put if boot_id == self.boot_id]
        upto = len(mine) * percent // 100
        self.outbox.stored(self.boot_id, upto)
        self.stored_seq[self.boot_id] = max(upto, self.stored_seq.get(self.boot_id, 0))
        self.stored[self.boot_id] = max(upto, self.stored.get(self.boot_id, 0))

    def read(self, count):
        for _ in range(count):
            found = self.outbox.next_batch(self.position)
            if found is None:
                self.position = None
                return
            _, batch, self.position = unpacked(found)
            for record in batch.records:
                assert record == self.put[(batch.boot_id, record.seq)]
                assert record.seq > self.stored_seq.get(batch.boot_id, 0)

    def flip(self, number):
        """Flip one bit of one segment, then reset: damage is detected at the next start."""
        files = sorted(self.folder.rglob("*.seg"), key=_name)
        if files:
            path = files[number % len(files)]
            data = bytearray(path.read_bytes())
            if data:
                data[number // 7 % len(data)] ^= 1 << number % 8
                path.write_bytes(data)
        self.reset(None)

    def cut(self, number):
        """Truncate the newest segment, as a power cut during a write does."""
        files = sorted(self.folder.rglob("*.seg"), key=_name)
        if files:
            data = files[-1].read_bytes()
            files[-1].write_bytes(data[: number % (len(data) + 1)])
        self.reset(None)

    def expected(self):
        """Return the keys of records that are intact in flash or pending in RAM."""
        flash = b"".join(path.read_bytes() for path in self.folder.rglob("*.seg"))
        keys = {key for key, frame in self.frames.items() if frame in flash}
        keys |= {(self.boot_id, entry.seq) for entry in self.outbox._pending}
        return keys

    def _note(self, seq, record):
        key = (self.boot_id, seq)
        assert key not in self.put
        self.put[key] = record
        schema = self.outbox._schema
        if isinstance(record, messages.Record):
            kind = record_codec.TELEMETRY
            payload = schema.telemetry_payload(seq, record.at_ms, record.values, record.faults)
        else:
            kind = record_codec.EVENT
            payload = record_codec.event_payload(seq, record.at_ms, record.kind, record.detail)
        crc_seed = record_codec.seed(self.boot_id, schema.id)
        self.frames[key] = record_codec.frame(kind, payload, crc_seed)


@settings(
    max_examples=100, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(operations=_OPERATIONS)
def test_no_wrong_record_is_read_and_no_intact_one_is_lost(tmp_path_factory, operations):
    life = Life(tmp_path_factory.mktemp("outbox"))
    for name, argument in operations:
        getattr(life, "storing" if name == "stored" else name)(argument)
    expected = life.expected()
    out = drain(life.outbox)
    keys = [(boot_id, record.seq) for boot_id, record in out]
    assert keys == sorted(set(keys))
    for key, (_, record) in zip(keys, out, strict=True):
        assert record == life.put[key]
    must = {key for key in expected if key[1] > life.stored.get(key[0], 0)}
    assert must <= set(keys)
    assert life.outbox.count == 0


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=4_200), number=st.integers(0, 3))
def test_any_bytes_in_a_segment_file_are_tolerated(tmp_path_factory, data, number):
    folder = tmp_path_factory.mktemp("outbox")
    outbox = new_outbox(folder)
    outbox.append_event(1, "armed", {})
    (segment,) = folder.rglob("*.seg")
    whole = segment.read_bytes()
    segment.write_bytes((data + whole, whole + data, data, whole[:number] + data)[number])
    out = drain(new_outbox(folder, "0000b002"))
    assert out in ([], [("0000b001", messages.EventRecord(1, 1, "armed", {}))])
    if number == 1 or (number == 0 and len(data) + len(whole) <= 4_096):
        assert len(out) == 1
