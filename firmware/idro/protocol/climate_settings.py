"""Consistency check of the climate settings, imported only if one of them is set."""

from idro.errors import SettingsError
from idro.protocol.reason import Reason


def check(values):
    """Reject settings that heat and cool, or dry and humidify, at once. Raises SettingsError."""
    both_c = 2 * values["climate.deadband_c"]
    both_pa = 2 * values["climate.vpd_deadband_pa"]
    for when in ("day", "night"):
        cool, high = f"climate.cool_{when}_c", f"climate.vpd_high_{when}_pa"
        if not values[f"climate.heat_{when}_c"] + both_c < values[cool]:
            raise SettingsError(Reason("heat_cool", setting=cool))
        if not values[cool] < values["climate.max_c"]:
            raise SettingsError(Reason("cool_max", setting="climate.max_c"))
        if not values[f"climate.vpd_low_{when}_pa"] + both_pa < values[high]:
            raise SettingsError(Reason("vpd_order", setting=high))
    if values["climate.blind_vent_minutes"] < values["climate.vent_minutes"]:
        raise SettingsError(Reason("vent_order", setting="climate.blind_vent_minutes"))
