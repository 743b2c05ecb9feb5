"""Paths of the installed package, its data and, for an editable install, the checkout."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# Root of the checkout for an editable install; for a wheel an unrelated folder, so check that the
# wanted file exists.
CHECKOUT = PACKAGE.parents[1]
# Exists in a wheel only: boards, boot.py, main.py and the documentation site.
DATA = PACKAGE / "data"
