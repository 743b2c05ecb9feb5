"""The subscription of foreign readings at a real broker: its pause, and what is wrong with it."""

import pytest

from idroserra.core.config import MqttConfig, load_config
from idroserra.foreign.messages import MAX_PAYLOAD_BYTES
from idroserra.foreign.subscription import BURST, LOST_S, PAUSE_S, PER_S, Subscription


class Rig:
    """A subscription on a clock that the test moves, which starts at the broker at once."""

    def __init__(self, mosquitto, eventually):
        self.mosquitto, self.eventually = mosquitto, eventually
        self.now_s = 1_000.0
        self.subscription = Subscription(
            MqttConfig(url=f"mqtt://127.0.0.1:{mosquitto.port}", client_id="reader"),
            ["foreign/#"], lambda *_message: None, lambda: self.now_s)

    def start(self):
        self.subscription.start()
        self.eventually(lambda: self.subscription.state == "connected", 30, "the subscription")

    def wait(self, seconds):
        self.now_s += seconds
        self.subscription.step()

    def flood(self):
        for _ in range(int(BURST) + 1):
            self.subscription.receive("foreign/hub/x", b"1", retained=False)

    def logged(self, words):
        return self.mosquitto.log().count(words)


@pytest.fixture
def rig(mosquitto, eventually):
    made = Rig(mosquitto, eventually)
    yield made
    made.subscription.stop()


def test_a_subscription_that_is_lost_for_a_minute_is_a_problem(rig):
    rig.wait(LOST_S)
    assert rig.subscription.problem == ""
    rig.wait(1)
    assert rig.subscription.problem == "connecting"
    rig.start()
    rig.wait(1)
    assert rig.subscription.problem == ""
    rig.mosquitto.stop()
    rig.eventually(lambda: rig.subscription.state != "connected", 30, "the loss")
    rig.wait(LOST_S)
    assert rig.subscription.problem == ""
    rig.wait(1)
    assert rig.subscription.problem.startswith("connecting: ")
    rig.mosquitto.start()


def test_a_pause_after_a_flood_is_a_problem_at_once(rig):
    rig.start()
    rig.wait(1)
    rig.flood()
    assert rig.subscription.problem == "paused"
    rig.wait(PAUSE_S)
    assert rig.subscription.problem == ""


def test_a_flood_is_ended_at_the_broker_until_the_pause_is_over(rig):
    rig.start()
    rig.flood()
    rig.eventually(lambda: rig.logged("Received UNSUBSCRIBE from reader-foreign") == 1, 30,
                   "the end of the subscription")
    before = rig.logged("Received SUBSCRIBE from reader-foreign")
    rig.mosquitto.stop()
    rig.eventually(lambda: not rig.subscription._client.is_connected(), 30, "the loss")
    rig.mosquitto.start()
    rig.eventually(lambda: rig.subscription._client.is_connected(), 30, "the new connection")
    assert rig.subscription.state == "paused"
    rig.wait(PAUSE_S)
    rig.eventually(lambda: rig.subscription.state == "connected", 30, "the subscription")
    rig.subscription.stop()
    rig.eventually(lambda: rig.logged("Received DISCONNECT from reader-foreign") == 1, 30,
                   "all that it sent")
    assert rig.logged("Received SUBSCRIBE from reader-foreign") == before + 1


def test_a_flood_ends_the_subscription_for_a_while():
    now_s, taken = [1_000.0], []
    subscription = Subscription(load_config().mqtt, ["foreign/#"],
                                lambda *message: taken.append(message), lambda: now_s[0])
    for _ in range(20):  # a second of the highest rate, again and again
        for _ in range(int(PER_S)):
            subscription.receive("foreign/hub/x", b"1", retained=False)
        now_s[0] += 1
    assert (len(taken), subscription.dropped) == (20 * PER_S, 0)
    for _ in range(int(3 * BURST)):
        subscription.receive("foreign/hub/x", b"1", retained=False)
    assert subscription.state == "paused"
    assert len(taken) == 20 * PER_S + BURST
    assert subscription.dropped == 2 * BURST
    now_s[0] += PAUSE_S - 1
    subscription.step()
    assert subscription.state == "paused"
    now_s[0] += 1
    subscription.step()
    subscription.receive("foreign/hub/x", b"1", retained=False)
    assert len(taken) == 20 * PER_S + BURST + 1
    subscription.receive("foreign/hub/x", b"1" * (MAX_PAYLOAD_BYTES + 1), retained=False)
    assert len(taken) == 20 * PER_S + BURST + 1
