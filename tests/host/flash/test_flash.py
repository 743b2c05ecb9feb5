"""`idroserra flash` from a bare chip to a board that runs the image; real esptool and mpremote."""

import json
import subprocess
import sys

from idro.protocol import messages_host, topics
from idroserra.boards import compiler
from idroserra.image import build
from idrosim.runner.process import make_job, run_lockstep
from support.flash_rig import BOARD, NVS_ADDRESS
from support.wait import wait_until


def esptool(port: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "esptool", "--port", port, *arguments],
                          capture_output=True, text=True, check=False)


def test_bare_chip_to_a_board_that_runs_the_image(
    plug_in, run_cli, binary_file, image_files, tmp_path
):
    board = plug_in(has_micropython=False)
    micropython = binary_file()
    said = run_cli("flash", BOARD, "--port", board.port, "--micropython", str(micropython),
                   "--yes", "--json")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert (answer["done"], answer["micropython_written"]) == (True, True)
    assert answer["files_sent"] == len(image_files)
    assert board.files() == image_files
    wait_until(lambda: board.resets == 1, 10, "the start of the image")
    assert reported_hash(board, tmp_path) == answer["image_sha256"]


def reported_hash(board, folder) -> str:
    """Return what the node says it runs, from the very files that lie on the board's flash."""
    job = make_job("bench-1", compiler.load(BOARD), folder / "sim",
                   start_unix_ms=1_760_000_000_000, duration_ms=20_000)
    for name, data in board.files().items():
        path = folder / "sim" / "flash" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    said: list[dict] = []
    run_lockstep(job, said.append)
    [info, *_] = [m["payload"] for m in said
                  if m["t"] == "up" and m["topic"] == topics.up("bench-1", "info")]
    return messages_host.unpack_info(info.encode()).image_sha256


def test_what_is_there_is_not_written_again(plug_in, run_cli, binary_file, image_files):
    board = plug_in(has_micropython=False)
    board.hold(image_files)
    arguments = ("flash", BOARD, "--port", board.port, "--micropython", str(binary_file()),
                 "--yes", "--json")
    first = json.loads(run_cli(*arguments).out)
    assert (first["micropython_written"], first["files_sent"]) == (True, 0)
    wait_until(lambda: board.resets == 1, 10, "the start of the image")
    second = json.loads(run_cli(*arguments).out)
    assert (second["nothing_to_do"], second["done"]) == (True, False)
    wait_until(lambda: board.resets == 2, 10, "the start of what was only looked at")


def test_wifi_and_key_of_a_node_outlive_another_micropython(
    plug_in, run_cli, binary_file, image_files, tmp_path
):
    board = plug_in()
    board.hold(image_files)
    nvs = tmp_path / "nvs.bin"
    nvs.write_bytes(b"wifi and key" * 500)
    assert esptool(board.port, "write-flash", hex(NVS_ADDRESS), str(nvs)).returncode == 0
    path = binary_file()
    said = run_cli("flash", BOARD, "--port", board.port, "--micropython", str(path), "-y")
    assert said.code == 0, said.err
    assert esptool(board.port, "verify-flash", hex(NVS_ADDRESS), str(nvs)).returncode == 0
    application = tmp_path / "application.bin"
    application.write_bytes(path.read_bytes()[0xF000:])
    assert esptool(board.port, "verify-flash", "0x10000", str(application)).returncode == 0


def test_changed_missing_and_stale_files_only(plug_in, run_cli, image_files):
    board = plug_in()
    other = dict(image_files)
    del other["idro/errors.mpy"]
    board.hold(other | {
        "idro/board.mpy": b"other", "idro/board.py": b"shadow", "idro/app/gone.mpy": b"old",
        "data/settings.a": b"kept",
    })
    said = run_cli("flash", BOARD, "--port", board.port, "--yes", "--json")
    answer = json.loads(said.out)
    assert (answer["files_sent"], answer["files_removed"]) == (2, 2)
    assert answer["files_kept"] == len(image_files) - 2
    assert board.files() == image_files | {"data/settings.a": b"kept"}


def test_dry_run_says_what_would_be_done_and_does_nothing(
    plug_in, run_cli, binary_file, image_files
):
    board = plug_in(has_micropython=False)
    said = run_cli("flash", BOARD, "--port", board.port, "--micropython", str(binary_file()),
                   "--dry-run")
    assert said.code == 0, said.err
    for words in (BOARD, board.port, "ESP32-D0WDQ6", "4 MB of flash", "not found",
                  f"{len(image_files)} to send", "nothing was written"):
        assert words in said.out
    assert not board.has_micropython
    assert board.files() == {}


def test_a_board_without_reset_circuit_goes_from_its_boot_loader_on(
    plug_in, run_cli, binary_file, image_files
):
    board = plug_in(has_micropython=False)
    board.hold(image_files)
    said = run_cli("flash", BOARD, "--port", board.port, "--micropython", str(binary_file()),
                   "--no-reset", "--yes", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["micropython_written"]


def test_asks_before_it_writes(plug_in, image_files):
    board = plug_in()
    board.hold({"data/settings.a": b"kept"})
    done = subprocess.run(
        [sys.executable, "-m", "idroserra.cli", "flash", BOARD, "--port", board.port],
        input="n\n", capture_output=True, text=True, check=False,
    )
    assert (done.returncode, "Continue?" in done.stdout) == (0, True), done.stderr
    assert "nothing was written" in done.stdout
    assert board.files() == {"data/settings.a": b"kept"}
    wait_until(lambda: board.resets == 1, 10, "the start of what was only looked at")


def test_erase_begins_from_empty(plug_in, run_cli, binary_file, image_files):
    board = plug_in()
    board.hold({"data/settings.a": b"gone", "idro/old.py": b"gone"})
    said = run_cli("flash", BOARD, "--port", board.port, "--micropython", str(binary_file()),
                   "--erase", "--yes")
    assert said.code == 0, said.err
    assert "WHOLE flash" in said.out
    assert board.files() == image_files


def test_an_own_board_file_is_flashed_too(plug_in, run_cli, tmp_path):
    text = (compiler.boards_dir() / f"{BOARD}.toml").read_text().replace(BOARD, "my-tank")
    (tmp_path / "my-tank.toml").write_text(text)
    board = plug_in()
    said = run_cli("flash", str(tmp_path / "my-tank.toml"), "--port", board.port, "--dry-run")
    assert said.code == 0, said.err
    assert "my-tank" in said.out
    assert build.MANIFEST not in board.files()
