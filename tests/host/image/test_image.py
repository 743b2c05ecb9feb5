"""The image: complete, the same bytes twice, and what the node will say about itself."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from idroserra.boards import compiler
from idroserra.core.errors import BoardError
from idroserra.image import build
from idrosim.runner.process import install_image, make_job, run_lockstep
from support.source_tree import imports, module_of

NAME = "esp32-reservoir"
FIRMWARE = Path(__file__).parents[3] / "firmware"


def flash_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_holds_every_firmware_file_but_those_of_the_host_and_nothing_else(tmp_path):
    manifest = build.build_image(NAME, tmp_path)
    modules = {p.relative_to(FIRMWARE).as_posix() for p in (FIRMWARE / "idro").rglob("*.py")}
    assert modules > build.HOST_MODULES
    wanted = {f"{name.removesuffix('.py')}.mpy"
              for name in (modules | {"idro/board.py"}) - build.HOST_MODULES}
    assert set(manifest.files) == wanted | {"boot.py", "main.py"}
    assert set(flash_files(tmp_path)) == set(manifest.files) | {"manifest.json"}
    assert (tmp_path / "boot.py").read_bytes() == (FIRMWARE / "boot.py").read_bytes()


def test_no_file_of_the_image_imports_a_module_that_is_not_in_it():
    sources = build.firmware_sources()
    held = {module_of(path) for name, path in sources.items() if name.startswith("idro/")}
    held.add("idro.board")
    missing = [f"{name}:{line}: {imported}" for name, path in sources.items()
               for line, imported in imports(path)
               if imported.startswith("idro.") and imported not in held
               and imported.rpartition(".")[0] not in held]
    assert missing == []
    # `from idro.protocol import descriptions` names the module after its package.
    of_host = {name.removesuffix(".py").replace("/", ".") for name in build.HOST_MODULES}
    assert [f"{name}:{line}" for name, path in sources.items()
            for line, imported in imports(path) if imported in of_host] == []


def test_every_module_of_the_image_can_be_imported(tmp_path):
    manifest = build.build_image(NAME, tmp_path / "image")
    job = make_job("bench-1", compiler.load(NAME), tmp_path, duration_ms=60_000,
                   start_unix_ms=1_760_000_000_000)
    install_image(job, tmp_path / "image")
    modules = [path.removesuffix(".mpy").replace("/", ".") for path in manifest.files
               if path.endswith(".mpy") and not path.endswith("__init__.mpy")]
    (tmp_path / "flash" / "main.py").write_text(
        f"for name in {modules!r}:\n    __import__(name)\nprint('all are imported')\n"
        "import time\nwhile True:\n    time.sleep_ms(1_000)\n")
    console: list[str] = []
    run_lockstep(job, [].append, on_console=console.append)
    assert "all are imported" in console


def test_same_sources_give_the_same_bytes(tmp_path, monkeypatch):
    first = build.build_image(NAME, tmp_path / "here")
    monkeypatch.setattr(build, "_bytecode", {})
    second = build.build_image(NAME, tmp_path / "some" / "where else")
    assert first == second
    assert flash_files(tmp_path / "here") == flash_files(tmp_path / "some" / "where else")


def test_a_source_is_compiled_once_in_a_process(tmp_path, monkeypatch):
    sources = build.firmware_sources()
    first = build.build_image(NAME, tmp_path / "first")
    monkeypatch.setattr(build, "_mpy_cross", lambda: str(tmp_path / "no compiler"))
    assert build.build_image(NAME, tmp_path / "again") == first
    changed = tmp_path / "node.py"
    changed.write_text(sources["idro/app/node.py"].read_text() + "\nX = 1\n")
    with pytest.raises(FileNotFoundError, match="no compiler"):
        build.build_image(NAME, tmp_path / "new", sources | {"idro/app/node.py": changed})


def test_the_bytes_depend_on_no_folder_day_zone_or_language(tmp_path):
    copied = {}
    for name, path in build.firmware_sources().items():
        copied[name] = tmp_path / "copy" / name
        copied[name].parent.mkdir(parents=True, exist_ok=True)
        copied[name].write_bytes(path.read_bytes())
        os.utime(copied[name], (1_000_000_000, 1_000_000_000))
    build.build_image(NAME, tmp_path / "here", copied)
    there = tmp_path / "there"
    there.mkdir(mode=0o700)
    subprocess.run(
        [sys.executable, "-m", "idroserra.cli", "board", "build", NAME, "--out", "image"],
        cwd=there, check=True, stdout=subprocess.DEVNULL,
        env=os.environ | {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "7",
                          "SOURCE_DATE_EPOCH": "1"},
    )
    assert flash_files(tmp_path / "here") == flash_files(there / "image")


def test_manifest_says_for_which_boards_it_is_and_how_old_it_may_get(tmp_path):
    manifest = build.build_image(NAME, tmp_path)
    assert (manifest.board, manifest.board_class) == (NAME, f"esp32/{NAME}")
    written = (tmp_path / "manifest.json").read_bytes()
    assert build.security_counter(written) == manifest.security_counter == build.SECURITY_COUNTER
    assert {path: (tmp_path / path).stat().st_size for path in manifest.files} == manifest.sizes


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[]", b"\xff", b'{"security_counter": "x"}'])
def test_a_manifest_without_a_counter_counts_as_none(manifest):
    assert build.security_counter(manifest) == 0


def test_a_board_file_that_lies_anywhere_is_built(tmp_path):
    text = (compiler.boards_dir() / f"{NAME}.toml").read_text().replace(NAME, "my-tank")
    (tmp_path / "my-tank.toml").write_text(text)
    assert build.build_image(str(tmp_path / "my-tank.toml"), tmp_path / "x").board == "my-tank"


def test_an_image_of_an_older_version_is_replaced(tmp_path):
    (tmp_path / "manifest.json").write_text('{"files": {"old.mpy": "00"}}')
    (tmp_path / "old.mpy").write_bytes(b"old")
    build.build_image(NAME, tmp_path)
    assert not (tmp_path / "old.mpy").exists()
    (tmp_path / "manifest.json").write_text("of something else")
    with pytest.raises(build.ImageError, match="not an image manifest"):
        build.build_image(NAME, tmp_path)


def test_manifest_tells_the_hash_of_every_file(tmp_path):
    built = build.build_image(NAME, tmp_path)
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert written == asdict(built)
    digest = hashlib.sha256()
    for path in sorted(written["files"]):
        content = hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()
        assert content == written["files"][path]
        digest.update(f"{path}\n{content}\n".encode())
    assert written["image_sha256"] == digest.hexdigest()
    for path, digest_of_source in written["sources"].items():
        assert hashlib.sha256((FIRMWARE / path).read_bytes()).hexdigest() == digest_of_source


def test_no_path_of_this_machine_is_in_the_image(tmp_path):
    build.build_image(NAME, tmp_path)
    root = str(FIRMWARE.parent).encode()
    assert [name for name, data in flash_files(tmp_path).items() if root in data] == []


def test_board_module_reads_back_in_micropython(tmp_path):
    build.build_image(NAME, tmp_path)
    script = "import json; from idro.board import *; "
    script += "print(json.dumps([dict(BOARD, **wiring()), VERSION]))"
    micropython = Path(sys.executable).with_name("micropython")
    done = subprocess.run(
        [str(micropython) if micropython.exists() else "micropython", "-c", script],
        cwd=tmp_path, env={"MICROPYPATH": ".:.frozen"}, capture_output=True, text=True, check=True,
    )
    assert json.loads(done.stdout) == [compiler.load(NAME), build.version()]


def test_rebuild_removes_what_is_gone_and_leaves_data_alone(tmp_path):
    build.build_image(NAME, tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.a").write_text("kept")
    stale = tmp_path / "idro" / "gone.mpy"
    stale.write_bytes(b"old")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["files"] |= {"idro/gone.mpy": "0" * 64, "../outside": "0" * 64}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    outside = tmp_path.parent / "outside"
    outside.write_text("not ours")
    build.build_image(NAME, tmp_path)
    assert not stale.exists()
    assert outside.read_text() == "not ours"
    assert (tmp_path / "data" / "settings.a").read_text() == "kept"


def test_failures_are_named(tmp_path):
    with pytest.raises(BoardError, match="no such board"):
        build.build_image("nowhere", tmp_path)
