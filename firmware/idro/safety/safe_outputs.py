"""Drive every actuator pin of the board to its safe level: the first statement of every boot.

Needs nothing but `machine` and the compiled board, so that it works when all else is broken. Pins
keep their level through a soft reset, so this is what ends a run that a crash left behind.
"""

import machine

from idro.board import BOARD


def drive_all_safe():
    """Drive the pins of all actuators to their safe level, and take all expanders off."""
    for expander in BOARD["expanders"]:
        machine.Pin(expander["off_pin"], machine.Pin.OUT, value=expander["off_level"])
    for actuator in BOARD["actuators"]:
        if "expander" not in actuator:
            machine.Pin(actuator["pin"], machine.Pin.OUT, value=actuator["safe_level"])
