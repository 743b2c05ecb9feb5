"""Tests of which resets count as crashes, three of which in a day latch dosing."""

import pytest

from idro.protocol import messages_host, topics
from idroserra.boards import compiler
from idroserra.image import build
from idrosim.runner import process
from support.simulated_board import KEY, START_UNIX_MS

NODE = "node-1"
MINUTE_MS = 60_000
BOOT_MS = 400
# A person, or `idroserra provision`, resets the board, stops boot.py and resets it again.
PROVISION = [(0, "console", {}), (BOOT_MS + 1_000, "break", {"for_ms": 2_000})]
OPENED = [(0, "console", {})]
STOPPED = [(0, "break", {"for_ms": 2_000})]
LEFT_AT_PROMPT = [(0, "break", {"for_ms": 30_000})]  # the watchdog resets the board
POWER_CUT = [(0, "power_cut", {"for_ms": 1_000})]
HANG = [(0, "hang", {"for_ms": 20_000})]
PANIC = [(0, "panic", {})]
BROWN_OUT = [(0, "brown_out", {"for_ms": 1_000})]
# The task that feeds the watchdog fails: main() saves the error, waits 30 s and resets.
ERROR = [(0, "task_fails", {"error": "RuntimeError", "coroutine": "'run'"})]


@pytest.fixture(scope="module")
def image_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    build.build_image("esp32s3-ezo", folder)
    return folder


def run(folder, image_dir, what, times=3):
    """Return (causes of the resets, reasons of the latches) of `what`, every five minutes."""
    timeline = [
        {"at_ms": number * 5 * MINUTE_MS + later_ms, "fault": fault, "args": args}
        for number in range(1, times + 1) for later_ms, fault, args in what]
    job = process.make_job(
        NODE, compiler.load("esp32s3-ezo"), folder, key=KEY, start_unix_ms=START_UNIX_MS,
        duration_ms=(times + 1) * 5 * MINUTE_MS, timeline=timeline)
    process.install_image(job, image_dir)
    latches = []

    def take(line):
        if line["t"] == "up" and topics.parse(line["topic"])[2] == "event":
            for event in messages_host.unpack_event(line["payload"].encode()).records:
                if event.kind == "latched":
                    latches.append(event.detail["reason"]["code"])

    return process.run_lockstep(job, take).resets, latches


@pytest.mark.parametrize(("what", "resets"), [
    (PROVISION, ["console", "reset"]), (OPENED, ["console"]), (STOPPED, ["reset"]),
    (LEFT_AT_PROMPT, ["wdt"]), (POWER_CUT, ["power"]),
])
def test_what_a_person_does_never_latches(tmp_path, image_dir, what, resets):
    assert run(tmp_path, image_dir, what, times=4) == (resets * 4, [])


@pytest.mark.parametrize(("what", "reset"), [
    (HANG, "wdt"), (PANIC, "panic"), (BROWN_OUT, "brown_out"), (ERROR, "reset"),
])
def test_three_crashes_in_a_day_latch(tmp_path, image_dir, what, reset):
    assert run(tmp_path, image_dir, what, times=2) == ([reset] * 2, [])
    assert run(tmp_path / "again", image_dir, what) == ([reset] * 3, ["latch_resets"])


def test_a_person_does_not_hide_crashes(tmp_path, image_dir):
    resets, latches = run(tmp_path, image_dir, [*PROVISION, *[
        (at_ms + 2 * MINUTE_MS, fault, args) for at_ms, fault, args in PANIC]])
    assert resets == ["console", "reset", "panic"] * 3
    assert latches == ["latch_resets"]
