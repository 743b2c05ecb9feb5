"""Tests of DNS packets: RFC 1035 examples, answers of real servers, and invalid bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.net import dns_resolver
from idrosim.shim.network import dns

NUMBER = b"\x12\x34"
HEAD = NUMBER + bytes.fromhex("8180 0001")
ASKED = b"\x06broker\x03lan\x00\x00\x01\x00\x01"


def record(kind, data, name=b"\xc0\x0c"):
    return name + bytes((0, kind, 0, 1, 0, 0, 0, 60, 0, len(data))) + data


def test_a_question_matches_the_standard():
    assert dns_resolver.query(NUMBER, "broker.lan") == (
        NUMBER + bytes.fromhex("0100 0001 0000 0000 0000") + ASKED
    )


@pytest.mark.parametrize("host", ["", "broker..lan", "a" * 64, ".".join(["abcdefgh"] * 60)])
def test_an_invalid_name_is_refused(host):
    with pytest.raises(ValueError, match="no host name"):
        dns_resolver.query(NUMBER, host)


def test_of_several_addresses_each_is_used_now_and_then():
    """Not every name server changes their order, and the first may be a broker that is down."""
    addresses = [bytes((10, 0, 0, last)) for last in (7, 8, 9)]
    data = b"\0\3\0\0\0\0" + ASKED + b"".join(record(1, one) for one in addresses)
    found = [dns_resolver.answer(number, number + HEAD[2:] + data)
             for number in (bytes((5, low)) for low in range(256))]
    for last in (7, 8, 9):
        assert found.count(f"10.0.0.{last}") in (85, 86)


def test_the_address_behind_an_alias_is_used():
    alias = record(5, b"\x01b\xc0\x13")
    data = HEAD + b"\0\2\0\0\0\0" + ASKED + alias + record(1, bytes((10, 0, 0, 7)))
    assert dns_resolver.answer(NUMBER, data) == "10.0.0.7"


def test_an_mdns_answer_without_the_question_is_accepted():
    data = NUMBER + bytes.fromhex("8400 0000 0001 0000 0000") + record(
        1, bytes((192, 168, 1, 4)), b"\x06broker\x05local\x00"
    ).replace(b"\x00\x01\x00\x01", b"\x00\x01\x80\x01")
    assert dns_resolver.answer(NUMBER, data) == "192.168.1.4"


@pytest.mark.parametrize("data", [
    NUMBER + bytes.fromhex("8183 0001 0000 0000 0000") + ASKED,  # NXDOMAIN
    HEAD + b"\0\1\0\0\0\0" + ASKED + record(28, bytes(16)),  # IPv6 only
])
def test_no_address_is_distinguished_from_no_answer(data):
    assert dns_resolver.answer(NUMBER, data) == ""


def test_other_answers_and_questions_are_ignored():
    good = HEAD + b"\0\1\0\0\0\0" + ASKED + record(1, bytes((10, 0, 0, 7)))
    assert dns_resolver.answer(b"\x12\x35", good) is None
    assert dns_resolver.answer(NUMBER, dns_resolver.query(NUMBER, "broker.lan")) is None
    for size in range(len(good)):
        assert dns_resolver.answer(NUMBER, good[:size]) is None


@given(st.binary(max_size=600))
def test_any_bytes_give_an_address_or_none(data):
    found = dns_resolver.answer(NUMBER, NUMBER + b"\x81\x80" + data)
    assert found in (None, "") or dns_resolver.is_address(found)


@given(st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z]{1,10}){0,3}", fullmatch=True))
def test_the_simulated_name_server_answers_the_question(host):
    data = dns.reply(dns_resolver.query(NUMBER, host), "192.168.4.1")
    assert dns_resolver.answer(NUMBER, data) == "192.168.4.1"


def test_an_address_needs_no_lookup():
    assert dns_resolver.is_address("10.0.0.255")
    assert not dns_resolver.is_address("broker.lan")
    assert not dns_resolver.is_address("10.0.0")
