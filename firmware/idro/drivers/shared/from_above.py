"""Water level from the distance that a ranger above the water measures."""

from idro.errors import SensorError

_FLOOR_TOLERANCE_MM = 15


def level_mm(part, height_mm, distance_mm, blind_mm, range_mm):
    """Return the depth of water below a face at `height_mm` above the floor.

    Inside its blind zone a ranger reports the end of the zone, and a full tank would not look
    full: up to `blind_mm` a distance is a fault. Raises SensorError.
    """
    if not blind_mm < distance_mm <= range_mm:
        raise SensorError(part, "out_of_range", f"{distance_mm} mm away")
    depth_mm = height_mm - distance_mm
    if depth_mm < -_FLOOR_TOLERANCE_MM:
        raise SensorError(part, "out_of_range", f"{-depth_mm} mm below the floor")
    return max(0, depth_mm)
