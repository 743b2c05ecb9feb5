"""Drive every actuator pin of the board to its safe level: the first statement of every boot.

Needs nothing but `machine` and the compiled board, so that it works when all else is broken. Pins
keep their level through a soft reset, so this is what ends a run that a crash left behind.
"""

import machine

from idro.board import BOARD


def drive_all_safe():
    """Drive the pins of all actuators to their safe level, as outputs."""
    for actuator in BOARD["actuators"]:
        machine.Pin(actuator["pin"], machine.Pin.OUT, value=actuator["safe_level"])
