"""Build hook: adds package data to wheels.

A standard wheel contains the boards, boot.py, main.py, the scenarios, the documentation site and
the page's JavaScript. An editable install has none of them: the code uses the checkout, `make web`
fetches the JavaScript and `make site` builds the site.
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
            build_data["force_include"][self._site()] = "idroserra/data/site"

    def _site(self) -> str:
        """Build the site and return its folder."""
        root = Path(self.root)
        subprocess.run([sys.executable, str(root / "host/docs/build.py")], check=True, cwd=root)
        return str(root / "build" / "site")

    def _vendor_javascript(self) -> None:
        """Copy the page's libraries from npm, unless the sdist contains them."""
        root = Path(self.root)
        if any((root / "host/idroserra/web/static/vendor").glob("*.js")):
            return
        subprocess.run([sys.executable, str(root / "host/web/build.py")], check=True, cwd=root)
