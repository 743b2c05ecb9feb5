"""Updates of the whole image on a simulated board whose application is frozen: MicroPython, the
firmware as it is flashed, partitions and a bootloader, power that goes."""

import os
import random

import pytest
import releases
import update_bench
from update_bench import BOARD, compiled, source_of

from idro.protocol.kernel import KERNEL
from idroserra import boards, image
from idroserra.frozen import About, board_sha256, kernel_sha256
from idrosim.shim.frozen import CHIP_ID, pack
from idrosim.shim.ota_flash import make_image

MINUTE_MS = 60_000
OFFER_AT_MS = 2 * MINUTE_MS
ALL = os.environ.get("IDROSERRA_UPDATE_PAIRS") == "all"
TAKEN = ["update_offered", "update_downloaded", "update_trial", "update_confirmed"]
NODE = "idro/app/node"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(files of the image, its hash)."""
    folder = tmp_path_factory.mktemp("image")
    made = image.build_image(BOARD, folder)
    return {path: (folder / path).read_bytes() for path in made.files}, made.image_sha256


def application(built, version, counter, **changed):
    """Return (description, application) of an image with modules changed."""
    files, digest = built
    told = About(releases.BOARD_CLASS, version, counter, board_sha256(boards.load(BOARD)),
                 changed.pop("kernel", None) or kernel_sha256(image.firmware_sources()), digest
                 ).text
    about = compiled("idro/frozen.py", f"ABOUT = {told!r}\n")
    files = files | {"idro/frozen.mpy": about} | {
        f"{name}.mpy": compiled(f"{name}.py", source) for name, source in changed.items()}
    return told.encode(), make_image([pack(files), b"machine code" * 99], CHIP_ID)


def release(built, add="\nNEW = 'x' * 9\n", **more):
    """Return the release of an image whose idro.app.node has something more."""
    told, data = application(built, "9.9.9", 2, **{NODE: source_of(f"{NODE}.py") + add}, **more)
    return releases.Release({"about.txt": told, "firmware.bin": data}, counter=2)


def run(tmp_path, built, made, *more, minutes=14, **event):
    flashed = tmp_path / "flashed.bin"
    flashed.write_bytes(application(built, "0.1.0", 1)[1])
    offer = {"at_ms": OFFER_AT_MS, "update": made.write(tmp_path / "release") | event}
    return update_bench.run(tmp_path, None, [*more, offer], minutes=minutes, frozen=str(flashed))


def test_it_is_taken_proves_itself_and_doses_only_then(tmp_path, built):
    made = release(built)
    told = run(tmp_path, built, made, minutes=24)
    assert told.kinds() == TAKEN
    assert told.last() == {"slot": "b", "state": "ok", "release": made.sha256(), "kernel": KERNEL,
                           "security_counter": 2, "frozen": True}
    assert [info["update"]["state"] for info in told.infos()][-2:] == ["trial", "ok"]
    assert (told.infos()[0]["version"], told.infos()[-1]["version"]) == ("0.1.0", "9.9.9")
    assert {info["image_sha256"] for info in told.infos()} == {built[1]}
    kinds = [kind for kind, _ in told.events("dosed", "update_trial", "update_confirmed")]
    assert kinds.index("update_confirmed") == kinds.index("update_trial") + 1
    assert "dosed" in kinds[kinds.index("update_confirmed"):]
    assert not told.events("latched")
    assert told.run.resets == ["reset"]


BAD = ("\nNode._keep_record = None\n", "\nraise ValueError('bad')\n",
       "\nimport time\nwhile True:\n    time.sleep_ms(100)\n")


@pytest.mark.parametrize("bad", BAD if ALL else BAD[:1])
def test_a_bad_one_is_back_after_one_boot(tmp_path, built, bad):
    told = run(tmp_path, built, release(built, bad), minutes=20)
    assert told.last()["state"] == "base"
    assert told.last()["security_counter"] == 1
    assert "update_confirmed" not in told.kinds()
    assert len(told.events("update_reverted")) == 1
    assert len(told.run.resets) == 2  # into it, and out of it
    refusals = {detail["reason"] for _, detail in told.events("update_refused")}
    assert refusals <= {"it was tried before and taken back"}
    assert told.events("dosed")


def test_another_kernel_is_refused_before_it_is_fetched(tmp_path, built):
    told = run(tmp_path, built, release(built, kernel="0" * 64), minutes=6)
    assert [detail["reason"] for _, detail in told.events("update_refused")] == [
        "its kernel is not that of this board: it changes over USB only"]
    asked = [line for line in told.lines if line["t"] == "up"
             and line["topic"].endswith("/up/update")]
    assert len(asked) == 2  # the manifest and the description
    assert told.run.resets == []


# Of the some 560 operations from the offer to the confirmation.
CUTS = random.Random(5).sample([(operation, share) for operation in range(1, 560)
                                for share in (0.0, 0.5, 0.75)], 30)


@pytest.mark.parametrize(("operation", "share"), CUTS if ALL else CUTS[:2])
def test_power_cut_with_the_real_image(tmp_path, built, operation, share):
    made = release(built)
    cut = {"at_ms": OFFER_AT_MS - 1, "fault": "power_cut",
           "args": {"operation": operation, "written": share, "for_ms": 3_000}}
    told = run(tmp_path, built, made, cut, minutes=18)
    assert told.kinds()[-1] == "update_confirmed"
    assert told.last()["release"] == made.sha256()
