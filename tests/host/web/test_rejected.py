"""Rejected messages with their errors, over the API and in the CLI."""

import json

from idro.protocol import topics
from support.command_line import idroserra


def counted(host):
    return host.client.get("/api/rejected").json()


def test_without_invalid_messages_nothing_is_rejected(host, node):
    assert counted(host) == {"rejected": [], "count": 0}
    shown = idroserra("rejected", url=host.url)
    assert (shown.returncode, shown.stdout) == (
        0, "No rejected messages retained; 0 in total.\n")


def test_messages_and_records_are_shown_with_the_error(host, node, eventually):
    node.publish_raw("telemetry", b"\xffnot of the contract")
    node.tell("sang", {"tune": "aria"})
    eventually(lambda: counted(host)["count"] == 2, 30, "both to be rejected")
    found = counted(host)["rejected"]
    assert {one["topic"] for one in found} == {
        topics.up("idro-a", "telemetry"), topics.up("idro-a", "event")}
    by_leaf = {one["topic"].rsplit("/", 1)[1]: one for one in found}
    assert by_leaf["telemetry"]["payload"] == "\\xffnot of the contract"
    assert by_leaf["telemetry"]["error"] == "telemetry: not UTF-8"
    assert "kind: 'sang' is not one of" in by_leaf["event"]["error"]
    assert json.loads(by_leaf["event"]["payload"])["records"][0]["detail"] == {"tune": "aria"}
    shown = idroserra("rejected", "--payload", url=host.url)
    assert shown.returncode == 0
    assert "2 of 2 shown." in shown.stdout
    assert "not UTF-8" in shown.stdout
    assert len(json.loads(idroserra("rejected", "--json", "--limit", "1",
                                    url=host.url).stdout)["rejected"]) == 1
    assert host.client.get("/api/rejected?limit=0").status_code == 422
