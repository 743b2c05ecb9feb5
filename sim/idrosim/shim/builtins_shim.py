"""Builtins where MicroPython looks first.

A name that is no global of its module is looked for through the module's whole table, and then
among the builtins. In a lockstep run that is a tenth of all look-ups, so modules of the firmware
and the simulator get what they use most as globals: the same objects, found at once.
"""

import builtins
import sys

AFTER_US = 2_000_000  # of a boot, which has imported everything by then
_NAMES = (
    "len", "min", "max", "isinstance", "bytes", "int", "abs", "range", "round", "bytearray",
    "float", "str", "OSError", "sum", "tuple", "list",
)


def put():
    """Give the modules that are imported now what they lack."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("idro", "idrosim"):
            present = module.__dict__
            for wanted in _NAMES:
                if wanted not in present:
                    setattr(module, wanted, getattr(builtins, wanted))
