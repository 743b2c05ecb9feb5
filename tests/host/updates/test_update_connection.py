"""On which connection the pieces of an update are sent, over a real broker."""

import re

from idroserra.updates import release
from support.fake_updating_node import UpdatingNode
from support.real_host import Host
from support.releases import make_signed


def test_no_piece_of_an_update_is_on_the_connection_of_a_stop(tmp_path, mosquitto, eventually):
    key, made = make_signed(tmp_path)
    host = Host(tmp_path / "host", mosquitto.port, eventually, more={"update": {
        "public_keys": [str(key)], "watch_min": 0, "rest_after_dose_min": 0}})
    try:
        node = host.node("idro-a", kind=UpdatingNode)
        added = host.client.post(
            "/api/updates/releases", content=release.pack(made),
            headers={"Content-Type": release.PACKED_TYPE}).json()["release"]
        host.client.post("/api/updates/rollouts", json={"release": added}).raise_for_status()
        eventually(lambda: node.received == dict(made.content), 60, "the files at the node")
        host.service.commands.send("idro-a", "stop", {}, "tests")
        stops, pieces = (re.compile(
            rf"Received PUBLISH from (\S+) \(d0, q(\d), r0, m\d+, 'idro/v1/idro-a/down/{leaf}'")
            for leaf in ("command", "update_data"))
        eventually(lambda: stops.search(mosquitto.log()), 20, "the stop at the broker")
        stop, *_ = stops.findall(mosquitto.log())
        sent = pieces.findall(mosquitto.log())
        assert len(sent) >= 15
        assert {qos for _, qos in sent} == {"0"}
        assert stop[1] == "0"
        assert stop[0] not in {client for client, _ in sent}
    finally:
        host.stop()
