"""Whatever comes in place of a reason is one, or is refused with its field."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idro.errors import ProtocolError
from idro.protocol import messages_host, validation
from idro.protocol.reason import Reason
from support.wire_strategies import codes, integers, keys, names, printable, scalars, trees

fuzzed = settings(deadline=None, suppress_health_check=list(HealthCheck))

wild_values = st.recursive(
    scalars | integers | printable,
    lambda inner: st.fixed_dictionaries(
        {"code": codes | scalars, "values": st.dictionaries(names | keys, inner, max_size=9)})
    | trees, max_leaves=12)


@fuzzed
@given(wild=st.fixed_dictionaries(
    {"code": codes | keys, "values": st.dictionaries(names, wild_values, max_size=9)})
    | wild_values)
def test_whatever_comes_as_a_reason_is_one_or_is_refused_with_its_field(wild):
    ack = {"v": 1, "id": "c", "outcome": "done", "boot_id": "b-1", "at_ms": 1, "reason": wild}
    try:
        reason = messages_host.unpack_ack(json.dumps(ack).encode()).reason
    except ProtocolError as error:
        field = error.why.partition(":")[0]
    else:
        assert is_valid(reason)
        assert messages_host.reason_of({"reason": reason.as_json()}, "reason") == reason
        return
    # "ack": its text is not even JSON, such as half of a surrogate pair.
    assert field in ({"ack", "reason", "values"} | keys_in(wild))


def keys_in(value):
    """Return the keys of every object in `value`, at any depth."""
    if not isinstance(value, dict):
        return set()
    return set(value).union(*(keys_in(inner) for inner in value.values()))


def is_valid(value, depth=0):
    """True for a Reason, or a value of one, as docs/protocol.md allows it."""
    if isinstance(value, Reason):
        return (depth <= messages_host.MAX_REASON_DEPTH and 0 < len(value.code) <= 32
                and len(value.values) <= 8
                and all(is_valid(inner, depth + 1) for inner in value.values.values()))
    if isinstance(value, str):
        return len(value) <= 200 and all(char >= " " for char in value)
    return type(value) in (int, bool) and abs(value) <= validation.MAX_INT
