"""Tests of live mode: wall clock, real sockets and a real broker."""

import json

import paho.mqtt.client as mqtt
import pytest

from idroserra.boards import compiler
from idroserra.image import build
from idroserra.mqtt.paho_client import stop_client
from idrosim.runner import process
from support.simulated_board import START_UNIX_MS, make_job


@pytest.fixture
def power():
    """power(job) starts a node; all are stopped at the end."""
    nodes = []

    def start(job, **more):
        node = process.LiveNode(job, **more)
        nodes.append(node)
        node.start()
        return node

    yield start
    for node in nodes:
        node.stop()


def test_timers_and_resets_are_on_time(tmp_path, power, eventually):
    lines = []
    node = power(make_job(tmp_path, """
        import asyncio
        import esp32
        import machine

        async def main():
            nvs = esp32.NVS("test")
            try:
                boots = nvs.get_i32("boots")
            except OSError:
                boots = 0
            nvs.set_i32("boots", boots + 1)
            nvs.commit()
            print("boot", boots, machine.reset_cause())
            if boots == 0:
                machine.reset()
            pin = machine.Pin(25, machine.Pin.OUT, value=1)
            timer = machine.Timer(0)
            timer.init(mode=timer.ONE_SHOT, period=300, callback=lambda t: pin.value(0))
            dog = machine.WDT(timeout=2000)
            for _ in range(5 if boots == 1 else 1_000_000):
                await asyncio.sleep_ms(100)
                dog.feed()
            await asyncio.sleep(60)

        asyncio.run(main())
        """, mode="live", duration_ms=0), on_line=lines.append)
    eventually(lambda: len(node.console) == 3, 30, "two resets")
    assert node.console == ["boot 0 1", "boot 1 2", "boot 2 3"]
    assert node.resets == ["reset", "wdt"]
    on, off = [line for line in lines if line["t"] == "pin"][:2]
    assert (on["level"], off["level"]) == (1, 0)
    assert 300_000 <= off["at_us"] - on["at_us"] < 20_000_000
    node.stop()
    assert not node.is_alive
    assert node.error is None


def test_a_board_that_dies_reports_the_cause(tmp_path, power, eventually):
    node = power(make_job(tmp_path, "raise ValueError('spilt')", mode="live", duration_ms=0))
    eventually(lambda: node.error, 30, "the board's death")
    assert "ValueError: spilt" in str(node.error)


def test_sent_records_are_counted_independently(tmp_path, power, eventually, mosquitto):
    seen = set()

    def on_message(client, userdata, message):
        batch = json.loads(message.payload)
        seen.update((batch["boot_id"], record["seq"]) for record in batch["records"])

    def on_connect(client, *rest):
        client.subscribe([("idro/v1/+/up/telemetry", 1), ("idro/v1/+/up/event", 1)])

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_message, client.on_connect = on_message, on_connect
    client.reconnect_delay_set(0.1, 0.2)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    job = process.make_job(
        "node-1", compiler.load("esp32-reservoir"), tmp_path / "node", mode="live",
        start_unix_ms=START_UNIX_MS, nvs={"broker_port": mosquitto.port},
    )
    build.build_image("esp32-reservoir", tmp_path / "image")
    process.install_image(job, tmp_path / "image")
    node = power(job)

    def count():
        return sum(count for _, count in node.sent().values())

    eventually(lambda: len(seen) >= 6, 60, "the first records")
    mosquitto.restart()
    before = count()
    eventually(lambda: count() > before, 120, "records after the broker's return")
    eventually(lambda: len(seen) == count(), 60, "every record that was sent")
    node.stop()
    eventually(lambda: len(seen) == count(), 60, "what it sent until its end")
    assert {boot_id for boot_id, _ in seen} == set(node.sent())
    assert max(seq for _, seq in seen) == next(iter(node.sent().values()))[0]
    stop_client(client)


def test_without_micropython_the_error_has_installation_advice(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(process.SimulatorError, match=r"pip install 'idroserra\[sim\]'"):
        process.find_micropython()
