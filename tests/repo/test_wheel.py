"""The wheel contains firmware, boards, scenarios and the JavaScript of the page."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from idroserra.image import build
from support.source_tree import ROOT
from support.wheel import unpacked_wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an unpacked wheel of this tree."""
    return unpacked_wheel(tmp_path_factory)


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
