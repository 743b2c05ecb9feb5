"""The help of this tree, built once for all workers of a test run."""

import sys

from support.real_host import ROOT
from support.run_once import once

sys.path.insert(0, str(ROOT / "host" / "docs"))

from build import build  # noqa: E402  the script of `make site`


def built_site(tmp_path_factory):
    """Return the folder of the strictly built site."""
    return once(tmp_path_factory, "help", lambda shared: build(site=shared / "site")) / "site"
