"""Fixtures for flashing: virtual boards, a firmware binary, an image and the command line."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from idroserra.cli import main
from idroserra.image import build
from support.flash_rig import BOARD, micropython_bytes
from support.virtual_board import VirtualBoard


@dataclass
class CommandResult:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def run_cli(monkeypatch, capsys) -> Callable[..., CommandResult]:
    """Return run_cli("flash", ...), which calls the command line in this process."""
    def run(*arguments: str) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["idroserra", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.main()
        output = capsys.readouterr()
        return CommandResult(int(ended.value.code or 0), output.out, " ".join(output.err.split()))

    return run


@pytest.fixture
def plug_in(tmp_path) -> Iterator[Callable[..., VirtualBoard]]:
    """Return plug_in(...), which connects a virtual board. The same name is the same board."""
    plugged = []

    def plug(chip: str = "esp32", *, name: str = "board", **more) -> VirtualBoard:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        plugged.append(VirtualBoard(folder, chip, **more))
        return plugged[-1]

    yield plug
    for board in plugged:
        if board.is_plugged_in:
            board.close()


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """Return the folder with the image of BOARD."""
    folder = tmp_path_factory.mktemp("image")
    build.build_image(BOARD, folder)
    return folder


@pytest.fixture(scope="session")
def image_files(built) -> dict[str, bytes]:
    """Return the image of BOARD as {path on the flash: bytes}."""
    return {path.relative_to(built).as_posix(): path.read_bytes()
            for path in built.rglob("*") if path.is_file()}


@pytest.fixture
def binary_file(tmp_path) -> Callable[..., Path]:
    """Return binary_file(chip), which writes a binary laid out like MicroPython's."""
    def write(chip: str = "esp32", **more) -> Path:
        path = tmp_path / f"micropython-{chip}.bin"
        path.write_bytes(micropython_bytes(chip, **more))
        return path

    return write
