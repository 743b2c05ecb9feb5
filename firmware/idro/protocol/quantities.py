"""Quantities that a node reports: unit, decimals on the wire, physical range.

A channel is `<source>.<quantity>`, such as `reservoir.ph`: the source is where a sensor is
mounted, the quantity is a key of QUANTITIES. Values with 0 decimals are integers on the wire. The
range is what is physically possible, not what suits the crop: a reading outside it is a fault.
"""

from collections import namedtuple

from idro.errors import ProtocolError
from idro.protocol.validation import only_bytes

Quantity = namedtuple("Quantity", ("key", "unit", "decimals", "low", "high"))

QUANTITIES = {row.key: row for row in (
    Quantity("ph", "pH", 3, 0, 14),
    Quantity("ec_us_cm", "uS/cm", 0, 0, 20_000),
    Quantity("temp_c", "C", 2, -40, 85),
    Quantity("rh_pct", "%", 1, 0, 100),
    Quantity("vpd_pa", "Pa", 0, 0, 60_000),
    Quantity("co2_ppm", "ppm", 0, 0, 40_000),
    Quantity("illuminance_lx", "lx", 0, 0, 200_000),
    Quantity("ppfd_umol_m2_s", "umol/m2/s", 0, 0, 5_000),
    Quantity("do_mg_l", "mg/L", 2, 0, 40),
    Quantity("moisture_pct", "%", 1, 0, 100),
    Quantity("level_mm", "mm", 0, 0, 5_000),
    Quantity("volume_ml", "ml", 0, 0, 20_000_000),
    Quantity("float_up", "0 or 1", 0, 0, 1),
    Quantity("flow_ml_per_min", "ml/min", 0, 0, 60_000),
    Quantity("supply_mv", "mV", 0, 0, 32_000),
    Quantity("current_ma", "mA", 0, -50_000, 50_000),
    Quantity("duty_pct", "%", 0, 0, 100),
    Quantity("on_pct", "%", 0, 0, 100),
    Quantity("heap_free_b", "B", 0, 0, 16_000_000),
    Quantity("outbox_count", "records", 0, 0, 1_000_000),
    Quantity("rssi_dbm", "dBm", 0, -120, 0),
)}

MAX_NAME_CHARS = 24
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_NAME_BYTES = _LETTERS + b"0123456789_"
_DIGITS = ("", "%s%d.%01d", "%s%d.%02d", "%s%d.%03d")


def is_name(text, max_chars=MAX_NAME_CHARS):
    """True if `text` is a valid name of a source or actuator: a-z, 0-9 and _, letter first."""
    if not isinstance(text, str) or not 0 < len(text) <= max_chars:
        return False
    return only_bytes(text[0], _LETTERS) and only_bytes(text, _NAME_BYTES)


def quantity_of(channel):
    """Return the Quantity of a channel name. Raises ProtocolError."""
    return split(channel)[1]


def split(channel):
    """Return (source, Quantity) of a channel name, a text. Raises ProtocolError."""
    source, dot, key = channel.partition(".")
    if not dot or not is_name(source):
        raise ProtocolError(f"channel {channel[:60]}: not <source>.<quantity>")
    if key not in QUANTITIES:
        raise ProtocolError(f"channel {channel[:60]}: unknown quantity")
    return source, QUANTITIES[key]


def to_scaled(quantity, value):
    """Return `value` as the integer used on the wire and on flash: value * 10^decimals."""
    return int(round(value * 10**quantity.decimals))


def format_scaled(quantity, scaled):
    """Return a scaled integer as exact decimal text, without a float."""
    if quantity.decimals == 0:
        return str(scaled)
    sign = "-" if scaled < 0 else ""
    whole, part = divmod(abs(scaled), 10**quantity.decimals)
    return _DIGITS[quantity.decimals] % (sign, whole, part)


def layout_of(channel, quantity):
    """Return (10^decimals, JSON member name, template of its value), uncached."""
    decimals = quantity.decimals
    digits = (b"%d", b"%d.%01d", b"%d.%02d", b"%d.%03d")[decimals]
    return 10**decimals, b'"' + channel.encode() + b'":', digits
