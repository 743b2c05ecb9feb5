"""MicroPython binaries are validated, and NVS is not written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idroserra.flash import micropython_bin
from idroserra.flash.errors import FlashError
from support.flash_rig import NVS_ADDRESS, NVS_BYTES, micropython_bytes


@pytest.mark.parametrize(
    ("chip", "base"), [("esp32", 0x1000), ("esp32s2", 0x1000), ("esp32s3", 0)])
def test_parts_are_all_of_it_but_nvs(binary_file, chip, base):
    path = binary_file(chip)
    found = micropython_bin.read_binary(path, chip)
    data = path.read_bytes()
    rebuilt = bytearray(b"\xff" * len(data))
    for address, content in found.parts:
        rebuilt[address - base:address - base + len(content)] = content
        assert address + len(content) <= NVS_ADDRESS or address >= NVS_ADDRESS + NVS_BYTES
        assert address % 4_096 == 0
    assert bytes(rebuilt) == data
    assert found.size_bytes == len(data) - NVS_BYTES
    assert found.flash_bytes == 4 * 1_048_576


def test_a_binary_that_brings_nvs_keeps_it(binary_file):
    path = binary_file()
    data = bytearray(path.read_bytes())
    data[NVS_ADDRESS - 0x1000] = 0
    path.write_bytes(data)
    assert micropython_bin.read_binary(path, "esp32").parts == ((0x1000, bytes(data)),)


def test_a_binary_of_another_chip_is_named(binary_file):
    with pytest.raises(FlashError, match="is for esp32s2, the board file says esp32s3"):
        micropython_bin.read_binary(binary_file("esp32s2"), "esp32s3")


@pytest.mark.parametrize("data", [b"", b"UF2\nWQ]\x9e" * 9_000, b"\x7fELF" * 9_000])
def test_what_is_no_binary_says_which_file_to_take(tmp_path, data):
    path = tmp_path / "wrong"
    path.write_bytes(data)
    with pytest.raises(FlashError, match=r"not a MicroPython binary.*\n.*not \.uf2, \.elf"):
        micropython_bin.read_binary(path, "esp32")


def test_an_application_alone_has_no_partition_table(tmp_path):
    path = tmp_path / "app"
    path.write_bytes(micropython_bytes()[:16] + bytes(100_000))
    with pytest.raises(FlashError, match=r"no partition table.*\n.*\.app-bin"):
        micropython_bin.read_binary(path, "esp32")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FlashError, match="none.bin: cannot be read"):
        micropython_bin.read_binary(tmp_path / "none.bin", "esp32")


@given(
    st.binary(max_size=400), st.integers(0, 3_000), st.sampled_from(sorted(micropython_bin.CHIPS))
)
def test_no_bytes_break_it(tmp_path_factory, noise, at, chip):
    data = bytearray(micropython_bytes(chip, app_bytes=10))
    start = 0x8000 - micropython_bin.CHIPS[chip][0] + at
    data[start:start + len(noise)] = noise
    path = tmp_path_factory.getbasetemp() / "fuzzed.bin"
    path.write_bytes(data)
    try:
        found = micropython_bin.read_binary(path, chip)
    except FlashError:
        return
    base = micropython_bin.CHIPS[chip][0]
    assert all(bytes(data[a - base:a - base + len(c)]) == c for a, c in found.parts)
