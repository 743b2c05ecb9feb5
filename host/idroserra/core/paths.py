"""Where the package lies, and the checkout it may be installed from."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# The root of the tree of an editable install. Of a wheel it is some other folder: look whether
# what you want is in it.
CHECKOUT = PACKAGE.parents[1]
# What only a wheel carries: boards, boot.py, main.py and the documentation site.
DATA = PACKAGE / "data"
