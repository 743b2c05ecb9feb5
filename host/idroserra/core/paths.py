"""The installed package, its data, the checkout of an editable install, and who runs it."""

import getpass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# Root of the checkout for an editable install; for a wheel an unrelated folder, so check that the
# wanted file exists.
CHECKOUT = PACKAGE.parents[1]
# Exists in a wheel only: boards, boot.py, main.py and the documentation site.
DATA = PACKAGE / "data"


def user_name(unknown: str) -> str:
    """Return the name of the user of this process, `unknown` without one."""
    try:
        return getpass.getuser()[:30]
    except (OSError, KeyError):
        return unknown
