"""A release through a host to nodes over a real broker: bytes, waves, refusals, restarts."""

import pytest
from playwright.sync_api import expect
from typer.testing import CliRunner

from idroserra.auth.roles import Role
from idroserra.broker.local import Broker
from idroserra.cli.update import app
from idroserra.core.reasons import Reason
from idroserra.updates import release
from support.fake_updating_node import UpdatingNode
from support.pages import PHONE
from support.real_host import KEY, Host
from support.releases import make_signed
from support.wait import wait_until

PATH = "/api/updates"


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """(public key file, release) of one signer."""
    return make_signed(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def host(tmp_path, mosquitto, signed):
    running = open_host(tmp_path, mosquitto.port, signed)
    yield running
    running.stop()


def open_host(folder, port, signed):
    return Host(folder / "host", port, wait_until, more={"update": {
        "public_keys": [str(signed[0])], "watch_min": 0, "rest_after_dose_min": 0}})


def node_at(host, name, **more):
    host.service.nodes.adopt(name, KEY)
    node = UpdatingNode(name, host.broker_port, KEY)
    for key, value in more.items():
        setattr(node, key, value)
    host._nodes.append(node)
    node.announce()
    wait_until(lambda: name in {one["node"] for one in show(host)["nodes"]
                                if one["online"] and one["state"] != "unknown"},
               20, f"{name} to be known")
    return node


def show(host):
    return host.client.get(PATH).json()


def add(host, made):
    answer = host.client.post(f"{PATH}/releases", content=release.pack(made),
                              headers={"Content-Type": release.PACKED_TYPE})
    assert answer.status_code == 201, answer.text
    return answer.json()["release"]


def begin(host, made, **more):
    answer = host.client.post(f"{PATH}/rollouts", json={"release": add(host, made), **more})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def rollout(host, of):
    return next(one for one in show(host)["rollouts"] if one["id"] == of)


def ends(host, of, state):
    wait_until(lambda: rollout(host, of)["state"] != "running", 60, "the roll-out to end")
    found = rollout(host, of)
    assert found["state"] == state, found
    return {one["node"]: one for one in found["nodes"]}


def audited(host, action):
    return [one for one in host.client.get("/api/audit").json()["rows"]
            if one["action"] == action]


def test_a_release_reaches_a_fleet_canary_first(host, signed):
    nodes = [node_at(host, f"idro-{name}") for name in "ab"]
    made = signed[1]
    found = ends(host, begin(host, made, canary="idro-b"), "finished")
    assert {one["state"] for one in found.values()} == {"confirmed"}
    assert all(node.received == dict(made.content) for node in nodes)
    assert found["idro-b"]["state_unix_ms"] <= min(
        one["state_unix_ms"] for one in found.values())
    runs = {one["node"]: one for one in show(host)["nodes"]}
    assert runs["idro-a"]["release"] == made.sha256
    assert runs["idro-a"]["text"] == "Updated"
    assert len(audited(host, "update confirmed")) == 2
    notes = host.client.get("/api/journal", params={"node": "idro-a"}).json()["notes"]
    assert [one["text"] for one in notes] == ["Software 2.0 is active."]


def test_a_release_that_one_node_reverted_is_offered_to_no_other(host, signed, tab):
    node_at(host, "idro-a", fate="reverted")
    other = node_at(host, "idro-b")
    of = begin(host, signed[1])
    found = ends(host, of, "stopped")
    assert found["idro-a"]["state"] == "reverted"
    assert found["idro-b"]["state"] == "cancelled"
    assert other.offers == []
    wait_until(lambda: {"update_failed", "update_stopped"} <= {
        one["rule"] for alarm in host.client.get("/api/alarms").json()["alarms"]
        for one in (alarm, *alarm["consequences"])}, 20, "both alarms")
    watched = tab(PHONE, "dark", Role.ADMIN)
    page = watched.open("/updates")
    shown = page.locator("#updates")
    expect(shown).to_contain_text("Stopped automatically: 0 of 2 nodes updated")
    expect(shown).to_contain_text("Reason: idro-a reverted to the previous version: memory is low")
    expect(shown).to_contain_text("Reverted to the previous version")
    watched.check()
    page.get_by_role("button", name="Dismiss").click()
    expect(shown).to_contain_text("Cancelled", timeout=60_000)
    wait_until(lambda: not [one for one in host.client.get("/api/alarms").json()["alarms"]
                            if one["is_active"]], 20, "the alarms to be over")
    assert rollout(host, of)["reason"]["code"] == "node_reverted_by"


def test_a_file_that_is_changed_on_the_disk_of_the_host_stops_the_roll_out(host, signed):
    node = node_at(host, "idro-a")
    host.service.updates.releases.add(release.pack(signed[1]))
    path = "idro/app/part_c.mpy"
    kept = host.service.config.data_dir / "releases" / signed[1].sha256 / path
    kept.write_bytes(b"?" + kept.read_bytes()[1:])
    of = begin(host, signed[1])
    assert ends(host, of, "stopped")["idro-a"]["state"] == "cancelled"
    reason = rollout(host, of)["reason"]
    assert reason["code"] == "release_damaged"
    assert "part_c.mpy: changed since the release was added" in reason["text"]
    assert path not in node.received


def test_a_node_is_asked_again_after_a_break_and_asks_on_where_it_was(tmp_path, mosquitto, signed):
    host = open_host(tmp_path, mosquitto.port, signed)
    try:
        node = node_at(host, "idro-a", stops_after=10)
        of = begin(host, signed[1])
        wait_until(lambda: node.asks == 10, 30, "the download to break off")
    finally:
        host.stop()
    host = open_host(tmp_path, mosquitto.port, signed)
    try:
        node = node_at(host, "idro-a")
        assert rollout(host, of)["nodes"][0]["state"] == "downloading"
        assert rollout(host, of)["nodes"][0]["percent"] > 0
        node._take(update_offer(signed[1]))  # as a node that kept the offer over its break
        assert ends(host, of, "finished")["idro-a"]["state"] == "confirmed"
    finally:
        host.stop()


def update_offer(made):
    from idro.protocol.update_messages import Offer
    return Offer(made.sha256, len(made.text), made.signature, made.key_id, "2.0")


def test_a_broker_that_goes_away_half_way_loses_nothing(tmp_path, signed):
    broker = Broker(tmp_path / "broker", "mosquitto")
    broker.start()
    host = open_host(tmp_path, broker.port, signed)
    try:
        node = node_at(host, "idro-a")
        of = begin(host, signed[1])
        wait_until(lambda: node.asks > 8, 30, "some asks")
        broker.stop()
        broker.start()
        found = ends(host, of, "finished")
        assert found["idro-a"]["state"] == "confirmed"
        assert node.received == dict(signed[1].content)
    finally:
        host.stop()
        broker.stop()


def test_a_refusal_is_reported_and_retried_later(host, signed):
    node_at(host, "idro-a", refusal=Reason("water_unsteady"))
    of = begin(host, signed[1])
    wait_until(lambda: (rollout(host, of)["nodes"][0]["reason"] or {}).get("code")
               == "water_unsteady", 30, "the refusal")
    assert rollout(host, of)["nodes"][0]["state"] == "waiting"
    ended = host.client.post(f"{PATH}/rollouts/{of}/cancel", json={})
    assert ended.json()["state"] == "cancelled"


def test_a_cancel_reaches_the_node(host, signed):
    node = node_at(host, "idro-a", stops_after=5)
    of = begin(host, signed[1])
    wait_until(lambda: node.asks == 5, 30, "the download")
    host.client.post(f"{PATH}/rollouts/{of}/cancel", json={})
    assert node.cancelled.wait(120)


def test_a_node_that_waits_with_the_whole_release_is_cancelled_too(host, signed):
    node = node_at(host, "idro-a", fate="waits")
    of = begin(host, signed[1])
    wait_until(lambda: rollout(host, of)["nodes"][0]["state"] == "downloaded", 30, "the release")
    host.client.post(f"{PATH}/rollouts/{of}/cancel", json={})
    assert node.cancelled.wait(20)
    wait_until(lambda: rollout(host, of)["nodes"][0]["state"] == "cancelled", 20, "its answer")
    assert rollout(host, of)["nodes"][0]["reason"]["code"] == "cancelled"


def test_a_node_that_was_forgotten_keeps_no_roll_out_going(host, signed):
    node = node_at(host, "idro-a", stops_after=5)
    of = begin(host, signed[1])
    wait_until(lambda: node.asks == 5, 30, "the download")
    assert host.client.request("DELETE", "/api/nodes/idro-a", json={}).status_code == 200
    ended = host.client.post(f"{PATH}/rollouts/{of}/cancel", json={})
    assert (ended.status_code, ended.json()["state"]) == (200, "cancelled")


def test_a_node_that_was_forgotten_and_still_runs_gets_no_offer(host, signed):
    first, other = (node_at(host, f"idro-{name}", fate="trial") for name in "ab")
    of = begin(host, signed[1], canary="idro-a")
    wait_until(lambda: first.running.state == "trial", 30, "the trial of the canary")
    assert host.client.request("DELETE", "/api/nodes/idro-b", json={}).status_code == 200
    other.announce()
    peek = host.service.nodes.peek
    wait_until(lambda: peek("idro-b") is not None and peek("idro-b").online, 20, "its report")
    first.running = first.running._replace(state="ok")
    first.say_what_runs()
    wait_until(lambda: (rollout(host, of)["waits"] or {}).get("text", "").startswith("idro-b"),
               30, "the roll-out to wait for it")
    assert rollout(host, of)["waits"]["values"]["why"]["code"] == "not_adopted"
    assert not [one for one in audited(host, "update offered") if one["target"] == "idro-b"]


def test_what_does_not_fit_is_said_before_anything_is_offered(host, signed):
    node = node_at(host, "idro-a")
    node.running = node.running._replace(security_counter=7)
    node.say_what_runs()
    wait_until(lambda: show(host)["nodes"][0]["security_counter"] == 7, 20, "the counter")
    answer = host.client.post(f"{PATH}/rollouts", json={"release": add(host, signed[1])})
    assert answer.status_code == 409
    assert answer.json()["code"] == "not_offered"
    assert "its security counter is" in answer.json()["error"]
    assert host.client.post(f"{PATH}/rollouts", json={"release": "0" * 64}).status_code == 404


def test_only_what_is_signed_is_taken(host, signed):
    packed = bytearray(release.pack(signed[1]))
    packed[len(packed) // 2] ^= 1
    answer = host.client.post(f"{PATH}/releases", content=bytes(packed),
                              headers={"Content-Type": release.PACKED_TYPE})
    assert answer.status_code == 422
    assert show(host)["releases"] == []


def test_a_node_gets_only_what_it_was_offered_and_not_more_than_its_share(host, signed):
    node = node_at(host, "idro-a", stops_after=0)
    other = node_at(host, "idro-b", stops_after=0)
    begin(host, signed[1], nodes=["idro-a"])
    wait_until(lambda: node.offers, 30, "the offer")
    other.stops_after = 1
    other._take(update_offer(signed[1]))
    assert other._pieces.empty()
    from idro.protocol import topics, update_messages
    for number in range(400):
        node._client.publish(topics.up("idro-a", "update"), update_messages.pack_chunk_request(
            update_messages.ChunkRequest(signed[1].sha256, number, "manifest", 0, 768)))
    wait_until(lambda: host.service.updates.dropped("idro-a") > 100, 30, "asks beyond the share")
    assert node._pieces.qsize() < 300


def test_a_roll_out_is_begun_on_the_page_by_who_may(host, signed, tab, tmp_path):
    nodes = [node_at(host, f"idro-{name}") for name in "abc"]
    add(host, signed[1])
    looking = tab(PHONE, "light", Role.OPERATOR).open("/updates")
    expect(looking.locator("#updates")).to_contain_text("2.0")
    expect(looking.get_by_role("button", name="Roll out…")).to_have_count(0)
    watched = tab(PHONE, "light", Role.ADMIN)
    page = watched.open("/updates")
    page.get_by_role("button", name="Roll out…").click()
    dialog = page.get_by_role("dialog", name="Version 2.0 for esp32/esp32-reservoir")
    watched.check()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert show(host)["rollouts"] == []

    page.get_by_role("button", name="Roll out…").click()
    for name in "abc":
        dialog.get_by_role("checkbox", name=f"idro-{name}").uncheck()
    expect(dialog.get_by_role("button", name="Roll out")).to_be_disabled()
    dialog.get_by_role("checkbox", name="idro-a").check()
    dialog.get_by_role("checkbox", name="idro-b").check()
    dialog.get_by_role("combobox").select_option("idro-b")
    dialog.get_by_role("checkbox", name="idro-b").uncheck()
    expect(dialog.get_by_role("combobox")).to_have_value("")
    dialog.get_by_role("checkbox", name="idro-b").check()
    dialog.get_by_role("combobox").select_option("idro-b")
    dialog.get_by_role("button", name="Roll out").click()
    expect(dialog).to_be_hidden()
    wait_until(lambda: show(host)["rollouts"], 20, "the roll-out")
    [begun] = show(host)["rollouts"]
    assert [one["node"] for one in begun["nodes"]] == ["idro-b", "idro-a"]
    ends(host, begun["id"], "finished")
    assert nodes[2].offers == []
    assert begun["by"] == audited(host, "begin roll-out")[0]["who"]
    expect(page.locator("#updates")).to_contain_text("2 of 2 nodes updated", timeout=60_000)


def test_a_new_rendering_leaves_the_focus_where_it_is(host, signed, tab):
    node_at(host, "idro-a")
    add(host, signed[1])
    page = tab(PHONE, "light", Role.ADMIN).open("/updates")
    button = page.get_by_role("button", name="Roll out…")
    button.focus()
    node_at(host, "idro-b")
    expect(page.locator("[data-runs=idro-b]")).to_be_visible()
    expect(button).to_have_attribute("data-nodes", "idro-a idro-b")
    expect(button).to_be_focused()


def test_what_the_host_refuses_is_said_in_the_dialog(host, signed, tab):
    node_at(host, "idro-a")
    found = add(host, signed[1])
    page = tab(PHONE, "light", Role.ADMIN).open("/updates")
    page.get_by_role("button", name="Roll out…").click()
    gone = host.client.request("DELETE", f"{PATH}/releases/{found}", json={})
    assert gone.status_code == 200
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Roll out").click()
    expect(dialog.get_by_role("status")).to_contain_text("the host has no")
    expect(dialog).to_be_visible()


def test_releases_are_listed_and_removed_by_command(host, signed):
    node_at(host, "idro-a")
    runner = CliRunner()

    def said(*words):
        done = runner.invoke(app.app, [*words, "--url", host.url])
        return done.exit_code, done.output

    assert said("list")[1].startswith("none: ")
    found = add(host, signed[1])
    code, text = said("list")
    assert code == 0
    assert found[:12] in text
    assert "idro-a" in text
    assert runner.invoke(app.app, ["remove", found[:5], "--url", host.url]).exception
    done = runner.invoke(app.app, ["remove", found[:8], "--url", host.url], input="n\n")
    assert "not removed" in done.output
    assert [one["release"] for one in show(host)["releases"]] == [found]
    assert said("remove", found[:8], "--yes") == (
        0, "removed: version 2.0 for esp32/esp32-reservoir\n")
    assert show(host)["releases"] == []


def test_an_admin_adds_a_release_from_its_folder_and_sees_what_changes(
    host, signed, tab, tmp_path
):
    node_at(host, "idro-a")
    folder = tmp_path / "release"
    release.write(signed[1], folder)
    page = tab(role=Role.ADMIN).open("/updates")
    page.locator("#upload [name=folder]").set_input_files(folder)
    page.locator("#upload [type=submit]").click()
    expect(page.locator("#upload .outcome")).to_have_attribute("data-state", "done")
    page.locator("[data-begin]").click()
    expect(page.locator("#begin .picks")).to_contain_text("idro-a")
    expect(page.locator("#begin .picks")).to_contain_text("→ 2.0")
    page.keyboard.press("Escape")
    (folder / "signature").write_bytes(b"x" * 384)
    page.locator("#upload [name=folder]").set_input_files(folder)
    page.locator("#upload [type=submit]").click()
    expect(page.locator("#upload .outcome")).to_have_attribute("data-state", "failed")
    assert [one["release"] for one in show(host)["releases"]] == [signed[1].sha256]
