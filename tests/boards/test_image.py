"""The image: complete, the same bytes twice, and what the node will say about itself."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from idroserra import boards, image
from idroserra.errors import BoardError

NAME = "esp32-reservoir"
FIRMWARE = Path(__file__).parents[2] / "firmware"


def flash_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_holds_every_firmware_file_and_nothing_else(tmp_path):
    manifest = image.build_image(NAME, tmp_path)
    modules = {p.relative_to(FIRMWARE).as_posix() for p in (FIRMWARE / "idro").rglob("*.py")}
    wanted = {f"{name.removesuffix('.py')}.mpy" for name in modules | {"idro/board.py"}}
    assert set(manifest.files) == wanted | {"boot.py", "main.py"}
    assert set(flash_files(tmp_path)) == set(manifest.files) | {"manifest.json"}
    assert (tmp_path / "boot.py").read_bytes() == (FIRMWARE / "boot.py").read_bytes()


def test_same_sources_give_the_same_bytes(tmp_path):
    first = image.build_image(NAME, tmp_path / "here")
    second = image.build_image(NAME, tmp_path / "some" / "where else")
    assert first == second
    assert flash_files(tmp_path / "here") == flash_files(tmp_path / "some" / "where else")


def test_manifest_tells_the_hash_of_every_file(tmp_path):
    built = image.build_image(NAME, tmp_path)
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert image.read_manifest(tmp_path) == built
    digest = hashlib.sha256()
    for path in sorted(written["files"]):
        content = hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()
        assert content == written["files"][path]
        digest.update(f"{path}\n{content}\n".encode())
    assert written["image_sha256"] == digest.hexdigest()
    for path, digest_of_source in written["sources"].items():
        assert hashlib.sha256((FIRMWARE / path).read_bytes()).hexdigest() == digest_of_source


def test_no_path_of_this_machine_is_in_the_image(tmp_path):
    image.build_image(NAME, tmp_path)
    root = str(FIRMWARE.parent).encode()
    assert [name for name, data in flash_files(tmp_path).items() if root in data] == []


def test_board_module_reads_back_in_micropython(tmp_path):
    image.build_image(NAME, tmp_path)
    script = "import json; from idro.board import *; print(json.dumps([BOARD, VERSION]))"
    micropython = Path(sys.executable).with_name("micropython")
    done = subprocess.run(
        [str(micropython) if micropython.exists() else "micropython", "-c", script],
        cwd=tmp_path, env={"MICROPYPATH": ".:.frozen"}, capture_output=True, text=True, check=True,
    )
    assert json.loads(done.stdout) == [boards.load(NAME), image.version()]


def test_rebuild_removes_what_is_gone_and_leaves_data_alone(tmp_path):
    image.build_image(NAME, tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.a").write_text("kept")
    stale = tmp_path / "idro" / "gone.mpy"
    stale.write_bytes(b"old")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["files"] |= {"idro/gone.mpy": "0" * 64, "../outside": "0" * 64}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    outside = tmp_path.parent / "outside"
    outside.write_text("not ours")
    image.build_image(NAME, tmp_path)
    assert not stale.exists()
    assert outside.read_text() == "not ours"
    assert (tmp_path / "data" / "settings.a").read_text() == "kept"


def test_failures_are_named(tmp_path):
    with pytest.raises(BoardError, match="no such board"):
        image.build_image("nowhere", tmp_path)
    with pytest.raises(image.ImageError, match="build it again"):
        image.read_manifest(tmp_path)
