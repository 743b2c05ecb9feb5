"""Messages as a node packs and unpacks them; `messages_host` has the host's side.

unpack_* takes the payload as bytes and returns a namedtuple, or raises ProtocolError and nothing
else. *_pieces return a list of bytes, for messages larger than the largest free block of a
fragmented heap. Telemetry and events are records identified by (node, boot_id, seq), delivered at
least once and stored exactly once.
"""

import json
from collections import namedtuple

from idro.errors import ProtocolError, SettingsError
from idro.protocol import settings, signing, validation
from idro.protocol.json_stream import dump_pieces
from idro.protocol.quantities import is_name, layout_of

# The bytes before each field of down/stored, and after the last: the only form of that message.
STORED_LABELS = (b'{"v":1,"boot_id":"', b'","seq_upto":', b',"unix_ms":', b',"sent_at_ms":',
                 b',"auth":"', b'"}')
MAX_STORED_BYTES = 384
MAX_COMMAND_BYTES = 1_024
MAX_CONFIG_BYTES = 4_096
MAX_RECORDS = 20
MAX_CHANNELS = 32

# Records of one boot. boot_unix_ms: wall time of that boot by the node's clock, or None;
# sent_at_ms: uptime at sending, None for an earlier boot; oldest_seq: the oldest record of that
# boot in the outbox, below which no more will come.
Batch = namedtuple("Batch", ("boot_id", "boot_unix_ms", "sent_at_ms", "oldest_seq", "records"))
# A record encoded as JSON bytes. A Batch holds one of these three.
EncodedRecord = namedtuple("EncodedRecord", ("seq", "json"))
# One sampling instant. A channel is in exactly one of values and faults.
Record = namedtuple("Record", ("seq", "at_ms", "values", "faults"))
EventRecord = namedtuple("EventRecord", ("seq", "at_ms", "kind", "detail"))
# boots: [(boot_id, last_at_ms)] of earlier boots with records in the outbox, oldest first.
# outputs: {actuator: kind}, kind "doser", "switch" or "dimmer". granted_pct: granted share of the
# budgets; earn_left_ms: until full authority is earned. update: a RunningRelease;
# system: the values of SYSTEM.
Info = namedtuple(
    "Info",
    ("version", "board", "chip", "boot_id", "at_ms", "boot_unix_ms", "clock", "reset",
     "image_sha256", "channels", "outputs", "boots", "has_button", "granted_pct", "earn_left_ms",
     "update", "system"),
)
# slot: "a", "b" or "" (as flashed); state: one of messages_host.UPDATE_STATES; release: SHA-256 of
# its manifest; security_counter: minimum of further releases; kernel: interface of its releases.
RunningRelease = namedtuple(
    "RunningRelease", ("slot", "state", "release", "security_counter", "kernel"))
AS_FLASHED = RunningRelease("", "base", "", 0, 0)
# What a node runs on: release of MicroPython, such as "1.28.0"; PSRAM, 0 without; CPU frequency.
SYSTEM = ("micropython", "psram_bytes", "cpu_hz")
# reason: a Reason.
Ack = namedtuple("Ack", ("id", "outcome", "reason", "boot_id", "at_ms"))
# args by verb: see COMMANDS. Valid for one boot, until not_after_at_ms.
Command = namedtuple("Command", ("id", "verb", "args", "boot_id", "not_after_at_ms", "by"))
Config = namedtuple("Config", ("rev", "by", "values"))
# error: the Reason why the last rev was refused, or None.
ConfigReport = namedtuple("ConfigReport", ("rev", "error", "values"))
# Records up to and including seq_upto are stored. unix_ms: wall time of the host; sent_at_ms: that
# of the newest batch it answers, None for an earlier boot.
Stored = namedtuple("Stored", ("boot_id", "seq_upto", "unix_ms", "sent_at_ms"))
# signed: the bytes the MAC covers; auth: its 64 hex digits, or those of several MACs.
SignedMessage = namedtuple("SignedMessage", ("message", "signed", "auth"))

_COMMAND_KEYS = ("v", "id", "verb", "args", "boot_id", "not_after_at_ms", "by", "auth")
# (verb, ((argument, (low, high)), ...)); range None: a name; a number: text of at most so many
# characters; in brackets: optional. Plain tuples need less heap; messages_host has VERBS.
COMMANDS = (
    ("dose", (("actuator", None), ("volume_ul", (1, 20_000)))),
    ("run", (("actuator", None), ("for_ms", (100, 14_400_000)), ("[duty_pct]", (0, 100)))),
    ("correct", (("actuator", None), ("[target_milli_ph]", (4_500, 7_500)),
                 ("[target_us_cm]", (200, 5_000)), ("volume_ul", (1_000, 8_000_000)))),
    ("end_correction", ()),
    ("hold", (("for_ms", (0, 3_600_000)),)),
    ("stop", ()),
    ("resume", ()),
    ("certificate", (("der", 684),)),  # base64 of 512 bytes
)


def pack_status(online):
    """Return up/status: plain text, as Home Assistant expects it."""
    return b"online" if online else b"offline"


def batch_pieces(batch):
    """Return up/telemetry or up/event of a Batch of EncodedRecord."""
    pieces = [
        b'{"v":1,"boot_id":"%s","boot_unix_ms":%s,"sent_at_ms":%s,"oldest_seq":%d,"records":[' % (
            batch.boot_id.encode(), _number_or_null(batch.boot_unix_ms),
            _number_or_null(batch.sent_at_ms), batch.oldest_seq),
    ]
    for record in batch.records:
        pieces.append(record.json if len(pieces) == 1 else b"," + record.json)
    pieces.append(b"]}")
    return pieces


def telemetry_template(channels, channel_quantities):
    """Return (template, scales) of a Record with a value and no fault for every channel.

    `template % numbers` is its JSON. numbers: seq, at_ms, then for each channel the scaled
    integer, as divmod(scaled, scale) if the scale is not 1; those must not be negative.
    """
    pairs = zip(channels, channel_quantities)  # noqa: B905  (portable)
    layouts = [layout_of(channel, quantity) for channel, quantity in pairs]
    members = b",".join([name + digits for _, name, digits in layouts])
    template = b'{"seq":%d,"at_ms":%d,"values":{' + members + b'},"faults":{}}'
    return template, [layout[0] for layout in layouts]


def event_json(record):
    """Return the JSON of an EventRecord."""
    return json.dumps({
        "seq": record.seq, "at_ms": record.at_ms, "kind": record.kind, "detail": record.detail,
    }).encode()


def info_pieces(info):
    """Return up/info."""
    running = info.update
    return list(dump_pieces({
        "v": 1, "version": info.version, "board": info.board, "chip": info.chip,
        "boot_id": info.boot_id, "at_ms": info.at_ms, "boot_unix_ms": info.boot_unix_ms,
        "clock": info.clock, "reset": info.reset, "image_sha256": info.image_sha256,
        "channels": info.channels, "outputs": info.outputs,
        "boots": info.boots, "has_button": info.has_button,
        "granted_pct": info.granted_pct, "earn_left_ms": info.earn_left_ms,
        "update": {"slot": running.slot, "state": running.state, "release": running.release,
                   "security_counter": running.security_counter, "kernel": running.kernel},
        "system": dict(zip(SYSTEM, info.system)),  # noqa: B905  (portable)
    }))


def pack_ack(ack):
    """Return up/ack."""
    return json.dumps(
        {"v": 1, "id": ack.id, "outcome": ack.outcome, "reason": ack.reason.as_json(),
         "boot_id": ack.boot_id, "at_ms": ack.at_ms}
    ).encode()


def config_report_pieces(report):
    """Return up/config: the active settings, and why the last rev was refused, if it was."""
    error = None if report.error is None else report.error.as_json()
    return list(dump_pieces(
        {"v": 1, "rev": report.rev, "error": error, "values": report.values}))


def unpack_stored(node, data):
    """Return SignedMessage(Stored), its MACs not checked. Raises ProtocolError.

    It answers every batch of records, so it has one form, which needs no JSON parser."""
    fields = []
    found, rest = b"", data
    for label in STORED_LABELS:
        field, found, rest = rest.partition(label)
        fields.append(field)
    start, boot_id, seq_upto, unix_ms, sent_at_ms, auth = fields
    numbers = [seq_upto, unix_ms] if sent_at_ms == b"null" else [seq_upto, unix_ms, sent_at_ms]
    if (
        len(data) > MAX_STORED_BYTES or start or rest or not found
        or not validation.is_id(boot_id) or False in [_is_number(one) for one in numbers]
        or len(auth) not in (64, 128) or auth.strip(b"0123456789abcdef")
    ):
        raise ProtocolError("stored: not in the form of the protocol")
    numbers = [int(one) for one in numbers]
    stored = Stored(str(boot_id, "utf-8"), numbers[0], numbers[1],
                    numbers[2] if len(numbers) == 3 else None)
    tail_bytes = len(STORED_LABELS[4]) + len(auth) + len(STORED_LABELS[5])
    signed = signing.head(node, "stored") + data[:-tail_bytes]
    return SignedMessage(stored, signed, str(auth, "utf-8"))


def _is_number(digits):
    is_plain = digits.isdigit() and len(digits) <= 16 and (digits[0] != 48 or len(digits) == 1)
    return is_plain and int(digits) <= validation.MAX_INT


def unpack_command(node, data):
    """Return SignedMessage(Command), its MAC not checked. Raises ProtocolError."""
    obj, signed, auth = signing.parse_signed(node, "command", data, MAX_COMMAND_BYTES)
    command = command_of(obj, "command", [row[0] for row in COMMANDS], check_args)
    return SignedMessage(command, signed, auth)


def command_of(obj, what, verbs, checked_args):
    """Return the Command in `obj`, with checked_args(verb, args). Raises ProtocolError."""
    validation.check_keys(obj, _COMMAND_KEYS, what)
    verb = validation.choice(obj, "verb", verbs)
    args = checked_args(verb, validation.mapping(obj, "args", 8))
    return Command(
        validation.identifier(obj, "id"), verb, args, validation.identifier(obj, "boot_id"),
        validation.integer(obj, "not_after_at_ms"), validation.text(obj, "by", 40))


def check_args(verb, args):
    """Return `args`, valid for `verb`. Raises ProtocolError."""
    spec = ()
    for name, arguments in COMMANDS:
        if name == verb:
            spec = arguments
    validation.check_keys(args, [entry.strip("[]") for entry, _ in spec], f"args of {verb}")
    for entry, bounds in spec:
        name = entry.strip("[]")
        if name != entry and name not in args:
            continue
        if bounds is None:
            if not is_name(args.get(name)):
                raise ProtocolError(f"args of {verb}: {name} is not a name")
        elif isinstance(bounds, int):
            validation.text(args, name, bounds)
        else:
            validation.integer(args, name, bounds[0], bounds[1])
    return args


def unpack_config(node, pieces):
    """Return SignedMessage(Config) with checked values, of a list of bytes. Raises
    ProtocolError."""
    obj, signed, auth = signing.parse_signed_pieces(node, "config", pieces, MAX_CONFIG_BYTES)
    validation.check_keys(obj, ("v", "rev", "by", "values", "auth"), "config")
    values = validation.mapping(obj, "values", len(settings.ROWS))
    config = Config(
        validation.integer(obj, "rev"), validation.text(obj, "by", 40), checked_settings(values))
    return SignedMessage(config, signed, auth)


def _number_or_null(number):
    return b"null" if number is None else b"%d" % number


def checked_settings(values):
    """Return complete, checked settings. Raises ProtocolError."""
    try:
        return settings.check(values)
    except SettingsError as error:
        raise ProtocolError(f"values: {error}") from None
