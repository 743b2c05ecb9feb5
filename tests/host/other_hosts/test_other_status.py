"""The state of a host on its way: other versions lack or add fields, hostile hosts lie."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idroserra.core.reasons import REASONS, VALUES, Reason, reason_from_json
from idroserra.i18n.reasons import reason_json
from idroserra.i18n.translate import Locale, use_locale
from idroserra.other_hosts.service import OtherHost
from idroserra.other_hosts.status import (
    UnreadableStatus,
    missing_of,
    read_status,
    reason_to_send,
    reason_words,
)
from idroserra.web.api.hosts import HostsOut, host_json

ALARM = {"title": "Leak", "reason": None, "priority": "urgent", "site": "S", "node": "n-1",
         "node_title": "Basil", "raised_unix_ms": 4_000}
WHOLE = {
    "unix_ms": 10_000, "level": "bad", "version": "0.1.0", "role": "viewer",
    "parts": {"broker": {"state": "connected"}, "alarms": {"state": ""}},
    "last_heard_unix_ms": 9_000,
    "nodes": {"no_contact": 1, "stopped": 0, "attention": 1, "fine": 3},
    "worst": {"node": "n-1", "title": "Basil", "site": "S", "level": "bad",
              "reason": {"code": "leak", "values": {}, "text": "?"}, "since_unix_ms": None},
    "sites": [{"site": "S", "level": "bad", "nodes": 5, "troubled": 2}],
    "alarms": {"count": 9, "unacknowledged": 1, "first": [ALARM]},
}
_LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False),
                    st.text(max_size=20))
_JSON = st.recursive(_LEAVES, lambda inner: st.one_of(
    st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)))


def packed(**changes):
    return json.dumps({**WHOLE, **changes}).encode()


def shown(**changes):
    """Return the host as page and API show it."""
    status = read_status(packed(**changes))
    return host_json(OtherHost("North", "https://north.lan", status, 1_000_000))


def test_a_newer_version_adds_fields_and_an_older_one_lacks_some():
    newer = read_status(packed(weather={"rain": True}, alarms=WHOLE["alarms"] | {"more": 1}))
    assert missing_of(newer) == []
    older = read_status(b'{"unix_ms": 10000, "level": "ok", "version": "0.0.9"}')
    assert missing_of(older) == ["parts", "nodes", "sites", "alarms"]
    found = host_json(OtherHost("North", "https://north.lan", older, 5))
    assert (found["level"], found["nodes"], found["alarm_count"]) == ("note", None, None)
    assert found["text"] == "It does not send the state of its nodes."
    assert found["notes"] == [{"level": "note", "text": (
        "Its version 0.0.9 does not send everything. Missing: parts, nodes, sites, alarms")}]


def test_the_state_is_in_words_with_ages_by_our_clock():
    found = shown()
    assert found["text"] == "2 of 5 nodes need attention. First Basil: Water is on the floor."
    assert found["nodes"] == WHOLE["nodes"]
    [alarm] = found["alarms"]
    assert alarm["raised_unix_ms"] == 1_000_000 - 6_000
    assert (alarm["text"], alarm["level"], alarm["href"]) == (
        "Leak", "bad", "https://north.lan/nodes/n-1")
    lying = shown(level="ok")  # its worst node is bad
    assert lying["level"] == "bad"
    broken = shown(parts={"store": {"state": "no space"}, "failures": {"writer": "x"}}, worst=None)
    assert "store: no space" in broken["text"]
    assert [note["level"] for note in broken["notes"]] == ["bad", "ok"]
    with use_locale(Locale("it")):
        assert shown()["text"].startswith("2 nodi su 5")


@pytest.mark.parametrize("changes", [
    {"nodes": WHOLE["nodes"] | {"fine": -1}}, {"nodes": WHOLE["nodes"] | {"fine": 1e300}},
    {"level": "purple"}, {"unix_ms": 1 << 60}, {"alarms": {"count": 1}},
    {"sites": [{"site": "x" * 201, "level": "ok", "nodes": 1, "troubled": 0}]},
    {"parts": {"broker": "connected"}}, {"worst": WHOLE["worst"] | {"title": None}},
    *({"worst": WHOLE["worst"] | {"reason": reason}} for reason in (
        "leak", {"values": {}}, {"code": "x" * 101}, {"code": "leak", "values": [1]},
        {"code": "leak", "values": {"self": 1}}, {"code": "leak", "values": {"code": "x"}},
        {"code": "leak", "values": {"a": [1]}}, {"code": "leak", "values": {"a": 1 << 60}},
        {"code": "leak", "values": {"a": 0.5}}, {"code": "leak", "text": "x" * 301},
        {"code": "leak", "values": {str(number): 1 for number in range(21)}})),
])
def test_what_is_out_of_bounds_is_no_state(changes):
    with pytest.raises(UnreadableStatus):
        read_status(packed(**changes))


def test_a_reason_within_reasons_within_reasons_is_no_state():
    reason = {"code": "leak", "values": {}}
    for _ in range(400):
        reason = {"code": "dosing_locked", "values": {"why": reason}}
    with pytest.raises(UnreadableStatus, match="not a reason"):
        read_status(packed(worst=WHOLE["worst"] | {"reason": reason}))


@given(key=st.sampled_from(sorted(WHOLE)), value=_JSON)
def test_any_value_of_a_field_is_shown_or_refused(key, value):
    try:
        found = shown(**{key: value})
    except UnreadableStatus:
        return
    msgspec.convert({"hosts": [found]}, HostsOut)


@given(code=st.sampled_from(sorted(REASONS)), values=st.dictionaries(
    st.sampled_from(sorted(VALUES)),
    st.one_of(st.integers(-(1 << 31), 1 << 31), st.booleans(), st.text(max_size=12)), max_size=6))
def test_a_reason_with_any_values_has_words(code, values):
    reason = {"code": code, "values": values}
    try:
        status = read_status(packed(worst=WHOLE["worst"] | {"reason": reason}))
    except UnreadableStatus:
        return
    with use_locale(Locale("zh")):
        assert isinstance(reason_words(status.worst.reason), str)


def test_a_reason_of_a_newer_version_is_shown_in_its_own_words():
    assert reason_words({"code": "new", "values": {"a": 1}, "text": "Bees in the tank"}) == (
        "Bees in the tank")
    inner = {"code": "dosing_locked", "values": {"why": {"code": "new", "values": {}}},
             "text": "dosing is locked: bees"}
    assert reason_words(inner) == "dosing is locked: bees"


def test_what_is_sent_can_be_read():
    for reason in (None, Reason("leak"), Reason("database_down", detail="x" * 5_000),
                   Reason("database_down", detail="a\x07\u202eb\n"),
                   Reason("dosing_locked", why=Reason("latch_no_effect"))):
        sent = reason_to_send(reason)
        read = read_status(packed(worst=WHOLE["worst"] | {"reason": sent})).worst.reason
        assert read == sent
        if reason is not None and reason.code in ("leak", "dosing_locked"):
            assert reason_json(reason_from_json(read)) == reason_json(reason)
