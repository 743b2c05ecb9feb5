"""Unloads modules that are needed only briefly, to free heap."""

import sys


def unload(*names):
    """Remove modules such as "idro.net.dns_resolver" from sys.modules and their packages."""
    for name in names:
        if sys.modules.pop(name, None) is not None:
            package, module = name.rsplit(".", 1)
            if hasattr(sys.modules[package], module):
                delattr(sys.modules[package], module)
