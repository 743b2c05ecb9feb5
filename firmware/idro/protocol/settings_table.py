"""Settings by key, for the host; a node reads the plain rows of `settings`."""

from collections import namedtuple

from idro.protocol.settings import ROWS

Setting = namedtuple("Setting", ("key", "kind", "unit", "default", "low", "high"))

SETTINGS = {row[0]: Setting(*row) for row in ROWS}
