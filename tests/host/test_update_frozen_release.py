"""Releases of a MicroPython with the image frozen in: read from the binary, wrong ones refused."""

import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from idroserra import boards, contract, frozen, micropython_board
from idroserra.nodes import Node
from idroserra.update import esp_image, keys, obstacles, release
from idroserra.update.errors import BadRelease
from idrosim.shim.ota_flash import make_image

BOARD = "esp32c3-nursery"
BOARDS_CLASS = "esp32c3/esp32c3-nursery"
CHIP = esp_image.CHIP_IDS["esp32c3"]
SLOT = micropython_board.SLOT_BYTES
ABOUT = frozen.About(BOARDS_CLASS, "0.4.0", 2, frozen.board_sha256(boards.load(BOARD)),
                     "c" * 64, "1" * 64)


def description(project="micropython"):
    """esp_app_desc_t: versions in words of 32 bytes."""
    return (b"\x32\x54\xcd\xab" + bytes(12) + b"v1.29.0".ljust(32, b"\0")
            + project.encode().ljust(32, b"\0") + bytes(32) + b"v5.5.1".ljust(32, b"\0")
            + bytes(112))


def application(*abouts, chip_id=CHIP, project="micropython"):
    """An application that holds these descriptions of images."""
    held = b"other words".join(one.text.encode() for one in abouts)
    return make_image([description(project) + b"rodata" * 99 + held, b"code" * 500], chip_id)


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    public = keys.make(folder / "release", folder / "release.pub", None)
    return keys.load_private(folder / "release", None), public, folder / "release"


@pytest.fixture
def build(signer, tmp_path):
    """build(bytes): the release of these bytes as micropython.bin."""
    def build(data, slot_bytes=SLOT):
        path = tmp_path / "micropython.bin"
        path.write_bytes(data)
        return release.build_frozen(BOARD, signer[0], path, slot_bytes)
    return build


def test_what_it_is_comes_from_the_binary(build, signer, tmp_path):
    made = build(application(ABOUT))
    told = made.manifest
    assert (told.version, told.board_class, told.security_counter) == ("0.4.0", BOARDS_CLASS, 2)
    assert told.is_frozen
    assert made.content["about.txt"] == ABOUT.text.encode()
    release.write(made, tmp_path / "made")
    assert release.read(tmp_path / "made", [signer[1]]) == made
    assert release.unpack(release.pack(made), [signer[1]]) == made
    assert build(application(ABOUT)).text == made.text


def test_the_application_says_who_it_is():
    said = esp_image.read("x.bin", application(ABOUT), "esp32c3", SLOT)
    assert said == esp_image.Application("v1.29.0", "v5.5.1")


WRONG = {
    "nothing": (b"", "is no application of ESP-IDF"),
    "text": (b"words" * 99, "is no application of ESP-IDF"),
    "a bootloader first": (b"\xe9" + bytes(999), "holds the bootloader too"),
    "another chip": (application(ABOUT, chip_id=9), "is for esp32s3, the board has esp32c3"),
    "an unknown chip": (application(ABOUT, chip_id=77), "is for chip 77"),
    "cut short": (application(ABOUT)[:-1], "is cut short or damaged"),
    "cut in a segment": (application(ABOUT)[:900], "is cut short or damaged"),
    "more behind it": (application(ABOUT) + b"x", "is cut short or damaged"),
    "one bit": (application(ABOUT)[:700] + bytes([application(ABOUT)[700] ^ 1])
                + application(ABOUT)[701:], "is cut short or damaged"),
    "too large": (application(ABOUT) + bytes(SLOT), "the board's slots have 1572864"),
    "another program": (application(ABOUT, project="blink"), "is blink, not micropython"),
    "nothing frozen in": (application(), "has no image of Idroserra frozen in"),
    "two frozen in": (application(ABOUT, replace(ABOUT, version="1")), "has 2 images frozen in"),
    "another board": (application(replace(ABOUT, board_class="esp32c3/other")),
                      "is for esp32c3/other, not for esp32c3/esp32c3-nursery"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_application_for_the_board(build, what):
    data, why = WRONG[what]
    with pytest.raises(BadRelease, match=why):
        build(data)


def signed(signer, content, **more):
    """A folder's members, signed whatever they are."""
    files = tuple(release.File(path, len(data), release.image.sha256(data))
                  for path, data in sorted(content.items()))
    told = {"version": "0.4.0", "board_class": BOARDS_CLASS, "kernel": contract.KERNEL,
            "security_counter": 2} | more
    text = release.Manifest(files=files, **told).text
    return {"manifest": text, "signature": keys.sign(signer[0], text), **content}


def test_signed_releases_that_do_not_fit_together(signer):
    whole = {"about.txt": ABOUT.text.encode(), "firmware.bin": application(ABOUT)}
    release._checked(signed(signer, whole), [signer[1]])
    other = replace(ABOUT, kernel="d" * 64).text.encode()
    for members in (
        signed(signer, whole, version="0.5.0"), signed(signer, whole, security_counter=3),
        signed(signer, whole | {"about.txt": other}),
        signed(signer, whole | {"about.txt": ABOUT.text.encode()[:-1]}),
        signed(signer, whole | {"idro/app/node.mpy": b"x"}),
        signed(signer, {"about.txt": whole["about.txt"]}),
        signed(signer, whole | {"firmware.bin": whole["firmware.bin"][:-9]}),
        signed(signer, whole, board_class="esp32/esp32-reservoir"),
        signed(signer, whole, board_class="esp9/esp32-reservoir"),
    ):
        with pytest.raises(BadRelease):
            release._checked(members, [signer[1]])


def test_each_kind_of_board_is_offered_its_kind(build):
    wanted = build(application(ABOUT)).manifest
    runs = contract.AS_FLASHED._replace(kernel=contract.KERNEL, is_frozen=True)
    info = SimpleNamespace(chip="esp32c3", board=BOARD, update=runs)
    node = Node("n", "s", key=b"k" * 32, info=info)
    assert obstacles.misfit(node, wanted) == ""
    info.update = runs._replace(is_frozen=False)
    assert "the release is one frozen into MicroPython" in obstacles.misfit(node, wanted)
    info.update = runs
    files = replace(wanted, files=(release.File("idro/app/node.mpy", 1, "0" * 64),))
    assert "the release is one of files" in obstacles.misfit(node, files)


def test_by_command(signer, tmp_path):
    path = tmp_path / "micropython.bin"
    path.write_bytes(application(ABOUT))
    command = [sys.executable, "-m", "idroserra.cli", "update", "build", BOARD, "--key",
               str(signer[2]), "--firmware", str(path), "--out", str(tmp_path / "r"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["version"], told["files"]) == ("0.4.0", 2)
    done = subprocess.run([*command, "--version", "9"], capture_output=True, text=True,
                          check=False)
    assert done.returncode != 0
    assert "--firmware: says its version" in done.stderr
