"""Strategies of hypothesis for values on the wire: names, numbers, texts, reasons, any JSON."""

from hypothesis import strategies as st

from idro.protocol import validation
from idro.protocol.events import EVENTS
from idro.protocol.faults import FAULTS
from idro.protocol.reason import Reason

FIELDS = (
    "v", "boot_id", "boot_unix_ms", "sent_at_ms", "oldest_seq", "records", "seq", "at_ms",
    "values", "faults", "kind", "detail", "version", "board", "chip", "clock", "reset",
    "image_sha256", "channels", "outputs", "boots", "id", "outcome", "reason", "verb", "args",
    "not_after_at_ms", "by", "rev", "error", "seq_upto", "unix_ms", "auth", "actuator",
    "volume_ul", "for_ms", "sha256", "path", "number", "offset", "size", "update", "slot",
    "release", "code", "why", "reservoir.ph", "reservoir.ec_us_cm", "ph.target", "level.low_mm",
)
names = st.from_regex(r"[a-z][a-z0-9_]{0,23}", fullmatch=True)
ids = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True)
counts = st.integers(0, validation.MAX_INT)
printable = st.text(
    st.characters(min_codepoint=32, max_codepoint=0xFFFF, exclude_categories=("Cs",)), max_size=40
)
integers = st.integers(-validation.MAX_INT, validation.MAX_INT)
plain_values = printable | st.booleans() | integers
codes = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True)


def reason_of(values):
    """Reasons whose values are of these."""
    return st.builds(
        lambda code, found: Reason(code, **found), codes, st.dictionaries(
            names.filter(lambda name: name not in ("self", "code")), values, max_size=8))


reasons = reason_of(plain_values | reason_of(plain_values | reason_of(plain_values)))
huge = st.sampled_from((10**30, -(10**30), 2**53, -(2**53), 1e308, 5e-324, -0.0))
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | huge | st.text(max_size=12)
    | st.sampled_from(FIELDS) | st.sampled_from(tuple(EVENTS) + tuple(FAULTS) + ("dose", "none"))
)
keys = st.sampled_from(FIELDS) | st.text(max_size=8)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=20,
)
