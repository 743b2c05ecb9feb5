"""Keys of nodes through the API and `idroserra node`: adopted, replaced, forgotten, audited."""

import hashlib
import json

from idroserra.broker import tls_files
from idroserra.broker.local import free_port
from support.command_line import idroserra
from support.real_host import KEY

NEW_KEY = b"n" * 32
PATH = "/api/nodes/idro-a/key"


def fingerprint(key):
    return hashlib.sha256(key).hexdigest()


def put(host, key, node="idro-a"):
    return host.client.put(f"/api/nodes/{node}/key", json={"key": key.hex()})


def send_stop(host, eventually):
    """Ask the node to stop and return how that ended."""
    path = host.client.post("/api/nodes/idro-a/commands",
                            json={"verb": "stop", "ttl_ms": 1_000}).json()["id"]
    eventually(lambda: state(host, path)["state"] != "pending", 20, "the end of the command")
    return state(host, path)["state"]


def state(host, command_id):
    return host.client.get(f"/api/commands/{command_id}").json()


def test_an_unknown_node_is_listed_adopted_commanded_and_forgotten(host, eventually):
    host.node("idro-a", adopt=False)
    assert host.client.get(PATH).json() == {
        "node": "idro-a", "fingerprints": [], "was_heard": True, "board": "esp32-reservoir"}
    listed = idroserra("node", "list", url=host.url).stdout
    assert "idro-a (esp32-reservoir): not adopted" in listed
    assert "idroserra node adopt idro-a --key-file FILE" in listed
    refused = idroserra("node", "stop", "idro-a", url=host.url)
    assert refused.returncode == 1
    assert ("stop refused: the node is not adopted: `idroserra provision` with its board"
            in refused.stderr)

    adopted = idroserra("node", "adopt", "idro-a", "--key-file", "-", url=host.url,
                        typed=KEY.hex())
    assert (adopted.returncode, adopted.stderr) == (0, "")
    assert f"idro-a: adopted by the host at {host.url}, key {fingerprint(KEY)[:8]}" in (
        adopted.stdout)
    assert send_stop(host, eventually) == "done"
    assert "not adopted" not in idroserra("node", "list", url=host.url).stdout

    data_dir = host.config.data_dir
    tls_files.init(data_dir, ["localhost"], node_port=free_port(), host_port=free_port())
    tls_files.BrokerCertificates(data_dir).issue("idro-a")
    reserved = put(host, KEY, "homeassistant")
    assert (reserved.status_code, "not host or homeassistant" in reserved.text) == (422, True)
    forgotten = idroserra("node", "forget", "idro-a", "--yes", url=host.url)
    assert (forgotten.returncode, "certificate is revoked" in forgotten.stdout) == (0, True)
    assert (
        tls_files.BrokerCertificates(data_dir).nodes,
        len(tls_files.BrokerCertificates(data_dir).revoked),
    ) == ([], 1)
    assert host.client.get("/api/nodes/idro-a").status_code == 404
    assert host.client.get("/api/nodes").json() == {"nodes": []}
    rows = [(row.action, row.target, row.result) for row in host.service.access.audit.newest(20)]
    for row in (("adopt node", "idro-a", "done"), ("forget node", "idro-a", "done")):
        assert row in rows
    assert KEY.hex() not in json.dumps([row.detail for row in
                                        host.service.access.audit.newest(100)])


def test_a_newer_key_waits_beside_the_one_the_node_answers_to(host, eventually):
    host.node("idro-a")
    assert put(host, NEW_KEY).json()["fingerprints"] == [fingerprint(KEY), fingerprint(NEW_KEY)]
    assert send_stop(host, eventually) == "done"
    eventually(lambda: host.client.get(PATH).json()["fingerprints"] == [fingerprint(KEY)], 20,
               "the key of the answer is the node's")
    eventually(lambda: "key in use" in [row.action for row in
                                        host.service.access.audit.newest(20)], 20, "its row")


def test_what_the_board_has_is_settled_by_its_fingerprint(host):
    put(host, KEY)
    put(host, NEW_KEY)
    settled = host.client.post(f"{PATH}/settle", json={"fingerprint": fingerprint(NEW_KEY)})
    assert settled.json()["fingerprints"] == [fingerprint(NEW_KEY)]
    other = host.client.post(f"{PATH}/settle", json={"fingerprint": fingerprint(KEY)})
    assert other.status_code == 409
    assert "idro-a: the board's key differs from the host's" in other.json()["error"]


def test_nonsense_is_refused_and_never_repeated(host):
    assert put(host, b"short").status_code == 422
    assert put(host, KEY, node="HOST").json()["error"].startswith("node: 3 to 32 of a-z")
    assert host.client.delete("/api/nodes/idro-none", headers={
        "Content-Type": "application/json"}).status_code == 404
    wrong = idroserra("node", "adopt", "idro-a", "--key-file", "-", url=host.url,
                      typed="5ecret")
    assert wrong.returncode == 2
    assert "5ecret" not in wrong.stderr
