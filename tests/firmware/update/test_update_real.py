"""Tests of updates of a real image on the simulated board: accepted, confirmed, reverted."""

import os
import random

import pytest

from idro.protocol.reason import Reason
from idro.protocol.release_layout import KERNEL
from idroserra.image import build
from support import releases, update_bench
from support.update_bench import compiled, source_of

MINUTE_MS = 60_000
OFFER_AT_MS = 2 * MINUTE_MS
ALL = os.environ.get("IDROSERRA_UPDATE_PAIRS") == "all"
TAKEN = ["update_offered", "update_downloaded", "update_trial", "update_confirmed"]
NODE = "idro/app/node"


@pytest.fixture(scope="module")
def image_dir(tmp_path_factory):
    """Return the folder of the image to flash."""
    folder = tmp_path_factory.mktemp("image")
    build.build_image(update_bench.BOARD, folder)
    return folder


def release(image_dir, *, module=None, add="", replace=None, **more):
    """Return a release of the image with one module changed."""
    made = releases.of_image(image_dir, counter=2, **more)
    if module is not None:
        source = source_of(f"{module}.py")
        if replace is not None:
            assert replace[0] in source
            source = source.replace(*replace)
        made.files[f"{module}.mpy"] = compiled(f"{module}.py", source + add)
    return made


def offered(tmp_path, made, at_ms=OFFER_AT_MS, **more):
    """Return the event that offers a release."""
    return {"at_ms": at_ms, "update": made.write(tmp_path / "release") | more}


def test_an_update_is_accepted_confirmed_and_doses_only_then(tmp_path, image_dir):
    made = release(image_dir, module="idro/app/telemetry", add="""
from idro.safety import gate, limits
from idro.update import verify
import sys
print("a telemetry of", sys.modules["idro.app.telemetry"].__file__, gate.__file__,
      limits.__file__, verify.__file__)
""")
    outcome = update_bench.run(tmp_path, image_dir, [
        offered(tmp_path, made),
        {"at_ms": OFFER_AT_MS + 2 * MINUTE_MS, "command": {
            "verb": "dose", "args": {"actuator": "ph_down", "volume_ul": 1_000}, "by": "ann"}},
    ], minutes=30)
    assert outcome.kinds() == TAKEN
    assert outcome.pointer() == "a ok"
    assert outcome.last() == {"slot": "a", "state": "ok", "release": made.sha256(),
                           "security_counter": 2, "kernel": KERNEL}
    assert [info["update"]["state"] for info in outcome.infos()][-2:] == ["trial", "ok"]
    assert outcome.infos()[-1]["version"] == "9.9.9"
    assert any(line.startswith(
        "a telemetry of /a/idro/app/telemetry.mpy idro/safety/gate.mpy idro/safety/limits.mpy "
        "idro/update/verify.mpy") for line in outcome.console)
    assert outcome.acks()[1] == ("refused", Reason("trial"))
    kinds = [kind for kind, _ in outcome.events("dosed", "update_trial", "update_confirmed")]
    trial, confirmed = kinds.index("update_trial"), kinds.index("update_confirmed")
    assert confirmed == trial + 1
    assert "dosed" in kinds[confirmed:]
    assert not outcome.events("latched")
    assert outcome.run.resets == ["reset"]
    asks = [line for line in outcome.lines
            if line["t"] == "up" and line["topic"].endswith("/up/update")]
    assert len(asks) < 30  # the rest was copied from the running release


LEAK = """
import gc
_kept = []
Sampler.whole_cycle = Sampler.cycle
async def cycle(self, moved_by):
    _kept.append(bytearray(LEAKED))
    await self.whole_cycle(moved_by)
Sampler.cycle = cycle
"""
BAD = {
    "raises at import": {"module": NODE, "add": "\nraise ValueError('bad')\n"},
    "hangs at import": {"module": NODE, "add":
                        "\nimport time\nwhile True:\n    time.sleep_ms(100)\n"},
    "raises when it starts": {"module": NODE, "replace": (
        "        self.clock = clock = Clock()", "        raise ValueError('bad')")},
    "its control hangs": {"module": "idro/app/control_cycle", "replace": (
        "        values, outputs = context.values",
        "        import time\n        time.sleep_ms(60_000)\n"
        "        values, outputs = context.values")},
    "its control fails": {"module": "idro/app/control_cycle", "replace": (
        "        stale_ms = max(_STALE_MS, 3 * values[\"sample.every_ms\"])\n        level",
        "        stale_ms = 1 // 0\n        level")},
    "loses the line": {"module": "idro/net/publisher", "replace": (
        "await client.open(broker.host, broker.port)",
        "raise LinkError('lost')")},
    "does not subscribe to down/stored": {"module": "idro/net/publisher", "replace": (
        "self._take_stored(self._handlers.on_stored(payload))", "pass")},
    "dies at 299 s": {"module": "idro/app/control_cycle", "replace": (
        "        now_ms = context.clock.now_ms()\n        if self._was_paused",
        "        now_ms = context.clock.now_ms()\n"
        "        if now_ms >= 290_000:\n            from idro.update.platform import restart\n"
        "            restart()\n        if self._was_paused")},
    "loses a sensor": {"module": "idro/app/sampling", "add": """
Sampler.whole_cycle = Sampler.cycle
async def cycle(self, moved_by):
    await self.whole_cycle(moved_by)
    self.readings.pop('reservoir.ph', None)
Sampler.cycle = cycle
"""},
    # The simulator has 16 MB of heap: this much per cycle corresponds to a few kilobytes on
    # a board.
    "leaks until nothing is left": {"module": "idro/app/sampling",
                                    "add": LEAK.replace("LEAKED", "1_000_000")},
    "leaks until little is left": {"module": "idro/app/sampling", "add": LEAK.replace(
        "LEAKED", "2_500") + "gc.mem_free = lambda: max(3_000, 96_000 - 2_500 * len(_kept))\n"},
    "its update task dies": {"module": "idro/app/ota/trial", "add":
                             "\nasync def watch(context, ledger, network):\n    while True:\n"
                             "        await context.clock.sleep_ms(60_000)\n"},
}


SOME_BAD = ("hangs at import", "its control fails", "loses the line", "dies at 299 s",
            "leaks until nothing is left", "leaks until little is left")


@pytest.mark.parametrize("why", BAD if ALL else SOME_BAD)
def test_a_bad_release_is_reverted(tmp_path, image_dir, why):
    made = release(image_dir, **BAD[why])
    outcome = update_bench.run(tmp_path, image_dir, [offered(tmp_path, made)], minutes=32)
    print(outcome.run.resets, outcome.events("update_reverted", "update_refused"))
    assert outcome.pointer() == ""
    assert outcome.last()["state"] == "base"
    assert outcome.last()["security_counter"] == 1
    assert "update_confirmed" not in outcome.kinds()
    reverted = [detail for _, detail in outcome.events("update_reverted")]
    assert [detail["release"] for detail in reverted] == [made.sha256()[:16]]
    # The restart into it, at most two more attempts, and the one with no attempt left.
    assert 2 <= len(outcome.run.resets) <= 4
    # It was offered again and refused.
    refusals = {detail["reason"]["code"] for _, detail in outcome.events("update_refused")}
    assert refusals <= {"rolled_back_before"}
    assert not outcome.events("latched")
    assert outcome.events("dosed")


def test_a_connection_loss_during_the_download_is_tolerated(tmp_path, image_dir):
    made = release(image_dir, module=NODE, add="\nNEW = 'x' * 9\n")
    times = [OFFER_AT_MS + 1_500 + 700 * index for index in range(4)]
    breaks = [{"at_ms": at_ms + 20_000 * index + more, "network": state}
              for index, at_ms in enumerate(times) for more, state in ((0, "down"), (9_000, "up"))]
    outcome = update_bench.run(
        tmp_path, image_dir, [offered(tmp_path, made), *breaks], minutes=16)
    assert outcome.kinds() == TAKEN
    assert outcome.run.resets == ["reset"]


def test_an_update_fails_if_the_host_stops_answering(tmp_path, image_dir):
    made = release(image_dir, module=NODE, add="\nNEW = 'x' * 9\n")
    outcome = update_bench.run(
        tmp_path, image_dir, [offered(tmp_path, made, silent_after=14)], minutes=60)
    assert outcome.kinds() == ["update_offered", "update_refused"]
    assert outcome.events("update_refused")[0][1]["reason"]["code"] == "host_silent"
    assert outcome.last()["state"] == "base"


def test_an_update_is_refused_during_a_calibration(tmp_path, image_dir):
    hold = {"at_ms": MINUTE_MS, "command": {"verb": "hold", "args": {"for_ms": 600_000},
                                            "by": "ann"}}
    outcome = update_bench.run(
        tmp_path, image_dir, [hold, offered(tmp_path, release(image_dir))], minutes=6)
    assert outcome.acks()[-1][1].code == "calibrating"
    assert outcome.kinds() == ["update_refused"]


def test_a_confirmed_release_with_lost_files_is_replaced(tmp_path, image_dir):
    made = release(image_dir)
    update_bench.run(tmp_path, image_dir, [offered(tmp_path, made)], minutes=9)
    (tmp_path / "flash" / "a" / "idro" / "app" / "sampling.mpy").unlink()
    (tmp_path / "state.json").unlink()
    outcome = update_bench.run(tmp_path, image_dir, [], minutes=6)
    assert outcome.last()["state"] == "base"
    assert outcome.pointer() == ""


def cut_run(tmp_path, image_dir, made, operation, share):
    """Cut the power in any one operation on flash or NVS after the offer."""
    cut = {"at_ms": OFFER_AT_MS - 1, "fault": "power_cut",
           "args": {"operation": operation, "written": share, "for_ms": 3_000}}
    return update_bench.run(
        tmp_path, image_dir, [cut, offered(tmp_path, made)], minutes=16)


CUTS = [(operation, share) for operation in range(1, 1_000, 3) for share in (0.0, 0.5, 0.75)]


@pytest.mark.parametrize(
    ("operation", "share"), CUTS if ALL else random.Random(7).sample(CUTS, 8))
def test_a_power_cut_with_the_real_image_is_survived(tmp_path, image_dir, operation, share):
    made = release(image_dir, module=NODE, add="\nNEW = 'x' * 9\n")
    outcome = cut_run(tmp_path, image_dir, made, operation, share)
    assert outcome.kinds()[-1] == "update_confirmed"
    assert outcome.pointer() == "a ok"
    assert outcome.last()["release"] == made.sha256()
    assert "update_reverted" not in outcome.kinds()
