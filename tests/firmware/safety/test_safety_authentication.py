"""Tests of edge cases of signatures and of the list of seen command ids."""

import hashlib
import hmac
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.safety.authentication import CommandIdLog, hmac_sha256_hex, is_authentic
from support.micropython_program import micropython

KEY = bytes(range(32))
ROOT = Path(__file__).resolve().parents[3]


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("size", [1, 63, 64, 65, 200])
def test_a_key_of_any_size_signs_as_in_the_standard(size):
    key = bytes(255 - index % 7 for index in range(size))
    assert hmac_sha256_hex(key, b"dose") == mac(key, b"dose")


def test_only_the_exact_signature_is_authentic():
    good = mac(KEY, b"dose")
    assert is_authentic(KEY, b"dose", good) is True
    for index in range(64):
        other = "0" if good[index] != "0" else "1"
        assert is_authentic(KEY, b"dose", good[:index] + other + good[index + 1 :]) is False


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_a_message_in_parts_is_signed_as_a_whole(pieces):
    assert hmac_sha256_hex(KEY, pieces) == mac(KEY, b"".join(pieces))
    assert is_authentic(KEY, pieces, mac(KEY, b"".join(pieces))) is True
    assert is_authentic(KEY, [*pieces, b"x"], mac(KEY, b"".join(pieces))) is False


@pytest.mark.parametrize("auth", [None, 5, b"x" * 64, "", "0" * 63, "0" * 65])
def test_a_malformed_signature_is_not_authentic(auth):
    assert is_authentic(KEY, b"dose", auth) is False
    assert is_authentic(KEY, b"dose", mac(KEY, b"dose") + "0") is False


def test_without_a_key_nothing_is_authentic():
    assert is_authentic(None, b"dose", mac(b"", b"dose")) is False


def test_the_last_320_ids_are_read_back(tmp_path):
    path = tmp_path / "ids"
    path.write_text("".join(f"c{index}\n" for index in range(420)))
    seen = CommandIdLog(str(path))
    assert [seen.has(f"c{index}") for index in (99, 100, 419)] == [False, True, True]


def test_after_400_ids_the_file_is_cut_to_320(tmp_path):
    path = tmp_path / "ids"
    seen = CommandIdLog(str(path))
    for index in range(400):
        seen.add(f"c{index}")
    assert path.read_text().split() == [f"c{index}" for index in range(400)]
    assert seen.has("c0")
    seen.add("c400")
    assert path.read_text() == "".join(f"c{index}\n" for index in range(81, 401))
    assert [seen.has(f"c{index}") for index in (80, 81, 400)] == [False, True, True]
    seen.add("c401")
    assert path.read_text().split()[-2:] == ["c400", "c401"]


def test_an_unreadable_file_has_no_ids(tmp_path):
    path = tmp_path / "ids"
    path.write_bytes(b"\xff\xfe\x00 no text\n")
    seen = CommandIdLog(str(path))
    assert not seen.has("no text")
    seen.add("c1")
    assert seen.has("c1")


def test_an_id_that_cannot_be_written_is_not_seen(tmp_path):
    seen = CommandIdLog(str(tmp_path / "missing" / "ids"))
    with pytest.raises(OSError, match="missing"):
        seen.add("c1")
    assert not seen.has("c1")


def test_the_ids_of_a_thousand_commands_use_little_heap(tmp_path):
    done = subprocess.run(
        [micropython(), ROOT / "tests" / "support" / "seen_ids_heap.py", tmp_path],
        capture_output=True, text=True, timeout=600, check=False,
        env={"MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    printed = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert int(printed.pop("held kB")) <= 4
    assert printed == {"kept": "[True, True]", "lines": "352", "read back": "[True, True, False]"}


def test_no_command_runs_twice_within_its_life_however_fast_they_come(tmp_path):
    """A node takes 10 at once and 5 a second, and a command lives for 60 s at most."""
    log = CommandIdLog(str(tmp_path / "ids"))
    ids = [f"{number:024x}" for number in range(1_000)]
    for number, command_id in enumerate(ids):
        assert not log.has(command_id)
        log.add(command_id)
        assert all(map(log.has, ids[max(0, number - 310) : number + 1]))
        if number % 100 == 99:
            log = CommandIdLog(str(tmp_path / "ids"))
            assert all(map(log.has, ids[max(0, number - 310) : number + 1]))
