"""A second pH probe in a board file: `pair` names the source of the first, which control reads."""

from collections.abc import Sequence

from idroserra.boards.schema import Sensor
from idroserra.core.errors import BoardError

PAIRED = "ph"
# Parts with the calibration of the settings, of which a node has one.
_CALIBRATED_BY_SETTINGS = ("sen0161", "linear_analog")


def check(file: str, sensors: Sequence[Sensor]) -> None:
    """Check that at most one probe has a pair, and that both cannot be wrong alike.

    Raises BoardError."""
    first = {sensor.source for sensor in sensors
             if sensor.pair is None and PAIRED in sensor.measures}
    paired = ""
    for index, sensor in enumerate(sensors):
        if sensor.pair is None:
            continue
        key = f"sensor[{index}]"
        if sensor.measures != [PAIRED]:
            why = f'only probes of {PAIRED} are compared: measures = ["{PAIRED}"]'
            raise BoardError(file, f"{key}.pair", why)
        if sensor.pair not in first:
            why = f"no other probe measures {sensor.pair}.{PAIRED}: name the source of the first"
            raise BoardError(file, f"{key}.pair", why)
        if paired:
            raise BoardError(file, f"{key}.pair", f"{paired} has one too: one pair is compared")
        if sensor.part in _CALIBRATED_BY_SETTINGS:
            why = (f"{sensor.part} has the calibration of the settings, which is for the first: "
                   "use a part that holds its own, such as ezo_ph or a Modbus probe")
            raise BoardError(file, f"{key}.part", why)
        paired = key
