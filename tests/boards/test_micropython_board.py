"""The files of a MicroPython of our own: complete, without clashes, the image frozen in."""

import csv

import pytest

from idroserra import boards, frozen, image, micropython_board
from idroserra.flash import binary

CLASSROOM = boards.load("esp32-classroom")


@pytest.fixture(params=["esp32-classroom", "esp32s3-ezo", "esp32c3-nursery"])
def written(request, tmp_path):
    """(board, folder of the definition, manifest of the image)."""
    manifest = image.build_image(request.param, tmp_path / "built")
    micropython_board.write(tmp_path / "board", tmp_path / "built", manifest,
                            boards.load(request.param))
    return request.param, tmp_path / "board", manifest


def test_what_is_frozen_is_the_image(written):
    _, folder, manifest = written
    calls = []
    names = {"include": lambda path: calls.append(("include", path)),
             "freeze": lambda path: calls.append(("freeze", path))}
    exec((folder / "manifest.py").read_text(), names)
    assert calls == [("include", "$(PORT_DIR)/boards/manifest.py"), ("freeze", "image")]
    frozen_dir = folder / "image"
    found = {path.relative_to(frozen_dir).as_posix(): image.sha256(path.read_bytes())
             for path in frozen_dir.rglob("*") if path.is_file()}
    about = found.pop("idro/frozen.mpy")
    assert found == manifest.files
    [said] = frozen.find((frozen_dir / "idro" / "frozen.mpy").read_bytes())
    assert about
    assert said.board_class == manifest.board_class
    assert (said.version, said.security_counter) == (manifest.version, manifest.security_counter)
    assert said.image == manifest.image_sha256
    assert {"boot.py", "main.py", "idro/safety/gate.mpy", "idro/board.mpy"} <= set(found)


def test_it_says_for_which_board_it_is_and_that_nobody_built_it(written):
    board, folder, manifest = written
    readme = (folder / "README.txt").read_text()
    assert board in readme
    assert manifest.image_sha256 in readme
    assert "Built by whoever has ESP-IDF" in readme
    assert "None of this was built or run" in readme
    chip = manifest.board_class.split("/")[0]
    assert f"write-flash {binary.CHIPS[chip][0]:#x} " in readme
    like = "ESP32_GENERIC" + {"esp32": "", "esp32s3": "_S3", "esp32c3": "_C3"}[chip]
    assert f"include(boards/{like}/mpconfigboard.cmake)" in (
        folder / "mpconfigboard.cmake").read_text()
    assert f'"boards/{like}/mpconfigboard.h"' in (folder / "mpconfigboard.h").read_text()


def test_partitions_follow_each_other_and_fit_into_4_mb():
    lines = [line for line in micropython_board.PARTITIONS.splitlines() if line[0] != "#"]
    at = 0x9000
    for name, kind, _, offset, size in csv.reader(lines, skipinitialspace=True):
        assert int(offset, 16) == at, name
        assert kind != "app" or at % 0x10000 == 0
        at += int(size, 16)
    assert at == 4 * 1_048_576
    sizes = [int(line[4], 16) for line in csv.reader(lines, skipinitialspace=True)
             if line[1] == "app"]
    assert sizes == [micropython_board.SLOT_BYTES] * 2


def test_the_kernels_digest_is_that_of_its_code_and_of_nothing_else(tmp_path):
    sources = dict(image.firmware_sources())
    digest = frozen.kernel_sha256(sources)

    def changed(name, *replaced, add="", words=None):
        text = sources[name].read_text(encoding="utf-8")
        for old, new in zip(replaced[::2], replaced[1::2], strict=True):
            assert old in text
            text = text.replace(old, new)
        if words is not None:
            text = f'"""{words}"""' + text.split('"""', 2)[2]
        path = tmp_path / "changed.py"
        path.write_text(text + add, encoding="utf-8")
        return frozen.kernel_sha256(sources | {name: path})

    limits = "idro/safety/limits.py"
    assert changed(limits, "DOSE_ON_MS = 10_000", "DOSE_ON_MS = 10_001") != digest
    assert changed("boot.py", add="\nprint(1)\n") != digest
    assert changed("idro/update/verify.py", "return pow(", "return 1 or pow(") != digest
    assert changed(limits, "10_000", "10000", add="\n# a word\n") == digest
    assert changed(limits, words="Other words.") == digest
    assert changed("idro/app/telemetry.py", add="\nA = 1\n") == digest


def test_every_pin_and_limit_of_a_board_is_in_its_digest():
    digest = frozen.board_sha256(CLASSROOM)
    actuators = [dict(one) for one in CLASSROOM["actuators"]]
    for key, value in (("max_on_ms", 1), ("pin", 99), ("safe_level", 1)):
        other = dict(CLASSROOM, actuators=[actuators[0] | {key: value}, *actuators[1:]])
        assert frozen.board_sha256(other) != digest, key
    assert frozen.board_sha256(dict(CLASSROOM, volume_l=1)) != digest
    assert frozen.board_sha256(boards.load("esp32-classroom")) == digest


def test_what_an_older_one_left_is_gone(tmp_path):
    manifest = image.build_image("esp32-classroom", tmp_path / "built")
    stale = tmp_path / "board" / "image" / "idro" / "gone.mpy"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"old")
    micropython_board.write(tmp_path / "board", tmp_path / "built", manifest, CLASSROOM)
    assert not stale.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    manifest = image.build_image("esp32-classroom", tmp_path / "built")
    (tmp_path / "board").write_text("a file")
    with pytest.raises(image.ImageError, match="board.*cannot be written"):
        micropython_board.write(tmp_path / "board", tmp_path / "built", manifest, CLASSROOM)
