"""Values reach the NVS as they are, and power may go between any two writes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idroserra.flash.errors import ConnectionLost, FlashError
from idroserra.provisioning.nvs import NodeNvs
from support.nvs_rig import Prompt, fill_up, values

FIRST = {
    "node_id": b"idro-one", "wifi_ssid": b"greenhouse", "wifi_pass": b"first-secret",
    "broker_host": b"192.168.1.5", "broker_port": 1_883, "key": bytes(range(32)),
}
SECOND = {
    "node_id": b"idro-two", "wifi_ssid": b"greenhouse 2", "wifi_pass": b"second-secret",
    "broker_host": b"serra.lan", "broker_port": 1_884, "broker_pass": b"third-secret",
    "key": bytes(32),
}


@pytest.fixture
def power_up(tmp_path):
    """power_up(...): the board, with what its NVS held before."""
    prompts = []

    def up(**faults):
        prompts.append(Prompt(tmp_path, **faults))
        return prompts[-1]

    yield up
    for prompt in prompts:
        prompt.close()


def test_what_is_written_is_what_the_firmware_reads(power_up):
    prompt = power_up()
    nvs = NodeNvs(prompt)
    nvs.write(FIRST)
    assert values(prompt.file) == FIRST
    stored = nvs.read()
    assert (stored.node_id, stored.text("broker_host")) == ("idro-one", "192.168.1.5")
    assert all(stored.has(name, value) for name, value in FIRST.items())
    assert not stored.has("wifi_pass", b"another")
    assert "wifi_pass" not in stored.plain
    nvs.write({"node_id": b"idro-one", "wifi_pass": None, "broker_port": 1_885})
    assert values(prompt.file) == {**{k: v for k, v in FIRST.items() if k != "wifi_pass"},
                                   "broker_port": 1_885}


def test_what_comes_over_usb_ends_the_trial_of_a_certificate(power_up):
    prompt = power_up()
    nvs = NodeNvs(prompt)
    nvs.write(FIRST)
    prompt.execute("_n.set_i32('tls_tries',3);_n.set_blob('tls_next',b'0')", "a trial began")
    assert values(prompt.file) == FIRST | {"tls_tries": 3, "tls_next": b"0"}
    nvs.write(FIRST)
    assert values(prompt.file) == FIRST


def cut_after(power_up, writes):
    """Return what lies there after the power went at a write; None once all were done."""
    prompt = power_up(writes_left=writes)
    try:
        NodeNvs(prompt).write(SECOND)
    except ConnectionLost:
        return values(prompt.file)
    return None


@pytest.mark.parametrize("before", [{}, FIRST])
def test_half_of_it_is_never_a_node(power_up, before):
    prompt = power_up()
    if before:
        NodeNvs(prompt).write(before)
    untouched = prompt.file.read_bytes()
    for writes in range(100):
        prompt.file.write_bytes(untouched)
        left = cut_after(power_up, writes)
        if left is None:
            break
        assert left.get("node_id") in (None, before.get("node_id"), SECOND["node_id"])
        if left.get("node_id") is not None:
            whole = before if left["node_id"] == before.get("node_id") else SECOND
            assert left == whole
        again = power_up()
        NodeNvs(again).write(SECOND)
        assert values(again.file) == SECOND
    assert writes == (7 if not before else 13)


def test_erased_is_gone_from_the_flash_too(power_up):
    prompt = power_up()
    nvs = NodeNvs(prompt)
    nvs.write(FIRST)
    nvs.write(SECOND)
    prompt.execute("_n.set_i32('earned_s',259200)", "it ran")
    nvs.erase()
    data = prompt.file.read_bytes()
    assert data.strip(b"\xff") == b""


def test_a_power_cut_while_erasing_leaves_no_node(power_up):
    prompt = power_up()
    NodeNvs(prompt).write(FIRST)
    untouched = prompt.file.read_bytes()
    for writes in range(1, 100):
        prompt.file.write_bytes(untouched)
        prompt = power_up(writes_left=writes)
        try:
            NodeNvs(prompt).erase()
        except ConnectionLost:
            assert "node_id" not in values(prompt.file)
            continue
        break
    assert writes > 6


def test_a_full_nvs_is_reported_and_leaves_no_node(power_up):
    prompt = power_up()
    fill_up(prompt.file, 50)
    with pytest.raises(FlashError, match=r"NVS is full: wifi_pass did not fit\n.*--erase"):
        NodeNvs(prompt).write(FIRST)
    assert "node_id" not in values(prompt.file)


def test_a_readback_mismatch_is_reported_and_leaves_no_node(power_up):
    prompt = power_up(corrupts="key")
    with pytest.raises(FlashError, match="key did not read back as sent") as error:
        NodeNvs(prompt).write(FIRST)
    assert FIRST["key"].hex() not in str(error.value)
    assert "node_id" not in values(prompt.file)


def test_a_chip_that_is_not_an_esp32_is_reported(power_up):
    with pytest.raises(FlashError, match="not an ESP32: its MicroPython is for linux"):
        NodeNvs(power_up(has_esp32=False))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=128) | st.sampled_from([
    b"'", b'"', b"\\", b"'))\nimport machine;machine.reset()#", b'"""', b"\x04", b"\x03\x01",
    "sérra 🌱".encode(), b"{}", b"%s", b"\r\n"]))
def test_no_value_becomes_code(board, value):
    nvs, prompt = board
    nvs.write({"node_id": b"idro-one", "wifi_ssid": value, "wifi_pass": value})
    found = values(prompt.file)
    assert (found["wifi_ssid"], found["wifi_pass"]) == (value, value)


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    prompt = Prompt(tmp_path_factory.mktemp("board"))
    yield NodeNvs(prompt), prompt
    prompt.close()
