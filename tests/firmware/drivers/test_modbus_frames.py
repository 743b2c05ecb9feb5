"""Whatever a line delivers: registers come only from the one right answer."""

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idro.drivers.shared import modbus_rtu as rtu
from idro.errors import SensorError
from idro.protocol.faults import FAULTS
from idrosim.devices.shared.modbus_line import crc_of

asked = st.builds(
    rtu.request, st.integers(1, 247), st.sampled_from([3, 4]), st.integers(0, 0xFFFF),
    st.integers(1, 125))


def answer_of(request, data):
    body = request[:2] + bytes((len(data),)) + data
    return body + crc_of(body)


def registers_or_none(request, answer):
    try:
        return rtu.registers("probe", request, answer)
    except SensorError as error:
        fault = error.fault
    assert fault in FAULTS
    return None


@st.composite
def exchanges(draw):
    """Draw a request and its right answer."""
    request = draw(asked)
    count = 2 * request[5]
    return request, answer_of(request, draw(st.binary(min_size=count, max_size=count)))


@given(exchanges())
def test_the_right_answer_gives_its_registers(exchange):
    request, answer = exchange
    assert registers_or_none(request, answer) == answer[3:-2]
    assert struct.unpack(">BBHH", request[:6])[:2] == (answer[0], answer[1])
    assert crc_of(request[:6]) == request[6:]


@settings(max_examples=500)
@given(exchanges(), st.data())
def test_flipped_bits_never_give_registers(exchange, data):
    request, answer = exchange
    bits = 8 * len(answer)
    if data.draw(st.booleans(), "burst"):
        first = data.draw(st.integers(0, bits - 16))
        inner = data.draw(st.integers(0, 0x3FFF)) << 1 | 0x8001
        flips = inner << first
    else:
        flips = sum(1 << bit for bit in data.draw(
            st.sets(st.integers(0, bits - 1), min_size=1, max_size=3)))
    damaged = (int.from_bytes(answer, "little") ^ flips).to_bytes(len(answer), "little")
    assert registers_or_none(request, damaged) is None


@given(exchanges(), st.data())
def test_cut_doubled_and_joined_answers_never_give_registers(exchange, data):
    request, answer = exchange
    cut = answer[:data.draw(st.integers(0, len(answer) - 1))]
    for received in (cut, answer + answer, cut + answer, answer + cut):
        assert received == answer or registers_or_none(request, received) is None


@given(exchanges(), exchanges())
def test_an_answer_to_another_request_gives_registers_only_if_it_looks_the_same(one, other):
    request, (_, answer) = one[0], other
    same = answer[:2] == request[:2] and answer[2] == 2 * request[5]
    assert (registers_or_none(request, answer) is not None) == same


@settings(max_examples=500)
@given(asked, st.binary(max_size=260))
@example(rtu.request(1, 3, 0, 1), b"")
def test_anything_else_is_a_fault(request, received):
    found = registers_or_none(request, received)
    assert found is None or received == answer_of(request, found)


@pytest.mark.parametrize("code", range(256))
def test_an_exception_is_a_fault_with_its_code(code):
    request = rtu.request(9, 4, 7, 2)
    body = bytes((9, 0x84, code))
    with pytest.raises(SensorError) as refused:
        rtu.registers("probe", request, body + crc_of(body))
    assert refused.value.fault == ("timeout" if code in (5, 6) else "mismatch")
    assert str(code) in refused.value.detail
