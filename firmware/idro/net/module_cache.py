"""Modules that are needed for a moment only: loaded by who needs them, and let go here."""

import sys


def unload(*names):
    """Free modules that nobody holds any more, such as "idro.net.dns_resolver"."""
    for name in names:
        if sys.modules.pop(name, None) is not None:
            package, module = name.rsplit(".", 1)
            if hasattr(sys.modules[package], module):
                delattr(sys.modules[package], module)
