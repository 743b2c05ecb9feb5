"""Validation of provisioning values: names, passwords, brokers, and arbitrary text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from idroserra.core import protocol
from idroserra.core.errors import ConfigError
from idroserra.provisioning import key_file, validation


def asked(check, *words):
    """Return (what a check made of a text, ""), or (None, why it refused)."""
    try:
        return check(*words), ""
    except (ConfigError, ValueError) as error:
        return None, str(error)


@pytest.mark.parametrize(("text", "host", "port"), [
    ("192.168.1.20", "192.168.1.20", 1_883), ("10.0.0.1:8883", "10.0.0.1", 8_883),
    ("169.254.3.4", "169.254.3.4", 1_883), ("Serra.local", "serra.local", 1_883),
    ("serra.lan:1884", "serra.lan", 1_884), ("serra", "serra", 1_883),
    ("serra.home.arpa", "serra.home.arpa", 1_883),
])
def test_a_broker_of_the_site(text, host, port):
    broker = validation.broker(text)
    assert (broker.host, broker.port, broker.note) == (host, port, "")


@pytest.mark.parametrize("text", ["8.8.8.8", "broker.example.org:1883", "172.32.0.1",
                                  "100.64.0.1"])
def test_a_broker_beyond_it_is_only_for_who_says_so(text):
    with pytest.raises(ConfigError, match="without encryption.*--allow-public-broker"):
        validation.broker(text)
    assert "WITHOUT encryption" in validation.broker(text, may_be_public=True).note


@pytest.mark.parametrize("text", [
    "", ":1883", "serra:", "serra:0", "serra:65536", "serra:１８８３", "a b", "-serra",
    "[::1]:1883", "fe80::1", "999.1.1.1", "1.2.3", "0.0.0.0", "user@serra", "serra/x", "x" * 200,
    ".".join(["x" * 60] * 3) + ".lan",
])
def test_what_is_no_broker_is_refused_whatever_is_allowed(text):
    with pytest.raises(ConfigError, match="--broker"):
        validation.broker(text, may_be_public=True)


def test_the_board_itself_is_only_for_a_simulated_one():
    assert "is the board itself" in validation.broker("127.0.0.1:1883").note


@given(st.text(max_size=70))
@example("é" * 16)
@example("é" * 17)
@example("'; import os #")
@example("\ud800")
def test_any_text_is_a_wifi_or_refused(text):
    data, _ = asked(validation.ssid, text)
    if data is not None:
        assert data.decode() == text
        assert 1 <= len(data) <= 32
        assert min(data) >= 0x20


@given(st.text(min_size=1, max_size=70))
@example("x" * 7)
@example("x" * 63)
@example("x" * 64)
@example("0f" * 32)
@example("secret\n")
def test_any_text_is_a_password_or_refused_without_being_repeated(text):
    for check in (validation.wifi_password, validation.broker_password):
        data, why = asked(check, text)
        if data is None:
            assert len(text) < 8 or text not in why
        else:
            assert data.decode() == text
            assert len(data) <= validation.MOST_BYTES


@given(st.integers())
@example(2)
@example(20)
@example(21)
def test_any_power_is_one_of_the_radio_or_refused(power_dbm):
    found, why = asked(validation.tx_power_dbm, power_dbm)
    assert (found == power_dbm) is (2 <= power_dbm <= 20)
    assert found is not None or "--tx-power-dbm" in why


@given(st.text(max_size=4))
@example("it")
@example("ıt")
@example("ß")
def test_any_text_is_a_country_or_refused(text):
    code, why = asked(validation.country, text)
    is_code = len(text) == 2 and text.isascii() and text.isalpha()
    assert code == (text.upper().encode() if is_code else None)
    assert is_code or "--country" in why


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_refused(text):
    name, why = asked(validation.node_id, text)
    assert protocol.is_node_id(text) is (name == text)
    assert name == text or "--node-id" in why


@given(st.binary(min_size=6, max_size=6))
def test_every_chip_has_a_name_to_propose(mac):
    assert protocol.is_node_id(validation.proposed_id(mac))


@given(st.text(max_size=200))
@example('{"node": "idro-a", "key": 5}')
@example('{"node": ["idro-a"], "key": "00"}')
@example("[]")
@example("null")
def test_any_text_is_a_key_or_refused_without_being_repeated(text):
    key, why = asked(key_file.parse, text, "idro-a")
    assert len(key) == 32 if key is not None else len(text) < 12 or text not in why


def test_a_key_file_is_never_replaced(tmp_path):
    path = tmp_path / "a.key"
    key_file.write(path, "idro-a", bytes(32))
    with pytest.raises(ConfigError, match="File exists"):
        key_file.write(path, "idro-a", bytes(32))
    assert key_file.read(path, "idro-a") == bytes(32)
    with pytest.raises(ConfigError, match="is that of idro-a, not of idro-b"):
        key_file.read(path, "idro-b")
