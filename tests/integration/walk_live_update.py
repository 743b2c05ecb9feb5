"""`make walk-update`: a release from `idroserra update` to a simulated node over real mosquitto.

The firmware downloads, tries and confirms it. The trial takes five minutes of real time.
"""

import json
import subprocess
import sys
import time

import pytest

from idroserra.boards import compiler
from idroserra.broker.local import Broker
from idroserra.image import build
from idroserra.updates import signing
from idrosim.runner import process
from support.real_host import KEY, Host
from support.wait import wait_until

BOARD, NODE = "esp32-reservoir", "idro-live"


class UpdateStack:
    """A host with a release key, a broker, and one live node that trusts the key."""

    def __init__(self, folder):
        self.folder = folder
        self.key = folder / "release"
        public = signing.make(self.key, folder / "release.pub", None)
        self.broker = Broker(folder / "broker", "mosquitto")
        self.broker.start()
        self.host = Host(folder / "host", self.broker.port, wait_until, more={"update": {
            "public_keys": [str(folder / "release.pub")], "watch_min": 0,
            "rest_after_dose_min": 0}})
        self.host.service.nodes.adopt(NODE, KEY)
        self.host.service.commands.set_config(NODE, {"sample.every_ms": 5_000}, "test")
        build.build_image(BOARD, folder / "image")
        job = process.make_job(
            NODE, compiler.load(BOARD), folder / NODE, mode="live", seed=1, key=KEY.hex(),
            start_unix_ms=time.time_ns() // 1_000_000,
            nvs={"broker_port": self.broker.port, "update_key": public.modulus.hex()})
        process.install_image(job, folder / "image")
        self.node = process.LiveNode(job)
        self.node.start()

    def update(self, *words):
        """Return the output of `idroserra update`."""
        done = subprocess.run([sys.executable, "-m", "idroserra.cli", "update", *map(str, words)],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def show(self):
        return json.loads(self.update("status", "--url", self.host.url, "--json"))

    def stop(self):
        self.node.stop()
        self.host.stop()
        self.broker.stop()


@pytest.fixture
def stack(tmp_path):
    running = UpdateStack(tmp_path)
    yield running
    running.stop()


def test_a_live_node_downloads_tries_and_confirms_a_release(stack):
    stack.update("build", BOARD, "--key", stack.key, "--out", stack.folder / "r",
                 "--version", "9.9.0")
    wait_until(lambda: (nodes := stack.host.service.nodes.all()) and nodes[0].online
               and nodes[0].info is not None and nodes[0].info.update.kernel == 1, 60, "the node")
    started = json.loads(stack.update("offer", stack.folder / "r", "--url", stack.host.url,
                                      "--yes", "--json"))
    states = []

    def ended():
        [rollout] = stack.show()["rollouts"]
        node = rollout["nodes"][0]
        state = node["state"], node["percent"], rollout["waits"], rollout["reason"]
        if state not in states:
            states.append(state)
            print(*state, flush=True)
        return rollout["state"] != "running"

    wait_until(ended, 200, "the roll-out ends")
    [rollout] = stack.show()["rollouts"]
    assert rollout["id"] == started["id"]
    assert rollout["state"] == "finished", (rollout, stack.node.console[-20:])
    assert rollout["nodes"][0]["state"] == "confirmed"
    [runs] = stack.show()["nodes"]
    assert (runs["version"], runs["slot"], runs["state"]) == ("9.9.0", "a", "ok")
    assert runs["release"] == rollout["release"]
    assert stack.node.resets, "the release was never started"
    now = time.time_ns() // 1_000_000
    answer = stack.host.client.get(f"/api/nodes/{NODE}/events", params={
        "from_unix_ms": now - 3_600_000, "to_unix_ms": now + 60_000, "limit": 200}).json()
    kinds = {event["kind"] for event in answer["events"]}
    assert {"update_offered", "update_downloaded", "update_trial", "update_confirmed"} <= kinds
