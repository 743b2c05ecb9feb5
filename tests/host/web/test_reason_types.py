"""A value of a reason that is not of its type costs nothing but the event of its node."""

import json

import pytest

from idro.protocol.messages import Batch, EventRecord
from idro.protocol.reasons import REASONS, VALUES
from idroserra.core import protocol
from idroserra.core.reasons import reason_from_json
from idroserra.ingest import quota
from support.paho_node import BOOT_ID, now_unix_ms
from support.real_host import standing_host
from support.wait import wait_until

GOOD, BAD = "idro-good", "idro-bad"
IS_TEXT = ("name", "kind", "channel", "fault", "setting", "text")
WRONG = (7, True, None, ["reservoir.ph"], {"code": "mixing", "values": {}}, "x" * 1_000, "text")
CHANGING = ("last_seen_unix_ms", "state", "dosing", "channels", "history_progress")
AT_ONCE = 8  # events in a message
PAGES = ("/", "/alarms", "/updates", f"/nodes/{GOOD}", f"/nodes/{BAD}", f"/nodes/{BAD}/log")


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quota, "BURST_BYTES", 2**40)  # all is to be read here
        with standing_host(tmp_path_factory.mktemp("host")) as running:
            yield running


def reasons(wrong):
    """Yield each reason with one value that is wrong."""
    for code, row in REASONS.items():
        for name in row.values:
            if wrong == "text" and VALUES[name] in IS_TEXT:
                continue  # it is right
            yield {"code": code, "values": {name: wrong}}


def details(wrong):
    """Yield (kind, detail) of events with each such reason, nested too, and other wrong values."""
    for number, reason in enumerate(reasons(wrong)):
        loop = ("ph", "ec", f"loop{number}")[number % 3]
        yield "decided", {"loop": loop, "reason": reason}
        yield "decided", {"loop": loop, "reason": {
            "code": "ec_low_blocked", "values": {"why": reason}}}
    for kind in ("latched", "refused", "restarted", "fault_began", "correction", "dosed"):
        for code in ("channel_fault", "reading_above", "advice", "no_reading"):
            yield kind, {"reason": {"code": code, "values": {"channel": wrong}}}
        yield kind, {"actuator": wrong, "channel": wrong, "fault": wrong, "volume_ul": wrong}


def stable(view):
    return {key: value for key, value in view.items() if key not in CHANGING} | {
        "code": view["state"]["code"], "dosing": view["dosing"]["state"],
        "values": {key: one["value"] for key, one in view["channels"].items()}}


def views(host):
    answer = host.client.get("/api/nodes")
    assert answer.status_code == 200, answer.text
    return {one["node"]: one for one in answer.json()["nodes"]}


@pytest.fixture(scope="module")
def nodes(host):
    good, bad = host.node(GOOD), host.node(BAD)
    for node in (good, bad):
        node.read()
        host.settle(node.node, 1)
    return good, bad


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: repr(wrong)[:20])
def test_events_of_one_node_with_wrong_values_cost_no_page(host, nodes, wrong):
    _good, bad = nodes
    before = stable(views(host)[GOOD])
    sent = list(details(wrong))
    for begin in range(0, len(sent), AT_ONCE):
        numbered = [{"seq": next(bad._seqs), "at_ms": bad.at_ms, "kind": kind, "detail": detail}
                    for kind, detail in sent[begin:begin + AT_ONCE]]
        bad.publish_raw("event", json.dumps({
            "v": 1, "boot_id": BOOT_ID, "boot_unix_ms": bad._boot_unix_ms,
            "sent_at_ms": bad.at_ms, "oldest_seq": 1, "records": numbered}).encode())
    last = bad.read()
    wait_until(lambda: bad.stored_upto.get(BOOT_ID, 0) >= last, 20, "all to be stored")
    assert stable(views(host)[GOOD]) == before
    for page in PAGES:
        assert host.client.get(page).status_code == 200, page
    counts = host.counts()
    assert counts["failures"] == {}
    assert counts["nodes"][GOOD]["rejected"] == 0


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: repr(wrong)[:20])
def test_what_an_earlier_version_has_stored_costs_no_page(host, nodes, wrong):
    now_us = now_unix_ms() * 1_000
    before = stable(views(host)[GOOD])
    for number, (kind, detail) in enumerate(details(wrong)):
        host.service.latest_events.take(BAD, now_us + number, kind, detail)
        if number % 100 == 0:
            views(host)
    assert stable(views(host)[GOOD]) == before
    for page in PAGES:
        assert host.client.get(page).status_code == 200, page


@pytest.mark.parametrize("value", [7, True, {"code": "mixing", "values": {}}])
def test_a_message_with_a_wrong_value_is_refused(value):
    for name in (one for one, unit in VALUES.items() if unit in IS_TEXT):
        detail = {"reason": {"code": "channel_fault", "values": {name: value}}}
        with pytest.raises(protocol.ProtocolError, match=f"{name}: .* not plausible"):
            protocol.unpack_event(protocol.messages_host.pack_event(
                Batch("b1", None, 9_000, 1, [EventRecord(1, 1_000, "decided", detail)])))


def test_values_of_newer_firmware_are_kept():
    values = {"newer": 7, "name_of_newer": "x", "why_newer": {"code": "newest", "values": {}}}
    detail = {"reason": {"code": "of_newer_firmware", "values": values}}
    payload = protocol.messages_host.pack_event(
        Batch("b1", None, 9_000, 1, [EventRecord(1, 1_000, "decided", detail)]))
    found = protocol.unpack_event(payload).records[0].detail
    assert found == detail
    assert reason_from_json(found["reason"]).as_json() == detail["reason"]
