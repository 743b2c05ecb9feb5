"""The wheel of this tree, built once for all workers of a test run, and the help in it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.run_once import once
from support.source_tree import ROOT


def unpacked_wheel(factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the unpacked wheel."""
    return once(factory, "wheel", _unpack) / "installed"


def built_site(factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the strictly built site, as an installed host has it."""
    return unpacked_wheel(factory) / "idroserra" / "data" / "site"


def _unpack(folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)],
        check=True,
    )
    [built] = folder.glob("idroserra-*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "installed")
