"""The files of a MicroPython of our own: complete, without clashes, the image frozen in."""

import csv

import pytest

from idroserra import image, micropython_board
from idroserra.flash import binary


@pytest.fixture(params=["esp32-classroom", "esp32s3-ezo", "esp32c3-nursery"])
def written(request, tmp_path):
    """(board, folder of the definition, manifest of the image)."""
    manifest = image.build_image(request.param, tmp_path / "built")
    micropython_board.write(tmp_path / "board", tmp_path / "built", manifest)
    return request.param, tmp_path / "board", manifest


def test_what_is_frozen_is_the_image(written):
    _, folder, manifest = written
    calls = []
    names = {"include": lambda path: calls.append(("include", path)),
             "freeze": lambda path: calls.append(("freeze", path))}
    exec((folder / "manifest.py").read_text(), names)
    assert calls == [("include", "$(PORT_DIR)/boards/manifest.py"), ("freeze", "image")]
    frozen = folder / "image"
    found = {path.relative_to(frozen).as_posix(): image.sha256(path.read_bytes())
             for path in frozen.rglob("*") if path.is_file()}
    assert found == manifest.files
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


def test_what_an_older_one_left_is_gone(tmp_path):
    manifest = image.build_image("esp32-classroom", tmp_path / "built")
    stale = tmp_path / "board" / "image" / "idro" / "gone.mpy"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"old")
    micropython_board.write(tmp_path / "board", tmp_path / "built", manifest)
    assert not stale.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    manifest = image.build_image("esp32-classroom", tmp_path / "built")
    (tmp_path / "board").write_text("a file")
    with pytest.raises(image.ImageError, match="board.*cannot be written"):
        micropython_board.write(tmp_path / "board", tmp_path / "built", manifest)
