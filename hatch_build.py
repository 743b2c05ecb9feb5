"""Build hook: what a wheel carries besides the three packages.

A standard wheel gets the boards, boot.py, main.py and the scenarios as package data, and the
JavaScript of the page. An editable install gets neither: there the code falls back to the
checkout, and `make web` fetches the JavaScript.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE_DATA = {
    "boards": "idroserra/data/boards",
    "firmware/boot.py": "idroserra/data/firmware/boot.py",
    "firmware/main.py": "idroserra/data/firmware/main.py",
    "sim/scenarios": "idrosim/data/scenarios",
}


class PackageData(BuildHookInterface[Any]):
    """Adds package data to standard wheels, and the page's JavaScript to wheels and sdists."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill `build_data` for this target. `version` is "editable" or "standard"."""
        if version == "editable":
            return
        self._vendor_javascript()
        if self.target_name == "wheel":
            build_data["force_include"].update(PACKAGE_DATA)

    def _vendor_javascript(self) -> None:
        """Copy the page's libraries from npm, unless an sdist already brought them."""
        root = Path(self.root)
        if any((root / "host/idroserra/web/static/vendor").glob("*.js")):
            return
        subprocess.run([sys.executable, str(root / "host/web/build.py")], check=True, cwd=root)
