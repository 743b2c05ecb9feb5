"""Drives every actuator pin to its safe level, as the first statement of every boot.

Depends only on `machine` and the compiled board, so that it works when all else fails. Pins keep
their level through a soft reset, so this ends a run that a crash left on.
"""

import machine

from idro.board import BOARD


def drive_all_safe():
    """Drive every actuator pin to its safe level and disable every expander."""
    for expander in BOARD["expanders"]:
        machine.Pin(expander["off_pin"], machine.Pin.OUT, value=expander["off_level"])
    for actuator in BOARD["actuators"]:
        if "expander" not in actuator:
            machine.Pin(actuator["pin"], machine.Pin.OUT, value=actuator["safe_level"])
