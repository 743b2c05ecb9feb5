"""The wheel contains firmware, boards, scenarios and the JavaScript of the page."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from idroserra.image import build
from support.run_once import once
from support.source_tree import ROOT


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an unpacked wheel of this tree."""
    return once(tmp_path_factory, "wheel", unpacked) / "installed"


def unpacked(folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)],
        check=True,
    )
    [built] = folder.glob("idroserra-*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "installed")


def test_contains_the_data_from_outside_the_packages(wheel):
    for source, target in (
        ("boards", "idroserra/data/boards"),
        ("sim/scenarios", "idrosim/data/scenarios"),
        ("host/idroserra/recipes/library", "idroserra/recipes/library"),
        ("host/idroserra/help/topics", "idroserra/help/topics"),
    ):
        wanted = {path.name for path in (ROOT / source).glob("*.toml")}
        assert {path.name for path in (wheel / target).glob("*.toml")} == wanted
    assert (wheel / "idroserra/data/firmware/boot.py").is_file()
    assert (wheel / "idroserra/data/firmware/main.py").is_file()
    assert list((wheel / "idroserra/web/static/vendor").glob("*.js"))
    assert (wheel / "idroserra/data/site/index.html").is_file()


def test_builds_the_same_image_as_the_checkout(wheel, tmp_path):
    script = (
        "import json, sys; from pathlib import Path; from idroserra.image import build;"
        "built = build.build_image('esp32-reservoir', Path(sys.argv[1]));"
        "print(json.dumps([build.__file__, built.image_sha256]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "wheel")],
        env={"PYTHONPATH": str(wheel)}, cwd=tmp_path, capture_output=True, text=True, check=True,
    )
    imported_from, image_sha256 = json.loads(done.stdout)
    assert Path(imported_from).is_relative_to(wheel)
    checkout = build.build_image("esp32-reservoir", tmp_path / "checkout")
    assert image_sha256 == checkout.image_sha256
