"""Tests of the simulated network, broker and host, with raw MQTT bytes."""

import hashlib
import hmac
import json

import pytest

from support.simulated_board import KEY, START_UNIX_MS, run

CLIENT = """
    import asyncio
    import json
    import time

    def text(value):
        return bytes((0, len(value))) + value

    def packet(first, body):
        size = len(body)
        head = bytes((size,)) if size < 128 else bytes((size & 127 | 128, size >> 7))
        return bytes((first,)) + head + body

    def connect():
        return packet(0x10, text(b"MQTT") + b"\\x04\\x06\\x00\\x1e" + text(b"node-1")
                      + text(b"idro/v1/node-1/up/status") + text(b"offline"))

    def subscribe(*leaves):
        body = b"\\x00\\x01"
        for leaf in leaves:
            body += text(b"idro/v1/node-1/down/" + leaf) + b"\\x01"
        return packet(0x82, body)

    def publish(leaf, obj):
        return packet(0x32, text(b"idro/v1/node-1/up/" + leaf) + b"\\x00\\x07"
                      + json.dumps(obj).encode())

    def batch(*seqs):
        records = [{"seq": seq, "at_ms": seq * 1000, "values": {}, "faults": {}} for seq in seqs]
        return {"v": 1, "boot_id": "b1", "boot_unix_ms": None, "sent_at_ms": 1,
                "oldest_seq": seqs[0], "records": records}

    async def receive(reader):
        first = (await reader.readexactly(1))[0]
        size = shift = 0
        while True:
            digit = (await reader.readexactly(1))[0]
            size |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                break
        body = await reader.readexactly(size)
        print("%d %02x %s" % (time.ticks_ms(), first, body.hex()))

    async def listen(reader):
        try:
            while True:
                await receive(reader)
        except (OSError, EOFError) as error:
            print(time.ticks_ms(), repr(error))
"""


def test_records_are_stored_and_commands_signed(tmp_path):
    outcome = run(tmp_path, CLIENT + """
    async def main():
        reader, writer = await asyncio.open_connection("127.0.0.1", 1883)
        for data in (connect(), subscribe(b"+"),
                     publish(b"info", {"boot_id": "b1", "at_ms": time.ticks_ms()}),
                     publish(b"telemetry", batch(1, 2)), publish(b"event", batch(4))):
            writer.write(data)
            await writer.drain()
        await listen(reader)

    asyncio.run(main())
    """, settings={"ph.target": 6.1}, duration_ms=20_000, timeline=[
        {"at_ms": 10_000, "command": {"verb": "stop", "args": {}, "by": "ada"}},
    ])
    packets = [line.split(" ") for line in outcome.console]
    assert [(int(at), first) for at, first, _ in packets] == [
        (60, "20"), (60, "90"), (60, "33"), (60, "40"), (60, "40"), (60, "30"), (60, "40"),
        (60, "30"), (9_640, "32"),
    ]
    messages = {}
    for _, first, body in packets:
        if first in ("30", "32", "33"):
            raw = bytes.fromhex(body)
            topic = raw[2 : 2 + raw[1]].decode()
            begin = 2 + raw[1] + (2 if first != "30" else 0)
            messages.setdefault(topic.split("/")[-1], []).append(raw[begin:])
    # 3 is missing: oldest_seq 4 means that it will never arrive.
    answers = [check_signed("stored", data) for data in messages["stored"]]
    assert [(one["boot_id"], one["seq_upto"]) for one in answers] == [("b1", 2), ("b1", 4)]
    assert {(one["unix_ms"], one["sent_at_ms"]) for one in answers} == {(START_UNIX_MS + 420, 1)}
    config = check_signed("config", messages["config"][0])
    assert (config["rev"], config["values"]) == (1, {"ph.target": 6.1})
    command = check_signed("command", messages["command"][0])
    assert (command["verb"], command["boot_id"], command["by"]) == ("stop", "b1", "ada")
    assert command["not_after_at_ms"] == 10_000 - 400 + 30_000
    ups = [(line["at_ms"], line["topic"].split("/")[-1]) for line in outcome.of("up")]
    assert ups == [(420, "info"), (420, "telemetry"), (420, "event")]
    assert json.loads(outcome.of("up")[1]["payload"])["records"][1]["seq"] == 2


def check_signed(leaf, data):
    """Check the signature with hmac of CPython; return the message."""
    body, _, tail = data.decode().rpartition(',"auth":"')
    covered = f"idro/v1/node-1/down/{leaf}\n{body}".encode()
    assert tail == hmac.new(bytes.fromhex(KEY), covered, hashlib.sha256).hexdigest() + '"}'
    return json.loads(data)


def test_a_lost_network_is_silent_and_a_lost_broker_resets(tmp_path):
    outcome = run(tmp_path, CLIENT + """
    import network

    async def session(seconds):
        reader, writer = await asyncio.open_connection("broker.lan", 1883)
        writer.write(connect())
        await writer.drain()
        task = asyncio.create_task(listen(reader))
        for _ in range(seconds):
            await asyncio.sleep(1)
            try:
                writer.write(packet(0xC0, b""))
            except OSError as error:
                print(time.ticks_ms(), "write", error.errno)
                break
        task.cancel()
        writer.close()

    async def main():
        wlan = network.WLAN(network.STA_IF)
        wlan.active(True)
        wlan.connect("greenhouse", "secret")
        while not wlan.isconnected():
            await asyncio.sleep_ms(100)
        print(time.ticks_ms(), wlan.ifconfig()[0], wlan.status("rssi") < 0)
        await session(20)
        print(wlan.isconnected())
        while True:
            try:
                await session(20)
            except OSError as error:
                print(time.ticks_ms(), "connect", error.errno)
            await asyncio.sleep(1)

    asyncio.run(main())
    """, duration_ms=32_000, timeline=[
        {"at_ms": 5_000, "network": "down"}, {"at_ms": 12_000, "network": "up"},
        {"at_ms": 20_000, "network": "broker_down"}, {"at_ms": 25_000, "network": "up"},
    ])
    lines = outcome.console
    assert lines[0] == "1800 192.168.4.20 True"
    pings = [int(line.split()[0]) for line in lines if line.endswith("d0 ")]
    # No event between the loss of the network and the first reset afterwards.
    assert not [at for at in pings if 4_700 < at < 11_600]
    resets = [int(line.split()[0]) for line in lines if "104" in line]
    assert 11_600 <= resets[0] <= 12_700
    assert [at for at in resets if 19_600 <= at < 24_600]
    assert max(pings) > 25_000
    wills = [line for line in outcome.of("up") if line["payload"] == "offline"]
    assert [line["at_ms"] for line in wills[:1]] == [5_000]


def test_invalid_mqtt_closes_the_connection(tmp_path):
    outcome = run(tmp_path, CLIENT + """
    async def main():
        reader, writer = await asyncio.open_connection("127.0.0.1", 1883)
        writer.write(b"GET / HTTP/1.1\\r\\n\\r\\n" + bytes(80))
        await writer.drain()
        await listen(reader)
        await asyncio.sleep(60)

    asyncio.run(main())
    """, duration_ms=5_000)
    assert outcome.of("broker")[0]["error"] == "first packet is not CONNECT"
    assert "104" in outcome.console[-1]


PROBE = """
    async def attempt(payload):
        reader, writer = await asyncio.open_connection("127.0.0.1", 1883)
        begun = time.ticks_ms()
        try:
            writer.write(payload)
            await writer.drain()
            data = await asyncio.wait_for(reader.read(16), 20)
            print("read", data, time.ticks_ms() - begun)
            data = await asyncio.wait_for(reader.read(512), 20)
            print("then", data[:4], time.ticks_ms() - begun)
        except asyncio.TimeoutError:
            print("silent")
        except OSError as error:
            print("errno", error.errno)
        writer.close()

    async def main():
        await asyncio.sleep(2)
        await attempt(connect())
        await asyncio.sleep(600)

    asyncio.run(main())
    """


@pytest.mark.parametrize(("network", "args", "said"), [
    ("up", {}, ["read b' \\x02\\x00\\x00' 40", "silent"]),
    ("half_open", {}, ["silent"]),
    ("captive", {}, ["read b'HTTP/1.1 302 Fou' 40", "then b'nd\\r\\n' 40"]),
    ("refused", {}, ["read b' \\x02\\x00\\x05' 40", "then b'' 40"]),
    ("dns_dead", {}, ["read b' \\x02\\x00\\x00' 40", "silent"]),
    ("slow", {"delay_ms": 1_000}, ["read b' \\x02\\x00\\x00' 2000", "silent"]),
    ("slow", {"bytes_per_s": 10}, ["read b' \\x02\\x00\\x00' 5940", "silent"]),
    ("slow", {"delay_ms": 10, "loss": 0.9}, ["silent"]),
    ("broker_down", {}, ["errno 104"]),
])
def test_each_network_state_has_its_effect(tmp_path, network, args, said):
    outcome = run(tmp_path, CLIENT + PROBE, duration_ms=60_000, timeline=[
        {"at_ms": 500, "network": network, "args": args},
    ])
    assert outcome.console[: len(said)] == said


def test_a_doubling_broker_sends_twice_with_dup(tmp_path):
    outcome = run(tmp_path, CLIENT + """
    async def main():
        reader, writer = await asyncio.open_connection("127.0.0.1", 1883)
        for data in (connect(), subscribe(b"+")):
            writer.write(data)
            await writer.drain()
        await listen(reader)

    asyncio.run(main())
    """, duration_ms=5_000, settings={"ph.target": 6.1}, timeline=[
        {"at_ms": 0, "network": "duplicate"},
    ])
    published = [line.split(" ")[1:] for line in outcome.console if " 3" in line[:12]]
    assert [first for first, _ in published] == ["33", "3b"]
    assert published[0][1] == published[1][1]


RADIO = """
    import network
    import time
    wlan = network.WLAN(network.WLAN.IF_STA)
    def join():
        try:
            wlan.connect("greenhouse", "secret")
            return "ok"
        except OSError as error:
            return str(error)
    wlan.active(True)
    print(join())
    for _ in range(8):
        time.sleep(2)
        print(wlan.isconnected(), wlan.status())
    wlan.disconnect()
    print(join())
    wlan.active(False)
    wlan.active(True)
    print(join())
    time.sleep(2)
    print(wlan.isconnected())
    time.sleep(600)
    """


def test_power_and_country_are_checked_as_by_the_port(tmp_path):
    outcome = run(tmp_path, """
        import network
        import time
        wlan = network.WLAN(network.WLAN.IF_STA)
        def attempt(call):
            try:
                call()
            except (OSError, RuntimeError, ValueError) as error:
                print(type(error).__name__, error)
        print(network.country())
        network.country("IT")
        attempt(lambda: network.country("ITA"))
        print(network.country())
        attempt(lambda: wlan.config(txpower=8))
        wlan.active(True)
        print(wlan.config("txpower"))
        wlan.config(txpower=8.3)
        attempt(lambda: wlan.config(txpower=1.9))
        attempt(lambda: wlan.config(txpower=22))
        attempt(lambda: wlan.config(power=8))
        print(wlan.config("txpower"))
        time.sleep(600)
        """, duration_ms=5_000)
    assert outcome.console == [
        "XX", "ValueError ", "IT", "OSError Wifi Not Started", "20.0",
        "RuntimeError Wifi Unknown Error 0x0102", "RuntimeError Wifi Unknown Error 0x0102",
        "ValueError unknown config param", "8.25"]


@pytest.mark.parametrize(("network", "args", "states", "joins"), [
    ("down", {"unnoticed_ms": 6_000}, [1_010] * 5 + [201] * 3, ["ok", "ok", "False"]),
    ("wifi_refused", {"status": 203}, [1_010] * 2 + [203] * 6, ["ok", "ok", "False"]),
    ("wifi_stuck", {}, [1_010] * 2 + [201] * 6, ["Wifi Internal Error", "ok", "True"]),
])
def test_the_radio_behaves_like_the_real_driver(tmp_path, network, args, states, joins):
    outcome = run(tmp_path, RADIO, duration_ms=40_000, timeline=[
        {"at_ms": 5_000, "network": network, "args": args},
    ])
    lines = outcome.console
    assert [int(line.split()[1]) for line in lines[1:9]] == states
    assert [line.split()[0] for line in lines[1:9]] == [str(s == 1_010) for s in states]
    assert lines[9:12] == joins


def test_a_lossy_link_keeps_order_and_a_full_buffer_waits(tmp_path):
    outcome = run(tmp_path, CLIENT + """
    async def main():
        reader, writer = await asyncio.open_connection("127.0.0.1", 1883)
        writer.write(connect())
        for number in range(1, 60):
            writer.write(publish(b"telemetry", batch(number)))
        await writer.drain()
        print(time.ticks_ms())
        await asyncio.sleep(600)

    asyncio.run(main())
    """, duration_ms=600_000, timeline=[
        {"at_ms": 0, "network": "slow", "args": {"bytes_per_s": 1_000, "loss": 0.3}},
        {"at_ms": 300_000, "network": "up"},
    ])
    seqs = [json.loads(line["payload"])["records"][0]["seq"] for line in outcome.of("up")]
    assert seqs == list(range(1, 60))
    assert int(outcome.console[0]) > 3_000
